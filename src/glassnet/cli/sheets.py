"""Many pictures and PDFs, read one after another and, where it takes long, by several processes.

What is wanted of each is one value (``Wanted``) that travels to the processes; what comes back is what was read or the
error, in the order of the paths. Processes are started once a second has gone by and more than two are to come: what
is quickly done does not wait for them.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

import glassnet
from glassnet.cli.pictures import STANDARD_INPUT, quiet_decoders
from glassnet.errors import GlassnetError, PictureError

if TYPE_CHECKING:
    from glassnet.compiler import CompiledNetwork
    from glassnet.network import Network
    from glassnet.reading import Array, Field, Sheet, Template

SECONDS_ALONE = 1.0
SECONDS_WORTH_IT = 2.0
MOST_BYTES = 100_000_001  # of standard input: one more than what is read


@dataclass(frozen=True)
class Wanted:
    """What is wanted of each picture.

    network: compiled where that pays. field: what is known of each line. rows: how many lines there are. picture_side:
    how large the picture is to be in the report, 0 for none. crops: whether to cut out the marks. turn: whether pages
    on their side are turned.
    """

    network: Network | CompiledNetwork
    field: Field | None = None
    rows: int | None = None
    template: Template | None = None
    picture_side: int = 0
    crops: bool = False
    turn: bool = True


@dataclass(frozen=True)
class Source:
    """A picture, or a page of a PDF (1, 2, …; 0 for a picture).

    content: what standard input held. error: why there is nothing to read.
    """

    path: str
    page: int = 0
    content: bytes | None = None
    error: Exception | None = None

    @property
    def name(self) -> str:
        """How it is called where results are printed."""
        return f"{self.path}:{self.page}" if self.page else self.path


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of one: the sheet, or the error. remarks: what does not fit what is known of it."""

    source: Source
    sheet: Sheet | None = None
    error: Exception | None = None
    remarks: tuple[str, ...] = ()


def sources_of(path: str) -> list[Source]:
    """Return the picture at a path, or the pages of the PDF there; whether a picture can be read turns out later."""
    content = sys.stdin.buffer.read(MOST_BYTES) if path == STANDARD_INPUT else None
    document = path if content is None else content
    if not glassnet.reading.is_pdf(document):
        return [Source(path, 0, content)]
    try:
        with quiet_decoders():
            pages = glassnet.reading.count_pages(document)
    except (GlassnetError, OSError) as error:
        return [Source(path, error=error)]
    return [Source(path, page, content) for page in range(1, pages + 1)]


def outcomes(sources: Sequence[Source], wanted: Wanted, jobs: int) -> Iterator[Outcome]:
    """Give what became of each, in order, read by up to ``jobs`` processes."""
    begun = time.monotonic()
    for done, source in enumerate(sources):
        seconds, left = time.monotonic() - begun, len(sources) - done
        if min(jobs, left) > 1 and done and seconds > SECONDS_ALONE and seconds / done * left > SECONDS_WORTH_IT:
            from glassnet.cli.processes import outcomes_by_processes  # noqa: PLC0415  takes 20 ms to import

            yield from outcomes_by_processes(sources[done:], wanted, jobs)
            return
        yield outcome(source, wanted)


def outcome(source: Source, wanted: Wanted) -> Outcome:
    """Return what became of one picture."""
    if source.error is not None:
        return Outcome(source, error=source.error)
    try:
        with quiet_decoders():
            sheet = _read(source, wanted)
    except (GlassnetError, OSError) as error:
        return Outcome(source, error=error)
    except MemoryError:
        return Outcome(source, error=PictureError("not enough memory for it"))
    return Outcome(source, sheet, remarks=tuple(_remarks(sheet, wanted)))


def pixels_of(source: Source) -> Array:
    """Return the pixels of a picture, or of a page of a PDF."""
    given = source.path if source.content is None else source.content
    if source.page:
        return glassnet.reading.read_pdf_page(given, source.page)
    try:
        return glassnet.digits.read_picture(given)
    except PictureError as error:
        if source.content is None:
            raise
        raise PictureError(error.message.replace("the picture", "<stdin>", 1), hint=error.hint) from None


def _read(source: Source, wanted: Wanted) -> Sheet:
    reading = glassnet.reading
    network = wanted.network
    picture = pixels_of(source)
    number = max(source.page, 1)
    if wanted.template is not None:
        entries = reading.read_form(picture, wanted.template, lambda pixels: reading.read(pixels, network, turn=False))
        sheet = reading.sheet_of(source.path, number, entries, (picture.shape[1], picture.shape[0]))
    else:
        page = reading.read(picture, network, turn=wanted.turn)
        page = page if wanted.field is None else reading.gathered(page)
        page = page if wanted.rows is None else reading.likeliest_rows(page, wanted.rows)
        values = tuple(reading.read_field(line, wanted.field or reading.Field()) for line in page.lines)
        sheet = reading.Sheet(source.path, number, page, values)
    picture = np.rot90(picture, sheet.page.turned)
    return replace(
        sheet,
        picture=reading.image(picture, wanted.picture_side) if wanted.picture_side else b"",
        crops=reading.cut_out(picture, sheet.page) if wanted.crops else (),
    )


def _remarks(sheet: Sheet, wanted: Wanted) -> Iterator[str]:
    """Say where what was read is not what it should be."""
    if not sheet.fields and not sheet.page.digits:
        refused = next((mark.reason for mark in sheet.page.refused if mark.reason), "")
        yield "no digits found" + (f"; a mark was refused: {refused}" if refused else "")
    elif wanted.rows is not None and len(sheet.page.lines) != wanted.rows:
        yield f"{len(sheet.page.lines)} rows of digits found, expected {wanted.rows}"
    for number, value in enumerate(sheet.values, start=1):
        if value.text is None:
            line = sheet.fields[number - 1] if sheet.fields else f"line {number}"
            yield f"{line}: " + (
                f"no reading of {value.free_text} fits" if value.free_text else "nothing is written there"
            )


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
