"""Steps that calculate value by value: sums and products of values, functions of one and of two, constants.

``FUNCTIONS`` and ``BINARY`` are the mathematics that graphs from other tools are written in, each with its slope
where it has one. What makes a good layer of a network is in ``ACTIVATIONS``.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from glassnet.errors import OptionError, ShapeError
from glassnet.gaussian import erf
from glassnet.network.step import Array, Shape, Step, aligned, broadcast, frozen_parameters, listed, set_field


@dataclass(frozen=True, eq=False)
class Add(Step):
    """The elementwise sum of several values: a residual connection."""

    KIND = "add"
    READS = (2, math.inf)

    def output_shape(self, *shapes: Shape) -> Shape:
        return broadcast(self, *shapes)

    def apply(self, *values: Array) -> Array:
        return functools.reduce(np.add, aligned(values))


@dataclass(frozen=True, eq=False)
class Multiply(Step):
    """The elementwise product of several values: a gate."""

    KIND = "multiply"
    READS = (2, math.inf)

    def output_shape(self, *shapes: Shape) -> Shape:
        return broadcast(self, *shapes)

    def apply(self, *values: Array) -> Array:
        return functools.reduce(np.multiply, aligned(values))


# --- functions of one value ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Function:
    """A function of one number; slope: dy/dx from x and y, or None where it is 0 or jumps."""

    function: Callable[[Array], Array]
    slope: Callable[[Array, Array], Array] | None = None


FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {
        "exp": Function(np.exp, lambda x, y: y),
        "log": Function(np.log, lambda x, y: 1 / x),
        "sqrt": Function(np.sqrt, lambda x, y: 0.5 / y),
        "abs": Function(np.abs, lambda x, y: np.sign(x)),
        "reciprocal": Function(np.reciprocal, lambda x, y: -y * y),
        "erf": Function(erf, lambda x, y: (2 / math.sqrt(math.pi)) * np.exp(-x * x)),
        "sin": Function(np.sin, lambda x, y: np.cos(x)),
        "cos": Function(np.cos, lambda x, y: -np.sin(x)),
        "sign": Function(np.sign),
        "floor": Function(np.floor),
        "ceil": Function(np.ceil),
        "round": Function(np.rint),  # halves to the even neighbour
        "truncate": Function(np.trunc),
        "is_nan": Function(np.isnan),
    }
)


@dataclass(frozen=True, eq=False)
class Map(Step):
    """A function of each value on its own; function: a name from ``FUNCTIONS``."""

    function: str

    KIND = "map"

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_name(self, self.function, FUNCTIONS)

    def output_shape(self, *shapes: Shape) -> Shape:
        return shapes[0]

    def apply(self, *values: Array) -> Array:
        with np.errstate(all="ignore"):  # the logarithm of 0 is -∞, that of -1 NaN
            return FUNCTIONS[self.function].function(values[0])


# --- functions of two values --------------------------------------------------------------------------------


@dataclass(frozen=True)
class BinaryFunction:
    """A function of two numbers; slopes: ∂y/∂a and ∂y/∂b from a, b and y, or None where they are 0 or jump."""

    function: Callable[[Array, Array], Array]
    slopes: Callable[[Array, Array, Array], tuple[Any, Any]] | None = None


def _power_slopes(a: Array, b: Array, y: Array) -> tuple[Array, Array]:
    """Return b · a^(b - 1), which is 0 for b = 0, and y · ln a, which is 0 for a = 0 where the power is."""
    return np.where(b == 0, 0, b * np.power(a, b - 1)), np.where(y == 0, 0, y * np.log(a))


# Comparisons answer 1 for true and 0 for false; ``mod`` has the sign of the divisor, as Python's % has.
BINARY: Mapping[str, BinaryFunction] = MappingProxyType(
    {
        "subtract": BinaryFunction(np.subtract, lambda a, b, y: (1, -1)),
        "divide": BinaryFunction(np.divide, lambda a, b, y: (1 / b, -y / b)),
        "minimum": BinaryFunction(np.minimum, lambda a, b, y: (a <= b, a > b)),
        "maximum": BinaryFunction(np.maximum, lambda a, b, y: (a >= b, a < b)),
        "power": BinaryFunction(np.power, _power_slopes),
        "mod": BinaryFunction(np.mod),
        "less": BinaryFunction(np.less),
        "less_equal": BinaryFunction(np.less_equal),
        "greater": BinaryFunction(np.greater),
        "greater_equal": BinaryFunction(np.greater_equal),
        "equal": BinaryFunction(np.equal),
    }
)


@dataclass(frozen=True, eq=False)
class Binary(Step):
    """A function of two values, element by element; function: a name from ``BINARY``.

    Sums and products, of as many values as one likes, are ``Add`` and ``Multiply``.
    """

    function: str

    KIND = "binary"
    READS = (2, 2)

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_name(self, self.function, BINARY)

    def output_shape(self, *shapes: Shape) -> Shape:
        return broadcast(self, *shapes)

    def apply(self, *values: Array) -> Array:
        with np.errstate(all="ignore"):  # 1 / 0 is ∞, 0 / 0 NaN
            return BINARY[self.function].function(*aligned(values))


@dataclass(frozen=True, eq=False)
class Select(Step):
    """One of two values, element by element: the second where the first is not 0, else the third."""

    KIND = "select"
    READS = (3, 3)

    def output_shape(self, *shapes: Shape) -> Shape:
        return broadcast(self, *shapes)

    def apply(self, *values: Array) -> Array:
        condition, yes, no = aligned(values)
        return np.where(condition != 0, yes, no)


@dataclass(frozen=True, eq=False)
class MatMul(Step):
    """The matrix product of two values, over their last two axes; axes before these broadcast.

    Where one of the two is the same for all rows, it is the weights of a ``Dense``.
    """

    KIND = "matmul"
    READS = (2, 2)

    def output_shape(self, *shapes: Shape) -> Shape:
        left, right = shapes
        if min(len(left), len(right)) < 2 or left[-1] != right[-2]:
            raise ShapeError(f"{self.label}: rows of shapes {listed(shapes)} cannot be multiplied as matrices")
        return (*broadcast(self, left[:-2], right[:-2]), left[-2], right[-1])

    def apply(self, *values: Array) -> Array:
        result: Array = np.matmul(*aligned(values))
        return result


# --- constants and kinds of numbers -------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, init=False)
class Constant(Step):
    """The same values for every row; of what it reads, only the number of rows counts.

    values: of the row shape that comes out.
    """

    values: Array

    KIND = "constant"

    def __init__(self, values: npt.ArrayLike, *, name: str = "", sources: tuple[str, ...] = ()) -> None:
        set_field(self, "name", name)
        set_field(self, "sources", sources)
        set_field(self, "values", frozen_parameters(values, f"{self.label}: values"))
        if 0 in self.values.shape:
            raise ShapeError(f"{self.label}: every size must be 1 or more, found shape {self.values.shape}")
        self.__post_init__()

    def output_shape(self, *shapes: Shape) -> Shape:
        return self.values.shape

    def apply(self, *values: Array) -> Array:
        return np.broadcast_to(self.values, (len(values[0]), *self.values.shape))


# The kinds of numbers a network may answer in.
NUMBERS = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Cast(Step):
    """The nearest thing that a value is in another kind of number: whole numbers drop what is behind the point.

    dtype: one of ``NUMBERS``. Whole numbers beyond the range wrap around; for bool, all but 0 is 1. Between steps the
    network goes on in what it computes in; where the value is an output, it is answered in ``dtype``.
    """

    dtype: str

    KIND = "cast"

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_name(self, self.dtype, dict.fromkeys(NUMBERS))

    @property
    def answers(self) -> np.dtype[Any] | None:
        return np.dtype(self.dtype)

    def output_shape(self, *shapes: Shape) -> Shape:
        return shapes[0]

    def apply(self, *values: Array) -> Array:
        wanted = np.dtype(self.dtype)
        with np.errstate(all="ignore"):
            if wanted.kind not in "iu":
                return values[0].astype(wanted)
            # By way of int64, because what C does with 300.0 as a uint8 depends on the processor.
            whole = values[0].astype(np.uint64 if wanted == np.uint64 and (values[0] >= 0).all() else np.int64)
            return whole.astype(wanted)


def _check_name(step: Step, name: str, table: Mapping[str, Any]) -> None:
    if name not in table:
        raise OptionError(f"{step.label}: unknown {name!r}", hint=f"one of {', '.join(table)}")
