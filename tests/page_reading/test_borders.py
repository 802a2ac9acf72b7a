"""Where digits end that touch: the windows the network sees, and what it makes of them."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from glassnet.activations import Array
from glassnet.digits.nondigits import NONE
from glassnet.digits.pen import Pen, draw_digit
from glassnet.reading.borders import (
    COLUMNS,
    COLUMNS_AROUND,
    LABELS,
    ROWS,
    ROWS_AROUND,
    TALL,
    WINDOW,
    Strip,
    borders,
    seen_around,
    weighed,
)
from glassnet.reading.elements import Element
from glassnet.reading.lattice import Plan, is_cut
from glassnet.reading.rows import Row
from glassnet.reading.scores import Judge, judge_of

HEIGHT = 2 * TALL


def strip(*blocks: tuple[int, int]) -> Strip:
    """Return a strip of blocks as high as the row, two pixels a cell, each from a column to another one."""
    strength, numbers = np.zeros((HEIGHT, 100), np.uint8), np.zeros((HEIGHT, 100), np.int32)
    for number, (left, right) in enumerate(blocks, 5):
        strength[:, left:right], numbers[:, left:right] = 200, number
    elements = [Element(left, 0, right, HEIGHT, HEIGHT * (right - left), 0) for left, right in blocks]
    return Strip(strength, numbers, elements, 5, HEIGHT)


def parts(window: Array) -> tuple[Array, Array]:
    """Return the ink of a candidate and that around it."""
    assert (window.shape, window.dtype) == ((WINDOW,), np.dtype(np.uint8))
    own, around = np.split(window, [ROWS * COLUMNS])
    return own.reshape(ROWS, COLUMNS), around.reshape(ROWS_AROUND // 2, COLUMNS_AROUND // 2)


def test_a_window_shows_a_candidate_and_what_is_beside_it() -> None:
    """The middle one of three blocks, 8 cells wide, lies in the middle; 4 cells beside it the others begin."""
    own, around = parts(strip((0, 16), (24, 40), (48, 64)).window(1, 1, (24, 0, 40, HEIGHT)))
    assert own.sum() == 200 * TALL * 8
    assert (own[4 : 4 + TALL, 9:17] == 200).all()
    assert np.flatnonzero(around.any(axis=0)).tolist() == [*range(7, 11), *range(19, 23)]


def test_elements_of_a_candidate_are_put_together() -> None:
    own, around = parts(strip((0, 16), (16, 32)).window(0, 1, (0, 0, 32, HEIGHT)))
    assert own.sum() == 200 * TALL * 16
    assert not around.any()


def test_small_rows_are_not_enlarged() -> None:
    strength, numbers = np.full((7, 4), 200, np.uint8), np.ones((7, 4), np.int32)
    own, _ = parts(Strip(strength, numbers, [Element(0, 0, 4, 7, 28, 0)], 1, 7).window(0, 0, (0, 0, 4, 7)))
    assert own.sum() == 200 * 7 * 4


def test_half_of_a_zero_is_no_digit() -> None:
    """Cut in the middle, a 0 is no digit on either side; between its ends it is one more likely."""
    picture = np.pad(draw_digit(0, Pen(width=0.12), height=56, seed=1), 8)
    left, top, width, height = cv2.boundingRect(picture)
    middle, right, bottom = left + width // 2, left + width, top + height
    numbers = np.ones(picture.shape, np.int32)
    numbers[:, middle:] = 2
    elements = [Element(left, top, middle, bottom, 500, 0), Element(middle, top, right, bottom, 500, 0)]
    both = Strip(picture, numbers, elements, 1, height)
    boxes = ((left, top, right, bottom), (left, top, middle, bottom), (middle, top, right, bottom))
    ranges = ((0, 1), (0, 0), (1, 1))
    windows = [both.window(*found, box) for found, box in zip(ranges, boxes, strict=True)]
    whole, before, after = seen_around(np.array(windows))[:, :10].sum(axis=1).tolist()
    assert whole > 5 * max(before, after)


def test_the_answers_are_probabilities() -> None:
    assert borders().labels == LABELS
    answers = seen_around(np.zeros((3, WINDOW), np.uint8))
    assert answers.shape == (3, len(LABELS))
    assert answers.sum(axis=1) == pytest.approx(1)
    assert seen_around(np.zeros((0, WINDOW), np.uint8)).shape == (0, len(LABELS))


def of_labels(labels: Sequence[str | int], **likely: float) -> Array:
    """Return probabilities of labels, those named by keyword (``d7`` for 7) as given, the others sharing the rest."""
    given = {name.removeprefix("d"): value for name, value in likely.items()}
    rest = (1 - sum(given.values())) / (len(labels) - len(given))
    return np.array([[given.get(str(label), rest) for label in labels]], np.float32)


def test_a_digit_that_both_see_is_surer_than_a_part_that_looks_like_one() -> None:
    judge = judge_of(None)
    own = of_labels(judge.labels, d7=0.99)
    whole, part = (of_labels(LABELS, **{name: 0.99}) for name in ("d7", "part"))
    for cut in (True, False):
        likely, unlikely = (weighed(own, seen, np.array([cut]), judge)[0] for seen in (whole, part))
        assert likely.sum() == pytest.approx(1)
        assert judge.labels[int(likely.argmax())] == judge.labels[int(unlikely[judge.digit_columns].argmax())] == 7
        assert likely[judge.none_column] < 0.01 < unlikely[judge.none_column]


def test_labels_the_borders_do_not_know_keep_their_order() -> None:
    """A network of words for digits: what is seen around says only whether one stands there."""
    judge = Judge(judge_of(None).network, ("one", "two", NONE))
    answer = weighed(np.array([[0.2, 0.7, 0.1]], np.float32), of_labels(LABELS, d3=0.9), np.array([True]), judge)[0]
    assert answer[1] > answer[0] > answer[2]


def test_a_network_without_none_stays_as_it_is() -> None:
    judge = Judge(judge_of(None).network, ("one", "two"))
    own = np.array([[0.2, 0.8]], np.float32)
    assert weighed(own, of_labels(LABELS, part=0.9), np.array([True]), judge) is own


def test_a_piece_that_could_be_cut_may_be_whole_however_many_slices_it_has() -> None:
    def plan(wide: int) -> Plan:
        """Return a piece as high as the row, in 20 slices."""
        edges = np.linspace(0, wide, 21).astype(int).tolist()
        costs = [None, *[0.1] * 19, None]
        slices = tuple(
            Element(left, 0, right, 40, 100, 0, before, after)
            for left, right, before, after in zip(edges, edges[1:], costs, costs[1:], strict=False)
        )
        return Plan(Row([0], 40.0, 0, 40), slices, (False,) * 20, {0: ([*range(20)], np.zeros((40, wide)))}, {})

    assert plan(60).ranges().count((0, 19)) == 1
    assert (0, 19) not in plan(200).ranges()
    slices = plan(60).elements
    assert not is_cut(slices)
    assert is_cut(slices[1:])
    assert is_cut(slices[:-1])
