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
    down, from_above = _paths(small)
    up, from_below = _paths(small[::-1])
    up, from_below = up[::-1], from_below[::-1]
    found: list[tuple[float, tuple[int, ...]]] = []
    for level in (round(share * ROWS) for share in LEVELS):
        through = down[level] + up[level] - small[level]
        found += [(float(through[x]), _path(level, x, from_above, from_below)) for x in _minima(through, columns)]
    most = MOST_CUTS + round(CUTS_A_HEIGHT * width / height)
    chosen: list[tuple[float, tuple[int, ...]]] = []
    for cost, path in sorted(found):
        if all(np.abs(np.subtract(path, other)).mean() >= APART for _, other in chosen):
            chosen.append((cost, path))
        if len(chosen) == most:
            break
    chosen.sort(key=lambda each: float(np.mean(each[1])))
    rows = (np.arange(height) + 0.5) * ROWS / height - 0.5
    return [
        Cut(np.rint((np.interp(rows, np.arange(ROWS), path) + 0.5) * width / columns).astype(np.int32), cost / ROWS)
        for cost, path in chosen
    ]


def _minima(values: Array, columns: int) -> list[int]:
    inner = np.arange(2, columns - 2)
    low = (values[inner] <= values[inner - 1]) & (values[inner] <= values[inner + 1])
    # A plateau counts once, in its middle.
    starts = np.flatnonzero(np.diff(np.concatenate([[0], low.astype(np.int8), [0]])) > 0)
    ends = np.flatnonzero(np.diff(np.concatenate([[0], low.astype(np.int8), [0]])) < 0)
    return [int(inner[(start + end - 1) // 2]) for start, end in zip(starts, ends, strict=True)]


def _paths(cost: Array) -> tuple[Array, Array]:
    """Return the cheapest cost from the top to each pixel, that pixel included, and the step taken: -1, 0 or 1."""
    total = cost.copy()
    steps = np.zeros(cost.shape, np.int8)
    padded = np.full(cost.shape[1] + 2, np.inf, np.float32)
    for row in range(1, len(cost)):
        padded[1:-1] = total[row - 1]
        options = np.stack([padded[1:-1], padded[:-2] + SIDEWAYS, padded[2:] + SIDEWAYS])
        which = options.argmin(axis=0)
        total[row] += np.take_along_axis(options, which[None], 0)[0]
        steps[row] = np.array([0, -1, 1], np.int8)[which]
    return total, steps


def _path(level: int, x: int, from_above: Array, from_below: Array) -> tuple[int, ...]:
    path = [0] * len(from_above)
    path[level] = x
    for row in range(level, 0, -1):
        path[row - 1] = path[row] + int(from_above[row, path[row]])
    for row in range(level, len(path) - 1):
        path[row + 1] = path[row] + int(from_below[row, path[row]])
    return tuple(path)
