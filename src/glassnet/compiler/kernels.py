"""The kernels: a whole chain of dense layers as one function over a batch.

    forward(parameters, x, y, rows, scratch, flags)

Row by row for a few rows; else in blocks, whose layers are computed by rows (``by_rows``) and, from the one on that
the plan names, by columns (``by_columns``). The sum of each output is one chain of fused multiply-adds, k ascending
from the bias; a form only decides which chains run side by side, so it never changes a bit of the result.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from llvmlite import ir

from glassnet.compiler.by_columns import finish_columns, layer_by_columns, turn_in
from glassnet.compiler.by_rows import UINT8, copy_floats, finish_rows, layer_by_rows, search, stage
from glassnet.compiler.language import F32, I8, I32, I64, POINTER, VOID, Function, Pointer, Value
from glassnet.compiler.plan import Plan, Scratch, list_floats
from glassnet.compiler.routines import Routines, routine

CACHE_LINE_BYTES = 64

# The flags of a call: UINT8, x holds uint8; DECIDE, y takes an int64 for each row, the index of the largest value.
DECIDE = 2

PARAMETERS = {"parameters": POINTER, "x": POINTER, "y": POINTER, "rows": I64, "scratch": POINTER, "flags": I64}


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
        routines.call(f, blocks, (plan,), *f.arguments[:3], together, scratch, flags)
    with f.when(alone > 0):
        rest = (_in(plan, x, together, flags), _out(plan, y, together, flags), alone)
        routines.call(f, one_by_one, (plan,), parameters, *rest, scratch, flags)


def _is_uint8(flags: Value) -> Value:
    return (flags & UINT8).differs(0)


def _in(plan: Plan, x: Pointer, row: Value, flags: Value) -> Pointer:
    """Return where a row comes from."""
    return x.at(I8, row * _is_uint8(flags).choose(x.f.i64(1), 4) * plan.inputs)


def _fetch(plan: Plan, ahead: Pointer, flags: Value) -> None:
    """Ask for a block's rows to be brought near; what is beyond the batch's end does no harm."""
    f = ahead.f
    size = _is_uint8(flags).choose(f.i64(1), 4) * (plan.inputs * plan.block_rows)
    with f.loop(size, step=CACHE_LINE_BYTES) as loop:
        f.prefetch(ahead.at(I8, loop.index))


def _out(plan: Plan, y: Pointer, row: Value, flags: Value) -> Pointer:
    """Return where a row's answer goes."""
    return y.at(I8, row * (flags & DECIDE).differs(0).choose(y.f.i64(8), 4 * plan.outputs))


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


