"""``glassnet explain``; what it draws in the terminal is tested in ``test_view``."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

import glassnet
from cli.conftest import Run, drawn
from glassnet import digits


def test_the_view(run: Run, pictures: Path, small: Path) -> None:
    done = run("explain", "pictures/seven.png", "-m", small)
    found = digits.recognise(pictures / "seven.png", glassnet.load(small))
    assert (done.returncode, done.stderr) == (0, "")
    assert f"The network says {found.label}." in done.stdout
    assert f"Why {found.label}?" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert done.stdout == run("explain", "-", "-m", small, stdin=(pictures / "seven.png").read_bytes()).stdout


def test_the_steps_of_the_preparation(run: Run, pictures: Path, small: Path) -> None:
    plain = run("explain", "pictures/seven.png", "-m", small).stdout
    with_steps = run("explain", "pictures/seven.png", "-m", small, "--steps").stdout
    assert with_steps.endswith(plain)
    for number, step in enumerate(digits.prepare_steps(pictures / "seven.png"), start=1):
        assert f"{number}. {step.name}" in with_steps


def test_json_has_every_a_and_z(run: Run, pictures: Path, small: Path) -> None:
    done = run("explain", "pictures/seven.png", "-m", small, "--json")
    found = json.loads(done.stdout)
    network = glassnet.load(small)
    expected = digits.recognise(pictures / "seven.png", network)
    assert found["path"] == "pictures/seven.png"
    assert found["label"] == expected.label
    assert found["probability"] == expected.probability == found["probabilities"][str(expected.label)]
    trace = network.trace(expected.prepared)
    assert list(found["values"]) == ["x", "a1", "z1", "a2", "y"]
    for name, value in trace.items():
        np.testing.assert_array_equal(np.array(found["values"][name]), value)


def test_a_digit_of_a_page(run: Run, pictures: Path, tmp_path: Path) -> None:
    paper = np.full((90, 190), 245, np.uint8)
    for left, number in ((10, 7), (70, 1), (130, 7)):
        turned = cv2.warpAffine(
            drawn(number), cv2.getRotationMatrix2D((25, 30), -left / 20, 1.0), (50, 60), borderValue=255
        )
        paper[10 + left // 20 : 70 + left // 20, left : left + 50] = np.minimum(turned, 245)
    cv2.imwrite(str(tmp_path / "page.png"), paper)
    network = digits.load_model()
    for number, digit in enumerate(glassnet.read(paper, network).digits, start=1):
        found = json.loads(run("explain", "page.png", "--digit", str(number), "-m", "digits", "--json").stdout)
        assert found["label"] == digit.label == (1 if number == 2 else 7)
        np.testing.assert_allclose(found["values"]["x"], network.trace(digit.prepared)["x"].ravel(), atol=1e-6)
    shown = run("explain", "page.png", "--digit", "2", "-m", "digits", "--steps").stdout
    assert "The network says 1." in shown
    assert all(f"{n}. {step.name}" in shown for n, step in enumerate(glassnet.reading.read_steps(paper)[1], start=1))
    done = run("explain", "page.png", "--digit", "4", "-m", "digits")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: page.png: there is no digit 4, 3 were read\n"


@pytest.mark.parametrize(("name", "begins"), [("out.svg", b"<?xml"), ("out.png", b"\x89PNG")])
def test_save(run: Run, pictures: Path, small: Path, tmp_path: Path, name: str, begins: bytes) -> None:
    done = run("explain", "pictures/seven.png", "-m", small, "--save", name)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / name).read_bytes().startswith(begins)


@pytest.mark.parametrize(("name", "code"), [("out.gif", 2), ("nowhere/out.svg", 1)])
def test_save_where_it_cannot(run: Run, pictures: Path, small: Path, name: str, code: int) -> None:
    done = run("explain", "pictures/seven.png", "-m", small, "--save", name)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(f"error: writing {name}: ")


def test_a_broken_picture(run: Run, pictures: Path, small: Path) -> None:
    done = run("explain", "pictures/notes.txt", "-m", small)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: reading pictures/notes.txt: ")
