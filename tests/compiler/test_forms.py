"""By rows or by columns, from whichever layer on: every way through the same layers gives the same bits."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest

from compiler.made import chain, rows
from compiler.networks import pixels
from compiler.oracle import same_bits
from glassnet import Dense, Input, Network
from glassnet.activations import Array
from glassnet.compiler.machine import native_machine
from glassnet.compiler.native import Native
from glassnet.compiler.plan import Plan, make_plan, placed
from glassnet.compiler.program import lower
from glassnet.compiler.targets import TARGETS

SIZES = (3, 8, 9, 15, 16, 17, 33, 61)
ENDS = ("softmax", "log_softmax", "tanh", "relu", "identity")


def forms(plan: Plan) -> Iterator[Plan]:
    """Give the plan with the turn before each layer and after the last, and with dense blocks turned at once."""
    first = 1 if plan.layers[0].searches else 0
    for turn in range(first, len(plan.layers) + 1):
        yield placed(dataclasses.replace(plan, turn=turn, turns_dense=False, block_rows=48))
        if first:
            yield placed(dataclasses.replace(plan, turn=turn, turns_dense=True, block_rows=plan.target.lanes))


def answer(native: Native, x: Array, *, decide: bool = False) -> Array:
    y = np.empty(len(x), np.int64) if decide else np.empty((len(x), native.plan.outputs), np.float32)
    native.run([x], [y], decide=decide)
    return y


def machines() -> list[str]:
    present = native_machine().target
    better = list(TARGETS)[: list(TARGETS).index(present.name)]
    return [name for name in TARGETS if name not in better and (name != "neon") == (present.name != "neon")]


@pytest.mark.parametrize("target", machines())
@pytest.mark.parametrize("output", ENDS)
def test_every_form_gives_the_same_bits(output: str, target: str) -> None:
    network = chain(37, 50, 35, hidden="relu", output=output)
    machine = native_machine(target)
    program = lower(network)
    x = rows(130, 37)
    x[:40, ::2] = 0  # some blocks sparse, some dense
    expected = np.stack([network.compile(target=target)(row) for row in x])
    for plan in forms(make_plan(program, machine.target)):
        native = Native(plan, program, machine, cache=False)
        for size in SIZES:
            assert same_bits(answer(native, x[:size]), expected[:size])
            assert np.array_equal(answer(native, x[:size], decide=True), expected[:size].argmax(axis=-1))


@pytest.mark.parametrize("outputs", [1, 2, 3, 4, 5, 16, 17])
def test_few_and_many_outputs_are_turned_back(outputs: int) -> None:
    network = Network([*chain(20, 9, outputs, hidden="sigmoid", output="identity").steps])
    machine, program, x = native_machine(), lower(network), rows(50)
    expected = np.stack([network.compile()(row) for row in x])
    for plan in forms(make_plan(program, machine.target)):
        assert same_bits(answer(Native(plan, program, machine, cache=False), x), expected)


@pytest.mark.parametrize("inputs", [1, 2, 3, 4, 5, 15])
def test_few_inputs_are_turned(inputs: int) -> None:
    network = chain(inputs, 9, 3, hidden="tanh", output="softmax")
    machine, program, x = native_machine(), lower(network), rows(50, inputs)
    expected = np.stack([network.compile()(row) for row in x])
    for plan in forms(make_plan(program, machine.target)):
        assert same_bits(answer(Native(plan, program, machine, cache=False), x), expected)


def test_pixels_in_every_form() -> None:
    given = Input((100,), scale=1 / 255, shift=-0.125)
    network = chain(100, 30, 10, hidden="relu", output="softmax", inputs=given)
    machine, program, x = native_machine(), lower(network), pixels(3, 61, 100)
    expected = np.stack([network.compile()(row) for row in x])
    for plan in forms(make_plan(program, machine.target)):
        assert same_bits(answer(Native(plan, program, machine, cache=False), x), expected)


def test_a_form_that_reads_another_column_is_seen() -> None:
    """The control: the list of all columns, with one of them twice."""
    network = Network([Dense(np.eye(20, 5, dtype=np.float32))])
    machine, program, x = native_machine(), lower(network), rows(16)
    plan = placed(dataclasses.replace(make_plan(program, machine.target), turn=1, turns_dense=False))
    native = Native(plan, program, machine, cache=False)
    native.parameters.flags.writeable = True
    native.parameters[plan.every_column :].view(np.int32)[[0, 1]] = 0
    y = np.empty((16, 5), np.float32)
    native.run([x], [y])
    assert not same_bits(y, network.compile()(x))
