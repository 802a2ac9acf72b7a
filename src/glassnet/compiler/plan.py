"""The plan: what will be emitted for a program on a target, as data that can be printed and tested.

Nothing here knows LLVM. The machine code depends on the plan alone, never on the weights, which it reads from one
buffer that ``pack`` lays out: so one object file serves every network of the same shapes.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from glassnet.activations import Activation
from glassnet.compiler.frames import Frame, Span, frame
from glassnet.compiler.program import LEAST_SEARCHED, Columns, Epilogue, Operation, Program
from glassnet.compiler.targets import Target

# Rows of scratch and panels of weights start on cache lines of 64 bytes.
LINE = 16
# Weights beyond this many floats do not stay in a second-level cache beside the activations; a batch then goes
# through them in blocks of rows, so that they are read once for a block and not once for a tile.
CACHED_WEIGHTS = 64 * 1024
# Rows in a block: as many as there may be for large weights; else as many as keep both buffers in 32 KiB.
MOST_ROWS = 48
BUFFER_FLOATS = 4 * 1024
# A tile costs about as much as this many rows one by one.
FEW_ROWS = 2
# Chains of fused multiply-adds that must run side by side to hide their latency.
CHAINS = 8
# What turning one value from rows to columns costs, in multiplications of one lane.
TURNING = 2.5
# The share of a layer that is left when zeros of a hidden layer are skipped.
SPARED = 0.85
# Activations that give exact zeros often enough for the next layer to look for them.
SPARSE = frozenset({"relu", "step", "hard_sigmoid"})


@dataclass(frozen=True)
class Panel:
    """Neighbouring outputs computed together: the vector widths, and how often such a panel follows itself."""

    widths: tuple[int, ...]
    count: int = 1

    @property
    def width(self) -> int:
        """Outputs computed, padding included."""
        return sum(self.widths)


@dataclass(frozen=True)
class Layer:
    """A dense layer of the plan.

    epilogue: what is applied to the sums, in order.

    searches: whether its input is looked through for zeros at run time.
    weights, bias: where the packed parameters start, in floats. output_stride: of a row of scratch.
    """

    inputs: int
    outputs: int
    epilogue: Epilogue
    panels: tuple[Panel, ...]
    searches: bool
    bias: int
    weights: int
    output_stride: int

    @property
    def width(self) -> int:
        """Outputs computed, padding included."""
        return sum(panel.width * panel.count for panel in self.panels)

    @property
    def room(self) -> int:
        """Floats that are written for one row."""
        return self.output_stride

    @property
    def end(self) -> int:
        """Where its parameters end."""
        return self.weights + _padded(self.inputs * self.width)

    def anywhere(self) -> Layer:
        """Return this layer with its parameters at the start: what its code depends on."""
        return dataclasses.replace(self, bias=0, weights=self.weights - self.bias)


@dataclass(frozen=True)
class Pass:
    """An operation of the plan that is no dense layer: it goes over its values once, or a few times.

    function: as in ``Operation``. reads: how many columns each source has. parameters: where each packed vector
    starts. at: for "arrange", the column where each source goes.
    """

    function: str
    outputs: int
    reads: tuple[int, ...]
    parameters: tuple[int, ...]
    epilogue: Epilogue
    number: float
    at: tuple[int, ...] = ()

    @property
    def room(self) -> int:
        """Floats that are written for one row, at most: whole vectors."""
        return _padded(self.outputs)

    @property
    def end(self) -> int:
        """Where its parameters end."""
        return self.parameters[-1] + self.room if self.parameters else 0

    def anywhere(self) -> Pass:
        """Return what its code depends on."""
        return dataclasses.replace(self, parameters=(0,) * len(self.parameters))

    def __str__(self) -> str:
        reads = ", ".join(map(str, self.reads)) or "nothing"
        return ", ".join([f"{self.function} of {reads} → {self.outputs}", *map(str, self.epilogue)])


@dataclass(frozen=True)
class Planned:
    """An operation of the plan, and what it reads."""

    work: Layer | Pass
    sources: tuple[Columns, ...]

    @property
    def is_arrangement(self) -> bool:
        """Whether it only puts columns side by side."""
        return isinstance(self.work, Pass) and self.work.function == "arrange"


@dataclass(frozen=True)
class Scratch:
    """Where things lie in scratch memory, in floats; the values of rows are at the start."""

    lists: int
    columns: int
    answer: int
    end: int


@dataclass(frozen=True)
class Plan:
    """A program on a target.

    widths: of the inputs. answers: the columns that are handed out.
    block_rows: rows that go through an operation before the next begins. few: batches of up to this many rows
    go row by row. turn: the first operation that is computed by columns, in groups of as many rows as a register has
    lanes; all before it are layers. turns_dense: whether a block goes by columns from the first operation on if its
    input has no zeros to skip.
    single, rows, group: where values lie: of a row by itself, in floats; of the rows of a block before the turn, in
    floats of a row; of a group, in columns. beside: the values that are made within an arrangement that reads them,
    each with the value of that arrangement; others that read them copy.
    scale, shift: how uint8 becomes float32.
    """

    target: Target
    widths: tuple[int, ...]
    operations: tuple[Planned, ...]
    answers: tuple[Columns, ...]
    block_rows: int
    few: int
    turn: int
    turns_dense: bool
    single: Frame
    rows: Frame
    group: Frame
    beside: frozenset[tuple[int, int]]
    scale: float
    shift: float

    @property
    def inputs(self) -> int:
        """Values in a row of the first input."""
        return self.widths[0]

    @property
    def outputs(self) -> int:
        """Values in a row of the first answer."""
        return self.answers[0].width

    @property
    def is_direct(self) -> bool:
        """Whether there is one input and one answer, which are passed by their addresses and not in a table."""
        return len(self.widths) == len(self.answers) == 1

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The dense layers, in order."""
        return tuple(each.work for each in self.operations if isinstance(each.work, Layer))

    @property
    def searched(self) -> tuple[int, ...]:
        """The inputs that a layer before the turn looks for zeros in."""
        early = (each.sources[0].value for each in self.operations[: self.turn] if _is_early(each, self.widths))
        return tuple(dict.fromkeys(early))

    @property
    def staged(self) -> frozenset[int]:
        """The inputs that a pass reads, in whole vectors, which may reach beyond a row."""
        passes = (each for each in self.operations if isinstance(each.work, Pass))
        return frozenset(
            columns.value for each in passes for columns in each.sources if columns.value < len(self.widths)
        )

    def stride(self, value: int) -> int:
        """Return the distance of rows of a value in scratch."""
        number = value - len(self.widths)
        return _stride(self.widths[value]) if number < 0 else self.operations[number].work.room

    def ending(self, columns: Columns) -> Epilogue:
        """Return what is applied when a row of an answer is complete: its softmax."""
        number = columns.value - len(self.widths)
        epilogue = self.operations[number].work.epilogue if number >= 0 else ()
        return tuple(each for each in epilogue if isinstance(each, Activation) and not each.elementwise)

    def crossing(self, number: int) -> tuple[int, ...]:
        """Return the values that are there before an operation and are read by it or later."""
        read = {columns.value for each in self.operations[number:] for columns in each.sources}
        read |= {columns.value for columns in self.answers}
        return tuple(sorted(value for value in read if value < len(self.widths) + number))

    @property
    def every_column(self) -> int:
        """Where the list of all columns starts, beside the packed parameters."""
        return _end(self.operations)

    @property
    def parameter_floats(self) -> int:
        """Size of the packed parameters, with the list of all columns."""
        return self.every_column + max((_padded(layer.inputs) for layer in self.layers if layer.searches), default=0)

    @property
    def column_floats(self) -> int:
        """Size of the columns of a group."""
        return self.target.lanes * self.group.size

    @property
    def list_floats(self) -> int:
        """Size of the list of a tile's live columns."""
        return max((list_floats(layer.inputs) for layer in self.layers if layer.searches), default=0)

    @property
    def scratch(self) -> Scratch:
        """The layout of scratch memory for blocks."""
        tiles = self.block_rows // self.target.rows
        lists = self.block_rows * self.rows.size
        columns = lists + max(1, len(self.searched)) * tiles * self.list_floats
        answer = end = columns + self.column_floats
        if answer > columns:  # a group with empty places, or a row by itself
            end += max(self.target.lanes * sum(max(each.width, 2) for each in self.answers), self.single.size)
        return Scratch(lists, columns, answer, end)

    @property
    def scratch_floats(self) -> int:
        """Scratch memory one call needs."""
        return self.scratch.end

    @property
    def few_scratch_floats(self) -> int:
        """Scratch memory a call with few rows needs: the values of a row, then a list."""
        return self.single.size + self.list_floats

    @property
    def multiplications(self) -> int:
        """Multiplications for one dense row, padding not counted; a pass counts as one for each column."""
        passes = (each.work.outputs for each in self.operations if isinstance(each.work, Pass))
        return max(1, sum(layer.inputs * layer.outputs for layer in self.layers) + sum(passes))

    def describe(self) -> str:
        """Return the plan as a table for people."""
        lines = [
            f"target {self.target.name}: tiles of {self.target.rows} rows × {self.target.vectors} vectors of "
            f"{self.target.lanes}; blocks of {self.block_rows} rows; up to {self.few} rows one by one"
        ]
        if self.turns_dense:
            lines[0] += "; all layers by columns where there are no zeros to skip"
        layers = 0
        for number, each in enumerate(self.operations, 1):
            form = ", by columns" if number > self.turn else ""
            if isinstance(each.work, Pass):
                lines.append(f"{each.work}{form}")
                continue
            layer, layers = each.work, layers + 1
            panels = " + ".join(f"{panel.count} × [{' '.join(map(str, panel.widths))}]" for panel in layer.panels)
            zeros = ", skips zeros" if layer.searches and number <= self.turn else ""
            after = ", ".join(map(str, layer.epilogue)) or "identity"
            lines.append(f"layer {layers}: {layer.inputs} → {layer.outputs} {after}, panels {panels}{zeros}{form}")
        return "\n".join(lines)


