"""Made pages: the same numbers make the same page, and what is said to stand on it does."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from glassnet.digits import pages
from glassnet.digits.pages import KINDS, SINGLES, Box, MadePage, PageStyle, SingleStyle, make_page, make_single
from glassnet.digits.pages.camera import BELOW, LIGHTS, SHOTS, compressed
from glassnet.digits.pages.ink import Digits, Hand, cut, glyph, thinned, with_pen
from glassnet.digits.pages.layout import LAYOUTS
from glassnet.digits.pages.marks import ASIDE, SEPARATORS, aside, separator, stain
from glassnet.digits.pages.paper import NIBS, PAPERS, PRINTS, noise
from glassnet.digits.pages.truth import Ink
from glassnet.digits.pages.writing import Baseline, Writer
from glassnet.digits.pen import Pen, draw_digit
from glassnet.digits.picture import Array
from glassnet.errors import OptionError, ShapeError

SMALL = {"sides": (420, 600), "heights": (36.0, 52.0)}


def random(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def small(kind: str, **changes: object) -> PageStyle:
    return replace(KINDS[kind], **{**SMALL, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def mnist_like() -> tuple[Array, Array]:
    """Digits as MNIST has them, of the project's own pen."""
    pictures, labels = np.zeros((40, 28, 28), np.uint8), np.arange(40, dtype=np.uint8) % 10
    for row, label in enumerate(labels):
        ink = draw_digit(int(label), Pen(0.14), height=80, seed=row)
        factor = 20 / max(ink.shape)
        size = (max(1, round(ink.shape[1] * factor)), max(1, round(ink.shape[0] * factor)))
        placed = cv2.resize(ink, size, interpolation=cv2.INTER_AREA)
        top, left = (28 - size[1]) // 2, (28 - size[0]) // 2
        pictures[row, top : top + size[1], left : left + size[0]] = placed
    return pictures, labels


def darkness(page: MadePage, box: Box) -> tuple[float, float]:
    """Return how far the box's most different pixels, and those around it, are from the paper around it."""
    grey = cv2.cvtColor(page.picture, cv2.COLOR_RGB2GRAY).astype(float)
    left, top, width, height = box
    inside = grey[top : top + height, left : left + width]
    around = grey[max(0, top - 6) : top + height + 6, max(0, left - 6) : left + width + 6]
    paper = np.median(np.concatenate([around[:3].ravel(), around[-3:].ravel()]))
    return float(np.quantile(np.abs(inside - paper), 0.95)), float(np.median(np.abs(around[:3] - paper)))


# --- pages ------------------------------------------------------------------------------------------------------------


def test_public_names_exist() -> None:
    assert set(pages.__all__) >= {"KINDS", "MadePage", "PageTruth", "make_page", "make_single", "SINGLES"}
    assert all(hasattr(pages, name) for name in pages.__all__)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_makes_a_page_whose_truth_lies_in_the_picture(kind: str, mnist_like: tuple[Array, Array]) -> None:
    page = make_page(kind, random(1), *mnist_like)
    height, width, channels = page.picture.shape
    assert page.picture.dtype == np.uint8
    assert channels == 3
    assert min(height, width) >= 300
    assert page.kind == kind
    assert page.truth.digits
    for box in [digit.box for digit in page.truth.digits] + [mark.box for mark in page.truth.marks]:
        assert box.left >= 0
        assert box.top >= 0
        assert box.width > 0
        assert box.height > 0
        assert box.left + box.width <= width
        assert box.top + box.height <= height
    assert page.truth.text.replace("\n", "") == "".join(str(digit.label) for digit in page.truth.digits)
    assert len(page.truth.text.splitlines()) == len(page.truth.lines)


@pytest.mark.parametrize("kind", ["plain", "phone", "boxed", "touching"])
def test_the_same_numbers_make_the_same_page(kind: str, mnist_like: tuple[Array, Array]) -> None:
    first, second = (make_page(small(kind), random(3, 4), *mnist_like) for _ in range(2))
    assert np.array_equal(first.picture, second.picture)
    assert first.truth == second.truth
    other = make_page(small(kind), random(3, 5), *mnist_like)
    assert other.truth != first.truth


def test_the_projects_own_pen_writes_where_no_digits_are_given() -> None:
    page = make_page(small("plain"), random(2))
    assert page.kind == ""
    assert {digit.label for digit in page.truth.digits} <= set(range(10))


@pytest.mark.parametrize("kind", ["plain", "coloured", "light_on_dark", "thin"])
def test_boxes_hold_ink(kind: str, mnist_like: tuple[Array, Array]) -> None:
    style = small(kind, lights=("even",), shots=("scan",), marked=0.0)
    for seed in range(3):
        page = make_page(style, random(seed, 10), *mnist_like)
        for digit in page.truth.digits:
            ink, paper = darkness(page, digit.box)
            assert ink > 25 + paper, digit


