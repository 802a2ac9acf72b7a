"""From PyTorch's operations to steps: the table that exported programs, TorchScript and live modules share.

An operation is called with values on their way (``Value``), with arrays that are known (parameters, constants), and
with plain numbers, in the order and under the names of PyTorch's own signatures. The first axis of a value is the
batch and is never touched. Signatures: ``aten/src/ATen/native/native_functions.yaml``.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from glassnet.errors import GlassnetError, ParametersError
from glassnet.formats.contents import shown
from glassnet.network import Activate, Dense, Input, Network, ScaleShift, Step
from glassnet.network.algebra import merge_pairs
from glassnet.network.steps import Array, Shape

# More steps than any dense network has, and few enough for a hostile file.
MOST_STEPS = 10_000
# All values of one row together: 64 MB in float32.
MOST_VALUES = 1 << 24


class Rows:
    """The number of rows, where a program asks for it: known when it runs, never here."""


ROWS = Rows()


@dataclass(frozen=True)
class Value:
    """A batch on its way: the step it comes from, and the shape of its rows."""

    name: str
    shape: Shape


Operation: TypeAlias = Callable[..., Any]


class Graph:
    """The steps so far. dtype: of all constants. batched: whether the first axis of every value is the batch."""

    def __init__(self, inputs: Sequence[Input], dtype: np.dtype[Any], *, batched: bool = True) -> None:
        self.inputs = tuple(inputs)
        self.dtype = dtype
        self.batched = batched
        self.rows: int | None = None  # as many as the program was traced with, where that is fixed
        self.steps: list[Step] = []
        self.values = [Value(entry.name, entry.shape) for entry in inputs]
        self.size = 0

    def emit(self, kind: Callable[..., Step], *arguments: Any, of: Sequence[Value], **options: Any) -> Value:
        """Add a step that reads the values ``of``, and return its own."""
        name = f"{getattr(kind, 'KIND', 'step')}{len(self.steps) + 1}"
        step = kind(*arguments, name=name, sources=tuple(value.name for value in of), **options)
        shape = step.output_shape(*(value.shape for value in of))
        self.steps.append(step)
        self.size += math.prod(shape)
        if len(self.steps) > MOST_STEPS or self.size > MOST_VALUES:
            raise ParametersError(f"more than {MOST_STEPS:,} steps, or {MOST_VALUES:,} values of one row")
        return Value(name, shape)

    def axis(self, dim: object, value: Value) -> int:
        """Return the axis of a row that an axis of the batch is."""
        rank = len(value.shape) + self.batched
        if type(dim) is not int or not -rank <= dim < rank:
            raise ParametersError(f"an axis {shown(str(dim))} of a value with {rank} axes")
        axis = dim % rank - self.batched
        if axis < 0:
            raise ParametersError("works along the batch, but rows must not know one another")
        return axis

    def constant(self, given: object, value: Value) -> Array:
        """Return a known array or number as it meets the rows of a value.

        Raises ParametersError for one that depends on the input after all, or is another for each row.
        """
        array = known(given)
        if array is None:
            raise ParametersError(f"{type(given).__name__} where a number or a parameter belongs")
        if self.batched and array.ndim == len(value.shape) + 1:
            if len(array) != 1:
                raise ParametersError(f"a constant of shape {array.shape} that is another for each row")
            array = array[0]
        if array.ndim > len(value.shape):
            raise ParametersError(f"a constant of shape {array.shape} beside rows of shape {value.shape}")
        return array.astype(self.dtype)

    def call(self, name: str, operations: Mapping[str, Operation], *arguments: Any, **options: Any) -> Any:
        """Return what an operation comes to; raise ParametersError, naming it, where there is none of this name."""
        if name not in operations:
            raise ParametersError(f"operation '{shown(name)}' has no step here")
        try:
            return operations[name](self, *arguments, **options)
        except (TypeError, ValueError, AttributeError, IndexError, KeyError, OverflowError) as error:
            reason = error.message if isinstance(error, GlassnetError) else "called with values it does not take"
            raise ParametersError(f"operation '{shown(name)}': {shown(reason, 300)}") from None

    def network(self, outputs: Sequence[object]) -> Network:
        """Return the network that answers ``outputs``, its activations and normalisations taken into dense layers."""
        names = []
        for value in outputs:
            if not isinstance(value, Value):
                raise ParametersError(
                    f"answers with {type(value).__name__}, expected a value that depends on its input"
                )
            if value.name in names or value in self.values:
                value = self.emit(Activate, "identity", of=[value])  # noqa: PLW2901  # an output has a name of its own
            names.append(value.name)
        steps = _needed(self.steps, names)
        try:
            network = Network(steps, inputs=self.inputs, outputs=names)
        except GlassnetError as error:
            raise ParametersError(error.message, hint=error.hint) from None
        return _numbered(merge_pairs(merge_pairs(network, _with_scale), _with_activation))


def _needed(steps: Sequence[Step], names: Sequence[str]) -> list[Step]:
    """Return the steps that the outputs depend on."""
    wanted = set(names)
    kept = []
    for step in reversed(steps):
        if step.name in wanted:
            kept.append(step)
            wanted.update(step.sources)
    return kept[::-1]


def _numbered(network: Network) -> Network:
    """Return the network with its steps named by kind and number, as those without names are."""
    inputs = {entry.name for entry in network.inputs}
    names = {name: name for name in inputs}
    counts: Counter[str] = Counter()
    steps = []
    for step, sources in zip(network.steps, network.sources, strict=True):
        counts[step.KIND] += 1
        names[step.name] = f"{step.KIND}{counts[step.KIND]}" + "_" * (f"{step.KIND}{counts[step.KIND]}" in inputs)
        read = tuple(names[source] for source in sources)
        steps.append(dataclasses.replace(step, name=names[step.name], sources=read))
    return network.replace(steps=steps, outputs=tuple(names[name] for name in network.outputs))


def computed_in(arrays: Iterable[Array]) -> np.dtype[Any]:
    """Return what a network of these parameters computes in: float64 as soon as one of them is, else float32."""
    return np.dtype(np.float64 if any(array.dtype == np.float64 for array in arrays) else np.float32)


def _with_activation(first: Step, second: Step) -> Step | None:
    if isinstance(first, Dense) and isinstance(second, Activate) and first.activation.name == "identity":
        return Dense(first.weights, first.bias, second.activation)
    return None


def _with_scale(first: Step, second: Step) -> Step | None:
    """Fold x · scale + shift into the layer before it, in float64, rounded once."""
    if not (isinstance(first, Dense) and isinstance(second, ScaleShift) and first.activation.name == "identity"):
        return None
    if any(array.shape not in ((), (1,), (first.outputs,)) for array in (second.scale, second.shift)):
        return None
    dtype = np.result_type(first.weights, first.bias, second.scale, second.shift)
    scale = second.scale.astype(np.float64)
    bias = first.bias * scale + second.shift
    return Dense((first.weights * scale).astype(dtype), np.broadcast_to(bias, first.bias.shape).astype(dtype))


def known(value: object) -> Array | None:
    """Return an array or a number that is known as an array, None for a value on its way."""
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, bool | int | float):
        return np.asarray(value, np.float64 if isinstance(value, float) else np.int64)
    return None
