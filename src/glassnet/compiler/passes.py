"""Passes: operations that are no dense layers, over a row by itself or over a group of rows by columns.

In both, a value is its columns one after the other: of a row by itself, numbers; of a group, registers that hold the
column of all its rows. So sums, products and what is put side by side is the same code for both. Of a row, whole
vectors are read and written, which may reach beyond its last column. Sums over columns are taken in the order of
softmax.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from glassnet.compiler import functions
from glassnet.compiler.by_columns import softmax_of_columns
from glassnet.compiler.by_rows import copy, elementwise, softmax_of_row
from glassnet.compiler.language import F32, POINTER, VOID, Function, Pointer, Value, vector
from glassnet.compiler.plan import LINE, Pass
from glassnet.compiler.routines import Routine, Routines

Emit = Callable[[Function, Routines, Pass, int], None]


def call_pass(
    f: Function, routines: Routines, work: Pass, lanes: int, target: Pointer, operands: Sequence[Pointer]
) -> None:
    """Emit a call that computes ``target`` of sources and packed vectors; lanes: rows of a group, or 1."""
    emit = PASSES.get(work.function, pointwise)
    routines.call(f, _routine(emit, len(operands)), (work.anywhere(), lanes), target, *operands)


@functools.cache
def _routine(emit: Emit, operands: int) -> Routine:
    return Routine(emit, {"target": POINTER} | {f"operand_{number}": POINTER for number in range(operands)}, VOID)


def pointwise(f: Function, routines: Routines, work: Pass, lanes: int) -> None:
    """Compute each column of the columns with its number.

    for j in columns: target[j] = epilogue(function(source[j], …, vector[j], …)); a source of one column: source[0]
    """
    target, *operands = f.arguments
    width = vector(F32, lanes if lanes > 1 else routines.target.lanes)
    sources, vectors = operands[: len(work.reads)], operands[len(work.reads) :]

    def single(source: Pointer) -> Value:
        return source.load(width) if lanes > 1 else source.load(F32).splat(width.count)

    is_single = [reads == 1 < work.outputs for reads in work.reads]
    singles = [single(source) if alone else None for source, alone in zip(sources, is_single, strict=True)]
    with f.loop(work.outputs, step=1 if lanes > 1 else width.count) as loop:
        j = loop.index
        at = j * lanes
        values = [
            source.at(F32, at).load(width) if known is None else known
            for source, known in zip(sources, singles, strict=True)
        ]
        for packed in vectors:
            here = packed.at(F32, j)
            values.append(here.load(F32).splat(lanes) if lanes > 1 else here.load(width))
        result = functions.ARITHMETIC[work.function](*values)
        target.at(F32, at).store(elementwise(work.epilogue, result))


def arrange(f: Function, routines: Routines, work: Pass, lanes: int) -> None:
    """Put sources side by side: target[at …] = source, for each of them."""
    target, *sources = f.arguments
    for source, reads, at in zip(sources, work.reads, work.at, strict=True):
        copy(f, target.at(F32, at * lanes), source, reads * lanes)


def softmax(f: Function, routines: Routines, work: Pass, lanes: int) -> None:
    """Compute the softmax of a row, or its logarithm."""
    target, source = f.arguments
    copy(f, target, source, work.outputs * lanes)
    logarithm = work.function == "log_softmax"
    if lanes > 1:
        softmax_of_columns(f, target, work.outputs, lanes, logarithm=logarithm)
    else:
        softmax_of_row(f, target, work.outputs, logarithm=logarithm)


def normalise(f: Function, routines: Routines, work: Pass, lanes: int) -> None:
    """Compute layer normalisation.

    m = Σ x / n; v = Σ (x - m)² / n; target[j] = (x[j] - m) · (1 / √(v + ε)) · scale[j] + shift[j]
    """
    target, source, scale, shift = f.arguments
    kind = vector(F32, _width(lanes))
    count = work.outputs

    def centred(j: Value | int) -> Value:
        return source.at(F32, _at(j, lanes)).load(kind) - mean

    def square(j: Value | int) -> Value:
        return centred(j) * centred(j)

    mean = _folded(f, count, lanes, lambda j: source.at(F32, _at(j, lanes)).load(kind), Value.__add__, 0.0) / float(
        count
    )
    variance = _folded(f, count, lanes, square, Value.__add__, 0.0) / float(count)
    inverse = 1.0 / functions.square_root(variance + work.number)
    with f.loop(count, step=1 if lanes > 1 else LINE) as loop:
        j = loop.index
        factor, addend = (
            packed.at(F32, j).load(F32).splat(lanes) if lanes > 1 else packed.at(F32, j).load(kind)
            for packed in (scale, shift)
        )
        target.at(F32, _at(j, lanes)).store(f.fma(centred(j) * inverse, factor, addend))


def reduce(f: Function, routines: Routines, work: Pass, lanes: int) -> None:
    """Compute the sum, mean, largest or smallest of a row's columns; NaN if one of them is."""
    target, source = f.arguments
    combine, start = _REDUCTIONS[work.function]
    [count] = work.reads
    kind = vector(F32, _width(lanes))
    total = _folded(f, count, lanes, lambda j: source.at(F32, _at(j, lanes)).load(kind), combine, start)
    target.store(total / float(count) if work.function == "mean" else total)


def _width(lanes: int) -> int:
    return lanes if lanes > 1 else LINE


def _at(j: Value | int, lanes: int) -> Value | int:
    return j * lanes


def _folded(
    f: Function,
    count: int,
    lanes: int,
    term: Callable[[Value | int], Value],
    combine: Callable[[Value, Value], Value],
    start: float,
) -> Value:
    """Combine the terms of all columns, in the order of softmax; ``term`` gives 16 of a row's, or one of a group's.

    Part l of 16 takes columns l, l + 16, … ascending, then the parts are combined in halves (8, 4, 2, 1).
    """
    whole = count - count % LINE
    if lanes == 1:
        with f.loop(whole, step=LINE, carry=[f.constant(vector(F32, LINE), start)]) as loop:
            loop.carry = [combine(loop.carry[0], term(loop.index))]
        total = loop.carry[0]
        if count > whole:
            there = f.lane_numbers(LINE) < count - whole
            total = combine(total, there.choose(term(whole), start))
        for half in (8, 4, 2, 1):
            total = combine(total.lanes(range(half)), total.lanes(range(half, 2 * half)))
        return total.lane(0).splat(LINE)
    parts = [f.constant(vector(F32, lanes), start)] * LINE
    if whole:
        with f.loop(whole, step=LINE, carry=parts) as loop:
            loop.carry = [combine(part, term(loop.index + lane)) for lane, part in enumerate(loop.carry)]
        parts = loop.carry
    rest = count - whole
    parts = [combine(parts[j], term(whole + j)) for j in range(rest)] + parts[rest:]
    for half in (8, 4, 2, 1):
        parts = [combine(parts[lane], parts[lane + half]) for lane in range(half)]
    return parts[0]


_REDUCTIONS: dict[str, tuple[Callable[[Value, Value], Value], float]] = {
    "sum": (Value.__add__, 0.0),
    "mean": (Value.__add__, 0.0),
    "max": (functions.larger_or_nan, float("-inf")),
    "min": (functions.smaller_or_nan, float("inf")),
}

# What is no function of the columns with one number.
PASSES: dict[str, Emit] = {
    "arrange": arrange,
    "softmax": softmax,
    "log_softmax": softmax,
    "normalise": normalise,
    **dict.fromkeys(_REDUCTIONS, reduce),
}
