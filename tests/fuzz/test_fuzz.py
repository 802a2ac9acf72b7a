"""Each fuzz target, for a few seconds; and a planted fault, to show that one would be seen."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import glassnet

pytest.importorskip("atheris", reason="atheris is installed by hand; it has no wheel for every Python")
HERE = Path(__file__).parent
TARGETS = sorted(path.name for path in HERE.glob("fuzz_*.py"))

PLANTED = """
from fuzzing import main

def target(data):
    if data[:2] == b"PK":
        raise ZeroDivisionError

main(target, [b"PK", b"other"])
"""


def run(program: list[str], folder: Path, seconds: int) -> subprocess.CompletedProcess[str]:
    package = Path(glassnet.__file__).parent.parent
    # By way of a shell, which is small: a process counts what its parent held as memory of its own.
    return subprocess.run(
        ["sh", "-c", '"$@"; exit $?', "sh", sys.executable, *program, str(seconds)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{HERE}{os.pathsep}{package}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.parametrize("target", TARGETS)
def test_a_few_seconds(target: str, tmp_path: Path) -> None:
    done = run([str(HERE / target)], tmp_path, 3)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "stat::number_of_executed_units" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_planted_fault_is_seen(tmp_path: Path) -> None:
    (tmp_path / "planted.py").write_text(PLANTED, encoding="utf-8")
    done = run(["planted.py"], tmp_path, 3)
    assert done.returncode != 0
    assert "ZeroDivisionError" in done.stderr + done.stdout
