"""What the network says of many candidates at once, each prepared as MNIST has its digits."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from glassnet.digits.models import load_model
from glassnet.digits.nondigits import NONE
from glassnet.digits.picture import Array
from glassnet.digits.prepare import BOX, FIELD, MARGIN, SIDE, centre
from glassnet.digits.recognise import Classifier
from glassnet.errors import GraphError, ShapeError
from glassnet.network import Label

CELL = 4  # pixels of the crop for one of the result
# MNIST's strokes are a tenth of the digit's height or more; a thinner one is drawn so wide before it is averaged.
LEAST_STROKE = 0.09
HARDER = 1.45  # by so much contrast grows, at the cost of the blur around a stroke
# Something read is no digit so many times more often than the shipped network expects, which is in a thousandth of
# the cases: a tenth of the marks on a page, a hundredth of the tiny pictures handed in. Of tiny pictures of twelve
# kinds of non-digits, 82 % are refused so; 67 % with 1 for 10, and 91 % with 100, which costs 2 % of slanted digits.
NONE_ON_PAGES, NONE_ALONE = 100.0, 10.0
# What leans further is brought back to that; a stroke that lies is no leaning digit.
MOST_LEAN, LEFT_LEAN, STEEPEST = 0.4, 0.3, 2.0
# Digits by a network that cannot say "none": what it is so unsure of is none.
LEAST_WITHOUT_NONE = 0.75


@dataclass(frozen=True, eq=False)
class Judge:
    """A network that names digits. network: compiled where that can be. labels: as it answers them."""

    network: Classifier
    labels: tuple[Label, ...]

    @functools.cached_property
    def digit_columns(self) -> list[int]:
        """The columns of the answer that stand for digits."""
        return [column for column, label in enumerate(self.labels) if label != NONE]

    @functools.cached_property
    def none_column(self) -> int | None:
        """The column that stands for none, if there is one."""
        return self.labels.index(NONE) if NONE in self.labels else None

    def __call__(self, prepared: Array, *, alone: bool = False) -> Array:
        """Return probabilities (n, labels) of pictures (n, 28, 28) of uint8: marks on a page, or handed in alone."""
        if not len(prepared):
            return np.zeros((0, len(self.labels)), np.float32)
        rows = prepared.reshape(len(prepared), *self.network.inputs[0].shape)
        answers = np.array(self.network(rows), np.float32).reshape(len(prepared), -1)
        if answers.shape[1] == 1:  # the probability of the second of two labels
            answers = np.concatenate([1 - answers, answers], axis=1)
        if self.none_column is not None:
            answers[:, self.none_column] *= NONE_ALONE if alone else NONE_ON_PAGES
            answers /= answers.sum(axis=1, keepdims=True)
        return answers


def judge_of(network: Classifier | None) -> Judge:
    """Return the judge for a network, as it is, or for the shipped one, compiled; made once for each.

    Raises GraphError or ShapeError where the network is no classifier of 28 × 28 pixels.
    """
    return _judge(network)  # type: ignore[arg-type]  # a network is as hashable as any object


@functools.lru_cache(maxsize=4)
def _judge(given: Any) -> Judge:
    network: Classifier = load_model().compile() if given is None else given
    if network.labels is None:
        raise GraphError("reading a page: the network answers values, expected one with labels")
    shapes = [given.shape for given in network.inputs]
    if len(shapes) != 1 or int(np.prod(shapes[0])) != SIDE * SIDE:
        raise ShapeError(f"reading a page: the network reads rows of shape {shapes}, expected (784,)")
    return Judge(network, tuple(network.labels))


def upright(ink: Array) -> Array:
    """Return ink (h, w) that leans further than most of MNIST's as if it leaned less.

    Without this, a slanted 9 of an old church book is a 7. The lean, in widths per height, is that of the ink's axis.
    """
    moments = cv2.moments(ink)
    lean = moments["mu11"] / moments["mu02"] if moments["mu02"] else 0.0
    if not MOST_LEAN < abs(lean) < STEEPEST:
        return ink
    back = lean - math.copysign(LEFT_LEAN, lean)
    height, width = ink.shape
    finer = max(1, -(-CELL * BOX // height))
    reach = math.ceil(abs(back) * height)
    matrix = np.array([[finer, -finer * back, finer * (reach + back * height) / 2], [0, finer, 0]])
    size = (finer * (width + reach), finer * height)
    return cv2.warpAffine(ink, matrix, size, flags=cv2.INTER_LINEAR if finer == 1 else cv2.INTER_CUBIC)


def prepared_ink(ink: Array) -> Array | None:
    """Return the ink (h, w) of one candidate, 0 to 255, as MNIST has it: (28, 28); None where there is too little."""
    ink = upright(ink)
    rows, columns = np.flatnonzero(ink.max(axis=1) > 127), np.flatnonzero(ink.max(axis=0) > 127)
    if not len(rows) or not len(columns):
        return None
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    longer = max(ink.shape)
    if longer < 4:
        return None
    factor = CELL * BOX / longer
    margin = CELL * MARGIN
    size = (max(1, round(ink.shape[1] * factor)), max(1, round(ink.shape[0] * factor)))
    ink = cv2.resize(ink, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)
    blank = np.zeros((FIELD * CELL, FIELD * CELL), np.uint8)
    top, left = (FIELD * CELL - size[1]) // 2, (FIELD * CELL - size[0]) // 2
    top, left = (margin, left) if size[1] >= size[0] else (top, margin)
    blank[top : top + size[1], left : left + size[0]] = ink
    field: Array = cv2.addWeighted(blank, HARDER, blank, 0, -48 * HARDER)  # MNIST's were black and white at first
    missing = LEAST_STROKE * BOX * CELL - _stroke(field)
    if missing > 0.8:
        width = min(7, round(missing) + 1)
        field = cv2.dilate(field, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width)))
    fitted = _sharpest(field)
    most = int(fitted.max())
    return centre(cv2.convertScaleAbs(fitted, alpha=255 / most)) if most else None


def _stroke(field: Array) -> float:
    """Return the width of strokes in pixels: twice the area over the length of the edge."""
    binary = (field > 127).view(np.uint8)
    area = cv2.countNonZero(binary)
    edge = area - cv2.countNonZero(cv2.erode(binary, _CROSS))
    return 2.0 * area / max(edge, 1)


def _sharpest(field: Array) -> Array:
    """Return the field averaged over cells, the cells beginning where the strokes fall on pixels best."""
    best, half = field, CELL // 2
    side = FIELD * CELL
    for axis in (0, 1):
        around = (half, half, 0, 0) if axis == 0 else (0, 0, half, half)
        wide = cv2.copyMakeBorder(best, *around, cv2.BORDER_CONSTANT, value=0)
        candidates = []
        for start in range(CELL, 0, -1):
            moved = wide[start : start + side] if axis == 0 else wide[:, start : start + side]
            small = cv2.resize(moved, (FIELD, FIELD), interpolation=cv2.INTER_AREA)
            candidates.append((cv2.norm(small), moved))
        best = max(candidates, key=lambda candidate: candidate[0])[1]
    return cv2.resize(best, (FIELD, FIELD), interpolation=cv2.INTER_AREA)


_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


def ranking(judge: Judge, probabilities: Array) -> tuple[tuple[Label, float], ...]:
    """Return the labels with their probabilities, the likeliest first."""
    order = np.argsort(-probabilities)
    return tuple((judge.labels[column], float(probabilities[column])) for column in order.tolist())


def stacked(candidates: Sequence[Array]) -> Array:
    """Return prepared pictures as one array (n, 28, 28)."""
    return np.stack(candidates) if candidates else np.zeros((0, SIDE, SIDE), np.uint8)
