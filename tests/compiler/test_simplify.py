"""The algebra before any code: fewer steps, the same function, and nothing where algebra does not hold."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from compiler.made import dense, rows
from glassnet.compiler.simplify import PASSES, simplify
from glassnet.network import Activate, Add, Clip, Dense, Input, Network, Reshape, ScaleShift, Step

FLOAT = np.float32


def network(*steps: Step, width: int = 20, **options: Any) -> Network:
    return Network(steps, inputs=Input((width,)), **options)


def kinds(simple: Network) -> list[str]:
    return [step.KIND for step in simple.steps]


def simplified(before: Network, *passes: str) -> Network:
    """Simplify and hold the result to the definition and the names of the passes to what is expected."""
    after, changed = simplify(before)
    assert changed == passes
    assert after.dtype == before.dtype
    assert after.outputs == before.outputs
    x = rows(9, before.inputs[0].shape[-1])
    np.testing.assert_allclose(after(x), before(x), rtol=1e-4, atol=1e-5)
    return after


def wide(layer: Dense, activation: str = "") -> Dense:
    """The same layer in float64, where algebra is exact to 16 digits."""
    return Dense(layer.weights.astype(float), layer.bias.astype(float), activation or layer.activation)


# --- one pass after the other ---


@pytest.mark.parametrize(
    "step",
    [
        ScaleShift(FLOAT(1), FLOAT(0)),
        ScaleShift(np.ones(20, FLOAT), np.zeros((), FLOAT)),
        Clip(),
        Activate("identity"),
        Reshape((20,)),
    ],
)
def test_what_does_nothing_is_dropped(step: Step) -> None:
    after = simplified(network(step, dense(20, 3)), "drop_what_does_nothing")
    assert kinds(after) == ["dense"]
    assert after.sources == (("x",),)


@pytest.mark.parametrize(
    "step",
    [
        ScaleShift(FLOAT(1), FLOAT(1e-3)),
        ScaleShift(np.float32([1] * 19 + [2]), FLOAT(0)),  # type: ignore[arg-type]
        Clip(-9.0),
        Clip(high=9.0),
        Activate("relu"),
        Reshape((1, 20)),
        ScaleShift(np.ones((1, 1), FLOAT), FLOAT(0)),
    ],
)
def test_what_does_something_stays(step: Step) -> None:
    """The last two change the shape of a row, if nothing else."""
    before = network(dense(20, 20, "tanh"), step)
    after = simplified(before)
    assert after is before


def test_steps_that_are_answers_stay() -> None:
    simplified(network(dense(20, 3, name="a"), Clip(name="b"), outputs=("b",)))
    before = network(Clip(name="b"), outputs=("x",))
    assert simplify(before) == (before, ())


def test_what_reads_a_dropped_step_reads_on() -> None:
    before = network(
        Clip(name="a"), Activate("identity", name="b"), dense(20, 20, "tanh", name="c"), Add(sources=("b", "c"))
    )
    after = simplified(before, "drop_what_does_nothing")
    assert after.sources == (("x",), ("x", "c"))


@pytest.mark.parametrize(("scale", "shift"), [(2, 3), (0, 1), ("columns", 3), (2, "columns"), ("columns", "columns")])
def test_scale_and_shift_fold_into_a_neighbour(scale: Any, shift: Any) -> None:
    def step(width: int) -> ScaleShift:
        values = [rows(1, width, seed=4)[0] if each == "columns" else FLOAT(each) for each in (scale, shift)]
        return ScaleShift(*values)

    before = simplified(network(step(20), dense(20, 3, "tanh")), "fold_into_follower")
    after = simplified(network(dense(20, 3), step(3)), "fold_into_leader")
    assert kinds(before) == kinds(after) == ["dense"]


def test_steps_fold_in_the_order_in_which_they_stand() -> None:
    scale = ScaleShift(FLOAT(-2), FLOAT(0.5))
    for steps in itertools.permutations([scale, Activate("relu"), Activate("tanh")]):
        simplified(network(dense(20, 3), *steps), "fold_into_leader")
    after = simplified(network(dense(20, 3), scale, Activate("relu"), scale), "fold_into_leader")
    assert kinds(after) == ["dense", "scale_shift"]


def test_linear_layers_collapse_where_that_is_smaller() -> None:
    assert kinds(simplified(network(dense(20, 9), dense(9, 3)), "collapse_where_smaller")) == ["dense"]
    assert kinds(simplified(network(dense(20, 2), dense(2, 20)))) == ["dense", "dense"]


def test_everything_at_once() -> None:
    before = network(
        Reshape((20,)), ScaleShift(FLOAT(2), FLOAT(1)), dense(20, 30), ScaleShift(FLOAT(0.1), FLOAT(0)),
        Activate("identity"), dense(30, 4), Activate("softmax"),
    )  # fmt: skip
    after = simplified(before, *PASSES)
    assert kinds(after) == ["dense"]
    assert after.layers[0].activation.name == "softmax"


@pytest.mark.parametrize("name", PASSES)
def test_a_pass_is_exact(name: str) -> None:
    """In float64 the function is the same to 13 digits; and the pass does change this network."""
    before = network(
        Clip(), ScaleShift(rows(1)[0].astype(float), 0.3), wide(dense(20, 30)), ScaleShift(-0.7, rows(1, 30)[0]),
        wide(dense(30, 8)), wide(dense(8, 3)), Activate("tanh"),
    )  # fmt: skip
    after = PASSES[name](before)
    assert len(after.steps) < len(before.steps)
    x = rows(50).astype(float)
    np.testing.assert_allclose(after(x), before(x), rtol=1e-12, atol=1e-13)


# --- where it does not hold ---


def test_what_two_steps_read_is_left_alone() -> None:
    before = network(
        ScaleShift(FLOAT(2), FLOAT(1), name="s"), dense(20, 20, name="d", sources=("s",)), Add(sources=("s", "d"))
    )
    assert simplified(before) is before


def test_a_scale_that_widens_its_rows_is_left_alone() -> None:
    before = network(ScaleShift(rows(1, 4)[0], FLOAT(0)), dense(4, 3), width=1)
    assert simplified(before) is before
    before = network(dense(20, 1), ScaleShift(rows(1, 4)[0], FLOAT(0)))
    assert simplified(before) is before


def test_rows_of_a_matrix() -> None:
    by_column, by_row = (ScaleShift(scale, FLOAT(1)) for scale in (rows(1, 5)[0], rows(4, 1)))
    matrix, before, after = Reshape((4, 5)), dense(5, 3, "tanh"), dense(5, 5)
    simplified(network(matrix, by_column, before), "fold_into_follower")
    simplified(network(matrix, after, by_column), "fold_into_leader")
    simplified(network(matrix, by_row, before))
    simplified(network(matrix, after, by_row))


def test_the_dtype_computed_in_stays() -> None:
    simplified(network(ScaleShift(1.0, 0.0), dense(20, 3, "tanh")), "fold_into_follower")
    simplified(network(ScaleShift(2.0, 1.0), dense(20, 3, "tanh")), "fold_into_follower")
    before = network(dense(20, 3, "tanh"), ScaleShift(1.0, 0.0, name="s"), Activate("tanh"))
    assert before.dtype == np.float64
    assert simplified(before) is before


BEYOND = dense(20, 3).weights.copy()
BEYOND[2, 1] = np.inf


@pytest.mark.parametrize(
    "steps",
    [
        [ScaleShift(FLOAT(2), FLOAT(0)), Dense(BEYOND)],
        [Dense(BEYOND), ScaleShift(FLOAT(2), FLOAT(0))],
        [dense(20, 20), Dense(BEYOND)],
        [ScaleShift(FLOAT(1e30), FLOAT(0)), Dense(np.full((20, 3), 1e30, FLOAT))],
        [ScaleShift(FLOAT(2), FLOAT(1e30)), Dense(np.full((20, 3), 1e30, FLOAT))],
        [Dense(np.full((20, 20), 1e30, FLOAT)), Dense(np.full((20, 3), 1e30, FLOAT))],
    ],
)
def test_beyond_finite_numbers_nothing_is_touched(steps: list[Step]) -> None:
    before = network(*steps)
    assert simplify(before) == (before, ())
