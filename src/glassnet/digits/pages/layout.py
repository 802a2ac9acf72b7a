"""Where on a page the digits stand: one row or many, columns, scattered, a digit or a number a box.

A layout writes its digits, line by line in reading order, and says what could be printed below them: a distance and
place of ruled lines that its rows would stand on, and boxes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from glassnet.digits.pages.marks import Marked, separator
from glassnet.digits.pages.truth import Box, Ink
from glassnet.digits.pages.writing import Baseline, Writer, Written


@dataclass(frozen=True, eq=False)
class Layout:
    """Digits on a flat page, and what their rows and boxes are."""

    lines: tuple[tuple[Written, ...], ...]
    marks: tuple[Marked, ...] = ()
    pitch: float = 0.0  # from one row's baseline to the next
    first: float = 0.0  # the first one's y
    cells: tuple[Box, ...] = ()


# (writer, size of the page as (width, height), the share of numbers with separators) → a layout.
Lay: TypeAlias = Callable[[Writer, tuple[int, int], float], Layout]

MARGIN = 0.07  # of the page's sides


def _edges(size: tuple[int, int], height: float, generator: np.random.Generator) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of what is written on, in pixels."""
    width, tall = size
    left, right = (MARGIN + generator.uniform(0, 0.12, 2)) * width
    top, bottom = (MARGIN + generator.uniform(0, 0.08, 2)) * tall
    return float(left), float(top) + height, width - float(right), tall - float(bottom)


def _baseline(y: float, hand_height: float, width: float, generator: np.random.Generator) -> Baseline:
    return Baseline(
        y,
        rise=float(generator.normal(0, 0.008)),
        wave=abs(float(generator.normal(0, 0.03))) * hand_height,
        length=float(generator.uniform(0.5, 1.5)) * width,
        phase=float(generator.uniform(0, 2 * np.pi)),
    )


def _right(ink: Ink) -> int:
    return ink.left + ink.cover.shape[1]


def _row(
    writer: Writer, left: float, right: float, baseline: Baseline, lengths: tuple[int, int], separated: float
) -> tuple[list[Written], list[Marked]]:
    """Write numbers from left to right, as many as there is room for, at least a digit."""
    generator, height = writer.generator, writer.hand.height
    line: list[Written] = []
    marks: list[Marked] = []
    x = left
    most = int(generator.integers(1, 6))
    pending: list[Marked] = []
    for _ in range(most):
        number = writer.number(int(generator.integers(lengths[0], lengths[1] + 1)), x, baseline)
        room = [digit for digit in number if _right(digit.ink) <= right]
        if len(room) < len(number) and line:
            break
        room = room or number[:1]
        line += room
        marks += pending
        pending = []
        x = _right(room[-1].ink)
        if generator.random() < separated:
            mark = separator(writer.hand, x + height * float(generator.uniform(0.12, 0.35)), baseline.at(x), generator)
            pending = [mark]
            x = _right(mark.ink) + height * float(generator.uniform(0.12, 0.35))
        else:
            x += height * float(generator.uniform(0.7, 2.5))
    return line, marks


def _rows(writer: Writer, size: tuple[int, int], separated: float) -> Layout:
    """Lay out many rows, some of several numbers."""
    generator, height = writer.generator, writer.hand.height
    left, top, right, bottom = _edges(size, height, generator)
    pitch = height * float(generator.uniform(1.55, 2.6))
    count = max(1, min(int((bottom - top) / pitch) + 1, int(generator.integers(2, 13))))
    lengths = (1, int(generator.integers(2, 9)))
    lines, marks = [], []
    for row in range(count):
        indent = float(generator.uniform(0, 0.6)) * height
        line, more = _row(
            writer, left + indent, right, _baseline(top + row * pitch, height, size[0], generator), lengths, separated
        )
        lines.append(tuple(line))
        marks += more
    return Layout(tuple(lines), tuple(marks), pitch, top)


def _one_row(writer: Writer, size: tuple[int, int], separated: float) -> Layout:
    """Lay out a single number or row somewhere on the page."""
    generator, height = writer.generator, writer.hand.height
    left, top, right, bottom = _edges(size, height, generator)
    y = float(generator.uniform(top, max(top + 1, bottom)))
    left = float(generator.uniform(left, left + 0.3 * (right - left)))
    line, marks = _row(writer, left, right, _baseline(y, height, size[0], generator), (1, 12), separated)
    return Layout((tuple(line),), tuple(marks), height * float(generator.uniform(1.6, 2.4)), y)


def _columns(writer: Writer, size: tuple[int, int], separated: float) -> Layout:
    """Lay out a table without lines: numbers below one another, right-aligned."""
    generator, height = writer.generator, writer.hand.height
    left, top, right, bottom = _edges(size, height, generator)
    longest = int(generator.integers(1, 5))
    wide = height * (0.8 * longest + float(generator.uniform(1.0, 2.5)))
    columns = max(1, min(int((right - left) / wide), int(generator.integers(1, 6))))
    pitch = height * float(generator.uniform(1.5, 2.2))
    count = max(1, min(int((bottom - top) / pitch) + 1, int(generator.integers(3, 12))))
    lines = []
    for row in range(count):
        line: list[Written] = []
        for column in range(columns):
            if line and generator.random() < 0.06:
                continue
            number = writer.number(int(generator.integers(1, longest + 1)), 0, Baseline(top + row * pitch))
            ragged = float(generator.uniform(0, 0.25)) * height
            number = _moved(number, round(left + (column + 1) * wide - ragged) - _right(number[-1].ink), 0)
            free = _right(line[-1].ink) + 0.7 * height if line else left - 0.5 * wide
            line += [digit for digit in number if digit.ink.left >= free]
        if line:
            lines.append(tuple(line))
    return Layout(tuple(lines), (), pitch, top)


