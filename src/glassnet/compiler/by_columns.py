"""Layers computed by columns: a register holds one value of neighbouring rows.

A group is as many rows as a register has lanes; its values lie column by column. A weight meets a whole register of
inputs, so no output is padding, whatever their number: 50 outputs take 50 multiplications a column, where registers of
16 outputs would take 64. The price is that rows must be turned into columns on the way in and back on the way out, and
that a column can be skipped only where it is zero in the whole group, which is not tried.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from glassnet.compiler import functions
from glassnet.compiler.by_rows import activate, elementwise, is_expensive
from glassnet.compiler.language import F32, I8, I32, I64, POINTER, Function, Pointer, Value, vector
from glassnet.compiler.plan import LINE, Layer
from glassnet.compiler.program import Epilogue
from glassnet.compiler.routines import Routines, routine
from glassnet.compiler.targets import Part, Target

QUAD = 4  # the rows and columns of the small squares that are turned


@routine(source=POINTER, stride=I64, count=I64, target=POINTER)
def turn_in(f: Function, routines: Routines) -> None:
    """Write the first ``count`` columns of a group of rows, column by column.

    for k in 0, 4, 8, …: four columns: each register takes four values of every fourth row, and squares of 4 × 4
    are turned within four registers; the last four columns may overlap those before; fewer than four go one by one
    """
    source, stride, count, target = f.arguments
    lanes = routines.target.lanes

    def square(k: Value) -> None:
        corners = [source.at(F32, k).at(F32, stride * row) for row in range(0, lanes, QUAD)]
        quads = [_joined([corner.at(F32, stride * row).load(vector(F32, QUAD)) for corner in corners]) for row in _FOUR]
        for column, values in enumerate(_turned(quads)):
            target.at(F32, k * lanes).at(F32, column * lanes).store(values)

    def single(k: Value) -> None:
        with f.loop(lanes) as row:
            target.at(F32, k * lanes + row.index).store(source.at(F32, row.index * stride + k).load(F32))

    _by_four(f, count, square, single)


@routine(source=POINTER, count=I64, target=POINTER, stride=I64)
def turn_out(f: Function, routines: Routines) -> None:
    """Write ``count`` columns of a group back row by row: ``turn_in`` the other way round."""
    source, count, target, stride = f.arguments
    lanes = routines.target.lanes

    def square(k: Value) -> None:
        at = source.at(F32, k * lanes)
        columns = [at.at(F32, column * lanes).load(vector(F32, lanes)) for column in _FOUR]
        corner = target.at(F32, k)
        for row, quads in enumerate(_turned(columns)):
            for first in range(0, lanes, QUAD):
                corner.at(F32, stride * (first + row)).store(quads.lanes(range(first, first + QUAD)))

    def single(k: Value) -> None:
        with f.loop(lanes) as row:
            target.at(F32, row.index * stride + k).store(source.at(F32, k * lanes + row.index).load(F32))

    _by_four(f, count, square, single)


_FOUR = range(QUAD)


def _by_four(f: Function, count: Value, square: Callable[[Value], None], single: Callable[[Value], None]) -> None:
    with f.either(count < QUAD) as (few, many):
        with few, f.loop(count) as loop:
            single(loop.index)
        with many:
            last = count - QUAD
            with f.loop(count, step=QUAD) as loop:
                square((loop.index < last).choose(loop.index, last))


def _joined(quads: Sequence[Value]) -> Value:
    """Return vectors of equal length one after the other."""
    while len(quads) > 1:
        quads = [one.beside(other) for one, other in zip(quads[::2], quads[1::2], strict=True)]
    return quads[0]


def _turned(rows: Sequence[Value]) -> list[Value]:
    """Return four registers with each square of 4 × 4 in them turned: lane 4p + i of j is lane 4p + j of i."""
    a, b, c, d = rows
    lanes = a.kind.count
    starts = range(0, lanes, QUAD)
    low = [lane for s in starts for lane in (s, s + lanes, s + 1, s + 1 + lanes)]
    high = [lane + 2 for lane in low]
    ab, cd, ab_high, cd_high = a.shuffled(b, low), c.shuffled(d, low), a.shuffled(b, high), c.shuffled(d, high)
    first = [lane for s in starts for lane in (s, s + 1, s + lanes, s + 1 + lanes)]
    second = [lane + 2 for lane in first]
    return [
        ab.shuffled(cd, first),
        ab.shuffled(cd, second),
        ab_high.shuffled(cd_high, first),
        ab_high.shuffled(cd_high, second),
    ]


# --- a layer ------------------------------------------------------------------------------------------------


@routine(bias=POINTER, source=POINTER, target=POINTER, ahead=POINTER)
def layer_by_columns(f: Function, routines: Routines, layer: Layer, fetches: bool) -> None:
    """Compute one dense layer over a group.

    for each panel: for each part of it, some neighbouring outputs j:
        acc[j] = bias[j]
        for k in 0 … inputs: acc[j] = fma(x[k], w[k][j], acc[j])
        out[j] = epilogue(acc[j] + 0)
    an expensive activation then runs over the columns in a loop of its own
    fetches: on the way, as many bytes as the group has are asked for from ``ahead`` on, a few in each turn of the loop:
    all at once they would wait for each other.
    """
    bias, source, target, ahead = f.arguments
    lanes = routines.target.lanes
    kind = vector(F32, lanes)
    weights = bias.at(F32, layer.weights - layer.bias)
    expensive = is_expensive(layer.epilogue)
    cuts = _cuts(layer, routines.target)
    lengths = [sum(part.count for part in parts) for parts in cuts]
    loops = sum(panel.count * length for panel, length in zip(layer.panels, lengths, strict=True))
    step = -(-4 * lanes // loops)  # bytes in each turn of the inner loop
    column, offset, before = 0, 0, 0
    for panel, parts, length in zip(layer.panels, cuts, lengths, strict=True):
        with f.loop(panel.count) as panels:
            skip = panels.index * panel.width
            start, number = 0, panels.index * length + before
            for part in parts:
                with f.loop(part.count) as loop:
                    first = loop.index * part.width + start
                    to = target.at(F32, (skip + column + first) * lanes)
                    given = bias.at(F32, skip + column + first)
                    matrix = weights.at(F32, skip * layer.inputs + offset).at(F32, first)
                    totals = [given.at(F32, j).load(F32).splat(lanes) for j in range(part.width)]
                    with f.loop(layer.inputs, carry=totals) as ks:
                        x = source.at(F32, ks.index * lanes).load(kind)
                        row = matrix.at(F32, ks.index * panel.width)
                        if fetches:
                            f.prefetch(ahead.at(I8, ((number + loop.index) * layer.inputs + ks.index) * step))
                        ks.carry = [
                            f.fma(x, row.at(F32, j).load(F32).splat(lanes), total) for j, total in enumerate(ks.carry)
                        ]
                    for j, total in enumerate(ks.carry):
                        a = total + 0.0
                        to.at(F32, j * lanes).store(a if expensive else elementwise(layer.epilogue, a))
                start, number = start + part.count * part.width, number + part.count
        column, before = column + panel.count * panel.width, before + panel.count * length
        offset += panel.count * panel.width * layer.inputs
    if expensive:
        routines.call(f, activate, (layer.epilogue,), target, f.i64(layer.outputs * lanes))


def _cuts(layer: Layer, target: Target) -> list[tuple[Part, ...]]:
    """Return the parts of each kind of panel, padding left out."""
    left, cuts = layer.outputs, []
    for panel in layer.panels:
        cuts.append(target.parts(min(panel.width, left)))
        left -= panel.width * panel.count
    return cuts


# --- out ----------------------------------------------------------------------------------------------------


@routine(values=POINTER, y=POINTER, decide=I64)
def finish_columns(f: Function, routines: Routines, outputs: int, ending: Epilogue) -> None:
    """Hand a group out: softmax where the network ends in one; y = its rows, or the index of each one's largest."""
    values, y, decide = f.arguments
    lanes = routines.target.lanes
    for each in ending:
        softmax_of_columns(f, values, outputs, lanes, logarithm=str(each) == "log_softmax")
    with f.either(decide.differs(0)) as (labels, whole):
        with labels:
            y.store(_largest(f, values, outputs, lanes).widen(I64))
        with whole:
            if outputs == 1:
                y.store(values.load(vector(F32, lanes)))
            else:
                routines.call(f, turn_out, (), values, f.i64(outputs), y, f.i64(outputs))


