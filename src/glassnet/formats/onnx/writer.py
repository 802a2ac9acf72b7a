"""Networks as ONNX models: one table, kind of step → the nodes that compute the same.

The model takes rows of ready numbers; how raw integers become them, the labels, and the network itself are among the
metadata, so that a file of ours comes back exactly. That is trusted only as long as nobody changed the nodes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from glassnet.activations import Activation
from glassnet.formats.contents import Contents, parsed_json
from glassnet.formats.description import KEY, describe
from glassnet.formats.onnx import model as models
from glassnet.formats.onnx.messages import Model
from glassnet.network import Network
from glassnet.network.step import Array, Shape

# The newest sets of operators that runtimes of the last years know; gelu came with 20.
_OPERATORS, _IR = 20, 9
_DIGEST = f"{KEY}.nodes"


def write(network: Network) -> bytes:
    """Return ``network`` as an ONNX model that ``onnx.checker`` accepts."""
    onnx = models.onnx_package()
    described = describe(network)
    nodes = _Nodes(network, described.arrays)
    for step, sources in zip(network.steps, network.sources, strict=True):
        nodes.add_step(step, sources)
    kinds = {given.name: network.dtype for given in network.inputs} | {
        name: network.dtypes[name] for name in network.outputs
    }
    graph = onnx.helper.make_graph(
        nodes.nodes,
        "glassnet",
        [nodes.info(given.name, kinds[given.name], given.shape) for given in network.inputs],
        [nodes.info(nodes.output(name), kinds[name], network.shapes[name]) for name in dict.fromkeys(network.outputs)],
        [onnx.numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in described.arrays.items()],
    )
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", _OPERATORS)], ir_version=_IR, producer_name="glassnet"
    )
    onnx.helper.set_model_props(model, {KEY: json.dumps(described.description), _DIGEST: _digest(_bytes(graph.node))})
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def own_contents(model: Model) -> Contents | None:
    """Return what a model of ours holds; None for one that is not ours, or was changed since."""
    texts = {entry.key: entry.value for entry in model.metadata_props}
    if model.graph is None or KEY not in texts or texts.get(_DIGEST) != _digest(node.raw for node in model.graph.node):
        return None
    arrays = {proto.name: models.tensor(proto, None) for proto in model.graph.initializer}
    return Contents(arrays, parsed_json(texts[KEY], "a description"))


def _digest(nodes: Iterable[bytes | memoryview]) -> str:
    content = hashlib.sha256()
    for node in nodes:
        content.update(node)
    return content.hexdigest()


def _bytes(nodes: Iterable[Any]) -> Iterator[bytes]:
    return (node.SerializeToString(deterministic=True) for node in nodes)


class _Nodes:
    """The nodes written so far, and names for what lies between them."""

    def __init__(self, network: Network, arrays: Mapping[str, Array]) -> None:
        self.onnx = models.onnx_package()
        self.network = network
        self.kind = self.onnx.helper.np_dtype_to_tensor_dtype(network.dtype)
        self.nodes: list[Any] = []
        self.names = {id(array): name for name, array in arrays.items()}
        self.taken = {*network.shapes, *arrays}
        self.typed: dict[str, str] = {}

    def info(self, name: str, dtype: np.dtype[Any], shape: Shape) -> Any:
        kind = self.onnx.helper.np_dtype_to_tensor_dtype(dtype)
        return self.onnx.helper.make_tensor_value_info(name, kind, ["rows", *shape])

    def output(self, name: str) -> str:
        """Return the name under which a value is an output: in its own type, and not that of an input."""
        if name in self.typed:
            return self.typed[name]
        given = {value.name for value in self.network.inputs}
        return self("Identity", name) if name in given else name

    def __call__(self, operator: str, *inputs: str, to: str = "", **attributes: Any) -> str:
        """Add a node; returns the name of its result."""
        name = to or self._free(operator)
        if operator == "Cast":
            attributes = {"to": attributes["to_"]}
        self.nodes.append(self.onnx.helper.make_node(operator, inputs, [name], name=f"{name}:{operator}", **attributes))
        return name

    def _free(self, stem: str) -> str:
        number = 1
        while (name := f"{stem}.{number}") in self.taken:
            number += 1
        self.taken.add(name)
        return name

    def constant(self, values: Any, dtype: Any = None) -> str:
        """Add a node that holds numbers; not an initializer, because those are the parameters."""
        array = np.array(values, self.network.dtype if dtype is None else dtype)
        return self("Constant", value=self.onnx.numpy_helper.from_array(array))

    def whole(self, *numbers: int) -> str:
        return self.constant(numbers, np.int64)

    def parameter(self, array: Array) -> str:
        """Return the name of a parameter, in what the network computes in."""
        name = self.names[id(array)]
        return name if array.dtype == self.network.dtype else self("Cast", name, to_=self.kind)

    def add_step(self, step: Any, sources: Sequence[str]) -> None:
        _WRITERS[step.KIND](self, step, list(sources))

    def aligned(self, sources: Sequence[str]) -> list[str]:
        """Return values with row shapes of equal length, so that they broadcast by row."""
        shapes = [self.network.shapes[source] for source in sources]
        longest = max(len(shape) for shape in shapes)
        return [
            source if len(shape) == longest else self.reshaped(source, (*(1,) * (longest - len(shape)), *shape))
            for source, shape in zip(sources, shapes, strict=True)
        ]

    def reshaped(self, source: str, shape: Shape, to: str = "") -> str:
        return self("Reshape", source, self.whole(-1, *shape), to=to)

    def with_axes(self, source: str, count: int) -> str:
        """Return a value whose rows have at least ``count`` axes."""
        shape = self.network.shapes[source]
        return source if len(shape) >= count else self.reshaped(source, (*(1,) * (count - len(shape)), *shape))

    def as_number(self, condition: str, to: str) -> str:
        return self("Cast", condition, to=to, to_=self.kind)

    def activation(self, h: Activation, x: str, to: str) -> None:
        _ACTIVATIONS[h.name](self, h.parameters, x, to)


def _named(operator: str, **spelling: str) -> Callable[..., Any]:
    """Return what writes a function as one node. spelling: ONNX' attribute → our parameter."""

    def add(n: _Nodes, parameters: Mapping[str, float], x: str, to: str) -> None:
        n(operator, x, to=to, **{theirs: float(parameters[ours]) for theirs, ours in spelling.items()})

    return add


