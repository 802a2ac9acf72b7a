"""``glassnet plot``."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.conftest import Run


@pytest.mark.parametrize("figure", ["activations", "step-sigmoid"])
@pytest.mark.parametrize(("name", "begins"), [("out.svg", b"<?xml"), ("out.png", b"\x89PNG")])
def test_a_figure(run: Run, tmp_path: Path, figure: str, name: str, begins: bytes) -> None:
    done = run("plot", figure, "-o", name)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / name).read_bytes().startswith(begins)


def test_alone_it_shows_its_help(run: Run) -> None:
    done = run("plot")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == run("plot", "--help").stdout


def test_an_output_that_cannot_be_written(run: Run, tmp_path: Path) -> None:
    (tmp_path / "taken.svg").mkdir()
    done = run("plot", "activations", "-o", "taken.svg")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["taken.svg"]
