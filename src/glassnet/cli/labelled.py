"""Pictures with the answers to them: MNIST's files, folders named 0 … 9 and none, or a CSV of pictures and answers."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

import glassnet
from glassnet.cli.errors import complain
from glassnet.cli.pictures import paths_of, quiet_decoders
from glassnet.cli.progress import Progress
from glassnet.errors import FileFormatError, GlassnetError, MissingFileError, OptionError
from glassnet.network import Label, label_array
from glassnet.network.steps import Array

DIGITS = tuple(str(digit) for digit in range(10))

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        "-d",
        metavar="FOLDER",
        help="MNIST's four files, folders named 0 to 9 and none (no digit), or a CSV of picture,digit; left out: "
        "MNIST, downloaded once.",
    ),
]


@dataclass(frozen=True, eq=False)
class Labelled:
    """Pictures as the network is shown them, (n, 28, 28) of uint8, what they are, and how many could not be read.

    labels: digits, and "none" for what is none.
    """

    pictures: Array
    labels: Array
    unreadable: int = 0


def labelled(folder: Path | None, part: str | None, *, otherwise: str) -> Labelled:
    """Return ``part``, or the part ``otherwise``, of the MNIST files in ``folder``, or all pictures in its folders.

    Without a folder it is MNIST itself. Raises what reading the files raises, OptionError for a part of a folder of
    pictures, which has none.
    """
    found = _found(folder, part, otherwise)
    if not len(found.labels):
        raise MissingFileError(f"there are no pictures in {folder or 'the data'}")
    return found


def _found(folder: Path | None, part: str | None, otherwise: str) -> Labelled:
    if folder is None:
        return Labelled(*glassnet.datasets.read_mnist(None, part or otherwise))
    if folder.suffix.lower() == ".csv" and folder.is_file():
        if part is not None:
            raise OptionError(f"{folder} is a list of pictures, which has no part {part!r}", hint="leave --part out")
        return _from_pictures(_listed(folder))
    if not folder.is_dir():
        raise MissingFileError(
            f"{folder} is a file, expected a folder" if folder.exists() else f"there is no folder {folder}"
        )
    classes = [name for name in _answers() if (folder / name).is_dir()]
    if not classes:
        try:
            return Labelled(*glassnet.datasets.read_mnist(folder, part or otherwise))
        except MissingFileError as error:
            raise MissingFileError(error.message, hint=f"{error.hint}, or folders named 0 to 9 of pictures") from None
    if part is not None:
        raise OptionError(f"{folder} holds folders of pictures, which have no part {part!r}", hint="leave --part out")
    paths: list[tuple[str, Label]] = []
    for name in classes:
        try:
            paths += [(path, _label(name)) for path in paths_of(str(folder / name))]
        except MissingFileError as error:  # an empty folder does not keep the others from being used
            complain(error)
    return _from_pictures(paths)


def _answers() -> tuple[str, ...]:
    """Return what a picture can be: a digit or none."""
    return (*DIGITS, glassnet.digits.NONE)


def _label(answer: str) -> Label:
    return int(answer) if answer in DIGITS else answer


def _listed(path: Path) -> list[tuple[str, Label]]:
    """Return the pictures that a CSV names, relative to its own folder, and their digits.

    Raises FileFormatError naming the line that is not a picture and a digit; a heading is passed over.
    """
    listed: list[tuple[str, Label]] = []
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            for number, row in enumerate(csv.reader(file), start=1):
                cells = [cell.strip() for cell in row]
                if not any(cells) or (number == 1 and cells[-1] not in _answers()):
                    continue
                if len(cells) != 2 or cells[1] not in _answers():
                    raise FileFormatError(
                        f"reading {path}: line {number}: expected a picture and its digit, found {','.join(row)[:60]!r}"
                    )
                listed.append((str(path.parent / cells[0]), _label(cells[1])))
        except (UnicodeDecodeError, csv.Error) as error:
            raise FileFormatError(f"reading {path}: not a CSV of pictures: {error}") from None
    return listed


def refuse_unreadable(given: Labelled) -> None:
    """Raise MissingFileError where pictures had to be left out."""
    if given.unreadable:
        raise MissingFileError(
            f"{given.unreadable} of the pictures cannot be read", hint="without --strict, the rest is used"
        )


def refuse_unanswered(given: Labelled, answers: Sequence[Label] | None) -> None:
    """Raise OptionError where pictures are what a network cannot answer; ``answers``: its labels, if it has any."""
    unanswered = [label for label in given.labels.tolist() if answers is not None and label not in answers]
    if unanswered:
        raise OptionError(
            f"{len(unanswered)} of the pictures are {unanswered[0]!r}, which this network does not answer",
            hint=f"leave them out; digits answers {glassnet.digits.NONE!r}, and so does a recipe with [not_digits]",
        )


def _from_pictures(paths: list[tuple[str, Label]]) -> Labelled:
    pictures: list[Array] = []
    labels: list[Label] = []
    with Progress("preparing", len(paths)) as progress:
        for path, label in paths:
            progress.advance()
            try:
                with quiet_decoders():
                    pictures.append(glassnet.digits.prepare(path))
            except (GlassnetError, OSError) as error:
                complain(error, about=path)
            else:
                labels.append(label)
    if not pictures:
        raise MissingFileError("none of the pictures could be read")
    return Labelled(np.stack(pictures), label_array(labels), len(paths) - len(pictures))
