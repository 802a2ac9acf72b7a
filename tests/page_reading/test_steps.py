"""Single steps from a picture to rows: what is ink, what is a line, how high digits are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from glassnet.reading.canvas import smaller
from glassnet.reading.connected import connected
from glassnet.reading.inking import NOISY, Ink, inked, survey
from glassnet.reading.pieces import Pieces, mended, pieces_of
from glassnet.reading.remains import at_edges, parted, remains, ticks
from glassnet.reading.rows import rows_of, usual_height
from glassnet.reading.rules import Rule, roughly, rules_of
from glassnet.reading.traced import traced

Array = npt.NDArray[Any]


def pieces_at(boxes: Sequence[tuple[int, int, int, int]], shape: tuple[int, int] = (400, 600)) -> Pieces:
    """Return filled pieces at left, top, width and height."""
    labels = np.zeros(shape, np.int32)
    for number, (left, top, width, height) in enumerate(boxes, 1):
        labels[top : top + height, left : left + width] = number
    left, top, width, height = np.array(boxes).T
    return Pieces(labels, left, top, width, height, width * height)


def printed(y: float, first: int = 0, last: int = 600, thick: float = 5.0, upright: bool = False) -> Rule:
    """Return a straight line."""
    return Rule(np.array([0.0, y]), first, last, thick, 80.0, ((first, last),), upright)


def drawn(shape: tuple[int, int], lines: Sequence[Array], thick: int = 4) -> Ink:
    """Return the ink of lines through points (n, 2)."""
    strength = np.zeros(shape, np.uint8)
    for points in lines:
        cv2.polylines(strength, [np.rint(points).astype(np.int32)], False, 255, thick)
    return Ink(strength, 2.0, 5.0)


# --- ink ---


def test_strong_edges_of_shadows_do_not_outweigh_faint_strokes() -> None:
    """A bright wedge between two shadows is wider than strokes, whose steps are a third of the shadows'."""
    picture = np.full((400, 480), 232.0)
    for x in range(60, 440, 40):
        cv2.circle(picture, (x, 200), 14, 196, 4)
    rows, columns = np.mgrid[:400, :480]
    picture[np.abs(columns - 240) > 40 + rows / 4] *= 0.45
    picture += np.random.default_rng(0).normal(0, 1.5, picture.shape)
    found = survey(cv2.merge([np.clip(picture, 0, 255).astype(np.uint8)] * 3))
    assert not found.light
    assert found.stroke < 10


def in_shadow(shaded: Array, light: float, rings: int, stroke: int, ink: int) -> Array:
    """Return a picture (400, 480, 3) of rings in a row, drawn with a pen so wide and dark, some of it shaded."""
    picture = np.full((400, 480), 225.0)
    for x in range(60, 60 + 40 * rings, 40):
        cv2.circle(picture, (x, 50), 14, ink, stroke)
    picture[shaded] *= light
    picture = cv2.GaussianBlur(picture, (0, 0), 1) + np.random.default_rng(0).normal(0, 1.5, picture.shape)
    return cv2.merge([np.clip(picture, 0, 255).astype(np.uint8)] * 3)


def test_thin_strokes_beside_large_shadows_are_thin() -> None:
    rows, columns = np.mgrid[:400, :480]
    spikes = [(rows > 100) & (np.abs(columns - middle) < (rows - 100) / 4) for middle in (80, 240, 400)]
    found = survey(in_shadow(np.any(spikes, axis=0), 0.6, rings=5, stroke=2, ink=180))
    assert not found.light
    assert found.stroke < 10


def test_a_page_mostly_in_shadow_is_no_board() -> None:
    rows, columns = np.mgrid[:400, :480]
    assert not survey(in_shadow(rows > 90 + columns / 6, 0.35, rings=9, stroke=5, ink=80)).light


def test_noise_is_smoothed() -> None:
    generator = np.random.default_rng(0)
    paper = np.full((300, 400), 180.0)
    for x in range(40, 380, 40):
        cv2.circle(paper, (x, 150), 14, 150, 5)
    found = survey(cv2.merge([paper.astype(np.uint8)] * 3))
    noisy = np.clip(paper + generator.normal(0, 9, paper.shape), 0, 255).astype(np.uint8)
    assert inked(cv2.merge([noisy] * 3), found).noise < NOISY


# --- connected parts ---


@pytest.mark.parametrize("connectivity", [4, 8])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.4, 1.0])
def test_parts_are_those_of_opencv(connectivity: int, share: float) -> None:
    mask = (np.random.default_rng(3).random((70, 90)) < share).astype(np.uint8)
    parts = connected(mask, connectivity)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=connectivity)
    assert len(parts) == count
    assert np.array_equal(parts.labels, labels)
    of_each = np.stack([parts.left, parts.top, parts.width, parts.height, parts.area], axis=1)
    assert np.array_equal(of_each[1:], stats[1:])
    chosen = np.arange(count) % 2 == 1
    assert np.array_equal(parts.marked(chosen), chosen[labels])


