"""What a made page holds, known without reading it: digits in lines, marks that are no digits, each with its box."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np

from glassnet.digits.picture import Array


class Box(NamedTuple):
    """A rectangle of whole pixels: the pixels from left to left + width - 1, and from top to top + height - 1."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True)
class MadeDigit:
    """A digit on a page; ``touches``: its ink overlaps that of the digit before it in the line."""

    label: int
    box: Box
    touches: bool = False


@dataclass(frozen=True)
class MadeMark:
    """Ink, or something like ink, that is no digit: a dash, a letter, a stain."""

    kind: str
    box: Box


@dataclass(frozen=True)
class MadeLine:
    """Digits that a person reads one after the other, from left to right."""

    digits: tuple[MadeDigit, ...]

    @property
    def text(self) -> str:
        """The digits, without spaces."""
        return "".join(str(digit.label) for digit in self.digits)


@dataclass(frozen=True)
class PageTruth:
    """What stands on a page: lines in reading order, and what is no digit. Boxes are in pixels of the picture."""

    lines: tuple[MadeLine, ...]
    marks: tuple[MadeMark, ...] = ()

    @property
    def text(self) -> str:
        """The lines, one below the other."""
        return "\n".join(line.text for line in self.lines)

    @property
    def digits(self) -> tuple[MadeDigit, ...]:
        """The digits of all lines."""
        return tuple(digit for line in self.lines for digit in line.digits)

    def as_json(self) -> dict[str, Any]:
        """Return the truth as lists and dictionaries."""
        return {
            "lines": [
                [{"label": digit.label, "box": list(digit.box), "touches": digit.touches} for digit in line.digits]
                for line in self.lines
            ],
            "marks": [{"kind": mark.kind, "box": list(mark.box)} for mark in self.marks],
        }


@dataclass(frozen=True, eq=False)
class MadePage:
    """A picture (h, w, 3) of uint8, red green blue, and what stands on it."""

    picture: Array
    truth: PageTruth
    kind: str = ""


@dataclass(frozen=True, eq=False)
class Ink:
    """Ink at its place on a flat page: cover (h, w) of uint8, 255 where the page is hidden, cut to what is inked."""

    cover: Array
    left: int
    top: int

    @property
    def box(self) -> Box:
        """Where it lies on the flat page."""
        return Box(self.left, self.top, self.cover.shape[1], self.cover.shape[0])

    def seen(self, homography: Array, size: tuple[int, int]) -> Box | None:
        """Return its box after the page is seen through a homography (3, 3) in a picture of size (width, height)."""
        rows, columns = np.nonzero(self.cover > 127)
        if not len(rows):  # thinner than a pixel
            rows, columns = np.nonzero(self.cover > int(self.cover.max()) // 2)
        points = np.stack([columns + self.left, rows + self.top], axis=1).astype(np.float32)
        # The hull of what is seen is what is seen of the hull.
        moved = cv2.perspectiveTransform(cv2.convexHull(points).reshape(1, -1, 2), homography)[0]
        low = np.maximum(np.floor(moved.min(axis=0) + 0.5), 0).astype(int)
        high = np.minimum(np.ceil(moved.max(axis=0) + 0.5), size).astype(int)
        if (high <= low).any():
            return None
        return Box(int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1]))
