"""What needs review, and the tables that say so."""

from __future__ import annotations

import csv
import sys
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import cv2
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from glassnet.errors import MissingFileError, MissingLibraryError, OptionError
from glassnet.reading import NONE, Array, Box
from glassnet.reading.encode import cropped, jpeg, png, within
from glassnet.reading.fields import Field, gathered, likeliest_rows, read_field
from glassnet.reading.review import Sheet, confidences, cut_out, review_table, rows_of, threshold_for
from glassnet.reading.table import Table, write_csv, write_parquet
from page_reading.made import drawn, line, mark, page, sure


def sheet(*lines: Any, expected: Field | None = None, path: str = "a.png") -> Sheet:
    made = page(*lines)
    values = tuple(read_field(one, expected or Field()) for one in lines)
    return Sheet(path, 1, made, values, crops=cut_out(drawn(made), made))


def decoded(data: bytes) -> Array:
    """Return the pixels of a file, blue, green, red as OpenCV has them."""
    pixels: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert pixels is not None
    return pixels


@pytest.mark.parametrize(
    ("rate", "probabilities", "threshold"),
    [
        (0.05, [0.99, 0.98, 0.9, 0.6], 0.9),  # (0.01 + 0.02 + 0.1) / 3 = 0.043; with 0.4 it is 0.1325
        (0.15, [0.99, 0.98, 0.9, 0.6], 0.6),
        (0.005, [0.99, 0.98, 0.9, 0.6], inf),
        (0.05, [1.0, 0.8, 0.8], 1.0),  # with one 0.8 it were 0.1
        (0.1, [1.0, 0.8, 0.8], 1.0),  # both 0.8 or none of them: 0.133
        (0.14, [1.0, 0.8, 0.8], 0.8),
        (0.01, [], inf),
        (0.01, None, 0.99),
    ],
)
def test_the_threshold(rate: float, probabilities: list[float] | None, threshold: float) -> None:
    assert threshold_for(rate, probabilities) == threshold


@given(st.floats(0.001, 0.5), st.lists(st.floats(0, 1), min_size=1))
def test_what_is_accepted_keeps_the_rate(rate: float, probabilities: list[float]) -> None:
    threshold = threshold_for(rate, probabilities)
    accepted = [p for p in probabilities if p >= threshold]
    assert sum(1 - p for p in accepted) <= rate * len(accepted) + 1e-9
    lower = [p for p in probabilities if p < threshold]
    if lower:  # and no lower threshold would
        more = [p for p in probabilities if p >= max(lower)]
        assert sum(1 - p for p in more) > rate * len(more) - 1e-9


@pytest.mark.parametrize("rate", [0, 1, -0.1, float("nan")])
def test_rates_that_are_none(rate: float) -> None:
    with pytest.raises(OptionError, match="the error rate must lie between 0 and 1, found"):
        threshold_for(rate)


def test_a_digit_is_at_least_as_sure_as_its_line() -> None:
    doubtful = {3: 0.6, 8: 0.39, NONE: 0.01}
    one = line(7, 9, 9, 2, 7, doubtful, 9, 8, 7, 1, 2)
    [[*sure_of]] = confidences(sheet(one, expected=Field(check="luhn")))
    value = read_field(one, Field(check="luhn"))
    assert sure_of[5] == value.probability  # changed: its own 0.6 says nothing of the 8
    assert sure_of[0] == max(0.99, value.probability)
    assert confidences(sheet(one))[0][5] == 0.6


def test_a_row_a_mark(tmp_path: Path) -> None:
    sheets = [
        sheet(line(1, sure(2, 0.7)), line(3, sure(NONE, 0.95), row=1), path="b/a.png"),
        sheet(line(4), path="a.png"),
    ]
    rows = rows_of(sheets, 0.025, tmp_path)
    assert [(row.picture, row.line, row.position, row.value, row.needs_review) for row in rows] == [
        ("b/a.png", 1, 1, "1", False),
        ("b/a.png", 1, 2, "2", True),
        ("b/a.png", 2, 1, "3", False),
        ("b/a.png", 2, 2, "", False),
        ("a.png", 1, 1, "4", False),
    ]
    assert rows[3].reason == "a letter"
    assert rows[0].line_value == rows[1].line_value == "12"
    assert Box(rows[1].left, rows[1].top, rows[1].width, rows[1].height) == Box(50, 20, 20, 30)
    names = [Path(row.crop).name for row in rows]
    assert names[0] == "0001-a-1-1-1.png"
    assert len(set(names)) == 5  # two pictures of one name do not overwrite one another's
    assert decoded(Path(rows[0].crop).read_bytes()).shape == (42, 32, 3)