def test_boxes_follow_the_page_as_it_is_seen(mnist_like: tuple[Array, Array]) -> None:
    """A strong perspective, and the boxes are still those of the ink: nothing dark lies outside of them."""
    style = small("phone", papers=("white",), nibs=("felt",), prints=("nothing",), lights=("even",), marked=0.0)
    page = make_page(style, random(8), *mnist_like)
    grey = cv2.cvtColor(page.picture, cv2.COLOR_RGB2GRAY)
    boxes = np.array([digit.box for digit in page.truth.digits])
    x, y, width, height = boxes.T
    corners = np.concatenate([np.stack([x + i * width, y + j * height], 1) for i in (0, 1) for j in (0, 1)])
    writing = cv2.fillConvexPoly(np.zeros_like(grey), cv2.convexHull(corners), 1) > 0  # the table lies outside of it
    paper = np.median(grey[writing])
    outside = np.ones_like(grey, bool)
    for left, top, wide, high in boxes:
        outside[max(0, top - 4) : top + high + 4, max(0, left - 4) : left + wide + 4] = False
    assert not (outside & writing & (grey < 0.6 * paper)).any()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_lines_and_digits_are_in_reading_order(layout: str, mnist_like: tuple[Array, Array]) -> None:
    for seed in range(3):
        style = small("plain", layouts=(layout,), shots=("file",), marked=0.0)
        page = make_page(style, random(seed, 20), *mnist_like)
        middles = []
        for line in page.truth.lines:
            lefts = [digit.box.left for digit in line.digits]
            assert lefts == sorted(lefts)
            middles.append(np.mean([digit.box.top + digit.box.height / 2 for digit in line.digits]))
        assert middles == sorted(middles)
        for above, below in itertools.pairwise(page.truth.lines):  # lines can be told apart by height alone
            assert np.mean([d.box.top for d in below.digits]) > np.mean([d.box.top for d in above.digits]) + 15


# --- touching ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("stroke", [None, 0.08])
def test_digits_touch_as_often_as_wanted(rate: float, stroke: float | None, mnist_like: tuple[Array, Array]) -> None:
    hand = Hand(height=60.0, stroke=stroke, touching=rate)
    writer = Writer(Digits(*mnist_like), hand, random(5))
    written = [writer.number(10, 0, Baseline(100)) for _ in range(30)]
    touches = [digit.touches for number in written for digit in number[1:]]
    assert abs(np.mean(touches) - rate) <= 0.08
    for number in written:
        assert not number[0].touches
        for before, digit in itertools.pairwise(number):
            assert _overlap(before.ink, digit.ink) == digit.touches


def _overlap(one: Ink, other: Ink) -> bool:
    canvas = np.zeros((300, 2000), np.uint8)
    for ink in (one, other):
        left, top, width, height = ink.box
        canvas[top + 50 : top + 50 + height, left + 50 : left + 50 + width] += ink.cover > 127
    return bool((canvas == 2).any())


# --- marks ------------------------------------------------------------------------------------------------------------


def test_marks_are_recorded_and_lie_apart_from_digits(mnist_like: tuple[Array, Array]) -> None:
    kinds = set()
    for seed in range(12):
        page = make_page(small("plain", marked=1.0, shots=("file",)), random(seed, 30), *mnist_like)
        kinds |= {mark.kind for mark in page.truth.marks}
        for mark in page.truth.marks:
            if mark.kind != "stain":
                assert not any(_meet(mark.box, digit.box) for digit in page.truth.digits)
    assert kinds & set(SEPARATORS)
    assert kinds & set(ASIDE)
    assert "stain" in kinds
    assert kinds <= {*SEPARATORS, *ASIDE, "stain"}


def test_pages_without_marks_have_none(mnist_like: tuple[Array, Array]) -> None:
    assert not any(make_page(small("plain", marked=0.0), random(k), *mnist_like).truth.marks for k in range(5))


def _meet(one: Box, other: Box) -> bool:
    across = min(one.left + one.width, other.left + other.width) > max(one.left, other.left)
    return across and min(one.top + one.height, other.top + other.height) > max(one.top, other.top)


@pytest.mark.parametrize("kind", [*ASIDE, *SEPARATORS])
@pytest.mark.parametrize("stroke", [None, 0.05])
def test_every_mark_is_drawn(kind: str, stroke: float | None) -> None:
    hand = Hand(height=50.0, stroke=stroke)
    for seed in range(5):
        cover, below = {**ASIDE, **SEPARATORS}[kind](hand, random(seed))
        assert cover.max() > 100
        assert max(cover.shape) < 8 * hand.height
        assert abs(below) < hand.height


