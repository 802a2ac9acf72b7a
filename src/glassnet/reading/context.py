"""What the neighbours say: a word is no number, although its l and o look like digits.

The network sees one mark at a time. Here whole groups are judged: marks side by side most of which are no digits, a
zigzag that was cut into ones, a page of print.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from glassnet.reading.lattice import Candidate, Reading, is_cut
from glassnet.reading.scores import Judge

WORD_GAP = 0.6  # of a row's height: marks nearer than this are one group
# How much speaks for a piece of ink having rightly been cut into digits: so many times the mean logarithm of their
# probabilities, and of that of marks, as seen around; so many times the logarithm of how many other clear digits the
# page has, and one, and of how many marks that are no digits, and one; and how far the row's height is off that of most
# digits. Fitted to pieces on pages of training digits and real pictures, as is what it must reach.
DIGITS, MARKS, CLEAR_ONES, ODD_ONES, HEIGHT = 1.97, -0.69, 0.93, -1.81, -2.86
RIGHTLY_CUT, CLEAR = 2.25, 0.9
LEAST = 1e-4  # probability
WORD = 2.4  # how sure digits must be, in logarithms of odds, were all marks beside them none
# How much speaks for what is read in a row being digits: so many times the mean logarithms of their odds, of the odds
# of their being marks as seen around, and of how likely they are none as seen by themselves; and of how many marks the
# page has that are no digits, and one: print and photographs have many. Fitted to rows of the same pages, as is what it
# must reach.
SURE, MARKED, NONES, REFUSED = 1.32, -0.34, -0.35, -1.2
LIKELY_ROW, SUREST = 3.13, 7.0
LEAST_PROBABILITY = 0.5  # of a digit that is read
LIKELY_NONE = 0.56  # probability
TEXT_SHARE = 0.5  # of a page's marks that are refused: then it is print, with chance digits
TEXT_MARKS = 24
UNLIKE_DIGITS = 9.0  # logarithms: of the odds of many digits, and of how unlikely they are none by themselves
SURE_IN_TEXT = 0.97


def believed(readings: Sequence[Reading], judge: Judge) -> list[Reading]:
    """Return the readings, with digits refused that stand among marks which are none."""
    checked = _without_hatching(readings, judge)
    checked = [_without_words(reading, judge) for reading in checked]
    if judge.none_column is not None:
        checked = _without_unlikely_rows(checked, judge)
    none = sum(_none(digit, judge) > LIKELY_NONE for reading in checked for digit in reading.digits)
    digits = sum(len(reading.digits) for reading in checked) - none
    others = sum(len(_large(reading)) for reading in checked) + none
    if digits + others >= TEXT_MARKS and (others > TEXT_SHARE * (digits + others) or _like_text(checked, judge)):
        checked = [_only_sure(reading, judge) for reading in checked]
    return checked


def _like_text(readings: Sequence[Reading], judge: Judge) -> bool:
    """Return whether a page's many digits are together so unsure that they are letters, of an alphabet like digits."""
    digits = [digit for reading in readings for digit in _likely(reading, judge)]
    if judge.none_column is None or len(digits) < TEXT_MARKS:
        return False
    none = np.array([digit.none for digit in digits])
    return _surely(digits, judge) - float(np.log(none + LEAST).mean()) < UNLIKE_DIGITS


@dataclass(frozen=True)
class Tally:
    """What came of a page: how many digits, how sure they are together, in logarithms of odds; how many large marks."""

    digits: int
    sure: float
    refused: int


def tally_of(readings: Sequence[Reading], judge: Judge) -> Tally:
    """Return what came of a page."""
    digits = [digit for reading in readings for digit in _likely(reading, judge)]
    return Tally(len(digits), _surely(digits, judge) * len(digits) if digits else 0.0, _refused(readings))


def _refuse(reading: Reading, refused: Sequence[Candidate]) -> Reading:
    if not refused:
        return reading
    kept = tuple(candidate for candidate in reading.digits if candidate not in refused)
    return Reading(reading.row, kept, (*reading.others, *refused))


def _without_hatching(readings: Sequence[Reading], judge: Judge) -> list[Reading]:
    """Refuse the digits of pieces that were hardly cut rightly: zigzags and letters that look like digits in a row."""
    clear = sum(_best(digit, judge) > CLEAR for reading in readings for digit in reading.digits)
    usual, odd = _usual_height(readings), _refused(readings)
    return [_refuse(reading, _hatching(reading, usual, clear, odd, judge)) for reading in readings]


