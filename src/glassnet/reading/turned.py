"""A page that lies on its side or upside down: cameras do not always say how they were held.

The reading itself tells. Digits seen from the side are no digits, so where most marks on a page are refused it is read
turned as well, and taken so where nearly all of them are digits then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from glassnet.digits.picture import Array
from glassnet.reading.context import Outcome, outcome_of
from glassnet.reading.lattice import Reading
from glassnet.reading.pieces import Pieces
from glassnet.reading.scores import Judge

FEWEST_REFUSED = 3
# Of a page turned upright: how many digits it has at least, how large a share of its marks they are, how sure they are
# together, in logarithms of odds, and how many times as sure as those of the page as it was.
FEWEST, SHARE, SURE, SURER = 4, 0.8, 12.0, 2.0


@dataclass(frozen=True, eq=False)
class Upright:
    """A page's ink (h, w), its pieces and how they are read; quarters: by how many it was turned to the left."""

    strength: Array
    pieces: Pieces
    readings: list[Reading]
    quarters: int = 0


def upright_of(
    strength: Array, pieces: Pieces, read: Callable[[Array, Pieces], list[Reading]], judge: Judge, turn: bool
) -> Upright:
    """Return a page as it is read, turned by quarters where that is needed; turn: whether it may be."""
    first = Upright(strength, pieces, read(strength, pieces))
    before = outcome_of(first.readings, judge)
    if not turn or before.refused < max(FEWEST_REFUSED, before.digits):
        return first
    turned = [_turned(strength, pieces, quarters, read) for quarters in (1, 2, 3)]
    outcomes = [outcome_of(each.readings, judge) for each in turned]
    best = max(range(len(turned)), key=lambda which: outcomes[which].sure)
    return turned[best] if _clear(outcomes[best], before) else first


def _clear(after: Outcome, before: Outcome) -> bool:
    many = after.digits >= max(FEWEST, SHARE * (after.digits + after.refused))
    return many and after.sure >= max(SURE, SURER * before.sure)


def _turned(strength: Array, pieces: Pieces, quarters: int, read: Callable[[Array, Pieces], list[Reading]]) -> Upright:
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
    return Upright(strength, pieces, read(strength, pieces), quarters)


def turn_of(width: float, height: float, quarters: int) -> Array:
    """Return the matrix (3, 3) that turns a picture of that size to the left."""
    turn: Array = np.eye(3)
    for _ in range(quarters):
        turn = np.array([[0, 1, 0], [-1, 0, width], [0, 0, 1]]) @ turn
        width, height = height, width
    return turn
