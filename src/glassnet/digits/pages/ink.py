"""Digits as a pen leaves them on paper, of any size: made of MNIST's 28 × 28 pixels, or of the project's own strokes.

MNIST's digits are enlarged smoothly and given a crisp edge, so that they look like ink and not like large pixels. Their
strokes are an eighth to a fifth of the height, as of a felt pen; for finer pens they are thinned to their middle
line, which is then drawn with the pen wanted.

A master is such a digit 80 pixels high; ``glyph`` brings it to the page as one hand writes it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from glassnet.digits.pen import STROKES, Pen, draw_digit
from glassnet.digits.picture import Array
from glassnet.digits.prepare import BOX, SIDE
from glassnet.errors import OptionError, ShapeError

ENLARGED = 4  # pixels of a master for one of MNIST
MASTER = ENLARGED * BOX
# A loop that is filled has no middle line of its own: thinned, a 9 would become a 1. For a fine pen another digit is
# taken where a stroke is so many times as thick as it is usually, or thicker than so many of MNIST's pixels; so are a
# quarter of MNIST's digits. Of 3,000 the shipped network misread 1.1 % as they are, 1.5 % so chosen and thinned, and
# 2.0 % with a looser choice.
FILLED = 1.75
THICKEST = 5.4
_TRIES = 12
FAINT = 24  # of 255: what covers less is not ink


@dataclass(frozen=True, eq=False)
class Digits:
    """Where digits come from: pictures (n, 28, 28) of uint8 and labels (n,), or, without them, the project's pen."""

    pictures: Array | None = None
    labels: Array | None = None

    def __post_init__(self) -> None:
        if (self.pictures is None) != (self.labels is None):
            raise OptionError("digits and labels are given together, or neither")
        if self.pictures is None or self.labels is None:
            return
        if self.pictures.ndim != 3 or self.pictures.shape[1:] != (SIDE, SIDE) or self.pictures.dtype != np.uint8:
            raise ShapeError(
                f"digits must be pictures (n, {SIDE}, {SIDE}) of uint8, found {self.pictures.dtype} "
                f"{self.pictures.shape}"
            )
        if self.labels.shape != self.pictures.shape[:1] or not len(self.labels):
            raise ShapeError(f"expected a label for each of {len(self.pictures)} digits, found {self.labels.shape}")

    def master(self, stroke: float | None, generator: np.random.Generator) -> tuple[Array, int]:
        """Return a digit drawn at random, (h, w) of uint8 with ink of 255, and its label.

        stroke: the width of the pen in heights of a digit; None leaves it as it is.
        """
        if self.pictures is None or self.labels is None:
            return _drawn(stroke, generator)
        for _ in range(_TRIES):
            row = int(generator.integers(len(self.labels)))
            fields = _enlarged(self.pictures[row])
            if stroke is None:
                level = float(generator.uniform(85, 140))
                return _contrast(fields, level, 3.0), int(self.labels[row])
            thin = with_pen(fields, stroke * MASTER)
            if thin is not None:
                break
        else:
            thin = _contrast(fields, 127, 3.0)
        return thin, int(self.labels[row])


def _drawn(stroke: float | None, generator: np.random.Generator) -> tuple[Array, int]:
    label = int(generator.integers(10))
    width = float(generator.uniform(0.11, 0.17)) if stroke is None else stroke
    pen = Pen(width=width, tremor=float(generator.uniform(0.008, 0.03)), pressure=float(generator.uniform(0, 0.3)))
    way = int(generator.integers(len(STROKES[label])))
    seed = int(generator.integers(2**31))
    return np.pad(draw_digit(label, pen, way=way, height=MASTER, seed=seed), 2), label


def _enlarged(picture: Array) -> Array:
    large = cv2.resize(picture, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_CUBIC)
    return cv2.GaussianBlur(large, (0, 0), 0.4 * ENLARGED)


def _contrast(field: Array, level: float, gain: float) -> Array:
    """Return the field, steeper about a level; the level becomes 127."""
    return cv2.convertScaleAbs(np.maximum(field.astype(np.float32) - (level - 127 / gain), 0), alpha=gain)


