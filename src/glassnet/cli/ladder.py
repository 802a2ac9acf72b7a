"""``glassnet models``: the networks there are, and how good they are."""

from __future__ import annotations

from typing import Annotated

import typer

import glassnet
from glassnet.cli.output import print_json


def models(
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object with every figure.")] = False,
) -> None:
    """List the models: layers, size, and how many of MNIST's test images each misreads.

    One that is not shipped is built by its recipe. docs/models/ has a page about each.
    """
    cards = glassnet.digits.model_cards()
    shipped = glassnet.digits.MODELS
    if json:
        print_json({name: {**card, "shipped": name in shipped} for name, card in cards.items()})
        return
    rows = [
        (
            name,
            card["layers"] + (f" × {card['members']}" if card["members"] > 1 else ""),
            _size(card["bytes"]),
            f"{card['errors']} ({100 * card['errors'] / card['images']:.2f} %)",
            card["what"] + ("" if name in shipped else f"; glassnet train recipes/{name}.toml"),
        )
        for name, card in cards.items()
    ]
    rows.insert(0, ("model", "layers", "file", "misread", ""))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for name, layers, size, errors, what in rows:
        line = f"{name:<{widths[0]}}  {layers:<{widths[1]}}  {size:>{widths[2]}}  {errors:>{widths[3]}}  {what}"
        print(line.rstrip())


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} KB"
