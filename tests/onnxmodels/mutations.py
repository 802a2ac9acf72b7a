"""Valid models to begin with, and changes that leave them parsable."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from glassnet.formats.onnx.graph import OPERATORS
from onnxmodels.made import mlp, model, node
from onnxmodels.made import random as numbers

NAMES = [(domain, name) for domain, operators in OPERATORS.items() for name in operators]


def seeds() -> list[bytes]:
    """A plain network, computed shapes, quantisation, labels."""
    shapes = model(
        [
            node("Shape", "x", "s"),
            node("Slice", "s a b", "r"),
            node("Concat", "r t", "u", axis=0),
            node("Reshape", "x u", "v"),
            node("Transpose", "v", "w", perm=[0, 2, 1]),
            node("ReduceMean", "w", "m", axes=[1], keepdims=0),
            node("Split", "m h", "y z", axis=-1),
        ],
        {"x": ["n", 12]},
        ["y", "z"],
        {"a": np.array([0]), "b": np.array([1]), "t": np.array([3, -1]), "h": np.array([1, 2])},
    )
    quantised = model(
        [
            node("QuantizeLinear", "x s z", "q"),
            node("DequantizeLinear", "q s z", "d"),
            node("MatMul", "d W", "a"),
            node("LayerNormalization", "a g b", "l"),
            node("PRelu", "l g", "y"),
        ],
        {"x": [2, 4]},
        ["y"],
        {"s": np.float32(0.1), "z": np.uint8(3), "W": numbers(4, 3), "g": numbers(3), "b": numbers(3)},
    )
    labels = model(
        [
            node("Scaler", "x", "c", domain="ai.onnx.ml", offset=[1.0], scale=[2.0]),
            node("Normalizer", "c", "n", domain="ai.onnx.ml", norm="L2"),
            node("Gemm", "n W b", "a"),
            node("Softmax", "a", "p"),
            node("ArgMax", "p", "k", axis=1),
            node("ArrayFeatureExtractor", "names k", "l", domain="ai.onnx.ml"),
            node("ZipMap", "p", "y", domain="ai.onnx.ml", classlabels_int64s=[5, 6, 7]),
        ],
        {"x": ["n", 4]},
        ["y", "l"],
        {"W": numbers(4, 3), "b": numbers(3), "names": np.array([5, 6, 7])},
        l=TensorProto.INT64,
    )
    return [mlp(), shapes, quantised, labels]


def exchanged(data: bytes, chance: random.Random) -> bytes:
    """Return a model with some of its parts changed for others."""
    proto = onnx.load_from_string(data)
    for _ in range(chance.randint(1, 4)):
        chance.choice(CHANGES)(proto.graph, chance)
    proto.opset_import[0].version = chance.choice([1, 6, 7, 9, 11, 13, 17, 18, 21, 25])
    return proto.SerializeToString()


def _operator(graph: Any, chance: random.Random) -> None:
    changed = chance.choice(graph.node)
    changed.domain, changed.op_type = chance.choice(NAMES)


def _inputs(graph: Any, chance: random.Random) -> None:
    changed = chance.choice(graph.node)
    known = ["", *_names(graph)]
    del changed.input[:]
    changed.input.extend(chance.choice(known) for _ in range(chance.randint(0, 6)))


def _outputs(graph: Any, chance: random.Random) -> None:
    chance.choice(graph.node).output.append(chance.choice(["", "more", *_names(graph)]))


def _attribute(graph: Any, chance: random.Random) -> None:
    name = chance.choice(ATTRIBUTES)
    values = [
        0,
        1,
        -1,
        7,
        1 << 62,
        0.5,
        -2.0,
        [0],
        [1, 0],
        [-1, 99],
        [0.5, 1.0],
        "L1",
        "NONE",
        ["a", "b"],
        numbers(2, 2),
    ]
    value: Any = chance.choice(values)
    value = numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
    chance.choice(graph.node).attribute.append(helper.make_attribute(name, value))


def _weight(graph: Any, chance: random.Random) -> None:
    changed = chance.choice(graph.initializer)
    kind = chance.choice([np.float32, np.float64, np.int64, np.int8, np.uint8, bool, np.float16])
    shape = [chance.choice([1, 2, 3, 4, 5, 0]) for _ in range(chance.randint(0, 3))]
    values = np.random.default_rng(chance.randint(0, 99)).integers(-3, 5, shape).astype(kind)
    changed.CopyFrom(numpy_helper.from_array(values, changed.name))


def _shape(graph: Any, chance: random.Random) -> None:
    name = chance.choice(graph.input).name
    shape = [chance.choice(["n", 1, 2, 3, 4, 12, 0, None]) for _ in range(chance.randint(0, 4))]
    kind = chance.choice([1, 1, 1, 2, 7, 9, 10, 11])
    chance.choice(graph.input).CopyFrom(helper.make_tensor_value_info(name, kind, shape))


def _drop(graph: Any, chance: random.Random) -> None:
    del graph.node[chance.randrange(len(graph.node))]
    if not graph.node:
        graph.node.append(node("Relu", "x", "y"))


def _names(graph: Any) -> list[str]:
    names = [value.name for value in (*graph.input, *graph.initializer)]
    return names + [name for each in graph.node for name in each.output]


CHANGES: list[Callable[[Any, random.Random], None]] = [
    _operator, _operator, _inputs, _inputs, _outputs, _attribute, _attribute, _weight, _shape, _drop,
]  # fmt: skip
ATTRIBUTES = [
    "axis", "axes", "perm", "keepdims", "alpha", "beta", "gamma", "transA", "transB", "epsilon", "to", "value", "value_ints",
    "starts", "ends", "split", "num_outputs", "shape", "norm", "post_transform", "classlabels_ints", "classlabels_strings",
    "coefficients", "intercepts", "imputed_value_floats", "replaced_value_float", "keys_int64s", "values_strings",
    "approximate", "min", "max", "noop_with_empty_axes", "allowzero", "scale", "offset", "select_last_index", "broadcast",
]  # fmt: skip
