"""glassnet as a backend of the ONNX project's own tests.

A network answers rows of one shape, so what decides about shapes must be known when it is made. The node tests give
some of that as inputs of the graph; such an input is fixed to what the test gives, as ``from_onnx(fixed=…)`` does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx.backend.base import Backend, BackendRep

from glassnet import from_onnx
from glassnet.activations import Array

# Operator → the inputs that are attributes in later versions than their first, or shapes.
KNOWN = {
    "Reshape": (1,), "Squeeze": (1,), "Unsqueeze": (1,), "Slice": (1, 2, 3, 4), "Split": (1,), "Gather": (1,),
    "ConstantOfShape": (0,), "Expand": (1,), "Dropout": (1, 2), "ReduceSum": (1,), "ReduceMean": (1,),
    "ReduceMax": (1,), "ReduceMin": (1,), "ReduceL1": (1,), "ReduceL2": (1,), "ReduceSumSquare": (1,),
    "ReduceLogSum": (1,), "ArrayFeatureExtractor": (1,), "LabelEncoder": (0,),
}  # fmt: skip


class Rep(BackendRep):
    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model

    def run(self, inputs: Any, **options: Any) -> tuple[Array, ...]:
        graph = self.model.graph
        given = dict(zip((value.name for value in graph.input), inputs, strict=False))
        wanted = {name for node in graph.node for i, name in enumerate(node.input) if i in KNOWN.get(node.op_type, ())}
        fixed = {name: array for name, array in given.items() if name in wanted}
        network = from_onnx(self.model, fixed=fixed)
        answers = network(*(plain(given[value.name]) for value in network.inputs))
        several = answers if isinstance(answers, tuple) else (answers,)
        return tuple(typed(array, out) for array, out in zip(several, graph.output, strict=True))


def plain(given: Any) -> Array:
    """NumPy's kinds of numbers: bfloat16 and its like come as float32."""
    array = onnx.numpy_helper.to_array(given) if isinstance(given, onnx.TensorProto) else np.asarray(given)
    return array if array.dtype.isbuiltin == 1 else array.astype(np.float32)


def typed(array: Array, declared: onnx.ValueInfoProto) -> Array:
    """The answer as bfloat16 where that is asked for, which a network cannot answer in."""
    wanted = onnx.helper.tensor_dtype_to_np_dtype(declared.type.tensor_type.elem_type)
    return array.astype(wanted) if wanted.name == "bfloat16" else array


class Glassnet(Backend):
    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **options: Any) -> Rep:
        return Rep(model)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        return device == "CPU"
