"""A row of ink is read as the likeliest chain of digits and other marks.

Every run of neighbouring elements that could be a digit is a candidate; the network judges all of them at once. What a
candidate costs is how surprised the network is, and more where ink was cut or gaps were bridged. Leaving an element
out costs as well. The cheapest chain from the row's left to its right is the reading: dynamic programming over the
network's own probabilities.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from glassnet.digits.picture import Array
from glassnet.reading.borders import LABELS, WINDOW, Strip, seen_around, weighed
from glassnet.reading.cuts import cuts_of
from glassnet.reading.elements import Element, slices_of, whole_element
from glassnet.reading.pieces import Pieces
from glassnet.reading.rows import Row
from glassnet.reading.scores import Judge, prepared_ink, stacked

WIDEST = 1.35  # a digit's width in heights
WIDEST_PIECE = 2.5  # of a piece that is taken whole although it could be cut
MOST_ELEMENTS = 16  # that make up a digit, slices and broken strokes together
NARROWEST = 0.05  # and what is narrower is what is left of a printed line
LOWEST = 6  # pixels: what is lower shows no digit
SMALL = 0.45  # of the row's height: lower elements are flags, points, dashes, no digits of their own
SOLID = 0.75  # of its box, what a disc fills and more
SURE = 0.95  # what is a digit so surely is neither cut nor joined to another one
CUT, CROSSED = 0.079, 0.55  # costs of a cut, and of the ink it crosses, in heights
BRIDGED, JOINED = 3.2, 0.042  # costs of a gap closed, in heights, and of pieces joined, squared
LEFT_OUT, LEFT_OUT_SMALL, LEFT_OUT_SLICE = 1.8, 0.63, 0.83  # costs of what is taken for no digit
SURELY_ONE = 0.85  # width in heights: what is wider may be two digits that look like one
WIDE = 0.65  # cost of each height that a digit is wider than that
NARROW = 1.0  # heights: what is wider and no digit may be two that touch
TEXT, FEWEST_LETTERS = 0.3, 3  # share and number of a row's pieces that are letters where it is text
FULL = 0.85  # of a candidate's pixels are weaker than its full strength
LEAST_LOGARITHM = 1e-4


@dataclass(frozen=True, eq=False)
class Candidate:
    """A run of elements of a row.

    prepared: (28, 28) as the network sees it. probabilities: (labels,), or none where it was not asked. mark: how
    likely it is no digit nor part of one, as seen around; none: that it is none, seen by itself. refused: taken as a
    mark, whatever the networks say.
    """

    elements: tuple[Element, ...]
    prepared: Array
    probabilities: Array
    mark: float = 0.0
    none: float = 0.0
    refused: bool = False

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom, in pixels of the page."""
        return box_of(self.elements)