def _hatching(reading: Reading, usual: float, clear: int, odd: int, judge: Judge) -> list[Candidate]:
    """Return the digits of a row to refuse.

    usual: the height of digits on the page; clear: of how many it is sure; odd: how many marks it has that are none.
    """
    off = abs(float(np.log(reading.row.height / usual)))
    refused: list[Candidate] = []
    pieces: dict[int, list[Candidate]] = {}
    for candidate in reading.digits:
        if not is_cut(candidate.elements):
            continue
        for piece in {element.piece for element in candidate.elements if not element.whole}:
            pieces.setdefault(piece, []).append(candidate)
    for digits in pieces.values():
        own = np.array([_best(digit, judge) for digit in digits])
        mark = np.array([digit.mark for digit in digits])
        others = clear - np.count_nonzero(own > CLEAR)
        speaks = DIGITS * np.log(np.maximum(own, LEAST)).mean() + MARKS * np.log(np.maximum(mark, LEAST)).mean()
        speaks += CLEAR_ONES * np.log1p(others) + ODD_ONES * np.log1p(odd) + HEIGHT * off
        if speaks < RIGHTLY_CUT:
            refused += [digit for digit in digits if digit not in refused]
    return refused


def _best(digit: Candidate, judge: Judge) -> float:
    """Return the probability of the digit that is likeliest."""
    return float(digit.probabilities[judge.digit_columns].max())


def _usual_height(readings: Sequence[Reading]) -> float:
    """Return the height of most digits; 1 where there are none."""
    heights = [reading.row.height for reading in readings for _ in reading.digits]
    return float(np.median(heights)) if heights else 1.0


def _refused(readings: Sequence[Reading]) -> int:
    """Return how many marks of a page are no digits."""
    return sum(len(_large(reading)) for reading in readings)


def _large(reading: Reading) -> list[Candidate]:
    """Return the marks that are no digits and as high as digits; the slices of a piece are one."""
    pieces: dict[int, Candidate] = {}
    for other in reading.others:
        before = pieces.get(other.elements[0].piece)
        whole = other if before is None else replace(before, elements=(*before.elements, *other.elements))
        pieces[other.elements[0].piece] = whole
    return [mark for mark in pieces.values() if mark.box[3] - mark.box[1] >= 0.5 * reading.row.height]


def _without_words(reading: Reading, judge: Judge) -> Reading:
    """Refuse the digits in groups in which as many marks are none, or some, and the digits are not sure of it."""
    others = _large(reading)
    none = [digit for digit in reading.digits if _none(digit, judge) > LIKELY_NONE]
    marks = sorted(
        [(digit, digit not in none) for digit in reading.digits] + [(other, False) for other in others],
        key=lambda mark: mark[0].box[0],
    )
    refused: list[Candidate] = []
    group: list[tuple[Candidate, bool]] = []
    right = 0
    for mark in [*marks, None]:
        if mark is None or (group and mark[0].box[0] - right > WORD_GAP * reading.row.height):
            good = [candidate for candidate, is_digit in group if is_digit]
            odd = 1 - len(good) / max(len(group), 1)
            if good and ((len(group) >= 3 and odd >= 0.5) or (odd > 0 and _surely(good, judge) < WORD * odd)):
                refused += good
            group = []
        if mark is not None:
            right = max(right, mark[0].box[2]) if group else mark[0].box[2]
            group.append(mark)
    return _refuse(reading, refused)


def _without_unlikely_rows(readings: Sequence[Reading], judge: Judge) -> list[Reading]:
    """Refuse the digits of rows that are little like rows of digits: of words, of a drawing's strokes."""
    refused = _refused(readings)
    return [
        _refuse(reading, reading.digits) if _belief(reading, refused, judge) < LIKELY_ROW else reading
        for reading in readings
    ]


def _belief(reading: Reading, refused: int, judge: Judge) -> float:
    """Return how much speaks for a row being one of digits. refused: how many marks its page has that are none."""
    digits = _likely(reading, judge)
    if not digits:
        return float("inf")
    mark, none = (np.array(each) for each in zip(*((digit.mark, digit.none) for digit in digits), strict=True))
    odds = float(np.log((mark + LEAST) / (1 - mark + LEAST)).mean())
    marks = MARKED * odds + NONES * np.log(none + LEAST).mean() + REFUSED * np.log1p(refused)
    return float(SURE * _surely(digits, judge) + marks)


def _likely(reading: Reading, judge: Judge) -> list[Candidate]:
    """Return the digits that are read."""
    return [digit for digit in reading.digits if _best(digit, judge) >= LEAST_PROBABILITY]


def _surely(digits: Sequence[Candidate], judge: Judge) -> float:
    """Return how sure digits are on average: the logarithm of the odds."""
    best = np.array([_best(digit, judge) for digit in digits])
    return float(np.minimum(np.log(np.maximum(best, LEAST) / np.maximum(1 - best, LEAST)), SUREST).mean())


def _none(candidate: Candidate, judge: Judge) -> float:
    if judge.none_column is None or not len(candidate.probabilities):
        return 0.0
    return float(candidate.probabilities[judge.none_column])


def _only_sure(reading: Reading, judge: Judge) -> Reading:
    """Refuse what is not very surely a digit, and what stands alone."""
    unsure = [digit for digit in reading.digits if _best(digit, judge) < SURE_IN_TEXT]
    kept = [digit for digit in reading.digits if digit not in unsure]
    if len(kept) < 0.6 * (len(reading.digits) + len(_large(reading))):
        return _refuse(reading, reading.digits)
    return _refuse(reading, unsure)
