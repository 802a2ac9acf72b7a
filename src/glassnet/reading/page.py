"""What was read on a page: lines of digits, and the marks that are none.

Boxes are in pixels of the picture as it was given (upright as its EXIF says, and turned by ``Page.turned``), whatever
was done to it on the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import numpy.typing as npt

from glassnet.digits.nondigits import NONE
from glassnet.network import Label

Array: TypeAlias = npt.NDArray[Any]

SEPARATORS = {"dash": "-", "point": ".", "comma": ","}  # kind of a mark → as it is written


class Box(NamedTuple):
    """A rectangle: its left upper corner, its width and height, in pixels."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, eq=False)
class Digit:
    """One mark that was taken for a digit, or refused.

    label: 0 to 9, or "none". probability: of the label, calibrated. ranked: the likeliest labels with their
    probabilities, the first being this one. prepared: the (28, 28) pixels the network saw. reason: why it is none.
    """

    box: Box
    label: Label
    probability: float
    ranked: tuple[tuple[Label, float], ...]
    prepared: Array = field(repr=False)
    reason: str = ""

    @property
    def is_digit(self) -> bool:
        """Whether it was taken for a digit."""
        return self.label != NONE


@dataclass(frozen=True, eq=False)
class Mark:
    """A mark between or beside digits that is none: its kind ("dash", "point", "comma", "other") and place."""

    box: Box
    kind: str
    reason: str = ""


@dataclass(frozen=True, eq=False)
class Line:
    """Digits beside one another, from left to right, and the separators among them."""

    digits: tuple[Digit, ...]
    marks: tuple[Mark, ...] = ()

    @property
    def text(self) -> str:
        """The digits as they are read, with the separators: "12-345", "3.5"."""
        return self.spelled([str(digit.label) if digit.is_digit else "" for digit in self.digits])

    def spelled(self, symbols: Sequence[str]) -> str:
        """Return the text of the line if its digits were ``symbols``, "" for what is none, with the separators."""
        parts = [(digit.box, symbol) for digit, symbol in zip(self.digits, symbols, strict=True)]
        parts += [(mark.box, SEPARATORS.get(mark.kind, "")) for mark in self.marks]
        return "".join(text for _, text in sorted(parts, key=lambda part: part[0].left + part[0].width / 2))


@dataclass(frozen=True, eq=False)
class Page:
    """What a picture says: lines in reading order.

    refused: marks that are no digits and belong to no line. size: width and height of the picture. turned: by how many
    quarters to the left the picture was turned to be read; boxes and size are those of the picture turned so
    (``np.rot90(picture, page.turned)``).
    """

    lines: tuple[Line, ...]
    size: tuple[int, int]
    refused: tuple[Digit, ...] = ()
    turned: int = 0

    @property
    def text(self) -> str:
        """The lines' texts, one below the other."""
        return "\n".join(line.text for line in self.lines)

    @property
    def digits(self) -> tuple[Digit, ...]:
        """All digits, in reading order."""
        return tuple(digit for line in self.lines for digit in line.digits if digit.is_digit)