_ACTIVATIONS: Mapping[str, Callable[[_Nodes, Mapping[str, float], str, str], Any]] = MappingProxyType(
    {
        "step": lambda n, p, x, to: n.as_number(n("Greater", x, n.constant(0)), to),
        "sigmoid": _named("Sigmoid"),
        "relu": _named("Relu"),
        "identity": _named("Identity"),
        "softmax": lambda n, p, x, to: n("Softmax", x, to=to, axis=-1),
        "tanh": _named("Tanh"),
        "leaky_relu": _named("LeakyRelu", alpha="slope"),
        "elu": _named("Elu", alpha="alpha"),
        "selu": _named("Selu"),
        "gelu": _named("Gelu"),
        "gelu_tanh": lambda n, p, x, to: n("Gelu", x, to=to, approximate="tanh"),
        "silu": lambda n, p, x, to: n("Mul", x, n("Sigmoid", x), to=to),
        "softplus": _named("Softplus"),
        "hard_sigmoid": _named("HardSigmoid", alpha="slope", beta="offset"),
        "celu": _named("Celu", alpha="alpha"),
        "mish": _named("Mish"),
        "hard_swish": _named("HardSwish"),
        "softsign": _named("Softsign"),
        "log_softmax": lambda n, p, x, to: n("LogSoftmax", x, to=to, axis=-1),
    }
)

_FUNCTIONS: Mapping[str, Callable[[_Nodes, str, str], Any]] = MappingProxyType(
    {
        **{
            name: lambda n, x, to, operator=operator: n(operator, x, to=to)  # type: ignore[misc]
            for name, operator in {
                "exp": "Exp", "log": "Log", "sqrt": "Sqrt", "abs": "Abs", "reciprocal": "Reciprocal", "erf": "Erf",
                "sin": "Sin", "cos": "Cos", "sign": "Sign", "floor": "Floor", "ceil": "Ceil", "round": "Round",
            }.items()
        },
        "truncate": lambda n, x, to: n("Mul", n("Sign", x), n("Floor", n("Abs", x)), to=to),
        "is_nan": lambda n, x, to: n.as_number(n("IsNaN", x), to),
    }
)  # fmt: skip

_BINARY: Mapping[str, Callable[[_Nodes, str, str, str], Any]] = MappingProxyType(
    {
        **{
            name: lambda n, a, b, to, operator=operator: n(operator, a, b, to=to)  # type: ignore[misc]
            for name, operator in {
                "subtract": "Sub", "divide": "Div", "minimum": "Min", "maximum": "Max", "power": "Pow",
            }.items()
        },
        **{
            name: lambda n, a, b, to, operator=operator: n.as_number(n(operator, a, b), to)  # type: ignore[misc]
            for name, operator in {
                "less": "Less", "less_equal": "LessOrEqual", "greater": "Greater", "greater_equal": "GreaterOrEqual",
                "equal": "Equal",
            }.items()
        },
        "mod": lambda n, a, b, to: n("Sub", a, n("Mul", n("Floor", n("Div", a, b)), b), to=to),
    }
)  # fmt: skip


