"""``glassnet read``."""

from __future__ import annotations

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

import glassnet
from cli.conftest import Run
from glassnet import digits
from glassnet.cli.read import COMPILED_FROM


def test_one_line_a_picture(run: Run, pictures: Path, small: Path) -> None:
    done = run("read", "pictures/seven.png", "pictures/one.png", "--model", small)
    network = glassnet.load(small)
    expected = ""
    for path in ("pictures/seven.png", "pictures/one.png  "):
        found = digits.recognise(pictures.parent / path.strip(), network)
        expected += f"{path}  {found.label}  {100 * found.probability:5.1f} %\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, expected, "")


def test_the_shipped_model_reads_what_a_pen_wrote(run: Run, pictures: Path) -> None:
    done = run("read", "pictures")
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [
        ["pictures/one.png", "1"],
        ["pictures/seven.png", "7"],
    ]
    assert done.stdout == run("read", "pictures", "--model", "digits").stdout


def test_a_folder_gives_its_pictures_in_order(run: Run, pictures: Path, small: Path) -> None:
    done = run("read", "pictures", "-m", small)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["pictures/one.png", "pictures/seven.png"]


def test_many_pictures_are_read_as_one_is(run: Run, pictures: Path) -> None:
    [one] = run("read", "pictures/seven.png").stdout.splitlines()
    many = run("read", *["pictures/seven.png"] * COMPILED_FROM)
    assert many.stdout.splitlines() == [one] * COMPILED_FROM


def test_a_folder_without_pictures(run: Run, pictures: Path, tmp_path: Path, small: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = run("read", "empty", "pictures/one.png", "-m", small)
    assert done.returncode == 1
    assert done.stdout.startswith("pictures/one.png")
    assert done.stderr == (
        "error: no picture in the folder empty\n\n"
        "hint: pictures are files named .png, .jpg, .jpeg, .bmp, .tif, .tiff, .webp\n"
    )


def test_standard_input(run: Run, pictures: Path, small: Path) -> None:
    done = run("read", "-", "-m", small, stdin=(pictures / "seven.png").read_bytes())
    assert done.stdout.split()[1:] == run("read", "pictures/seven.png", "-m", small).stdout.split()[1:]
    assert done.stdout.startswith("-  ")


def test_standard_input_that_is_empty(run: Run, small: Path) -> None:
    done = run("read", "-", "-m", small)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "error: reading <stdin>: the file is empty\n")


def test_json_has_one_object_a_picture(run: Run, pictures: Path, small: Path) -> None:
    done = run("read", "pictures", "pictures/notes.txt", "--json", "-m", small)
    assert done.returncode == 1
    objects = [json.loads(line) for line in done.stdout.splitlines()]
    assert [found["path"] for found in objects] == ["pictures/one.png", "pictures/seven.png"]
    for found in objects:
        expected = digits.recognise(pictures.parent / found["path"], glassnet.load(small))
        assert found["label"] == expected.label
        assert found["probability"] == expected.probability
        assert found["probabilities"] == {str(digit): p for digit, p in enumerate(expected.probabilities)}


@pytest.mark.parametrize("name", ["숫자 3.png", "new\nline.png", "\033[31mred.png", os.fsdecode(b"\xff.png")])
def test_any_name_stays_on_its_line(run: Run, pictures: Path, small: Path, name: str) -> None:
    (pictures / "seven.png").rename(pictures / name)
    done = run("read", f"pictures/{name}", "-m", small)
    assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 1)
    assert "\033" not in done.stdout
    [line] = run("read", f"pictures/{name}", "-m", small, "--json").stdout.splitlines()
    assert json.loads(line)["path"] == f"pictures/{name}"


def test_a_network_that_does_not_read_pictures(run: Run, pictures: Path, tmp_path: Path) -> None:
    network = glassnet.Network([glassnet.Dense(np.eye(2), None, "softmax")], labels=["no", "yes"])
    glassnet.save(network, tmp_path / "two.npz")
    done = run("read", "pictures/one.png", "-m", "two.npz")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        "error: pictures/one.png: recognising a picture: the network reads rows of shape (2,), expected (784,)"
    )


def test_blank_and_broken_pictures(run: Run, pictures: Path, small: Path) -> None:
    cv2.imwrite(str(pictures / "blank.png"), np.full((60, 50), 255, np.uint8))
    whole = (pictures / "one.png").read_bytes()
    (pictures / "cut.png").write_bytes(whole[: len(whole) // 2])
    (pictures / "folder.png").mkdir()
    (pictures / "empty.png").touch()
    done = run("read", *(f"pictures/{name}.png" for name in ("blank", "cut", "folder", "empty")), "-m", small)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 4


def test_mnist_as_pictures(run: Run, data_folder: Path, tmp_path: Path) -> None:
    x, _ = glassnet.datasets.read_mnist(data_folder / "mnist", "test")
    (tmp_path / "test").mkdir()
    for number, image in enumerate(x[:200]):
        cv2.imwrite(str(tmp_path / "test" / f"{number:03}.png"), image)
    done = run("read", "test", "--json")
    read = [json.loads(line)["label"] for line in done.stdout.splitlines()]
    agreeing = np.count_nonzero(np.array(read) == digits.load_model().predict(x[:200]))
    assert agreeing >= 199


def test_a_blank_picture_is_named(run: Run, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "blank.png"), np.full((50, 50), 255, np.uint8))
    done = run("read", "blank.png")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: blank.png: no ink found")
    assert "\n\nhint: " in done.stderr
