"""Pictures of a single digit, as people bring them: cut out of a photo, from a webcam, drawn on a screen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np

from glassnet.digits.pages.ink import Digits, Hand, glyph
from glassnet.digits.pages.layout import Layout
from glassnet.digits.pages.marks import Marked
from glassnet.digits.pages.page import compose, one_of
from glassnet.digits.pages.paper import NIBS, Range
from glassnet.digits.pages.styles import Look
from glassnet.digits.pages.truth import Ink, MadePage
from glassnet.digits.pages.writing import Written
from glassnet.digits.picture import Array
from glassnet.errors import OptionError


@dataclass(frozen=True)
class SingleStyle(Look):
    """What a picture of one digit may be made of.

    sides: the shorter side's, in pixels. shape: width by height. share: the digit's height by the shorter side. off:
    how far from the middle, as a share of the room there is. dots: how often there are stray dots.
    """

    sides: tuple[int, int] = (150, 700)
    shape: Range = (0.75, 1.34)
    share: Range = (0.3, 0.75)
    off: float = 0.4
    dots: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 20 <= self.sides[0] <= self.sides[1] <= 4000:
            raise OptionError(f"sides must be two numbers of pixels, rising, from 20 to 4000; found {self.sides}")
        if not 0 < self.share[0] <= self.share[1] <= 0.85:
            raise OptionError(f"share must be two numbers, rising, above 0 and up to 0.85; found {self.share}")
        for field in ("off", "dots"):
            if not 0 <= getattr(self, field) <= 1:
                raise OptionError(f"{field} must lie from 0 to 1, found {getattr(self, field)}")


SINGLES: Mapping[str, SingleStyle] = MappingProxyType(
    {
        "phone crop": SingleStyle(
            papers=("white", "cream", "recycled", "card"),
            nibs=("felt", "ballpoint", "gel", "pencil", "coloured"),
            lights=("gradient", "soft shadow", "hard shadow"),
            shots=("flat",),
        ),
        "webcam": SingleStyle(
            nibs=("felt", "felt", "gel", "coloured felt"),
            lights=("gradient", "soft shadow"),
            shots=("webcam",),
            sides=(240, 720),
            shape=(1.33, 1.78),
            share=(0.25, 0.6),
        ),
        "scan with border": SingleStyle(prints=("frame", "frame", "nothing"), shots=("scan",), sides=(80, 400)),
        "chalk": SingleStyle(
            papers=("board",), nibs=("chalk",), lights=("even", "gradient", "soft shadow"), shots=("flat", "phone")
        ),
        "screen": SingleStyle(
            papers=("screen", "screen", "white screen"), nibs=("white felt", "felt"), lights=("even",), shots=("file",),
            sides=(140, 560), shape=(1.0, 1.0), share=(0.25, 0.7), off=0.95, dots=0.5,
        ),
        "ledger": SingleStyle(
            papers=("cream", "cream", "recycled", "white"),
            nibs=("fine", "faded", "fine pencil", "ballpoint"),
            prints=("ledger", "lined"),
            shots=("scan", "flat"),
            sides=(60, 400),
            share=(0.4, 0.75),
        ),
        "tiny": SingleStyle(
            papers=("screen", "white", "cream"), nibs=("felt", "white felt", "gel"), lights=("even",), shots=("file",),
            sides=(28, 28), shape=(1.0, 1.0), share=(0.6, 0.8), off=0.3,
        ),
        "huge": SingleStyle(shots=("flat", "phone"), sides=(1800, 3000), share=(0.3, 0.7)),
    }
)  # fmt: skip


def make_single(
    kind: str | SingleStyle, generator: np.random.Generator, digits: Array | None = None, labels: Array | None = None
) -> MadePage:
    """Return a picture of one digit, and what stands on it: a line of one digit, and stray dots.

    kind: a name in ``SINGLES``, or a style of one's own; the rest as for ``make_page``. Raises OptionError and
    ShapeError.

    >>> make_single("tiny", np.random.default_rng(1)).picture.shape
    (28, 28, 3)
    """
    if isinstance(kind, str) and kind not in SINGLES:
        raise OptionError(f"no kind of single digit called {kind!r}", hint=f"one of {', '.join(SINGLES)}")
    style = SINGLES[kind] if isinstance(kind, str) else kind
    source = Digits(digits, labels)
    shorter = round(np.exp(generator.uniform(*np.log(style.sides))))
    shape = float(generator.uniform(*style.shape))
    size = (round(shorter * max(1, shape)), round(shorter * max(1, 1 / shape)))
    paper = one_of(style.papers, generator)
    nib = NIBS[_nib(style, paper, generator)]
    hand = Hand(
        height=max(14.0, shorter * float(generator.uniform(*style.share))),
        stroke=None if nib.stroke is None else float(generator.uniform(*nib.stroke)),
        slant=float(generator.normal(0.04, 0.12)),
        stretch=float(np.exp(generator.normal(0, 0.1))),
        turn=float(generator.uniform(0, 0.2)),
        uneven=0.0,
    )
    master, label = source.master(hand.stroke, generator)
    cover = _fitting(glyph(master, hand, generator), size)
    room = np.array(size) - cover.shape[::-1]
    left, top = np.rint(room * (0.5 + 0.48 * style.off * generator.uniform(-1, 1, 2))).astype(int).tolist()
    ink = Ink(cover, left, top)
    marks = _dots(ink, size, generator) if generator.random() < style.dots else ()
    pitch = hand.height * float(generator.uniform(1.2, 2.2))
    layout = Layout(((Written(label, ink),),), marks, pitch, float(top + cover.shape[0]))
    look = Look((paper,), style.nibs, style.prints, style.lights, style.shots)
    picture, truth = compose(look, nib, layout, (), hand.height, size, generator)
    return MadePage(picture, truth, kind if isinstance(kind, str) else "")


def _nib(style: SingleStyle, paper: str, generator: np.random.Generator) -> str:
    """Return a nib that can be seen on the paper: a light one on the dark ones."""
    dark = paper in _DARK
    fitting = tuple(name for name in style.nibs if (name in _LIGHT) == dark)
    return one_of(fitting, generator)


_DARK = frozenset({"board", "black", "screen"})
_LIGHT = frozenset({"chalk", "white", "white felt"})


def _fitting(cover: Array, size: tuple[int, int]) -> Array:
    """Return the cover, made smaller where it would fill more than nine tenths of the picture."""
    factor = 0.9 * min(size[0] / cover.shape[1], size[1] / cover.shape[0])
    if factor >= 1:
        return cover
    small = (max(1, int(cover.shape[1] * factor)), max(1, int(cover.shape[0] * factor)))
    return np.asarray(cv2.resize(cover, small, interpolation=cv2.INTER_AREA))


def _dots(ink: Ink, size: tuple[int, int], generator: np.random.Generator) -> tuple[Marked, ...]:
    """Return dots where a pen slipped, apart from the digit and much smaller."""
    marks = []
    left, top, width, height = ink.box
    for _ in range(int(generator.integers(1, 5))):
        side = max(2, round(0.08 * max(width, height) * float(generator.uniform(0.4, 1.2))))
        dot = cv2.circle(np.zeros((4 * side, 4 * side), np.uint8), (2 * side, 2 * side), 2 * side - 1, 255, -1)
        dot = cv2.resize(dot, (side, side), interpolation=cv2.INTER_AREA)
        x, y = generator.integers(0, np.maximum(1, np.array(size) - side)).tolist()
        apart = max(left - x - side, x - left - width, top - y - side, y - top - height)
        if apart > 2 * side:
            marks.append(Marked("dot", Ink(dot, x, y)))
    return tuple(marks)
