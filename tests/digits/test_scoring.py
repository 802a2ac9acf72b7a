"""How pages that were read are scored: examples worked by hand."""

from __future__ import annotations

import pytest

import tesseract
from scoring import Score, digits_of, edit_distance, false_digits, lines_in_order, score, shared


@pytest.mark.parametrize(
    ("read", "truth", "distance"),
    [
        ("", "", 0),
        ("", "123", 3),
        ("123", "", 3),
        ("123", "123", 0),
        ("173", "123", 1),  # one is replaced
        ("13", "123", 1),  # one is lost
        ("1223", "123", 1),  # one is inserted
        ("321", "123", 2),
        ("kitten", "sitting", 3),  # the usual example: k → s, e → i, g inserted
        ("12\n34", "1234", 1),  # a line torn in two
        ("1234", "12\n34", 1),  # two lines run together
        ("34\n12", "12\n34", 4),  # two lines in the wrong order: 34 → 12, 12 → 34
        ("1\n12\n34", "12\n34", 2),  # a line that is not there: its digit and its break
    ],
)
def test_edit_distance(read: str, truth: str, distance: int) -> None:
    assert edit_distance(read, truth) == distance
    assert edit_distance(truth, read) == distance


@pytest.mark.parametrize(
    ("read", "truth", "same"),
    [
        ([], ["12"], 0),
        (["12", "34"], ["12", "34"], 2),
        (["7", "12", "34"], ["12", "34"], 2),  # a line too many puts the others in no wrong place
        (["34", "12"], ["12", "34"], 1),  # one of two in the wrong order
        (["12", "35", "56"], ["12", "34", "56"], 2),
        (["12"], ["12", "12"], 1),
    ],
)
def test_lines_in_order(read: list[str], truth: list[str], same: int) -> None:
    assert lines_in_order(read, truth) == same


def test_only_digits_and_line_breaks_count() -> None:
    assert digits_of("12 3,4\n\n - \n5-6\n") == "1234\n56"
    assert digits_of("") == ""


def test_shared_area() -> None:
    assert shared((0, 0, 10, 10), (0, 0, 10, 10)) == 1
    assert shared((0, 0, 10, 10), (5, 0, 10, 10)) == 0.5
    assert shared((0, 0, 10, 10), (5, 5, 10, 10)) == 0.25
    assert shared((0, 0, 10, 10), (2, 2, 2, 2)) == 1  # a part of a digit is no false one
    assert shared((0, 0, 10, 10), (10, 0, 10, 10)) == 0  # side by side
    assert shared((0, 0, 10, 10), (20, 20, 5, 5)) == 0
    assert shared((0, 0, 0, 0), (0, 0, 5, 5)) == 0


def test_false_digits() -> None:
    there = [(0.0, 0.0, 10.0, 10.0), (20.0, 0.0, 10.0, 10.0)]
    assert false_digits([], there) == 0
    assert false_digits(there, there) == 0
    assert false_digits([(0, 0, 30, 10)], there) == 0  # two digits read as one stand somewhere
    assert false_digits([(50, 0, 10, 10), (8, 0, 10, 10)], there) == 2  # a fifth of a digit is not enough
    assert false_digits([(0, 0, 10, 10)], []) == 1


def test_a_page() -> None:
    """Two lines of 3 and 2; one digit wrong, one mark read as a 1 in a line of its own."""
    there = [(0, 0, 10, 20), (15, 0, 10, 20), (30, 0, 10, 20), (0, 40, 10, 20), (15, 40, 10, 20)]
    read = [*there, (80, 80, 4, 20)]
    one = score("12 8\n45\n1", read, "123\n45", there)
    assert one == Score(pages=1, digits=5, errors=3, lines=2, exact_lines=1, exact_pages=0, false=1)
    assert one.error_rate == 3 / 5
    both = one + score("7", [(0, 0, 5, 9)], "7", [(0, 0, 5, 9)])
    assert both == Score(pages=2, digits=6, errors=3, lines=3, exact_lines=2, exact_pages=1, false=1)
    assert both.error_rate == 0.5
    assert both.line_rate == 2 / 3
    assert both.page_rate == 0.5
    assert both.false_per_100_pages == 50


def test_tesseracts_answer() -> None:
    hocr = """
     <span class='ocr_line' id='line_1_1' title="bbox 192 75 567 164; baseline 0.013 -11">
      <span class='ocrx_word' id='word_1_1' title='bbox 192 75 567 219; x_wconf 0'>
       <span class='ocrx_cinfo' title='x_bboxes 192 75 314 195; x_conf 75.135918'>4</span>
       <span class='ocrx_cinfo' title='x_bboxes 310 76 418 200; x_conf 37.369572'>7</span>
     <span class='ocr_textfloat' id='line_1_2' title="bbox 97 189 924 367">
       <span class='ocrx_cinfo' title='x_bboxes 97 189 448 357; x_conf 52.118729'>8</span>
       <span class='ocrx_cinfo' title='x_bboxes 97 189 448 357; x_conf 52.118729'>~</span>
    """
    assert tesseract.parse(hocr) == ("47\n8", [(192, 75, 122, 120), (310, 76, 108, 124), (97, 189, 351, 168)])
