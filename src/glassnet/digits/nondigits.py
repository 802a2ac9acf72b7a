"""Pictures that are no digits, drawn or made of digits: for a network to learn that it is not sure of them.

``NonDigits`` draws as many as are asked for, of several kinds, in the form ``prepare`` gives digits: the longer side of
the ink 20 pixels, its centre of mass in the middle of 28 × 28. It serves as the ``make`` of ``training.Made``. Whole
kinds can be left out of training, to measure how a network takes what it has never seen. What could be read as a digit
(a lone stroke is a 1, an O a 0) is left out; only a piece of a digit may by chance be another one.

A picture takes 0.1 to 0.7 ms. For training, draw some thousands once, and let distortions make them ever new.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import cv2
import numpy as np

from glassnet.digits.fonts import FONTS, typeset
from glassnet.digits.picture import Array
from glassnet.digits.prepare import BOX, SIDE, centre
from glassnet.errors import OptionError, ShapeError

# Draws one picture of any size, ink bright on 0; the pictures of digits are there to be cut up.
Draw: TypeAlias = Callable[[np.random.Generator, Array | None], Array]

NONE = "none"  # the label of what is no digit

CANVAS = 64
_TRIES = 20
_STRAIGHT = 20  # a stroke is straight whose ink varies so many times more along it than across it

# Without those that look like a digit in some hand: B D G I O S Z b g i l o q s z, and 1's and 7's cousins.
_LETTERS = "ACEFHJKLMNPQRTUVWXYadefhkmnprtuwxy"
_PUNCTUATION = "?&%#@*+=<>{}:;$~^"
_FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
    cv2.FONT_HERSHEY_SCRIPT_COMPLEX,
)


def _canvas() -> Array:
    return np.zeros((CANVAS, CANVAS), np.uint8)


def _pen(generator: np.random.Generator) -> int:
    return int(generator.integers(3, 8))


def _curve(picture: Array, points: Array, thickness: int) -> None:
    """Draw a smooth line through points (n, 2), a Catmull-Rom spline."""
    ends = np.concatenate([points[:1], points, points[-1:]])
    t = np.linspace(0, 1, 12)[:, np.newaxis]
    pieces = [
        b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
        for a, b, c, d in zip(ends, ends[1:], ends[2:], ends[3:], strict=False)
    ]
    line = np.rint(np.concatenate(pieces)).astype(np.int32)
    cv2.polylines(picture, [line], isClosed=False, color=255, thickness=thickness, lineType=cv2.LINE_AA)


def _strokes(generator: np.random.Generator, digits: Array | None) -> Array:
    """Draw three to six straight strokes, anywhere."""
    picture, pen = _canvas(), _pen(generator)
    for _ in range(generator.integers(3, 7)):
        (x1, y1), (x2, y2) = generator.integers(4, CANVAS - 4, (2, 2)).tolist()
        cv2.line(picture, (x1, y1), (x2, y2), 255, pen, cv2.LINE_AA)
    return picture


def _scribble(generator: np.random.Generator, digits: Array | None) -> Array:
    """Draw one line that turns back on itself again and again."""
    picture = _canvas()
    _curve(picture, generator.uniform(4, CANVAS - 4, (int(generator.integers(8, 20)), 2)), _pen(generator) - 1)
    return picture


def _zigzag(generator: np.random.Generator, digits: Array | None) -> Array:
    """Draw a hatching: to and fro, from one side to the other."""
    picture, count = _canvas(), int(generator.integers(7, 13))
    along = np.linspace(5, CANVAS - 5, count)
    across = np.where(np.arange(count) % 2, 10, CANVAS - 10) + generator.normal(0, 3, count)
    points = np.stack([along, across] if generator.random() < 0.5 else [across, along], axis=1)
    _curve(picture, points, _pen(generator) - 2)
    return picture


def _shapes(generator: np.random.Generator, digits: Array | None) -> Array:
    """Draw two or three outlines over one another: polygons, rings, discs."""
    picture = _canvas()
    for _ in range(generator.integers(2, 4)):
        x, y = generator.integers(16, CANVAS - 16, 2).tolist()
        radius = int(generator.integers(8, 22))
        corners = int(generator.integers(2, 7))
        thickness = -1 if generator.random() < 0.2 else _pen(generator) - 1
        if corners == 2:
            cv2.circle(picture, (x, y), radius, 255, thickness, cv2.LINE_AA)
            continue
        angles = generator.uniform(0, 2 * np.pi) + 2 * np.pi * np.arange(corners) / corners
        points = np.rint(np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], axis=1)).astype(np.int32)
        if thickness < 0:
            cv2.fillPoly(picture, [points], 255, cv2.LINE_AA)
        else:
            cv2.polylines(picture, [points], isClosed=True, color=255, thickness=thickness, lineType=cv2.LINE_AA)
    return picture


def _dots(generator: np.random.Generator, digits: Array | None) -> Array:
    """Draw a handful of dots."""
    picture = _canvas()
    for x, y in generator.integers(4, CANVAS - 4, (int(generator.integers(4, 15)), 2)).tolist():
        cv2.circle(picture, (x, y), int(generator.integers(2, 6)), 255, -1, cv2.LINE_AA)
    return picture


def _noise(generator: np.random.Generator, digits: Array | None) -> Array:
    """Draw blots: noise, smoothed by a random width, above a random level."""
    noise = cv2.GaussianBlur(
        generator.standard_normal((CANVAS, CANVAS), dtype=np.float32), (0, 0), float(generator.uniform(1.5, 5))
    )
    level = np.quantile(noise, generator.uniform(0.5, 0.9))
    return np.clip((noise - level) / (noise.max() - level) * 600, 0, 255).astype(np.uint8)


def _letter(generator: np.random.Generator, digits: Array | None) -> Array:
    """Write a letter that resembles no digit, slanted a little."""
    return _written(str(generator.choice(list(_LETTERS))), generator)


def _punctuation(generator: np.random.Generator, digits: Array | None) -> Array:
    """Write a sign that is neither letter nor digit."""
    return _written(str(generator.choice(list(_PUNCTUATION))), generator)


def _word(generator: np.random.Generator, digits: Array | None) -> Array:
    """Write two or three letters."""
    letters = generator.choice(list(_LETTERS + _LETTERS.lower()), int(generator.integers(2, 4)))
    return _written("".join(letters.tolist()), generator)


def _print(generator: np.random.Generator, digits: Array | None) -> Array:
    """Set a letter or a sign in one of the fonts that come with Matplotlib."""
    text = str(generator.choice(list(_LETTERS + _PUNCTUATION)))
    return _slanted(typeset(text, str(generator.choice(FONTS)), 48), generator)


def _written(text: str, generator: np.random.Generator) -> Array:
    font = _FONTS[int(generator.integers(len(_FONTS)))]
    pen = int(generator.integers(1, 5))
    picture = np.zeros((CANVAS, CANVAS * (1 + len(text))), np.uint8)
    cv2.putText(picture, text, (CANVAS // 2, 46), font, 1.4, 255, pen, cv2.LINE_AA)
    return _slanted(picture, generator)


def _slanted(picture: Array, generator: np.random.Generator) -> Array:
    slant = np.array([[1, generator.uniform(-0.3, 0.3), 0], [generator.uniform(-0.15, 0.15), 1, 0]])
    return cv2.warpAffine(picture, slant, picture.shape[::-1])


def _piece(generator: np.random.Generator, digits: Array | None) -> Array:
    """Show a digit's upper, lower, left or right part, enlarged."""
    picture = _one_of(generator, digits)
    rows, columns = np.flatnonzero(picture.any(axis=1)), np.flatnonzero(picture.any(axis=0))
    share = generator.uniform(0.3, 0.5)
    if generator.random() < 0.5:
        cut = rows[0] + round(share * len(rows))
        return picture[:cut] if generator.random() < 0.5 else picture[rows[-1] + 1 - (cut - rows[0]) :]
    cut = columns[0] + round(share * len(columns))
    return picture[:, :cut] if generator.random() < 0.5 else picture[:, columns[-1] + 1 - (cut - columns[0]) :]