def box_of(elements: Sequence[Element]) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of what holds all elements."""
    return (
        min(element.left for element in elements),
        min(element.top for element in elements),
        max(element.right for element in elements),
        max(element.bottom for element in elements),
    )


@dataclass(frozen=True, eq=False)
class Reading:
    """How a row is read: candidates taken as digits, or judged and refused; and elements that were left out."""

    row: Row
    digits: tuple[Candidate, ...]
    others: tuple[Candidate, ...]


def read_rows(strength: Array, pieces: Pieces, rows: Sequence[Row], judge: Judge) -> list[Reading]:
    """Return the likeliest reading of each row."""
    lattice = lattice_of(strength, pieces, rows, judge)
    _judge(lattice, judge)
    return [_cheapest(plan, judge) for plan in lattice.plans]


def lattice_of(strength: Array, pieces: Pieces, rows: Sequence[Row], judge: Judge) -> Lattice:
    """Return what the rows of a page may be read from, not judged yet."""
    singles = _judged_pieces(strength, pieces, rows, judge)
    letters = _letters(rows, pieces, singles, judge)
    plans = [_plan(strength, pieces, row, singles, judge, letters) for row in rows]
    return Lattice(strength, _numbered(pieces, plans), singles, plans)


def _judge(lattice: Lattice, judge: Judge) -> None:
    """Judge every run of elements that could be a digit by both networks."""
    waiting: list[tuple[Plan, int, int, Array]] = []
    windows: list[Array] = []
    for plan in lattice.plans:
        strip = lattice.strip(plan)
        for first, last in plan.ranges():
            prepared = lattice.prepared(plan, first, last)
            if prepared is not None:
                waiting.append((plan, first, last, prepared))
                windows.append(strip.window(first, last, box_of(plan.elements[first : last + 1])))
    alone = judge(stacked([each[3] for each in waiting]))
    seen = seen_around(np.array(windows, np.uint8).reshape(-1, WINDOW))
    cut = [is_cut(plan.elements[first : last + 1]) for plan, first, last, _ in waiting]
    probabilities = weighed(alone, seen, np.array(cut, bool), judge)
    marks = seen[:, LABELS.index("mark")].tolist()
    nones = [0.0] * len(waiting) if judge.none_column is None else alone[:, judge.none_column].tolist()
    for (plan, first, last, prepared), answer, mark, none in zip(waiting, probabilities, marks, nones, strict=True):
        plan.judged[first, last] = Candidate(plan.elements[first : last + 1], prepared, answer, mark, none)


def is_cut(elements: Sequence[Element]) -> bool:
    """Return whether something was cut off a run of elements, before it or after it."""
    return elements[0].before is not None or elements[-1].after is not None


@dataclass(frozen=True, eq=False)
class Lattice:
    """What the rows of a page may be read from.

    strength: (h, w). numbers: (h, w), of which element each pixel is, 0 of none. singles: pieces judged as a whole.
    """

    strength: Array
    numbers: Array
    singles: dict[int, Candidate]
    plans: list[Plan]

    def strip(self, plan: Plan) -> Strip:
        """Return a row's ink in cells."""
        return Strip(self.strength, self.numbers, plan.elements, plan.start, plan.row.height)

    def prepared(self, plan: Plan, first: int, last: int) -> Array | None:
        """Return the ink of a run of elements as MNIST has digits."""
        elements = plan.elements[first : last + 1]
        piece = elements[0].piece
        whole = elements[0].whole and first == last
        if piece in self.singles and (whole or plan.uncut.get(piece) == (first, last)):
            return self.singles[piece].prepared
        left, top, right, bottom = box_of(elements)
        where = np.s_[max(0, top - 1) : bottom + 1, max(0, left - 1) : right + 1]
        numbers = self.numbers[where]
        return cut_out(self.strength[where], (numbers >= plan.start + first) & (numbers <= plan.start + last))


def cut_out(strength: Array, mask: Array) -> Array | None:
    """Return the ink under a mask, both (h, w), at its full strength, as MNIST has digits."""
    inside = mask.view(np.uint8)
    if not inside.any():
        return None
    ink = cv2.multiply(strength, cv2.dilate(inside, _AROUND))
    values = strength[mask]
    place = int(FULL * (len(values) - 1))
    full = float(np.partition(values, place)[place])
    if full < 230:
        ink = cv2.convertScaleAbs(ink, alpha=255 / max(full, 1.0))
    return prepared_ink(ink)


_AROUND = np.ones((3, 3), np.uint8)


@dataclass(eq=False)
class Plan:
    """What a row is read from.

    slices: of a piece that could be cut, the places of its slices among the elements, and of which slice each of its
    pixels is. start: the number of the first element.
    """

    row: Row
    elements: tuple[Element, ...]
    sure: tuple[bool, ...]
    slices: dict[int, tuple[list[int], Array]]
    judged: dict[tuple[int, int], Candidate]
    start: int = 1

    @functools.cached_property
    def uncut(self) -> dict[int, tuple[int, int]]:
        """Of the pieces that could be cut, the first and the last slice, where nothing stands between them."""
        ends = {piece: (min(places), max(places)) for piece, (places, _) in self.slices.items()}
        return {
            piece: (first, last) for piece, (first, last) in ends.items() if last - first < len(self.slices[piece][0])
        }

    def ranges(self) -> list[tuple[int, int]]:
        """Return which runs of elements could be a digit."""
        height = self.row.height
        found = [run for run in self.uncut.values() if self._may_be_one(*run)]
        wholes = set(found)
        for first, begin in enumerate(self.elements):
            left, right, top, bottom = begin.left, begin.right, begin.top, begin.bottom
            for last in range(first, min(first + MOST_ELEMENTS, len(self.elements))):
                element = self.elements[last]
                if last > first:
                    if (self.sure[last] or self.sure[first]) and not self._belongs(first, last):
                        break
                    if element.left - right > 0.3 * height:
                        break
                left, right = min(left, element.left), max(right, element.right)
                top, bottom = min(top, element.top), max(bottom, element.bottom)
                wide, high = right - left, bottom - top
                if wide > WIDEST * max(height, min(high, 1.5 * height)) and not (first == last and begin.whole):
                    if last > first:
                        break
                    continue
                if first == last and _is_solid(begin) and not self.sure[first]:
                    continue
                if high < max(SMALL * height, LOWEST) or wide < NARROWEST * height:
                    continue
                if (first, last) not in wholes:
                    found.append((first, last))
        return found

    def _may_be_one(self, first: int, last: int) -> bool:
        """Return whether a piece that could be cut may be one digit."""
        left, top, right, bottom = box_of(self.elements[first : last + 1])
        high = bottom - top
        return right - left <= WIDEST_PIECE * max(self.row.height, high) and high >= max(
            SMALL * self.row.height, LOWEST
        )

    def _belongs(self, first: int, last: int) -> bool:
        """Return whether a sure digit may have the other as a lost part: a small one, right above or beside it."""
        other = self.elements[last] if self.sure[first] else self.elements[first]
        return not self.sure[last if self.sure[first] else first] and other.height < SMALL * self.row.height


