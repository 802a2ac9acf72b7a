"""Connected ink: from the strength of ink at each pixel to pieces with a place and a size."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from glassnet.digits.picture import Array
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
    binary = cv2.threshold(ink.strength, weak, 255, cv2.THRESH_BINARY)[1]
    count, labels, stats, _ = cv2.connectedComponentsWithStats(binary, connectivity=8)
    area = stats[:, cv2.CC_STAT_AREA]
    firm = np.bincount(labels[ink.strength > strong], minlength=count)
    least = max(4.0, 0.25 * ink.stroke**2 if ink.stroke < 12 else 30.0)
    kept = (firm >= least / 2) & (area >= least)
    kept[0] = False
    if kept.sum() > MOST_PIECES:
        kept &= area >= np.sort(area[kept])[-MOST_PIECES]
    numbers = np.zeros(count, np.int32)
    numbers[kept] = np.arange(1, kept.sum() + 1)
    chosen = stats[kept]
    return Pieces(
        numbers[labels],
        chosen[:, cv2.CC_STAT_LEFT],
        chosen[:, cv2.CC_STAT_TOP],
        chosen[:, cv2.CC_STAT_WIDTH],
        chosen[:, cv2.CC_STAT_HEIGHT],
        chosen[:, cv2.CC_STAT_AREA],
    )


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
