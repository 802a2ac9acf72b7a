"""``glassnet read``: the digit in each picture."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

import glassnet
from glassnet.cli.errors import BAD_INPUT, complain, printable
from glassnet.cli.models import DEFAULT_MODEL, ModelOption, chosen_network
from glassnet.cli.output import by_label, print_json
from glassnet.cli.pictures import paths_of, quiet_decoders, source_of
from glassnet.cli.progress import Progress
from glassnet.errors import GlassnetError

# To load LLVM and the code from its cache takes 85 ms; a picture is then read 0.1 ms sooner, so it pays from here on.
COMPILED_FROM = 1000


def read(
    pictures: Annotated[
        list[str], typer.Argument(metavar="PICTURE", help="Files, folders of pictures, or - for standard input.")
    ],
    model: ModelOption = DEFAULT_MODEL,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object a picture, each on its line.")] = False,
) -> None:
    """Read the digit in each picture.

    Prints the path, the digit and its probability, one picture a line. A picture that cannot be read gives an error
    on stderr, the others are read all the same, and the exit code is 1.
    """
    network = chosen_network(model)
    paths: list[str] = []
    failed = False
    for given in pictures:
        try:
            paths += paths_of(given)
        except (GlassnetError, OSError) as error:
            complain(error)
            failed = True
    reader = network.compile() if len(paths) >= COMPILED_FROM else network
    width = max((len(printable(path)) for path in paths), default=0)
    with Progress("reading", len(paths), wanted=not sys.stdout.isatty()) as progress:
        for path in paths:
            progress.advance()
            try:
                with quiet_decoders():
                    found = glassnet.digits.recognise(source_of(path), reader)
            except (GlassnetError, OSError) as error:
                complain(error, about="<stdin>" if path == "-" else path)
                failed = True
                continue
            if json:
                print_json(
                    {
                        "path": path,
                        "label": found.label,
                        "probability": found.probabilities.max(),
                        "probabilities": by_label(network, found.probabilities),
                    }
                )
            else:
                print(
                    f"{printable(path):<{width}}  {printable(found.label)}  {found.probability:6.1%}".replace("%", " %")
                )
    if failed:
        raise typer.Exit(BAD_INPUT)
