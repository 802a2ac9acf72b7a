"""From any picture of one digit to the 28 × 28 pixels a network of MNIST expects, in steps that can be shown.

MNIST was made from black-and-white scans: scaled so that the longer side of the ink fills 20 pixels, averaged over
areas, and moved by whole pixels until the centre of mass lies at row and column 14 of 28 (of its training images
all but three in 20,000 fill exactly 20 pixels, and their centres spread evenly from 13.5 to 14.5). A picture from
elsewhere must arrive in the same form, and one that already has it must not be resampled.

The functions hand on uint8 arrays (h, w); those before ``crop_to_ink`` work on a whole page as well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from glassnet.digits.picture import Array, Source, read_picture
from glassnet.errors import PictureError

BLANK_HINT = "one dark digit on light paper, or a light one on dark, should fill a good part of the picture"
SIDE = 28
BOX = 20  # what the ink's longer side fills
MARGIN = 2  # around the box: where it is blurred, ink spreads beyond it
FIELD = BOX + 2 * MARGIN
CELL = 8  # as many pixels of the crop as are ever needed for one of the result
CENTRE = 14

MOST_SIDE = 1024  # a digit shows nothing more in a larger picture
FEWEST_INK_PIXELS = 6  # along the ink's longer side: below, any digit could be meant
FAINTEST_INK = 12  # of 255: fainter marks are not told from the paper's own texture
# Of what stands out on the ink's side, at most this share may stand out on the other. In faint small digits on grainy
# pages 0.03 was measured; 300 × 300 pixels of noise have 0.15 to 1.
MOST_NOISE = 0.04
PAPER_SIDE = 64  # the paper varies slowly: so many pixels of it are enough


@dataclass(frozen=True, eq=False)
class Step:
    """One step of the preparation: its name, what it does in a sentence, the picture that comes out."""

    name: str
    what: str
    picture: Array


def prepare(picture: Source) -> Array:
    """Return a picture of one digit as MNIST has it: (28, 28) uint8, ink bright on 0.

    picture: anything ``read_picture`` reads. Raises PictureError where it holds no ink, or nothing but noise.
    """
    return prepare_steps(picture)[-1].picture


def prepare_steps(picture: Source) -> tuple[Step, ...]:
    """Return what ``prepare`` does, step by step; the last picture is its result."""
    grey = shrink(to_grey(read_picture(picture)))
    ink = lift_ink(grey)
    clean = remove_specks(ink)
    cropped = crop_to_ink(clean)
    fitted = fit(cropped)
    return (
        Step("grey", "Colours become brightness.", grey),
        Step("ink", "The paper's own brightness is taken away: ink becomes bright, paper black.", ink),
        Step("specks", "Specks that do not belong to the digit are wiped off.", clean),
        Step("crop", "The picture is cut down to the ink.", cropped),
        Step("fit", f"The longer side is scaled to {BOX} pixels, each the average of the area it covers.", fitted),
        Step("centre", f"The ink's centre of mass is moved to the middle of {SIDE} × {SIDE} pixels.", centre(fitted)),
    )


# --- grey ---


def to_grey(picture: Array) -> Array:
    """Return the brightness of a picture as ``read_picture`` gives it: (h, w)."""
    if picture.ndim == 2:
        return picture
    grey = cv2.cvtColor(np.ascontiguousarray(picture[..., :3]), cv2.COLOR_RGB2GRAY)
    return _on_paper(grey, np.ascontiguousarray(picture[..., 3])) if picture.shape[2] == 4 else grey


def _on_paper(grey: Array, alpha: Array) -> Array:
    """Lay a transparent picture on paper: like its own border, or unlike its ink where the border is transparent."""
    at_border = _border(alpha) > 127
    if at_border.mean() > 0.5:
        paper = float(np.median(_border(grey)[at_border]))
    else:
        ink = cv2.mean(grey, mask=(alpha > 127).astype(np.uint8))[0]
        paper = 255.0 if ink < 128 else 0.0
    return cv2.add(cv2.multiply(grey, alpha, scale=1 / 255), cv2.convertScaleAbs(255 - alpha, alpha=paper / 255))


def _border(picture: Array) -> Array:
    return np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])


def shrink(grey: Array) -> Array:
    """Return the picture with at most ``MOST_SIDE`` pixels along a side, averaged over areas."""
    return _within(grey, MOST_SIDE)


def _within(picture: Array, side: int) -> Array:
    height, width = picture.shape
    factor = side / max(height, width)
    if factor >= 1:
        return picture
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


# --- ink ---


def lift_ink(grey: Array) -> Array:
    """Return how far each pixel is inked, 0 to 255, whichever of ink and paper is the brighter one.

    Dark ink takes a share of the paper's light, so it is measured as a share: then a shadow across the paper
    leaves no trace. Bright ink adds to what is below it. Raises PictureError where nothing stands out.
    """
    paper = paper_of(grey)
    difference = grey.astype(np.float32) - paper
    bright, dark = _weight(difference), _weight(-difference)
    if min(bright, dark) >= MOST_NOISE * max(bright, dark):
        raise PictureError("no ink found: nothing stands out from the paper", hint=BLANK_HINT)
    ink = difference if bright > dark else -255 * difference / np.maximum(paper, 1)
    against = -ink[ink < 0]  # the wrong way, so this is the size of the noise
    noise = float(np.percentile(against, 95)) if against.size else 0.0
    ink[ink <= noise] = 0
    full = _full_strength(ink)
    if full < FAINTEST_INK:
        raise PictureError("no ink found: nothing stands out from the paper", hint=BLANK_HINT)
    ink[ink <= _grain(ink, full)] = 0
    return cv2.convertScaleAbs(np.minimum(ink, full), alpha=255 / full)


def paper_of(grey: Array) -> Array:
    """Return the brightness of the paper, also below the ink: (h, w).

    It is the median over a window wider than the picture, beyond whose border the outermost pixels go on. As the
    window has the pixel in its middle, brightness that rises or falls steadily is followed. What differs most is
    then replaced by the paper found, and the median taken again without its pull.
    """
    small = _within(grey, PAPER_SIDE)
    window = 3 * max(small.shape) // 2 | 1
    first = cv2.medianBlur(small, window)
    difference = cv2.absdiff(small, first)
    cleared = np.where(difference > difference.max() / 4, first, small)
    paper = cv2.medianBlur(cleared, window)
    return cv2.resize(paper, grey.shape[::-1], interpolation=cv2.INTER_LINEAR)


def _weight(difference: Array) -> float:
    """Return how much stands out on the positive side.

    Noise goes both ways and ink one way, so the two sides tell one from the other. A pixel counts with its
    neighbours, among which noise cancels, and to the fifth power, for a few strokes to outweigh a page of noise.
    """
    return float((np.maximum(cv2.blur(difference, (3, 3)), 0) ** 5).sum(dtype=np.float64))


def _full_strength(ink: Array) -> float:
    """Return what a fully inked pixel has: not the most, for that may be a speck darker than the pen."""
    split, _ = cv2.threshold(np.minimum(ink, 255).astype(np.uint8), 0, 255, cv2.THRESH_OTSU)
    inked = ink[ink > split]
    return float(np.percentile(inked, 90)) if inked.size else 0.0


def _grain(ink: Array, full: float) -> float:
    """Return what noise reaches where the paper is black, so that none of it goes the wrong way.

    It is judged by what lies away from all strokes: nothing at all in a clean picture.
    """
    strokes = cv2.dilate((ink > full / 2).astype(np.uint8), np.ones((5, 5), np.uint8))
    away = ink[strokes == 0]
    usual = float(np.percentile(away, 90)) if away.size else 0.0  # 1.3 standard deviations of normal noise
    return min(2.2 * max(usual, 0.0), full / 2)


def remove_specks(ink: Array) -> Array:
    """Return the ink without connected pieces that have less than a tenth of the largest piece's inked pixels."""
    count, pieces = cv2.connectedComponents((ink > 0).astype(np.uint8), connectivity=8)
    inked = np.bincount(pieces[ink > 127], minlength=count)
    return np.where((inked >= max(1, inked.max() / 10))[pieces], ink, 0).astype(np.uint8)