def _is_solid(element: Element) -> bool:
    """Return whether an element is a filled disc or square, such as marks the corners of forms: no pen's strokes."""
    squarish = 0.5 < element.width / max(element.height, 1) < 2
    return element.whole and squarish and element.area > SOLID * element.width * element.height


def _judged_pieces(strength: Array, pieces: Pieces, rows: Sequence[Row], judge: Judge) -> dict[int, Candidate]:
    """Return what the network says of each piece that is as high as a digit, taken as a whole."""
    found: list[tuple[Element, Array]] = []
    for row in rows:
        for piece in row.members:
            element = whole_element(pieces, piece)
            if element.height < SMALL * row.height or element.width > 8 * row.height:
                continue
            where = np.s_[max(0, element.top - 1) : element.bottom + 1, max(0, element.left - 1) : element.right + 1]
            prepared = cut_out(strength[where], pieces.labels[where] == piece + 1)
            if prepared is not None:
                found.append((element, prepared))
    answers = judge(stacked([prepared for _, prepared in found]))
    return {
        element.piece: Candidate((element,), prepared, answer)
        for (element, prepared), answer in zip(found, answers, strict=True)
    }


def _letters(rows: Sequence[Row], pieces: Pieces, singles: dict[int, Candidate], judge: Judge) -> set[int]:
    """Return the pieces that are letters of a text: none, too narrow for two digits, and among many such.

    They are not cut: an n is two ones to the network.
    """
    if judge.none_column is None:
        return set()
    found: set[int] = set()
    every = [[piece for piece in row.members if piece in singles] for row in rows]
    none = [
        {
            piece
            for piece in members
            if singles[piece].probabilities[judge.none_column] > 0.5
            and pieces.width[piece] < NARROW * max(row.height, float(pieces.height[piece]))
        }
        for row, members in zip(rows, every, strict=True)
    ]
    whole_page = sum(map(len, none)) > TEXT * sum(map(len, every))
    for members, letters in zip(every, none, strict=True):
        if len(letters) >= FEWEST_LETTERS and (whole_page or len(letters) > TEXT * len(members)):
            found |= letters
    return found


def _plan(
    strength: Array, pieces: Pieces, row: Row, singles: dict[int, Candidate], judge: Judge, letters: set[int]
) -> Plan:
    elements: list[tuple[Element, bool, int]] = []
    slices: dict[int, Array] = {}
    for piece in row.members:
        whole = whole_element(pieces, piece)
        single = singles.get(piece)
        best = float(single.probabilities[judge.digit_columns].max()) if single else 0.0
        wide = whole.width / max(row.height, 0.8 * whole.height, 1)
        sure = best > SURE and wide < SURELY_ONE
        # A piece that is a digit, not wide, is not cut; one that is narrow cannot be two digits.
        if single is None or sure or _is_solid(whole) or wide < 0.35 or wide > 8 or piece in letters:
            elements.append((whole, sure and whole.height > 0.55 * row.height, 0))
            continue
        where = np.s_[whole.top : whole.bottom, whole.left : whole.right]
        ink = np.where(pieces.labels[where] == piece + 1, strength[where], 0)
        parts, numbers = slices_of(pieces, piece, cuts_of(ink))
        slices[piece] = numbers
        elements += [(part, False, number) for number, part in enumerate(parts)]
    elements.sort(key=lambda each: each[0].middle)
    places: dict[int, list[int]] = {piece: [0] * int(numbers.max() + 1) for piece, numbers in slices.items()}
    for place, (element, _, number) in enumerate(elements):
        if element.piece in slices:
            places[element.piece][number] = place
    return Plan(
        row,
        tuple(each[0] for each in elements),
        tuple(each[1] for each in elements),
        {piece: (places[piece], numbers) for piece, numbers in slices.items()},
        {},
    )


