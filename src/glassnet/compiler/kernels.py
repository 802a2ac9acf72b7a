"""The kernels: a whole chain of dense layers as one function over a batch.

    forward(parameters, x, y, rows, scratch, flags)

Row by row for a few rows, else in tiles of ``target.rows`` rows; blocks of tiles where the weights are large. The
sum of each output is one chain of fused multiply-adds, k ascending from the bias; a tile only decides which
chains run side by side, so its shape never changes a bit of the result. A row beyond the last is the last row
again, which keeps one tile shape for every batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from llvmlite import ir

from glassnet.activations import Activation
from glassnet.compiler import functions
from glassnet.compiler.language import F32, I8, I32, I64, POINTER, VOID, Function, Pointer, Value, vector
from glassnet.compiler.plan import LINE, Layer, Limits, Panel, Plan

CACHE_LINE_BYTES = 64

# The flags of a call.
UINT8 = 1  # x holds uint8
DECIDE = 2  # y takes an int64 for each row, the index of the largest value

# So cheap that they are applied to the sums in registers; the others get a loop of their own, which keeps the
# code small and costs one store and one load.
CHEAP = frozenset({"relu", "leaky_relu", "step", "hard_sigmoid"})

PARAMETERS = {"parameters": POINTER, "x": POINTER, "y": POINTER, "rows": I64, "scratch": POINTER, "flags": I64}


def emit_module(plan: Plan) -> ir.Module:
    """Return the module with ``forward``."""
    module = ir.Module("glassnet")
    emit_rows(module, "forward_tiles", plan, plan.target.rows, plan.block_rows)
    emit_rows(module, "forward_row", plan, 1, 1)
    emit_forward(module, plan)
    return module


def emit_forward(module: ir.Module, plan: Plan) -> None:
    """Emit the choice between the two ways.

    forward(…): if rows > few: forward_tiles(…) else: forward_row(…)
    """
    f = Function(module, "forward", VOID, PARAMETERS)
    rows = f.arguments[3]
    with f.either(rows > plan.few) as (many, few):
        with many:
            f.call("forward_tiles", VOID, *f.arguments)
        with few:
            f.call("forward_row", VOID, *f.arguments)
    f.give()


@dataclass(frozen=True)
class Block:
    """The rows being worked on, and where things lie.

    f: the function being emitted. rows: of a tile. tiles: in this block. buffers: two, read and written in turn.
    """

    f: Function
    plan: Plan
    rows: int
    tiles: Value
    parameters: Pointer
    buffers: tuple[Pointer, Pointer]
    lists: Pointer
    lengths: Pointer

    def list_of(self, tile: Value) -> tuple[Pointer, Pointer]:
        """Return where a tile's list of live columns lies, and its length."""
        return self.lists.at(I32, tile * self.plan.live_columns), self.lengths.at(I64, tile)


def emit_rows(module: ir.Module, name: str, plan: Plan, rows: int, block_rows: int) -> None:
    """Emit the whole network over a batch, in tiles of ``rows`` rows.

    for first in 0, block_rows, 2·block_rows, … < rows of the batch:
        stage the block's rows as float32
        for each layer: for each panel: for each tile of the block: tile
        finish: copy the block's rows out, or decide their labels
    """
    f = Function(module, name, VOID, PARAMETERS, internal=True, scalef=plan.target.scalef)
    parameters, x, y, count, scratch, flags = f.arguments
    halves = (scratch, scratch.at(F32, plan.buffer_floats))
    lists = scratch.at(F32, 2 * plan.buffer_floats)
    lengths = lists.at(I32, plan.lists * plan.live_columns)
    with f.loop(count, step=block_rows) as blocks:
        first = blocks.index
        left = count - first
        here = (left < block_rows).choose(left, block_rows)
        tiles = (here + (rows - 1)) // rows
        block = Block(f, plan, rows, tiles, parameters, halves, lists, lengths)
        emit_stage(block, x, first, count, flags)
        for number, layer in enumerate(plan.layers):
            emit_layer(block, layer, halves[number % 2], halves[(number + 1) % 2])
        emit_finish(block, halves[len(plan.layers) % 2], y, first, here, flags)
    f.give()