# --- one digit, in MNIST's form ---


def crop_to_ink(ink: Array) -> Array:
    """Return the ink's box with a margin of ``MARGIN`` in ``BOX`` of its longer side, black where there is nothing."""
    top, bottom, left, right = _box(ink, _faintest_edge(ink))
    longer = max(bottom - top, right - left)
    if longer < FEWEST_INK_PIXELS:
        raise PictureError(
            f"the ink is {right - left} × {bottom - top} pixels, expected at least {FEWEST_INK_PIXELS} along a side"
        )
    margin = round(longer * MARGIN / BOX)
    return np.pad(ink, margin)[top : bottom + 2 * margin, left : right + 2 * margin]


def _faintest_edge(ink: Array) -> float:
    """Return above which brightness a pixel belongs to the box.

    At MNIST's own size a faint pixel is the edge of a stroke that covers a part of it; in a large picture it is
    blur, and the edge lies at half the strength.
    """
    top, bottom, left, right = _box(ink, 0)
    enlarged = max(1.0, max(bottom - top, right - left) / BOX)
    return 255 * max(0.05, 0.5 * (1 - enlarged**-2))


def _box(ink: Array, threshold: float) -> tuple[int, int, int, int]:
    rows, columns = (np.flatnonzero((ink > threshold).any(axis=axis)) for axis in (1, 0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def fit(cropped: Array) -> Array:
    """Return the crop scaled so that its box fills ``BOX`` pixels along the longer side, the aspect kept.

    Each new pixel is the average of a square cell of the crop. Where the cells begin is free to choose within one
    cell, and chosen so that the strokes fall on pixels, not between them. A crop of the right size stays as it is.
    Raises PictureError where the ink is so little that averaging leaves none.
    """
    cropped = _within(cropped, CELL * FIELD)
    cell = max(cropped.shape) / FIELD
    if cell == 1:
        return cropped
    rows, columns = (math.ceil(size / cell) for size in cropped.shape)
    picture = _padded(_hardened(cropped, cell), round(rows * cell), round(columns * cell))
    method = cv2.INTER_AREA if cell > 1 else cv2.INTER_CUBIC

    def scaled(shifted: Array) -> Array:
        return cv2.resize(shifted, (columns, rows), interpolation=method)

    reach = int(cell / 2)  # the margin is wide enough for nothing to be carried round by np.roll
    for axis in (0, 1):
        shifted = [np.roll(picture, shift, axis) for shift in range(-reach, reach + 1)]
        picture = max(shifted, key=lambda candidate: cv2.norm(scaled(candidate)))
    fitted = scaled(picture)
    if not fitted.any():
        raise PictureError("no ink found: nothing is left of a few lone pixels at the size of a digit", hint=BLANK_HINT)
    return cv2.convertScaleAbs(fitted, alpha=255 / fitted.max())  # thin strokes fade when averaged


def _hardened(cropped: Array, cell: float) -> Array:
    """Return a crop with more contrast the more pixels it has: MNIST's were black and white before averaging."""
    contrast = min(max(1.0, cell / 6), 1.5)
    return cv2.addWeighted(cropped, contrast, cropped, 0, 127 * (1 - contrast))


def _padded(picture: Array, height: int, width: int) -> Array:
    missing = [max(0, new - old) for new, old in zip((height, width), picture.shape, strict=True)]
    return np.pad(picture, [(pad // 2, pad - pad // 2) for pad in missing])


def centre(fitted: Array) -> Array:
    """Return the ink laid on 28 × 28 zeros, moved by whole pixels until its centre of mass lies at 14, 14."""
    top, bottom, left, right = _box(fitted, 0)
    ink = fitted[top:bottom, left:right]
    result = np.zeros((SIDE, SIDE), dtype=np.uint8)
    places = []
    for axis, size in enumerate(ink.shape):
        mass = ink.sum(axis=1 - axis, dtype=np.float64)
        start = round(CENTRE - float(mass @ np.arange(size)) / mass.sum())
        start = min(max(start, 0), SIDE - size)
        places.append(slice(start, start + size))
    result[tuple(places)] = ink
    return result
