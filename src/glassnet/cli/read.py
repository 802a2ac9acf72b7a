"""``glassnet read``: the digits on pictures, scans and forms."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import glassnet
from glassnet.cli.errors import BAD_INPUT, complain, printable
from glassnet.cli.models import DEFAULT_MODEL, ModelOption, chosen_network
from glassnet.cli.outputs import Outputs, made
from glassnet.cli.pictures import DOCUMENTS, STANDARD_INPUT, paths_of, quiet_decoders
from glassnet.cli.progress import Progress
from glassnet.cli.sheets import Outcome, Source, Wanted, outcomes, pixels_of, processors, sources_of
from glassnet.errors import GlassnetError, OptionError
from glassnet.files import replacing

if TYPE_CHECKING:
    from glassnet.network import Network
    from glassnet.reading import Field

# To load LLVM and the code from its cache takes 85 ms; a picture is then read 0.1 ms sooner, so it pays from here on.
COMPILED_FROM = 1000


def read(
    pictures: Annotated[
        list[str], typer.Argument(metavar="PICTURE", help="Pictures, PDFs, folders of them, or - for standard input.")
    ],
    model: ModelOption = DEFAULT_MODEL,
    length: Annotated[int | None, typer.Option(min=1, metavar="N", help="Each line has N digits.")] = None,
    rows: Annotated[int | None, typer.Option(min=1, metavar="N", help="Each picture has N lines.")] = None,
    bounds: Annotated[
        str | None, typer.Option("--range", metavar="A-B", help="Each line is a number from A to B.")
    ] = None,
    check: Annotated[
        str | None, typer.Option(metavar="NAME", help="Each line has a check digit: luhn, mod11, isbn or ean.")
    ] = None,
    choices: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Each line is one of the numbers in a CSV's first column.")
    ] = None,
    template: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The pictures are forms, which this .toml describes.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object a picture, each on its line.")] = False,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a row for each digit, or for each form, as CSV.")
    ] = None,
    parquet: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the same rows as Parquet; needs the extra parquet.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page on which digits can be seen and corrected, .html.")
    ] = None,
    crops: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write a picture of each digit there, named in the rows.")
    ] = None,
    steps: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write what each picture looks like after each step there.")
    ] = None,
    no_turn: Annotated[bool, typer.Option("--no-turn", help="Read a page as it lies, even on its side.")] = False,
    error_rate: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Say what needs review, so that of the rest this share is wrong: 0.01 in files if left out.",
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", min=1, metavar="N", help="Processes; as many as processors if left out."),
    ] = None,
) -> None:
    """Read the digits on pictures.

    Prints for each line on a picture its path, the digits, and the probability that they are right. What cannot be
    read, or is not as it was said to be, gives an error on stderr; the others are read all the same, and the exit code
    is 1.
    """
    expected = known_field(length, bounds, check, choices)
    if template is not None and ((expected, rows, steps) != (None, None, None) or no_turn):
        raise OptionError(
            "--template says what is in each field",
            hint="leave out --length, --range, --check, --choices, --rows, --steps, --no-turn",
        )
    form = None if template is None else glassnet.reading.load_template(template)
    outputs = Outputs(json, csv, parquet, report, crops, error_rate, form)
    outputs.check()
    network = chosen_network(model)
    sources, failed = found_sources(pictures)
    wanted = Wanted(
        network.compile() if len(sources) >= COMPILED_FROM else network,
        field=expected,
        rows=rows,
        template=form,
        picture_side=0 if report is None else glassnet.reading.side_for(len(sources)),
        crops=crops is not None,
        turn=not no_turn,
    )
    width = max((len(printable(source.name)) for source in sources), default=0)
    kept: list[Outcome] = []
    with Progress("reading", len(sources), wanted=not (outputs.as_it_comes and sys.stdout.isatty())) as progress:
        for outcome in outcomes(sources, wanted, jobs or processors()):
            progress.advance()
            if outcome.sheet is not None and outputs.as_it_comes:
                outputs.print(outcome, width)
            elif outcome.sheet is not None:
                kept.append(outcome)
            failed |= complained(outcome)
    if steps is not None:
        write_steps(made(steps), sources, network, turn=not no_turn)
    if not outputs.as_it_comes:
        outputs.write(kept)
    if failed:
        raise typer.Exit(BAD_INPUT)


def known_field(length: int | None, bounds: str | None, check: str | None, choices: Path | None) -> Field | None:
    """Return what is known of each line; None for nothing. Raises OptionError, and what reading the choices raises."""
    if (length, bounds, check, choices) == (None, None, None, None):
        return None
    low_high = None
    if bounds is not None:
        found = re.fullmatch(r"(-?\d+(?:\.\d+)?)-(-?\d+(?:\.\d+)?)", bounds, re.ASCII)
        if found is None:
            raise OptionError(f"--range {bounds}: expected two numbers such as 0-100 or 35.5-42")
        low_high = (Decimal(found[1]), Decimal(found[2]))
    listed = () if choices is None else glassnet.reading.read_choices(choices)
    return glassnet.reading.Field(length, low_high, check, listed)


def found_sources(given: Sequence[str]) -> tuple[list[Source], bool]:
    """Return all pictures and pages that were given, and whether a folder held none; complains of that."""
    sources: list[Source] = []
    failed = False
    for one in given:
        try:
            sources += [source for path in paths_of(one, DOCUMENTS) for source in sources_of(path)]
        except (GlassnetError, OSError) as error:
            complain(error)
            failed = True
    return sources, failed


def complained(outcome: Outcome) -> bool:
    """Complain of what is wrong with a picture; return whether something is."""
    if outcome.error is not None:
        complain(outcome.error, about="<stdin>" if outcome.source.path == STANDARD_INPUT else outcome.source.path)
    for remark in outcome.remarks:
        complain(f"{outcome.source.name}: {remark}")
    return outcome.error is not None or bool(outcome.remarks)


def write_steps(folder: Path, sources: Sequence[Source], network: Network, *, turn: bool) -> None:
    """Write what each picture looks like after each step of its reading; those that cannot be read are passed over."""
    for index, source in enumerate(sources, start=1):
        if source.error is not None:
            continue
        try:
            with quiet_decoders():
                _, steps = glassnet.reading.read_steps(pixels_of(source), network, turn=turn)
        except (GlassnetError, OSError):
            continue  # complained of before
        name = "" if len(sources) == 1 else f"{index:04}-{Path(source.path).stem[:60]}-"
        for number, step in enumerate(steps, start=1):
            with replacing(folder / f"{name}{number}-{step.name}.png") as file:
                file.write(glassnet.reading.png(step.picture))
