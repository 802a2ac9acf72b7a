"""Broken and hostile files at the command line: one line each, exit code 1, no traceback, nothing executed."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from attacks import CANARY, archives, pickles
from cli.conftest import Run
from digits import files as broken
from glassnet.cli import app

LARGE = 1 << 20  # what is larger is tested with the formats
MODELS = {
    name: content
    for name, content in ({f"{name}.pkl": data for name, data in pickles.ATTACKS.items()} | archives.ATTACKS).items()
    if len(content) < LARGE
}


def test_broken_pictures(run: Run, small: Path, tmp_path: Path) -> None:
    names = []
    for number, (make, _) in enumerate(broken.BROKEN.values()):
        names.append(f"{number:03}.png")
        (tmp_path / names[-1]).write_bytes(make())
    done = run("read", *names, "--model", small)
    assert (done.returncode, done.stdout) == (1, "")
    errors = [line for line in done.stderr.splitlines() if line and not line.startswith("hint: ")]
    assert len(errors) == len(names) > 40
    for error, name, (_, words) in zip(errors, names, broken.BROKEN.values(), strict=True):
        assert name in error
        assert words in error or "PDF" in error  # no picture to the preparation, but a page may be one of a PDF


@pytest.mark.parametrize("command", [["inspect"], ["read", "x.png", "--model"], ["evaluate", "--model"]])
def test_hostile_models(command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, because there are hundreds; ``test_inspect`` has some in a process of their own."""
    monkeypatch.chdir(tmp_path)
    assert len(MODELS) > 200
    for number, (name, content) in enumerate(MODELS.items()):
        path = Path(f"{number}{Path(name).suffix}")
        path.write_bytes(content)
        done = CliRunner().invoke(app, [*command, str(path)])
        assert done.exit_code == 1, name
        error, *hint = done.stderr.splitlines()
        assert error.startswith(f"error: reading {path}: "), name
        assert not hint or (hint[0] == "" and hint[1].startswith("hint: ")), name
        assert len(hint) in (0, 2), name
        path.unlink()
    assert not Path(CANARY).exists()
