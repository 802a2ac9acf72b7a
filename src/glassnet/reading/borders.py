"""Whether a candidate begins and ends where a digit does, seen with the ink around it.

The network that names digits sees a candidate by itself: the left half of an 8 is a good 3 to it. This one sees where
the candidate was cut out: its ink in one window, in another one what stands around it, both at the scale of the row.
It says how likely that is one digit, neither more nor less; which one does not matter to it. ``recipes/borders.py``
makes it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import cv2
import numpy as np

from glassnet.digits.models import shipped
from glassnet.digits.picture import Array
from glassnet.digits.recognise import Classifier
from glassnet.reading.elements import Element

TALL = 14  # cells for the height of a row
ROWS, COLUMNS = 20, 24  # cells of a window
LABELS = ("part", "whole", "mark")  # of a digit, or no digit at all
WINDOW = ROWS * COLUMNS + ROWS * COLUMNS // 4  # what stands around is seen half as sharp


class Strip:
    """A row's ink in cells, of each element by itself and of all together."""

    def __init__(self, strength: Array, numbers: Array, elements: Sequence[Element], start: int, height: float) -> None:
        """strength, numbers: (h, w) of the page. start: the first element's number. height: the row's, in pixels."""
        self.cells = min(1.0, TALL / max(height, 1.0))
        self.left = min(element.left for element in elements)
        self.top = min(element.top for element in elements)
        right, bottom = max(element.right for element in elements), max(element.bottom for element in elements)
        shape = (self._cell(bottom - self.top) + 2 * ROWS, self._cell(right - self.left) + 2 * COLUMNS)
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
        return y + ROWS, x + COLUMNS, cv2.resize(ink, (columns, rows), interpolation=cv2.INTER_AREA)

    def window(self, first: int, last: int, box: tuple[int, int, int, int]) -> Array:
        """Return the ink of the elements first to last and that of the others around: (WINDOW,) of uint8."""
        left, top, right, bottom = box
        y = self._cell((top + bottom) / 2 - self.top) + ROWS - ROWS // 2
        x = self._cell((left + right) / 2 - self.left) + COLUMNS - COLUMNS // 2
        own = np.zeros((ROWS, COLUMNS), np.float32)
        for above, before, cells in self.inks[first : last + 1]:
            high, wide = max(above, y), max(before, x)
            low, far = min(above + cells.shape[0], y + ROWS), min(before + cells.shape[1], x + COLUMNS)
            if high < low and wide < far:
                part = cells[high - above : low - above, wide - before : far - before]
                own[high - y : low - y, wide - x : far - x] += part
        others = self.all[y : y + ROWS, x : x + COLUMNS] - own
        coarse = cv2.resize(others, (COLUMNS // 2, ROWS // 2), interpolation=cv2.INTER_AREA)
        return np.clip(np.concatenate([own.reshape(-1), coarse.reshape(-1)]), 0, 255).astype(np.uint8)


@functools.cache
def borders() -> Classifier:
    """Return the network, compiled: rows of WINDOW bytes → the probabilities of LABELS."""
    return shipped("borders").compile()


def wholeness(windows: Array) -> Array:
    """Return how likely each of windows (n, WINDOW) shows one whole digit: (n,)."""
    return judged_borders(windows)[:, LABELS.index("whole")]


def judged_borders(windows: Array) -> Array:
    """Return how likely each of windows (n, WINDOW) shows what LABELS say: (n, 3)."""
    return np.array(borders()(windows), np.float32) if len(windows) else np.zeros((0, len(LABELS)), np.float32)