def _numbered(pieces: Pieces, plans: Sequence[Plan]) -> Array:
    """Number the elements of all rows; return of which one each pixel is: (h, w)."""
    table = np.zeros(len(pieces) + 1, np.int32)
    start = 1
    for plan in plans:
        plan.start = start
        for place, element in enumerate(plan.elements):
            if element.piece not in plan.slices:
                table[element.piece + 1] = start + place
        start += len(plan.elements)
    numbers = np.take(table, pieces.labels, mode="clip")
    for plan in plans:
        for piece, (places, parts) in plan.slices.items():
            whole = whole_element(pieces, piece)
            part = numbers[whole.top : whole.bottom, whole.left : whole.right]
            own = np.array([*places, -1], np.int32)[parts]  # -1, outside of the piece, is the last
            part[own >= 0] = own[own >= 0] + plan.start
    return numbers


def _cheapest(plan: Plan, judge: Judge) -> Reading:
    """Return the cheapest chain: dynamic programming from left to right."""
    count = len(plan.elements)
    cost = [0.0] + [float("inf")] * count
    came: list[tuple[int, Candidate | None]] = [(0, None)] * (count + 1)
    ending: dict[int, list[tuple[int, Candidate, float]]] = {}
    for (first, last), candidate in plan.judged.items():
        ending.setdefault(last, []).append((first, candidate, _digit_cost(plan, first, last, candidate, judge)))
    for low, high in plan.uncut.values():
        ending.setdefault(high, []).append((low, *_refused_whole(plan, low, high)))
    for last, element in enumerate(plan.elements):
        options: list[tuple[float, int, Candidate | None]] = [(cost[last] + _left_out_cost(plan, element), last, None)]
        options += [(cost[first] + price, first, candidate) for first, candidate, price in ending.get(last, [])]
        best = min(options, key=lambda option: option[0])
        cost[last + 1], came[last + 1] = best[0], (best[1], best[2])
    digits: list[Candidate] = []
    others: list[Candidate] = []
    place = count
    while place > 0:
        before, taken = came[place]
        if taken is None:
            others.append(plan.judged.get((place - 1, place - 1)) or _unjudged(plan.elements[place - 1 : place]))
        else:
            (others if taken.refused else digits).append(taken)
        place = before
    return Reading(plan.row, tuple(digits[::-1]), tuple(others[::-1]))


def _refused_whole(plan: Plan, low: int, high: int) -> tuple[Candidate, float]:
    """Return a sliced piece as a mark that is no digit, and what that costs."""
    whole = plan.elements[low : high + 1]
    left, _, right, _ = box_of(whole)
    judged = plan.judged.get((low, high)) or _unjudged(whole)
    refused = Candidate(whole, judged.prepared, judged.probabilities, refused=True)
    return refused, LEFT_OUT * max(1.0, (right - left) / (0.75 * max(plan.row.height, 1)))


def _unjudged(elements: tuple[Element, ...]) -> Candidate:
    return Candidate(elements, _NOTHING, np.zeros(0, np.float32))


_NOTHING = np.zeros((28, 28), np.uint8)


def _digit_cost(plan: Plan, first: int, last: int, candidate: Candidate, judge: Judge) -> float:
    best = float(candidate.probabilities[judge.digit_columns].max())
    cost = -float(np.log(max(best, LEAST_LOGARITHM)))
    elements, height = candidate.elements, max(plan.row.height, 1.0)
    for end in (elements[0].before, elements[-1].after):
        if end is not None:
            cost += CUT + CROSSED * end
    right, high, low = elements[0].right, elements[0].top, elements[0].bottom
    joined = 0
    for before, element in itertools.pairwise(elements):
        if element.piece != before.piece:
            gap = max(0, element.left - right, element.top - low, high - element.bottom)
            cost += BRIDGED * gap / height
            joined += 1
        right, high, low = max(right, element.right), min(high, element.top), max(low, element.bottom)
    cost += JOINED * joined**2
    left, top, right, bottom = candidate.box
    tall, wide = (bottom - top) / height, (right - left) / max(bottom - top, height)
    return cost + WIDE * max(0.0, wide - SURELY_ONE) + 4 * max(0.0, 0.65 - tall) + 2 * max(0.0, tall - 1.5)


def _left_out_cost(plan: Plan, element: Element) -> float:
    height = max(plan.row.height, 1.0)
    if not element.whole:
        return 0.3 + LEFT_OUT_SLICE * min(1.0, element.area / (0.12 * height**2))
    if element.height < SMALL * height:
        return LEFT_OUT_SMALL * min(1.0, 0.4 + element.area / (0.06 * height**2))
    return LEFT_OUT * max(1.0, element.width / (0.75 * height))
