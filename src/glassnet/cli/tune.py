"""``glassnet tune``: a network learns a person's own hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import glassnet
from glassnet.cli.errors import BAD_INPUT
from glassnet.cli.labelled import labelled, refuse_unanswered, refuse_unreadable
from glassnet.cli.models import chosen_network
from glassnet.cli.train import watched


def tune(
    model: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A shipped model's name, or a file of parameters.")],
    data: Annotated[
        Path,
        typer.Option(
            "--data", "-d", metavar="PATH", help="Your pictures: folders named 0 to 9, or a CSV of picture,digit."
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Where to save it: .safetensors, .npz or .pkl.")
    ],
    original: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="What it was trained on, to rehearse: MNIST's files, or folders 0 to 9."),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, metavar="N", help="How often to go through the pictures.")] = 10,
    rate: Annotated[float, typer.Option(metavar="X", help="Learning rate.")] = 0.0005,
    keep: Annotated[float, typer.Option(metavar="SHARE", help="Of each batch, what rehearses what it knew.")] = 0.5,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="The same seed gives the same network.")] = 0,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse where a picture cannot be read, instead of leaving it out.")
    ] = False,
) -> None:
    """Tune a network to your own handwriting.

    A fifth of your pictures is held out: the report says how they were read before and are after, and how well the
    network still reads what it knew, so that you see what was gained and what was lost.
    """
    from glassnet.formats.table import format_to_write  # noqa: PLC0415  brings safetensors

    network = chosen_network(model)
    format_to_write(output).write(network)
    mine = labelled(data, None, otherwise="train")
    refuse_unanswered(mine, network.labels)
    if strict:
        refuse_unreadable(mine)
    rehearsed = None
    if original is not None:
        found = labelled(original, None, otherwise="train")
        rehearsed = (found.pictures, found.labels)
    with watched() as progress:
        tuning = glassnet.digits.tune(
            network,
            mine.pictures,
            mine.labels,
            original=rehearsed,
            rate=rate,
            keep=keep,
            epochs=epochs,
            seed=seed,
            progress=progress,
        )
    glassnet.save(tuning.network, output)
    what = "what it was trained on, read rightly" if original else "far distorted pictures, read as before"
    print(f"{'':<42}{'before':<26}after")
    print(f"{'your pictures held out, read rightly':<42}{tuning.own_before!s:<26}{tuning.own_after}")
    print(f"{what:<42}{tuning.kept_before!s:<26}{tuning.kept_after}")
    print(f"{output}: saved")
    if mine.unreadable:
        raise typer.Exit(BAD_INPUT)
