"""The steps with which networks begin, and the table of all steps there are.

Orientation is the chapter's: ``A = X·W + B``, ``Z = h(A)``, weights ``(inputs, outputs)``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from glassnet.activations import Activation
from glassnet.activations import activation as named_activation
from glassnet.errors import OptionError, ShapeError
from glassnet.network.arithmetic import Add, Binary, Cast, Constant, Map, MatMul, Multiply, Select
from glassnet.network.arranging import Concatenate, Reshape, Slice, Take, Transpose
from glassnet.network.reducing import ArgMax, Normalise, Reduce
from glassnet.network.step import (
    Array,
    Shape,
    Step,
    aligned,
    as_array,
    broadcast,
    frozen_parameters,
    real_array,
    set_field,
)

__all__ = [
    "STEPS", "Activate", "Add", "ArgMax", "Array", "Binary", "Cast", "Clip", "Concatenate", "Constant",
    "Dense", "Map", "MatMul", "Multiply", "Normalise", "PRelu", "Reduce", "Reshape", "ScaleShift",
    "Select", "Shape", "Slice", "Step", "Take", "Transpose", "as_array", "frozen_parameters", "real_array",
]  # fmt: skip


@dataclass(frozen=True, eq=False, init=False)
class Dense(Step):
    """A fully connected layer: a = x·W + b, z = h(a).

    weights: (inputs, outputs). bias: (outputs,), zeros where left out. activation: a name from
    ``ACTIVATIONS`` or an ``Activation``. Both arrays are kept read-only, in float32 or float64.

    >>> AND = Dense([[0.5], [0.5]], [-0.7], "step")
    >>> AND([[0, 0], [1, 0], [0, 1], [1, 1]]).ravel()
    array([0., 0., 0., 1.])
    """

    weights: Array
    bias: Array
    activation: Activation

    KIND = "dense"

    def __init__(
        self,
        weights: npt.ArrayLike,
        bias: npt.ArrayLike | None = None,
        activation: str | Activation = "identity",
        *,
        name: str = "",
        sources: tuple[str, ...] = (),
    ) -> None:
        set_field(self, "name", name)
        set_field(self, "sources", sources)
        set_field(self, "weights", frozen_parameters(weights, f"{self.label}: weights"))
        if self.weights.ndim != 2 or 0 in self.weights.shape:
            raise ShapeError(f"{self.label}: weights must have shape (inputs, outputs), found {self.weights.shape}")
        zeros = np.zeros(self.outputs, dtype=self.weights.dtype)
        set_field(self, "bias", frozen_parameters(zeros if bias is None else bias, f"{self.label}: bias"))
        if self.bias.shape != (self.outputs,):
            raise ShapeError(
                f"{self.label}: bias has shape {self.bias.shape}, expected ({self.outputs},) because weights "
                f"{self.weights.shape} have {self.outputs} outputs"
            )
        set_field(self, "activation", named_activation(activation))
        self.__post_init__()

    @property
    def inputs(self) -> int:
        """How many values a row has when it comes in."""
        return int(self.weights.shape[0])

    @property
    def outputs(self) -> int:
        """How many neurons the layer has."""
        return int(self.weights.shape[1])

    def output_shape(self, *shapes: Shape) -> Shape:
        if shapes[0][-1:] != (self.inputs,):
            raise ShapeError(
                f"{self.label}: expects {self.inputs} inputs because its weights are {self.weights.shape}, "
                f"found rows of shape {shapes[0]}",
                hint="in X·W the columns of X must be as many as the rows of W",
            )
        return (*shapes[0][:-1], self.outputs)

    def affine(self, x: Array) -> Array:
        """Return a = x·W + b for a batch ``(rows, inputs)``: (rows, outputs)."""
        a: Array = np.matmul(x, self.weights)
        a += self.bias
        return a

    def apply(self, *values: Array) -> Array:
        return self.activation(self.affine(values[0]))


@dataclass(frozen=True, eq=False, init=False)
class Activate(Step):
    """An activation on its own, where no Dense stands before it: z = h(x)."""

    activation: Activation

    KIND = "activate"

    def __init__(self, activation: str | Activation, *, name: str = "", sources: tuple[str, ...] = ()) -> None:
        set_field(self, "name", name)
        set_field(self, "sources", sources)
        set_field(self, "activation", named_activation(activation))
        self.__post_init__()

    def output_shape(self, *shapes: Shape) -> Shape:
        return shapes[0]

    def apply(self, *values: Array) -> Array:
        return self.activation(values[0])


@dataclass(frozen=True, eq=False, init=False)
class ScaleShift(Step):
    """Elementwise normalisation: x · scale + shift, both broadcast over the row shape."""

    scale: Array
    shift: Array

    KIND = "scale_shift"

    def __init__(
        self,
        scale: npt.ArrayLike = 1.0,
        shift: npt.ArrayLike = 0.0,
        *,
        name: str = "",
        sources: tuple[str, ...] = (),
    ) -> None:
        set_field(self, "name", name)
        set_field(self, "sources", sources)
        set_field(self, "scale", frozen_parameters(scale, f"{self.label}: scale"))
        set_field(self, "shift", frozen_parameters(shift, f"{self.label}: shift"))
        self.__post_init__()

    def output_shape(self, *shapes: Shape) -> Shape:
        return broadcast(self, shapes[0], self.scale.shape, self.shift.shape)

    def apply(self, *values: Array) -> Array:
        x, scale, shift = aligned((values[0], self.scale[np.newaxis], self.shift[np.newaxis]))
        return x * scale + shift


@dataclass(frozen=True, eq=False)
class Clip(Step):
    """Elementwise limits: min(max(x, low), high); NaN stays NaN."""

    low: float = -math.inf
    high: float = math.inf

    KIND = "clip"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.low <= self.high:
            raise OptionError(f"{self.label}: low must not be above high, found {self.low} and {self.high}")

    def output_shape(self, *shapes: Shape) -> Shape:
        return shapes[0]

    def apply(self, *values: Array) -> Array:
        return np.clip(values[0], self.low, self.high)


@dataclass(frozen=True, eq=False, init=False)
class PRelu(Step):
    """A rectifier whose slope below 0 was learned: x where x > 0, else slope · x (He et al. 2015).

    slope: broadcast over the row shape; one for each value of a row as a rule.
    """

    slope: Array

    KIND = "prelu"

    def __init__(self, slope: npt.ArrayLike = 0.25, *, name: str = "", sources: tuple[str, ...] = ()) -> None:
        set_field(self, "name", name)
        set_field(self, "sources", sources)
        set_field(self, "slope", frozen_parameters(slope, f"{self.label}: slope"))
        self.__post_init__()

    def output_shape(self, *shapes: Shape) -> Shape:
        return broadcast(self, shapes[0], self.slope.shape)

    def apply(self, *values: Array) -> Array:
        x, slope = aligned((values[0], self.slope[np.newaxis]))
        return np.where(x > 0, x, x * slope)


STEPS: Mapping[str, type[Step]] = MappingProxyType(
    {
        kind.KIND: kind
        for kind in (
            Dense, Activate, ScaleShift, Clip, Reshape, Slice, Concatenate, Add, Multiply,
            PRelu, Normalise, Map, Binary, Select, MatMul, Constant, Transpose, Take, Reduce, ArgMax, Cast,
        )
    }
)  # fmt: skip
