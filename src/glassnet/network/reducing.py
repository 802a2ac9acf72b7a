"""Steps that sum up along axes of a row: sums, means, the place of the largest value, layer normalisation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from glassnet.errors import OptionError, ShapeError
from glassnet.network.step import Array, Shape, Step, batch_axis, frozen_parameters, row_axis, set_field

REDUCTIONS: Mapping[str, Callable[..., Array]] = MappingProxyType(
    {"sum": np.sum, "mean": np.mean, "max": np.max, "min": np.min}
)


@dataclass(frozen=True, eq=False)
class Reduce(Step):
    """The sum, mean, max or min along some axes of a row; the axes stay, with size 1.

    A ``Reshape`` after it drops them. function: a name from ``REDUCTIONS``.
    """

    function: str
    axes: Shape = (-1,)

    KIND = "reduce"

    def __post_init__(self) -> None:
        super().__post_init__()
        set_field(self, "axes", tuple(int(axis) for axis in self.axes))
        if self.function not in REDUCTIONS:
            raise OptionError(
                f"{self.label}: unknown function {self.function!r}", hint=f"one of {', '.join(REDUCTIONS)}"
            )

    def output_shape(self, *shapes: Shape) -> Shape:
        axes = {row_axis(self, axis, shapes[0]) for axis in self.axes}
        if len(axes) != len(self.axes):
            raise ShapeError(f"{self.label}: an axis is named twice in {self.axes}")
        return tuple(1 if axis in axes else size for axis, size in enumerate(shapes[0]))

    def apply(self, *values: Array) -> Array:
        axes = tuple(batch_axis(axis) for axis in self.axes)
        with np.errstate(invalid="ignore", over="ignore"):  # ∞ - ∞ is NaN, and NaN is the answer
            return REDUCTIONS[self.function](values[0], axis=axes, keepdims=True)


@dataclass(frozen=True, eq=False)
class ArgMax(Step):
    """The place of the largest value along an axis of a row, the first of several; NaN counts as the largest.

    The axis goes. The answer is whole numbers, int64 where it is an output of the network.
    """

    axis: int = -1

    KIND = "argmax"

    @property
    def answers(self) -> np.dtype[Any] | None:
        return np.dtype(np.int64)

    def output_shape(self, *shapes: Shape) -> Shape:
        axis = row_axis(self, self.axis, shapes[0])
        return (*shapes[0][:axis], *shapes[0][axis + 1 :])

    def apply(self, *values: Array) -> Array:
        return values[0].argmax(axis=batch_axis(self.axis))


@dataclass(frozen=True, eq=False, init=False)
class Normalise(Step):
    """Layer normalisation: (x - mean) / √(variance + epsilon) · scale + shift (Ba et al. 2016).

    scale, shift: of one shape, that of the last axes of a row; mean and variance are taken over all of these.
    """

    scale: Array
    shift: Array
    epsilon: float

    KIND = "normalise"

    def __init__(
        self,
        scale: npt.ArrayLike,
        shift: npt.ArrayLike | None = None,
        epsilon: float = 1e-5,
        *,
        name: str = "",
        sources: tuple[str, ...] = (),
    ) -> None:
        set_field(self, "name", name)
        set_field(self, "sources", sources)
        set_field(self, "scale", frozen_parameters(scale, f"{self.label}: scale"))
        zeros = np.zeros(self.scale.shape, dtype=self.scale.dtype)
        set_field(self, "shift", frozen_parameters(zeros if shift is None else shift, f"{self.label}: shift"))
        set_field(self, "epsilon", float(epsilon))
        if not self.scale.ndim or 0 in self.scale.shape or self.scale.shape != self.shift.shape:
            raise ShapeError(
                f"{self.label}: scale and shift must have one shape of one axis or more, found {self.scale.shape} "
                f"and {self.shift.shape}"
            )
        if not (math.isfinite(self.epsilon) and self.epsilon >= 0):
            raise OptionError(f"{self.label}: epsilon must be finite and not below 0, found {self.epsilon}")
        self.__post_init__()

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes that are normalised over, counted from the last."""
        return tuple(range(-self.scale.ndim, 0))

    def output_shape(self, *shapes: Shape) -> Shape:
        if shapes[0][-self.scale.ndim :] != self.scale.shape:
            raise ShapeError(f"{self.label}: expects rows that end in {self.scale.shape}, found shape {shapes[0]}")
        return shapes[0]

    def standardised(self, x: Array) -> tuple[Array, Array]:
        """Return (x - mean) / σ and 1 / σ, σ = √(variance + epsilon), for a batch."""
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            centred = x - x.mean(axis=self.axes, keepdims=True)
            variance = np.square(centred).mean(axis=self.axes, keepdims=True)
            inverse = 1 / np.sqrt(variance + x.dtype.type(self.epsilon))
            return centred * inverse, inverse

    def apply(self, *values: Array) -> Array:
        return self.standardised(values[0])[0] * self.scale + self.shift
