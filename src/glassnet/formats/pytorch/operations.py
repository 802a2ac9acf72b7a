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

from glassnet.errors import ParametersError
from glassnet.formats.pytorch.graph import ROWS, Graph, Operation, Rows, Value, known
from glassnet.network import (
    Activate,
    Add,
    Binary,
    Clip,
    Concatenate,
    Dense,
    Map,
    Multiply,
    Normalise,
    PRelu,
    Reduce,
    Reshape,
    ScaleShift,
    Slice,
    Take,
    Transpose,
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
    from glassnet.activations import activation  # noqa: PLC0415

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
    left, right = _chunk(graph, input, 2, dim)
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


# --- shapes -------------------------------------------------------------------------------------------------


def _shaped(graph: Graph, input: Value, *shape: Any, size: Any = None) -> Any:
    """Return rows of another shape; the first size is that of the batch, or the one left open."""
    sizes = list(size if size is not None else shape[0] if shape and isinstance(shape[0], list | tuple) else shape)
    if isinstance(input, np.ndarray):
        return input.reshape([int(n) for n in sizes])
    if graph.batched:
        if not sizes or not (isinstance(sizes[0], Rows) or sizes[0] == -1 or sizes[0] == graph.rows):
            raise ParametersError("a shape that mixes the batch with what is in a row")
        sizes = sizes[1:]
    total = math.prod(input.shape)
    fixed = math.prod(n for n in sizes if n != -1)
    if sizes.count(-1) == 1 and fixed > 0:
        sizes[sizes.index(-1)] = total // fixed
    return graph.emit(Reshape, tuple(sizes), of=[input])


def _flatten(graph: Graph, input: Value, start_dim: int = 0, end_dim: int = -1) -> Value:
    first, last = graph.axis(start_dim, input), graph.axis(end_dim, input)
    middle = math.prod(input.shape[first : last + 1])
    return graph.emit(Reshape, (*input.shape[:first], middle, *input.shape[last + 1 :]), of=[input])


def _squeeze(graph: Graph, input: Value, dim: int | Sequence[int] | None = None) -> Value:
    if dim is None:
        raise ParametersError("without an axis it would drop the batch where it is one row")
    axes = {graph.axis(one, input) for one in ([dim] if isinstance(dim, int) else dim)}
    shape = tuple(n for axis, n in enumerate(input.shape) if axis not in axes or n != 1)
    return graph.emit(Reshape, shape, of=[input])


def _unsqueeze(graph: Graph, input: Any, dim: int) -> Any:
    if isinstance(input, np.ndarray):
        return np.expand_dims(input, dim)
    rank = len(input.shape) + graph.batched + 1
    axis = dim % rank - graph.batched
    if axis < 0:
        raise ParametersError("puts an axis before the batch")
    return graph.emit(Reshape, (*input.shape[:axis], 1, *input.shape[axis:]), of=[input])


def _transposed(graph: Graph, input: Any, dim0: int = 0, dim1: int = 1) -> Any:
    if isinstance(input, np.ndarray):
        return input.T if input.ndim < 2 else np.swapaxes(input, dim0, dim1)
    axes = list(range(len(input.shape)))
    one, other = graph.axis(dim0, input), graph.axis(dim1, input)
    axes[one], axes[other] = axes[other], axes[one]
    return graph.emit(Transpose, tuple(axes), of=[input])


def _permuted(graph: Graph, input: Any, *dims: Any) -> Any:
    order = list(dims[0] if dims and isinstance(dims[0], list | tuple) else dims)
    if isinstance(input, np.ndarray):
        return input.transpose(order)
    if graph.batched and order[:1] != [0]:
        raise ParametersError("moves the batch to another axis")
    return graph.emit(Transpose, tuple(graph.axis(dim, input) for dim in order[graph.batched :]), of=[input])


def _cat(graph: Graph, tensors: Sequence[Any], dim: int = 0) -> Any:
    values = list(tensors)
    if all(isinstance(value, np.ndarray) for value in values):
        return np.concatenate(values, dim)
    if not all(isinstance(value, Value) for value in values):
        raise ParametersError("puts a constant beside values")
    axis, rank = graph.axis(dim, values[0]), len(values[0].shape)
    if axis == rank - 1:
        return graph.emit(Concatenate, of=values)
    order = (*(n for n in range(rank) if n != axis), axis)
    turned = [graph.emit(Transpose, order, of=[value]) for value in values]
    joined = graph.emit(Concatenate, of=turned)
    return graph.emit(Transpose, tuple(int(n) for n in np.argsort(order)), of=[joined])


def _stack(graph: Graph, tensors: Sequence[Value], dim: int = 0) -> Any:
    return _cat(graph, [_unsqueeze(graph, value, dim) for value in tensors], dim)


def _range(graph: Graph, input: Value, dim: int, start: int, stop: int) -> Value:
    axis = graph.axis(dim, input)
    if (start, stop) == (0, input.shape[axis]):
        return input
    if axis == len(input.shape) - 1:
        return graph.emit(Slice, start, stop, of=[input])
    return graph.emit(Take, tuple(range(start, stop)), axis, of=[input])


def _slice(
    graph: Graph, input: Any, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Any:
    if isinstance(input, np.ndarray):
        return input[(slice(None),) * dim + (slice(start, end, step),)]
    if graph.batched and dim == 0 and start in (0, None) and step == 1 and (end is None or end >= 1 << 31):
        return input  # all rows
    places = range(input.shape[graph.axis(dim, input)])[slice(start, end, step)]
    if step == 1 and len(places):
        return _range(graph, input, dim, places[0], places[-1] + 1)
    return graph.emit(Take, tuple(places), graph.axis(dim, input), of=[input])


def _select(graph: Graph, input: Any, dim: int, index: int) -> Any:
    if isinstance(input, np.ndarray):
        return input.take(index, axis=dim)
    axis = graph.axis(dim, input)
    index = index % input.shape[axis]
    part = graph.emit(Take, (index,), axis, of=[input])
    return graph.emit(Reshape, (*input.shape[:axis], *input.shape[axis + 1 :]), of=[part])


def _split(graph: Graph, input: Value, split_size: int | Sequence[int], dim: int = 0) -> list[Value]:
    total = input.shape[graph.axis(dim, input)]
    if isinstance(split_size, int):
        if split_size < 1:
            raise ParametersError("parts without any value")
        sizes = [min(split_size, total - start) for start in range(0, total, split_size)]
    else:
        sizes = [int(size) for size in split_size]
    ends = [sum(sizes[: n + 1]) for n in range(len(sizes))]
    return [_range(graph, input, dim, end - size, end) for size, end in zip(sizes, ends, strict=True)]


def _chunk(graph: Graph, input: Value, chunks: int, dim: int = 0) -> list[Value]:
    return _split(graph, input, -(-input.shape[graph.axis(dim, input)] // chunks), dim)


def _size(graph: Graph, input: Any, dim: int | None = None) -> Any:
    if isinstance(input, np.ndarray):
        return list(input.shape) if dim is None else input.shape[dim]
    sizes: list[Any] = [*([ROWS] if graph.batched else []), *input.shape]
    return sizes if dim is None else sizes[dim]


def _dim(graph: Graph, input: Any) -> int:
    return int(input.ndim if isinstance(input, np.ndarray) else len(input.shape) + graph.batched)


# --- sums over axes -----------------------------------------------------------------------------------------


def _reduction(name: str) -> Operation:
    def operation(graph: Graph, input: Value, dim: Any = None, keepdim: bool = False, **options: Any) -> Value:
        if dim is None or dim == []:
            raise ParametersError("runs over the whole batch, but rows must not know one another")
        axes = tuple(graph.axis(one, input) for one in ([dim] if isinstance(dim, int) else dim))
        result = graph.emit(Reduce, name, axes, of=[input])
        if keepdim:
            return result
        shape = tuple(n for axis, n in enumerate(input.shape) if axis not in axes)
        return graph.emit(Reshape, shape, of=[result])

    return operation


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
        **dict.fromkeys(("view", "reshape", "_unsafe_view", "view_copy"), _shaped),
        "flatten": _flatten,
        "squeeze": _squeeze,
        "unsqueeze": _unsqueeze,
        **dict.fromkeys(("t", "transpose", "numpy_T"), _transposed),
        "permute": _permuted,
        **dict.fromkeys(("cat", "concat", "concatenate"), _cat),
        "stack": _stack,
        "slice": _slice,
        "select": _select,
        **dict.fromkeys(("split", "split_with_sizes"), _split),
        "chunk": _chunk,
        "size": _size,
        "dim": _dim,
        "sum": _reduction("sum"),
        "mean": _reduction("mean"),
        "amax": _reduction("max"),
        "amin": _reduction("min"),
    }
)
