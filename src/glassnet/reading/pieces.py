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
# Usual heights: strokes of a broken digit are lower, and as close; together they are as high. And how many they are.
BROKEN, CLOSE, LOWEST, HIGHEST = 0.5, 0.2, 0.6, 1.5
MOST_BROKEN = 6


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


def mended(pieces: Pieces, usual: float) -> Pieces:
    """Return the pieces with those made one that are a digit's strokes, broken so that none is as high as a digit.

    usual: the height of digits. They lie close together, away from what is high, and together are as large as a digit.
    """
    low = pieces.height < BROKEN * usual
    if np.count_nonzero(low) < 2:
        return pieces
    left, top = pieces.left.astype(np.float64), pieces.top.astype(np.float64)
    right, bottom = left + pieces.width, top + pieces.height
    near = CLOSE * usual
    number = np.arange(len(pieces))
    for piece in np.flatnonzero(low).tolist():
        beside = (left <= right[piece] + near) & (right >= left[piece] - near)
        beside &= (top <= bottom[piece] + near) & (bottom >= top[piece] - near)
        together = np.zeros(len(pieces), bool)  # by their numbers
        together[number[beside]] = True
        number[together[number]] = np.argmax(together)
    table = np.arange(len(pieces) + 1)
    boxes = [each.copy() for each in (pieces.left, pieces.top, pieces.width, pieces.height, pieces.area)]
    for first in np.unique(number[low]).tolist():
        group = np.flatnonzero(number == first)
        x, y = left[group].min(), top[group].min()
        wide, high = right[group].max() - x, bottom[group].max() - y
        if not 2 <= len(group) <= MOST_BROKEN or not low[group].all():
            continue
        if not LOWEST <= high / usual <= HIGHEST or wide > max(high, usual):
            continue
        table[group + 1] = group[0] + 1
        for each, value in zip(boxes, (x, y, wide, high, pieces.area[group].sum()), strict=True):
            each[group[0]] = value
    one = Pieces(table.astype(np.int32)[pieces.labels], *boxes)
    return without(one, table[1:] != np.arange(1, len(pieces) + 1))
