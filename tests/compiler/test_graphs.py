"""Networks that are no chains run as one function, with the promises that chains have."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.graphs import GRAPHS, as_tuple, committee, residual, rows_for, vector
from compiler.made import dense, identical, rows
from compiler.oracle import same_bits
from glassnet.activations import Array
from glassnet.compiler import CompiledNetwork, compiled
from glassnet.compiler.functions import ELEMENTWISE
from glassnet.compiler.machine import native_machine
from glassnet.compiler.plan import make_plan
from glassnet.compiler.program import lower
from glassnet.network import (
    Activate,
    Add,
    Binary,
    Clip,
    Concatenate,
    Input,
    Map,
    Multiply,
    Network,
    Normalise,
    PRelu,
    Reduce,
    Reshape,
    ScaleShift,
    Slice,
    Step,
    Take,
)

SIZES = (1, 2, 3, 4, 5, 7, 8, 9, 12, 13, 15, 16, 17, 31, 47, 48, 49, 64, 100, 129, 130)

ALL = pytest.mark.parametrize("name", GRAPHS)


def one_by_one(network: CompiledNetwork, x: list[Array]) -> tuple[Array, ...]:
    answers = [as_tuple(network(*(each[row] for each in x))) for row in range(len(x[0]))]
    return tuple(np.stack(several) for several in zip(*answers, strict=True))


def agrees(network: Network, fast: CompiledNetwork, x: list[Array]) -> None:
    """Hold answers to the definition, within rounding."""
    for found, expected in zip(as_tuple(fast(*x)), as_tuple(network(*x)), strict=True):
        assert found.shape == expected.shape
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-5)


# --- what the issue promises: wholly compiled, the same values, the same bits ---


@ALL
def test_all_of_it_is_compiled(name: str) -> None:
    report = GRAPHS[name].compile().report()
    assert report.engine == "llvm"
    assert report.in_numpy == ()
    assert len(report.plans) == 1


@ALL
def test_the_values_are_the_definitions(name: str, target: str) -> None:
    network = GRAPHS[name]
    fast = network.compile(target=target)
    for count in (1, 2, 70):
        agrees(network, fast, rows_for(network, count))


@ALL
def test_every_batch_gives_the_same_bits(name: str, target: str) -> None:
    fast = GRAPHS[name].compile(target=target)
    x = rows_for(fast.network, 130)
    for each in x:
        each[:40, ::2] = 0
    alone = one_by_one(fast, x)
    for size in SIZES:
        for found, expected in zip(as_tuple(fast(*(each[:size] for each in x))), alone, strict=True):
            assert same_bits(found, expected[:size]), f"{size} rows"


@ALL
def test_every_size_of_batch(name: str) -> None:
    fast = GRAPHS[name].compile()
    x = rows_for(fast.network, 130)
    whole = as_tuple(fast(*x))
    for size in range(1, 131):
        for found, expected in zip(as_tuple(fast(*(each[-size:] for each in x))), whole, strict=True):
            assert same_bits(found, expected[-size:]), f"the last {size} rows"


@ALL
def test_every_target_gives_the_same_bits(name: str, target: str) -> None:
    x = rows_for(GRAPHS[name], 61)
    here, there = GRAPHS[name].compile(), GRAPHS[name].compile(target=target)
    for found, expected in zip(as_tuple(there(*x)), as_tuple(here(*x)), strict=True):
        assert same_bits(found, expected)


@ALL
def test_threads(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "SHARED_CALL", 1)
    alone, shared = GRAPHS[name].compile(), GRAPHS[name].compile(threads=3)
    for size in (1, 2, 3, 17, 130, 1000):
        x = rows_for(GRAPHS[name], size)
        for found, expected in zip(as_tuple(shared(*x)), as_tuple(alone(*x)), strict=True):
            assert identical(found, expected)


@ALL
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_stays_in_its_row(name: str, value: float) -> None:
    """Where the definition has NaN or infinity, so has the machine code; other rows keep their bits."""
    network = GRAPHS[name]
    fast, x = network.compile(), rows_for(network, 23)
    before = as_tuple(fast(*x))
    for each in x:
        each[5, 3] = each[11, 0] = value
    with np.errstate(all="ignore"):
        expected = as_tuple(network(*x))
    for found, wanted, untouched in zip(as_tuple(fast(*x)), expected, before, strict=True):
        assert same_bits(np.delete(found, [5, 11], axis=0), np.delete(untouched, [5, 11], axis=0))
        np.testing.assert_allclose(found, wanted, rtol=2e-4, atol=2e-5, equal_nan=True)


# --- the calls ---


def test_other_kinds_of_arrays() -> None:
    for name in ("towers", "policy", "committee"):
        network = GRAPHS[name]
        fast = network.compile()
        x = rows_for(network, 9)
        expected = as_tuple(fast(*x))
        for change in (np.asfortranarray, lambda each: each.astype(np.float64), lambda each: each[::-1][::-1]):
            for found, wanted in zip(as_tuple(fast(*map(change, x))), expected, strict=True):
                assert identical(found, wanted)


def test_pixels_for_one_input_and_for_several() -> None:
    one = GRAPHS["committee"]
    both = GRAPHS["towers"].replace(inputs=[Input((20,), scale=1 / 255, shift=0.5), Input((7,), "y", scale=0.1)])
    for network in (one, both):
        x = [np.random.default_rng(3).integers(0, 256, (37, each.shape[0]), dtype=np.uint8) for each in network.inputs]
        fast = network.compile()
        ready = [each.numbers(given, np.dtype(np.float32)) for each, given in zip(network.inputs, x, strict=True)]
        assert identical(fast(*x), fast(*ready))
        np.testing.assert_allclose(fast(*x), network(*x), rtol=1e-4, atol=1e-5)
        assert identical(fast(*(each[4] for each in x)), fast(*x)[4])


def test_labels_of_a_committee() -> None:
    network = GRAPHS["committee"].replace(labels=tuple("abcde"))
    fast, x = network.compile(), rows(50, 40)
    assert fast.predict(x).tolist() == [network.labels[k] for k in fast(x).argmax(axis=1)]  # type: ignore[index]
    assert fast.predict(x[0]) == fast.predict(x)[0]


def test_out() -> None:
    network = GRAPHS["residual"]
    fast, x = network.compile(), rows(20)
    out = np.empty((20, 4), np.float32)
    assert fast(x, out=out) is out
    assert identical(out, fast(x))
    towers = GRAPHS["towers"]
    y = rows_for(towers, 20)
    out = np.empty((20, 1), np.float32)
    assert towers.compile()(*y, out=out) is out
    assert identical(out, towers.compile()(*y))


def test_rows_of_another_shape() -> None:
    """Shapes of inputs and answers are names only, but the calls keep to them."""
    network = Network([Reshape((24,)), dense(24, 6, "tanh"), Reshape((2, 3))], inputs=Input((4, 6), scale=0.5))
    fast = network.compile()
    assert fast.report().in_numpy == ()
    x = rows(9, 24).reshape(9, 4, 6)
    for given_rows in (x, x[0], x.reshape(9, 24), (x * 9).astype(np.uint8)):
        found, expected = fast(given_rows), network(given_rows)
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_an_answer_twice_and_an_input_as_answer() -> None:
    network = Network([dense(8, 3, name="a"), Reshape((2, 4), name="same", sources=("x",))], outputs=("a", "same"))
    fast, x = network.compile(), rows(30, 8)
    for found, expected in zip(fast(x), network(x), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    twice = Network([dense(8, 3, "softmax", name="a")], outputs=("a", "a"))
    one, two = twice.compile()(x)
    assert identical(one, two)
    np.testing.assert_allclose(one, twice(x)[0], rtol=1e-4, atol=1e-5)


# --- each step by itself ---

ONE: dict[str, Step] = {
    **{name: Activate(name, sources=("a",)) for name in (*ELEMENTWISE, "softmax", "log_softmax")},
    **{
        f"map {name}": Map(name, sources=("p",))
        for name in (
            "exp", "sqrt", "abs", "reciprocal", "sign", "floor", "ceil", "round", "truncate", "is_nan",
        )
    },
    **{
        name: Binary(name, sources=("a", "p"))
        for name in (
            "subtract", "divide", "minimum", "maximum", "less", "less_equal", "greater", "greater_equal", "equal",
        )
    },
    **{f"reduce {name}": Reduce(name, sources=("a",)) for name in ("sum", "mean", "max", "min")},
    "normalise": Normalise(vector(21), vector(21, 2), sources=("a",)),
    "one column": Multiply(sources=("a", "o")),
    "one column first": Binary("subtract", sources=("o", "a")),
    "three terms": Add(sources=("a", "p", "a")),
    "prelu": PRelu(np.float32(0.3), sources=("a",)),
}  # fmt: skip


@pytest.mark.parametrize("name", ONE)
def test_each_step(name: str, target: str) -> None:
    """Between two layers, and on numbers that are none."""
    steps = [
        dense(20, 21, name="a", sources=("x",)),
        dense(20, 21, name="p", sources=("x",), activation="softplus"),
        dense(20, 1, name="o", sources=("x",)),
        ONE[name],
    ]
    network = Network(steps, inputs=Input((20,)))
    fast = network.compile(target=target)
    assert fast.report().in_numpy == ()
    x = rows(29)
    agrees(network, fast, [x])
    for value in (np.nan, np.inf, -np.inf):
        x[3] = value
        with np.errstate(all="ignore"):
            assert np.array_equal(np.isnan(fast(x)), np.isnan(network(x)))
    assert same_bits(fast(x), np.stack([fast(row) for row in x]))


# --- random graphs ---

FUNCTIONS = ("tanh", "relu", "sigmoid", "elu", "mish", "hard_swish", "softsign", "gelu", "celu")


class RandomGraph:
    """A network of random steps that read any values there are, with one to three answers."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.inputs = [Input((self.number(1, 40),), name) for name in "xyz"[: self.number(1, 4)]]
        self.widths = {each.name: each.shape[0] for each in self.inputs}
        self.steps: list[Step] = []
        for _ in range(self.number(3, 14)):
            self.grow(*self.pick())

    def number(self, start: int, stop: int) -> int:
        return int(self.random.integers(start, stop))

    def chosen(self, *names: str) -> str:
        return str(self.random.choice(names))

    def pick(self) -> tuple[str, int]:
        """Return one of the last values, and its width."""
        name = self.chosen(*list(self.widths)[-6:])
        return name, self.widths[name]

    def add(self, step: Step, width: int) -> str:
        name = f"s{len(self.steps)}"
        self.steps.append(dataclasses.replace(step, name=name))
        self.widths[name] = width
        return name

    def layer(self, source: str, outputs: int, activation: str) -> str:
        made = dense(self.widths[source], outputs, activation, seed=len(self.steps), sources=(source,))
        return self.add(made, outputs)

    def another(self, width: int) -> str:
        """Return a value of a width, made if need be."""
        there = [name for name, each in self.widths.items() if each == width]
        return self.chosen(*there) if self.number(0, 2) else self.layer(self.pick()[0], width, self.chosen(*FUNCTIONS))

    def grow(self, source: str, width: int) -> None:
        """Add a step that reads a value, and what else it needs."""
        kind = self.chosen(*["dense"] * 4, *KINDS)
        others = (
            [self.another(width) for _ in range(self.number(1, 3))] if kind in ("add", "multiply", "maximum") else []
        )
        one: Any = {"sources": (source,)}
        match kind:
            case "dense":
                self.layer(source, self.number(1, 40), self.chosen(*FUNCTIONS, "softmax"))
            case "add":
                self.add(Add(sources=(source, *others)), width)
            case "multiply":
                held = self.add(Activate("tanh", **one), width)
                self.add(Multiply(sources=(held, *others)), width)
            case "maximum":
                self.add(Binary("maximum", sources=(source, others[0])), width)
            case "concatenate":
                parts = [self.chosen(*self.widths) for _ in range(self.number(1, 5))]
                self.add(Concatenate(sources=tuple(parts)), sum(self.widths[part] for part in parts))
            case "slice":
                start = self.number(0, width)
                self.add(Slice(start, width, **one), width - start)
            case "take":
                taken = tuple(self.number(0, width) for _ in range(self.number(1, 9)))
                self.add(Take(taken, **one), len(taken))
            case "mean":
                self.add(Reduce("mean", **one), 1)
            case _:
                self.add(ALONE[kind](width, one), width)

    def network(self) -> Network:
        names = [step.name for step in self.steps]
        outputs = [names[-1], *(self.chosen(*names) for _ in range(self.number(0, 3)))]
        return Network(self.steps, inputs=self.inputs, outputs=tuple(dict.fromkeys(outputs)))