def _dense(n: _Nodes, step: Any, sources: list[str]) -> None:
    weights, bias = n.parameter(step.weights), n.parameter(step.bias)
    plain = step.activation.name == "identity"
    to = step.name if plain else ""
    if len(n.network.shapes[sources[0]]) == 1:
        a = n("Gemm", sources[0], weights, bias, to=to)
    else:
        a = n("Add", n("MatMul", sources[0], weights), bias, to=to)
    if not plain:
        n.activation(step.activation, a, step.name)


def _scale_shift(n: _Nodes, step: Any, sources: list[str]) -> None:
    x = n.with_axes(sources[0], max(step.scale.ndim, step.shift.ndim))
    n("Add", n("Mul", x, n.parameter(step.scale)), n.parameter(step.shift), to=step.name)


def _prelu(n: _Nodes, step: Any, sources: list[str]) -> None:
    x, slope = n.with_axes(sources[0], step.slope.ndim), n.parameter(step.slope)
    below = n("Mul", n("Min", x, n.constant(0)), slope)
    n("Add", n("Max", x, n.constant(0)), below, to=step.name)


def _chain(operator: str) -> Callable[[_Nodes, Any, list[str]], None]:
    def add(n: _Nodes, step: Any, sources: list[str]) -> None:
        first, *others = n.aligned(sources)
        for i, other in enumerate(others):
            first = n(operator, first, other, to=step.name if i == len(others) - 1 else "")

    return add


def _constant(n: _Nodes, step: Any, sources: list[str]) -> None:
    rows = n("Shape", sources[0], start=0, end=1)
    shape = n("Concat", rows, n.whole(*step.values.shape), axis=0) if step.values.ndim else rows
    n("Expand", n.parameter(step.values), shape, to=step.name)


def _select(n: _Nodes, step: Any, sources: list[str]) -> None:
    condition, yes, no = n.aligned(sources)
    n("Where", n("Cast", condition, to_=n.onnx.TensorProto.BOOL), yes, no, to=step.name)


def _reduce(n: _Nodes, step: Any, sources: list[str]) -> None:
    operator = {"sum": "ReduceSum", "mean": "ReduceMean", "max": "ReduceMax", "min": "ReduceMin"}[step.function]
    axes = n.whole(*(axis if axis < 0 else axis + 1 for axis in step.axes))
    n(operator, sources[0], axes, to=step.name, keepdims=1)


def _argmax(n: _Nodes, step: Any, sources: list[str]) -> None:
    axis = step.axis if step.axis < 0 else step.axis + 1
    n.typed[step.name] = n("ArgMax", sources[0], axis=axis, keepdims=0)
    n.as_number(n.typed[step.name], step.name)


def _cast(n: _Nodes, step: Any, sources: list[str]) -> None:
    kind = n.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(step.dtype))
    n.typed[step.name] = n("Cast", sources[0], to_=kind)
    n.as_number(n.typed[step.name], step.name)


_WRITERS: Mapping[str, Callable[[_Nodes, Any, list[str]], Any]] = MappingProxyType(
    {
        "dense": _dense,
        "activate": lambda n, s, x: n.activation(s.activation, x[0], s.name),
        "scale_shift": _scale_shift,
        "clip": lambda n, s, x: n("Clip", x[0], n.constant(s.low), n.constant(s.high), to=s.name),
        "reshape": lambda n, s, x: n.reshaped(x[0], s.shape, to=s.name),
        "slice": lambda n, s, x: n("Slice", x[0], n.whole(s.start), n.whole(s.stop), n.whole(-1), to=s.name),
        "concatenate": lambda n, s, x: n("Concat", *x, to=s.name, axis=-1),
        "add": _chain("Add"),
        "multiply": _chain("Mul"),
        "prelu": _prelu,
        "normalise": lambda n, s, x: n(
            "LayerNormalization", x[0], n.parameter(s.scale), n.parameter(s.shift),
            to=s.name, axis=-s.scale.ndim, epsilon=s.epsilon,
        ),
        "map": lambda n, s, x: _FUNCTIONS[s.function](n, x[0], s.name),
        "binary": lambda n, s, x: _BINARY[s.function](n, *n.aligned(x), s.name),  # type: ignore[call-arg]
        "select": _select,
        "matmul": lambda n, s, x: n("MatMul", *n.aligned(x), to=s.name),
        "constant": _constant,
        "transpose": lambda n, s, x: n("Transpose", x[0], to=s.name, perm=[0, *(axis + 1 for axis in s.axes)]),
        "take": lambda n, s, x: n(
            "Gather", x[0], n.whole(*s.indices), to=s.name, axis=s.axis if s.axis < 0 else s.axis + 1
        ),
        "reduce": _reduce,
        "argmax": _argmax,
        "cast": _cast,
    }
)  # fmt: skip
