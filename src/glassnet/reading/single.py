"""A picture of one digit: small, or with so little ink that there is but one thing to read.

Data sets and forms give crops of 28 × 28 pixels or so, some in MNIST's form already. ``digits.prepare`` reads those
as they are, in a fraction of the time a page takes.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2

from glassnet.digits.picture import Array
from glassnet.digits.prepare import centre, crop_to_ink, fit, lift_ink, remove_specks, shrink, to_grey
from glassnet.errors import PictureError
from glassnet.reading.scores import Judge, upright

TINY_SIDE = 40  # pixels: up to here one digit is likelier than several
SMALL_SIDE = 160  # up to here one piece of ink that is a digit is taken for the only one
WIDEST = 1.6  # sides of a picture of one digit, and of its ink
SURE_SMALL, SURE_LARGE = 0.8, 0.9


@dataclass(frozen=True, eq=False)
class Single:
    """What a picture holds, taken as one digit. box: left, top, right, bottom; probabilities: (labels,)."""

    box: tuple[int, int, int, int]
    prepared: Array
    probabilities: Array
    ink: Array


def is_small(picture: Array) -> bool:
    """Return whether a picture is of the size of one digit."""
    height, width = picture.shape[:2]
    longer = max(height, width)
    return bool(longer <= SMALL_SIDE and longer <= WIDEST * min(height, width))


def is_tiny(picture: Array) -> bool:
    """Return whether a picture is so small that several digits would hardly be told from one another."""
    return max(picture.shape[:2]) <= TINY_SIDE


def one_piece(single: Single) -> bool:
    """Return whether the ink is one piece, higher than it is wide."""
    left, top, right, bottom = single.box
    inked = cv2.threshold(single.ink, 60, 255, cv2.THRESH_BINARY)[1]
    return bool(right - left <= bottom - top and cv2.connectedComponents(inked)[0] == 2)


def single_of(picture: Array, judge: Judge) -> Single | None:
    """Return a picture, as ``read_picture`` gives it, taken as one digit; None where it holds no ink."""
    grey = to_grey(picture)
    small = shrink(grey)
    try:
        ink = remove_specks(lift_ink(small))
        prepared = centre(fit(crop_to_ink(upright(ink))))
    except PictureError:
        return None
    left, top, width, height = cv2.boundingRect(cv2.threshold(ink, 127, 255, cv2.THRESH_BINARY)[1])
    scale = grey.shape[0] / small.shape[0]
    box = (left * scale, top * scale, (left + width) * scale, (top + height) * scale)
    left, top, right, bottom = (round(edge) for edge in box)
    return Single((left, top, right, bottom), prepared, judge(prepared[None], alone=is_tiny(picture))[0], ink)


def surely(single: Single, judge: Judge, least: float) -> bool:
    """Return whether it is a digit with at least that probability, and not far wider than high, as an empty box is."""
    left, top, right, bottom = single.box
    return right - left <= WIDEST * (bottom - top) and float(single.probabilities[judge.digit_columns].max()) >= least
