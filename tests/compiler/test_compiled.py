"""What a compiled network is: what it says of itself, how it travels, how it ends, and the shapes it takes."""

from __future__ import annotations

import copy
import dataclasses
import gc
import inspect
import pickle
import sys
import tracemalloc
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glassnet.compiler
from compiler.graphs import policy
from compiler.made import chain, dense, identical, pixels, rows, small
from glassnet.activations import Array
from glassnet.compiler import CompiledNetwork, entry
from glassnet.errors import OptionError
from glassnet.network import (
    Activate,
    Add,
    ArgMax,
    Clip,
    Concatenate,
    Dense,
    Input,
    Map,
    Multiply,
    Network,
    Reshape,
    ScaleShift,
    Slice,
)


def agrees(network: Network, x: Array, **options: Any) -> CompiledNetwork:
    """Compile a network and hold it to its definition, as a batch, as one row, and in float64."""
    fast = network.compile(**options)
    for given in (x, x[0], x.astype(np.float64)):
        expected = network(given)
        found = fast(given)
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    return fast


# --- what it says of itself ---


def test_report_of_a_compiled_network() -> None:
    network = Network(
        [ScaleShift(np.float32(2), np.float32(1)), dense(20, 33, "relu"), Clip(high=6.0), dense(33, 3, "softmax")],
        inputs=Input((20,)),
    )
    fast = network.compile(target="sse", cache=False)
    report = dataclasses.replace(
        fast.report(), seconds=0.0125, target="this processor", code_bytes=1234, parameter_bytes=56_789
    )
    assert str(report) == (
        "engine llvm, this processor; 12.5 ms\n"
        "algebra: fold_into_follower\n"
        f"{report.plans[0].describe()}\n"
        "1,234 bytes of code, 56,789 bytes of parameters"
    )
    assert str(dataclasses.replace(report, from_cache=True)).startswith("engine llvm, this processor; 12.5 ms, from")
    assert report.in_numpy == ()
    assert "sse" in fast.report().target
    assert fast.report().code_bytes > 1000
    assert fast.report().parameter_bytes == 4 * report.plans[0].parameter_floats


def test_report_of_a_network_in_parts() -> None:
    network = Network(
        [dense(20, 4, name="a"), Map("sin", name="wave"), Map("cos", name="bent"), dense(4, 2)], inputs=Input((20,))
    )
    report = network.compile().report()
    assert report.in_numpy == (
        ("wave", "there is no kernel for sin yet"),
        ("bent", "there is no kernel for cos yet"),
    )
    assert len(report.plans) == 2
    assert "in NumPy: wave, because there is no kernel for sin yet" in str(report)


def test_report_of_a_network_in_float64() -> None:
    network = Network([Dense(np.ones((4, 2)), None, name="d")])
    fast = network.compile()
    report = dataclasses.replace(fast.report(), seconds=0)
    assert str(report) == (
        "engine numpy; 0.0 ms\n"
        "in NumPy: d, because the network computes in float64, the kernels in float32\n"
        "0 bytes of code, 0 bytes of parameters"
    )
    assert fast.ir == fast.assembly == ""


def test_ir_and_assembly_are_text() -> None:
    fast = small().compile()
    for name in ("forward", "blocks_1", "call"):
        assert f'@"{name}"(' in fast.ir
        assert f"\n{name}:" in fast.assembly


def test_a_value_that_is_a_whole_number_stays_one() -> None:
    network = small().replace(labels=None)
    chosen = network.replace(steps=[*network.steps, ArgMax(axis=-1, name="chosen")], outputs=["chosen"])
    x, fast = rows(5), chosen.compile()
    assert identical(fast(x), chosen(x))
    assert fast(x).dtype == np.int64
    out = np.empty(fast(x).shape, np.int64)
    assert fast(x, out=out) is out
    assert identical(out, chosen(x))


def test_repr_and_documentation() -> None:
    fast = small().compile(threads=2)
    assert repr(fast) == "<CompiledNetwork of <Network 20-9-3, 2 steps, 219 parameters>, llvm, 2 thread(s)>"
    assert isinstance(fast, CompiledNetwork)
    assert inspect.getdoc(fast) == inspect.getdoc(CompiledNetwork)
    assert glassnet.compiler.__all__ == ["CompiledNetwork", "Report"]


