"""Every form of input: the network's own answer, the bits of the plain call, or the network's own error."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compiler.graphs import towers
from compiler.made import chain, dense, identical, pixels, rows, small
from glassnet.activations import Array
from glassnet.compiler import CompiledNetwork
from glassnet.errors import DtypeError, GlassnetError, OptionError, ShapeError
from glassnet.network import Concatenate, Dense, Input, Network


@pytest.fixture(scope="module")
def network() -> Network:
    return small()


@pytest.fixture(scope="module")
def fast(network: Network) -> CompiledNetwork:
    return network.compile()


class Named(np.ndarray[Any, Any]):
    """A subclass, as libraries for units and labels make them."""


def misaligned(x: Array) -> Array:
    return np.frombuffer(b"\0" + x.tobytes(), x.dtype, offset=1).reshape(x.shape)


def read_only(x: Array) -> Array:
    copy = x.copy()
    copy.flags.writeable = False
    return copy


def every_other(x: Array) -> Array:
    wide = np.full((2 * len(x), 3 * x.shape[1]), 7, x.dtype)
    wide[::2, ::3] = x
    return wide[::2, ::3]


def mapped(x: Array, folder: Path) -> Array:
    file = np.memmap(folder / "x", x.dtype, "w+", shape=x.shape)
    file[:] = x
    return file


LAYOUTS: dict[str, Callable[[Array], Any]] = {
    "fortran": np.asfortranarray,
    "backwards": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
    "every other": every_other,
    "misaligned": misaligned,
    "read-only": read_only,
    "big-endian": lambda x: x.astype(x.dtype.newbyteorder(">")),
    "unpickled": lambda x: pickle.loads(pickle.dumps(x)),
    "subclass": lambda x: x.view(Named),
    "matrix": np.asmatrix,
    "masked": np.ma.masked_array,
    "lists": lambda x: x.tolist(),
    "tuple of rows": tuple,
    "buffer": lambda x: x.data,
}


@pytest.mark.parametrize("count", [1, 5, 131])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("make", [rows, pixels])
@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
def test_layouts_give_the_identical(
    network: Network, fast: CompiledNetwork, make: Callable[[int], Array], layout: str, count: int
) -> None:
    x = make(count)
    given = LAYOUTS[layout](x)
    plain = fast(x)
    np.testing.assert_allclose(plain, network(x), rtol=1e-5, atol=1e-6)
    assert identical(fast(given), plain)
    assert identical(fast.predict(given), network.predict(x))


def test_memory_mapped(fast: CompiledNetwork, tmp_path: Path) -> None:
    assert identical(fast(mapped(rows(50), tmp_path)), fast(rows(50)))


def test_one_row_repeated_without_memory(fast: CompiledNetwork) -> None:
    row = rows(1)[0]
    answers = fast(np.broadcast_to(row, (1000, 20)))
    assert (answers == fast(row)).all()


@pytest.mark.parametrize("dtype", ["f2", "f8", "g", ">f2", ">f8"])
def test_floats_of_every_size(network: Network, fast: CompiledNetwork, dtype: str) -> None:
    x = (np.arange(60.0).reshape(3, 20) / 8).astype(np.float32)  # exact in all of them
    assert identical(fast(x.astype(dtype)), fast(x))
    assert fast(x.astype(dtype)).dtype == network(x.astype(dtype)).dtype


@pytest.mark.parametrize("dtype", ["i1", "u2", "i2", "u4", "i4", "u8", "i8", ">i4"])
def test_integers_are_raw_as_uint8_is(network: Network, fast: CompiledNetwork, dtype: str) -> None:
    x = pixels(7) // 2
    given = x.astype(dtype)
    assert identical(fast(given), fast(x))
    np.testing.assert_allclose(fast(given), network(given), rtol=1e-5, atol=1e-6)


def test_integers_beyond_uint8(network: Network, fast: CompiledNetwork) -> None:
    x = np.random.default_rng(3).integers(-1000, 1000, (9, 20))
    np.testing.assert_allclose(fast(x), network(x), rtol=1e-4, atol=1e-6)


def test_truth_values_are_taken_as_they_are(network: Network, fast: CompiledNetwork) -> None:
    x = pixels(7) > 127
    assert identical(fast(x), fast(x.astype(np.float32)))
    np.testing.assert_allclose(fast(x), network(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "shape", [(784,), (1, 784), (28, 28), (1, 28, 28), (5, 28, 28), (5, 784), (0, 784), (0, 28, 28), (3, 1, 4, 196)]
)
@pytest.mark.parametrize("dtype", [np.float32, np.uint8, np.float64])
def test_shapes_of_rows_and_batches(shape: tuple[int, ...], dtype: type) -> None:
    network = chain(784, 4, inputs=Input((784,), scale=1 / 255), labels=range(4))
    fast = network.compile()
    x: Array = np.random.default_rng(4).integers(0, 200, shape).astype(dtype)
    assert fast(x).shape == network(x).shape
    np.testing.assert_allclose(fast(x), network(x), rtol=1e-3, atol=1e-6)
    assert fast.predict(x).shape == network.predict(x).shape
    assert type(fast.predict(x)) is type(network.predict(x))


@pytest.mark.parametrize("x", [[2.0], [[2.0], [3.0]], np.array([2.0], np.float32), np.ones((4, 1))])
def test_a_single_number(x: Any) -> None:
    network = Network([Dense([[3.0]], [1.0])], inputs=Input((1,)))
    assert identical(network.compile()(x), network(x))


# --- what does not fit ---

BAD: dict[str, tuple[Any, ...]] = {
    "nothing": (),
    "two": (np.zeros(20, np.float32), np.zeros(20, np.float32)),
    "narrow": (np.zeros((2, 19), np.float32),),
    "wide": (np.zeros(21, np.uint8),),
    "narrow row": (np.zeros(1, np.float32),),
    "empty": (np.zeros((2, 0), np.float32),),
    "three axes": (np.zeros((2, 3, 20), np.float32),),
    "no axes": (np.array(1.0, np.float32),),
    "a number": (3,),
    "objects": (np.zeros((2, 20), object),),
    "complex": (np.zeros((2, 20), complex),),
    "text": (np.zeros((2, 20), "U1"),),
    "bytes": (b"\0" * 20,),
    "dates": (np.zeros((2, 20), "M8[s]"),),
    "records": (np.zeros(20, [("a", "f4")]),),
    "nothing at all": (None,),
    "ragged": ([[1.0, 2.0], [3.0]],),
    "a set": ({1, 2},),
    "huge integers": ([10**30] * 20,),
}


@pytest.mark.parametrize("case", BAD)
def test_errors_are_those_of_the_network(network: Network, fast: CompiledNetwork, case: str) -> None:
    for method in ("__call__", "predict"):
        with pytest.raises(GlassnetError) as expected:
            getattr(network, method)(*BAD[case])
        with pytest.raises(GlassnetError) as found:
            getattr(fast, method)(*BAD[case])
        assert type(found.value) is type(expected.value)
        assert str(found.value) == str(expected.value)


def test_an_error_on_the_way_is_the_callers_own(fast: CompiledNetwork) -> None:
    class Broken:
        def __array__(self, *_: object, **__: object) -> Array:
            raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        fast(Broken())


def test_words_that_are_not_options(fast: CompiledNetwork) -> None:
    call: Any = fast
    with pytest.raises(TypeError, match=r"__call__\(\) got an unexpected keyword argument 'x'"):
        call(x=rows(1))
    with pytest.raises(TypeError, match=r"predict\(\) got an unexpected keyword argument 'out'"):
        call.predict(rows(1), out=rows(1))


# --- out= ---


@pytest.mark.parametrize("count", [0, 1, 5, 131])
def test_out_takes_the_result(fast: CompiledNetwork, count: int) -> None:
    x, out = rows(count), np.full((count, 3), np.nan, np.float32)
    assert fast(x, out=out) is out
    assert identical(out, fast(x))
    out[:] = 0
    assert identical(fast(x.astype(np.float64), out=out), fast(x))


def test_out_takes_a_single_row(fast: CompiledNetwork) -> None:
    out = np.empty(3, np.float32)
    assert fast(rows(1)[0], out=out) is out
    assert identical(out, fast(rows(1))[0])


def test_out_of_any_layout(fast: CompiledNetwork) -> None:
    x = rows(6)
    for out in (
        np.empty((3, 6), np.float32).T,
        np.empty((12, 9), np.float32)[::2, ::3],
        np.empty((6, 3), np.float32)[::-1],
        np.frombuffer(bytearray(6 * 3 * 4 + 1), np.float32, offset=1).reshape(6, 3),
        np.empty((6, 3), np.float32).view(Named),
    ):
        assert fast(x, out=out) is out
        assert identical(np.array(out, subok=False), fast(x))


def test_out_writes_nothing_around_it(fast: CompiledNetwork) -> None:
    room = np.full((10, 3), 7, np.float32)
    fast(rows(6), out=room[2:8])
    assert (room[[0, 1, 8, 9]] == 7).all()
    assert identical(room[2:8].copy(), fast(rows(6)))


def test_out_may_overlap_the_input() -> None:
    network = chain(4, 4, output="tanh")
    fast = network.compile()
    for shift in (-3, -1, 0, 1, 3):
        memory = rows(60, 4)
        x, out = memory[10:50], memory[10 + shift : 50 + shift]
        expected = fast(x)
        fast(x, out=out)
        assert identical(out.copy(), expected)
    line = rows(1, 7)[0]
    expected = fast(line[:4])
    assert identical(fast(line[:4], out=line[2:6]).copy(), expected)


def test_what_takes_the_quick_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain arrays, with out= or not, never come to Python; ``batches`` is the first thing that would be called."""
    fast = chain(4, 4, output="tanh", labels=range(4)).compile()
    memory = rows(80, 4)
    x, beside = memory[:40], memory[40:]
    expected, row = fast(x), np.empty(4, np.float32)

    def batches(*_: object) -> None:
        raise AssertionError("the slow way")

    monkeypatch.setattr(Network, "batches", batches)
    assert identical(fast(x), expected)
    assert identical(fast(pickle.loads(pickle.dumps(x))), expected)
    assert identical(fast(x[0], out=row), expected[0])
    assert fast(x, out=beside) is beside
    assert identical(beside.copy(), expected)
    fast(pixels(3, 4)), fast.predict(x), fast.predict(x[0])
    call: Any = fast
    slow: list[Callable[[], object]] = [
        lambda: fast(x, out=memory[39:79]),
        lambda: fast(x.astype(float)),
        lambda: fast(x[0], out=beside[0].astype(float)),
        lambda: fast(x[:1], out=row),
        lambda: call(x[0], out=None),
        lambda: call(x[0], out=np.array(1, np.float32)),
    ]
    for each in slow:
        with pytest.raises(AssertionError, match="the slow way"):
            each()


