"""The real command in a process of its own, and pictures and a network to give it."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
import pytest

import glassnet

COMMAND = Path(sys.executable).with_name("glassnet")

Run: TypeAlias = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """What a terminal of 80 columns sets, and nothing that decides on colour."""
    left_out = ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "TTY_COMPATIBLE", "LINES")
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    return {**kept, "TERM": "xterm-256color", "COLUMNS": "80", "PYTHONWARNINGS": "error"}


@pytest.fixture
def run(environment: dict[str, str], tmp_path: Path) -> Run:
    """Run ``glassnet`` in an empty folder; stdin is empty unless given as ``stdin=bytes``."""

    def run(*arguments: str | Path, stdin: bytes = b"", **changed: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [COMMAND, *arguments],
            input=stdin,
            capture_output=True,
            env={**environment, **changed},
            cwd=tmp_path,
            timeout=120,
            check=False,
        )
        return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


def in_terminal(arguments: Sequence[str | Path], environment: dict[str, str], width: int = 80) -> str:
    """Return what the command writes into a terminal, which is stdout and stderr in one."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [COMMAND, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env={**environment, "COLUMNS": str(width)}
    ) as process:
        os.close(theirs)
        written = b""
        while True:
            try:
                piece = os.read(ours, 1 << 16)
            except OSError:  # Linux says so when the other end is closed
                break
            if not piece:
                break
            written += piece
    os.close(ours)
    assert process.returncode in (0, 1)
    return written.decode()


def drawn(digit: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return a 1 or a 7 in black ink on white paper, (60, 50)."""
    paper = np.full((60, 50), 255, np.uint8)
    strokes = {1: [(25, 10), (25, 50)], 7: [(12, 12), (38, 12), (22, 50)]}
    cv2.polylines(paper, [np.array(strokes[digit])], isClosed=False, color=0, thickness=4, lineType=cv2.LINE_AA)
    return paper


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with one.png, seven.png and, beside them, what is not a picture."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    cv2.imwrite(str(folder / "seven.png"), drawn(7))
    cv2.imwrite(str(folder / "one.png"), drawn(1))
    (folder / "notes.txt").write_text("not a picture")
    (folder / "._one.png").write_bytes(b"\0\5\x16\7")
    return folder


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A network 784-6-10 with random weights, saved."""
    generator = np.random.default_rng(1)
    path = tmp_path / "small.npz"
    network = glassnet.Network(
        [
            glassnet.Dense(generator.normal(0, 0.1, (784, 6)), generator.normal(0, 0.1, 6), "relu"),
            glassnet.Dense(generator.normal(0, 1, (6, 10)), None, "softmax"),
        ],
        inputs=glassnet.Input((784,), scale=1 / 255),
        labels=range(10),
    )
    glassnet.save(network, path)
    return path
