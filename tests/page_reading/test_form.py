"""Forms: their descriptions, laying them straight, and what is in their boxes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import glassnet
from glassnet.errors import FileFormatError, MissingFileError, PictureError
from glassnet.reading import Array, Page
from glassnet.reading.align import mark_centres, sheet_corners
from glassnet.reading.fields import Field
from glassnet.reading.form import form_table, read_form, sheet_of
from glassnet.reading.template import Place, Template, load_template
from page_reading.made import line, mark, page, sure

FORM = """\
page = [210, 297]
marks = [[15, 15], [195, 15], [195, 282], [15, 282]]

[fields.student]
box = [30, 40, 80, 14]
length = 8
check = "luhn"

[fields.points]
box = [150, 40, 40, 14]
range = [0, 100]
optional = true

[fields.room]
box = [30, 60, 40, 14]
choices = ["101", "12-03"]
"""
MARKS = ((15, 15), (195, 15), (195, 282), (15, 282))


def written(tmp_path: Path, text: str = FORM) -> Path:
    path = tmp_path / "form.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_example_is_read(tmp_path: Path) -> None:
    assert load_template(written(tmp_path)) == Template(
        (210, 297),
        {
            "student": Place((30, 40, 80, 14), Field(length=8, check="luhn")),
            "points": Place((150, 40, 40, 14), Field(range=(0, 100)), optional=True),
            "room": Place((30, 60, 40, 14), Field(choices=("101", "12-03"))),
        },
        MARKS,
    )


def test_choices_lie_beside_the_form(tmp_path: Path) -> None:
    (tmp_path / "rooms.csv").write_text("room\n7\n8\n")
    text = 'page = [1, 1]\n[fields.room]\nbox = [0, 0, 1, 1]\nchoices = "rooms.csv"\n'
    assert load_template(written(tmp_path, text)).places["room"].field.choices == ("7", "8")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("page = [210, 297]", "page = 210", r"page: expected 2 numbers, found 210"),
        ("page = [210, 297]", "", r"page: expected 2 numbers, found None"),
        ("page = [210, 297]", "page = [0, 297]", r"page: width and height must be above 0, found 0 × 297"),
        ("page = [210, 297]", "page = [210, nan]", r"page: expected 2 numbers"),
        (
            "page = [210, 297]",
            "page = [210, 297]\nunit = 'mm'",
            r"unknown key 'unit'\nhint: there are: fields, marks, page",
        ),
        ("[[15, 15], ", "[", r"marks: expected four points"),
        ("[[15, 15], [195, 15]", "[[195, 15], [15, 15]", r"marks: expected clockwise from the left upper one"),
        ("length = 8", "lenght = 8", r"fields.student: unknown key 'lenght'\nhint: there are: box, check"),
        ("length = 8", "length = '8'", r"fields.student.length: found '8'"),
        ("length = 8", "length = true", r"fields.student.length: found True"),
        ("length = 8", "length = 0", r"fields.student: length must be 1 or more, found 0"),
        ('"luhn"', '"crc"', r"fields.student: unknown check 'crc'\nhint: there are: luhn, mod11, isbn, ean"),
        ("[30, 40, 80, 14]", "[30, 40, 80]", r"fields.student.box: expected 4 numbers"),
        ("[30, 40, 80, 14]", "[180, 40, 80, 14]", r"fields.student.box: \[180, 40, 80, 14\] does not lie on the page"),
        ("range = [0, 100]", "range = [100, 0]", r"fields.points: range: the first number must not exceed"),
        ("optional = true", "optional = 1", r"fields.points.optional: expected true or false, found 1"),
        ('["101", "12-03"]', '"rooms.csv"', r"fields.room: reading .*rooms.csv: there is no such file"),
        ('["101", "12-03"]', '["A"]', r"fields.room: choices: 'A' is not a number"),
        ("[fields.room]", "[fields.page]", r"fields.page: a column has this name"),
        ("[fields.room]", "[fields", r"not TOML: "),
    ],
)
def test_forms_that_are_wrong(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in FORM
    path = written(tmp_path, FORM.replace(old, new))
    with pytest.raises(FileFormatError, match=rf"^reading {path}: {message}"):
        load_template(path)


@pytest.mark.parametrize("text", ["page = [1, 1]", "page = [1, 1]\nfields = 3", "page = [1, 1]\nfields.a = 3"])
def test_forms_without_fields(tmp_path: Path, text: str) -> None:
    with pytest.raises(FileFormatError, match=r"there are no fields|fields.a: expected a table"):
        load_template(written(tmp_path, text))


def test_a_form_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="there is no such file"):
        load_template(tmp_path / "form.toml")
    (tmp_path / "form.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(FileFormatError, match="not TOML"):
        load_template(tmp_path / "form.toml")


# --- laying it straight ---


def sheet(marks: str = "") -> Array:
    """Return a sheet of A4, 4 pixels a millimetre, with the boxes of the form in blue, 12345674 and 42 in them."""
    paper = np.full((4 * 297, 4 * 210, 3), 250, np.uint8)
    for left, top, width, height in ((30, 40, 80, 14), (150, 40, 40, 14), (30, 60, 40, 14)):
        cv2.rectangle(paper, (4 * left, 4 * top), (4 * (left + width), 4 * (top + height)), (90, 120, 220), 2)
    for text, left in (("12345674", 32), ("42", 155)):
        for at, digit in enumerate(text):
            cv2.putText(
                paper, digit, (4 * left + 36 * at, 4 * 51), cv2.FONT_HERSHEY_SIMPLEX, 1.3, (20, 20, 40), 3, cv2.LINE_AA
            )
    for x, y in MARKS:
        if marks == "squares":
            cv2.rectangle(paper, (4 * x - 14, 4 * y - 14), (4 * x + 14, 4 * y + 14), (10, 10, 10), -1)
        elif marks == "discs":
            cv2.circle(paper, (4 * x, 4 * y), 14, (10, 10, 10), -1)
    return paper


SEEN = np.array([[160, 90], [900, 130], [960, 1250], [90, 1180]], np.float32)


def photographed(paper: Array, ground: int = 70) -> Array:
    """Return the sheet lying on a dark table, seen from the side, its corners at SEEN."""
    corners = np.array([[0, 0], [840, 0], [840, 1188], [0, 1188]], np.float32)
    there = cv2.getPerspectiveTransform(corners, SEEN)
    size = (1100, 1400)
    covered = cv2.warpPerspective(np.full(paper.shape, 255, np.uint8), there, size)
    noise = np.random.default_rng(0).normal(ground, 5, (1400, 1100, 1)).clip(0, 255).astype(np.uint8)
    return np.where(covered > 127, cv2.warpPerspective(paper, there, size, flags=cv2.INTER_AREA), noise)


def test_the_corners_of_a_sheet() -> None:
    found = sheet_corners(photographed(sheet()))
    assert found is not None
    assert np.abs(found - SEEN).max() < 2.5
    assert sheet_corners(sheet()) is None
    assert sheet_corners(np.zeros((50, 50), np.uint8)) is None
    assert sheet_corners(np.full((1, 1), 255, np.uint8)) is None


@pytest.mark.parametrize("kind", ["squares", "discs"])
def test_four_marks(kind: str) -> None:
    found = mark_centres(sheet(kind))
    assert found is not None
    assert np.abs(found - 4 * np.array(MARKS)).max() < 2
    there = cv2.getPerspectiveTransform(np.array([[0, 0], [840, 0], [840, 1188], [0, 1188]], np.float32), SEEN)
    expected = cv2.perspectiveTransform(4 * np.array([MARKS], np.float32), there)[0]
    found = mark_centres(photographed(sheet(kind)))
    assert found is not None
    assert np.abs(found - expected).max() < 4
    assert mark_centres(sheet()) is None


def reader(*pages: Page) -> Any:
    """Return a reader that answers these pages, one after another, and what it was given."""
    given: list[Array] = []

    def read(pixels: Array) -> Page:
        given.append(pixels)
        return pages[len(given) - 1]

    return read, given


@pytest.mark.parametrize(("marks", "kind"), [(MARKS, "squares"), (None, "")])
def test_the_boxes_of_a_photographed_form(marks: Any, kind: str) -> None:
    template = Template((210, 297), {"points": Place((150, 40, 40, 14), Field(range=(0, 100)))}, marks)
    read, given = reader(page(line(4, 2)))
    [(name, entry)] = read_form(photographed(sheet(kind)), template, read).items()
    assert (name, entry.value.text) == ("points", "42")
    # What is read is the box with 3.5 mm around it: there its blue border lies, on all four sides.
    high, wide = given[0].shape[:2]
    assert wide / high == pytest.approx((40 + 7) / (14 + 7), rel=0.03)
    blue = given[0].astype(int)[..., 2] - given[0][..., 0] > 30
    assert np.abs(np.flatnonzero(blue.mean(axis=1) > 0.4)[[0, -1]] - np.array([3.5, 17.5]) * high / 21).max() < 3
    assert np.abs(np.flatnonzero(blue.mean(axis=0) > 0.4)[[0, -1]] - np.array([3.5, 43.5]) * wide / 47).max() < 3
    there = cv2.getPerspectiveTransform(np.array([[0, 0], [210, 0], [210, 297], [0, 297]], np.float32), SEEN)
    corners = cv2.perspectiveTransform(np.array([[[150, 40], [190, 54]]], np.float32), there)[0]
    assert abs(entry.box.left - corners[0, 0]) < 12
    assert abs(entry.box.top - corners[0, 1]) < 12
    assert abs(entry.box.width - (corners[1, 0] - corners[0, 0])) < 16
    first = entry.line.digits[0].box  # its middle 30 and 35 pixels from the corner of what was read, here as there
    assert abs(first.left + first.width / 2 - entry.box.left - (30 - high * 3.5 / 21)) < 12
    assert abs(first.top + first.height / 2 - entry.box.top - (35 - high * 3.5 / 21)) < 12


def test_a_whole_form_is_read() -> None:
    template = Template(
        (210, 297),
        {
            "student": Place((30, 40, 80, 14), Field(length=8, check="luhn")),
            "points": Place((150, 40, 40, 14), Field(range=(0, 100))),
            "room": Place((30, 60, 40, 14), Field(), optional=True),
        },
        MARKS,
    )
    for picture in (photographed(sheet("squares")), sheet("discs")):
        entries = read_form(picture, template, glassnet.read)
        assert [entry.value.text for entry in entries.values()] == ["12345674", "42", ""]
        assert all(entry.value.probability > 0.9 for entry in entries.values())


def test_a_form_that_cannot_be_laid_straight() -> None:
    place = {"points": Place((0, 0, 10, 10), Field())}
    with pytest.raises(PictureError, match=r"^the four marks of the form are not found\nhint: black squares or discs"):
        read_form(sheet(), Template((210, 297), place, MARKS), reader()[0])
    with pytest.raises(PictureError, match=r"^the corners of the form are not found, and the picture, 1188 × 840,"):
        read_form(np.rot90(sheet()).copy(), Template((210, 297), place), reader()[0])


def test_empty_boxes_several_lines_and_refused_marks() -> None:
    places = {name: Place((0, 0, 1, 1), Field(), optional=name == "b") for name in "abcd"}
    flag = mark({5: 0.4, "none": 0.6})
    read, _ = reader(page(), page(), page(line(1), line(2, 3, row=1)), page(refused=[flag]))
    entries = read_form(np.full((200, 400), 200, np.uint8), Template((1, 1), places), read)
    assert [entry.value.text for entry in entries.values()] == [None, "", "23", ""]
    places = {"d": Place((0, 0, 1, 1), Field(length=1))}
    read, _ = reader(page(refused=[flag]))
    assert read_form(np.full((200, 400), 200, np.uint8), Template((1, 1), places), read)["d"].value.text == "5"


def test_what_lies_on_its_side_in_a_form_is_not_read() -> None:
    read, _ = reader(replace(page(line(1, 2)), turned=1), page(line(3, 4)))
    places = {name: Place((0, 0, 1, 1), Field()) for name in "ab"}
    entries = read_form(np.full((200, 400), 200, np.uint8), Template((1, 1), places), read)
    assert [entry.value.text for entry in entries.values()] == [None, "34"]


def test_a_row_a_sheet() -> None:
    places = {"id": Place((0, 0, 1, 1), Field(length=2)), "n": Place((0, 0, 1, 1), Field())}
    template = Template((1, 1), places)
    read, _ = reader(page(line(1, 2)), page(line(sure(7, 0.6))), page(line(3)), page(line(8)))
    blank = np.full((200, 400), 200, np.uint8)
    table = form_table(
        [sheet_of(f"{name}.png", 1, read_form(blank, template, read), (400, 200)) for name in "ab"], template, 0.05
    )
    assert [*table.columns] == [
        *("picture", "page", "id", "id_confidence", "id_needs_review", "n", "n_confidence", "n_needs_review")
    ]
    first, second = table.rows
    assert (first["id"], first["id_needs_review"], first["n"], first["n_needs_review"]) == ("12", False, "7", True)
    assert (second["id"], second["id_needs_review"], second["n"], second["n_needs_review"]) == (None, True, "8", False)