WRONG_OUT: dict[str, tuple[Any, type[GlassnetError], str]] = {
    "short": (np.empty((1, 3), np.float32), ShapeError, "out must have shape (2, 3), found (1, 3)"),
    "flat": (np.empty(6, np.float32), ShapeError, "out must have shape (2, 3), found (6,)"),
    "float64": (np.empty((2, 3)), DtypeError, "out must have dtype float32, found float64"),
    "big-endian": (np.empty((2, 3), ">f4"), DtypeError, "out must have dtype float32, found >f4"),
    "list": ([[0.0] * 3] * 2, DtypeError, "out must be an array, found list"),
    "read-only": (read_only(np.empty((2, 3), np.float32)), OptionError, "out is read-only"),
}


@pytest.mark.parametrize("case", WRONG_OUT)
def test_out_that_does_not_fit(fast: CompiledNetwork, case: str) -> None:
    out, kind, text = WRONG_OUT[case]
    with pytest.raises(kind) as found:
        fast(rows(2), out=out)
    assert str(found.value) == text


def test_out_for_the_input_is_checked_first(fast: CompiledNetwork) -> None:
    with pytest.raises(ShapeError, match=r"input 'x': expected a row of shape \(20,\)"):
        fast(rows(2, 19), out=np.empty((2, 3), np.float32))


