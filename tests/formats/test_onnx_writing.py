"""Networks written as ONNX: accepted by the checker, the same in ONNX Runtime, and exactly themselves when read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="the onnx package is not installed")
pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")

import onnx

from glassnet import ACTIVATIONS, Dense, Input, Network, from_onnx, load, save
from glassnet.activations import activation
from glassnet.formats.description import describe
from glassnet.formats.onnx import write
from glassnet.formats.onnx.writer import _ACTIVATIONS, _BINARY, _FUNCTIONS, _WRITERS
from glassnet.network import (
    BINARY,
    FUNCTIONS,
    REDUCTIONS,
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
    Step,
    Take,
    Transpose,
)
from onnxmodels.made import answers, random

X = Input((4,), name="x")
SQUARE = Input((3, 4), name="x")


def one(step: Step, given: Input | tuple[Input, ...] = X) -> Network:
    return Network([step], inputs=given)


def two(step: Step) -> Network:
    return Network([step], inputs=(X, Input((2, 4), name="u")))


NETWORKS: dict[str, list[Network]] = {
    "dense": [one(Dense(random(4, 3), random(3), "tanh")), one(Dense(random(4, 3), random(3)), SQUARE)],
    "activate": [one(Activate(name), SQUARE) for name in ACTIVATIONS],
    "scale_shift": [one(ScaleShift(random(4), np.float32(2))), one(ScaleShift(random(2, 4), random(2, 1)))],
    "clip": [one(Clip(-0.5, 0.5)), one(Clip(low=0.0))],
    "reshape": [one(Reshape((2, 2)))],
    "slice": [one(Slice(1, 3), SQUARE)],
    "concatenate": [one(Concatenate(sources=("x", "x")))],
    "add": [two(Add(sources=("x", "u", "x")))],
    "multiply": [two(Multiply(sources=("x", "u")))],
    "prelu": [one(PRelu(random(4))), one(PRelu(random(2, 4)))],
    "normalise": [one(Normalise(random(4), random(4), 1e-3)), one(Normalise(random(3, 4)), SQUARE)],
    "map": [Network([Activate("softplus"), Map(name)], inputs=X) for name in FUNCTIONS],
    "binary": [
        Network([Activate("softplus", name="a"), Binary(name, sources=("a", "u"))], inputs=(X, Input((2, 1), name="u")))
        for name in BINARY
    ],
    "select": [
        Network([Clip(0.0, 1.0, name="c"), Select(sources=("c", "u", "x"))], inputs=(X, Input((2, 4), name="u")))
    ],
    "matmul": [
        Network(
            [Reshape((2, 2), name="a"), MatMul(sources=("a", "u"))],
            inputs=(X, Input((3, 2, 2), name="u")),
        )
    ],
    "constant": [Network([Constant(random(2), name="c"), Concatenate(sources=("c", "x"))], inputs=X)],
    "transpose": [one(Transpose((1, 0)), SQUARE)],
    "take": [one(Take((3, 0, 0))), one(Take((2, 0), axis=0), SQUARE)],
    "reduce": [one(Reduce(name, axes), SQUARE) for name in REDUCTIONS for axes in ((-1,), (0, 1))],
    "argmax": [one(ArgMax(), SQUARE), Network([ArgMax(0), ScaleShift(np.float32(2))], inputs=SQUARE)],
    "cast": [one(Cast("int32")), one(Cast("bool")), Network([Cast("uint8"), ScaleShift(np.float32(2))], inputs=X)],
}


def test_every_entry_of_every_table_can_be_written() -> None:
    assert set(_WRITERS) == set(STEPS) == set(NETWORKS)
    assert set(_ACTIVATIONS) == set(ACTIVATIONS)
    assert set(_FUNCTIONS) == set(FUNCTIONS)
    assert set(_BINARY) == set(BINARY)


def assert_written(network: Network, tolerance: float = 1e-6) -> None:
    data = write(network)
    onnx.checker.check_model(onnx.load_from_string(data), full_check=True)
    x = [2 * random(5, *given.shape, seed=3, dtype=network.dtype) for given in network.inputs]
    mine = network(*x)
    for found, theirs in zip(mine if isinstance(mine, tuple) else (mine,), answers(data, *x), strict=True):
        assert (found.shape, found.dtype) == (theirs.shape, theirs.dtype)
        np.testing.assert_allclose(found, theirs, rtol=5 * tolerance, atol=tolerance)
    anonymous = onnx.load_from_string(data)
    del anonymous.metadata_props[:]
    again = from_onnx(anonymous)(*x)
    for found, other in zip(
        again if isinstance(again, tuple) else (again,), mine if isinstance(mine, tuple) else (mine,), strict=True
    ):
        np.testing.assert_allclose(found, other, rtol=5 * tolerance, atol=tolerance)


@pytest.mark.parametrize("network", [pytest.param(n, id=kind) for kind, several in NETWORKS.items() for n in several])
def test_every_kind_of_step(network: Network) -> None:
    assert_written(network)


@pytest.mark.parametrize("h", ["leaky_relu", "elu", "celu", "hard_sigmoid"])
def test_parameters_of_activations(h: str) -> None:
    changed = activation(h, **{key: value + 0.25 for key, value in ACTIVATIONS[h].parameters.items()})
    assert_written(one(Activate(changed)))


def test_double() -> None:
    network = Network([Dense(random(4, 5, dtype=np.float64), random(5), "tanh"), Dense(random(5, 2), None, "softmax")])
    assert network.dtype == np.float64
    assert_written(network, 1e-13)


def digits() -> Network:
    layers = [Dense(random(784, 50), random(50), "sigmoid"), Dense(random(50, 10), None, "softmax")]
    return Network(layers, inputs=Input((784,), scale=1 / 255, shift=-0.5), labels=range(10))


def test_a_network_comes_back_exactly(tmp_path: Path) -> None:
    network = digits()
    save(network, tmp_path / "net.onnx")
    again = load(tmp_path / "net.onnx")
    assert describe(again).description == describe(network).description
    assert again.labels == network.labels
    for step, other in zip(network.steps, again.steps, strict=True):
        for name, array in step.arrays.items():
            assert array.tobytes() == other.arrays[name].tobytes()


def test_what_another_program_changed_is_read_from_the_graph(tmp_path: Path) -> None:
    model = onnx.load_from_string(write(digits()))
    for node in model.graph.node:
        node.op_type = "Tanh" if node.op_type == "Sigmoid" else node.op_type
    onnx.save_model(model, str(tmp_path / "net.onnx"))
    assert [str(layer.activation) for layer in load(tmp_path / "net.onnx").layers] == ["tanh", "softmax"]


def test_several_inputs_and_outputs_and_an_input_given_back() -> None:
    network: Any = Network(
        [Dense(random(4, 3), name="h"), Add(name="s", sources=("h", "u")), ArgMax(name="best")],
        inputs=(X, Input((3,), name="u")),
        outputs=("s", "x", "best", "h"),
    )
    assert_written(network)