def _largest(f: Function, values: Pointer, count: int, lanes: int) -> Value:
    """Return for each row the index of the first largest value, or of the first NaN; of one: above one half."""
    kind = vector(F32, lanes)
    if count == 1:
        return (values.load(kind) > 0.5).widen(I32)
    with f.loop(count, start=1, carry=[f.constant(vector(I32, lanes), 0), values.load(kind)]) as loop:
        index, best = loop.carry
        value = values.at(F32, loop.index * lanes).load(kind)
        better = (value <= best).equals(0) & best.equals(best)
        loop.carry = [better.choose(loop.index.narrow(I32).splat(lanes), index), better.choose(value, best)]
    found: Value = loop.carry[0]
    return found


def softmax_of_columns(f: Function, values: Pointer, count: int, lanes: int, *, logarithm: bool) -> None:
    """Replace the values of a group by their softmax, in place; each row's sum in the order of ``by_rows``.

    c = max; e_j = exp(a_j - c); sum l of 16 adds e_j for j = l, l + 16, … ascending, then the sums in halves;
    e_j / sum, or a_j - c - ln(sum)
    """
    kind = vector(F32, lanes)

    def column(j: Value | int) -> Pointer:
        return values.at(F32, j * lanes)

    with f.loop(count, carry=[f.constant(kind, float("-inf"))]) as loop:
        loop.carry = [functions.larger(loop.carry[0], column(loop.index).load(kind))]
    largest = loop.carry[0]
    totals = [f.constant(kind, 0.0)] * LINE
    whole = count - count % LINE

    def exponential(j: Value) -> Value:
        return functions.exp_negative(column(j).load(kind) - largest)

    if not logarithm:
        with f.loop(count) as loop:
            column(loop.index).store(exponential(loop.index))

    def term(j: Value) -> Value:
        return exponential(j) if logarithm else column(j).load(kind)

    if whole:
        with f.loop(whole, step=LINE, carry=totals) as loop:
            loop.carry = [total + term(loop.index + lane) for lane, total in enumerate(loop.carry)]
        totals = loop.carry
    rest = [term(f.i64(j)) for j in range(whole, count)]
    totals = [total + term for total, term in zip(totals, rest, strict=False)] + totals[len(rest) :]
    for half in (8, 4, 2, 1):
        totals = [totals[lane] + totals[lane + half] for lane in range(half)]
    total = totals[0]
    shift = functions.log_positive(total) if logarithm else None
    with f.loop(count) as loop:
        at = column(loop.index)
        value = at.load(kind)
        at.store(value - largest - shift if shift else value / total)