def test_smaller_pictures_are_averages() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (801, 1203, 3), dtype=np.uint8)
    small = smaller(cv2.GaussianBlur(picture, (0, 0), 9), 0.2)
    assert small.shape == (160, 241, 3)
    exact = cv2.resize(cv2.GaussianBlur(picture, (0, 0), 9), (241, 160), interpolation=cv2.INTER_AREA)
    assert cv2.absdiff(small, exact).max() <= 3
    assert smaller(picture, 1.0) is picture


# --- lines ---


def test_a_one_on_a_printed_line_is_no_tick() -> None:
    """Two of one height, as straight as ticks, but with a pen thicker than the line."""
    pen, line = [(100, 160, 7, 40), (300, 161, 7, 39)], [(60, 170, 3, 28), (260, 170, 3, 28), (460, 171, 3, 27)]
    assert ticks(pieces_at([*pen, *line]), [printed(200)]).tolist() == [False, False, True, True, True]


@pytest.mark.parametrize(("lean", "count"), [(0.0, 9), (0.1, 9), (0.2, 0)])
def test_uprights_may_lean_as_seen_from_near_by(lean: float, count: int) -> None:
    fan = [np.array([[x, 0], [x + 400 * lean, 399]]) for x in range(40, 560, 60)]
    level = [np.array([[0, y], [599, y]]) for y in range(10, 400, 60)]
    digits = [np.array([[x, 20], [x + 14, 20], [x, 50]]) for x in range(60, 560, 60)]
    rules = rules_of(drawn((400, 600), [*fan, *level, *digits], thick=3))
    assert sum(rule.upright for rule in rules) == count


def test_leaning_strokes_on_a_line_are_no_ticks() -> None:
    line = np.array([[0, 200], [599, 200]])
    strokes = [np.array([[x, 160], [x - 4, 198]]) for x in range(60, 560, 60)]
    assert [rule.upright for rule in rules_of(drawn((400, 600), [line, *strokes], thick=3))] == [False]


def test_what_a_pen_wrote_in_line_with_weak_lines_is_none() -> None:
    grid = drawn((400, 600), [np.array([[0, y], [599, y]]) for y in range(30, 400, 40)], thick=3)
    grid.strength[grid.strength > 0] = 60
    for x in (200, 250, 300, 350):  # the bars of sevens
        cv2.line(grid.strength, (x, 170), (x + 45, 170), 220, 4)
    assert sorted(round(float(rule.at(np.array(300)))) for rule in rules_of(grid)) == [*range(30, 400, 40)]


def test_ticks_as_thick_as_their_line_are_many() -> None:
    boxes = [(60 + 80 * number, 166, 5, 32) for number in range(6)]
    assert ticks(pieces_at(boxes), [printed(200)]).all()
    assert not ticks(pieces_at(boxes[:3]), [printed(200)]).any()


def test_what_meets_on_a_line_is_parted() -> None:
    pieces = parted(pieces_at([(50, 100, 30, 80), (200, 120, 30, 40)]), [printed(140)], 40.0)
    assert np.transpose([pieces.left, pieces.top, pieces.width, pieces.height]).tolist() == [
        [50, 100, 30, 41],
        [200, 120, 30, 40],
        [50, 141, 30, 39],
    ]
    assert pieces.area.tolist() == np.bincount(pieces.labels.ravel())[1:].tolist()


def test_what_is_left_of_a_line() -> None:
    pieces = pieces_at([(50, 197, 60, 4), (200, 180, 25, 40), (300, 60, 30, 40)])
    faint = np.where(pieces.labels > 0, 90, 0).astype(np.uint8)
    assert remains(pieces, [printed(199)], faint).tolist() == [True, False, False]
    everywhere = [printed(y) for y in range(4, 400, 10)]
    assert not remains(pieces, everywhere, faint).any()


def test_what_a_pen_wrote_along_a_line_is_not_left_of_it() -> None:
    pieces = pieces_at([(197, 50, 10, 60), (197, 150, 10, 60), (197, 250, 5, 60)])
    strength = np.where(pieces.labels == 2, 90, 240).astype(np.uint8)
    assert remains(pieces, [printed(200, upright=True)], strength).tolist() == [False, True, True]


