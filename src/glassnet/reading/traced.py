"""Lines that bend: of a box drawn by hand, of a sheet that lies in waves or is seen aslant.

A path runs through ink from left to right and rises or falls by no more than a third. Digits have no long ones: their
strokes turn. The longest paths through the ink of a small picture are lines.
"""

from __future__ import annotations

import cv2
import numpy as np

from glassnet.digits.picture import Array
from glassnet.reading.inking import Ink
from glassnet.reading.rules import LEAST_STROKES, LEAST_SUM, Rule, along, roughly

STEP = 3  # columns in which a path may rise by one row
LEAST_HEIGHTS = 5.0  # of what else is on the page
MOST = 80  # lines in each direction
THICKEST = 3.0  # stroke widths
MOSTLY = 0.6  # of a piece of ink is lines
APART = 4  # pixels between lines at least


def traced(ink: Ink) -> list[Rule]:
    """Return the lines through the ink of a page, level ones and upright ones.

    Ink in one piece is mostly lines, or has none: a drawing has long strokes, too.
    """
    rough = roughly(ink)
    mask, labels, stats = rough.mask, rough.labels, rough.stats
    stroke = rough.stroke
    least = max(LEAST_STROKES * stroke, LEAST_HEIGHTS * rough.usual_height())
    found: list[Rule] = []
    for upright, side in ((False, cv2.CC_STAT_WIDTH), (True, cv2.CC_STAT_HEIGHT)):
        long = stats[:, side] >= max(least, LEAST_SUM * mask.shape[not upright])
        long[0] = False
        if long.any():
            inked = long[labels].view(np.uint8)
            paths = _paths(np.ascontiguousarray(inked.T) if upright else inked, least)
            found += [_rule(*path, upright) for path in paths if path[2] <= THICKEST * stroke + 2]
    if not found:
        return []
    lined = np.bincount(labels[along(found, mask.shape)], minlength=len(stats))
    mostly = lined >= MOSTLY * stats[:, cv2.CC_STAT_AREA]
    return [_enlarged(rule, rough.factor) for rule in found if mostly[_piece_of(rule, labels)]]


def _rule(x: Array, y: Array, thick: float, upright: bool) -> Rule:
    ends = (int(x[0]), int(x[-1]) + 1)
    return Rule(np.stack([x, y], axis=1), *ends, thick, 0.0, (ends,), upright)


def _piece_of(rule: Rule, labels: Array) -> int:
    """Return the label of the piece of ink that a line runs through."""
    x, y = np.rint(rule.curve).astype(int).T
    on = labels.T[y, x] if rule.upright else labels[y, x]
    return int(np.bincount(on[on > 0]).argmax()) if on.any() else 0


def _enlarged(rule: Rule, factor: float) -> Rule:
    x, y = ((rule.curve + 0.5) / factor - 0.5).T
    return _rule(x, y, rule.thick / factor, rule.upright)


def _paths(mask: Array, least: float) -> list[tuple[Array, Array, float]]:
    """Return x, y and the thickness of each path through a mask (h, w) that is long, in pixels."""
    blocks = mask.shape[1] // STEP
    full = mask[:, : blocks * STEP].reshape(len(mask), blocks, STEP).min(axis=2).T
    before, after = _reach(full), _reach(full[::-1])[::-1]
    found: list[tuple[Array, Array, float]] = []
    through = np.where(full > 0, before + after - 1, 0)
    for _ in range(MOST):
        block, row = divmod(int(through.argmax()), through.shape[1])
        if through[block, row] * STEP < least:
            break
        earlier, later = _followed(before, block, row, -1), _followed(after, block, row, 1)
        first = block - len(earlier)
        rows = np.array([*earlier[::-1], row, *later])
        y, thick = _middle(full[first : first + len(rows)], rows)
        usual = float(np.median(thick))
        reach = np.maximum(thick, usual) / 2 + APART
        ends = zip(np.maximum(np.minimum(y, rows) - reach, 0), np.maximum(y, rows) + reach + 1, strict=True)
        for place, (low, high) in enumerate(ends, first):
            through[place, int(low) : int(high)] = 0
        x = (np.arange(first, first + len(rows)) + 0.5) * STEP - 0.5
        found.append((x, cv2.blur(y.reshape(-1, 1), (1, 5)).ravel(), usual))
    return found


def _reach(full: Array) -> Array:
    """Return how many blocks the longest path has that ends in each of (blocks, rows)."""
    reach = np.zeros(full.shape, np.int32)
    last = np.zeros(full.shape[1] + 2, np.int32)
    for block in range(len(full)):
        longest = np.maximum(np.maximum(last[:-2], last[2:]), last[1:-1])
        reach[block] = (longest + 1) * full[block]
        last[1:-1] = reach[block]
    return reach


def _followed(reach: Array, block: int, row: int, step: int) -> list[int]:
    """Return the rows of the path that led to a block and row, going back."""
    rows = []
    while reach[block, row] > 1:
        block += step
        near = [each for each in (row, row - 1, row + 1) if 0 <= each < reach.shape[1]]
        row = max(near, key=lambda each: reach[block, each])
        rows.append(row)
    return rows


def _middle(full: Array, rows: Array) -> tuple[Array, Array]:
    """Return the middle and the thickness of the ink around the rows of a path through (blocks, rows)."""
    up, down = rows.copy(), rows.copy()
    places = np.arange(len(rows))
    for edge, step in ((up, -1), (down, 1)):
        going = np.ones(len(rows), bool)
        for _ in range(60):
            further = np.clip(edge + step, 0, full.shape[1] - 1)
            going &= (full[places, further] > 0) & (further != edge)
            if not going.any():
                break
            edge[going] += step
    thick = (down - up + 1).astype(np.float64)
    usual = np.median(thick)
    middle = np.where(thick <= 1.5 * usual, (up + down) / 2, rows)  # where a stroke crosses, the path itself
    return middle.astype(np.float32), thick
