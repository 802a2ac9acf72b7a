"""What the neighbours say of a digit: words and drawings beside numbers are refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from glassnet.reading.context import believed
from glassnet.reading.elements import Element
from glassnet.reading.lattice import Candidate, Reading
from glassnet.reading.rows import Row
from glassnet.reading.scores import Judge, judge_of


@pytest.fixture(scope="module")
def judge() -> Judge:
    return judge_of(None)


def row(judge: Judge, probabilities: list[float], *, top: int = 0, mark: float = 0.003, none: float = 0.0) -> Reading:
    """Return a row of whole digits side by side, each that likely a 3, each that likely a mark and none."""
    found, height = [], 40
    for number, probability in enumerate(probabilities):
        answer = np.full(11, (1 - probability) / 10, np.float32)
        answer[judge.digit_columns[3]] = probability
        left = 20 + number * height
        element = Element(left, top, left + height // 2, top + height, height**2 // 4, number)
        found.append(Candidate((element,), np.zeros((28, 28), np.uint8), answer, mark, none))
    return Reading(Row(list(range(len(found))), float(height), top, top + height), tuple(found), ())


def test_rows_of_digits_are_believed(judge: Judge) -> None:
    readings = [row(judge, [0.99, 0.98, 0.7]), row(judge, [0.8], top=100)]
    assert [len(reading.digits) for reading in believed(readings, judge)] == [3, 1]


def test_a_word_whose_letters_pass_for_digits_is_refused(judge: Judge) -> None:
    word = row(judge, [0.8, 0.7, 0.9], top=100, mark=0.4, none=0.3)
    numbers, refused = believed([row(judge, [0.99] * 6), word], judge)
    assert len(numbers.digits) == 6
    assert refused.digits == ()
    assert refused.others == word.digits


def test_a_sign_that_was_cut_is_one_mark(judge: Judge) -> None:
    """A digit beside an x in four slices stands beside one letter, not beside a word, in whichever order they come."""

    def beside_slices(probability: float, pieces: tuple[int, ...]) -> int:
        nine = row(judge, [probability])
        slices = [
            replace(
                candidate,
                elements=(replace(candidate.elements[0], left=50 + 9 * at, right=59 + 9 * at, piece=pieces[at]),),
            )
            for at, candidate in enumerate(row(judge, [0.3] * 4).digits)
        ]
        orders = (tuple(slices), tuple(slices[::-1]))
        kept = [len(believed([Reading(nine.row, nine.digits, order)], judge)[0].digits) for order in orders]
        assert kept[0] == kept[1]
        return kept[0]

    assert beside_slices(0.99, (1, 1, 1, 1)) == 1
    assert beside_slices(0.7, (1, 1, 1, 1)) == 0
    assert beside_slices(0.99, (1, 2, 3, 4)) == 0


def test_a_row_is_judged_by_what_else_the_page_holds(judge: Judge) -> None:
    unsure = row(judge, [0.85, 0.85], mark=0.15, none=0.001)
    letters = [replace(row(judge, [0.5] * 5, top=100 * at), digits=()) for at in (1, 2, 3)]
    alone = believed([unsure, row(judge, [0.9], top=100)], judge)[0]
    assert len(alone.digits) == 2
    others = [replace(each, others=row(judge, [0.5] * 7, top=int(each.row.top)).digits) for each in letters]
    assert len(believed([unsure, *others], judge)[0].digits) == 0


def test_unsure_digits_beside_a_letter_are_refused(judge: Judge) -> None:
    def beside_a_letter(probability: float) -> int:
        numbers, letter = row(judge, [probability] * 2), row(judge, [0.5, 0.5, 0.5])
        both = Reading(numbers.row, numbers.digits, (letter.digits[2],))
        return len(believed([both, row(judge, [0.99] * 5, top=100)], judge)[0].digits)

    assert beside_a_letter(0.98) == 2
    assert beside_a_letter(0.6) == 0


def test_letters_of_an_alphabet_like_digits_are_refused(judge: Judge) -> None:
    """Each might be a digit; so many that are so unsure are none."""

    def kept(none: float) -> int:
        lines = [row(judge, [0.9] * 8, top=100 * at, none=none) for at in range(4)]
        return sum(len(reading.digits) for reading in believed(lines, judge))

    assert kept(0.0001) == 32
    assert kept(0.1) == 0