def test_out_in_float64() -> None:
    network = Network([Dense(np.ones((4, 2)), np.ones(2))])
    out = np.empty((3, 2))
    assert identical(network.compile()(np.ones((3, 4)), out=out), network(np.ones((3, 4))))


# --- several inputs, several outputs ---


def two_towers() -> Network:
    return Network(
        [
            dense(20, 6, "relu", name="left", sources=("a",)),
            dense(5, 7, "tanh", name="right", sources=("b",)),
            Concatenate(name="both", sources=("left", "right")),
            dense(13, 2, name="end", sources=("both",)),
        ],
        inputs=[Input((20,), "a", scale=0.5), Input((5,), "b")],
        outputs=("end", "left"),
    )


@pytest.mark.parametrize("one", [rows, pixels])
@pytest.mark.parametrize("other", [rows, pixels])
def test_several_inputs_and_outputs(one: Callable[..., Array], other: Callable[..., Array]) -> None:
    network = two_towers()
    fast = network.compile()
    for index in (slice(None), 3):
        x = one(40, 20)[index], other(40, 5)[index]
        for found, expected in zip(fast(*x), network(*x), strict=True):
            assert found.shape == expected.shape
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_several_arrays_take_the_quick_way_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several inputs, and several answers in a tuple; what is no plain float32 of as many rows goes to Python."""
    fast, one = two_towers().compile(), towers().compile()
    a, b, alone = rows(40, 20), rows(40, 5), rows(40, 7)
    expected, single = fast(a, b), one(a, alone)
    row, beside = np.empty(1, np.float32), np.empty((40, 1), np.float32)

    def batches(*_: object) -> None:
        raise AssertionError("the slow way")

    monkeypatch.setattr(Network, "batches", batches)
    found = fast(a, b)
    assert type(found) is tuple
    assert all(map(identical, found, expected))
    assert all(map(identical, fast(a[0], b[0]), (each[0] for each in expected)))
    assert identical(one(a, alone), single)
    assert one(a[3], alone[3], out=row) is row
    assert identical(row, single[3])
    assert one(a, alone, out=beside) is beside
    assert identical(beside, single)
    slow: list[Callable[[], object]] = [
        lambda: fast(a, pixels(40, 5)),
        lambda: fast(a, b[:39]),
        lambda: fast(a, b[0]),
        lambda: fast(a, b.astype(float)),
        lambda: fast(a, b, out=beside),
        lambda: fast(a),
        lambda: one(a, alone, out=a.reshape(-1)[:40].reshape(40, 1)),
    ]
    for each in slow:
        with pytest.raises(AssertionError, match="the slow way"):
            each()


def test_several_inputs_are_counted_and_compared() -> None:
    network = two_towers()
    fast = network.compile()
    for x in ([rows(3)], [rows(3), rows(2, 5)], [rows(3), rows(3, 5), rows(3)]):
        with pytest.raises(ShapeError) as expected:
            network(*x)
        with pytest.raises(ShapeError) as found:
            fast(*x)
        assert str(found.value) == str(expected.value)
    with pytest.raises(OptionError, match="this one has several"):
        fast(rows(3), rows(3, 5), out=np.empty((3, 2), np.float32))


@pytest.mark.parametrize("outputs", [("x",), ("x", "d"), ("d", "d"), ("d",)])
def test_an_input_or_the_same_value_as_output(outputs: tuple[str, ...]) -> None:
    network = Network([dense(20, 3, name="d")], inputs=Input((20,), scale=1 / 255), outputs=outputs)
    fast = network.compile()
    for x in (rows(5), pixels(5)):
        found, expected = fast(x), network(x)
        if len(outputs) == 1:
            found, expected = (found,), (expected,)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("read", ["a", "b"])
def test_an_input_that_nothing_reads(read: str) -> None:
    network = Network([dense(20, 3, sources=(read,))], inputs=[Input((20,), "a"), Input((20,), "b")])
    fast = network.compile()
    x = rows(5, seed=1), rows(5, seed=2)
    np.testing.assert_allclose(fast(*x), network(*x), rtol=1e-5, atol=1e-6)
    with pytest.raises(ShapeError, match=r"reads 2 input\(s\)"):
        fast(x[0])


def test_two_classes_on_one_probability() -> None:
    network = Network([Dense(dense(20, 1).weights, None, "sigmoid")], labels=["no", "yes"])
    fast = network.compile()
    x = rows(200)
    assert set(fast.predict(x)) == {"no", "yes"}
    assert identical(fast.predict(x), network.predict(x))
    assert fast.predict(x[0]) == network.predict(x[0])
    assert fast.predict(np.full(20, np.nan)) == network.predict(np.full(20, np.nan)) == "no"


def test_values_are_predicted_as_they_are() -> None:
    network = chain(20, 5, 2, output="identity")
    assert identical(network.compile().predict(rows(9)), network.compile()(rows(9)))