def test_a_full_page_has_no_place_for_a_mark() -> None:
    assert aside(Hand(height=40.0), np.ones((400, 400), bool), random(1)) is None
    assert aside(Hand(height=400.0), np.zeros((100, 100), bool), random(1)) is None


def test_a_separator_stands_on_the_baseline_or_above_it() -> None:
    for seed in range(10):
        box = separator(Hand(height=50.0), 20.0, 200.0, random(seed)).ink.box
        assert box.left == 20
        assert 150 < box.top + box.height < 215


def test_a_stain_lies_on_the_page() -> None:
    for seed in range(10):
        left, top, width, height = stain((300, 200), random(seed)).ink.box
        assert left >= 0
        assert top >= 0
        assert left + width <= 200
        assert top + height <= 300


# --- single digits ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SINGLES)
def test_every_kind_of_single_digit(kind: str, mnist_like: tuple[Array, Array]) -> None:
    style = replace(SINGLES[kind], sides=(300, 400)) if kind == "huge" else kind
    made = make_single(style, random(6), *mnist_like)
    (digit,) = made.truth.digits
    left, top, width, height = digit.box
    assert 0 <= left < left + width <= made.picture.shape[1]
    assert 0 <= top < top + height <= made.picture.shape[0]
    assert max(width, height) >= 0.15 * min(made.picture.shape[:2])
    assert np.ptp(made.picture.astype(int)) > 40
    assert np.array_equal(made.picture, make_single(style, random(6), *mnist_like).picture)


def test_stray_dots_are_recorded(mnist_like: tuple[Array, Array]) -> None:
    style = replace(SINGLES["screen"], dots=1.0, sides=(280, 280))
    dots = [mark for k in range(5) for mark in make_single(style, random(k), *mnist_like).truth.marks]
    assert {mark.kind for mark in dots} == {"dot"}


# --- ink --------------------------------------------------------------------------------------------------------------


def test_thinned_lines_are_a_pixel_wide_and_keep_their_holes() -> None:
    ring = cv2.circle(np.zeros((60, 60), np.uint8), (30, 30), 20, 1, 7)
    line = thinned(ring)
    assert set(np.unique(line)) == {0, 1}
    assert cv2.connectedComponents(line)[0] == 2
    assert cv2.connectedComponents(1 - line, connectivity=4)[0] == 3  # inside and outside
    assert cv2.erode(line, np.ones((2, 2), np.uint8)).sum() == 0


def test_a_finer_pen_draws_finer_lines(mnist_like: tuple[Array, Array]) -> None:
    source = Digits(*mnist_like)
    inked = [
        np.mean([(source.master(stroke, random(k))[0] > 127).sum() for k in range(10)]) for stroke in (0.04, 0.08, 0.12)
    ]
    assert inked == sorted(inked)
    assert inked[0] < 0.6 * inked[2]


def test_a_filled_loop_is_not_thinned() -> None:
    blob = cv2.circle(np.zeros((100, 100), np.uint8), (40, 40), 18, 255, -1)
    cv2.line(blob, (55, 40), (55, 95), 255, 8)
    assert with_pen(blob, 5.0) is None


@pytest.mark.parametrize("height", [14, 40, 120, 700])
def test_digits_have_the_height_of_the_hand_and_crisp_edges(height: int, mnist_like: tuple[Array, Array]) -> None:
    source, hand = Digits(*mnist_like), Hand(height=float(height), turn=0.0, uneven=0.0)
    covers = [glyph(source.master(None, random(k))[0], hand, random(k)) for k in range(8)]
    assert abs(np.median([cover.shape[0] for cover in covers]) / height - 1) < 0.15
    if height >= 40:  # edges are about 11 heights long on 1 height²; they are grey for less than 2 pixels
        assert np.mean([((cover > 30) & (cover < 225)).mean() for cover in covers]) < 2 * 11 / height


def test_cut_refuses_an_empty_cover() -> None:
    with pytest.raises(AssertionError, match="ink to be cut out"):
        cut(np.zeros((5, 5), np.uint8))


def test_ink_that_is_not_seen_has_no_box() -> None:
    away = np.array([[1, 0, 500], [0, 1, 0], [0, 0, 1]], float)
    ink = Ink(np.full((4, 3), 255, np.uint8), 10, 20)
    assert ink.seen(np.eye(3), (100, 100)) == Box(10, 20, 3, 4)
    assert ink.seen(away, (100, 100)) is None


# --- light, sensor ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("light", LIGHTS)
@pytest.mark.parametrize("size", [(28, 28), (301, 200)])
def test_light_darkens(light: str, size: tuple[int, int]) -> None:
    made = LIGHTS[light](size, random(4))
    assert made.shape == size[::-1]
    assert made.dtype == np.float32
    assert made.min() > 0
    assert made.max() <= 1.0001


