"""What a person should look at again: one row a mark, with its place, what it was read as, and how surely.

The probabilities are calibrated: of the digits read with 0.9, nine in ten are right. So the share of wrong ones to
expect among those a person does not look at is the mean of what their probabilities leave to 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from math import inf
from pathlib import Path

import numpy as np

from glassnet.errors import OptionError
from glassnet.files import replacing
from glassnet.reading.encode import cropped, png
from glassnet.reading.fields import Value
from glassnet.reading.page import Array, Page
from glassnet.reading.table import Table

ERROR_RATE = 0.01
ROUNDING = 1e-12  # of a mean


@dataclass(frozen=True, eq=False)
class Sheet:
    """A page that was read: the file it is in, its number there (1, 2, …), and what its lines say.

    values: one for each line. fields: their names, where the lines are the boxes of a form. picture: the page as a JPEG
    or PNG for people to look at, if it is wanted. crops: for each line its marks, cut out of the picture, as PNG, if
    they are wanted.
    """

    path: str
    number: int
    page: Page
    values: tuple[Value, ...]
    fields: tuple[str, ...] = ()
    picture: bytes = b""
    crops: tuple[tuple[bytes, ...], ...] = ()


def cut_out(picture: Array, page: Page) -> tuple[tuple[bytes, ...], ...]:
    """Return the marks of each line, cut out of the picture, as PNG."""
    return tuple(tuple(png(cropped(picture, digit.box)) for digit in line.digits) for line in page.lines)


@dataclass(frozen=True)
class Row:
    """One mark of a page.

    turned: by how many quarters to the left the picture was turned. line, position: where it stands, from 1; field: its
    box of a form. left, top, width, height: in pixels of the picture turned so. value: "" for what is no digit, and the
    reason for that. confidence: that the value is right. line_value: what the line says. crop: the file that shows the
    mark, if it was written.
    """

    picture: str
    page: int
    turned: int
    field: str
    line: int
    position: int
    left: int
    top: int
    width: int
    height: int
    value: str
    confidence: float
    needs_review: bool
    reason: str
    line_value: str
    crop: str


def threshold_for(error_rate: float, probabilities: Sequence[float] | None = None) -> float:
    """Return the probability from which on values need no review, for a wanted share of wrong ones among them.

    With the probabilities of all values it is the lowest that keeps the expected share, the mean of 1 - p over the
    values from there on, within ``error_rate``; infinite where not even the surest one does. Without: 1 - error_rate,
    which keeps it for any values.

    >>> threshold_for(0.05, [0.99, 0.98, 0.9, 0.6])  # 0.01, 0.02 and 0.1 have a mean of 0.043
    0.9
    >>> threshold_for(0.05)
    0.95
    """
    if not 0 < error_rate < 1:
        raise OptionError(f"the error rate must lie between 0 and 1, found {error_rate}")
    if probabilities is None:
        return 1 - error_rate
    surest_first = np.sort(np.asarray(probabilities, float))[::-1]
    expected = np.cumsum(1 - surest_first) / np.arange(1, len(surest_first) + 1)
    # Equal probabilities are above the threshold together.
    last_of_its_kind = np.append(surest_first[1:] != surest_first[:-1], True)[: len(surest_first)]
    enough = np.flatnonzero(last_of_its_kind & (expected <= error_rate + ROUNDING))
    return float(surest_first[enough[-1]]) if len(enough) else inf


def confidences(sheet: Sheet) -> list[list[float]]:
    """Return for each line how sure its marks are: a digit is right at least as surely as its whole line."""
    return [
        [
            max(digit.probability, value.probability)
            if symbol == _own(digit.label, digit.is_digit)
            else value.probability
            for digit, symbol in zip(line.digits, value.symbols, strict=True)
        ]
        for line, value in zip(sheet.page.lines, sheet.values, strict=True)
    ]


def _own(label: object, is_digit: bool) -> str:
    return str(label) if is_digit else ""


def rows_of(sheets: Sequence[Sheet], error_rate: float = ERROR_RATE, crops: Path | None = None) -> list[Row]:
    """Return a row for each mark in the lines of the sheets, with the threshold for all of them together.

    A line of which nothing fits needs review as a whole. crops: the folder, which must exist, for the pictures of
    the marks.
    """
    sure = [confidences(sheet) for sheet in sheets]
    threshold = threshold_for(error_rate, [one for sheet in sure for line in sheet for one in line])
    rows = []
    for index, (sheet, of_sheet) in enumerate(zip(sheets, sure, strict=True), start=1):
        lines = zip(sheet.page.lines, sheet.values, of_sheet, strict=True)
        for number, (line, value, of_line) in enumerate(lines, start=1):
            marks = zip(line.digits, value.symbols, of_line, strict=True)
            for position, (digit, symbol, confidence) in enumerate(marks, start=1):
                crop = ""
                if crops is not None:
                    crop = str(
                        crops / f"{index:04}-{Path(sheet.path).stem[:60]}-{sheet.number}-{number}-{position}.png"
                    )
                    with replacing(crop) as file:
                        file.write(sheet.crops[number - 1][position - 1])
                rows.append(
                    Row(
                        picture=sheet.path,
                        page=sheet.number,
                        turned=sheet.page.turned,
                        field=sheet.fields[number - 1] if sheet.fields else "",
                        line=number,
                        position=position,
                        **digit.box._asdict(),
                        value=symbol,
                        confidence=confidence,
                        needs_review=value.text is None or confidence < threshold,
                        reason="" if symbol else digit.reason,
                        line_value=value.free_text if value.text is None else value.text,
                        crop=crop,
                    )
                )
    return rows


def review_table(rows: Sequence[Row]) -> Table:
    """Return the rows as a table."""
    kinds = {"str": str, "int": int, "float": float, "bool": bool}
    return Table({column.name: kinds[str(column.type)] for column in fields(Row)}, [asdict(row) for row in rows])
