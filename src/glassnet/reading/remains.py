"""Pieces that nobody wrote: ticks between boxes, what lines leave, a table's edge; and digits that met on a line."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from glassnet.digits.picture import Array
from glassnet.reading.inking import square
from glassnet.reading.pieces import Pieces
from glassnet.reading.rules import Rule, along

ROUND = 0.9  # of the picture's sides: a frame around it
THINNER = 0.85  # of a printed line's thickness, which is measured where it is faint as well
MANY_TICKS = 6
FEWEST_SIDES = 4  # of boxes: as many as one box has on the left and right, twice
STRIP = 0.12  # of the page's longer side
MOSTLY, ENTIRELY, CROWDED = 0.8, 0.95, 0.5  # of a piece's area; of the page are lines
TALL, REACHING = 1.45, 0.5  # usual heights: what may be two digits, one below the other, and how far each reaches
STRONGER = 1.4  # times the usual line: what is as strong was written
FEWEST_AT_EDGES = 4  # on a picture of one digit or two, strokes may well reach the edges


def ticks(pieces: Pieces, rules: Sequence[Rule]) -> Array:
    """Return which pieces (n,) are short upright lines on a level printed one, such as stand between boxes.

    They are straight and thinner than that line, and at least two of them are of one height, or one as high as several
    sides of boxes; or they are as thin, and many. A 1 may stand on a line as well, and be straight; a pen is thicker.
    """
    thin, thinner = np.zeros(len(pieces), bool), np.zeros(len(pieces), bool)
    middle = pieces.left + pieces.width / 2
    bottom = pieces.top + pieces.height
    thick = pieces.area / np.maximum(pieces.height, 1)
    straight = (pieces.height > 2.0 * pieces.width) & (pieces.width <= thick + 1.5 + 0.02 * pieces.height)
    for rule in rules:
        if rule.upright:
            continue
        y = rule.at(middle)
        near = np.minimum(np.abs(bottom - y), np.abs(pieces.top - y)) <= rule.thick / 2 + 3
        on = straight & near & (middle > rule.first - 6) & (middle < rule.last + 6)
        thin |= on & (thick <= rule.thick + 1)
        thinner |= on & (thick <= THINNER * rule.thick + 0.5)
    sides = np.array([rule.last - rule.first for rule in rules if rule.upright and len(rule.pieces) == 1])
    found = np.zeros(len(pieces), bool)
    for piece in np.flatnonzero(thin):
        off = 2 + 0.1 * pieces.height[piece]
        alike = np.abs(pieces.height - pieces.height[piece]) <= off
        like_sides = np.count_nonzero(np.abs(sides - pieces.height[piece]) <= off) >= FEWEST_SIDES
        few = thinner[piece] and (np.count_nonzero(alike & thinner) >= 2 or like_sides)
        found[piece] = few or np.count_nonzero(alike & thin) >= MANY_TICKS
    return found


def at_edges(pieces: Pieces, inside: Array) -> Array:
    """Return which pieces (n,) lie along the edges of what the picture shows, ``inside`` (h, w): no strokes do."""
    if not len(pieces):
        return np.zeros(0, bool)
    near, close = (
        np.bincount(pieces.labels[inside > cv2.erode(inside, square(side), borderValue=0)], minlength=len(pieces) + 1)
        for side in (9, 5)
    )
    longer, shorter = np.maximum(pieces.width, pieces.height), np.minimum(pieces.width, pieces.height)
    mostly = near[1:] >= 0.5 * pieces.area
    frame = mostly & (pieces.width > ROUND * inside.shape[1]) & (pieces.height > ROUND * inside.shape[0])
    # What is seen of a table is short for the page, and lies on its edge with a quarter of its length, two pixels deep.
    strip = (close[1:] >= 0.5 * longer) & (longer < STRIP * max(inside.shape))
    return frame | ((mostly & (longer >= 2.5 * shorter) | strip) & (len(pieces) >= FEWEST_AT_EDGES))


def remains(pieces: Pieces, rules: Sequence[Rule], strength: Array) -> Array:
    """Return which pieces (n,) are what is left of printed lines: they lie on them, wholly or without being stronger.

    Where lines are so close that digits between them do as well, nothing is. strength: (h, w), lines included.
    """
    if not rules:
        return np.zeros(len(pieces), bool)
    band = along(rules, pieces.labels.shape)
    if band.mean() > CROWDED:
        return np.zeros(len(pieces), bool)
    inked = np.flatnonzero(pieces.labels)
    of = pieces.labels.reshape(-1)[inked]
    counts = np.bincount(of, band.reshape(-1)[inked], minlength=len(pieces) + 1)[1:]
    mean = np.bincount(of, strength.reshape(-1)[inked], minlength=len(pieces) + 1)[1:] / pieces.area
    usual = float(np.median([rule.strength for rule in rules]))
    printed = (counts >= MOSTLY * pieces.area) & (mean < STRONGER * usual)
    return np.asarray(printed | (counts >= ENTIRELY * pieces.area))


def parted(pieces: Pieces, rules: Sequence[Rule], usual: float) -> Pieces:
    """Return the pieces with those parted at a level printed line that reach far on both sides of it.

    Digits written into boxes one below the other may meet on the line between them. usual: the height of digits.
    """
    found: list[tuple[int, Rule]] = []
    for piece in np.flatnonzero(pieces.height >= TALL * usual).tolist():
        middle = pieces.left[piece] + pieces.width[piece] / 2
        top, bottom = pieces.top[piece], pieces.top[piece] + pieces.height[piece]
        for rule in rules:
            y = float(rule.at(middle)) if not rule.upright and rule.first <= middle <= rule.last else top
            if min(y - top, bottom - y) >= REACHING * usual:
                found.append((piece, rule))
                break
    if not found:
        return pieces
    labels = pieces.labels.copy()
    table = np.array([pieces.left, pieces.top, pieces.width, pieces.height, pieces.area])
    table = np.pad(table, ((0, 0), (0, len(found))))
    for number, (piece, rule) in enumerate(found, len(pieces)):
        left, top, wide, high = table[:4, piece].tolist()
        part = labels[top : top + high, left : left + wide]
        below = np.arange(top, top + high)[:, np.newaxis] > rule.at(np.arange(left, left + wide))
        part[(part == piece + 1) & below] = number + 1
        for each in (piece, number):
            mask = (part == each + 1).view(np.uint8)
            x, y, wide, high = cv2.boundingRect(mask)
            table[:, each] = left + x, top + y, wide, high, cv2.countNonZero(mask)
    return Pieces(labels, *table)
