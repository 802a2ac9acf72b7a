"""What the readers of several operators build with: activations, parts, joins, sums along axes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from glassnet.activations import activation
from glassnet.formats.onnx.values import Builder, Value, constant
from glassnet.network import Activate, Concatenate, Reduce, Select, Slice, Take


def activate(build: Builder, value: Value, name: str, **parameters: float) -> Value:
    """Return an activation of the table, of each value or along the last axis."""
    return build.emit(Activate(activation(name, **parameters)), value, dtype=value.dtype, rows=value.rows)


def select(build: Builder, condition: Value, yes: Value, no: Value) -> Value:
    """Return one of two values, element by element."""
    return build.elementwise(Select(sources=("a", "b", "c")), condition, yes, no, dtype=yes.dtype)


def concatenated(build: Builder, values: list[Value], axis: int) -> Value:
    """Join values whose rows come first along an axis: as columns, each as wide as what lies behind the axis."""
    first = values[0]
    total = sum(value.shape[axis] for value in values)
    shape = (*first.shape[:axis], total, *first.shape[axis + 1 :])
    dtype = next(value.dtype for value in values)
    inner = math.prod(first.shape[axis + 1 :])
    flat = [build.reshape(value, (*value.shape[:axis], value.shape[axis] * inner)) for value in values]
    joined = build.emit(Concatenate(sources=tuple("abc"[:1]) * len(flat)), *flat, dtype=dtype, rows=first.rows)
    return build.reshape(joined, shape)


def part(build: Builder, value: Value, axis: int, indices: Sequence[int]) -> Value:
    """Return the entries at ``indices`` along an axis."""
    axis = value.axis(axis)
    if value.constant is not None:
        return constant(value.constant.take(indices, axis=axis), by_rows=value.by_rows)
    row_axis = value.row_axis(axis)
    if list(indices) == list(range(value.shape[axis])):
        return value
    if not indices:
        return constant(np.zeros((*value.shape[:axis], 0, *value.shape[axis + 1 :]), value.dtype))
    first, last = indices[0], indices[-1]
    if list(indices) == list(range(first, last + 1)) and row_axis == len(value.row_shape) - 1:
        return build.emit(Slice(first, last + 1), value, dtype=value.dtype, rows=value.rows)
    return build.emit(Take(tuple(indices), row_axis), value, dtype=value.dtype, rows=value.rows)


def reduced(build: Builder, value: Value, name: str, axes: Sequence[int], *, keep: bool) -> Value:
    """Return sums, means and so on along axes."""
    chosen = sorted({value.axis(axis) for axis in axes})
    if not chosen:
        return value
    result = build.emit(
        Reduce(name, tuple(value.row_axis(axis) for axis in chosen)), value, dtype=value.dtype, rows=value.rows
    )
    return result if keep else build.reshape(result, [s for i, s in enumerate(value.shape) if i not in chosen])
