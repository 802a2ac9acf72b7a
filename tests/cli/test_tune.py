"""``glassnet tune``, and the lists of pictures that it and its like take."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

import glassnet
from cli.conftest import Run, drawn


@pytest.fixture
def hand(tmp_path: Path) -> Path:
    """A list of 30 pictures and their digits."""
    folder = tmp_path / "hand"
    folder.mkdir()
    lines = ["picture,digit"]
    for number in range(30):
        digit = (1, 7)[number % 2]
        slanted = np.array([[1, 0.01 * number, 0], [0, 1, 0]])
        cv2.imwrite(str(folder / f"{number}.png"), cv2.warpAffine(drawn(digit), slanted, (60, 60), borderValue=255))
        lines.append(f"{number}.png,{digit}")
    (folder / "list.csv").write_text("\n".join(lines) + "\n")
    return folder / "list.csv"


def test_before_and_after(run: Run, hand: Path, tmp_path: Path) -> None:
    done = run("tune", "digits", "--data", hand, "--epochs", "2", "-o", "mine.safetensors")
    assert (done.returncode, done.stderr.count("epoch ")) == (0, 2)
    heading, own, kept, saved = done.stdout.splitlines()
    assert heading.split() == ["before", "after"]
    assert own.startswith("your pictures held out, read rightly")
    assert own.endswith("of 6)")
    assert kept.startswith("far distorted pictures, read as before    100.00 % (500 of 500)")
    assert saved == "mine.safetensors: saved"
    network = glassnet.load(tmp_path / "mine.safetensors")
    assert network.labels == glassnet.digits.load_model().labels


def test_rehearsing_what_it_was_trained_on(run: Run, hand: Path, tmp_path: Path) -> None:
    (tmp_path / "known" / "1").mkdir(parents=True)
    for number in range(10):
        cv2.imwrite(str(tmp_path / "known" / "1" / f"{number}.png"), drawn(1))
    done = run("tune", "digits", "-d", hand, "--original", "known", "--epochs", "1", "-o", "mine.npz")
    assert done.returncode == 0
    assert "what it was trained on, read rightly" in done.stdout
    assert "of 2)" in done.stdout


@pytest.mark.parametrize(
    ("text", "code", "error"),
    [
        ("0.png,1\n1.png,eleven\n", 1, "reading hand/bad.csv: line 2: expected a picture and its digit, found '1.png,"),
        ("0.png\n1.png\n", 1, "reading hand/bad.csv: line 2: expected a picture and its digit, found '1.png'"),
        ("", 1, "none of the pictures could be read"),
        ("missing.png,1\n", 1, "reading hand/missing.png: there is no such file"),
        ("0.png,1\n", 2, "tuning needs 20 pictures or more, found 1"),
    ],
)
def test_lists_that_are_no_use(run: Run, hand: Path, text: str, code: int, error: str) -> None:
    hand.with_name("bad.csv").write_text(text)
    done = run("tune", "digits", "-d", "hand/bad.csv", "-o", "mine.npz")
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(f"error: {error}")


def test_a_list_that_is_no_text(run: Run, hand: Path) -> None:
    hand.with_name("bad.csv").write_bytes(b"\xff\x00,1\n")
    done = run("tune", "digits", "-d", "hand/bad.csv", "-o", "mine.npz")
    assert done.returncode == 1
    assert done.stderr.startswith("error: reading hand/bad.csv: not a CSV of pictures")


def test_strict(run: Run, hand: Path, tmp_path: Path) -> None:
    hand.with_name("3.png").write_bytes(b"no picture")
    done = run("tune", "digits", "-d", hand, "--epochs", "1", "-o", "mine.npz")
    assert done.returncode == 1
    assert "saved" in done.stdout
    done = run("tune", "digits", "-d", hand, "--strict", "-o", "other.npz")
    assert (done.returncode, done.stdout) == (1, "")
    assert "error: 1 of the pictures cannot be read" in done.stderr
    assert not (tmp_path / "other.npz").exists()


def none_of(printed: str) -> tuple[int, int]:
    """Return how many pictures of no digit there were, and how many of them were read as such."""
    [row] = (line.split() for line in printed.splitlines() if line.startswith("none"))
    counts = [0 if cell == "·" else int(cell) for cell in row[1:12]]
    return sum(counts), counts[-1]


def test_what_is_no_digit(run: Run, hand: Path, tmp_path: Path) -> None:
    for name in ("none", "1"):
        (tmp_path / "sorted" / name).mkdir(parents=True)
    zigzag = np.full((60, 60), 255, np.uint8)
    corners = np.array([(8, 8), (52, 14), (8, 22), (52, 30), (8, 38), (52, 46), (8, 54)])
    cv2.polylines(zigzag, [corners], isClosed=False, color=0, thickness=3, lineType=cv2.LINE_AA)
    for number in range(15):
        turned = cv2.getRotationMatrix2D((30, 30), 3 * number, 0.8)
        zigzags = cv2.warpAffine(zigzag, turned, (60, 60), borderValue=255)
        cv2.imwrite(str(tmp_path / "sorted" / "none" / f"{number}.png"), zigzags)
        cv2.imwrite(str(tmp_path / "sorted" / "1" / f"{number}.png"), drawn(1))
    done = run("evaluate", "-d", "sorted")
    assert done.returncode == 0
    before = none_of(done.stdout)
    assert before[0] > before[1] > 0
    assert run("tune", "digits", "-d", "sorted", "--epochs", "2", "-o", "mine.npz").returncode == 0
    after = none_of(run("evaluate", "-m", "mine.npz", "-d", "sorted").stdout)
    assert after == (15, 15)
    done = run("tune", "digits-tiny", "-d", "sorted", "--epochs", "1", "-o", "other.npz")
    assert (done.returncode, done.stdout) == (2, "")
    assert "error: 15 of the pictures are 'none', which this network does not answer" in done.stderr
    done = run("train", "-d", "sorted", "--layers", "8", "--epochs", "1", "-o", "new.npz")
    assert (done.returncode, done.stdout) == (2, "")
    assert "and so does a recipe with [not_digits]" in done.stderr
    assert not (tmp_path / "new.npz").exists()


def test_a_list_has_no_part(run: Run, hand: Path) -> None:
    done = run("evaluate", "-d", hand, "--part", "test")
    assert done.returncode == 2
    assert "is a list of pictures, which has no part 'test'" in done.stderr
    assert "accuracy" in run("evaluate", "-d", hand).stdout