# Steps of one value that keep its width.
ALONE: dict[str, Callable[[int, Any], Step]] = {
    "activate": lambda width, one: Activate(FUNCTIONS[width % len(FUNCTIONS)], **one),
    "clip": lambda width, one: Clip(-0.5, 1.5, **one),
    "softmax": lambda width, one: Activate("softmax", **one),
    "normalise": lambda width, one: Normalise(vector(width), vector(width, 3), 0.1, **one),
    "scale": lambda width, one: ScaleShift(vector(width), vector(width, 4), **one),
}
KINDS = (*ALONE, "add", "multiply", "maximum", "concatenate", "slice", "take", "mean")


@settings(max_examples=30)
@given(st.integers(0, 1 << 20))
def test_random_graphs(seed: int) -> None:
    network = RandomGraph(seed).network()
    fast = network.compile(cache=False)
    assert {reason for _, reason in fast.report().in_numpy} <= {"nothing is calculated beside it"}
    x = rows_for(network, 41, seed)
    x[0][:, ::2][:20] = 0
    expected = as_tuple(network(*x))
    alone = one_by_one(fast, x)
    for size in (1, 2, 3, 8, 11, 16, 41):
        found = as_tuple(fast(*(each[:size] for each in x)))
        for one, wanted, definition in zip(found, alone, expected, strict=True):
            assert same_bits(one, wanted[:size]), (seed, size)
            size_of = max(1.0, float(np.abs(definition).max()))
            np.testing.assert_allclose(one, definition[:size], rtol=1e-3, atol=2e-4 * size_of)


# --- how it is arranged ---


def test_what_stands_side_by_side_is_made_there() -> None:
    program = lower(GRAPHS["towers"])
    plan = make_plan(program, native_machine("sse").target)
    made = [each.work.outputs for number, each in enumerate(plan.operations, 2) if number in dict(plan.beside)]
    assert made == [9, 5]  # the towers; y is copied


def test_layers_that_read_an_input_come_first() -> None:
    program = lower(committee(40, 20, 5, members=3))
    functions = [operation.function for operation in program.operations]
    assert functions == ["dense"] * 3 + ["dense", "softmax"] * 3 + ["add", "scale_shift"]
    plan = make_plan(program, native_machine("sse").target)
    assert (plan.turn, plan.searched) == (3, (0,))


def test_values_share_scratch_once_they_are_read() -> None:
    deep, shallow = (make_plan(lower(residual(20, 32, blocks, 4)), native_machine("sse").target) for blocks in (9, 3))
    assert deep.group.size == shallow.group.size
    assert deep.single.size == shallow.single.size


def test_equal_blocks_share_their_code() -> None:
    sizes = [residual(20, 32, blocks, 4).compile(cache=False).report().code_bytes for blocks in (2, 22)]
    assert sizes[1] < 2 * sizes[0]