def test_options_are_checked() -> None:
    network = small()
    for threads in (0, -1, 1.5, "2", None):
        with pytest.raises(OptionError, match="threads must be a whole number, 1 or more, found"):
            network.compile(threads=threads)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match=r"unknown target 'abacus'\nhint: one of avx512, avx2, neon, sse"):
        network.compile(target="abacus")


# --- how it travels ---


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, lambda fast: pickle.loads(pickle.dumps(fast))])
def test_copies_and_pickles_answer_the_same(way: Any) -> None:
    fast = small().compile(threads=2, target="sse")
    arrived = way(fast)
    assert arrived is not fast
    assert arrived.threads == 2
    assert arrived.report().target == fast.report().target
    assert arrived.report().from_cache
    assert identical(arrived(rows(9)), fast(rows(9)))


# --- how it ends ---


def test_references_are_given_back() -> None:
    fast = small().compile()
    x, row = rows(5), rows(1)[0]
    y = fast(x)
    out = np.empty_like(y)
    gc.collect()  # what other tests left behind has such dtypes, too
    before = sys.getrefcount(x), sys.getrefcount(x.dtype), sys.getrefcount(row), sys.getrefcount(np.ndarray)
    for _ in range(100):
        y = fast(x)
        fast(row)
        fast(x, out=out)
        fast.predict(x)
        with pytest.raises(ValueError, match="expected a row"):
            fast(x[:, :3])
    assert (sys.getrefcount(x), sys.getrefcount(x.dtype), sys.getrefcount(row), sys.getrefcount(np.ndarray)) == before
    assert sys.getrefcount(y) == sys.getrefcount(out) == 2
    several = policy().compile()
    answers = several(rows(5, 30))
    assert sys.getrefcount(answers) == 2
    assert [sys.getrefcount(answers[number]) for number in range(3)] == [2, 2, 2]
    assert y.base is None
    assert y.flags.owndata
    assert y.flags.writeable


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
def test_calls_leave_no_memory_behind() -> None:
    fast = small().compile()
    wide = chain(2000, 30, 4, output="tanh").compile()  # its scratch does not lie on the stack
    several = policy().compile()
    x, row, wide_row, state = rows(3), rows(1)[0], rows(1, 2000)[0], rows(1, 30)[0]

    def calls(count: int) -> None:
        for _ in range(count):
            fast(row)
            fast(x)
            fast.predict(row)
            wide(wide_row)
            several(state)

    calls(1000)
    gc.collect()
    before = resident_bytes()
    tracemalloc.start()
    calls(25_000)
    traced, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert traced < 50_000
    assert resident_bytes() - before < 4 << 20  # a leak of 50 bytes a call would be 5 MB


def test_a_network_let_go_is_freed() -> None:
    fast = small().compile()
    fast(rows(2))
    code = weakref.ref(fast._parts[0].native.code.owner)  # type: ignore[union-attr]
    gone = weakref.ref(fast)
    del fast
    gc.collect()
    assert gone() is None
    assert code() is None


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
def test_compiling_again_and_again_takes_no_more_memory() -> None:
    network = small()

    def compiled(count: int) -> None:
        for _ in range(count):
            network.compile()(rows(2))
        gc.collect()

    compiled(20)
    before = resident_bytes()
    compiled(200)
    assert resident_bytes() - before < 8 << 20  # 40 KB each


def test_its_functions_may_outlive_it() -> None:
    """The C functions own their code and parameters, wherever they are taken to."""
    fast = small().compile()
    x = rows(6)
    expected, decided = fast(x), fast._decide(x)
    call, decide = type(fast).__dict__["__call__"], fast._decide
    del fast
    gc.collect()
    garbage = [small().compile() for _ in range(3)]  # others may take its place in memory
    assert identical(call(x), expected)
    assert identical(call(x.astype(np.float64)), expected)
    assert identical(decide(x), decided)
    assert garbage