@dataclass(frozen=True)
class _Work:
    """What a way through the layers works with: rows of a tile, and where things lie.

    buffers: rows that are read and rows that are written, in turn. lists: of live columns. columns: two buffers of a
    group by columns. answer: the rows of a group that is not whole.
    """

    f: Function
    routines: Routines
    plan: Plan
    rows: int
    parameters: Pointer
    buffers: tuple[Pointer, Pointer]
    lists: Pointer
    columns: Pointer
    answer: Pointer

    @classmethod
    def of(
        cls,
        f: Function,
        routines: Routines,
        plan: Plan,
        rows: int,
        parameters: Pointer,
        scratch: Pointer,
        size: Scratch,
    ) -> _Work:
        """Return what works in a piece of scratch memory."""
        lists, columns, answer = (scratch.at(F32, at) for at in (size.lists, size.columns, size.answer))
        buffers = (scratch, scratch.at(F32, size.buffer))
        return cls(f, routines, plan, rows, parameters, buffers, lists, columns, answer)

    def one_row(self) -> _Work:
        """Return what takes a single row through layers, beside the rows that wait in the buffers."""
        row = self.plan.scratch(1, 1).buffer
        return dataclasses.replace(self, rows=1, buffers=(self.answer, self.answer.at(F32, row)))

    def input(self, x: Pointer, first: Value, rows: Value, unit: int, flags: Value) -> tuple[_Values, Value]:
        """Return rows as float32, and whether there are no zeros to skip in them, if the first layer searches.

        Where they lie, or a copy if they are uint8 or do not fill tiles of ``unit`` rows.
        """
        f, plan, layer = self.f, self.plan, self.plan.layers[0]
        filled = _tiles(rows, unit) * unit
        copied = _is_uint8(flags) | rows.differs(filled)
        stride = copied.choose(f.i64(layer.input_stride), layer.inputs)
        values = _Values(Pointer(f, copied.choose(self.buffers[0], x.at(F32, first * plan.inputs)).v), stride)
        piece = unit if layer.searches else plan.block_rows  # a tile is searched while it is near
        with f.loop(filled, step=piece, carry=[f.i64(1)]) as loop:
            here = values.rows_from(loop.index)
            with f.when(copied):
                shapes = (plan.inputs, layer.input_stride, plan.scale, plan.shift)
                count = f.i64(unit) if layer.searches else filled
                arguments = (here.at, x, first + loop.index, first + rows - 1, count, flags)
                self.routines.call(f, stage, shapes, *arguments)
            if layer.searches:
                number = loop.index // self.rows
                loop.carry = [loop.carry[0] & self.search(0, here, _tiles(f.i64(unit), self.rows), number)]
        return values, loop.carry[0]

    def search(self, number: int, values: _Values, tiles: Value, first: Value | int = 0) -> Value:
        """List the live columns of what a layer reads; returns whether there are none to skip."""
        inputs = self.plan.layers[number].inputs
        every = self.parameters.at(I32, self.plan.every_column)
        lists = self.lists.at(I32, self.f.i64(first) * list_floats(inputs))
        return self.routines.call(self.f, search, (inputs, self.rows), values.at, values.stride, tiles, lists, every)

    def by_rows(self, number: int, values: _Values, tiles: Value) -> _Values:
        """Return what a layer makes of tiles; their live columns have been listed if it searches."""
        layer = self.plan.layers[number]
        bias = self.parameters.at(F32, layer.bias)
        target = self.buffers[(number + 1) % 2]
        shapes = (layer.anywhere(), self.rows)
        arguments = (bias, values.at, values.stride, target, tiles, self.lists)
        self.routines.call(self.f, layer_by_rows, shapes, *arguments)
        return _Values(target, self.f.i64(layer.output_stride))

    def by_rows_from(self, number: int, stop: int, values: _Values, tiles: Value) -> _Values:
        """Return what layers from ``number`` to ``stop`` make of tiles."""
        for each in range(number, stop):
            if self.plan.layers[each].searches and each:
                self.search(each, values, tiles)
            values = self.by_rows(each, values, tiles)
        return values

    def finish(self, values: _Values, y: Pointer, rows: Value, flags: Value) -> None:
        """Hand rows out."""
        last = self.plan.layers[-1].anywhere()
        self.routines.call(self.f, finish_rows, (last,), values.at, y, rows, flags & DECIDE)

    def by_columns_from(
        self, number: int, values: _Values, y: Pointer, flags: Value, ahead: Pointer | None = None
    ) -> None:
        """Take a group of rows through the layers from ``number`` on, and hand it out; fetch what comes ``ahead``."""
        arguments = (self.parameters, values.at, values.stride, self.columns, y, flags & DECIDE)
        shapes = (self.plan, number, ahead is not None)
        self.routines.call(self.f, group, shapes, *arguments, ahead or self.f.null())


@routine(parameters=POINTER, source=POINTER, stride=I64, columns=POINTER, y=POINTER, decide=I64, ahead=POINTER)
def group(f: Function, routines: Routines, plan: Plan, number: int, fetches: bool) -> None:
    """Take a group of rows through the layers from ``number`` on, by columns, and hand it out."""
    parameters, source, stride, columns, y, decide, ahead = f.arguments
    size = plan.column_floats
    halves = (columns, columns.at(F32, size))
    routines.call(f, turn_in, (), source, stride, f.i64(plan.layers[number].inputs), halves[number % 2])
    for each in range(number, len(plan.layers)):
        layer = plan.layers[each]
        bias = parameters.at(F32, layer.bias)
        arguments = (bias, halves[each % 2], halves[(each + 1) % 2], ahead)
        routines.call(f, layer_by_columns, (layer.anywhere(), fetches and each == number), *arguments)
    last = plan.layers[-1].anywhere()
    routines.call(f, finish_columns, (last,), halves[len(plan.layers) % 2], y, decide)


