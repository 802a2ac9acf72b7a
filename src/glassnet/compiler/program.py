"""The program: a network as operations over values that are plain rows of numbers, with their parameters.

Every network becomes one here, whatever it looks like: values are numbered, the inputs first, then one for each
operation. What only arranges the columns of a row disappears: it names other columns. What is elementwise joins the
operation before it. A chain of dense layers is a program whose operations each read the one before.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from glassnet.activations import Activation
from glassnet.network import (
    Activate,
    Add,
    Binary,
    Clip,
    Concatenate,
    Constant,
    Dense,
    Map,
    Multiply,
    Network,
    Normalise,
    PRelu,
    Reduce,
    Reshape,
    ScaleShift,
    Select,
    Slice,
    Step,
    Take,
    Transpose,
)
from glassnet.network.steps import Shape

Array = npt.NDArray[Any]

# A layer with fewer inputs does not look for zeros in them.
LEAST_SEARCHED = 16


@dataclass(frozen=True)
class Limits:
    """An elementwise min(max(x, low), high)."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"clip({self.low:g}, {self.high:g})"


# What is applied to the results of an operation, in order.
Epilogue: TypeAlias = tuple[Activation | Limits, ...]


@dataclass(frozen=True)
class Columns:
    """Neighbouring columns of a value: its number, the first of them, how many."""

    value: int
    first: int
    width: int


@dataclass(frozen=True)
class Operation:
    """What makes a value of others.

    function: "dense", "softmax", "normalise", "arrange" (its sources side by side), the name of a reduction, or of
    one of ``functions.ARITHMETIC``. arrays: weights and bias of a dense layer, else vectors with a number for each
    column. number: the epsilon of "normalise".
    """

    function: str
    width: int
    sources: tuple[Columns, ...]
    arrays: tuple[Array, ...] = ()
    epilogue: Epilogue = ()
    number: float = 0.0

    @property
    def is_elementwise(self) -> bool:
        """Whether more can be applied to its results while they are in registers."""
        return self.function not in ("arrange", "softmax", "log_softmax", "normalise", "sum", "mean", "max", "min")


@dataclass(frozen=True)
class Program:
    """A network as operations.

    widths: of the inputs. scale, shift: how uint8 becomes float32, where there is one input. outputs: the columns that
    answer.
    """

    widths: tuple[int, ...]
    operations: tuple[Operation, ...]
    outputs: tuple[Columns, ...]
    scale: float = 1.0
    shift: float = 0.0

    @property
    def is_chain(self) -> bool:
        """Whether it is a chain of dense layers."""
        widths = (*self.widths, *(operation.width for operation in self.operations))
        each_before = tuple((Columns(number, 0, width),) for number, width in enumerate(widths))
        reads = (*(operation.sources for operation in self.operations), self.outputs)
        return (
            len(reads) > 1
            and reads == each_before
            and all(operation.function == "dense" for operation in self.operations)
        )


def lower(network: Network) -> Program:
    """Return the program of a network whose steps all have a kernel."""
    lowering = _Lowering(network)
    for step, sources in zip(network.steps, network.sources, strict=True):
        lowering.add(step, sources)
    return lowering.program()


# A value as the columns it consists of, in order.
_Pieces: TypeAlias = tuple[Columns, ...]


