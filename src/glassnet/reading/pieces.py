"""Connected ink: from the strength of ink at each pixel to pieces with a place and a size."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from glassnet.digits.picture import Array
from glassnet.reading.connected import connected
from glassnet.reading.inking import Ink

WEAK = 0.25  # of a pen's full strength: belongs to a stroke where something stronger does
STRONG = 0.45
MOST_PIECES = 4000


@dataclass(frozen=True, eq=False)
class Pieces:
    """Connected pieces of ink.

    labels: (h, w) int32, 0 where there is none. The rest (n,) is of piece 1 and on: left, top, width, height and
    area in pixels.
    """

    labels: Array
    left: Array
    top: Array
    width: Array
    height: Array
    area: Array

    def __len__(self) -> int:
        return len(self.left)


def thresholds(ink: Ink) -> tuple[float, float]:
    """Return from which strength on ink may belong to a stroke, and from which it makes one."""
    return max(255 * WEAK, 3.5 * ink.noise), max(255 * STRONG, 5.5 * ink.noise)


def pieces_of(ink: Ink) -> Pieces:
    """Return the pieces of ink that are more than specks, at most ``MOST_PIECES``, the largest ones."""
    weak, strong = thresholds(ink)
    parts = connected(cv2.threshold(ink.strength, weak, 1, cv2.THRESH_BINARY)[1])
    firm = np.bincount(parts.of, ink.strength.reshape(-1)[parts.places] > strong, minlength=len(parts))
    least = max(4.0, 0.25 * ink.stroke**2 if ink.stroke < 12 else 30.0)
    kept = (firm >= least / 2) & (parts.area >= least)
    kept[0] = False
    if kept.sum() > MOST_PIECES:
        kept &= parts.area >= np.sort(parts.area[kept])[-MOST_PIECES]
    numbers = np.zeros(len(parts), np.int32)
    numbers[kept] = np.arange(1, kept.sum() + 1)
    labels = parts.labels.copy()
    labels.reshape(-1)[parts.places] = numbers[parts.of]
    left, top, width, height, area = (
        each[kept] for each in (parts.left, parts.top, parts.width, parts.height, parts.area)
    )
    return Pieces(labels, left, top, width, height, area)


def without(pieces: Pieces, dropped: Array) -> Pieces:
    """Return the pieces but those where ``dropped`` (n,) is true."""
    if not dropped.any():
        return pieces
    numbers = np.zeros(len(pieces) + 1, np.int32)
    numbers[1:][~dropped] = np.arange(1, np.count_nonzero(~dropped) + 1)
    kept = ~dropped
    return Pieces(
        numbers[pieces.labels],
        pieces.left[kept],
        pieces.top[kept],
        pieces.width[kept],
        pieces.height[kept],
        pieces.area[kept],
    )
