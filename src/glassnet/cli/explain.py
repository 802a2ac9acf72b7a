"""``glassnet explain``: from one picture to the answer, with every number on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import glassnet
from glassnet.cli.models import DEFAULT_MODEL, ModelOption, chosen_network
from glassnet.cli.output import by_label, print_json
from glassnet.cli.pictures import quiet_decoders, source_of
from glassnet.errors import PictureError
from glassnet.network import Network
from glassnet.network.steps import Array

# Small enough for every neuron to be seen.
EXPLAINED_MODEL = "digits-small"


def explain(
    picture: Annotated[str, typer.Argument(metavar="PICTURE", help="A file, or - for standard input.")],
    model: ModelOption = EXPLAINED_MODEL,
    digit: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Which digit of a page, in the order in which they are read; 1 is the first."
        ),
    ] = None,
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
    with quiet_decoders():
        pixels = glassnet.digits.read_picture(source_of(picture))
    # The digits of a page are those of `glassnet read`: by the network it takes, too, where none was chosen.
    reader = chosen_network(DEFAULT_MODEL) if digit is not None and model == EXPLAINED_MODEL else network
    if digit is None:
        found = glassnet.digits.recognise(pixels, network)
    else:
        found = glassnet.digits.recognise_prepared(digit_of(picture, pixels, reader, digit), network)
    prepared = found.prepared
    trace = network.trace(prepared.reshape(network.inputs[0].shape))
    if save is not None:
        from glassnet import plots  # noqa: PLC0415  Matplotlib takes a second to import

        plots.plot_trace(trace, prepared, save, labels=network.labels)
    if json:
        print_json(
            {
                "path": picture,
                "label": found.label,
                "probability": found.probabilities.max(),
                "probabilities": by_label(network, found.probabilities),
                "values": trace,
            }
        )
        return

    # Rich takes 60 ms to import; `read` and what uses no terminal go without it.
    from rich.console import Console  # noqa: PLC0415

    from glassnet.cli import view  # noqa: PLC0415

    console = Console(highlight=False)
    grey = console.color_system in ("256", "truecolor") and not console.no_color
    if steps:
        taken = (
            glassnet.digits.prepare_steps(pixels) if digit is None else glassnet.reading.read_steps(pixels, reader)[1]
        )
        console.print(view.preparation(taken, width=console.width, grey=grey))
    for part in view.explanation(network, trace, prepared, found.probabilities, width=console.width, grey=grey):
        console.print(part)


def digit_of(name: str, pixels: Array, network: Network, number: int) -> Array:
    """Return what the network saw of a page's digit. Raises PictureError where there are fewer."""
    digits = glassnet.reading.read(pixels, network).digits
    if number > len(digits):
        raise PictureError(f"{name}: there is no digit {number}, {len(digits)} were read")
    return digits[number - 1].prepared