# --- in and out ---------------------------------------------------------------------------------------------


def emit_stage(block: Block, x: Pointer, first: Value, count: Value, flags: Value) -> None:
    """Copy the block's rows to scratch as float32, and fetch the next block's into the cache meanwhile.

    for row in block: source = x[min(first + row, count - 1)]; stage[row] = source (uint8: · scale + shift)
    """
    f, plan = block.f, block.plan
    with f.loop(block.tiles * block.rows) as loop:
        wanted = first + loop.index
        row = (wanted < count).choose(wanted, count - 1)
        to = block.buffers[0].at(F32, loop.index * plan.layers[0].input_stride)
        with f.either((flags & UINT8).differs(0)) as (pixels, floats):
            with pixels:
                source = x.at(I8, row * plan.inputs)
                _fetch_ahead(f, source.at(I8, plan.block_rows * plan.inputs), plan.inputs)
                _convert(f, to, source, plan)
            with floats:
                source = x.at(F32, row * plan.inputs)
                _fetch_ahead(f, source.at(F32, plan.block_rows * plan.inputs), 4 * plan.inputs)
                _copy(f, to, source, plan.inputs)


def _convert(f: Function, to: Pointer, source: Pointer, plan: Plan) -> None:
    for at, lanes in _spans(f, plan.inputs):
        number = source.at(I8, at).load(vector(I8, lanes)).widen(I32).to_float() * plan.scale
        to.at(F32, at).store(number + plan.shift if plan.shift else number)


def _fetch_ahead(f: Function, at: Pointer, size: int) -> None:
    """Ask for the bytes that will be read next; beyond the batch's end this is without effect."""
    with f.loop(size, step=CACHE_LINE_BYTES) as loop:
        f.prefetch(at.at(I8, loop.index))


def _copy(f: Function, to: Pointer, source: Pointer, count: int) -> None:
    for at, lanes in _spans(f, count):
        to.at(F32, at).store(source.at(F32, at).load(vector(F32, lanes)))


def _spans(f: Function, count: int) -> Iterator[tuple[Value, int]]:
    """Cover ``count`` elements exactly: a loop of whole vectors, then ever smaller ones; yields (start, lanes)."""
    whole = count - count % LINE
    if whole:
        with f.loop(whole, step=LINE) as loop:
            yield loop.index, LINE
    at = whole
    for lanes in (8, 4, 2, 1):
        if count - at >= lanes:
            yield f.i64(at), lanes
            at += lanes


def emit_finish(block: Block, values: Pointer, y: Pointer, first: Value, here: Value, flags: Value) -> None:
    """Hand the block's rows out.

    for row < here: softmax where the network ends in one; y[first + row] = values, or the index of the largest
    """
    f, plan = block.f, block.plan
    last = plan.layers[-1]
    with f.loop(here) as loop:
        row = values.at(F32, loop.index * last.output_stride)
        for each in last.epilogue:
            if isinstance(each, Activation) and not each.elementwise:
                emit_softmax(f, row, last.outputs, logarithm=each.name == "log_softmax")
        with f.either((flags & DECIDE).differs(0)) as (decide, copy):
            with decide:
                y.at(I64, first + loop.index).store(_largest(f, row, last.outputs))
            with copy:
                _copy(f, y.at(F32, (first + loop.index) * last.outputs), row, last.outputs)


def _largest(f: Function, row: Pointer, count: int) -> Value:
    """Return the index of the first largest value, or of the first NaN; of a single value: above one half."""
    if count == 1:
        return (row.load(F32) > 0.5).widen(I64)
    with f.loop(count, start=1, carry=[f.i64(0), row.load(F32)]) as loop:
        index, best = loop.carry
        value = row.at(F32, loop.index).load(F32)
        # not (value <= best) is also true for a NaN that comes; a NaN that is there stays.
        better = (value <= best).equals(0) & best.equals(best)
        loop.carry = [better.choose(loop.index, index), better.choose(value, best)]
    return loop.carry[0]


