"""What stands among digits and is none: dashes, points, commas, told by their shape and their place in the row."""

from __future__ import annotations

from glassnet.reading.rows import Row

Extent = tuple[int, int, int, int]  # left, top, right, bottom

DASH, POINT, COMMA, OTHER = "dash", "point", "comma", "other"
FAR, BESIDE = 100.0, 1.2  # heights between a mark and a digit


def kind_of(box: Extent, row: Row, neighbours: tuple[Extent | None, Extent | None]) -> str:
    """Return what a mark is, by its box, its row, and the digits on its left and right.

    Points and commas stand between two digits, low; dashes between two or before one, about the middle.
    """
    left, top, right, bottom = box
    height = max(row.height, 1.0)
    wide, high = (right - left) / height, (bottom - top) / height
    before, after = neighbours
    middle = ((top + bottom) / 2 - _top(row, neighbours)) / height
    gap_before = (left - before[2]) / height if before is not None else FAR
    gap_after = (after[0] - right) / height if after is not None else FAR
    near_before, near_after = gap_before < BESIDE, gap_after < BESIDE
    if 0.2 <= wide <= 1.1 and high <= 0.35 and wide >= 1.6 * high and 0.2 < middle < 0.85:
        return DASH if near_after and (near_before or gap_after < BESIDE / 2) else OTHER
    if not (near_before and near_after) or wide > 0.4 or high > 0.5 or middle < 0.6:
        return OTHER
    if high > 0.25 and high > 1.25 * wide and bottom > _top(row, neighbours) + 0.98 * height:
        return COMMA
    return POINT if high <= 0.32 else OTHER


def _top(row: Row, neighbours: tuple[Extent | None, Extent | None]) -> float:
    """Return where digits begin here: rows are seldom quite level."""
    bottoms = [neighbour[3] for neighbour in neighbours if neighbour is not None]
    return (sum(bottoms) / len(bottoms) if bottoms else row.bottom) - row.height