@routine(**PARAMETERS)
def one_by_one(f: Function, routines: Routines, plan: Plan) -> None:
    """Take each row through all layers, then the next: tiles of one row."""
    parameters, x, y, rows, scratch, flags = f.arguments
    work = _Work.of(f, routines, plan, 1, parameters, scratch, plan.scratch(1, 1))
    one = f.i64(1)
    with f.loop(rows) as loop:
        values, _ = work.input(x, loop.index, one, 1, flags)
        values = work.by_rows_from(0, len(plan.layers), values, one)
        work.finish(values, _out(plan, y, loop.index, flags), one, flags)


@routine(**PARAMETERS)
def blocks(f: Function, routines: Routines, plan: Plan) -> None:
    """Take blocks of rows through the layers.

    for first in 0, block_rows, 2·block_rows, … < rows:
        layers before ``plan.turn`` by rows, for all tiles of the block
        the others by columns for each group, and row by row for the rest
    A block whose input turns out dense may go by columns from the first layer on.
    """
    parameters, x, y, count, scratch, flags = f.arguments
    size = plan.scratch(plan.block_rows, plan.target.rows)
    work = _Work.of(f, routines, plan, plan.target.rows, parameters, scratch, size)
    turn, lanes = plan.turn, plan.target.lanes
    with f.loop(count, step=plan.block_rows) as loop:
        first = loop.index
        left = count - first
        rows = (left < plan.block_rows).choose(left, plan.block_rows)
        tiles = _tiles(rows, work.rows)
        values, dense = work.input(x, first, rows, work.rows if turn else lanes, flags)
        y_here, ahead = _out(plan, y, first, flags), _in(plan, x, first + plan.block_rows, flags)
        if plan.turns_dense:
            with f.either(dense.differs(0) & rows.equals(lanes)) as (by_columns, by_rows):
                with by_columns:
                    work.by_columns_from(0, values, y_here, flags, ahead)
                with by_rows:
                    with f.when(left > plan.block_rows):
                        _fetch(plan, ahead, flags)
                    values = work.by_rows_from(0, turn, values, tiles)
                    _turn_and_finish(work, values, y_here, rows, flags)
        else:
            with f.when(left > plan.block_rows):
                _fetch(plan, ahead, flags)
            _turn_and_finish(work, work.by_rows_from(0, turn, values, tiles), y_here, rows, flags)


def _turn_and_finish(work: _Work, values: _Values, y: Pointer, rows: Value, flags: Value) -> None:
    """Take a block through the layers from ``plan.turn`` on, and hand it out.

    for each group: by columns; the rest, if it fills most of a group, too, with rows that mean nothing beyond the last;
    else row by row
    """
    f, plan = work.f, work.plan
    if plan.turn == len(plan.layers):
        work.finish(values, y, rows, flags)
        return
    lanes = plan.target.lanes
    whole = rows - rows % lanes
    with f.loop(whole, step=lanes) as loop:
        work.by_columns_from(plan.turn, values.rows_from(loop.index), _out(plan, y, loop.index, flags), flags)
    rest, y_rest = rows - whole, _out(plan, y, whole, flags)
    values = values.rows_from(whole)
    with f.either(rest > lanes // 2) as (most, few):
        with most:
            work.by_columns_from(plan.turn, values, work.answer, flags)
            size = (flags & DECIDE).differs(0).choose(f.i64(2), plan.outputs)
            work.routines.call(f, copy_floats, (), y_rest, work.answer, rest * size)
        with few, f.loop(rest) as loop:
            single, one = work.one_row(), f.i64(1)
            row = single.by_rows_from(plan.turn, len(plan.layers), values.rows_from(loop.index), one)
            single.finish(row, _out(plan, y_rest, loop.index, flags), one, flags)
