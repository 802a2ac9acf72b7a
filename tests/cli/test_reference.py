"""The reference page of the command line says what the commands say."""

from __future__ import annotations

import runpy
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "docs" / "make_cli_reference.py"


def test_the_page_is_what_the_commands_say() -> None:
    made = runpy.run_path(str(SCRIPT))
    assert made["PAGE"].read_text(encoding="utf-8") == made["page"](), "run: python docs/make_cli_reference.py"


def test_every_command_has_its_section() -> None:
    made = runpy.run_path(str(SCRIPT))
    titles = [line.removeprefix("## ") for line in made["PAGE"].read_text("utf-8").splitlines() if line[:3] == "## "]
    names = [
        "read",
        "explain",
        "evaluate",
        "models",
        "train",
        "tune",
        "inspect",
        "convert",
        "bench",
        "plot",
        "plot activations",
        "plot step-sigmoid",
    ]
    assert titles == ["glassnet", *(f"glassnet {name}" for name in names)]
