"""Steps that arrange the values of a row and change none: another shape, other axes, a part, several together."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from glassnet.errors import ShapeError
from glassnet.network.step import Array, Shape, Step, batch_axis, listed, row_axis, set_field


@dataclass(frozen=True, eq=False)
class Reshape(Step):
    """The same values of a row in another shape; the rows of a batch stay as they are."""

    shape: Shape

    KIND = "reshape"

    def __post_init__(self) -> None:
        super().__post_init__()
        set_field(self, "shape", tuple(int(size) for size in self.shape))
        if any(size < 1 for size in self.shape):
            raise ShapeError(f"{self.label}: every size must be 1 or more, found shape {self.shape}")

    def output_shape(self, *shapes: Shape) -> Shape:
        if math.prod(shapes[0]) != math.prod(self.shape):
            raise ShapeError(f"{self.label}: rows of shape {shapes[0]} cannot take shape {self.shape}")
        return self.shape

    def apply(self, *values: Array) -> Array:
        return values[0].reshape(len(values[0]), *self.shape)


@dataclass(frozen=True, eq=False)
class Slice(Step):
    """Columns ``start`` to ``stop`` (not included) along the last axis."""

    start: int
    stop: int

    KIND = "slice"

    def output_shape(self, *shapes: Shape) -> Shape:
        if not shapes[0] or not 0 <= self.start < self.stop <= shapes[0][-1]:
            raise ShapeError(f"{self.label}: columns {self.start}:{self.stop} are not in rows of shape {shapes[0]}")
        return (*shapes[0][:-1], self.stop - self.start)

    def apply(self, *values: Array) -> Array:
        return values[0][..., self.start : self.stop]


@dataclass(frozen=True, eq=False)
class Concatenate(Step):
    """Several values side by side along the last axis."""

    KIND = "concatenate"
    READS = (1, math.inf)

    def output_shape(self, *shapes: Shape) -> Shape:
        if not all(shapes) or len({shape[:-1] for shape in shapes}) > 1:
            raise ShapeError(f"{self.label}: rows of shapes {listed(shapes)} do not stand side by side")
        return (*shapes[0][:-1], sum(shape[-1] for shape in shapes))

    def apply(self, *values: Array) -> Array:
        return np.concatenate(values, axis=-1)


@dataclass(frozen=True, eq=False)
class Transpose(Step):
    """The axes of a row in another order: axis ``i`` of the result is axis ``axes[i]`` of what came in."""

    axes: Shape

    KIND = "transpose"

    def __post_init__(self) -> None:
        super().__post_init__()
        set_field(self, "axes", tuple(int(axis) for axis in self.axes))
        if sorted(self.axes) != list(range(len(self.axes))):
            raise ShapeError(f"{self.label}: axes must be 0 to {len(self.axes) - 1} in some order, found {self.axes}")

    def output_shape(self, *shapes: Shape) -> Shape:
        if len(shapes[0]) != len(self.axes):
            raise ShapeError(f"{self.label}: orders {len(self.axes)} axes, found rows of shape {shapes[0]}")
        return tuple(shapes[0][axis] for axis in self.axes)

    def apply(self, *values: Array) -> Array:
        return values[0].transpose(0, *(axis + 1 for axis in self.axes))


@dataclass(frozen=True, eq=False)
class Take(Step):
    """The entries at ``indices`` along an axis of the row, in that order; an entry may be taken twice or not at all.

    For neighbouring columns there is ``Slice``.
    """

    indices: Shape
    axis: int = -1

    KIND = "take"

    def __post_init__(self) -> None:
        super().__post_init__()
        set_field(self, "indices", tuple(int(index) for index in self.indices))
        if not self.indices or min(self.indices) < 0:
            raise ShapeError(f"{self.label}: expected one index or more, each 0 or above")

    def output_shape(self, *shapes: Shape) -> Shape:
        axis = row_axis(self, self.axis, shapes[0])
        if max(self.indices) >= shapes[0][axis]:
            raise ShapeError(
                f"{self.label}: index {max(self.indices)} is beyond axis {axis} of rows of shape {shapes[0]}"
            )
        return (*shapes[0][:axis], len(self.indices), *shapes[0][axis + 1 :])

    def apply(self, *values: Array) -> Array:
        return np.take(values[0], self.indices, axis=batch_axis(self.axis))
