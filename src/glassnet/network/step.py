"""What a step of a network is: the base of every kind, and what the kinds share.

A step is data plus two questions: which row shape comes out when these row shapes go in (``output_shape``), and
which values come out when these values go in (``apply``). Values are batches, ``(rows, *row shape)``; a row
shape is what is left without the rows. A step reads the value before it unless ``sources`` names others, so a
chain needs no names at all. The kinds are in ``steps``, ``arithmetic``, ``arranging`` and ``reducing``.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from glassnet.errors import DtypeError, GraphError, ShapeError

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
        set_field(self, "sources", sources)
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
    def answers(self) -> np.dtype[Any] | None:
        """The kind of number this is answered in where it is an output; None: what the network computes in."""
        return None

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


def set_field(step: Step, name: str, value: object) -> None:
    """Set a field of a frozen step, while it is being made."""
    object.__setattr__(step, name, value)


def broadcast(step: Step, *shapes: Shape) -> Shape:
    """Return the row shape that values of these row shapes broadcast to; raise ShapeError where they do not."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise ShapeError(f"{step.label}: rows of shapes {listed(shapes)} do not fit together") from None


def aligned(values: tuple[Array, ...]) -> list[Array]:
    """Return the batches, or single rows for all, with row shapes of equal length, so that they broadcast by row."""
    longest = max(value.ndim for value in values)
    return [value.reshape(len(value), *(1,) * (longest - value.ndim), *value.shape[1:]) for value in values]


def listed(shapes: tuple[Shape, ...]) -> str:
    """Return row shapes as errors show them."""
    return ", ".join(str(shape) for shape in shapes)


def row_axis(step: Step, axis: int, shape: Shape) -> int:
    """Return the axis of a row, counted from its first, that ``axis`` means; negative ones count from the last.

    Raises ShapeError where rows of ``shape`` have no such axis.
    """
    if not -len(shape) <= axis < len(shape):
        raise ShapeError(f"{step.label}: rows of shape {shape} have no axis {axis}")
    return axis % len(shape)


def batch_axis(axis: int) -> int:
    """Return the axis of a batch that an axis of its rows is: one further, unless counted from the last."""
    return axis if axis < 0 else axis + 1
