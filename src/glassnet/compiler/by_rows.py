"""Layers computed by rows: a register holds neighbouring outputs of one row.

A tile is ``rows`` rows by one panel of outputs. Values lie row by row, ``stride`` floats apart. Columns that are zero
in every row of a tile are left out of its sums where that pays. A row beyond the last is the last row again, which
keeps one shape of tile for every batch.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from glassnet.activations import Activation
from glassnet.compiler import functions
from glassnet.compiler.language import F32, I8, I32, I64, POINTER, Function, Pointer, Value, vector
from glassnet.compiler.plan import LINE, Layer, Panel, list_floats
from glassnet.compiler.program import Epilogue, Limits
from glassnet.compiler.routines import Routines, routine

# The flag of a call whose rows are uint8.
UINT8 = 1

# So cheap that they are applied to the sums in registers; the others get a loop of their own, which keeps the
# code small and costs one store and one load.
CHEAP = frozenset({"relu", "leaky_relu", "step", "hard_sigmoid"})


# --- in and out ---------------------------------------------------------------------------------------------


@routine(to=POINTER, x=POINTER, first=I64, last=I64, rows=I64, flags=I64)
def stage(f: Function, routines: Routines, inputs: int, stride: int, scale: float, shift: float) -> None:
    """Copy rows to scratch as float32: those from ``first`` on, beyond the ``last`` row that one again.

    for row in rows: source = x[min(first + row, last)]; to[row] = source (flags: uint8, · scale + shift)
    """
    to, x, first, last, rows, flags = f.arguments
    with f.loop(rows) as loop:
        wanted = first + loop.index
        row = (wanted < last).choose(wanted, last)
        at = to.at(F32, loop.index * stride)
        with f.either((flags & UINT8).differs(0)) as (pixels, floats):
            with pixels:
                source = x.at(I8, row * inputs)
                for k, lanes in _spans(f, inputs):
                    number = source.at(I8, k).load(vector(I8, lanes)).widen(I32).to_float() * scale
                    at.at(F32, k).store(number + shift if shift else number)
            with floats:
                copy(f, at, x.at(F32, row * inputs), inputs)


def copy(f: Function, to: Pointer, source: Pointer, count: int) -> None:
    """Copy ``count`` floats."""
    for at, lanes in _spans(f, count):
        to.at(F32, at).store(source.at(F32, at).load(vector(F32, lanes)))


@routine(to=POINTER, source=POINTER, count=I64)
def copy_floats(f: Function, routines: Routines) -> None:
    """Copy ``count`` floats, of which there are few."""
    to, source, count = f.arguments
    with f.loop(count) as loop:
        to.at(F32, loop.index).store(source.at(F32, loop.index).load(F32))


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


@routine(values=POINTER, stride=I64, y=POINTER, rows=I64, decide=I64)
def finish_rows(f: Function, routines: Routines, outputs: int, ending: Epilogue) -> None:
    """Hand rows out.

    for row in rows: softmax where the network ends in one; y[row] = values, or the index of the largest
    """
    values, stride, y, rows, decide = f.arguments
    with f.loop(rows) as loop:
        row = values.at(F32, loop.index * stride)
        for each in ending:
            softmax_of_row(f, row, outputs, logarithm=str(each) == "log_softmax")
        with f.either(decide.differs(0)) as (label, whole):
            with label:
                y.at(I64, loop.index).store(_largest(f, row, outputs))
            with whole:
                copy(f, y.at(F32, loop.index * outputs), row, outputs)


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


def softmax_of_row(f: Function, row: Pointer, count: int, *, logarithm: bool) -> None:
    """Replace a row by its softmax, in place.

    c = max; e_j = exp(a_j - c); sums in 16 lanes, lane l adding j = l, l + 16, … ascending, then the lanes in
    halves (8, 4, 2, 1): a fixed order, whatever the width of the registers; e_j / sum, or a_j - c - ln(sum).
    """
    kind = vector(F32, LINE)
    whole, rest = divmod(count, LINE)
    if rest:  # what fills up the last line counts for nothing: exp(-inf) is 0
        at = row.at(F32, whole * LINE)
        at.store((f.lane_numbers(LINE) < rest).choose(at.load(kind), float("-inf")))

    def over_row(
        start: float, step: Callable[[Value, Pointer], Value], combine: Callable[[Value, Value], Value]
    ) -> Value:
        with f.loop(count, step=LINE, carry=[f.constant(kind, start)]) as loop:
            loop.carry = [step(loop.carry[0], row.at(F32, loop.index))]
        result = loop.carry[0]
        for half in (8, 4, 2, 1):
            result = combine(result.lanes(range(half)), result.lanes(range(half, 2 * half)))
        return result.lane(0).splat(LINE)

    def add_exponential(total: Value, at: Pointer) -> Value:
        e = functions.exp_negative(at.load(kind) - largest)
        if not logarithm:
            at.store(e)
        return total + e

    largest = over_row(float("-inf"), lambda most, at: functions.larger(most, at.load(kind)), functions.larger)
    total = over_row(0.0, add_exponential, lambda one, other: one + other)
    shift = functions.log_positive(total) if logarithm else None
    with f.loop(count, step=LINE) as loop:
        at = row.at(F32, loop.index)
        at.store(at.load(kind) - largest - shift if shift else at.load(kind) / total)


# --- epilogues ----------------------------------------------------------------------------------------------


@routine(values=POINTER, count=I64)
def activate(f: Function, routines: Routines, epilogue: Epilogue) -> None:
    """Apply an elementwise epilogue to ``count`` values that lie together, whole registers of them."""
    values, count = f.arguments
    with f.loop(count, step=routines.target.lanes) as loop:
        at = values.at(F32, loop.index)
        at.store(elementwise(epilogue, at.load(vector(F32, routines.target.lanes))))


def elementwise(epilogue: Epilogue, x: Value) -> Value:
    """Return the elementwise part of an epilogue of ``x``."""
    for each in epilogue:
        if isinstance(each, Limits):
            x = x.at_least(each.low).at_most(each.high)
        elif each.elementwise:
            x = functions.ELEMENTWISE[each.name](x, **each.parameters)
    return x


def is_expensive(epilogue: Epilogue) -> bool:
    """Return whether an epilogue is worth a loop of its own over what was stored."""
    return any(isinstance(each, Activation) and each.elementwise and each.name not in CHEAP for each in epilogue)


# --- a layer ------------------------------------------------------------------------------------------------


@routine(I64, source=POINTER, stride=I64, tiles=I64, lists=POINTER, every=POINTER)
def search(f: Function, routines: Routines, inputs: int, rows: int) -> Value:
    """List the live columns of each tile; returns whether all tiles are dense.

    for each tile: lists[tile] = how many, where they are listed, the list of live columns itself
    every: the list of all columns, for tiles in which there is nothing to skip.
    """
    source, stride, tiles, lists, every = f.arguments
    with f.loop(tiles, carry=[f.i64(1)]) as loop:
        at = lists.at(I32, loop.index * list_floats(inputs))
        columns = at.at(I32, LINE)
        found = _live_columns(f, columns, source.at(F32, loop.index * rows * stride), stride, inputs, rows)
        at.store(found)
        at.at(I64, 1).store(found.equals(inputs).choose(every, columns))
        loop.carry = [loop.carry[0] & found.equals(inputs).widen(I64)]
    all_dense: Value = loop.carry[0]
    return all_dense


def _live_columns(f: Function, columns: Pointer, source: Pointer, stride: Value, inputs: int, rows: int) -> Value:
    """List the columns in which any row of a tile is not zero; fma(0, w, acc) is acc for the others.

    for k in 0, 16, 32, …: alive = whether x[row][k … k+15] has a bit in any row (NaN and -0 have); the indices of the
    live lanes are packed together, all 16 stored, and the list grows by as many as are alive
    after the first quarter: if 7/8 of it are alive, the search ends and all columns count as live
    """
    each = [source.at(F32, stride * row) for row in range(rows)]
    lane = f.lane_numbers(LINE)

    def append(found: Value, k: Value, inside: Value | None = None) -> Value:
        alive = functools.reduce(Value.__or__, (row.at(F32, k).load(vector(I32, LINE)) for row in each)).differs(0)
        if inside is not None:
            alive = alive & inside
        columns.at(I32, found).store(f.compress(lane + k.narrow(I32).splat(LINE), alive))
        return found + f.count(alive)

    whole, rest = inputs - inputs % LINE, inputs % LINE
    quarter = whole // 4 // LINE * LINE
    with f.loop(quarter, step=LINE, carry=[f.i64(0)]) as loop:
        loop.carry = [append(loop.carry[0], loop.index)]
    hopeless = loop.carry[0] > quarter * 7 // 8
    with f.loop(hopeless.choose(f.i64(quarter), whole), start=quarter, step=LINE, carry=loop.carry) as loop:
        loop.carry = [append(loop.carry[0], loop.index)]
    found: Value = loop.carry[0]
    if rest:  # the last 16 columns, without those already looked at: nothing beyond the row is read
        found = append(found, f.i64(inputs - LINE), lane >= LINE - rest)
    return hopeless.choose(f.i64(inputs), found)


@dataclass(frozen=True)
class Place:
    """A panel, and where its weights, its bias and its outputs start."""

    panel: Panel
    weights: Pointer
    bias: Pointer
    outputs: Pointer


@routine(bias=POINTER, source=POINTER, stride=I64, target=POINTER, tiles=I64, lists=POINTER)
def layer_by_rows(f: Function, routines: Routines, layer: Layer, rows: int) -> None:
    """Compute one dense layer over tiles; their live columns have been listed where it searches.

    for each panel: for each tile: sums over its live columns if the layer searches, else over all
    an expensive activation then runs over the rows in a loop of its own
    """
    bias, source, stride, target, tiles, lists = f.arguments
    weights = bias.at(F32, layer.weights - layer.bias)
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
            with f.loop(tiles) as loop:
                at = source.at(F32, loop.index * rows * stride)
                each = [at.at(F32, stride * row) for row in range(rows)]
                live = None
                if layer.searches:
                    listed = lists.at(I32, loop.index * list_floats(layer.inputs))
                    live = listed.at(I64, 1).load_pointer(), listed.load(I64)
                _sums(f, layer, place, each, loop.index * rows, live)
        column += panel.count * panel.width
        offset += panel.count * panel.width * layer.inputs
    if _has_pass(layer):
        routines.call(f, activate, (layer.epilogue,), target, tiles * (rows * layer.output_stride))


def _has_pass(layer: Layer) -> bool:
    """Return whether the epilogue runs in a loop of its own: not where a tile has one register a row."""
    return is_expensive(layer.epilogue) and any(len(panel.widths) > 1 for panel in layer.panels)


def _sums(
    f: Function, layer: Layer, place: Place, each: list[Pointer], first: Value, live: tuple[Pointer, Value] | None
) -> None:
    """Emit the inner loop over a tile's rows, of which the ``first`` has that number.

    acc[r][v] = bias[v]
    for k in 0 … inputs (or in the list of live columns): acc[r][v] = fma(x[r][k], w[k][v], acc[r][v])
    out[r][v] = epilogue(acc[r][v] + 0)        (+ 0 turns -0 into +0)
    """
    panel = place.panel
    starts = [sum(panel.widths[:v]) for v in range(len(panel.widths))]
    vectors = list(zip(starts, panel.widths, strict=True))
    bias = [place.bias.at(F32, start).load(vector(F32, width)) for start, width in vectors]
    count = live[1] if live else f.i64(layer.inputs)
    with f.loop(count, carry=bias * len(each)) as loop:
        k = live[0].at(I32, loop.index).load(I32).widen(I64) if live else loop.index
        at = place.weights.at(F32, k * panel.width)
        weights = [at.at(F32, start).load(vector(F32, width)) for start, width in vectors]
        values = [row.at(F32, k).load(F32) for row in each]
        pairs = zip(((x, w) for x in values for w in weights), loop.carry, strict=True)
        loop.carry = [f.fma(x.splat(w.kind.count), w, total) for (x, w), total in pairs]
    totals = iter(loop.carry)
    for row in range(len(each)):
        to = place.outputs.at(F32, (first + row) * layer.output_stride)
        for start, _ in vectors:
            a = next(totals) + 0.0
            to.at(F32, start).store(a if _has_pass(layer) else elementwise(layer.epilogue, a))
