"""What a candidate is, seen with the ink around it: a whole digit, and which one, a part of one, or a mark.

The network that names digits sees a candidate by itself: the left half of an 8 is a good 3 to it. This one sees where
the candidate was cut out: its ink in one window, in another one, wider and half as sharp, what stands around it, both
at the scale of the row. What the two say is multiplied. ``recipes/borders.py`` makes it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from glassnet.digits.models import shipped
from glassnet.digits.picture import Array
from glassnet.digits.recognise import Classifier
from glassnet.reading.elements import Element
from glassnet.reading.scores import Judge

TALL = 18  # cells for the height of a row
ROWS = COLUMNS = 26  # cells of the candidate's own window
ROWS_AROUND, COLUMNS_AROUND = 28, 60  # and of what stands around it, which is seen half as sharp
DIGITS = tuple("0123456789")
LABELS = (*DIGITS, "part", "mark")  # a whole digit; a part of one, or more than one; no digit
WINDOW = ROWS * COLUMNS + ROWS_AROUND * COLUMNS_AROUND // 4


class Strip:
    """A row's ink in cells, of each element by itself and of all together."""

    def __init__(self, strength: Array, numbers: Array, elements: Sequence[Element], start: int, height: float) -> None:
        """strength, numbers: (h, w) of the page. start: the first element's number. height: the row's, in pixels."""
        self.cells = min(1.0, TALL / max(height, 1.0))
        self.left = min(element.left for element in elements)
        self.top = min(element.top for element in elements)
        right, bottom = max(element.right for element in elements), max(element.bottom for element in elements)
        shape = (
            self._cell(bottom - self.top) + 2 * ROWS_AROUND,
            self._cell(right - self.left) + 2 * COLUMNS_AROUND,
        )
        self.all = np.zeros(shape, np.float32)
        self.inks: list[tuple[int, int, Array]] = []
        for number, element in enumerate(elements, start):
            ink = self._ink(strength, numbers, element, number)
            self.inks.append(ink)
            y, x, cells = ink
            self.all[y : y + cells.shape[0], x : x + cells.shape[1]] += cells

    def _cell(self, pixels: float) -> int:
        return int(pixels * self.cells)

    def _ink(self, strength: Array, numbers: Array, element: Element, number: int) -> tuple[int, int, Array]:
        """Return the cell of the strip where an element begins, y and x, and its ink (rows, columns) in cells."""
        y, x = self._cell(element.top - self.top), self._cell(element.left - self.left)
        rows = self._cell(element.bottom - self.top) + 1 - y
        columns = self._cell(element.right - self.left) + 1 - x
        top, left = self.top + round(y / self.cells), self.left + round(x / self.cells)
        bottom, right = self.top + round((y + rows) / self.cells), self.left + round((x + columns) / self.cells)
        where = np.s_[element.top : element.bottom, element.left : element.right]
        ink = np.zeros((bottom - top, right - left), np.float32)
        own = ink[element.top - top : element.bottom - top, element.left - left : element.right - left]
        np.multiply(strength[where], numbers[where] == number, out=own, casting="unsafe")
        return y + ROWS_AROUND, x + COLUMNS_AROUND, cv2.resize(ink, (columns, rows), interpolation=cv2.INTER_AREA)

    def window(self, first: int, last: int, box: tuple[int, int, int, int]) -> Array:
        """Return the ink of the elements first to last and that of the others around: (WINDOW,) of uint8."""
        left, top, right, bottom = box
        middle_y = self._cell((top + bottom) / 2 - self.top) + ROWS_AROUND
        middle_x = self._cell((left + right) / 2 - self.left) + COLUMNS_AROUND
        y, x = middle_y - ROWS // 2, middle_x - COLUMNS // 2
        own = np.zeros((ROWS, COLUMNS), np.float32)
        for above, before, cells in self.inks[first : last + 1]:
            high, wide = max(above, y), max(before, x)
            low, far = min(above + cells.shape[0], y + ROWS), min(before + cells.shape[1], x + COLUMNS)
            if high < low and wide < far:
                part = cells[high - above : low - above, wide - before : far - before]
                own[high - y : low - y, wide - x : far - x] += part
        top, left = middle_y - ROWS_AROUND // 2, middle_x - COLUMNS_AROUND // 2
        others = self.all[top : top + ROWS_AROUND, left : left + COLUMNS_AROUND].copy()
        others[y - top : y - top + ROWS, x - left : x - left + COLUMNS] -= own
        coarse = cv2.resize(others, (COLUMNS_AROUND // 2, ROWS_AROUND // 2), interpolation=cv2.INTER_AREA)
        return np.clip(np.concatenate([own.reshape(-1), coarse.reshape(-1)]), 0, 255).astype(np.uint8)


@functools.cache
def borders() -> Classifier:
    """Return the network, compiled: rows of WINDOW bytes → the probabilities of LABELS."""
    return shipped("borders").compile()


def seen_around(windows: Array) -> Array:
    """Return how likely each of windows (n, WINDOW) shows what LABELS say: (n, 12)."""
    return np.array(borders()(windows), np.float32) if len(windows) else np.zeros((0, len(LABELS)), np.float32)


@dataclass(frozen=True)
class Weights:
    """Powers to which probabilities are raised before they are multiplied.

    They were fitted to candidates held out, and then to how well pages of training digits are read.

    own, own_none: of what the network of digits says of a digit and of none; seen, seen_none: of what this one says.
    none: a factor of none, its logarithm.
    """

    own: float
    seen: float
    own_none: float
    seen_none: float
    none: float


# The network of digits has never seen half a digit with the other half beside it: of what was cut it knows little.
CUT = Weights(own=0.315, seen=1.09, own_none=0.1, seen_none=1.73, none=-2.71)
WHOLE = Weights(own=1.21, seen=0.3, own_none=0.18, seen_none=1.19, none=-1.03)
LEAST = 1e-5


def weighed(own: Array, seen: Array, cut: Array, judge: Judge) -> Array:
    """Return probabilities (n, labels) made of those of the network of digits and those seen around.

    own: (n, labels) of the judge. seen: (n, 12). cut: (n,) bool, whether something was cut off it. A network that
    cannot say none stays as it is.
    """
    if judge.none_column is None:
        return own
    whole = seen[:, : len(DIGITS)].sum(axis=1)
    names = [str(label) for label in judge.labels]
    around = [seen[:, DIGITS.index(name)] if name in DIGITS else whole / len(DIGITS) for name in names]
    around[judge.none_column] = 1 - whole
    logarithms = np.empty_like(own)
    for weights, these in ((CUT, cut), (WHOLE, ~cut)):
        powers = np.full((2, len(judge.labels)), [[weights.own], [weights.seen]], np.float32)
        powers[:, judge.none_column] = weights.own_none, weights.seen_none
        both = np.log(np.maximum([own[these], np.stack(around, axis=1)[these]], LEAST))
        logarithms[these] = (powers[:, np.newaxis] * both).sum(axis=0)
        logarithms[these, judge.none_column] += weights.none
    likely = np.exp(logarithms - logarithms.max(axis=1, keepdims=True))
    return np.asarray(likely / likely.sum(axis=1, keepdims=True))
