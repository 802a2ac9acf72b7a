"""A pen that writes digits: from stored strokes to pictures that look written by hand.

The project needs digits that it may give away, with no byte of anybody's data set. A digit is a few
strokes, each a list of points the pen passes through, in units of the digit's height; a hand adds slant, tremor and
pressure, a sheet adds colours, light and grain. The same seed writes the same digit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import cv2
import numpy as np

from glassnet.digits.picture import Array
from glassnet.errors import OptionError

Point: TypeAlias = tuple[float, float]
Stroke: TypeAlias = tuple[Point, ...]

# Digit → ways of writing it; x to the right, y down, the digit from y = 0 to y = 1. A corner ends a stroke.
STROKES: Mapping[int, tuple[tuple[Stroke, ...], ...]] = MappingProxyType(
    {
        0: (
            (((0.40, 0.02), (0.15, 0.14), (0.03, 0.50), (0.14, 0.88), (0.36, 0.99), (0.58, 0.82), (0.65, 0.45),
              (0.56, 0.12), (0.38, 0.01), (0.26, 0.05)),),
            (((0.46, 0.00), (0.20, 0.16), (0.06, 0.55), (0.14, 0.93), (0.34, 0.97), (0.54, 0.66), (0.58, 0.24),
              (0.44, 0.01)),),
        ),
        1: (
            (((0.34, 0.00), (0.31, 0.50), (0.27, 1.00)),),
            (((0.20, 0.20), (0.29, 0.12), (0.37, 0.00)), ((0.37, 0.00), (0.35, 0.50), (0.34, 1.00))),
            (((0.17, 0.19), (0.28, 0.11), (0.36, 0.00)), ((0.36, 0.00), (0.35, 0.50), (0.34, 0.98)),
             ((0.08, 0.99), (0.34, 0.98), (0.60, 0.98))),
            (((0.02, 0.44), (0.21, 0.25), (0.40, 0.00)), ((0.40, 0.00), (0.39, 0.50), (0.37, 1.00))),
            (((0.02, 0.36), (0.20, 0.22), (0.38, 0.00)), ((0.38, 0.00), (0.37, 0.50), (0.36, 0.98)),
             ((0.12, 0.99), (0.36, 0.98), (0.58, 0.97))),
        ),
        2: (
            (((0.06, 0.22), (0.20, 0.03), (0.45, 0.03), (0.58, 0.21), (0.48, 0.48), (0.25, 0.75), (0.03, 0.97)),
             ((0.03, 0.97), (0.32, 0.95), (0.65, 0.98))),
            (((0.07, 0.20), (0.30, 0.00), (0.56, 0.18), (0.42, 0.56), (0.14, 0.92), (0.03, 0.89), (0.14, 0.80),
              (0.36, 0.93), (0.68, 0.92)),),
        ),
        3: (
            (((0.08, 0.14), (0.29, 0.00), (0.54, 0.13), (0.48, 0.37), (0.24, 0.46)),
             ((0.24, 0.46), (0.53, 0.52), (0.62, 0.75), (0.43, 0.97), (0.18, 0.98), (0.02, 0.85))),
            (((0.06, 0.04), (0.32, 0.03), (0.58, 0.02)), ((0.58, 0.02), (0.42, 0.20), (0.26, 0.40)),
             ((0.26, 0.40), (0.54, 0.48), (0.60, 0.76), (0.36, 0.99), (0.04, 0.90))),
        ),
        4: (
            (((0.16, 0.00), (0.10, 0.30), (0.03, 0.57)), ((0.03, 0.57), (0.35, 0.56), (0.67, 0.53)),
             ((0.52, 0.22), (0.48, 0.60), (0.44, 1.00))),
            (((0.47, 0.00), (0.24, 0.33), (0.02, 0.66)), ((0.02, 0.66), (0.35, 0.65), (0.70, 0.64)),
             ((0.47, 0.00), (0.46, 0.50), (0.44, 1.00))),
            (((0.44, 0.00), (0.22, 0.30), (0.03, 0.62)), ((0.03, 0.62), (0.32, 0.63), (0.66, 0.60)),
             ((0.47, 0.38), (0.42, 0.70), (0.34, 1.00))),
        ),
        5: (
            (((0.16, 0.03), (0.13, 0.23), (0.10, 0.43)),
             ((0.10, 0.43), (0.34, 0.36), (0.57, 0.50), (0.58, 0.80), (0.34, 0.99), (0.02, 0.90)),
             ((0.16, 0.03), (0.38, 0.02), (0.62, 0.01))),
            (((0.60, 0.02), (0.40, 0.03), (0.22, 0.03)), ((0.22, 0.03), (0.17, 0.22), (0.12, 0.44)),
             ((0.12, 0.44), (0.38, 0.40), (0.54, 0.60), (0.46, 0.88), (0.22, 1.00), (0.03, 0.93))),
        ),
        6: (
            (((0.50, 0.00), (0.24, 0.20), (0.05, 0.60), (0.12, 0.92), (0.36, 0.99), (0.56, 0.83), (0.50, 0.60),
              (0.29, 0.55), (0.09, 0.74)),),
            (((0.36, 0.00), (0.14, 0.34), (0.04, 0.72), (0.16, 0.97), (0.42, 0.96), (0.54, 0.76), (0.38, 0.57),
              (0.12, 0.66), (0.05, 0.80)),),
        ),
        7: (
            (((0.03, 0.07), (0.30, 0.05), (0.60, 0.03)), ((0.60, 0.03), (0.39, 0.48), (0.22, 1.00))),
            (((0.03, 0.05), (0.32, 0.04), (0.63, 0.02)), ((0.63, 0.02), (0.42, 0.45), (0.28, 1.00)),
             ((0.16, 0.53), (0.36, 0.50), (0.57, 0.48))),
            (((0.02, 0.20), (0.03, 0.05)), ((0.03, 0.05), (0.32, 0.05), (0.62, 0.02)),
             ((0.62, 0.02), (0.40, 0.45), (0.30, 1.00))),
        ),
        8: (
            (((0.54, 0.14), (0.32, 0.00), (0.11, 0.15), (0.28, 0.42), (0.56, 0.72), (0.34, 1.00), (0.06, 0.79),
              (0.26, 0.48), (0.50, 0.28), (0.54, 0.14)),),
            (((0.34, 0.46), (0.12, 0.30), (0.16, 0.06), (0.40, 0.00), (0.55, 0.18), (0.34, 0.46), (0.08, 0.68),
              (0.14, 0.95), (0.42, 0.99), (0.58, 0.76), (0.34, 0.46)),),
        ),
        9: (
            (((0.57, 0.17), (0.34, 0.01), (0.08, 0.18), (0.13, 0.43), (0.38, 0.45), (0.57, 0.17)),
             ((0.57, 0.17), (0.55, 0.58), (0.49, 1.00))),
            (((0.56, 0.20), (0.36, 0.01), (0.09, 0.18), (0.14, 0.44), (0.40, 0.44), (0.56, 0.20)),
             ((0.56, 0.20), (0.56, 0.60), (0.40, 0.94), (0.12, 0.95))),
            (((0.58, 0.06), (0.34, 0.01), (0.13, 0.17), (0.18, 0.40), (0.42, 0.39), (0.58, 0.06)),
             ((0.58, 0.06), (0.60, 0.52), (0.45, 0.91), (0.20, 0.97), (0.03, 0.84))),
        ),
    }
)  # fmt: skip

FINER = 4  # drawn so many times larger and averaged, for smooth edges
POINTS_A_SPAN = 24


@dataclass(frozen=True)
class Pen:
    """How a hand writes. Lengths in digit heights, angles in degrees, slant as the shift of the top to the right."""

    width: float = 0.08
    slant: float = 0.0
    turn: float = 0.0
    tremor: float = 0.012
    pressure: float = 0.2  # by how much of its width a stroke swells and thins


@dataclass(frozen=True)
class Sheet:
    """What is written on: colours as red, green, blue; light and grain as shares of the paper's brightness."""

    ink: tuple[int, int, int] = (255, 255, 255)
    paper: tuple[int, int, int] = (0, 0, 0)
    shadow: float = 0.0  # how much darker the lower right corner is
    grain: float = 0.0
    size: tuple[int, int] = (280, 280)  # width, height in pixels
    place: tuple[float, float] = (0.5, 0.5)  # the digit's middle, in widths and heights of the sheet


