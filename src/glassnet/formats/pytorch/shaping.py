"""PyTorch's operations on shapes: views, parts of rows, values side by side, and sums over axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from glassnet.errors import ParametersError
from glassnet.formats.pytorch.graph import ROWS, Graph, Operation, Rows, Value
from glassnet.network import Concatenate, Reduce, Reshape, Slice, Take, Transpose


def shaped(graph: Graph, input: Value, *shape: Any, size: Any = None) -> Any:
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


def flattened(graph: Graph, input: Value, start_dim: int = 0, end_dim: int = -1) -> Value:
    """Return the values of several axes along one."""
    first, last = graph.axis(start_dim, input), graph.axis(end_dim, input)
    middle = math.prod(input.shape[first : last + 1])
    return graph.emit(Reshape, (*input.shape[:first], middle, *input.shape[last + 1 :]), of=[input])


def squeezed(graph: Graph, input: Value, dim: int | Sequence[int] | None = None) -> Value:
    """Return the value without axes of size 1."""
    if dim is None:
        raise ParametersError("without an axis it would drop the batch where it is one row")
    axes = {graph.axis(one, input) for one in ([dim] if isinstance(dim, int) else dim)}
    shape = tuple(n for axis, n in enumerate(input.shape) if axis not in axes or n != 1)
    return graph.emit(Reshape, shape, of=[input])


def unsqueezed(graph: Graph, input: Any, dim: int) -> Any:
    """Return the value with one more axis, of size 1."""
    if isinstance(input, np.ndarray):
        return np.expand_dims(input, dim)
    rank = len(input.shape) + graph.batched + 1
    axis = dim % rank - graph.batched
    if axis < 0:
        raise ParametersError("puts an axis before the batch")
    return graph.emit(Reshape, (*input.shape[:axis], 1, *input.shape[axis:]), of=[input])


def transposed(graph: Graph, input: Any, dim0: int = 0, dim1: int = 1) -> Any:
    """Return the value with two axes exchanged."""
    if isinstance(input, np.ndarray):
        return input.T if input.ndim < 2 else np.swapaxes(input, dim0, dim1)
    axes = list(range(len(input.shape)))
    one, other = graph.axis(dim0, input), graph.axis(dim1, input)
    axes[one], axes[other] = axes[other], axes[one]
    return graph.emit(Transpose, tuple(axes), of=[input])


def permuted(graph: Graph, input: Any, *dims: Any) -> Any:
    """Return the value with its axes in another order."""
    order = list(dims[0] if dims and isinstance(dims[0], list | tuple) else dims)
    if isinstance(input, np.ndarray):
        return input.transpose(order)
    if graph.batched and order[:1] != [0]:
        raise ParametersError("moves the batch to another axis")
    return graph.emit(Transpose, tuple(graph.axis(dim, input) for dim in order[graph.batched :]), of=[input])


def joined(graph: Graph, tensors: Sequence[Any], dim: int = 0) -> Any:
    """Return several values side by side along an axis."""
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


def stacked(graph: Graph, tensors: Sequence[Value], dim: int = 0) -> Any:
    """Return several values side by side along a new axis."""
    return joined(graph, [unsqueezed(graph, value, dim) for value in tensors], dim)


def ranged(graph: Graph, input: Value, dim: int, start: int, stop: int) -> Value:
    """Return the entries from ``start`` to ``stop`` (not included) along an axis."""
    axis = graph.axis(dim, input)
    if (start, stop) == (0, input.shape[axis]):
        return input
    if axis == len(input.shape) - 1:
        return graph.emit(Slice, start, stop, of=[input])
    return graph.emit(Take, tuple(range(start, stop)), axis, of=[input])


def sliced(
    graph: Graph, input: Any, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Any:
    """Return what Python's slice takes along an axis."""
    if isinstance(input, np.ndarray):
        return input[(slice(None),) * dim + (slice(start, end, step),)]
    if graph.batched and dim == 0 and start in (0, None) and step == 1 and (end is None or end >= 1 << 31):
        return input  # all rows
    places = range(input.shape[graph.axis(dim, input)])[slice(start, end, step)]
    if step == 1 and len(places):
        return ranged(graph, input, dim, places[0], places[-1] + 1)
    return graph.emit(Take, tuple(places), graph.axis(dim, input), of=[input])


def selected(graph: Graph, input: Any, dim: int, index: int) -> Any:
    """Return one entry along an axis, without the axis."""
    if isinstance(input, np.ndarray):
        return input.take(index, axis=dim)
    axis = graph.axis(dim, input)
    index = index % input.shape[axis]
    part = graph.emit(Take, (index,), axis, of=[input])
    return graph.emit(Reshape, (*input.shape[:axis], *input.shape[axis + 1 :]), of=[part])


def split(graph: Graph, input: Value, split_size: int | Sequence[int], dim: int = 0) -> list[Value]:
    """Return parts of one size, or of the sizes given, along an axis."""
    total = input.shape[graph.axis(dim, input)]
    if isinstance(split_size, int):
        if split_size < 1:
            raise ParametersError("parts without any value")
        sizes = [min(split_size, total - start) for start in range(0, total, split_size)]
    else:
        sizes = [int(size) for size in split_size]
    ends = [sum(sizes[: n + 1]) for n in range(len(sizes))]
    return [ranged(graph, input, dim, end - size, end) for size, end in zip(sizes, ends, strict=True)]


def chunked(graph: Graph, input: Value, chunks: int, dim: int = 0) -> list[Value]:
    """Return as many parts of equal size along an axis."""
    return split(graph, input, -(-input.shape[graph.axis(dim, input)] // chunks), dim)


def size_of(graph: Graph, input: Any, dim: int | None = None) -> Any:
    """Return the sizes of all axes, or of one; that of the batch is not known here."""
    if isinstance(input, np.ndarray):
        return list(input.shape) if dim is None else input.shape[dim]
    sizes: list[Any] = [*([ROWS] if graph.batched else []), *input.shape]
    return sizes if dim is None else sizes[dim]


def rank_of(graph: Graph, input: Any) -> int:
    """Return how many axes there are."""
    return int(input.ndim if isinstance(input, np.ndarray) else len(input.shape) + graph.batched)


# --- sums over axes -----------------------------------------------------------------------------------------


def reduction(name: str) -> Operation:
    """Return the operation that takes the sum, mean, largest or smallest along some axes."""

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
