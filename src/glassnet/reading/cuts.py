"""Where a piece of ink could be cut between two digits that touch.

A cut is a path from top to bottom that crosses as little ink as it can and may lean and bend. For each column of the
piece the cheapest path through that column's middle is found, in a small picture of it; columns whose path is cheaper
than their neighbours' are where to cut.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from glassnet.digits.picture import Array

ROWS = 40  # the small picture's height
LEVELS = (1 / 6, 1 / 3, 1 / 2, 2 / 3, 5 / 6)  # of the height, in each of which every column is tried
MOST_CUTS, CUTS_A_HEIGHT = 3, 9  # kept at least, and for each height that the piece is wide
SIDEWAYS = 0.3  # what a step aside costs, where crossing full ink costs 1 a row
APART = 3  # columns of the small picture between two cuts at least


@dataclass(frozen=True, eq=False)
class Cut:
    """x: (h,) the first column right of the cut, in each row of the piece. cost: the ink it crosses, in heights."""

    x: Array
    cost: float


def cuts_of(ink: Array) -> list[Cut]:
    """Return where the ink (h, w) of a piece, 0 to 255, could be cut, from left to right."""
    height, width = ink.shape
    columns = max(8, min(240, round(width * ROWS / height)))
    small = cv2.resize(ink, (columns, ROWS), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    small = small**3  # where two strokes lie side by side, ink is a little weaker between them
    (down, up), (from_above, from_below) = _paths(np.stack([small, small[::-1]]))
    up, from_below = up[::-1], from_below[::-1]
    through = down + up - small
    places = [
        (level, x) for level in (round(share * ROWS) for share in LEVELS) for x in _minima(through[level], columns)
    ]
    if not places:
        return []
    levels, starts = np.array(places).T
    costs, paths = through[levels, starts], _traced(levels, starts, from_above, from_below)
    most = MOST_CUTS + round(CUTS_A_HEIGHT * width / height)
    chosen: list[int] = []
    for which in np.lexsort((*paths.T[::-1], costs)).tolist():
        if len(chosen) < most and (np.abs(paths[chosen] - paths[which]).mean(axis=1) >= APART).all():
            chosen.append(which)
    chosen.sort(key=lambda which: float(paths[which].mean()))
    rows = (np.arange(height) + 0.5) * ROWS / height - 0.5
    return [
        Cut(
            np.rint((np.interp(rows, np.arange(ROWS), paths[which]) + 0.5) * width / columns).astype(np.int32),
            float(costs[which]) / ROWS,
        )
        for which in chosen
    ]


def _minima(values: Array, columns: int) -> list[int]:
    inner = np.arange(2, columns - 2)
    low = (values[inner] <= values[inner - 1]) & (values[inner] <= values[inner + 1])
    # A plateau counts once, in its middle.
    starts = np.flatnonzero(np.diff(np.concatenate([[0], low.astype(np.int8), [0]])) > 0)
    ends = np.flatnonzero(np.diff(np.concatenate([[0], low.astype(np.int8), [0]])) < 0)
    return [int(inner[(start + end - 1) // 2]) for start, end in zip(starts, ends, strict=True)]


def _paths(cost: Array) -> tuple[Array, Array]:
    """Return the cheapest cost from the top of pictures (n, h, w) to each pixel, included, and the step: -1, 0 or 1."""
    total = cost.copy()
    steps = np.zeros(cost.shape, np.int8)
    padded = np.full((len(cost), cost.shape[2] + 2), np.inf, np.float32)
    for row in range(1, cost.shape[1]):
        straight = total[:, row - 1]
        padded[:, 1:-1] = straight + np.float32(SIDEWAYS)
        left, right = padded[:, :-2], padded[:, 2:]
        aside = np.minimum(left, right)
        total[:, row] += np.minimum(straight, aside)
        steps[:, row] = np.where(straight <= aside, 0, np.where(left <= right, -1, 1))
    return total, steps


def _traced(levels: Array, starts: Array, from_above: Array, from_below: Array) -> Array:
    """Return the paths (n, rows) that pass through columns at levels, both (n,): by the steps from above and below."""
    rows = len(from_above)
    paths = np.zeros((len(levels), rows), np.int64)
    each = np.arange(len(levels))
    paths[each, levels] = starts
    for row in range(rows - 1, 0, -1):
        above = row <= levels
        paths[above, row - 1] = paths[above, row] + from_above[row, paths[above, row]]
    for row in range(rows - 1):
        below = row >= levels
        paths[below, row + 1] = paths[below, row] + from_below[row, paths[below, row]]
    return paths
