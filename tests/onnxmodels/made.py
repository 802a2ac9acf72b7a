"""Small ONNX models, made by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from glassnet.activations import Array

Shape = Sequence[int | str | None]


def model(
    nodes: Sequence[Any],
    inputs: Mapping[str, Shape],
    outputs: Sequence[str],
    weights: Mapping[str, Array] | None = None,
    *,
    kind: int = TensorProto.FLOAT,
    opset: int = 17,
    listed: bool = False,
    **kinds: int,
) -> bytes:
    """A model of nodes; kinds: element types of inputs and outputs that are not ``kind``. listed: old files list the
    weights among the inputs.
    """
    tensors = [numpy_helper.from_array(np.asarray(array), name) for name, array in (weights or {}).items()]
    given = [helper.make_tensor_value_info(name, kinds.get(name, kind), shape) for name, shape in inputs.items()]
    if listed:
        given += [helper.make_tensor_value_info(t.name, t.data_type, list(t.dims)) for t in tensors]
    results = [helper.make_tensor_value_info(name, kinds.get(name, kind), None) for name in outputs]
    graph = helper.make_graph(list(nodes), "made", given, results, tensors)
    domains = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=domains, ir_version=8).SerializeToString()


def node(operator: str, inputs: str, outputs: str, **attributes: Any) -> Any:
    """A node; names separated by blanks, ``_`` for an input left out."""
    names = ["" if name == "_" else name for name in inputs.split()]
    return helper.make_node(operator, names, outputs.split(), **attributes)


def random(*shape: int, seed: int = 0, dtype: Any = np.float32) -> Array:
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(dtype)


def mlp() -> bytes:
    """A plain network as PyTorch exports it: weights (outputs, inputs)."""
    return model(
        [
            node("Gemm", "x W1 b1", "a1", transB=1),
            node("Relu", "a1", "z1"),
            node("Gemm", "z1 W2 b2", "a2", transB=1),
            node("Softmax", "a2", "y", axis=-1),
        ],
        {"x": ["batch", 4]},
        ["y"],
        {"W1": random(5, 4), "b1": random(5), "W2": random(3, 5), "b2": random(3)},
    )


def answers(data: bytes, *x: Array) -> list[Array]:
    """What ONNX Runtime answers."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return list(session.run(None, dict(zip((given.name for given in session.get_inputs()), x, strict=True))))


__all__ = ["answers", "mlp", "model", "node", "onnx", "random"]
