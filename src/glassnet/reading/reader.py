"""Reading a picture: the steps from a file to lines of digits.

Each step is a function of its own module; here they follow one another. Ink is looked for on the paper, whatever its
colour and the light; what is printed on the page is taken away; what is left stands in rows; a row is read as the
likeliest chain of digits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from glassnet.digits.nondigits import NONE
from glassnet.digits.picture import Array, Source, read_reduced
from glassnet.digits.prepare import Step
from glassnet.digits.recognise import Classifier
from glassnet.reading.canvas import Canvas, canvas_of, smaller
from glassnet.reading.context import LEAST_PROBABILITY
from glassnet.reading.inking import Ink, Survey, at_full_strength, inked, survey
from glassnet.reading.lattice import Candidate
from glassnet.reading.marks import kind_of
from glassnet.reading.outline import Flat, brought_back, flat_of, lean_of, levelled
from glassnet.reading.page import Box, Digit, Line, Mark, Page
from glassnet.reading.pieces import mended, pieces_of, without
from glassnet.reading.remains import at_edges, parted, remains, ticks
from glassnet.reading.rows import usual_height
from glassnet.reading.rules import rules_of, without_rules
from glassnet.reading.scores import LEAST_WITHOUT_NONE, Judge, judge_of, ranking
from glassnet.reading.single import SURE_LARGE, SURE_SMALL, Single, is_small, is_tiny, one_piece, single_of, surely
from glassnet.reading.traced import traced
from glassnet.reading.turned import Upright, turn_of, upright_of

MOST_NONE = 0.5  # probability of "none" with which something is still read

LEAST_DECODED = 1900  # pixels of the longer side: what is twice as long is decoded at half its size
# Strokes wider than so many pixels are seen with fewer: so much of a picture's sides is kept at least, and at most, for
# less is not worth it.
MOST_STROKE, LEAST_KEPT, WORTH_IT = 14.0, 0.5, 0.87
FEW_PIECES = 12  # of ink: so few may be one digit in pieces


def read(picture: Source, network: Classifier | None = None, *, turn: bool = True) -> Page:
    """Return the digits on a picture, in lines as people read them.

    picture: anything ``glassnet.digits.read_picture`` reads. network: one that names digits, compiled or not; left
    out, the shipped one. turn: whether a page that lies on its side may be turned, where the picture does not say
    how it was taken. Raises PictureError where the picture cannot be read; one without digits gives an empty page.

    >>> import numpy as np
    >>> read(np.full((300, 200), 255, np.uint8)).text
    ''
    """
    judge = judge_of(network)
    return _page_of(*read_reduced(picture, LEAST_DECODED), judge, turn)


def read_steps(
    picture: Source, network: Classifier | None = None, *, turn: bool = True
) -> tuple[Page, tuple[Step, ...]]:
    """Return what ``read`` returns, and what the picture looked like after each step.

    The steps are those of a page, whatever the picture's size.
    """
    judge = judge_of(network)
    pixels, size = read_reduced(picture, LEAST_DECODED)
    return _page_of(pixels, size, judge, turn), _read(pixels, size, judge, turn).steps()


def _page_of(pixels: Array, size: tuple[int, int], judge: Judge, turn: bool) -> Page:
    """Return the digits on a picture of that width and height, decoded as large or smaller."""
    single = single_of(pixels, judge) if is_small(pixels) else None
    if single is not None and (is_tiny(pixels) or (surely(single, judge, SURE_SMALL) and one_piece(single))):
        return _page_of_one(pixels, size, single, judge)
    trail = _read(pixels, size, judge, turn)
    page = _page(trail, judge)
    if not page.digits and len(trail.upright.pieces) <= FEW_PIECES:
        single = single_of(pixels, judge)
        if single is not None and surely(single, judge, SURE_LARGE):
            return _page_of_one(pixels, size, single, judge)
    return page


@dataclass(frozen=True, eq=False)
class _Trail:
    """What the steps made of a picture.

    size: of the picture, turned as it was read. matrix: (3, 3), from the canvas turned so to where digits were read.
    """

    canvas: Canvas
    flat: Flat
    inks: tuple[Ink, ...]
    upright: Upright
    size: tuple[int, int]
    matrix: Array

    def steps(self) -> tuple[Step, ...]:
        shown = cv2.cvtColor(255 - self.upright.strength // 2, cv2.COLOR_GRAY2RGB)
        for reading in self.upright.readings:
            for candidates, colour in ((reading.others, (220, 40, 40)), (reading.digits, (30, 150, 60))):
                for candidate in candidates:
                    left, top, right, bottom = candidate.box
                    cv2.rectangle(shown, (left - 2, top - 2), (right + 1, bottom + 1), colour, 2)
        return (
            Step("canvas", "The picture, upright, at the size to work at.", self.canvas.colours),
            Step("sheet", "The sheet, seen straight from above, without the table.", self.flat.colours),
            Step("ink", "The paper's colour and the light are taken away: ink becomes bright.", self.inks[0].strength),
            Step("level", "Turned, until rows are level.", self.inks[1].strength),
            Step("unruled", "Printed lines are taken away, strokes across them mended.", self.inks[2].strength),
            Step(
                "pieces",
                "Connected ink, upright, without specks.",
                _coloured(self.upright.pieces.labels),
            ),
            Step("digits", "What is taken for digits, and what is not.", shown),
        )


def _coloured(labels: Array) -> Array:
    colours = np.random.default_rng(0).integers(60, 256, (int(labels.max()) + 1, 3), dtype=np.uint8)
    colours[0] = 0
    return colours[labels]


def _read(pixels: Array, size: tuple[int, int], judge: Judge, turn: bool) -> _Trail:
    canvas = canvas_of(pixels, size)
    flat = flat_of(canvas.colours)
    flat, found = _coarser(flat, survey(flat.colours))
    ink = inked(flat.colours, found)
    angle = lean_of(ink)
    level, matrix = ink, flat.matrix
    shown = np.full(ink.strength.shape, 255, np.uint8)
    if angle:
        shown = levelled(shown, angle)[0]
        strength, tilt = levelled(ink.strength, angle)
        level, matrix = replace(ink, strength=strength), tilt @ flat.matrix
    rules = rules_of(level)
    plain = without_rules(level, rules)
    bent = traced(plain)
    plain = at_full_strength(without_rules(plain, bent))
    pieces = pieces_of(plain)
    printed = remains(pieces, [*rules, *bent], level.strength) | ticks(pieces, rules)
    pieces = without(pieces, printed | at_edges(pieces, shown))
    usual = usual_height(pieces)
    pieces = parted(mended(pieces, usual), rules, usual)
    upright = upright_of(plain.strength, pieces, judge, turn)
    before, after = (
        turn_of(array.shape[1], array.shape[0], upright.quarters) for array in (canvas.colours, plain.strength)
    )
    matrix = after @ matrix @ np.linalg.inv(before)
    size = (size[1], size[0]) if upright.quarters else size
    return _Trail(canvas, flat, (ink, level, plain), upright, size, matrix)


def _coarser(flat: Flat, found: Survey) -> tuple[Flat, Survey]:
    """Return the sheet and what was found on it with fewer pixels, where strokes are wider than they need to be."""
    factor = max(MOST_STROKE / found.stroke, LEAST_KEPT)
    if factor > WORTH_IT:
        return flat, found
    colours = smaller(flat.colours, factor)
    across, down = (new / old for new, old in zip(colours.shape[1::-1], flat.colours.shape[1::-1], strict=True))
    return Flat(colours, np.diag([across, down, 1.0]) @ flat.matrix), replace(found, stroke=factor * found.stroke)


def _page_of_one(pixels: Array, size: tuple[int, int], single: Single, judge: Judge) -> Page:
    left, top, right, bottom = (round(edge * size[0] / pixels.shape[1]) for edge in single.box)
    box = Box(left, top, max(1, right - left), max(1, bottom - top))
    digit = _judged(box, single.prepared, single.probabilities, judge)
    return Page((Line((digit,)),), size) if digit.is_digit else Page((), size, (digit,))


def _page(trail: _Trail, judge: Judge) -> Page:
    lines: list[Line] = []
    refused: list[Digit] = []
    for reading in trail.upright.readings:
        digits = [_digit(trail, candidate, judge) for candidate in reading.digits]
        taken = [candidate.box for candidate, digit in zip(reading.digits, digits, strict=True) if digit.is_digit]
        refused += [digit for digit in digits if not digit.is_digit]
        marks: list[Mark] = []
        for other in reading.others:
            left, right = other.box[0], other.box[2]
            middle = (left + right) / 2
            before = max((box for box in taken if (box[0] + box[2]) / 2 <= middle), default=None)
            after = min((box for box in taken if (box[0] + box[2]) / 2 > middle), default=None)
            kind = kind_of(other.box, reading.row, (before, after))
            marks.append(Mark(_box(trail, other), kind))
        if taken:
            lines.append(Line(tuple(digit for digit in digits if digit.is_digit), tuple(marks)))
    return Page(tuple(lines), trail.size, tuple(refused), trail.upright.quarters)


def _digit(trail: _Trail, candidate: Candidate, judge: Judge) -> Digit:
    return _judged(_box(trail, candidate), candidate.prepared, candidate.probabilities, judge)


def _judged(box: Box, prepared: Array, probabilities: Array, judge: Judge) -> Digit:
    ranked = ranking(judge, probabilities)
    label, probability = ranked[0]
    least = LEAST_PROBABILITY if judge.none_column is not None else LEAST_WITHOUT_NONE
    reason = ""
    if label == NONE and probability < MOST_NONE:
        ranked = (ranked[1], ranked[0], *ranked[2:])
        label, probability = ranked[0]
    if label == NONE:
        reason = f"none of the digits, with a probability of {probability:.0%}"
    elif probability < least:
        reason = f"{label} with a probability of {probability:.0%} only"
        label = NONE
    return Digit(box, label, probability, ranked, prepared, reason)


def _box(trail: _Trail, candidate: Candidate) -> Box:
    """Return a candidate's box in the picture, turned as it was read."""
    scale = trail.canvas.scale
    left, top, right, bottom = (round(edge / scale) for edge in brought_back(candidate.box, trail.matrix))
    width, height = trail.size
    left, top = min(max(left, 0), width - 1), min(max(top, 0), height - 1)
    return Box(left, top, max(1, min(right, width) - left), max(1, min(bottom, height) - top))