def test_what_a_call_works_with_cannot_be_changed() -> None:
    owner = type(small().compile()).__dict__["__call__"].__self__
    assert isinstance(owner, tuple)
    assert not any(item.flags.writeable for item in owner if isinstance(item, np.ndarray))


def test_dropped_while_it_runs() -> None:
    """The last reference may go in a callback of the call itself."""
    holder = [small().compile()]

    class Drops:
        def __array__(self, *_: object, **__: object) -> Array:
            holder.clear()
            gc.collect()
            return rows(3)

    assert identical(holder[0](Drops()), small().compile()(rows(3)))


# --- another Python ---


def test_where_python_is_laid_out_differently(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in free-threaded builds: the kernels run, and nothing that knows the inside of an object is emitted."""
    usual = small().compile()
    monkeypatch.setattr(entry, "HAS_ENTRY", False)
    monkeypatch.setattr("glassnet.compiler.machine.HAS_ENTRY", False)
    fast = small().compile()
    assert not fast.report().from_cache  # another object file
    assert '@"call"' not in fast.ir
    assert fast.report().engine == "llvm"
    for x in (rows(40), rows(1)[0], pixels(3), rows(5).astype(np.float64)):
        assert identical(fast(x), usual(x))
        assert identical(fast.predict(x), usual.predict(x))
    again = pickle.loads(pickle.dumps(fast))
    assert again.report().from_cache


# --- the shapes it takes ---


@pytest.mark.parametrize(
    ("sizes", "count"), [((1, 1), 70), ((20_000, 3), 60), ((3, 20_000), 60), ((1, 300, 1), 70), ((17, 1, 17), 9)]
)
def test_narrow_and_wide_layers(sizes: tuple[int, ...], count: int) -> None:
    agrees(chain(*sizes, hidden="tanh", output="identity"), rows(count, sizes[0]))


def test_a_softmax_over_20_000_classes() -> None:
    agrees(chain(3, 20_000), 5 * rows(7, 3))


def test_a_network_of_200_layers() -> None:
    steps = [dense(4, 4, "elu" if number % 3 else "tanh", seed=number) for number in range(200)]
    fast = agrees(Network(steps), rows(50, 4))
    assert len(fast.report().plans[0].layers) == 200


FLOAT = np.float32
MIXED: dict[str, list[Any]] = {
    "activate alone": [Activate("tanh")],
    "activate first": [Activate("sigmoid"), dense(20, 3)],
    "clip first": [Clip(-0.5, 0.5), dense(20, 3)],
    "scale before": [ScaleShift(FLOAT(0.5), FLOAT(1)), dense(20, 3)],
    "scale after": [dense(20, 3), ScaleShift(rows(1, 3)[0], rows(1, 3, seed=9)[0])],
    "scale after softmax": [dense(20, 3, "softmax"), ScaleShift(FLOAT(3), FLOAT(1))],
    "scale between": [dense(20, 8, "tanh"), ScaleShift(FLOAT(0.5), FLOAT(1)), dense(8, 3)],
    "scale alone": [ScaleShift(FLOAT(0.5), FLOAT(1))],
    "softmax inside": [dense(20, 8, "softmax"), Clip(0, 0.1), dense(8, 3, "log_softmax")],
    "softmax on its own": [dense(20, 8), Clip(-1, 1), Activate("softmax"), dense(8, 3)],
    "relu after sigmoid": [dense(20, 8, "sigmoid"), Activate("relu"), Clip(0.2, 0.8), Activate("tanh")],
    "residual": [dense(20, 8, "tanh", name="a"), dense(8, 8, name="b"), Add(sources=("a", "b")), dense(8, 3)],
    "gate": [
        dense(20, 8, "sigmoid", name="gate", sources=("x",)),
        dense(20, 8, "tanh", name="value", sources=("x",)),
        Multiply(sources=("gate", "value")),
        dense(8, 3, "softmax"),
    ],
    "wide and deep": [
        dense(20, 8, "relu", name="deep"),
        Slice(3, 17, name="wide", sources=("x",)),
        Concatenate(sources=("deep", "wide")),
        dense(22, 3),
    ],
    "rows of a matrix": [Reshape((4, 5)), dense(5, 3, "relu"), Reshape((12,)), dense(12, 2), Clip(-1, 1)],
    "reshape into the same": [Reshape((20,)), dense(20, 3)],
    "output reads the input again": [
        dense(20, 20, "tanh", name="a"),
        Add(sources=("a", "x"), name="sum"),
        dense(20, 20, "tanh", sources=("sum",)),
    ],
}


@pytest.mark.parametrize("name", MIXED)
def test_steps_of_every_kind(name: str) -> None:
    network = Network(MIXED[name], inputs=Input((20,), scale=1 / 255))
    agrees(network, rows(70))
    fast = network.compile()
    np.testing.assert_allclose(fast(pixels(70)), network(pixels(70)), rtol=1e-4, atol=1e-5)


def test_an_output_in_the_middle_of_a_chain() -> None:
    network = Network(
        [dense(20, 9, "relu", name="a"), dense(9, 8, "tanh", name="b"), dense(8, 3, name="c")], outputs=("c", "a")
    )
    fast = network.compile()
    for found, expected in zip(fast(rows(30)), network(rows(30)), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert len(fast.report().plans) == 1


def test_more_rows_than_a_chunk_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glassnet.network.graph.CHUNK_BYTES", 1)
    network = Network(MIXED["wide and deep"], inputs=Input((20,)))
    agrees(network, rows(333))
    fortran = np.asfortranarray(rows(333))
    assert identical(small().compile()(fortran), small().compile()(rows(333)))


def test_memory_stays_bounded_while_converting() -> None:
    network = chain(500, 2, output="identity")
    fast = network.compile()
    x = np.zeros((40_000, 500), np.float64)  # 160 MB
    fast(x[:1])
    tracemalloc.start()
    fast(x)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20


# --- numbers that are none ---


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("activation", ["identity", "relu", "sigmoid", "tanh", "softmax"])
def test_weights_that_are_not_finite(value: float, activation: str) -> None:
    """0 · ∞ is NaN: such a layer must not skip zeros, nor be folded."""
    weights = dense(20, 30).weights.copy()
    weights[3, 2] = weights[19, 29] = value
    steps = [
        ScaleShift(FLOAT(2), FLOAT(0)),
        Dense(weights, None, activation),
        dense(30, 20),
        Dense(weights, None, activation),
    ]
    x = rows(50)
    x[np.random.default_rng(5).random(x.shape) < 0.6] = 0
    x[7] = 0
    network = Network(steps, inputs=Input((20,)))
    with np.errstate(all="ignore"):
        agrees(network, x)
        agrees(network.replace(steps=tuple(network.steps[:2]), outputs=(network.steps[1].name,)), x)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_a_bias_that_is_not_finite(value: float) -> None:
    bias = np.array([0, value, 1], np.float32)
    with np.errstate(all="ignore"):
        agrees(Network([Dense(dense(20, 3).weights, bias), dense(3, 4, "relu")]), rows(9))


@pytest.mark.parametrize(
    "step",
    [
        Clip(-1e300, 1e300),
        Clip(1e-300, 1e300),
        Activate(glassnet.ACTIVATIONS["relu"]),
        Activate(glassnet.activations.activation("leaky_relu", slope=1e-300)),
        Activate(glassnet.activations.activation("elu", alpha=-1e-46)),
    ],
)
def test_parameters_beyond_float32(step: Any) -> None:
    with np.errstate(all="ignore"):
        agrees(Network([dense(20, 3), step], inputs=Input((20,))), rows(9))


@pytest.mark.parametrize("options", [{"scale": 1e-300}, {"scale": 1e-3, "shift": 1e-300}, {"scale": 1e300}])
def test_scales_beyond_float32(options: dict[str, Any]) -> None:
    network = Network([dense(20, 3)], inputs=Input((20,), **options))
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(network.compile()(pixels(9)), network(pixels(9)), rtol=1e-4, atol=1e-5)
