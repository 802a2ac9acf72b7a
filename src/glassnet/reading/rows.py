"""Which pieces of ink stand in one row, and in which order rows are read.

A page in one hand has digits of much the same height. What is about as high as they are makes the rows; what is
lower, a flag, a dash, a point, joins the row it lies in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

import numpy as np

from glassnet.digits.picture import Array
from glassnet.reading.pieces import Pieces
from glassnet.reading.rules import height_of

MIDDLE = 0.55  # of the ink is in pieces as high as digits, or less
CORE = 0.5  # of the usual height: from here on a piece makes a row
LYING, WIDE = 0.4, 0.7  # and from here on one that is as wide
HIGHEST = 4.0  # of the usual height: what is higher is a sheet's edge, a shadow, a drawing
# Times the usual height, pieces, and of all ink: from when on others are the digits, and the usual ones specks.
FAR_HIGHER, FEWEST_FAR, MUCH = 3.0, 3, 0.4
SAME_ROW = 0.5  # of a height: how far middles may lie apart
# Seen aslant, rows fall or rise, at the top of a page more than at its bottom or less: tangents that are tried, of all
# rows and of the difference between the first and the last one; how clearly better than level rows they must be.
FALLS, FANS = np.linspace(-0.06, 0.06, 25), np.linspace(-0.1, 0.1, 21)
CLEARLY = 1.1
BIN = 0.2  # heights
MOST_MIDDLES = 400


@dataclass(eq=False)
class Row:
    """Pieces side by side: their numbers, from left to right. height: the usual one of its digits, in pixels."""

    members: list[int] = field(default_factory=list)
    height: float = 0.0
    top: float = 0.0
    bottom: float = 0.0

    @property
    def middle(self) -> float:
        """The middle of its digits, from top to bottom."""
        return (self.top + self.bottom) / 2


def usual_height(pieces: Pieces) -> float:
    """Return the height digits have on the page, in pixels; 0 without any piece.

    Digits outnumber what is larger, and outweigh what is smaller: half of all ink is in pieces that are as high as
    this, or less. Specks may outnumber digits: where a few pieces, far higher, have much of the ink, they are it; a
    hand that holds the sheet reaches the picture's edge.
    """
    if not len(pieces):
        return 0.0
    high = pieces.height.astype(np.float64)
    sensible = (pieces.width < 6 * high) & (high < 12 * np.maximum(pieces.width, 1))
    if not sensible.any():
        return float(high.max())
    height, width = pieces.labels.shape
    inside = (pieces.left > 0) & (pieces.top > 0) & (pieces.left + pieces.width < width)
    inside &= pieces.top + pieces.height < height
    high, area, inside = high[sensible], pieces.area[sensible].astype(np.float64), inside[sensible]
    usual = height_of(high, area, MIDDLE)
    far = (high > FAR_HIGHER * usual) & inside
    if np.count_nonzero(far) >= FEWEST_FAR and area[far].sum() > MUCH * area.sum():
        return height_of(high[far], area[far], MIDDLE)
    return usual


def rows_of(pieces: Pieces, usual: float) -> list[Row]:
    """Return the rows in reading order, the pieces of each from left to right."""
    high = (pieces.height >= CORE * usual) | ((pieces.height >= LYING * usual) & (pieces.width >= WIDE * usual))
    core = np.flatnonzero(high & (pieces.height < HIGHEST * usual) & (pieces.width < 40 * usual))
    middle = _levelled(pieces, core, usual)
    middles, heights = middle.tolist(), pieces.height.tolist()
    rows: list[Row] = []
    ends: list[list[int]] = []
    for piece in core[np.argsort(pieces.left[core], kind="stable")].tolist():
        nearest, best = -1, SAME_ROW
        for number, members in enumerate(ends):
            last = members[-3:]
            there = median(middles[each] for each in last)
            height = max(median(heights[each] for each in last), min(heights[piece], usual))
            apart = abs(middles[piece] - there) / height
            if apart < best:
                nearest, best = number, apart
        if nearest < 0:
            ends.append([piece])
        else:
            ends[nearest].append(piece)
    rows = [_row(pieces, members) for members in ends]
    rows = _joined(rows, pieces, middle)
    _add_small(rows, pieces, core, usual)
    for row in rows:
        row.members.sort(key=lambda piece: pieces.left[piece] + pieces.width[piece] / 2)
    return sorted(rows, key=lambda row: _level(row, middle))


def _row(pieces: Pieces, members: Sequence[int]) -> Row:
    chosen = np.array(members)
    top, height = pieces.top[chosen], pieces.height[chosen]
    return Row(list(members), float(np.median(height)), float(np.median(top)), float(np.median(top + height)))


def _levelled(pieces: Pieces, core: Array, usual: float) -> Array:
    """Return the height (n,) at which each piece's middle would be if rows were level.

    Rows fall by a tangent that changes evenly from the top of the page to its bottom, as parallel lines do that are
    seen aslant: by that tangent which gathers the middles of ``core`` most.
    """
    middle = pieces.top + pieces.height / 2
    if len(core) < 3:
        return middle
    x, y = (pieces.left + pieces.width / 2) / usual, middle / usual
    few = core[:: -(-len(core) // MOST_MIDDLES)]
    x = x - x[few].mean()
    place = (y - y[few].mean()) / max(float(np.ptp(y[few])), 1.0)
    fall, fan = (each.reshape(-1, 1) for each in np.meshgrid(FALLS, FANS))
    told = gathering(y[few] - x[few] * (fall + fan * place[few])) * (1 - np.abs(fall) - np.abs(fan))[:, 0]
    best, level = int(told.argmax()), len(told) // 2
    if told[best] < CLEARLY * told[level]:
        best = level
    return np.asarray(usual * (y - x * (fall[best] + fan[best] * place)))


def gathering(heights: Array) -> Array:
    """Return how much each of several arrangements (several, n) gathers its n heights: (several,)."""
    heights = heights - heights.min()
    bins = int(heights.max() / BIN) + 2
    places = (heights / BIN).astype(int) + bins * np.arange(len(heights))[:, np.newaxis]
    counts = np.bincount(places.ravel(), minlength=bins * len(heights)).reshape(len(heights), bins)
    return np.asarray(((counts[:, 1:] + counts[:, :-1]) ** 2).sum(axis=1))


def _joined(rows: list[Row], pieces: Pieces, middle: Array) -> list[Row]:
    """Join rows that were begun apart and lie side by side. middle: (n,) of pieces, as if rows were level."""
    rows = sorted(rows, key=lambda row: _level(row, middle))
    joined: list[Row] = []
    for row in rows:
        before = joined[-1] if joined else None
        off = abs(_level(row, middle) - _level(before, middle)) if before is not None else 0.0
        if before is not None and off < 0.45 * max(min(row.height, before.height), 1):
            apart = _apart(pieces, before.members, row.members)
            if apart:
                joined[-1] = _row(pieces, [*before.members, *row.members])
                continue
        joined.append(row)
    return joined


def _level(row: Row, middle: Array) -> float:
    return float(np.median(middle[row.members]))


def _apart(pieces: Pieces, one: Sequence[int], other: Sequence[int]) -> bool:
    """Return whether two rows have next to no columns in common, so that they may be one."""
    low, high = (
        np.concatenate([pieces.left[list(row)] for row in (one, other)]).min(),
        np.concatenate([(pieces.left + pieces.width)[list(row)] for row in (one, other)]).max(),
    )
    covers: list[Array] = []
    for row in (one, other):
        cover = np.zeros(int(high - low), bool)
        for piece in row:
            cover[pieces.left[piece] - low : pieces.left[piece] + pieces.width[piece] - low] = True
        covers.append(cover)
    both = np.count_nonzero(covers[0] & covers[1])
    return bool(both < 0.35 * min(np.count_nonzero(cover) for cover in covers))


def _add_small(rows: list[Row], pieces: Pieces, core: Array, usual: float) -> None:
    """Give each small piece to the row it lies in, if there are digits near it."""
    middle_x, middle_y = pieces.left + pieces.width / 2, pieces.top + pieces.height / 2
    others = np.setdiff1d(np.flatnonzero(pieces.height < CORE * usual), core)
    reaches = [
        (row, pieces.left[row.members].copy(), (pieces.left + pieces.width)[row.members].copy(),
         pieces.top[row.members].copy(), (pieces.top + pieces.height)[row.members].copy())
        for row in rows
    ]  # fmt: skip
    for piece in others.tolist():
        best, nearest = 1.5 * usual, None
        for row, left, right, top, bottom in reaches:
            if not row.top - 0.6 * row.height < middle_y[piece] < row.bottom + 0.5 * row.height:
                continue
            x = np.maximum(np.maximum(left - middle_x[piece], middle_x[piece] - right), 0)
            y = np.maximum(np.maximum(top - middle_y[piece], middle_y[piece] - bottom), 0)
            apart = float((x + 2 * y).min())
            if apart < best:
                best, nearest = apart, row
        if nearest is not None:
            nearest.members.append(piece)
