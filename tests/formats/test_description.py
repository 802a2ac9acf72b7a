"""Every kind of step goes to a file and comes back, bit for bit, in each format that keeps everything."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassnet import ACTIVATIONS, Dense, Input, Network, load, save
from glassnet.activations import activation
from glassnet.errors import ParametersError
from glassnet.formats.assembly import assemble
from glassnet.formats.contents import Contents, parsed_json
from glassnet.formats.description import _FIELDS, HINTS, describe
from glassnet.network import (
    STEPS,
    Activate,
    Add,
    ArgMax,
    Binary,
    Cast,
    Clip,
    Concatenate,
    Constant,
    Map,
    MatMul,
    Multiply,
    Normalise,
    PRelu,
    Reduce,
    Reshape,
    ScaleShift,
    Select,
    Slice,
    Take,
    Transpose,
)
from glassnet.network.steps import Array

SUFFIXES = (".npz", ".safetensors")


def everything() -> Network:
    """One of each kind of step, several inputs, outputs and sources, names that no file system likes."""
    random = np.random.default_rng(0)
    return Network(
        [
            ScaleShift(random.normal(size=(2, 1)), 0.1, name="norm/1: ../x", sources=("pixels",)),
            Clip(-1e-300, name="bounded"),
            Reshape((4,), name="flat"),
            Dense(random.normal(size=(4, 3)).astype(np.float32), None, activation("leaky_relu", slope=0.1), name="층"),
            Activate(activation("elu", alpha=1 / 3), name="act"),
            Concatenate(name="both", sources=("act", "other")),
            Slice(0, 4, name="part"),
            Multiply(name="gate", sources=("part", "flat")),
            Add(name="sum", sources=("gate", "flat", "part")),
            PRelu(random.normal(size=4), name="learned"),
            Normalise(random.normal(size=4), random.normal(size=4), 1e-6, name="even"),
            Map("abs", name="size"),
            Constant(random.normal(size=4), name="same"),
            Binary("maximum", name="most", sources=("size", "same")),
            Select(name="either", sources=("size", "most", "same")),
            Take((3, 0, 0, 1), name="chosen"),
            Dense(random.normal(size=(4, 2)), random.normal(size=2), "softmax", name="W1"),
            Reshape((4, 1), name="column", sources=("most",)),
            Transpose((1, 0), name="row"),
            MatMul(name="square", sources=("column", "row")),
            Reduce("mean", (0, -1), name="mean"),
            Cast("int32", name="whole"),
            ArgMax(-2, name="place"),
        ],
        inputs=[Input((2, 2), name="pixels", scale=1 / 3, shift=-0.1), Input((2,), name="other")],
        outputs=["W1", "sum", "whole", "place"],
    )


def assert_same(one: Network, other: Network) -> None:
    first, second = describe(one), describe(other)
    assert first.description == second.description
    assert set(first.arrays) == set(second.arrays)
    for name, array in first.arrays.items():
        assert array.dtype == second.arrays[name].dtype
        assert array.tobytes() == second.arrays[name].tobytes()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_everything_comes_back(suffix: str, tmp_path: Path) -> None:
    network = everything()
    save(network, tmp_path / f"net{suffix}")
    again = load(tmp_path / f"net{suffix}")
    assert_same(network, again)
    assert (again.inputs, again.outputs, again.labels) == (network.inputs, network.outputs, network.labels)
    for step, other in zip(network.steps, again.steps, strict=True):
        assert (type(step), step.name, step.sources) == (type(other), other.name, other.sources)
    rows = np.random.default_rng(1).normal(size=(5, 2, 2)), np.ones((5, 2))
    for answer, other_answer in zip(network(*rows), again(*rows), strict=True):
        np.testing.assert_array_equal(answer, other_answer)


def test_the_network_of_these_tests_has_every_kind_of_step() -> None:
    assert {step.KIND for step in everything().steps} == set(STEPS)


def test_every_field_of_every_step_can_be_written() -> None:
    hints = {hint for fields in HINTS.values() for hint in fields.values()}
    assert hints - {Array} <= set(_FIELDS)
    assert set(HINTS) == {Input, *STEPS.values()}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation(name: str, suffix: str, tmp_path: Path) -> None:
    parameters = {key: value + 0.1 for key, value in ACTIVATIONS[name].parameters.items()}
    network = Network([Dense([[1.0, 2.0]], [0.5, 0.25], activation(name, **parameters))], labels=["a", "b"])
    save(network, tmp_path / f"net{suffix}")
    assert load(tmp_path / f"net{suffix}").layers[0].activation == network.layers[0].activation
    assert load(tmp_path / f"net{suffix}").labels == ("a", "b")


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_numbers_are_exact(low: float, high: float) -> None:
    network = Network([Clip(min(low, high), max(low, high))], inputs=Input((1,)))
    written = describe(network)
    text = json.dumps(written.description, allow_nan=False)
    again = assemble(Contents(written.arrays, parsed_json(text, "text")), "relu", "relu").steps[0]
    assert isinstance(again, Clip)
    assert (math.copysign(1, again.low), again.low, again.high) == (
        math.copysign(1, min(low, high)), min(low, high), max(low, high),
    )  # fmt: skip


def test_numpy_numbers_are_written_as_numbers() -> None:
    network = Network([Slice(np.int64(0), np.int64(2))], inputs=Input((3,)), labels=np.arange(2))  # type: ignore[arg-type]
    description = json.loads(json.dumps(describe(network).description))
    assert description["labels"] == [0, 1]
    assert description["steps"][0]["stop"] == 2


# --- descriptions that are none -----------------------------------------------------------------------------


def broken(change: Any) -> None:
    written = describe(everything())
    assert written.description is not None
    description, arrays = copy.deepcopy(dict(written.description)), dict(written.arrays)
    change(description, arrays)
    assemble(Contents(arrays, description), "relu", "relu")


def reshaped(*shape: int) -> dict[str, Any]:
    return {"kind": "reshape", "name": "odd", "sources": ["flat"], "shape": list(shape)}


def test_unbroken_it_is_read() -> None:
    broken(lambda description, arrays: None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d, a: d.pop("steps"), "the description of its network has no usable 'steps'"),
        (lambda d, a: d["steps"].insert(0, 5), "the description of its network has no usable 'kind'"),
        (lambda d, a: d["steps"][0].pop("scale"), "the description of its network has no usable 'scale'"),
        (lambda d, a: d["steps"][0].update(scale=5), "has int where a text belongs"),
        (lambda d, a: d["steps"][0].update(scale="gone"), "array 'gone' is missing: a step of the network needs it"),
        (lambda d, a: d["steps"][0].update(kind="conv"), "a step of unknown kind 'conv', expected one of dense"),
        (lambda d, a: d["steps"][1].update(high="nan"), "has str where a number belongs"),
        (lambda d, a: d["steps"][2].update(shape=4), "has int where a list belongs"),
        (lambda d, a: d["steps"][2].update(shape=[4.0]), "has float where an integer belongs"),
        (lambda d, a: d["steps"].append(reshaped(-2, -2)), "is none: odd: every size must be 1 or more, found"),
        (lambda d, a: d["steps"].append(reshaped(4, *[1] * 40)), "has rows that cannot be: 'odd'"),
        (lambda d, a: d["steps"].append(reshaped(5)), r"the network it describes is none: odd: rows of shape \(4,\)"),
        (lambda d, a: d["steps"][3].update(activation="relu"), "has no usable 'name'"),
        (lambda d, a: d["steps"][3].update(activation={"name": "reluu"}), "is none: unknown activation 'reluu'"),
        (lambda d, a: d["steps"][3].update(activation={"name": "relu", "slope": 1}), "has no parameter 'slope'"),
        (lambda d, a: d["steps"][3].update(activation={"name": "relu", "choice": 1}), "has no parameter 'choice'"),
        (lambda d, a: d.update(inputs=[]), "is none: a network needs an input and an output, found 0 and 4"),
        (lambda d, a: d.update(outputs=[]), "is none: a network needs an input and an output, found 2 and 0"),
        (lambda d, a: d["steps"][5].update(sources=["nobody"]), "is none: both: reads 'nobody'"),
        (lambda d, a: d.update(labels=[1.5, 2]), "has float where an integer belongs"),
        (lambda d, a: d.update(outputs=["nobody"]), "is none: output 'nobody' is not the name of a value"),
        (lambda d, a: a.update(extra=np.ones(1)), "array 'extra' is left over: no step of the network has it"),
        (lambda d, a: a.pop("W2"), "array 'W2' is missing: a step of the network needs it"),
        (lambda d, a: a.update(W2=np.ones((4, 9))), "is none: W1: bias has shape"),
        (lambda d, a: d.update(version=2), "its network is described in version 2, expected 1"),
    ],
)
def test_what_is_wrong_is_said(change: Any, message: str) -> None:
    with pytest.raises(ParametersError, match=message):
        broken(change)
