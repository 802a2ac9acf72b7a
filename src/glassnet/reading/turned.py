"""A page that lies on its side: cameras do not always say how they were held.

The reading itself tells. Digits seen from the side are no digits, so where most marks on a page are refused it is read
turned as well, and taken so where nearly all of them are digits then. Upside down most digits look like others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glassnet.digits.picture import Array
from glassnet.reading.context import Tally, believed, tally_of
from glassnet.reading.lattice import Reading, read_rows
from glassnet.reading.pieces import Pieces
from glassnet.reading.rows import CORE, HIGHEST, gathering, rows_of, usual_height
from glassnet.reading.scores import Judge

FEWEST_REFUSED = 3
COLUMNS, COARSER = 0.65, 2.0  # as much as in rows, marks stand in columns; told with bins so many times as wide
# Of a page turned upright: how many digits it has at least, how large a share of its marks they are, how sure they are
# together, in logarithms of odds, and how many times as sure as those of the page as it was.
FEWEST, SHARE, SURE, SURER = 4, 0.8, 12.0, 2.0


@dataclass(frozen=True, eq=False)
class Upright:
    """A page's ink (h, w), its pieces and how they are read; quarters: by how many it was turned to the left, or 0."""

    strength: Array
    pieces: Pieces
    readings: list[Reading]
    quarters: int = 0


def upright_of(strength: Array, pieces: Pieces, judge: Judge, turn: bool) -> Upright:
    """Return a page as it is read, turned to a side where that is needed; turn: whether it may be."""
    first = Upright(strength, pieces, _read(strength, pieces, judge))
    before = tally_of(first.readings, judge)
    if not turn or before.refused < max(FEWEST_REFUSED, before.digits) or not _in_columns(pieces):
        return first
    turned = [_turned(strength, pieces, quarters, judge) for quarters in (1, 3)]
    tallies = [tally_of(each.readings, judge) for each in turned]
    best = max(range(len(turned)), key=lambda which: tallies[which].sure)
    return turned[best] if _clear(tallies[best], before) else first


def _read(strength: Array, pieces: Pieces, judge: Judge) -> list[Reading]:
    """Return how the rows of a page are read."""
    rows = rows_of(pieces, usual_height(pieces))
    return believed(read_rows(strength, pieces, rows, judge), judge)


def _in_columns(pieces: Pieces) -> bool:
    """Return whether pieces stand in columns nearly as much as in rows, or more: lines of print do not."""
    usual = usual_height(pieces)
    high, wide = pieces.height / usual, pieces.width / usual
    large = (high >= CORE) & (high < HIGHEST) | (wide >= CORE) & (wide < HIGHEST)
    middles = np.stack([pieces.left + pieces.width / 2, pieces.top + pieces.height / 2])[:, large]
    columns, rows = (float(gathering(each[np.newaxis] / (COARSER * usual))[0]) for each in middles)
    return columns >= COLUMNS * rows


def _clear(after: Tally, before: Tally) -> bool:
    """Return whether a turned page is surely the right one."""
    many = after.digits >= max(FEWEST, SHARE * (after.digits + after.refused))
    return many and after.sure >= max(SURE, SURER * before.sure)


def _turned(strength: Array, pieces: Pieces, quarters: int, judge: Judge) -> Upright:
    """Return a page turned to the left."""
    for _ in range(quarters):
        width = strength.shape[1]
        strength = np.ascontiguousarray(np.rot90(strength))
        pieces = Pieces(
            np.ascontiguousarray(np.rot90(pieces.labels)),
            pieces.top,
            width - pieces.left - pieces.width,
            pieces.height,
            pieces.width,
            pieces.area,
        )
    return Upright(strength, pieces, _read(strength, pieces, judge), quarters)


def turn_of(width: float, height: float, quarters: int) -> Array:
    """Return the matrix (3, 3) that turns a picture of that size to the left."""
    turn: Array = np.eye(3)
    for _ in range(quarters):
        turn = np.array([[0, 1, 0], [-1, 0, width], [0, 0, 1]]) @ turn
        width, height = height, width
    return turn
