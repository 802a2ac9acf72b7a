"""PyTorch's operations, one row each: name → what it comes to in steps, with PyTorch's own arguments in their
order.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from glassnet.activations import activation
from glassnet.errors import ParametersError
from glassnet.formats.pytorch import shaping
from glassnet.formats.pytorch.graph import Graph, Operation, Value, known
from glassnet.network import (
    Activate,
    Add,
    Binary,
    Clip,
    Dense,
    Map,
    Multiply,
    Normalise,
    PRelu,
    Reshape,
    ScaleShift,
)
from glassnet.network.steps import Array

# --- layers -------------------------------------------------------------------------------------------------


def _linear(graph: Graph, input: Value, weight: Array, bias: Array | None = None) -> Value:
    return graph.emit(Dense, weight.T, None if bias is None else bias, of=[input])


def _addmm(graph: Graph, input: object, mat1: Value, mat2: Array, beta: float = 1, alpha: float = 1) -> Any:
    product = graph.emit(Dense, mat2 * mat2.dtype.type(alpha), of=[mat1])
    return _add(graph, product, input, beta)


def _matmul(graph: Graph, input: Any, other: Any) -> Any:
    if isinstance(input, Value) and isinstance(other, np.ndarray) and other.ndim == 2:
        return graph.emit(Dense, other, of=[input])
    if isinstance(input, Value) and isinstance(other, np.ndarray) and other.ndim == 1:
        product = graph.emit(Dense, other.reshape(-1, 1), of=[input])
        return graph.emit(Reshape, product.shape[:-1], of=[product])
    if isinstance(input, np.ndarray) and isinstance(other, np.ndarray):
        return input @ other
    raise ParametersError("a product of two values, expected one of a value with a matrix that is known")


def _batch_norm(
    graph: Graph, input: Value, weight: Array | None, bias: Array | None, running_mean: Array, running_var: Array,
    training: bool = False, momentum: float = 0.1, eps: float = 1e-5, cudnn_enabled: bool = True,
) -> Value:  # fmt: skip
    """(x - mean) / sqrt(var + eps) · weight + bias, as one scale and one shift, formed in float64."""
    if training or running_mean is None or running_var is None:
        raise ParametersError("normalises by the batch it is given; call model.eval() before it is saved")
    if len(input.shape) != 1:
        raise ParametersError(f"reads rows of shape {input.shape}, expected (features,)")
    scale = 1 / np.sqrt(running_var.astype(np.float64) + eps)
    scale = scale if weight is None else scale * weight
    shift = (0.0 if bias is None else bias) - running_mean * scale
    return graph.emit(ScaleShift, scale.astype(graph.dtype), shift.astype(graph.dtype), of=[input])


def _batch_norm_without_training(
    graph: Graph, input: Value, weight: Array | None, bias: Array | None, running_mean: Array, running_var: Array,
    momentum: float, eps: float,
) -> tuple[Any, ...]:  # fmt: skip
    return (_batch_norm(graph, input, weight, bias, running_mean, running_var, eps=eps), None, None)


def _layer_norm(
    graph: Graph, input: Value, normalized_shape: Sequence[int], weight: Array | None = None,
    bias: Array | None = None, eps: float = 1e-5, cudnn_enable: bool = True,
) -> Value:  # fmt: skip
    shape = tuple(normalized_shape)
    if shape != input.shape[-len(shape) :]:
        raise ParametersError(f"normalises the last axes {shape} of rows of shape {input.shape}")
    ones = np.ones(shape, graph.dtype)
    return graph.emit(Normalise, ones if weight is None else weight, bias, eps, of=[input])


def _native_layer_norm(graph: Graph, *arguments: Any) -> tuple[Any, ...]:
    return (_layer_norm(graph, *arguments), None, None)


def _prelu(graph: Graph, input: Value, weight: Array) -> Value:
    return graph.emit(PRelu, weight.reshape(()) if weight.size == 1 else weight, of=[input])


def _same(graph: Graph, input: Any, *rest: Any, **options: Any) -> Any:
    """Return what changes nothing here: copies, dropout, other places in memory."""
    return input


def _dropout(graph: Graph, input: Any, p: float = 0.5, train: bool = False, *rest: Any, **options: Any) -> Any:
    if train is True and p != 0:
        raise ParametersError("drops at random; call model.eval() before it is saved")
    return input


# --- activations --------------------------------------------------------------------------------------------


def _activation(name: str, **names: str) -> Operation:
    """Return the operation that is an activation of the table; names: PyTorch's argument → the activation's."""

    def operation(graph: Graph, input: Value, *given: float, inplace: bool = False, **options: float) -> Value:
        if len(given) > len(names):
            raise ParametersError(f"reads {1 + len(names)} argument(s), found {1 + len(given)}")
        named = dict(zip(names, given, strict=False)) | options
        parameters = {names[key]: float(value) for key, value in named.items()}
        return graph.emit(Activate, _with(name, parameters), of=[input])

    return operation


def _with(name: str, parameters: Mapping[str, float]) -> Any:
    return activation(name, **parameters)


def _elu(graph: Graph, input: Value, alpha: float = 1.0, scale: float = 1, input_scale: float = 1) -> Value:
    if (scale, input_scale) not in ((1, 1), (False, 1)):
        raise ParametersError("an elu with scales of its own")
    return graph.emit(Activate, _with("elu", {"alpha": float(alpha)}), of=[input])


def _gelu(graph: Graph, input: Value, approximate: str = "none") -> Value:
    return graph.emit(Activate, {"none": "gelu", "tanh": "gelu_tanh"}[approximate], of=[input])


def _softplus(graph: Graph, input: Value, beta: float = 1, threshold: float = 20) -> Value:
    if beta == 1:
        return graph.emit(Activate, "softplus", of=[input])
    wide = _mul(graph, input, beta)
    return _div(graph, graph.emit(Activate, "softplus", of=[wide]), beta)


def _along(name: str) -> Operation:
    """Return softmax or log_softmax, which work along the last axis here."""

    def operation(graph: Graph, input: Value, dim: int | None = None, *rest: Any, **options: Any) -> Value:
        axis = graph.axis(-1 if dim is None else dim, input)
        if axis != len(input.shape) - 1:
            raise ParametersError(f"works along axis {axis} of rows of shape {input.shape}, expected the last")
        return graph.emit(Activate, name, of=[input])

    return operation


def _softmin(graph: Graph, input: Value, dim: int = -1, *rest: Any, **options: Any) -> Value:
    return _along("softmax")(graph, _mul(graph, input, -1), dim)


def _logsigmoid(graph: Graph, input: Value) -> Value:
    """ln(sigmoid(x)) = -softplus(-x)."""
    return _mul(graph, graph.emit(Activate, "softplus", of=[_mul(graph, input, -1)]), -1)


def _tanhshrink(graph: Graph, input: Value) -> Value:
    return graph.emit(Binary, "subtract", of=[input, graph.emit(Activate, "tanh", of=[input])])


def _glu(graph: Graph, input: Value, dim: int = -1) -> Value:
    left, right = shaping.chunked(graph, input, 2, dim)
    return graph.emit(Multiply, of=[left, graph.emit(Activate, "sigmoid", of=[right])])


def _clamp(graph: Graph, input: Value, min: float | None = None, max: float | None = None) -> Value:
    low, high = (-math.inf if min is None else float(min)), (math.inf if max is None else float(max))
    return graph.emit(Clip, low, high, of=[input])


def _hardtanh(graph: Graph, input: Value, min_val: float = -1, max_val: float = 1, inplace: bool = False) -> Value:
    return _clamp(graph, input, min_val, max_val)


# --- arithmetic ---------------------------------------------------------------------------------------------


def _add(graph: Graph, input: Any, other: Any, alpha: float = 1) -> Any:
    if isinstance(input, Value) and isinstance(other, Value):
        return graph.emit(Add, of=[input, _mul(graph, other, alpha) if alpha != 1 else other])
    if isinstance(input, Value):
        return graph.emit(
            ScaleShift, graph.dtype.type(1), graph.constant(other, input) * graph.dtype.type(alpha), of=[input]
        )
    if isinstance(other, Value):
        shift = graph.constant(input, other)
        return graph.emit(ScaleShift, graph.dtype.type(alpha), shift, of=[other])
    return _numbers(input) + alpha * _numbers(other)


def _sub(graph: Graph, input: Any, other: Any, alpha: float = 1) -> Any:
    if isinstance(input, Value) and isinstance(other, Value) and alpha == 1:
        return graph.emit(Binary, "subtract", of=[input, other])
    return _add(graph, input, other, -alpha)


def _rsub(graph: Graph, input: Any, other: Any, alpha: float = 1) -> Any:
    return _sub(graph, other, input, alpha)


def _mul(graph: Graph, input: Any, other: Any) -> Any:
    if isinstance(input, Value) and isinstance(other, Value):
        return graph.emit(Multiply, of=[input, other])
    if isinstance(other, Value):
        input, other = other, input
    if isinstance(input, Value):
        return graph.emit(ScaleShift, graph.constant(other, input), graph.dtype.type(0), of=[input])
    return _numbers(input) * _numbers(other)


def _div(graph: Graph, input: Any, other: Any, rounding_mode: str | None = None) -> Any:
    if rounding_mode is not None:
        raise ParametersError("a division that rounds")
    if isinstance(input, Value) and isinstance(other, Value):
        return graph.emit(Binary, "divide", of=[input, other])
    if isinstance(input, Value):
        scale = 1 / graph.constant(other, input).astype(np.float64)
        return graph.emit(ScaleShift, scale.astype(graph.dtype), graph.dtype.type(0), of=[input])
    if isinstance(other, Value):
        return _mul(graph, graph.emit(Map, "reciprocal", of=[other]), input)
    return _numbers(input) / _numbers(other)


def _numbers(value: object) -> Any:
    array = known(value)
    if array is None:
        raise ParametersError(f"{type(value).__name__} where a number belongs")
    return array if isinstance(value, np.ndarray) else value


def _pow(graph: Graph, input: Value, exponent: float) -> Value:
    if exponent == 2:
        return graph.emit(Multiply, of=[input, input])
    if exponent == 0.5:
        return graph.emit(Map, "sqrt", of=[input])
    if exponent == -1:
        return graph.emit(Map, "reciprocal", of=[input])
    if type(exponent) is int and 2 < exponent <= 8:
        return graph.emit(Multiply, of=[input] * exponent)
    raise ParametersError(f"a power of {exponent}")


def _map(name: str) -> Operation:
    return lambda graph, input: graph.emit(Map, name, of=[input])


def _rsqrt(graph: Graph, input: Value) -> Value:
    return graph.emit(Map, "reciprocal", of=[graph.emit(Map, "sqrt", of=[input])])


def _extreme(name: str, limit: str) -> Operation:
    """Return minimum or maximum, of two values or of a value and a number."""

    def operation(graph: Graph, input: Any, other: Any) -> Value:
        if isinstance(input, Value) and isinstance(other, Value):
            return graph.emit(Binary, name, of=[input, other])
        if not isinstance(input, Value):
            input, other = other, input
        bound = graph.constant(other, input)
        if bound.size != 1:
            raise ParametersError("bounds that are many numbers")
        return graph.emit(Clip, of=[input], **{limit: float(bound.reshape(()))})

    return operation


# --- the table --------------------------------------------------------------------------------------------


def _in_place(table: Mapping[str, Operation]) -> dict[str, Operation]:
    """Return the table with the names that end in _, which write over what they read; here nothing is."""
    return {**table, **{f"{name}_": operation for name, operation in table.items()}}


_ELEMENTWISE: Mapping[str, Operation] = {
    **{name: _activation(name) for name in ("relu", "sigmoid", "tanh", "selu", "silu", "mish", "softsign")},
    "leaky_relu": _activation("leaky_relu", negative_slope="slope"),
    "celu": _activation("celu", alpha="alpha"),
    "hardsigmoid": functools.partial(_activation("hard_sigmoid", slope="slope"), slope=1 / 6),
    "hardswish": _activation("hard_swish"),
    "elu": _elu,
    "gelu": _gelu,
    "relu6": functools.partial(_clamp, min=0, max=6),
    "hardtanh": _hardtanh,
    "clamp": _clamp,
    "clip": _clamp,
    "clamp_min": _clamp,
    "clamp_max": lambda graph, input, max: _clamp(graph, input, None, max),
    "dropout": _dropout,
    "alpha_dropout": _dropout,
    "feature_dropout": _dropout,
    "feature_alpha_dropout": _dropout,
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "div": _div,
    "pow": _pow,
    "neg": lambda graph, input: _mul(graph, input, -1),
    "square": lambda graph, input: graph.emit(Multiply, of=[input, input]),
    "rsqrt": _rsqrt,
    **{name: _map(name) for name in ("exp", "log", "sqrt", "abs", "reciprocal", "erf", "sin", "cos", "sign", "floor")},
    **{name: _map(name) for name in ("ceil", "round")},
    "trunc": _map("truncate"),
}

_SAME = (
    "contiguous", "detach", "detach_", "clone", "alias", "lift_fresh_copy", "to", "_to_copy", "float", "double",
    "type_as", "requires_grad_", "native_dropout_eval", "identity", "cpu", "cuda",
)  # fmt: skip

OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {
        **_in_place(_ELEMENTWISE),
        **dict.fromkeys(_SAME, _same),
        "linear": _linear,
        "addmm": _addmm,
        **dict.fromkeys(("matmul", "mm"), _matmul),
        "batch_norm": _batch_norm,
        "_native_batch_norm_legit_no_training": _batch_norm_without_training,
        "layer_norm": _layer_norm,
        "native_layer_norm": _native_layer_norm,
        "prelu": _prelu,
        "softplus": _softplus,
        "softmax": _along("softmax"),
        "_softmax": _along("softmax"),
        "log_softmax": _along("log_softmax"),
        "_log_softmax": _along("log_softmax"),
        "softmin": _softmin,
        "log_sigmoid": _logsigmoid,
        "logsigmoid": _logsigmoid,
        "tanhshrink": _tanhshrink,
        "glu": _glu,
        "rsub": _rsub,
        "maximum": _extreme("maximum", "low"),
        "minimum": _extreme("minimum", "high"),
        **dict.fromkeys(("subtract",), _sub),
        **dict.fromkeys(("multiply",), _mul),
        **dict.fromkeys(("divide", "true_divide", "truediv"), _div),
        "negative": lambda graph, input: _mul(graph, input, -1),
        **dict.fromkeys(("view", "reshape", "_unsafe_view", "view_copy"), shaping.shaped),
        "flatten": shaping.flattened,
        "squeeze": shaping.squeezed,
        "unsqueeze": shaping.unsqueezed,
        **dict.fromkeys(("t", "transpose", "numpy_T"), shaping.transposed),
        "permute": shaping.permuted,
        **dict.fromkeys(("cat", "concat", "concatenate"), shaping.joined),
        "stack": shaping.stacked,
        "slice": shaping.sliced,
        "select": shaping.selected,
        **dict.fromkeys(("split", "split_with_sizes"), shaping.split),
        "chunk": shaping.chunked,
        "size": shaping.size_of,
        "dim": shaping.rank_of,
        "sum": shaping.reduction("sum"),
        "mean": shaping.reduction("mean"),
        "amax": shaping.reduction("max"),
        "amin": shaping.reduction("min"),
    }
)