def make_plan(program: Program, target: Target) -> Plan:
    """Plan the code for a program."""
    inputs = len(program.widths)
    planned: list[Planned] = []
    for operation in program.operations:
        work = _planned(operation, planned, inputs, target, _end(planned))
        planned.append(Planned(work, operation.sources))
    at = _end(planned)
    layers = [each.work for each in planned if isinstance(each.work, Layer)]
    if program.is_chain:
        turn = _turn(layers, target, first=1 if layers[0].searches else 0)
        turns_dense = layers[0].searches and _turn(layers, target, first=0) == 0
    else:
        turn = next(
            (number for number, each in enumerate(planned) if not _is_early(each, program.widths)), len(planned)
        )
        turns_dense = turn > 0
    # Blocks are single groups then, which would read large weights too often.
    turns_dense = turns_dense and at <= CACHED_WEIGHTS
    strides = [*(_stride(width) for width in program.widths), *(each.work.room for each in planned)]
    rows = MOST_ROWS if at > CACHED_WEIGHTS else min(MOST_ROWS, BUFFER_FLOATS // max(strides))
    unit = target.rows if 0 < turn == len(planned) and not turns_dense else target.lanes
    plan = Plan(
        target=target,
        widths=program.widths,
        operations=tuple(planned),
        answers=program.outputs,
        block_rows=unit if turns_dense else max(1, rows // unit) * unit,
        few=FEW_ROWS,
        turn=turn,
        turns_dense=turns_dense,
        single=Frame(),
        rows=Frame(),
        group=Frame(),
        beside=frozenset(),
        scale=program.scale,
        shift=program.shift,
    )
    return placed(plan)


def _planned(operation: Operation, before: Sequence[Planned], inputs: int, target: Target, at: int) -> Layer | Pass:
    """Return how an operation is carried out whose parameters start ``at``."""
    if operation.function == "dense":
        weights, _ = operation.arrays
        panels = _panels(operation.width, target)
        width = sum(panel.width * panel.count for panel in panels)
        source = operation.sources[0].value
        sparse = source < inputs or _gives_zeros(before[source - inputs].work)
        return Layer(
            inputs=weights.shape[0],
            outputs=operation.width,
            epilogue=operation.epilogue,
            panels=panels,
            searches=weights.shape[0] >= LEAST_SEARCHED
            and sparse
            and bool(np.isfinite(weights).all()),  # 0 · w is 0 for these
            bias=at,
            weights=at + _padded(width),
            output_stride=_stride(width),
        )
    room = _padded(operation.width)
    reads = tuple(columns.width for columns in operation.sources)
    return Pass(
        function=operation.function,
        outputs=operation.width,
        reads=reads,
        parameters=tuple(at + room * number for number in range(len(operation.arrays))),
        epilogue=operation.epilogue,
        number=operation.number,
        at=tuple(itertools.accumulate((0, *reads[:-1]))) if operation.function == "arrange" else (),
    )


def _is_early(each: Planned, widths: Sequence[int]) -> bool:
    """Return whether an operation is a layer that looks for zeros in an input, all of it."""
    inputs = [(Columns(number, 0, width),) for number, width in enumerate(widths)]
    return isinstance(each.work, Layer) and each.work.searches and each.sources in inputs


def _end(operations: Sequence[Planned]) -> int:
    """Return where the parameters of operations end."""
    return max((each.work.end for each in operations), default=0)


def placed(plan: Plan) -> Plan:
    """Return a plan with the places of its values, which depend on its turn."""
    inputs, count = len(plan.widths), len(plan.widths) + len(plan.operations)
    widths = [*plan.widths, *(each.work.outputs for each in plan.operations)]
    first = 0 if plan.turns_dense else plan.turn
    grouped = [*plan.crossing(first), *range(inputs + first, count)] if first < len(plan.operations) else []
    beside = _beside(plan)
    single = _framed(plan, range(count), plan.stride, beside)
    return dataclasses.replace(
        plan,
        # What reads whole vectors may look beyond the last value.
        single=dataclasses.replace(single, size=_padded(single.size) + LINE),
        rows=_framed(plan, range(inputs + plan.turn), plan.stride, beside, lasting=plan.crossing(plan.turn)),
        group=_framed(plan, grouped, widths.__getitem__, beside),
        beside=frozenset((value, around) for value, (around, _) in beside.items()),
    )


def _beside(plan: Plan) -> dict[int, tuple[int, int]]:
    """Return the values that are made within the arrangement that reads them: its value, and their first column there.

    Those of operations from the turn on, in the order of the columns: what is written for a row may reach beyond it,
    into what is not made yet.
    """
    inputs = len(plan.widths)
    found: dict[int, tuple[int, int]] = {}
    for number, arrangement in enumerate(plan.operations):
        if not arrangement.is_arrangement:
            continue
        assert isinstance(arrangement.work, Pass)
        last = plan.turn - 1
        names = [columns.value for columns in arrangement.sources]
        for columns, at in zip(arrangement.sources, arrangement.work.at, strict=True):
            made = columns.value - inputs
            if made <= last or columns.value in found or names.count(columns.value) > 1:
                continue
            before = plan.operations[made]
            if not before.is_arrangement and columns.width == before.work.outputs:
                found[columns.value] = (inputs + number, at)
                last = made
    return found


def _framed(
    plan: Plan,
    values: Collection[int],
    room: Callable[[int], int],
    beside: Mapping[int, tuple[int, int]],
    lasting: Collection[int] = (),
) -> Frame:
    """Place some values, those that are ``lasting`` for ever."""
    inputs, end = len(plan.widths), len(plan.operations)
    born = [*([-1] * inputs), *range(end)]
    dies = list(born)
    for number, each in enumerate(plan.operations):
        for columns in each.sources:
            dies[columns.value] = number
    for value in (*lasting, *(columns.value for columns in plan.answers)):
        dies[value] = end
    # A value that is made within another takes no place of its own, and the other is there as long as it is.
    wanted = {value: room(value) for value in values if value not in beside}
    for value in values:
        if value in beside:
            around, at = beside[value]
            wanted[around] = max(wanted[around], at + room(value))
            born[around], dies[around] = min(born[around], born[value]), max(dies[around], dies[value])
    found = frame(len(dies), [Span(value, wanted[value], born[value], dies[value]) for value in wanted])
    within = {value: found.place(around) + at for value, (around, at) in beside.items() if value in values}
    return Frame(tuple(within.get(value, at) for value, at in enumerate(found.at)), found.size)


def _turn(layers: Sequence[Layer], target: Target, first: int) -> int:
    """Return the layer from which on to compute by columns, at the earliest ``first``; as many as there are: none.

    By rows a layer takes a multiplication for each register of outputs, padding included, and too few of them wait for
    each other; by columns one for each output. Turning a value costs as much as a few multiplications.
    """

    def cost(turn: int) -> float:
        by_rows = sum(
            max(
                target.lanes * sum(len(panel.widths) * panel.count for panel in layer.panels),
                target.lanes * CHAINS / target.rows,
            )
            * layer.inputs
            * (SPARED if layer.searches and number else 1)
            for number, layer in enumerate(layers[:turn])
        )
        if turn == len(layers):
            return by_rows
        turned = TURNING * (layers[turn].inputs + layers[-1].outputs)
        return by_rows + turned + sum(max(layer.outputs, CHAINS / 2) * layer.inputs for layer in layers[turn:])

    return min(range(len(layers), first - 1, -1), key=cost)


def list_floats(inputs: int) -> int:
    """Return the room for the live columns of a tile: a line for their number, then they, in whole vectors."""
    return 2 * LINE + _padded(inputs)


def _gives_zeros(work: Layer | Pass) -> bool:
    return any(isinstance(each, Activation) and each.name in SPARSE for each in work.epilogue)


def pack(plan: Plan, program: Program) -> npt.NDArray[np.float32]:
    """Lay the parameters out as the plan says: for each layer the bias, then panel by panel ``(inputs, width)``.

    Behind them the numbers of all columns are listed, for layers that search. Padding is zero. A bias of -0 becomes
    +0, so that sums start the same whatever is skipped.
    """
    packed = aligned(plan.parameter_floats)
    columns = packed[plan.every_column :].view(np.int32)
    columns[:] = np.arange(columns.size)
    for operation, planned in zip(program.operations, plan.operations, strict=True):
        if isinstance(planned.work, Layer):
            _pack_layer(packed, operation.arrays, planned.work)
            continue
        for vector, start in zip(operation.arrays, planned.work.parameters, strict=True):
            packed[start : start + vector.size] = vector
    packed.flags.writeable = False
    return packed


def _pack_layer(packed: npt.NDArray[np.float32], arrays: Sequence[npt.NDArray[np.float32]], planned: Layer) -> None:
    weights = np.zeros((planned.inputs, planned.width), np.float32)
    weights[:, : planned.outputs] = arrays[0]
    packed[planned.bias : planned.bias + planned.outputs] = arrays[1] + np.float32(0)
    column, at = 0, planned.weights
    for panel in planned.panels:
        for _ in range(panel.count):
            size = planned.inputs * panel.width
            packed[at : at + size].reshape(planned.inputs, panel.width)[:] = weights[:, column : column + panel.width]
            column, at = column + panel.width, at + size


def _panels(outputs: int, target: Target) -> tuple[Panel, ...]:
    full, rest = divmod(outputs, target.panel)
    panels = [Panel((target.lanes,) * target.vectors, full)] if full else []
    if rest:
        whole, tail = divmod(rest, target.lanes)
        widths = (target.lanes,) * whole
        if tail:
            widths += (min(width for width in (4, 8, 16) if width >= tail),)
        panels.append(Panel(widths))
    return tuple(panels)


def _padded(floats: int) -> int:
    return math.ceil(floats / LINE) * LINE


def _stride(floats: int) -> int:
    """Return the distance between rows: whole lines, and not a multiple of 4 KiB, where rows would share cache sets."""
    padded = _padded(floats)
    return padded + LINE if padded % 1024 == 0 else padded


def aligned(floats: int) -> npt.NDArray[np.float32]:
    """Return zeros that start on a cache line."""
    raw = np.zeros(floats + LINE, np.float32)
    start = -(raw.ctypes.data // 4) % LINE
    return raw[start : start + floats]
