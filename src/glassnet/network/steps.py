"""The steps a network is made of.

A step is data plus two questions: which row shape comes out when these row shapes go in (``output_shape``), and
which values come out when these values go in (``apply``). Values are batches, ``(rows, *row shape)``; a row
shape is what is left without the rows. A step reads the value before it unless ``sources`` names others, so a
chain needs no names at all.

Orientation is the chapter's: ``A = X·W + B``, ``Z = h(A)``, weights ``(inputs, outputs)``.
"""

from __future__ import annotations

import abc
import dataclasses
import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from glassnet.activations import Activation
from glassnet.activations import activation as named_activation
from glassnet.errors import DtypeError, GraphError, OptionError, ShapeError

Array: TypeAlias = npt.NDArray[Any]
Shape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Step(abc.ABC):
    """One step: what it is called, and whose values it reads (empty: the value before it)."""

    name: str = ""
    sources: tuple[str, ...] = ()

    KIND: ClassVar[str]
    # How many values it reads: (fewest, most).
    READS: ClassVar[tuple[int, float]] = (1, 1)

    def __post_init__(self) -> None:
        sources = tuple(self.sources)
        _set(self, "sources", sources)
        fewest, most = self.READS
        reads = len(sources) or 1  # without sources: the value before
        if not fewest <= reads <= most:
            wanted = f"{fewest}" if fewest == most else f"{fewest} or more"
            raise GraphError(f"{self.label}: reads {wanted} value(s), found {reads}: {sources or 'the one before'}")

    @abc.abstractmethod
    def output_shape(self, *shapes: Shape) -> Shape:
        """Return the row shape that comes out; raise ShapeError where the row shapes do not fit."""

    @abc.abstractmethod
    def apply(self, *values: Array) -> Array:
        """Return the batch that comes out of the batches that go in."""

    @property
    def label(self) -> str:
        """What errors and tables call this step."""
        return self.name or self.KIND

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        for array in self.arrays.values():  # NumPy's own copies and pickles come back writeable
            array.flags.writeable = False

    @property
    def arrays(self) -> Mapping[str, Array]:
        """The parameters that are arrays, by field name."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, np.ndarray)}

    def __call__(self, *values: npt.ArrayLike) -> Array:
        """Apply the step to rows given as ``(features,)`` or ``(rows, features)``.

        A single neuron is a Dense with one output; this makes it usable without a network around it.
        """
        arrays = [real_array(value, self.label) for value in values]
        batches = [array[np.newaxis] if array.ndim == 1 else array for array in arrays]
        self.output_shape(*(batch.shape[1:] for batch in batches))
        result = self.apply(*batches)
        return result[0] if arrays[0].ndim == 1 else result


def as_array(values: npt.ArrayLike, what: str) -> Array:
    """Return ``values`` as an array; raise ShapeError for lists that make none."""
    try:
        return np.asarray(values)
    except ValueError as error:
        raise ShapeError(f"{what}: not an array: {error}", hint="the rows must have equal lengths") from None


def real_array(values: npt.ArrayLike, what: str) -> Array:
    """Return ``values`` as an array; raise ShapeError as ``as_array`` does, DtypeError for what is no number."""
    array = as_array(values, what)
    if array.dtype.kind not in "biuf":
        raise DtypeError(f"{what}: expected real numbers, found dtype {array.dtype}")
    return array


def frozen_parameters(values: npt.ArrayLike, what: str) -> Array:
    """Return ``values`` as a read-only, C-contiguous float32 or float64 array.

    float16 becomes float32, integers float64. What is already so and read-only is taken as it is, so that a
    memory-mapped file is not copied.
    """
    array = real_array(values, what)
    if array.dtype.newbyteorder("=") not in (np.float32, np.float64):
        array = array.astype(np.float32 if array.dtype == np.float16 else np.float64)
    ready = array.flags.c_contiguous and array.flags.aligned and array.dtype.isnative
    if array.flags.writeable or not ready:
        array = np.array(array, dtype=array.dtype.newbyteorder("="), order="C")
        array.flags.writeable = False
    return array


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
        _set(self, "name", name)
        _set(self, "sources", sources)
        _set(self, "weights", frozen_parameters(weights, f"{self.label}: weights"))
        if self.weights.ndim != 2 or 0 in self.weights.shape:
            raise ShapeError(f"{self.label}: weights must have shape (inputs, outputs), found {self.weights.shape}")
        zeros = np.zeros(self.outputs, dtype=self.weights.dtype)
        _set(self, "bias", frozen_parameters(zeros if bias is None else bias, f"{self.label}: bias"))
        if self.bias.shape != (self.outputs,):
            raise ShapeError(
                f"{self.label}: bias has shape {self.bias.shape}, expected ({self.outputs},) because weights "
                f"{self.weights.shape} have {self.outputs} outputs"
            )
        _set(self, "activation", named_activation(activation))
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
        _set(self, "name", name)
        _set(self, "sources", sources)
        _set(self, "activation", named_activation(activation))
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
        _set(self, "name", name)
        _set(self, "sources", sources)
        _set(self, "scale", frozen_parameters(scale, f"{self.label}: scale"))
        _set(self, "shift", frozen_parameters(shift, f"{self.label}: shift"))
        self.__post_init__()

    def output_shape(self, *shapes: Shape) -> Shape:
        return _broadcast(self, shapes[0], self.scale.shape, self.shift.shape)

    def apply(self, *values: Array) -> Array:
        x, scale, shift = _aligned((values[0], self.scale[np.newaxis], self.shift[np.newaxis]))
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


@dataclass(frozen=True, eq=False)
class Reshape(Step):
    """The same values of a row in another shape; the rows of a batch stay as they are."""

    shape: Shape

    KIND = "reshape"

    def __post_init__(self) -> None:
        super().__post_init__()
        _set(self, "shape", tuple(int(size) for size in self.shape))
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
            raise ShapeError(f"{self.label}: rows of shapes {_listed(shapes)} do not stand side by side")
        return (*shapes[0][:-1], sum(shape[-1] for shape in shapes))

    def apply(self, *values: Array) -> Array:
        return np.concatenate(values, axis=-1)


@dataclass(frozen=True, eq=False)
class Add(Step):
    """The elementwise sum of several values: a residual connection."""

    KIND = "add"
    READS = (2, math.inf)

    def output_shape(self, *shapes: Shape) -> Shape:
        return _broadcast(self, *shapes)

    def apply(self, *values: Array) -> Array:
        return functools.reduce(np.add, _aligned(values))


@dataclass(frozen=True, eq=False)
class Multiply(Step):
    """The elementwise product of several values: a gate."""

    KIND = "multiply"
    READS = (2, math.inf)

    def output_shape(self, *shapes: Shape) -> Shape:
        return _broadcast(self, *shapes)

    def apply(self, *values: Array) -> Array:
        return functools.reduce(np.multiply, _aligned(values))


STEPS: Mapping[str, type[Step]] = MappingProxyType(
    {kind.KIND: kind for kind in (Dense, Activate, ScaleShift, Clip, Reshape, Slice, Concatenate, Add, Multiply)}
)


def _set(step: Step, name: str, value: object) -> None:
    object.__setattr__(step, name, value)


def _broadcast(step: Step, *shapes: Shape) -> Shape:
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise ShapeError(f"{step.label}: rows of shapes {_listed(shapes)} do not fit together") from None


def _aligned(values: tuple[Array, ...]) -> list[Array]:
    """Return the batches, or single rows for all, with row shapes of equal length, so that they broadcast by row."""
    longest = max(value.ndim for value in values)
    return [value.reshape(len(value), *(1,) * (longest - value.ndim), *value.shape[1:]) for value in values]


def _listed(shapes: tuple[Shape, ...]) -> str:
    return ", ".join(str(shape) for shape in shapes)
