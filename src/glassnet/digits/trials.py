"""The same digits under worse conditions, the same each time: what a network is tried on, never trained on.

A trial takes a picture (28, 28) of uint8 as MNIST has it, ink bright on 0, and random numbers; it returns a picture as
somebody might hand it in, of any size, for ``prepare`` to make the best of. ``tried`` does so with many, each with
random numbers of its own, which depend on the seed, the trial and the number of the picture alone.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TypeAlias

import cv2
import numpy as np

from glassnet.digits.nondigits import NON_DIGITS, NonDigits
from glassnet.digits.picture import Array
from glassnet.digits.prepare import SIDE, prepare
from glassnet.errors import PictureError

Trial: TypeAlias = Callable[[Array, np.random.Generator], Array]

FRAME = 6  # empty pixels around the digit, for none of it to be lost
_FINE = 4  # pens are made thicker and thinner in pixels this many times smaller


def _framed(picture: Array) -> Array:
    return np.pad(picture, FRAME)


def _warped(picture: Array, turn_degrees: float = 0.0, scale: float = 1.0, move: tuple[float, float] = (0, 0)) -> Array:
    framed = _framed(picture)
    middle = (framed.shape[0] - 1) / 2
    matrix = cv2.getRotationMatrix2D((middle, middle), turn_degrees, scale)
    matrix[:, 2] += np.array(move)
    return cv2.warpAffine(framed, matrix, framed.shape, flags=cv2.INTER_LINEAR)


def _shift(picture: Array, generator: np.random.Generator) -> Array:
    """Move it by up to 4 pixels along each axis."""
    x, y = generator.integers(-4, 5, 2).tolist()
    return np.roll(_framed(picture), (y, x), (0, 1))


def _rotation(picture: Array, generator: np.random.Generator) -> Array:
    """Turn it by up to 20 degrees."""
    return _warped(picture, turn_degrees=float(generator.uniform(-20, 20)))


def _scale(picture: Array, generator: np.random.Generator) -> Array:
    """Scale it by 0.7 to 1.3."""
    return _warped(picture, scale=float(generator.uniform(0.7, 1.3)))


def _pen(picture: Array, change: int, pixels: int) -> Array:
    fine = cv2.resize(_framed(picture), None, fx=_FINE, fy=_FINE, interpolation=cv2.INTER_CUBIC)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pixels + 1, 2 * pixels + 1))
    changed = cv2.morphologyEx(fine, change, kernel)
    return cv2.resize(changed, None, fx=1 / _FINE, fy=1 / _FINE, interpolation=cv2.INTER_AREA)


def _thicker(picture: Array, generator: np.random.Generator) -> Array:
    """Draw it with a pen 1.5 pixels wider."""
    return _pen(picture, cv2.MORPH_DILATE, 3)


def _thinner(picture: Array, generator: np.random.Generator) -> Array:
    """Draw it with a pen 1 pixel narrower."""
    return _pen(picture, cv2.MORPH_ERODE, 2)


def _blur(picture: Array, generator: np.random.Generator) -> Array:
    """Blur it by a Gaussian of 0.5 to 1.2 pixels."""
    return cv2.GaussianBlur(_framed(picture), (0, 0), float(generator.uniform(0.5, 1.2)))


def _noise(picture: Array, generator: np.random.Generator) -> Array:
    """Add normal noise of a standard deviation of 30 of 255."""
    framed = _framed(picture)
    return np.clip(np.rint(framed + generator.normal(0, 30, framed.shape)), 0, 255).astype(np.uint8)


def _grey(picture: Array, generator: np.random.Generator) -> Array:
    """Lay it on a grey of 40 to 120 of 255."""
    ground = float(generator.uniform(40, 120))
    return cv2.convertScaleAbs(_framed(picture), alpha=(255 - ground) / 255, beta=ground)


def _jpeg(picture: Array, generator: np.random.Generator) -> Array:
    """Write it as JPEG of quality 30, and read it again."""
    _, data = cv2.imencode(".jpg", _framed(picture), [cv2.IMWRITE_JPEG_QUALITY, 30])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE))


# Name → what is done to each picture.
TRIALS: Mapping[str, Trial] = MappingProxyType(
    {
        "shift": _shift,
        "rotation": _rotation,
        "scale": _scale,
        "thicker": _thicker,
        "thinner": _thinner,
        "blur": _blur,
        "noise": _noise,
        "grey": _grey,
        "jpeg": _jpeg,
    }
)


# How many non-digits of each kind are drawn, and from which random numbers.
NON_DIGITS_EACH = 1000
SEED_OF_NON_DIGITS = 7


def rows_tried(pictures: Array, trial: str) -> tuple[Array, int]:
    """Return the pictures after a trial as rows (n, 784), and of how many no ink is left; these are blank."""
    rows = np.zeros((len(pictures), SIDE * SIDE), np.uint8)
    lost = 0
    for number, picture in enumerate(tried(pictures, trial)):
        if picture is None:
            lost += 1
        else:
            rows[number] = picture.reshape(-1)
    return rows, lost


def rows_of_non_digits(kind: str, pictures: Array) -> Array:
    """Return pictures (n, 784) of one kind of non-digit, the same each time; pictures: of digits, for some kinds."""
    seed = (SEED_OF_NON_DIGITS, list(NON_DIGITS).index(kind), 1)
    drawn = NonDigits((kind,), pictures.reshape(-1, SIDE, SIDE))
    return drawn(NON_DIGITS_EACH, np.random.Generator(np.random.PCG64(seed))).reshape(-1, SIDE * SIDE)


def tried(pictures: Array, trial: str, seed: int = 0) -> Iterator[Array | None]:
    """Give each of the pictures (n, 28, 28) after a trial and ``prepare``; None where no ink was found any more."""
    change = TRIALS[trial]
    for number, picture in enumerate(pictures.reshape(-1, SIDE, SIDE)):
        generator = np.random.Generator(np.random.PCG64((seed, zlib.crc32(trial.encode()), number, 1)))
        try:
            yield prepare(change(picture, generator))
        except PictureError:
            yield None
