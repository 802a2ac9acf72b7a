"""``glassnet explain``: from one picture to the answer, with every number on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import glassnet
from glassnet.cli.models import DEFAULT_MODEL, ModelOption, chosen_network
from glassnet.cli.output import print_json
from glassnet.cli.pictures import source_of


def explain(
    picture: Annotated[str, typer.Argument(metavar="PICTURE", help="A file, or - for standard input.")],
    model: ModelOption = DEFAULT_MODEL,
    steps: Annotated[bool, typer.Option("--steps", help="Show how the picture was prepared, too.")] = False,
    save: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw it into a .svg or .png file, too; needs the extra plot."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print every a and z as one JSON object instead.")] = False,
) -> None:
    """Show how the network comes to its answer.

    The prepared picture, each layer's activations, its strongest neurons with the inputs that pushed them up or down,
    and the sum behind the winning output: a = Σ w·x + b.
    """
    network = chosen_network(model)
    pixels = glassnet.digits.read_picture(source_of(picture))
    found = glassnet.digits.recognise(pixels, network)
    trace = network.trace(found.prepared)
    if save is not None:
        from glassnet import plots  # noqa: PLC0415  Matplotlib takes a second to import

        plots.plot_trace(trace, found.prepared, save, labels=network.labels)
    if json:
        print_json({"path": picture, "label": found.label, "probabilities": found.probabilities, **trace})
        return

    from rich.console import Console  # noqa: PLC0415  Rich takes 60 ms to import; `read` goes without it

    from glassnet.cli import view  # noqa: PLC0415

    console = Console(highlight=False)
    grey = console.color_system in ("256", "truecolor") and not console.no_color
    for part in view.explanation(network, trace, found.prepared, found.probabilities, width=console.width, grey=grey):
        console.print(part)
