"""Connected ink: from the strength of ink at each pixel to pieces with a place and a size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from glassnet.digits.picture import Array
from glassnet.reading.inking import Ink
from glassnet.reading.rules import Rule

WEAK = 0.25  # of a pen's full strength: belongs to a stroke where something stronger does
STRONG = 0.45
MOST_PIECES = 4000
ROUND = 0.9  # of the picture's sides: a frame around it
FEWEST_SIDES = 4  # of boxes: as many as one box has on the left and right, twice
FEWEST_AT_EDGES = 4  # on a picture of one digit or two, strokes may well reach the edges


@dataclass(frozen=True, eq=False)
class Pieces:
    """Connected pieces of ink.

    labels: (h, w) int32, 0 where there is none. The rest (n,) is of piece 1 and on: left, top, width, height and
    area in pixels; peak: the strongest ink of it.
    """

    labels: Array
    left: Array
    top: Array
    width: Array
    height: Array
    area: Array
    peak: Array

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
        firm[kept],
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
        pieces.peak[kept],
    )


def ticks(pieces: Pieces, rules: Sequence[Rule]) -> Array:
    """Return which pieces (n,) are short upright lines on a level printed one, such as stand between boxes.

    They are as thin as that line, and at least two on it are of one height, or as high as several sides of boxes.
    """
    found = np.zeros(len(pieces), bool)
    sides = np.array([rule.last - rule.first for rule in rules if rule.upright and len(rule.pieces) == 1])
    middle = pieces.left + pieces.width / 2
    bottom = pieces.top + pieces.height
    slender = pieces.height > 2.0 * pieces.width
    for rule in rules:
        if rule.upright:
            continue
        y = rule.at(middle)
        near = np.minimum(np.abs(bottom - y), np.abs(pieces.top - y)) <= rule.thick / 2 + 6
        on = slender & near & (middle > rule.first - 6) & (middle < rule.last + 6)
        on &= pieces.width <= 1.6 * rule.thick + 4 + 0.05 * pieces.height
        for piece in np.flatnonzero(on):
            alike = on & (np.abs(pieces.height - pieces.height[piece]) <= 2 + 0.1 * pieces.height[piece])
            like_sides = np.abs(sides - pieces.height[piece]) <= 2 + 0.1 * pieces.height[piece]
            found[piece] |= np.count_nonzero(alike) >= 2 or np.count_nonzero(like_sides) >= FEWEST_SIDES
    return found


def at_edges(pieces: Pieces, inside: Array) -> Array:
    """Return which pieces (n,) lie along the edges of what the picture shows, ``inside`` (h, w): no strokes do."""
    if not len(pieces):
        return np.zeros(0, bool)
    band = cv2.subtract(inside, cv2.erode(inside, np.ones((9, 9), np.uint8), borderValue=0))
    counts = np.bincount(pieces.labels[band > 0], minlength=len(pieces) + 1)[1:]
    longer, shorter = np.maximum(pieces.width, pieces.height), np.minimum(pieces.width, pieces.height)
    mostly = counts >= 0.5 * pieces.area
    frame = mostly & (pieces.width > ROUND * inside.shape[1]) & (pieces.height > ROUND * inside.shape[0])
    return frame | (mostly & (longer >= 2.5 * shorter) & (len(pieces) >= FEWEST_AT_EDGES))