class _Lowering:
    """The operations so far, and which columns the network's values are."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.widths = tuple(math.prod(given.shape) for given in network.inputs)
        self.operations: list[Operation] = []
        self.pieces: dict[str, _Pieces] = {
            given.name: (Columns(number, 0, width),)
            for number, (given, width) in enumerate(zip(network.inputs, self.widths, strict=True))
        }
        self.made: dict[str, Columns] = {}  # the values that are all of what one operation makes
        self.readers = Counter(network.outputs)
        self.readers.update(source for sources in network.sources for source in sources)

    def add(self, step: Step, sources: tuple[str, ...]) -> None:
        """Add a step: another name for columns that are there, a part of the operation before, or one of its own."""
        shapes = [self.network.shapes[source] for source in sources]
        shape = self.network.shapes[step.name]
        width = math.prod(shape)
        match step:
            case Reshape() | Slice() | Concatenate() | Take() | Transpose():
                parts = (self.part(sources[piece.value], piece) for piece in arranged(step, shapes))
                self.pieces[step.name] = _joined([piece for part in parts for piece in part])
                return
            case Activate() | Clip():
                each = step.activation if isinstance(step, Activate) else Limits(step.low, step.high)
                elementwise = isinstance(each, Limits) or each.elementwise
                if (elementwise or self.is_answered(step)) and self.joins(sources[0], each):
                    self.made[step.name] = self.made[sources[0]]
                    self.pieces[step.name] = (self.made[step.name],)
                    return
                if elementwise:
                    self.operation("same", width, sources, epilogue=_epilogue(each))
                else:
                    self.operation(str(each), width, sources)
            case Dense():
                self.dense(step, sources)
            case _:
                function, arrays = _CALCULATED[type(step)](step)
                vectors = tuple(_vector(array, shape) for array in arrays)
                number = step.epsilon if isinstance(step, Normalise) else 0.0
                reads = () if isinstance(step, Constant) else sources
                self.operation(function, width, reads, arrays=vectors, number=number)
        self.made[step.name] = self.last(width)
        self.pieces[step.name] = (self.made[step.name],)

    def dense(self, step: Dense, sources: tuple[str, ...]) -> None:
        """Add a dense layer; a softmax after it is an operation of its own, unless it is what is answered."""
        h = step.activation
        arrays = (step.weights, step.bias)
        if h.elementwise or self.is_answered(step):
            self.operation("dense", step.outputs, sources, arrays=arrays, epilogue=_epilogue(h))
            return
        self.operation("dense", step.outputs, sources, arrays=arrays)
        self.operations.append(Operation(h.name, step.outputs, (self.last(step.outputs),)))

    def operation(self, function: str, width: int, sources: Sequence[str], **options: Any) -> None:
        """Add an operation that reads the values of steps."""
        columns = tuple(self.whole(self.pieces[source]) for source in sources)
        self.operations.append(Operation(function, width, columns, **options))

    def last(self, width: int) -> Columns:
        """Return the columns that the last operation made."""
        return Columns(len(self.widths) + len(self.operations) - 1, 0, width)

    def is_answered(self, step: Step) -> bool:
        """Return whether a step's value is an output, once, and nothing else."""
        return self.readers[step.name] == 1 and step.name in self.network.outputs

    def joins(self, source: str, each: Activation | Limits) -> bool:
        """Apply a function to the results of an operation, if that made a value which nobody else reads."""
        made = self.made.get(source)
        if made is None or self.readers[source] != 1:
            return False
        before = self.operations[made.value - len(self.widths)]
        if not before.is_elementwise or not all(isinstance(h, Limits) or h.elementwise for h in before.epilogue):
            return False
        joined = dataclasses.replace(before, epilogue=(*before.epilogue, *_epilogue(each)))
        self.operations[made.value - len(self.widths)] = joined
        return True

    def part(self, source: str, piece: Columns) -> list[Columns]:
        """Return some columns of a step's value."""
        found, at = [], 0
        for each in self.pieces[source]:
            first, stop = max(piece.first, at), min(piece.first + piece.width, at + each.width)
            if first < stop:
                found.append(Columns(each.value, each.first + first - at, stop - first))
            at += each.width
        return found

    def whole(self, pieces: _Pieces) -> Columns:
        """Return a value as neighbouring columns, if need be of an operation that puts its pieces side by side."""
        if len(pieces) == 1:
            return pieces[0]
        width = sum(piece.width for piece in pieces)
        there = [each for each in self.operations if each.function == "arrange" and each.sources == pieces]
        if there:
            return Columns(len(self.widths) + self.operations.index(there[0]), 0, width)
        self.operations.append(Operation("arrange", width, pieces))
        return self.last(width)

    def program(self) -> Program:
        """Return all of it; what nobody reads is left out."""
        outputs = tuple(self.whole(self.pieces[name]) for name in self.network.outputs)
        given = self.network.inputs[0]
        scale, shift = (given.scale, given.shift) if len(self.widths) == 1 else (1.0, 0.0)
        return in_order(Program(self.widths, tuple(self.operations), outputs, scale, shift))


