"""The smallest parts a row is read from: whole pieces of ink, and slices of those that may hold several digits.

The elements of a row are numbered one after the other from left to right, and a map of the page says which pixel is of
which. So a candidate for a digit is a range of numbers, and its ink is cut out with two comparisons.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from glassnet.digits.picture import Array
from glassnet.reading.cuts import Cut
from glassnet.reading.pieces import Pieces


@dataclass(frozen=True)
class Element:
    """Ink that stays together. right, bottom: the first column and row outside.

    piece: which one it is or is of. before, after: what it costs to cut it off the slice of the same piece on its
    left and right, in heights of ink; None where it ends by itself.
    """

    left: int
    top: int
    right: int
    bottom: int
    area: int
    piece: int
    before: float | None = None
    after: float | None = None

    @property
    def width(self) -> int:
        """Its width in pixels."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Its height in pixels."""
        return self.bottom - self.top

    @property
    def middle(self) -> float:
        """The column in its middle."""
        return (self.left + self.right) / 2

    @property
    def whole(self) -> bool:
        """Whether it is no slice."""
        return self.before is None and self.after is None


def whole_element(pieces: Pieces, piece: int) -> Element:
    """Return a piece as one element."""
    left, top = int(pieces.left[piece]), int(pieces.top[piece])
    return Element(
        left,
        top,
        left + int(pieces.width[piece]),
        top + int(pieces.height[piece]),
        int(pieces.area[piece]),
        piece,
    )


def slices_of(pieces: Pieces, piece: int, cuts: list[Cut]) -> tuple[list[Element], Array]:
    """Return the slices of a piece, and (h, w) int8, the number of each pixel's slice; -1 outside of the piece."""
    whole = whole_element(pieces, piece)
    mask = pieces.labels[whole.top : whole.bottom, whole.left : whole.right] == piece + 1
    columns = np.arange(whole.width)[np.newaxis]
    number = np.zeros(mask.shape, np.int8)
    for cut in cuts:
        number += (columns >= cut.x[:, np.newaxis]).astype(np.int8)
    number[~mask] = -1
    found: list[Element] = []
    numbers = np.full(len(cuts) + 2, -1, np.int8)  # of slices without ink there is nothing; the last is for -1
    costs: list[float | None] = [None, *(cut.cost for cut in cuts), None]
    for which in range(len(cuts) + 1):
        inside = (number == which).view(np.uint8)
        area = cv2.countNonZero(inside)
        if not area:
            continue
        left, top, width, height = cv2.boundingRect(inside)
        numbers[which] = len(found)
        before, after = costs[which], costs[which + 1]
        left, top = left + whole.left, top + whole.top
        found.append(Element(left, top, left + width, top + height, area, piece, before, after))
    return found, numbers[number]
