"""The kernels: a whole program as one function over a batch.

    forward(parameters, x, y, rows, scratch, flags)

x, y: where the input and the answer are; where there are several, a table of their addresses. Row by row for a few
rows; else in blocks, whose operations are computed by rows (``by_rows``) and, from the one on that the plan names, by
columns (``by_columns``, ``passes``). The sum of each output is one chain of fused multiply-adds, k ascending from the
bias; a form only decides which chains run side by side, so it never changes a bit of the result.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass

from llvmlite import ir

from glassnet.compiler.by_columns import finish_columns, layer_by_columns, turn_in
from glassnet.compiler.by_rows import UINT8, copy_floats, finish_rows, layer_by_rows, search, stage
from glassnet.compiler.language import F32, I8, I32, I64, POINTER, VOID, Function, Pointer, Value
from glassnet.compiler.passes import call_pass
from glassnet.compiler.plan import Layer, Pass, Plan, list_floats
from glassnet.compiler.program import Columns
from glassnet.compiler.routines import Routine, Routines, routine

CACHE_LINE_BYTES = 64

# The flags of a call: UINT8, x holds uint8; DECIDE, y takes an int64 for each row, the index of the largest value.
DECIDE = 2

PARAMETERS = {"parameters": POINTER, "x": POINTER, "y": POINTER, "rows": I64, "scratch": POINTER, "flags": I64}
PART = {"parameters": POINTER, "x": POINTER, "y": POINTER, "start": I64, "stop": I64, "scratch": POINTER, "flags": I64}


def emit_module(plan: Plan) -> ir.Module:
    """Return the module with ``forward``."""
    module = ir.Module("glassnet")
    f = Function(module, "forward", VOID, PARAMETERS)
    _emit_forward(f, Routines(module, plan.target), plan)
    f.give()
    return module


def _emit_forward(f: Function, routines: Routines, plan: Plan) -> None:
    """Emit the choice between the two ways.

    alone = rows % rows of a tile, or all rows, if those are few; the others go in blocks, then these one by one
    """
    parameters, x, y, rows, scratch, flags = f.arguments
    over = rows % plan.target.rows
    alone = (rows <= plan.few).choose(rows, (over <= plan.few).choose(over, 0))
    together = rows - alone
    with f.when(together > 0):
        routines.call(f, blocks, (plan,), parameters, x, y, f.i64(0), together, scratch, flags)
    with f.when(alone > 0):
        routines.call(f, one_by_one, (plan,), parameters, x, y, together, rows, scratch, flags)


@dataclass(frozen=True)
class _Call:
    """What a call reads and writes."""

    plan: Plan
    x: Pointer
    y: Pointer
    flags: Value

    @property
    def is_uint8(self) -> Value:
        return (self.flags & UINT8).differs(0)

    @property
    def decide(self) -> Value:
        return self.flags & DECIDE

    def input(self, number: int) -> Pointer:
        """Return where an input is."""
        return self.x if self.plan.is_direct else self.x.at(I64, number).load_pointer()

    def source(self, number: int, row: Value) -> Pointer:
        """Return where a row of an input comes from."""
        width = self.plan.widths[number]
        return self.input(number).at(I8, row * self.is_uint8.choose(row.f.i64(1), 4) * width)

    def target(self, number: int, row: Value) -> Pointer:
        """Return where a row of an answer goes."""
        size = self.decide.differs(0).choose(row.f.i64(8), 4 * self.plan.answers[number].width)
        y = self.y if self.plan.is_direct else self.y.at(I64, number).load_pointer()
        return y.at(I8, row * size)

    def targets(self, row: Value) -> list[Pointer]:
        """Return where a row of each answer goes."""
        return [self.target(number, row) for number in range(len(self.plan.answers))]

    def fetch(self, row: Value) -> None:
        """Ask for a block's rows to be brought near; what is beyond the batch's end does no harm."""
        f = row.f
        for number, width in enumerate(self.plan.widths):
            ahead = self.source(number, row)
            size = self.is_uint8.choose(f.i64(1), 4) * (width * self.plan.block_rows)
            with f.loop(size, step=CACHE_LINE_BYTES) as loop:
                f.prefetch(ahead.at(I8, loop.index))


def _tiles(rows: Value, unit: int) -> Value:
    """Return how many tiles of ``unit`` rows hold these rows."""
    return (rows + (unit - 1)) // unit


@dataclass(frozen=True)
class _Values:
    """Rows of values, ``stride`` floats apart."""

    at: Pointer
    stride: Value

    def rows_from(self, row: Value) -> _Values:
        """Return those from a row on."""
        return _Values(self.at.at(F32, row * self.stride), self.stride)

    def columns_from(self, first: int) -> _Values:
        """Return those from a column on."""
        return _Values(self.at.at(F32, first), self.stride) if first else self


class _Work:
    """What a way through the operations works with: rows of a tile, where lists of live columns go, the values so far.

    values: by their numbers. listed: what the live columns were listed of in each list, so far.
    """

    def __init__(self, f: Function, routines: Routines, plan: Plan, rows: int, parameters: Pointer) -> None:
        self.f = f
        self.routines = routines
        self.plan = plan
        self.rows = rows
        self.parameters = parameters
        self.values: dict[int, _Values] = {}
        self.listed: dict[int, Columns] = {}

    def read(self, columns: Columns) -> _Values:
        """Return columns of a value."""
        return self.values[columns.value].columns_from(columns.first)

    def list_of(self, columns: Columns) -> int:
        """Return which list the live columns of a value go to: each input that is searched has its own."""
        searched = self.plan.searched
        return searched.index(columns.value) if columns.value in searched and self.rows > 1 else 0

    def search(self, columns: Columns, values: _Values, lists: Pointer, tiles: Value, first: Value | int = 0) -> Value:
        """List the live columns of what a layer reads; returns whether there are none to skip."""
        every = self.parameters.at(I32, self.plan.every_column)
        at = lists.at(I32, self.f.i64(first) * list_floats(columns.width))
        self.listed[self.list_of(columns)] = columns
        shapes = (columns.width, self.rows)
        return self.routines.call(self.f, search, shapes, values.at, values.stride, tiles, at, every)

    def layer(self, number: int, target: Pointer, lists: Pointer, tiles: Value) -> None:
        """Compute a layer by rows, after a search for the live columns of what it reads."""
        operation = self.plan.operations[number]
        layer, [columns] = operation.work, operation.sources
        assert isinstance(layer, Layer)
        values = self.read(columns)
        if layer.searches and self.listed.get(self.list_of(columns)) != columns:
            self.search(columns, values, lists, tiles)
        bias = self.parameters.at(F32, layer.bias)
        shapes = (layer.anywhere(), self.rows)
        self.routines.call(self.f, layer_by_rows, shapes, bias, values.at, values.stride, target, tiles, lists)
        self.values[len(self.plan.widths) + number] = _Values(target, self.f.i64(layer.output_stride))

    def finish(self, call: _Call, targets: list[Pointer], rows: Value) -> None:
        """Hand rows out."""
        for columns, y in zip(self.plan.answers, targets, strict=True):
            values = self.read(columns)
            shapes = (columns.width, self.plan.ending(columns))
            self.routines.call(self.f, finish_rows, shapes, values.at, values.stride, y, rows, call.decide)


def _packed(parameters: Pointer, work: Pass) -> list[Pointer]:
    return [parameters.at(F32, at) for at in work.parameters]


def _without_beside(plan: Plan, number: int) -> tuple[Pass, tuple[Columns, ...]]:
    """Return a pass and its sources without those that an arrangement need not copy."""
    work, sources = plan.operations[number].work, plan.operations[number].sources
    assert isinstance(work, Pass)
    if work.function != "arrange":
        return work, sources
    made = len(plan.widths) + number
    kept = [place for place, columns in enumerate(sources) if (columns.value, made) not in plan.beside]
    reads, at = (tuple(each[place] for place in kept) for each in (work.reads, work.at))
    return dataclasses.replace(work, reads=reads, at=at), tuple(sources[place] for place in kept)


# --- a row by itself ----------------------------------------------------------------------------------------


def _row_from(work: _Work, number: int, scratch: Pointer, lists: Pointer) -> None:
    """Take a row through the operations from ``number`` on."""
    f, plan = work.f, work.plan
    one = f.i64(1)
    for each in range(number, len(plan.operations)):
        value = len(plan.widths) + each
        target = scratch.at(F32, plan.single.place(value))
        operation = plan.operations[each]
        if isinstance(operation.work, Layer):
            work.layer(each, target, lists, one)
            continue
        done, columns = _without_beside(plan, each)
        sources = [work.read(source).at for source in columns]
        if done.reads or done.function != "arrange":
            call_pass(f, work.routines, done, 1, target, [*sources, *_packed(work.parameters, done)])
        work.values[value] = _Values(target, f.i64(operation.work.room))


@routine(**PART)
def one_by_one(f: Function, routines: Routines, plan: Plan) -> None:
    """Take each row through all operations, then the next: tiles of one row.

    A row is read where it lies, or copied if it is uint8, or if a pass reads it, in whole vectors.
    """
    parameters, x, y, start, stop, scratch, flags = f.arguments
    call = _Call(plan, x, y, flags)
    lists = scratch.at(F32, plan.single.size)
    with f.loop(stop, start=start) as loop:
        work = _Work(f, routines, plan, 1, parameters)
        for number, width in enumerate(plan.widths):
            room = scratch.at(F32, plan.single.place(number))
            given = call.input(number)
            shapes = (width, plan.stride(number), plan.scale, plan.shift)
            arguments = (room, given, loop.index, loop.index, f.i64(1), flags)
            if number in plan.staged:
                routines.call(f, stage, shapes, *arguments)
                work.values[number] = _Values(room, f.i64(plan.stride(number)))
                continue
            with f.when(call.is_uint8):
                routines.call(f, stage, shapes, *arguments)
            at = call.is_uint8.choose(room, given.at(F32, loop.index * width))
            work.values[number] = _Values(Pointer(f, at.v), f.i64(width))
        _row_from(work, 0, scratch, lists)
        work.finish(call, call.targets(loop.index), f.i64(1))


# --- blocks of rows -----------------------------------------------------------------------------------------


@routine(**PART)
def blocks(f: Function, routines: Routines, plan: Plan) -> None:
    """Take blocks of rows through the operations.

    for first in start, start + block_rows, … < stop:
        operations before ``plan.turn`` by rows, for all tiles of the block
        the others by columns for each group, and row by row for the rest
    A block whose input turns out dense may go by columns from the first operation on.
    """
    parameters, x, y, start, stop, scratch, flags = f.arguments
    call, lanes = _Call(plan, x, y, flags), plan.target.lanes
    with f.loop(stop, start=start, step=plan.block_rows) as loop:
        first = loop.index
        left = stop - first
        rows = (left < plan.block_rows).choose(left, plan.block_rows)
        block = _Block(f, routines, plan, parameters, call, scratch, first, rows)
        dense = block.take_in()
        if plan.turns_dense:
            with f.either(dense.differs(0) & rows.equals(lanes)) as (by_columns, by_rows):
                with by_columns:
                    block.group_from(0, f.i64(0), call.targets(first), call.source(0, first + plan.block_rows))
                with by_rows:
                    with f.when(left > plan.block_rows):
                        call.fetch(first + plan.block_rows)
                    block.by_rows()
                    block.turn_and_finish()
        else:
            with f.when(left > plan.block_rows):
                call.fetch(first + plan.block_rows)
            block.by_rows()
            block.turn_and_finish()


class _Block:
    """A block of rows on its way through the operations."""

    def __init__(
        self,
        f: Function,
        routines: Routines,
        plan: Plan,
        parameters: Pointer,
        call: _Call,
        scratch: Pointer,
        first: Value,
        rows: Value,
    ) -> None:
        self.f = f
        self.plan = plan
        self.call = call
        self.scratch = scratch
        self.first = first
        self.rows = rows
        size = plan.scratch
        self.lists, self.columns, self.answer = (scratch.at(F32, at) for at in (size.lists, size.columns, size.answer))
        self.work = _Work(f, routines, plan, plan.target.rows, parameters)

    def lists_of(self, columns: Columns) -> Pointer:
        """Return where the live columns of a value are listed."""
        tiles = self.plan.block_rows // self.plan.target.rows
        return self.lists.at(F32, self.work.list_of(columns) * tiles * self.plan.list_floats)

    def place(self, value: int) -> Pointer:
        """Return where the rows of a value lie."""
        return self.scratch.at(F32, self.plan.block_rows * self.plan.rows.place(value))

    def take_in(self) -> Value:
        """Find the rows of all inputs as float32; returns whether there are no zeros to skip in those searched."""
        dense = self.f.i64(1)
        for number in range(len(self.plan.widths)):
            dense = self.input(number, dense)
        return dense

    def input(self, number: int, dense: Value) -> Value:
        """Find the rows of an input: where they lie, or a copy if they are uint8 or do not fill tiles."""
        f, plan, work, call = self.f, self.plan, self.work, self.call
        unit = work.rows if plan.turn else plan.target.lanes
        width, apart = plan.widths[number], plan.stride(number)
        filled = _tiles(self.rows, unit) * unit
        copied = call.is_uint8 | self.rows.differs(filled)
        stride = copied.choose(f.i64(apart), width)
        x = call.input(number)
        at = copied.choose(self.place(number), x.at(F32, self.first * width))
        values = self.work.values[number] = _Values(Pointer(f, at.v), stride)
        columns = Columns(number, 0, width)
        searches = number in plan.searched
        piece = unit if searches else plan.block_rows  # a tile is searched while it is near
        with f.loop(filled, step=piece, carry=[dense]) as loop:
            here = values.rows_from(loop.index)
            with f.when(copied):
                count = f.i64(unit) if searches else filled
                arguments = (here.at, x, self.first + loop.index, self.first + self.rows - 1, count, call.flags)
                work.routines.call(f, stage, (width, apart, plan.scale, plan.shift), *arguments)
            if searches:
                tiles = _tiles(f.i64(unit), work.rows)
                lists = self.lists_of(columns)
                found = work.search(columns, here, lists, tiles, loop.index // work.rows)
                loop.carry = [loop.carry[0] & found]
        return loop.carry[0]

    def by_rows(self) -> None:
        """Take all tiles through the layers before the turn."""
        tiles = _tiles(self.rows, self.work.rows)
        for number in range(self.plan.turn):
            [columns] = self.plan.operations[number].sources
            target = self.place(len(self.plan.widths) + number)
            self.work.layer(number, target, self.lists_of(columns), tiles)

    def group_from(self, number: int, row: Value, targets: list[Pointer], ahead: Pointer | None = None) -> None:
        """Take a group of rows through the operations from ``number`` on, and hand it out; fetch what is ``ahead``."""
        crossing = [self.work.values[value].rows_from(row) for value in self.plan.crossing(number)]
        places = [argument for values in crossing for argument in (values.at, values.stride)]
        shapes = (self.plan, number, ahead is not None)
        arguments = (self.work.parameters, self.columns, self.call.decide, ahead or self.f.null(), *places, *targets)
        self.work.routines.call(self.f, _group(len(crossing), len(targets)), shapes, *arguments)

    def turn_and_finish(self) -> None:
        """Take the block through the operations from the turn on, and hand it out.

        for each group: by columns; the rest, if it fills most of a group, too, with rows that mean nothing beyond the
        last; else row by row
        """
        f, plan, call = self.f, self.plan, self.call
        if plan.turn == len(plan.operations):
            self.work.finish(call, call.targets(self.first), self.rows)
            return
        lanes = plan.target.lanes
        whole = self.rows - self.rows % lanes
        with f.loop(whole, step=lanes) as loop:
            self.group_from(plan.turn, loop.index, call.targets(self.first + loop.index))
        rest, targets = self.rows - whole, call.targets(self.first + whole)
        with f.either(rest > lanes // 2) as (most, few):
            with most:
                widths = [max(columns.width, 2) * lanes for columns in plan.answers]
                answers = [self.answer.at(F32, sum(widths[:number])) for number in range(len(widths))]
                self.group_from(plan.turn, whole, answers)
                for columns, answer, y in zip(plan.answers, answers, targets, strict=True):
                    size = call.decide.differs(0).choose(f.i64(2), columns.width)
                    self.work.routines.call(f, copy_floats, (), y, answer, rest * size)
            with few, f.loop(rest) as loop:
                self.row(whole + loop.index)

    def row(self, row: Value) -> None:
        """Take a row by itself through the operations from the turn on, beside the rows that wait."""
        plan, f = self.plan, self.f
        work = _Work(f, self.work.routines, plan, 1, self.work.parameters)
        for value in plan.crossing(plan.turn):
            values = self.work.values[value].rows_from(row)
            if value in plan.staged:
                room = self.answer.at(F32, plan.single.place(value))
                arguments = (room, values.at, f.i64(plan.widths[value]))
                work.routines.call(f, copy_floats, (), *arguments)
                values = _Values(room, f.i64(plan.stride(value)))
            work.values[value] = values
        _row_from(work, plan.turn, self.answer, self.lists)
        work.finish(self.call, self.call.targets(self.first + row), f.i64(1))


# --- a group of rows by columns -----------------------------------------------------------------------------


@functools.cache
def _group(crossing: int, answers: int) -> Routine:
    """Return the routine that reads so many values by rows and hands so many answers out."""
    arguments: dict[str, ir.Type] = {"parameters": POINTER, "columns": POINTER, "decide": I64, "ahead": POINTER}
    for number in range(crossing):
        arguments |= {f"source_{number}": POINTER, f"stride_{number}": I64}
    return Routine(group, arguments | {f"y_{number}": POINTER for number in range(answers)}, VOID)


def group(f: Function, routines: Routines, plan: Plan, number: int, fetches: bool) -> None:
    """Take a group of rows through the operations from ``number`` on, by columns, and hand it out."""
    parameters, columns, decide, ahead, *others = f.arguments
    crossing, lanes, inputs = plan.crossing(number), plan.target.lanes, len(plan.widths)
    places, targets = others[: 2 * len(crossing)], others[2 * len(crossing) :]

    def place(value: int) -> Pointer:
        return columns.at(F32, plan.group.place(value) * lanes)

    def read(source: Columns) -> Pointer:
        at = place(source.value)
        return at.at(F32, source.first * lanes) if source.first else at

    widths: Mapping[int, int] = dict(enumerate((*plan.widths, *(each.work.outputs for each in plan.operations))))
    for value, source, stride in zip(crossing, places[::2], places[1::2], strict=True):
        routines.call(f, turn_in, (), source, stride, f.i64(widths[value]), place(value))
    for each in range(number, len(plan.operations)):
        operation, target = plan.operations[each], place(inputs + each)
        if isinstance(operation.work, Layer):
            layer, [source] = operation.work, operation.sources
            arguments = (parameters.at(F32, layer.bias), read(source), target, ahead)
            routines.call(f, layer_by_columns, (layer.anywhere(), fetches and each == number), *arguments)
            continue
        work, sources = _without_beside(plan, each)
        operands = [*(read(source) for source in sources), *_packed(parameters, work)]
        if work.reads or work.function != "arrange":
            call_pass(f, routines, work, lanes, target, operands)
    for answer, y in zip(plan.answers, targets, strict=True):
        routines.call(f, finish_columns, (answer.width, plan.ending(answer)), read(answer), y, decide)
