"""Reading a form: the sheet is laid straight, its boxes are cut out, and each is read as what its field says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from glassnet.reading.align import corners_of, straight
from glassnet.reading.fields import Value, gathered, read_field
from glassnet.reading.page import Array, Box, Digit, Line, Mark, Page
from glassnet.reading.review import Sheet, threshold_for
from glassnet.reading.table import Table
from glassnet.reading.template import COLUMNS, Template

# A box is read with this much of its shorter side around it: so its printed border is seen to be a line, and removed.
AROUND = 0.25


@dataclass(frozen=True, eq=False)
class Entry:
    """What is written in a box of a form: the marks, in pixels of the picture as all boxes are, and what they say.

    value: text "" where the box is empty and may be, None where it must not be or nothing fits.
    """

    box: Box
    line: Line
    value: Value


def read_form(picture: Array, template: Template, read: Callable[[Array], Page]) -> dict[str, Entry]:
    """Return what is written in each box of a form.

    picture: pixels as ``read_picture`` gives them. read: reads a page, ``glassnet.reading.read`` say. What has its
    middle in a box belongs to it; of several lines there, the one with the most digits counts. Raises PictureError
    where the sheet is not found in the picture.
    """
    marks = None if template.marks is None else np.array(template.marks, float)
    laid, back = straight(picture, *corners_of(picture, template.size, marks), template.size)
    scale = laid.shape[1] / template.size[0]
    entries = {}
    for name, place in template.places.items():
        left, top, width, height = place.box
        around = AROUND * min(width, height)
        x, y = (max(round((edge - around) * scale), 0) for edge in (left, top))
        right, bottom = (round((edge + around) * scale) for edge in (left + width, top + height))
        pixels = np.ascontiguousarray(laid[y : max(bottom, y + 1), x : max(right, x + 1)])
        box = Box(round(left * scale) - x, round(top * scale) - y, round(width * scale), round(height * scale))
        page = gathered(_inside(read(pixels), box))
        line = max(page.lines, key=lambda line: len(line.digits), default=Line(page.refused))
        value = read_field(line, place.field)
        if not line.digits:
            value = Value("" if place.optional else None, float(place.optional), "", place.optional, ())

        def seen(box: Box, x: int = x, y: int = y) -> Box:
            return _seen(((x + box.left) / scale, (y + box.top) / scale, box.width / scale, box.height / scale), back)

        line = Line(
            tuple(replace(digit, box=seen(digit.box)) for digit in line.digits),
            tuple(replace(mark, box=seen(mark.box)) for mark in line.marks),
        )
        entries[name] = Entry(_seen(place.box, back), line, value)
    return entries


def _inside(page: Page, box: Box) -> Page:
    """Return what of a page has its middle in a box."""

    def inside(mark: Digit | Mark) -> bool:
        across, down = mark.box.left + mark.box.width / 2 - box.left, mark.box.top + mark.box.height / 2 - box.top
        return 0 <= across < box.width and 0 <= down < box.height

    if page.turned:  # what lies on its side in a form that lies straight is no digit
        return replace(page, lines=(), refused=())
    lines = (Line(tuple(filter(inside, line.digits)), tuple(filter(inside, line.marks))) for line in page.lines)
    return Page(tuple(line for line in lines if line.digits), page.size, tuple(filter(inside, page.refused)))


def _seen(box: tuple[float, ...], back: Array) -> Box:
    """Return the upright box around a box of the form, in pixels of the picture."""
    left, top, width, height = box
    corners = [[left, top, 1], [left + width, top, 1], [left + width, top + height, 1], [left, top + height, 1]]
    x, y, depth = back @ np.array(corners, float).T
    x, y = x / depth, y / depth
    return Box(round(x.min()), round(y.min()), max(1, round(np.ptp(x))), max(1, round(np.ptp(y))))


def sheet_of(path: str, number: int, entries: Mapping[str, Entry], size: tuple[int, int]) -> Sheet:
    """Return a form that was read as a sheet whose lines are its boxes."""
    lines = tuple(entry.line for entry in entries.values())
    values = tuple(entry.value for entry in entries.values())
    return Sheet(path, number, Page(lines, size), values, tuple(entries))


def form_table(sheets: Sequence[Sheet], template: Template, error_rate: float) -> Table:
    """Return a row for each sheet of a form.

    For each field: its value, empty where nothing fits; how sure it is; whether a person should look at it.
    """
    threshold = threshold_for(error_rate, [value.probability for sheet in sheets for value in sheet.values])
    columns: dict[str, type] = dict(COLUMNS)
    for name in template.places:
        columns |= {name: str, f"{name}_confidence": float, f"{name}_needs_review": bool}
    rows = []
    for sheet in sheets:
        row: dict[str, Any] = {"picture": sheet.path, "page": sheet.number}
        for name, value in zip(sheet.fields, sheet.values, strict=True):
            row[name] = value.text
            row[f"{name}_confidence"] = value.probability
            row[f"{name}_needs_review"] = value.text is None or value.probability < threshold
        rows.append(row)
    return Table(columns, rows)
