"""Errors, JSON and progress, in this process."""

from __future__ import annotations

import json
import math
import time

import numpy as np
import pytest

from glassnet.cli import progress
from glassnet.cli.errors import complain, printable
from glassnet.cli.output import print_json
from glassnet.errors import MissingFileError, PictureError


def complaint(capsys: pytest.CaptureFixture[str], problem: Exception) -> str:
    complain(problem)
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


def test_an_error_and_its_hint(capsys: pytest.CaptureFixture[str]) -> None:
    assert complaint(capsys, PictureError("no ink", hint="write on it")) == "error: no ink\n\nhint: write on it\n"
    assert complaint(capsys, PictureError("no ink")) == "error: no ink\n"


def test_an_error_of_the_system(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        complaint(capsys, PermissionError(13, "Permission denied", "/root/x")) == "error: /root/x: Permission denied\n"
    )
    assert complaint(capsys, OSError(28, "No space left on device")) == "error: No space left on device\n"
    assert complaint(capsys, MissingFileError("nothing there")) == "error: nothing there\n"


def test_a_hostile_name_stays_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    error = complaint(capsys, PictureError("reading \033[2Ja\nerror: b\udc80"))
    assert error == "error: reading \\x1b[2Ja\\nerror: b\\udc80\n"


@pytest.mark.parametrize("text", ["three.png", "숫자 3.png", "", "a  b"])
def test_plain_names_are_printed_as_they_are(text: str) -> None:
    assert printable(text) == text


def test_json_of_numpy(capsys: pytest.CaptureFixture[str]) -> None:
    print_json(
        {
            "float32": np.float32(0.1),
            "integer": np.int64(3),
            "flag": np.True_,
            "array": np.array([[0.25, math.nan], [math.inf, 1e-30]], np.float32),
            "tuple": (1, "a", None),
            5: "five",
        }
    )
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    assert json.loads(line) == {
        "float32": 0.1,
        "integer": 3,
        "flag": True,
        "array": [[0.25, None], [None, 1e-30]],
        "tuple": [1, "a", None],
        "5": "five",
    }


class Terminal:
    """A stderr that says it is a terminal."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self.written = ""

    def write(self, text: str) -> int:
        self.written += text
        return len(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("seconds", "wanted", "appears"), [(0.0, True, True), (3600.0, True, False), (0.0, False, False)]
)
def test_progress_appears_after_a_while(
    monkeypatch: pytest.MonkeyPatch, seconds: float, wanted: bool, appears: bool
) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setattr(progress, "SECONDS_UNTIL_SHOWN", seconds)
    monkeypatch.setattr(progress, "SECONDS_BETWEEN", 0)
    with progress.Progress("reading", 20, wanted=wanted) as bar:
        bar.advance()
        time.sleep(0.01)
        bar.advance(9)
    assert ("reading" in terminal.written) == appears
    assert ("10/20" in terminal.written) == appears


def test_progress_is_for_terminals_only(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(progress, "SECONDS_UNTIL_SHOWN", 0)
    with progress.Progress("reading", 20) as bar:
        bar.advance()
        bar.advance()
    assert capsys.readouterr().err == ""
