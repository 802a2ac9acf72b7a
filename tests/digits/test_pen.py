"""The pen: every digit in every way, the same each time, and read as what it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from glassnet.digits import examples, read_picture, recognise
from glassnet.digits.examples import EXAMPLES
from glassnet.digits.pen import STROKES, Pen, Sheet, draw_digit, write_on
from glassnet.errors import OptionError

EXAMPLES_FOLDER = Path(__file__).parents[2] / "examples" / "digits"
WAYS = [(digit, way) for digit, ways in STROKES.items() for way in range(len(ways))]


def test_there_are_ten_digits() -> None:
    assert list(STROKES) == list(range(10))


@pytest.mark.parametrize(("digit", "way"), WAYS)
def test_a_digit_is_drawn_in_its_height_and_always_the_same(digit: int, way: int) -> None:
    ink = draw_digit(digit, Pen(0.08, tremor=0), way=way, height=100)
    assert ink.max() == 255
    rows = np.flatnonzero((ink > 127).any(axis=1))
    assert rows[-1] - rows[0] + 1 == pytest.approx(108, abs=8)
    np.testing.assert_array_equal(ink, draw_digit(digit, Pen(0.08, tremor=0), way=way, height=100))
    # Every stroke is whole: one piece of ink, or as many as the digit has that do not touch.
    assert cv2.connectedComponents((ink > 127).astype(np.uint8))[0] == 2


def test_another_seed_is_another_hand() -> None:
    one, other = (draw_digit(3, seed=seed) for seed in (1, 2))
    assert one.shape != other.shape or (one != other).any()


def test_the_pen_is_as_wide_as_said() -> None:
    ink = draw_digit(1, Pen(0.1, tremor=0, pressure=0), height=200)
    assert np.median((ink / 255).sum(axis=1)) == pytest.approx(20, abs=1.5)


def test_what_the_pen_does_not_know() -> None:
    with pytest.raises(OptionError, match="a digit is 0 to 9, found 10"):
        draw_digit(10)
    with pytest.raises(OptionError, match="the pen knows 3 ways of writing 7, counted from 0; found 3"):
        draw_digit(7, way=3)
    with pytest.raises(OptionError, match="does not fit on 100 × 100"):
        write_on(draw_digit(7), Sheet(size=(100, 100)))


def test_a_sheet_has_its_colours() -> None:
    picture = write_on(np.full((10, 10), 255, np.uint8), Sheet((200, 30, 40), (250, 240, 230), size=(30, 20)))
    assert picture.shape == (20, 30, 3)
    assert picture[10, 15].tolist() == [200, 30, 40]
    assert picture[0, 0].tolist() == [250, 240, 230]


def test_the_command_writes_the_committed_examples(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "glassnet.digits.examples", str(tmp_path / "new")]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stderr == ""
    assert sorted(path.name for path in EXAMPLES_FOLDER.iterdir()) == sorted(example.file for example in EXAMPLES)
    for example in EXAMPLES:
        written, committed = (read_picture(folder / example.file) for folder in (tmp_path / "new", EXAMPLES_FOLDER))
        # Encoders and NumPy's mathematics differ in the last bit from version to version.
        assert np.abs(written.astype(int) - committed).mean() < 1


def test_the_command_says_how_it_is_used() -> None:
    run = subprocess.run([sys.executable, "-m", examples.__name__], capture_output=True, text=True, check=False)
    assert run.returncode != 0
    assert run.stderr.startswith("usage:")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.file)
def test_the_shipped_network_reads_the_examples(example: examples.Example) -> None:
    found = recognise(EXAMPLES_FOLDER / example.file)
    assert found.label == example.digit
    assert found.probability > 0.95