def emit_softmax(f: Function, row: Pointer, count: int, *, logarithm: bool) -> None:
    """Replace a row by its softmax, in place.

    c = max; e_j = exp(a_j - c); sums in 16 lanes, lane l adding j = l, l + 16, … ascending, then the lanes in
    halves (8, 4, 2, 1): a fixed order, whatever the width of the registers; e_j / sum, or a_j - c - ln(sum).
    """
    kind = vector(F32, LINE)
    whole, rest = divmod(count, LINE)
    tail = f.lane_numbers(LINE) < rest

    def chunk(at: Value | int, last: bool) -> Value:
        value = row.at(F32, at).load(kind)
        return tail.choose(value, float("-inf")) if last else value

    def over_row(start: Value, step: Callable[[Value, Value], Value]) -> Value:
        with f.loop(whole * LINE, step=LINE, carry=[start]) as loop:
            loop.carry = [step(loop.carry[0], chunk(loop.index, last=False))]
        return step(loop.carry[0], chunk(whole * LINE, last=True)) if rest else loop.carry[0]

    largest = _across(over_row(f.constant(kind, float("-inf")), _larger), _larger).splat(LINE)
    total = over_row(f.constant(kind, 0.0), lambda total, value: total + functions.exp_negative(value - largest))
    total = _across(total, lambda one, other: one + other).splat(LINE)
    shift = functions.log_positive(total) if logarithm else None
    with f.loop(whole * LINE + (LINE if rest else 0), step=LINE) as loop:
        at = row.at(F32, loop.index)
        shifted = at.load(kind) - largest
        at.store(shifted - shift if shift else functions.exp_negative(shifted) / total)


def _larger(one: Value, other: Value) -> Value:
    return (one > other).choose(one, other)


def _across(value: Value, combine: Callable[[Value, Value], Value]) -> Value:
    """Combine the 16 lanes in halves."""
    for half in (8, 4, 2, 1):
        value = combine(value.lanes(range(half)), value.lanes(range(half, 2 * half)))
    return value.lane(0)


# --- a layer ------------------------------------------------------------------------------------------------


def emit_layer(block: Block, layer: Layer, source: Pointer, target: Pointer) -> None:
    """Emit one dense layer over the block.

    if it searches: list the live columns of each tile
    for each panel: for each tile: tile(…)
    an expensive activation then runs over the block's rows in a loop of its own
    """
    f = block.f
    if layer.searches:
        with f.loop(block.tiles) as loop:
            emit_live_columns(block, layer, source, loop.index)
    bias = block.parameters.at(F32, layer.bias)
    weights = block.parameters.at(F32, layer.weights)
    column, offset = 0, 0
    for panel in layer.panels:
        with f.loop(panel.count) as panels:
            skip = panels.index * panel.width
            place = Place(
                panel,
                weights.at(F32, panels.index * (panel.width * layer.inputs) + offset),
                bias.at(F32, skip + column),
                target.at(F32, skip + column),
            )
            with f.loop(block.tiles) as loop:
                emit_tile(block, layer, place, source, loop.index)
        column += panel.count * panel.width
        offset += panel.count * panel.width * layer.inputs
    if _has_pass(layer):
        lanes = block.plan.target.lanes
        with f.loop(block.tiles * (block.rows * layer.output_stride), step=lanes) as loop:
            at = target.at(F32, loop.index)
            at.store(_elementwise(layer, at.load(vector(F32, lanes))))


def _has_pass(layer: Layer) -> bool:
    """Return whether the elementwise epilogue runs in a loop of its own, over what the tiles stored."""
    if all(len(panel.widths) == 1 for panel in layer.panels):
        return False
    return any(isinstance(each, Activation) and each.name not in CHEAP for each in layer.epilogue)


def _elementwise(layer: Layer, x: Value) -> Value:
    for each in layer.epilogue:
        if isinstance(each, Limits):
            x = x.at_least(each.low).at_most(each.high)
        elif each.elementwise:
            x = functions.ELEMENTWISE[each.name](x, **each.parameters)
    return x


@dataclass(frozen=True)
class Place:
    """A panel, and where its weights, its bias and its outputs start."""

    panel: Panel
    weights: Pointer
    bias: Pointer
    outputs: Pointer