@pytest.mark.parametrize("below", BELOW)
def test_what_lies_below_a_page(below: str) -> None:
    assert BELOW[below]((120, 80), random(1)).shape == (80, 120, 3)


def test_noise_has_the_deviation_it_says() -> None:
    for sigma in (0.2, 0.8, 20.0):
        made = noise((700, 900), sigma, random(2))
        assert made.shape == (700, 900)
        assert 0.6 < made.std() < 1.5


def test_a_jpeg_of_the_highest_quality_is_left_alone() -> None:
    picture = random(1).integers(0, 255, (40, 30, 3), np.uint8)
    assert compressed(picture, 100) is picture
    assert np.abs(compressed(np.full((16, 16, 3), (200, 90, 30), np.uint8), 90).astype(int) - (200, 90, 30)).max() < 12


# --- tables and errors ------------------------------------------------------------------------------------------------

TABLES = {"papers": PAPERS, "nibs": NIBS, "prints": PRINTS, "lights": LIGHTS, "shots": SHOTS, "layouts": LAYOUTS}


@pytest.mark.parametrize("field", TABLES)
def test_every_entry_of_a_table_is_used_by_a_kind(field: str) -> None:
    used = {name for style in [*KINDS.values(), *SINGLES.values()] for name in getattr(style, field, ())}
    assert used == set(TABLES[field])


def test_every_nib_can_be_seen_on_the_papers_it_is_used_with(mnist_like: tuple[Array, Array]) -> None:
    for style in KINDS.values():
        for paper, nib in itertools.product(set(style.papers), set(style.nibs)):
            for ground in PAPERS[paper].colours:
                assert any(
                    max(abs(a - b) for a, b in zip(colour, ground, strict=True)) >= 70 for colour in NIBS[nib].colours
                ), (paper, nib)


BAD: list[tuple[Callable[[], object], str]] = [
    (lambda: make_page("papyrus", random(1)), "no kind of page called 'papyrus'"),
    (lambda: make_single("papyrus", random(1)), "no kind of single digit called 'papyrus'"),
    (lambda: PageStyle(papers=("papyrus",)), "no papers called 'papyrus'"),
    (lambda: PageStyle(layouts=("spiral",)), "no layouts called 'spiral'"),
    (lambda: PageStyle(shots=()), "shots names nothing to choose from"),
    (lambda: PageStyle(touching=1.5), "touching must lie from 0 to 1, found 1.5"),
    (lambda: PageStyle(marked=-0.1), "marked must lie from 0 to 1, found -0.1"),
    (lambda: PageStyle(heights=(50, 20)), "heights of digits must be two numbers of pixels, 8 or more, rising"),
    (lambda: PageStyle(heights=(2, 20)), "heights of digits must be two numbers of pixels, 8 or more, rising"),
    (lambda: PageStyle(sides=(300, 900)), r"from 8 digits' height \(800\) to 4000; found \(300, 900\)"),
    (lambda: SingleStyle(sides=(4, 10)), "sides must be two numbers of pixels, rising, from 20 to 4000"),
    (lambda: SingleStyle(share=(0.5, 1.5)), "share must be two numbers, rising, above 0 and up to 0.85"),
    (lambda: SingleStyle(off=2), "off must lie from 0 to 1, found 2"),
    (lambda: make_page("plain", random(1), np.zeros((1, 28, 28), np.uint8)), "digits and labels are given together"),
]


@pytest.mark.parametrize(("make", "message"), BAD)
def test_bad_options_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        make()


@pytest.mark.parametrize(
    ("digits", "labels", "message"),
    [
        (np.zeros((3, 20, 20), np.uint8), np.zeros(3), r"\(n, 28, 28\) of uint8, found uint8 \(3, 20, 20\)"),
        (np.zeros((3, 28, 28)), np.zeros(3), r"found float64 \(3, 28, 28\)"),
        (np.zeros((3, 28, 28), np.uint8), np.zeros(2), r"a label for each of 3 digits, found \(2,\)"),
        (np.zeros((0, 28, 28), np.uint8), np.zeros(0), "a label for each of 0 digits"),
    ],
)
def test_other_digits_are_refused(digits: Array, labels: Array, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        make_page("plain", random(1), digits, labels)


def test_truth_as_json(mnist_like: tuple[Array, Array]) -> None:
    truth = make_page(small("touching", marked=1.0), random(7), *mnist_like).truth
    told = truth.as_json()
    assert ["".join(str(digit["label"]) for digit in line) for line in told["lines"]] == truth.text.splitlines()
    assert [mark["kind"] for mark in told["marks"]] == [mark.kind for mark in truth.marks]