def test_bent_lines_are_traced() -> None:
    x = np.arange(20, 580)
    wave = np.stack([x, 150 + 8 * np.sin(x / 60)], axis=1)
    digits = [np.array([[left, 250], [left + 20, 270], [left, 290]]) for left in range(60, 540, 60)]
    [line] = traced(drawn((400, 600), [wave, *digits]))
    assert not line.upright
    assert (line.first, line.last) == pytest.approx((20, 580), abs=6)
    assert np.abs(line.at(x[10:-10]) - wave[10:-10, 1]).max() < 2.5


def test_long_strokes_of_a_drawing_are_no_lines() -> None:
    """Two long strokes across a blot that is most of the drawing."""
    ink = drawn((400, 600), [np.array([[20, 200], [580, 204]]), np.array([[20, 230], [580, 240]])])
    assert len(traced(ink)) == 2
    cv2.circle(ink.strength, (300, 220), 100, 255, -1)
    assert traced(ink) == []


def test_the_height_of_digits_is_not_that_of_squares() -> None:
    lines = [np.array([[0, y], [599, y]]) for y in range(10, 400, 40)]
    lines += [np.array([[x, 0], [x, 399]]) for x in range(10, 600, 40)]
    digits = [np.array([[left, 18], [left + 14, 30], [left, 42]]) for left in range(22, 560, 40)]
    assert roughly(drawn((400, 600), [*lines, *digits], thick=2)).usual_height() < 40
    assert roughly(drawn((400, 600), [np.array([[200, 80], [420, 80], [240, 380]])], 20)).usual_height() > 250


def test_the_height_of_digits_is_not_that_of_specks_or_of_lines_that_hang_together() -> None:
    digits = [np.array([[left, 150], [left + 25, 180], [left, 210]]) for left in range(80, 540, 60)]
    ink = drawn((400, 600), digits)
    for x in range(5, 600, 12):
        ink.strength[5:395:9, x : x + 2] = 255
    assert 40 < roughly(ink).usual_height() < 90
    # A margin joins the lines of a page, which end short of one another.
    comb = [np.array([[30 - y // 20, y], [590 - y // 20, y]]) for y in range(30, 400, 45)]
    assert roughly(drawn((400, 600), [*comb, *digits, np.array([[60, 2], [60, 398]])])).usual_height() < 120


def test_a_lone_upright_stroke_is_no_line() -> None:
    """A 1 of a thin pen is as long as many strokes are wide."""
    digits = [np.array([[left, 100], [left + 40, 160], [left, 220]]) for left in (60, 180, 420)]
    ones = [np.array([[330, 100], [330, 222]])]
    assert rules_of(drawn((320, 600), [*digits, *ones], thick=3)) == []


# --- rows ---


def test_specks_are_no_digits_however_many() -> None:
    specks = [(x, y, 4, 4) for x in range(5, 595, 20) for y in (5, 15, 385, 395)]
    digits = [(20 + 60 * number, 150, 30, 60) for number in range(8)]
    assert usual_height(pieces_at([*specks, *digits])) == 60
    assert usual_height(pieces_at(digits)) == 60


def test_a_strip_of_table_lies_along_the_edge() -> None:
    inside = np.full((400, 600), 255, np.uint8)
    boxes = [(0, 60, 12, 40), *((100 + 90 * number, 150, 30, 40) for number in range(4))]
    assert at_edges(pieces_at(boxes), inside).tolist() == [True, False, False, False, False]


def test_strokes_of_a_broken_digit_are_one_piece() -> None:
    digits = [(20 + 60 * number, 50, 30, 60) for number in range(6)]
    broken, apart = [(100, 200, 30, 25), (95, 232, 30, 28)], [(300, 200, 20, 20), (300, 260, 20, 20)]
    pieces = mended(pieces_at([*digits, *broken, *apart]), 60.0)
    assert np.transpose([pieces.left, pieces.top, pieces.width, pieces.height]).tolist() == [
        *([left, top, wide, high] for left, top, wide, high in digits),
        [95, 200, 35, 60],
        *([left, top, wide, high] for left, top, wide, high in apart),
    ]
    assert pieces.area.tolist() == np.bincount(pieces.labels.ravel())[1:].tolist()


def test_a_digit_that_lies_makes_a_row() -> None:
    digits = [(20 + 60 * number, 50, 30, 60) for number in range(6)]
    rows = rows_of(pieces_at([*digits, (100, 200, 60, 27), (100, 300, 30, 12)]), 60.0)
    assert [(row.members, row.height) for row in rows] == [([0, 1, 2, 3, 4, 5], 60.0), ([6], 27.0)]


def test_pieces_of_an_empty_page() -> None:
    pieces = pieces_of(drawn((40, 60), []))
    assert len(pieces) == 0
    assert not remains(pieces, [printed(20)], pieces.labels.astype(np.uint8)).any()
    assert len(mended(pieces, 0.0)) == 0
    assert len(parted(pieces, [printed(20)], 0.0)) == 0