def _pair(generator: np.random.Generator, digits: Array | None) -> Array:
    """Show two digits side by side, sometimes touching."""
    pair = [_one_of(generator, digits)[:, 4:-4] for _ in range(2)]
    overlap = int(generator.integers(0, 4))
    width = pair[0].shape[1]
    picture = np.zeros((SIDE, 2 * width), np.uint8)
    picture[:, :width] = pair[0]
    second = picture[:, width - overlap : 2 * width - overlap]
    np.maximum(second, pair[1], out=second)
    return picture


def _slice(generator: np.random.Generator, digits: Array | None) -> Array:
    """Show a window across touching digits that ends inside of one: half of each, or one and half of the next."""
    first, second = _inked(_one_of(generator, digits)), _inked(_one_of(generator, digits))
    overlap, part = generator.integers(0, 3, 2).tolist()
    middle = first.shape[1] - overlap
    picture = np.zeros((SIDE, middle + second.shape[1]), np.uint8)
    picture[:, : first.shape[1]] = first
    np.maximum(picture[:, middle:], second, out=picture[:, middle:])
    kept = generator.uniform(0.35, 0.65, 2) * (first.shape[1], second.shape[1])
    left, right = np.rint(np.maximum(kept, 4) * (-1, 1)).astype(int) + middle  # less is but a digit, cut awry
    left = max(0, left)
    return picture[:, (left, 0, left)[part] : (right, right, picture.shape[1])[part]]


