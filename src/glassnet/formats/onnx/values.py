"""Tensors of an ONNX graph on their way into a network, and what the operators build with.

A network knows rows; an ONNX graph knows tensors, of which one axis may be the rows of a batch. ``Value`` says which
(``rows``), through every transposition. Where two values meet, or an axis is summed over, that axis must be left
alone, or else the graph works across rows (``AcrossRowsError``), and the whole tensor has to be one row.

What depends on constants alone is carried out at once, by the same steps: so shapes that a graph computes are
numbers before they are needed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from glassnet.errors import ParametersError
from glassnet.network import (
    Add,
    Binary,
    Cast,
    Constant,
    Dense,
    Map,
    MatMul,
    Multiply,
    Reshape,
    ScaleShift,
    Step,
    Transpose,
)
from glassnet.network.step import Array, Shape

# Stands for the unknown number of rows in shapes that a graph computes: a prime that no file uses.
ANY_ROWS = 2_147_483_647
# Values of one row, all together; and what constants may grow by when they are computed with.
MOST_VALUES = 1 << 24
FLOAT32, FLOAT64, INT64, BOOL = (np.dtype(name) for name in ("float32", "float64", "int64", "bool"))


class AcrossRowsError(ParametersError):
    """An operation that mixes the rows of a batch."""


class NotConstantError(ParametersError):
    """A value that must be known when the graph is read, and is not."""


@dataclass(frozen=True)
class Value:
    """One tensor: a constant, or a value of the network.

    shape: the tensor's, rows included. name: of the network's value. rows: which axis holds the rows of a batch; None
    for a constant, or where the whole tensor is one row. by_rows: whether a constant depends on how many rows there
    are. choices: for a label, what the value is an index into.
    """

    shape: Shape
    dtype: np.dtype[Any]
    name: str = ""
    constant: Array | None = None
    rows: int | None = None
    by_rows: bool = False
    choices: Array | None = None

    @property
    def ndim(self) -> int:
        """How many axes the tensor has."""
        return len(self.shape)

    @property
    def row_shape(self) -> Shape:
        """The shape without the rows."""
        return without(self.shape, self.rows)

    def axis(self, axis: int) -> int:
        """Return which axis, counted from the first, ``axis`` means; raise ParametersError where there is none."""
        if not -self.ndim <= axis < self.ndim:
            raise ParametersError(f"axis {axis} of a tensor of shape {sized(self.shape)}")
        return axis % self.ndim

    def row_axis(self, axis: int) -> int:
        """Return which axis of a row ``axis`` of the tensor is; raise AcrossRowsError for that of the rows."""
        axis = self.axis(axis)
        if axis == self.rows:
            raise AcrossRowsError("it works across the rows of a batch")
        return axis - (self.rows is not None and axis > self.rows)


def constant(array: Array, *, by_rows: bool = False) -> Value:
    """Return an array as a value."""
    return Value(array.shape, array.dtype, constant=array, by_rows=by_rows)


def without(shape: Sequence[int], axis: int | None) -> Shape:
    """Return ``shape`` without one axis."""
    return tuple(size for i, size in enumerate(shape) if i != axis)


def sized(shape: Sequence[int]) -> str:
    """Return a shape as errors show it."""
    return (
        f"({', '.join(str(size) if size % ANY_ROWS or not size else _times_rows(size // ANY_ROWS) for size in shape)})"
    )


def _times_rows(count: int) -> str:
    return "rows" if count == 1 else f"{count} · rows"


class Builder:
    """Collects the steps of a network while the nodes of a graph are gone through."""

    def __init__(self, rows: int | None) -> None:
        self.rows = rows
        self.steps: list[Step] = []
        self.taken: set[str] = set()
        self.values = 0
        self.grown = 0
        self.prefix = ""
        self.computes_in_double = False
        self.narrow: set[str] = set()  # tensors of fewer bits than NumPy's smallest type

    # --- one step ---

    def emit(self, step: Step, *values: Value, dtype: np.dtype[Any], rows: int | None = None) -> Value:
        """Add a step that reads ``values``, or carry it out where all are constants. rows: their axis in the result."""
        if any(value.choices is not None for value in values):
            raise ParametersError("it computes with labels")
        if all(value.constant is not None for value in values):
            return self._carried_out(step, values, dtype)
        given = [self.lifted(value, values) for value in values]
        row_shape = step.output_shape(*(value.row_shape for value in given))
        self._count(math.prod(row_shape))
        if rows is not None and self.rows is None:
            rows = None
        shape = row_shape if rows is None else (*row_shape[:rows], self.rows or 0, *row_shape[rows:])
        self.computes_in_double |= dtype == FLOAT64 and step.KIND not in ("cast", "reshape", "transpose")
        name = self._name(step.KIND)
        self.steps.append(replace(step, name=name, sources=tuple(value.name for value in given)))
        return Value(shape, dtype, name=name, rows=rows)

    def _carried_out(self, step: Step, values: tuple[Value, ...], dtype: np.dtype[Any]) -> Value:
        arrays = [value.constant[np.newaxis] for value in values if value.constant is not None]
        size = math.prod(step.output_shape(*(value.shape for value in values)))
        if size > sum(array.size for array in arrays):
            self.grow(size)
        with np.errstate(all="ignore"):
            result = np.asarray(step.apply(*arrays)[0]).astype(dtype, copy=False)
        return constant(result, by_rows=any(value.by_rows for value in values))

    def lifted(self, value: Value, beside: Sequence[Value]) -> Value:
        """Return a constant as a value of the network."""
        if value.constant is None:
            return value
        source = next(other.name for other in beside if other.constant is None)
        name = self._name("constant")
        self._count(value.constant.size)
        self.steps.append(Constant(self.parameter(value), name=name, sources=(source,)))
        return Value(value.shape, value.dtype, name=name)

    def parameter(self, value: Value) -> Array:
        """Return a constant's numbers as float32 where they fit, else as float64."""
        array = value.constant
        assert array is not None
        if value.by_rows:
            raise ParametersError("it computes with the number of rows")
        if array.dtype == object:
            raise ParametersError("it computes with texts")
        if array.dtype.kind == "f":
            return array if array.dtype == FLOAT64 else array.astype(FLOAT32, copy=False)
        single = array.astype(FLOAT32)
        return (
            single
            if (single.astype(FLOAT64) == array).all() and np.abs(array).max(initial=0) <= 1 << 24
            else array.astype(FLOAT64)
        )

    def grow(self, size: int) -> None:
        """Count the values of a constant that is made; raise ParametersError where they are too many."""
        self.grown += size
        if self.grown > MOST_VALUES:
            raise ParametersError(f"constants of more than {MOST_VALUES:,} values are computed")

    def _count(self, size: int) -> None:
        self.values += size
        if self.values > MOST_VALUES:
            raise ParametersError(f"it makes more than {MOST_VALUES:,} values of one row")

    def _name(self, kind: str) -> str:
        stem = self.prefix or kind
        name, number = stem, 1
        while name in self.taken:
            number += 1
            name = f"{stem}.{number}"
        self.taken.add(name)
        return name

    # --- element by element ---

    def together(self, values: Sequence[Value]) -> tuple[list[Value], int | None]:
        """Return values as they broadcast row by row, and the axis of the rows in the result.

        Constants lose the axis of size 1 that faces the rows; raises AcrossRowsError where they have more there.
        """
        ndim = max(value.ndim for value in values)
        places = {value.rows - value.ndim for value in values if value.rows is not None}
        if not places:
            return list(values), None
        if len(places) > 1 or any(value.rows is None and value.constant is None for value in values):
            raise AcrossRowsError("the rows of a batch meet another axis")
        (place,) = places
        aligned = []
        for value in values:
            if value.rows is None and value.ndim >= -place:
                facing = value.ndim + place
                same = value.by_rows and value.shape[facing] == self.rows
                if value.shape[facing] != 1 and not same:
                    raise AcrossRowsError("a constant differs from row to row")
                assert value.constant is not None
                aligned.append(constant(value.constant.take(0, axis=facing)))
            else:
                aligned.append(value)
        return aligned, ndim + place

    def elementwise(self, step: Step, *values: Value, dtype: np.dtype[Any]) -> Value:
        """Apply a step that treats the values element by element."""
        aligned, rows = self.together(values)
        return self.emit(step, *aligned, dtype=dtype, rows=rows)

    def affine(self, value: Value, scale: Value | float, shift: Value | float) -> Value:
        """Return value · scale + shift, for constants."""
        dtype = value.dtype
        parts = [
            part if isinstance(part, Value) else constant(np.array(part, _number(dtype))) for part in (scale, shift)
        ]
        if value.constant is not None:
            product = self.elementwise(Multiply(sources=("a", "b")), value, parts[0], dtype=dtype)
            return self.elementwise(Add(sources=("a", "b")), product, parts[1], dtype=dtype)
        aligned, rows = self.together((value, *parts))
        step = ScaleShift(self.parameter(aligned[1]), self.parameter(aligned[2]))
        return self.emit(step, value, dtype=dtype, rows=rows)

    def function(self, name: str, value: Value) -> Value:
        """Return a function of the table of functions, of each value."""
        return self.emit(Map(name), value, dtype=value.dtype, rows=value.rows)

    def binary(self, name: str, left: Value, right: Value, dtype: np.dtype[Any] | None = None) -> Value:
        """Return a function of two values, element by element."""
        return self.elementwise(Binary(name, sources=("a", "b")), left, right, dtype=dtype or left.dtype)

    def add(self, left: Value, right: Value) -> Value:
        """Return the sum."""
        if (left.constant is None) != (right.constant is None):
            value, known = (left, right) if left.constant is None else (right, left)
            return self.affine(value, 1.0, known)
        return self.elementwise(Add(sources=("a", "b")), left, right, dtype=left.dtype)

    def multiply(self, left: Value, right: Value) -> Value:
        """Return the product."""
        if (left.constant is None) != (right.constant is None):
            value, known = (left, right) if left.constant is None else (right, left)
            return self.affine(value, known, 0.0)
        return self.elementwise(Multiply(sources=("a", "b")), left, right, dtype=left.dtype)

    def divide(self, left: Value, right: Value) -> Value:
        """Return the quotient; that of whole numbers without what is behind the point."""
        if left.dtype.kind in "iu":
            return self.function("truncate", self.binary("divide", left, right))
        if left.constant is None and right.constant is not None and right.constant.all():
            return self.affine(left, constant(1 / right.constant.astype(FLOAT64, copy=False).astype(right.dtype)), 0.0)
        return self.binary("divide", left, right)

    def cast(self, value: Value, dtype: np.dtype[Any]) -> Value:
        """Return the values in another type; no step where that changes none of them."""
        if value.choices is not None:
            return replace(value, choices=value.choices.astype(dtype), dtype=dtype)
        if value.constant is not None:
            if value.constant.dtype == object:
                return constant(value.constant.astype(dtype), by_rows=value.by_rows)
            with np.errstate(all="ignore"):
                return constant(value.constant.astype(dtype), by_rows=value.by_rows)
        if value.dtype == dtype or np.can_cast(value.dtype, dtype) or (value.dtype == INT64 and dtype.kind == "f"):
            return replace(value, dtype=dtype)
        return self.emit(Cast(dtype.name), value, dtype=dtype, rows=value.rows)

    # --- other shapes, other axes ---

    def reshape(self, value: Value, shape: Sequence[int]) -> Value:
        """Return the values in another shape of as many; raise AcrossRowsError where rows would be mixed."""
        target = tuple(int(size) for size in shape)
        if math.prod(target) != math.prod(value.shape):
            raise ParametersError(f"a tensor of shape {sized(value.shape)} cannot take shape {sized(target)}")
        if value.constant is not None:
            return constant(value.constant.reshape(target), by_rows=value.by_rows)
        if target == value.shape:
            return value
        if value.rows is None:
            return self._reshaped(value, target, None)
        before = math.prod(value.shape[: value.rows])
        for axis, size in enumerate(target):
            if size == value.shape[value.rows] and math.prod(target[:axis]) == before:
                return self._reshaped(value, without(target, axis), axis)
        raise AcrossRowsError(f"its new shape {sized(target)} mixes the rows of a batch")

    def _reshaped(self, value: Value, row_shape: Shape, rows: int | None) -> Value:
        if value.choices is not None or row_shape == value.row_shape:
            size = () if rows is None else (self.rows or 0,)
            shape = row_shape if rows is None else (*row_shape[:rows], *size, *row_shape[rows:])
            return replace(value, shape=shape, rows=rows)
        return self.emit(Reshape(row_shape), value, dtype=value.dtype, rows=rows)

    def transpose(self, value: Value, axes: Sequence[int]) -> Value:
        """Return the values with axes in another order."""
        if sorted(axes) != list(range(value.ndim)):
            raise ParametersError(f"axes {list(axes)} of a tensor of shape {sized(value.shape)}")
        if list(axes) == list(range(value.ndim)):
            return value
        if value.constant is not None:
            return constant(value.constant.transpose(axes), by_rows=value.by_rows)
        rows = None if value.rows is None else list(axes).index(value.rows)
        order = tuple(value.row_axis(axis) for axis in axes if axis != value.rows)
        if order == tuple(range(len(order))):
            return replace(value, shape=tuple(value.shape[axis] for axis in axes), rows=rows)
        return self.emit(Transpose(order), value, dtype=value.dtype, rows=rows)

    def swapped(self, value: Value) -> Value:
        """Return the values with the last two axes swapped."""
        order = list(range(value.ndim))
        return self.transpose(value, [*order[:-2], order[-1], order[-2]])

    def along_last(self, value: Value, axis: int, do: Callable[[Value], Value]) -> Value:
        """Return what ``do``, which works along the last axis and keeps the shape, makes of those along ``axis``."""
        axis = value.axis(axis)
        value.row_axis(axis)
        order = [i for i in range(value.ndim) if i != axis] + [axis]
        result = do(self.transpose(value, order))
        return self.transpose(result, [order.index(i) for i in range(value.ndim)])

    # --- products of matrices ---

    def matmul(self, left: Value, right: Value) -> Value:
        """Return the product as numpy.matmul has it; weights on either side make a dense layer."""
        if min(left.ndim, right.ndim) < 1:
            raise ParametersError("a product of matrices with a single number")
        if left.ndim == 1 or right.ndim == 1:
            return self._with_a_vector(left, right)
        if left.shape[-1] != right.shape[-2]:
            raise ParametersError(f"matrices of shapes {sized(left.shape)} and {sized(right.shape)} do not fit")
        dtype = left.dtype if left.dtype.kind == "f" else np.dtype(np.int32)
        if left.constant is not None and right.constant is not None:
            if "O" in (left.constant.dtype.kind, right.constant.dtype.kind):
                raise ParametersError("it computes with texts")
            wide = [part.constant.astype(dtype) for part in (left, right) if part.constant is not None]
            self.grow(
                math.prod(np.broadcast_shapes(left.shape[:-2], right.shape[:-2])) * left.shape[-2] * right.shape[-1]
            )
            return constant(np.matmul(*wide), by_rows=left.by_rows or right.by_rows)
        if right.constant is not None and right.ndim == 2:
            left.row_axis(-1)
            return self.emit(Dense(self.parameter(right)), left, dtype=dtype, rows=left.rows)
        if left.constant is not None and left.ndim == 2:
            right.row_axis(-2)
            return self.swapped(self.matmul(self.swapped(right), self.swapped(left)))
        for value in (left, right):
            if value.rows is not None and value.rows >= value.ndim - 2:
                raise AcrossRowsError("it multiplies a matrix made of rows")
        aligned, rows = self.together((left, right))
        return self.emit(MatMul(sources=("a", "b")), *aligned, dtype=dtype, rows=rows)

    def _with_a_vector(self, left: Value, right: Value) -> Value:
        if (left.ndim == 1 and left.rows == 0) or (right.ndim == 1 and right.rows == 0):
            raise AcrossRowsError("it sums over the rows of a batch")
        first = self.reshape(left, (1, *left.shape)) if left.ndim == 1 else left
        second = self.reshape(right, (*right.shape, 1)) if right.ndim == 1 else right
        product = self.matmul(first, second)
        shape = list(product.shape)
        if right.ndim == 1:
            del shape[-1]
        if left.ndim == 1:
            del shape[-1 if right.ndim == 1 else -2]
        return self.reshape(product, shape)


def _number(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return dtype if dtype.kind in "fiu" else FLOAT32