def in_order(program: Program) -> Program:
    """Return a program without what nobody reads, and with layers that read an input first.

    Those may look for zeros in it, and do so one after the other.
    """
    inputs = len(program.widths)
    needed = {columns.value for columns in program.outputs}
    for number, operation in reversed(list(enumerate(program.operations, inputs))):
        if number in needed:
            needed |= {columns.value for columns in operation.sources}
    kept = [number for number in range(inputs, inputs + len(program.operations)) if number in needed]

    def reads_an_input(number: int) -> bool:
        operation = program.operations[number - inputs]
        if operation.function != "dense":
            return False
        [columns] = operation.sources
        return columns.value < inputs and columns.width >= LEAST_SEARCHED

    kept.sort(key=lambda number: (not reads_an_input(number), number))
    renamed = {number: number for number in range(inputs)} | {old: new for new, old in enumerate(kept, inputs)}

    def renumbered(columns: Sequence[Columns]) -> tuple[Columns, ...]:
        return tuple(dataclasses.replace(each, value=renamed[each.value]) for each in columns)

    operations = (program.operations[number - inputs] for number in kept)
    return dataclasses.replace(
        program,
        operations=tuple(dataclasses.replace(each, sources=renumbered(each.sources)) for each in operations),
        outputs=renumbered(program.outputs),
    )


def arranged(step: Step, shapes: Sequence[Shape]) -> tuple[Columns, ...]:
    """Return the columns that a step which only arranges gives: ``value`` is the number of the source.

    The step itself is asked, with rows in which every column is its own number.
    """
    starts = np.cumsum([0, *(math.prod(shape) for shape in shapes)])
    numbered = [
        np.arange(start, start + math.prod(shape)).reshape(1, *shape)
        for start, shape in zip(starts, shapes, strict=False)
    ]
    columns = step.apply(*numbered).ravel()
    sources = np.searchsorted(starts, columns, side="right") - 1
    breaks = (np.diff(columns) != 1) | (np.diff(sources) != 0)
    firsts = np.concatenate([[0], np.flatnonzero(breaks) + 1, [columns.size]])
    return tuple(
        Columns(int(sources[first]), int(columns[first] - starts[sources[first]]), int(stop - first))
        for first, stop in itertools.pairwise(firsts)
    )


def _joined(pieces: Sequence[Columns]) -> _Pieces:
    """Return columns with neighbours made one."""
    joined: list[Columns] = []
    for piece in pieces:
        last = joined[-1] if joined else None
        if last and last.value == piece.value and last.first + last.width == piece.first:
            joined[-1] = Columns(last.value, last.first, last.width + piece.width)
        else:
            joined.append(piece)
    return tuple(joined)


def _epilogue(each: Activation | Limits) -> Epilogue:
    return () if str(each) == "identity" else (each,)


def _vector(array: Array, shape: Shape) -> Array:
    """Return a parameter as a number for each column."""
    return np.broadcast_to(array, shape).ravel()


# What other steps calculate: the function, and its parameters.
_CALCULATED: Mapping[type[Step], Callable[[Any], tuple[str, tuple[Array, ...]]]] = MappingProxyType(
    {
        Add: lambda step: ("add", ()),
        Multiply: lambda step: ("multiply", ()),
        ScaleShift: lambda step: ("scale_shift", (step.scale, step.shift)),
        PRelu: lambda step: ("prelu", (step.slope,)),
        Map: lambda step: (step.function, ()),
        Binary: lambda step: (step.function, ()),
        Select: lambda step: ("select", ()),
        Constant: lambda step: ("same", (step.values,)),
        Normalise: lambda step: ("normalise", (step.scale, step.shift)),
        Reduce: lambda step: (step.function, ()),
    }
)