def _inked(picture: Array) -> Array:
    """Return the columns of a picture with ink and those between them."""
    columns = np.flatnonzero(picture.any(axis=0))
    return picture[:, columns[0] : columns[-1] + 1]


def _overlaid(generator: np.random.Generator, digits: Array | None) -> Array:
    """Show two digits over one another, the second moved and turned."""
    first, second = _one_of(generator, digits), _one_of(generator, digits)
    turn = cv2.getRotationMatrix2D((14, 14), float(generator.uniform(45, 135)), 1.0)
    moved = np.column_stack([turn[:, :2], turn[:, 2] + generator.uniform(-4, 4, 2)])
    return np.maximum(first, cv2.warpAffine(second, moved, (SIDE, SIDE)))


def _one_of(generator: np.random.Generator, digits: Array | None) -> Array:
    assert digits is not None, "NonDigits has asked for them"
    return digits[int(generator.integers(len(digits)))]


# Kind → what draws one.
NON_DIGITS: Mapping[str, Draw] = MappingProxyType(
    {
        "strokes": _strokes,
        "scribble": _scribble,
        "zigzag": _zigzag,
        "shapes": _shapes,
        "dots": _dots,
        "noise": _noise,
        "letter": _letter,
        "punctuation": _punctuation,
        "word": _word,
        "print": _print,
        "piece": _piece,
        "pair": _pair,
        "overlaid": _overlaid,
        "slice": _slice,
    }
)
# Those that need the extra `plot`, for its fonts.
OF_FONTS = frozenset({"print"})
# Those that are made of digits.
OF_DIGITS = frozenset({"piece", "pair", "overlaid", "slice"})


@dataclass(frozen=True, eq=False)
class NonDigits:
    """Makes pictures that are no digits: ``NonDigits(kinds)(count, generator)`` returns (count, 28, 28) of uint8.

    kinds: names in ``NON_DIGITS``, each as likely; left out, all that are possible without other libraries. digits:
    pictures (n, 28, 28) of uint8 to cut up and put together, for the kinds that are made of digits.
    """

    kinds: tuple[str, ...] = ()
    digits: Array | None = None

    def __post_init__(self) -> None:
        possible = tuple(kind for kind in NON_DIGITS if self.digits is not None or kind not in OF_DIGITS)
        plain = tuple(kind for kind in possible if kind not in OF_FONTS)
        object.__setattr__(self, "kinds", tuple(self.kinds) or plain)
        for kind in self.kinds:
            if kind not in NON_DIGITS:
                raise OptionError(f"no non-digits of kind {kind!r}", hint=f"one of {', '.join(NON_DIGITS)}")
            if kind not in possible:
                raise OptionError(f"non-digits of kind {kind!r} are made of digits; give NonDigits some")
        if self.digits is not None and (
            self.digits.shape[1:] != (SIDE, SIDE) or self.digits.dtype != np.uint8 or not len(self.digits)
        ):
            raise ShapeError(
                f"digits must be pictures (n, {SIDE}, {SIDE}) of uint8, found {self.digits.dtype} {self.digits.shape}"
            )

    def __call__(self, count: int, generator: np.random.Generator) -> Array:
        """Return as many pictures, of kinds drawn at random."""
        kinds = generator.integers(len(self.kinds), size=count)
        pictures = np.empty((count, SIDE, SIDE), np.uint8)
        for row, kind in enumerate(kinds):
            pictures[row] = self._made(NON_DIGITS[self.kinds[kind]], generator)
        return pictures

    def _made(self, draw: Draw, generator: np.random.Generator) -> Array:
        for _ in range(_TRIES):
            drawn = draw(generator, self.digits)
            if np.count_nonzero(drawn > 127) >= BOX and not _is_line(drawn):
                return framed(drawn)
        raise AssertionError(f"{draw.__name__} draws next to nothing")

    def __repr__(self) -> str:
        return f"NonDigits({self.kinds}, {'no' if self.digits is None else len(self.digits)} digits)"


def _is_line(drawn: Array) -> bool:
    """Return whether the ink is one straight stroke, which anyone would read as a 1."""
    moments = cv2.moments(drawn, binaryImage=True)
    mean, difference = moments["mu20"] + moments["mu02"], moments["mu20"] - moments["mu02"]
    spread = math.hypot(difference, 2 * moments["mu11"])
    return (mean - spread) * _STRAIGHT < mean + spread


def framed(drawn: Array) -> Array:
    """Return a drawing with the longer side of its ink scaled to 20 pixels, its centre of mass at 14, 14 of 28 × 28."""
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    ink = drawn[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    factor = BOX / max(ink.shape)
    size = (max(1, round(ink.shape[1] * factor)), max(1, round(ink.shape[0] * factor)))
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    scaled = cv2.resize(ink, size, interpolation=method)
    return centre(cv2.convertScaleAbs(scaled, alpha=255 / max(1, int(scaled.max()))))
