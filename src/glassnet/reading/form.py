"""Reading a form: the sheet is laid straight, its boxes are cut out, and each is read as what its field says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from glassnet.reading.align import corners_of, straight
from glassnet.reading.fields import Value, gathered, read_field
from glassnet.reading.page import Array, Box, Line, Page
from glassnet.reading.review import threshold_for
from glassnet.reading.table import Table
from glassnet.reading.template import COLUMNS, Template


@dataclass(frozen=True, eq=False)
class Entry:
    """What is written in a box of a form.

    value: text "" where it is empty and may be. box: where it is in the picture. line: the marks, their boxes in
    pixels of ``pixels``, the box cut out of the sheet laid straight.
    """

    value: Value
    box: Box
    line: Line
    pixels: Array


def read_form(picture: Array, template: Template, read: Callable[[Array], Page]) -> dict[str, Entry]:
    """Return what is written in each box of a form.

    picture: pixels as ``read_picture`` gives them. read: reads a page, ``glassnet.reading.read`` say. Of several lines
    in a box, the one with the most digits counts. Raises PictureError where the sheet is not found in the picture.
    """
    marks = None if template.marks is None else np.array(template.marks, float)
    laid, back = straight(picture, *corners_of(picture, template.size, marks), template.size)
    scale = laid.shape[1] / template.size[0]
    entries = {}
    for name, place in template.places.items():
        left, top, right, bottom = (round(edge * scale) for edge in _edges(place.box))
        pixels = np.ascontiguousarray(laid[top : max(bottom, top + 1), left : max(right, left + 1)])
        page = gathered(read(pixels))
        line = max(page.lines, key=lambda line: len(line.digits), default=Line(page.refused))
        value = read_field(line, place.field)
        if not line.digits:
            value = Value("" if place.optional else None, 1.0 if place.optional else 0.0, "", place.optional, ())
        entries[name] = Entry(value, _seen(place.box, back), line, pixels)
    return entries


def _edges(box: tuple[float, ...]) -> tuple[float, float, float, float]:
    left, top, width, height = box
    return left, top, left + width, top + height


def _seen(box: tuple[float, ...], back: Array) -> Box:
    """Return the upright box around a box of the form, in pixels of the picture."""
    left, top, right, bottom = _edges(box)
    corners = back @ np.array([[left, top, 1], [right, top, 1], [right, bottom, 1], [left, bottom, 1]], float).T
    x, y = corners[:2] / corners[2]
    return Box(round(x.min()), round(y.min()), max(1, round(np.ptp(x))), max(1, round(np.ptp(y))))


def form_table(sheets: Sequence[tuple[str, int, Mapping[str, Entry]]], error_rate: float) -> Table:
    """Return a row for each sheet, given as its file, its number there, and what is in its boxes.

    For each field: its value, empty where nothing fits; how sure it is; whether a person should look at it.
    """
    threshold = threshold_for(
        error_rate, [entry.value.probability for _, _, sheet in sheets for entry in sheet.values()]
    )
    columns: dict[str, type] = dict(COLUMNS)
    rows = []
    for path, number, sheet in sheets:
        row: dict[str, Any] = {"picture": path, "page": number}
        for name, entry in sheet.items():
            columns |= {name: str, f"{name}_confidence": float, f"{name}_needs_review": bool}
            row[name] = entry.value.text
            row[f"{name}_confidence"] = entry.value.probability
            row[f"{name}_needs_review"] = entry.value.text is None or entry.value.probability < threshold
        rows.append(row)
    return Table(columns, rows)