def _scattered(writer: Writer, size: tuple[int, int], separated: float) -> Layout:
    """Lay out single digits and pairs here and there, rows still told apart."""
    generator, height = writer.generator, writer.hand.height
    left, top, right, bottom = _edges(size, height, generator)
    pitch = height * float(generator.uniform(2.2, 3.6))
    count = max(1, min(int((bottom - top) / pitch) + 1, int(generator.integers(1, 7))))
    lines = []
    for row in range(count):
        line: list[Written] = []
        x = left + height * float(generator.uniform(0, 2))
        while x < right - height and len(line) < 9:
            y = top + row * pitch + height * float(generator.uniform(-0.18, 0.18))
            line += writer.number(1 + int(generator.random() < 0.2), x, Baseline(y))
            x = _right(line[-1].ink) + height * float(generator.uniform(0.8, 3.5))
        while len(line) > 1 and _right(line[-1].ink) > right:
            line.pop()
        lines.append(tuple(line))
    return Layout(tuple(lines), (), pitch, top)


def _comb(writer: Writer, size: tuple[int, int], separated: float) -> Layout:
    """Lay out rows of boxes, a digit a box, the last ones perhaps empty."""
    generator, height = writer.generator, writer.hand.height
    left, top, right, bottom = _edges(size, height, generator)
    wide, high = height * float(generator.uniform(1.05, 1.7)), height * float(generator.uniform(1.25, 1.8))
    between = wide * float(generator.choice([0.0, 0.0, generator.uniform(0.1, 0.4)]))
    most = max(1, int((right - left) / (wide + between)))
    boxes = min(most, int(generator.integers(3, 15)))
    pitch = high * float(generator.uniform(1.25, 2.2))
    count = max(1, min(int((bottom - top - high) / pitch) + 1, int(generator.integers(1, 8))))
    lines, cells = [], []
    for row in range(count):
        y = top - height + row * pitch
        row_cells = [Box(round(left + k * (wide + between)), round(y), round(wide), round(high)) for k in range(boxes)]
        cells += row_cells
        filled = boxes if generator.random() < 0.6 else int(generator.integers(1, boxes + 1))
        lines.append(tuple(digit for cell in row_cells[:filled] for digit in _in_cell(writer, cell, 1)))
    return Layout(tuple(lines), (), pitch, top, tuple(cells))


def _table(writer: Writer, size: tuple[int, int], separated: float) -> Layout:
    """Lay out a table with lines, a number a cell, some cells empty."""
    generator, height = writer.generator, writer.hand.height
    left, top, right, bottom = _edges(size, height, generator)
    longest = int(generator.integers(1, 5))
    wide, high = (
        height * (0.85 * longest + float(generator.uniform(0.6, 1.4))),
        height * float(generator.uniform(1.4, 2)),
    )
    columns = max(1, min(int((right - left) / wide), int(generator.integers(2, 8))))
    count = max(1, min(int((bottom - top) / high), int(generator.integers(2, 11))))
    lines, cells = [], []
    for row in range(count):
        line: list[Written] = []
        for column in range(columns):
            cell = Box(
                round(left + column * wide), round(top - height + row * high),
                round(left + (column + 1) * wide) - round(left + column * wide) + 1,
                round(top - height + (row + 1) * high) - round(top - height + row * high) + 1,
            )  # fmt: skip
            cells.append(cell)
            if line and generator.random() < 0.15:
                continue
            line += _in_cell(writer, cell, int(generator.integers(1, longest + 1)))
        lines.append(tuple(line))
    return Layout(tuple(lines), (), high, top, tuple(cells))


def _in_cell(writer: Writer, cell: Box, length: int) -> list[Written]:
    """Write a number about the middle of a cell; a careless hand comes near its edges, seldom over them."""
    generator = writer.generator
    number = writer.number(length, 0, Baseline(0))
    low = min(digit.ink.top for digit in number)
    high = max(digit.ink.top + digit.ink.cover.shape[0] for digit in number)
    spare_x = cell.width - _right(number[-1].ink)
    spare_y = cell.height - (high - low)
    x = cell.left + spare_x * (0.5 + np.clip(generator.normal(0, 0.16), -0.48, 0.48))
    y = cell.top + spare_y * (0.5 + np.clip(generator.normal(0, 0.16), -0.48, 0.48)) - low
    return _moved(number, round(float(x)), round(float(y)))


def _moved(number: list[Written], right: int, down: int) -> list[Written]:
    return [
        Written(digit.label, Ink(digit.ink.cover, digit.ink.left + right, digit.ink.top + down), digit.touches)
        for digit in number
    ]


# Name → how digits are laid out.
LAYOUTS: Mapping[str, Lay] = MappingProxyType(
    {
        "one row": _one_row,
        "rows": _rows,
        "columns": _columns,
        "scattered": _scattered,
        "comb": _comb,
        "table": _table,
    }
)