def test_a_line_in_which_nothing_fits_needs_review() -> None:
    rows = rows_of([sheet(line(1, 2), expected=Field(length=3))], 0.4)
    assert [(row.value, row.needs_review, row.line_value) for row in rows] == [("1", True, "12"), ("2", True, "12")]


def test_refused_marks_are_put_back_beside_their_line() -> None:
    beside, above = mark({NONE: 0.8, 5: 0.2}, at=1), mark({NONE: 1.0}, at=1, row=3)
    far = mark({NONE: 1.0}, at=9)
    found = gathered(page(line(1), refused=[beside, above, far]))
    assert found.lines[0].digits[1] is beside
    assert found.refused == (above, far)
    assert read_field(found.lines[0], Field(length=2)).text == "15"


# --- tables ---

ROWS = review_table(rows_of([sheet(line(1, sure(2, 0.7)), path='of "Ann", 1.png')], 0.02))


def test_lines_that_are_chosen_or_completed_stay_turned() -> None:
    turned = replace(page(line(1, 2), line(3, row=1), refused=[mark({5: 0.4, "none": 0.6}, at=2)]), turned=3)
    assert (gathered(turned).turned, likeliest_rows(turned, 1).turned) == (3, 3)


def test_csv(tmp_path: Path) -> None:
    write_csv(tmp_path / "out.csv", ROWS)
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        [first, second] = csv.DictReader(file)
    assert first["picture"] == 'of "Ann", 1.png'
    assert (first["value"], first["confidence"], first["needs_review"]) == ("1", "0.99", "false")
    assert (second["value"], second["confidence"], second["needs_review"]) == ("2", "0.7", "true")


def test_parquet(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    write_parquet(tmp_path / "out.parquet", ROWS)
    table = parquet.read_table(tmp_path / "out.parquet")
    assert table.column_names == [*ROWS.columns]
    assert table.to_pylist() == ROWS.rows
    write_parquet(tmp_path / "none.parquet", Table({"a": str, "b": float}, []))
    assert parquet.read_table(tmp_path / "none.parquet").num_rows == 0


def test_parquet_without_its_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        MissingLibraryError, match=r"writing Parquet needs pyarrow\nhint: pip install 'glassnet\[parquet\]'"
    ):
        write_parquet(tmp_path / "out.parquet", ROWS)
    assert [*tmp_path.iterdir()] == []


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    table = Table({"picture": str}, [{"picture": b"\xff.png".decode("utf-8", "surrogateescape")}])
    write_csv(tmp_path / "out.csv", table)
    assert (tmp_path / "out.csv").read_text(encoding="utf-8") == "picture\n\\udcff.png\n"


def test_a_table_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("before")
    with pytest.raises(KeyError):
        write_csv(path, Table({"a": str}, [{"a": "1"}, {"b": "2"}]))
    assert path.read_text() == "before"
    assert [*tmp_path.iterdir()] == [path]
    with pytest.raises(MissingFileError, match="there is no folder"):
        write_csv(tmp_path / "no" / "out.csv", ROWS)


# --- pictures ---


def test_pictures_are_encoded_in_their_colours() -> None:
    red = np.full((4, 6, 3), (250, 10, 20), np.uint8)
    assert decoded(png(red))[0, 0].tolist() == [20, 10, 250]
    clear = np.dstack([red, np.zeros((4, 6, 1), np.uint8)])
    assert decoded(png(clear)).shape == (4, 6, 4)
    assert decoded(jpeg(clear)).min() > 250
    assert decoded(jpeg(red[..., 0])).shape == (4, 6)


def test_crops_stay_in_the_picture() -> None:
    picture = np.arange(200, dtype=np.uint8).reshape(10, 20)
    assert cropped(picture, Box(5, 3, 5, 5), 0.2).tolist() == picture[2:9, 4:11].tolist()
    assert cropped(picture, Box(0, 0, 20, 10)).tolist() == picture.tolist()
    assert cropped(picture, Box(19, 9, 5, 5), 0).tolist() == [[199]]
    assert cropped(picture, Box(90, 90, 5, 5)).size > 0
    assert within(picture, 10).shape == (5, 10)
    assert within(picture, 99) is picture