def with_pen(field: Array, width: float) -> Array | None:
    """Return the middle line of an enlarged digit drawn with a pen of so many pixels.

    None where that may no longer be the same digit: a loop may be filled.
    """
    mask = (field > 105).astype(np.uint8)
    middle = thinned(mask)
    thick = cv2.distanceTransform(mask, cv2.DIST_L2, 5)[middle > 0]
    filled = not thick.size or thick.max() > min(FILLED * np.median(thick), THICKEST / 2 * ENLARGED)
    if filled:
        return None
    far = cv2.distanceTransform(1 - middle, cv2.DIST_L2, 5)
    # The line steps from pixel to pixel; smoothed, the steps are gone, and the middle lies at 0.8 sigma instead of 0.
    sigma = 1.5
    far = cv2.GaussianBlur(far, (0, 0), sigma)
    return np.clip(127 + 127 * (np.hypot(width / 2, 0.8 * sigma) - far), 0, 255).astype(np.uint8)


_NEIGHBOURS = np.array([[128, 1, 2], [64, 0, 4], [32, 16, 8]], np.float32)


def _removable() -> tuple[Array, Array]:
    """Return, for each of 256 neighbourhoods, whether either pass of Zhang and Suen removes the pixel."""
    passes = np.zeros((2, 256), np.uint8)
    for code in range(256):
        bits = [code >> k & 1 for k in range(8)]  # from above, clockwise
        steps = sum(not here and there for here, there in zip(bits, bits[1:] + bits[:1], strict=True))
        above, right, below, left = bits[::2]
        if 2 <= sum(bits) <= 6 and steps == 1:
            passes[0, code] = not above * right * below and not right * below * left
            passes[1, code] = not above * right * left and not above * below * left
    return passes[0], passes[1]


_PASSES = _removable()


def thinned(mask: Array) -> Array:
    """Return the middle lines of a mask (h, w) of 0 and 1, a pixel wide (Zhang and Suen 1984)."""
    mask = mask.copy()
    while True:
        removed = 0
        for table in _PASSES:
            codes = cv2.filter2D(mask, -1, _NEIGHBOURS, borderType=cv2.BORDER_CONSTANT)
            going = cv2.LUT(codes, table) & mask
            removed += cv2.countNonZero(going)
            mask -= going
        if not removed:
            return mask


@dataclass(frozen=True)
class Hand:
    """How one hand writes on one page. Lengths in heights of a digit but for the height itself, in pixels."""

    height: float
    stroke: float | None = None  # the pen's width; None: as wide as the digits' own
    slant: float = 0.0
    stretch: float = 1.0
    turn: float = 0.05  # radians, either way
    uneven: float = 0.06  # of the logarithm of the size
    spacing: float = 0.2
    touching: float = 0.0  # the share of digits that touch the one before


def glyph(master: Array, hand: Hand, generator: np.random.Generator) -> Array:
    """Return a master as the hand writes it this time: cover (h, w) of uint8, cut to its ink."""
    factor = hand.height / MASTER * float(np.exp(generator.normal(0, hand.uneven)))
    finer = 1 if factor >= 0.6 else int(np.ceil(1.2 / factor))  # what is made smaller is averaged over areas
    turn = float(generator.uniform(-hand.turn, hand.turn))
    slant = hand.slant + float(generator.normal(0, 0.03))
    cos, sin = np.cos(turn), np.sin(turn)
    shape = np.array([[cos, -sin], [sin, cos]]) @ np.array([[hand.stretch, -slant], [0, 1]]) * factor * finer
    height, width = master.shape
    middle = np.array([width, height]) / 2
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]]) - middle
    reach = np.abs(corners @ shape.T).max(axis=0)
    size = (-(-int(2 * reach[0] + 2 * finer) // finer) * finer, -(-int(2 * reach[1] + 2 * finer) // finer) * finer)
    matrix = np.column_stack([shape, np.array(size) / 2 - shape @ middle])
    written = cv2.warpAffine(master, matrix, size, flags=cv2.INTER_LINEAR if factor < 1.2 else cv2.INTER_CUBIC)
    if factor > 1.3:  # the edge has become as soft as the digit large
        written = _contrast(cv2.GaussianBlur(written, (0, 0), factor / 2), 127, factor / 1.3)
    if finer > 1:
        written = cv2.resize(written, (size[0] // finer, size[1] // finer), interpolation=cv2.INTER_AREA)
    return cut(written)


def cut(cover: Array) -> Array:
    """Return a cover without the empty rows and columns around it."""
    rows = np.flatnonzero(cover.max(axis=1) >= FAINT)
    columns = np.flatnonzero(cover.max(axis=0) >= FAINT)
    assert len(rows), "ink to be cut out"
    return np.ascontiguousarray(cover[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