def draw_digit(digit: int, pen: Pen = Pen(), *, way: int = 0, height: int = 200, seed: int = 0) -> Array:
    """Return a digit as ink on nothing: (h, w) uint8, 255 where the pen went.

    height: of the digit in pixels, before it is turned. way: which of the ways of writing it. Raises OptionError.
    """
    if digit not in STROKES:
        raise OptionError(f"a digit is 0 to 9, found {digit}")
    if not 0 <= way < len(STROKES[digit]):
        raise OptionError(f"the pen knows {len(STROKES[digit])} ways of writing {digit}, counted from 0; found {way}")
    random = np.random.default_rng(seed)
    scale = height * FINER
    angle = np.deg2rad(pen.turn)
    hand = np.array([[1.0, -pen.slant], [0.0, 1.0]])
    hand = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ hand
    trembling = _tremor(STROKES[digit][way], pen.tremor, random)
    lines = [_curve(stroke) @ hand.T * scale for stroke in trembling]
    margin = pen.width * (1 + pen.pressure) * scale
    low = np.min([line.min(axis=0) for line in lines], axis=0) - margin
    high = np.max([line.max(axis=0) for line in lines], axis=0) + margin
    columns, rows = (-(-int(size) // FINER) for size in np.ceil(high - low))
    canvas = np.zeros((rows * FINER, columns * FINER), dtype=np.uint8)
    for line in lines:
        points = np.rint(line - low).astype(np.int32)
        swell = 1 + pen.pressure * np.sin(np.linspace(0, np.pi, len(points)) * random.uniform(0.8, 2.2))
        for start, end, strength in zip(points[:-1], points[1:], swell[:-1], strict=True):
            thick = max(1, round(pen.width * scale * strength))
            cv2.line(canvas, start.tolist(), end.tolist(), 255, thick)
    return cv2.resize(canvas, (columns, rows), interpolation=cv2.INTER_AREA)


def _tremor(strokes: tuple[Stroke, ...], tremor: float, random: np.random.Generator) -> list[Array]:
    """Return the strokes with each point moved a little; points that coincide move together."""
    moved: dict[Point, Array] = {}
    for point in (point for stroke in strokes for point in stroke):
        moved.setdefault(point, np.array(point) + random.normal(0, tremor, 2))
    return [np.array([moved[point] for point in stroke]) for stroke in strokes]


def _curve(points: Array) -> Array:
    """Return a smooth line through ``points`` (n, 2): a Catmull-Rom spline with its ends prolonged."""
    padded = np.vstack([2 * points[0] - points[1], points, 2 * points[-1] - points[-2]])
    t = np.linspace(0, 1, POINTS_A_SPAN, endpoint=False)[:, np.newaxis]
    spans = []
    for before, start, end, after in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        bend = 2 * before - 5 * start + 4 * end - after
        twist = 3 * start - before - 3 * end + after
        spans.append(0.5 * (2 * start + (end - before) * t + bend * t**2 + twist * t**3))
    return np.vstack([*spans, points[-1:]])


def write_on(ink: Array, sheet: Sheet, *, seed: int = 0) -> Array:
    """Return the ink laid on a sheet: (h, w, 3) uint8, red green blue. Raises OptionError where it does not fit."""
    width, height = sheet.size
    rows, columns = ink.shape
    top, left = round(sheet.place[1] * height - rows / 2), round(sheet.place[0] * width - columns / 2)
    if top < 0 or left < 0 or top + rows > height or left + columns > width:
        raise OptionError(f"ink of {columns} × {rows} pixels does not fit on {width} × {height} at {sheet.place}")
    cover = np.zeros((height, width, 1))
    cover[top : top + rows, left : left + columns, 0] = ink / 255
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    random = np.random.default_rng(seed)
    grain = cv2.GaussianBlur(random.normal(0, 1, (height, width)), (0, 0), 1.0)
    light = (1 - sheet.shadow * (x + y) / 2 + sheet.grain * grain)[..., np.newaxis]
    colors = (1 - cover) * np.array(sheet.paper) + cover * np.array(sheet.ink)
    return np.clip(np.rint(colors * light), 0, 255).astype(np.uint8)