def emit_tile(block: Block, layer: Layer, place: Place, source: Pointer, tile: Value) -> None:
    """Emit a tile of rows × panel, by all columns or by the live ones.

    if live columns < 7/8 of all: sums over the list, else sums over all columns
    """
    if not layer.searches:
        emit_sums(block, layer, place, source, tile, None)
        return
    columns, length = block.list_of(tile)
    live = length.load(I64)
    with block.f.either(live < layer.inputs * 7 // 8) as (sparse, dense):
        with sparse:
            emit_sums(block, layer, place, source, tile, (columns, live))
        with dense:
            emit_sums(block, layer, place, source, tile, None)


def emit_sums(
    block: Block, layer: Layer, place: Place, source: Pointer, tile: Value, live: tuple[Pointer, Value] | None
) -> None:
    """Emit the inner loop.

    acc[r][v] = bias[v]
    for k in 0 … inputs (or in the list of live columns): acc[r][v] = fma(x[r][k], w[k][v], acc[r][v])
    out[r][v] = epilogue(acc[r][v] + 0)        (+ 0 turns -0 into +0)
    """
    f, panel = block.f, place.panel
    starts = [sum(panel.widths[:v]) for v in range(len(panel.widths))]
    vectors = list(zip(starts, panel.widths, strict=True))
    rows = [tile * block.rows + row for row in range(block.rows)]
    inputs = [source.at(F32, row * layer.input_stride) for row in rows]
    bias = [place.bias.at(F32, start).load(vector(F32, width)) for start, width in vectors]
    count = live[1] if live else f.i64(layer.inputs)
    with f.loop(count, carry=bias * len(rows)) as loop:
        k = live[0].at(I32, loop.index).load(I32).widen(I64) if live else loop.index
        at = place.weights.at(F32, k * panel.width)
        weights = [at.at(F32, start).load(vector(F32, width)) for start, width in vectors]
        values = [row.at(F32, k).load(F32) for row in inputs]
        pairs = zip(((x, w) for x in values for w in weights), loop.carry, strict=True)
        loop.carry = [f.fma(x.splat(w.kind.count), w, total) for (x, w), total in pairs]
    totals = iter(loop.carry)
    for row in rows:
        to = place.outputs.at(F32, row * layer.output_stride)
        for start, _ in vectors:
            a = next(totals) + 0.0
            to.at(F32, start).store(a if _has_pass(layer) else _elementwise(layer, a))


def emit_live_columns(block: Block, layer: Layer, source: Pointer, tile: Value) -> None:
    """List the columns in which any row of a tile is not zero; fma(0, w, acc) is acc for the others.

    for k in 0, 16, 32, …: alive = any row: x[row][k … k+15] != 0 (NaN is); the indices of the live lanes are
    packed together, all 16 stored, and the list grows by as many as are alive
    after the first quarter: if 7/8 of it are alive, the search ends and all columns count as live
    """
    f = block.f
    inputs = [source.at(F32, (tile * block.rows + row) * layer.input_stride) for row in range(block.rows)]
    columns, length = block.list_of(tile)
    lane = f.lane_numbers(LINE)

    def append(found: Value, k: Value, inside: Value | None = None) -> Value:
        alive = inputs[0].at(F32, k).load(vector(F32, LINE)).differs(0.0)
        for row in inputs[1:]:
            alive = alive | row.at(F32, k).load(vector(F32, LINE)).differs(0.0)
        if inside is not None:
            alive = alive & inside
        columns.at(I32, found).store(f.compress(lane + k.narrow(I32).splat(LINE), alive))
        return found + f.count(alive)

    whole, rest = layer.inputs - layer.inputs % LINE, layer.inputs % LINE
    quarter = whole // 4 // LINE * LINE
    with f.loop(quarter, step=LINE, carry=[f.i64(0)]) as loop:
        loop.carry = [append(loop.carry[0], loop.index)]
    hopeless = loop.carry[0] > quarter * 7 // 8
    with f.loop(hopeless.choose(f.i64(quarter), whole), start=quarter, step=LINE, carry=loop.carry) as loop:
        loop.carry = [append(loop.carry[0], loop.index)]
    found = append(loop.carry[0], f.i64(whole), lane < rest) if rest else loop.carry[0]
    length.store(hopeless.choose(f.i64(layer.inputs), found))
