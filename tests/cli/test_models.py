"""``glassnet models``."""

from __future__ import annotations

import json

from cli.conftest import Run
from glassnet import digits


def test_every_model_has_a_line(run: Run) -> None:
    done = run("models")
    assert (done.returncode, done.stderr) == (0, "")
    heading, *lines = done.stdout.splitlines()
    assert heading.split() == ["model", "layers", "file", "misread"]
    cards = digits.model_cards()
    for line, (name, card) in zip(lines, cards.items(), strict=True):
        assert line.startswith(name)
        assert card["layers"] in line
        assert f"{card['errors']} (" in line
        assert (f"glassnet train recipes/{name}.toml" in line) == (name not in digits.MODELS)


def test_every_figure(run: Run) -> None:
    found = json.loads(run("models", "--json").stdout)
    assert {name for name, card in found.items() if card["shipped"]} == set(digits.MODELS)
    assert all(card["sha256"] and card["trials"] for card in found.values())
