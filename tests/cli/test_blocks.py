"""Pictures and bars made of characters."""

from __future__ import annotations

import numpy as np
import pytest
from rich.text import Text

from glassnet.cli import blocks


def lines(text: Text) -> list[str]:
    return text.plain.split("\n")


def test_a_picture_in_greys_has_one_character_for_two_pixels() -> None:
    text = blocks.picture(np.array([[0, 255], [128, 64], [7, 9]], np.uint8), grey=True)
    assert lines(text) == ["▀▀", "▀▀"]
    assert [str(span.style) for span in text.spans] == [
        "rgb(0,0,0) on rgb(128,128,128)",
        "rgb(255,255,255) on rgb(64,64,64)",
        "rgb(7,7,7) on rgb(0,0,0)",  # below the last of an odd number of rows is black
        "rgb(9,9,9) on rgb(0,0,0)",
    ]


def test_a_picture_without_colours_has_shades_and_no_style() -> None:
    rows = np.array([[0, 60, 130, 190, 255]] * 2, np.uint8)
    text = blocks.picture(rows, grey=False)
    assert lines(text) == [" ░▒▓█"]
    assert not text.spans


def test_pushes_have_a_sign_of_their_own_without_colour() -> None:
    contributions = np.array([[1.0, 0.1, 0.0, -0.1, -1.0], [1.0, 0.2, 0.0, -0.2, -1.0]])
    assert lines(blocks.pushes(contributions)) == ["╋+·-━"]


def test_pushes_of_nothing() -> None:
    assert lines(blocks.pushes(np.zeros((4, 3)))) == ["···", "···"]


@pytest.mark.parametrize(
    ("share", "expected"), [(0, "    "), (1, "████"), (0.5, "██  "), (1 / 32, "▏   "), (float("nan"), "    ")]
)
def test_bar(share: float, expected: str) -> None:
    assert blocks.bar(share, 4).plain == expected


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0, "   │   "), (1, "   │███"), (-1, "███│   "), (-1 / 6, "  ▐│   "), (-2 / 3, " ██│   ")],
)
def test_balance(share: float, expected: str) -> None:
    assert blocks.balance(share, 7).plain == expected


def test_columns_stand_in_groups_of_ten_above_their_numbers() -> None:
    values = np.linspace(0, 1, 17)
    assert [line.plain for line in blocks.columns(values, 80)] == [
        "         ▁ ▂▃▄▅▆▇█",
        " ▁▂▃▄▅▆▇██ ███████",
        "0          10",
    ]


def test_columns_below_zero_hang() -> None:
    assert [line.plain for line in blocks.columns(np.array([1, -0.01, -0.2, -0.5, -1]), 80)] == [
        "█    ",
        "█    ",
        "  ▔▀█",
        "0",
    ]


def test_columns_fill_the_lines_evenly() -> None:
    drawn = [line.plain for line in blocks.columns(np.ones(100), 80)]
    assert drawn == [
        *[" ".join(["█" * 10] * 5)] * 2,
        "0          10         20         30         40",
        *[" ".join(["█" * 10] * 5)] * 2,
        "50         60         70         80         90",
    ]
    assert max(map(len, drawn)) <= 80


def test_columns_of_a_silent_layer() -> None:
    assert [line.plain for line in blocks.columns(np.zeros(3), 80)] == ["   ", "   ", "0"]
