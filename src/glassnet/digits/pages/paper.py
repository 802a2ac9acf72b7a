"""What is written on and with: papers, what is printed on them, pens. Each is a table of choices.

A page is composed in float32, one array a colour, from 0 to 255: paper with its grain, what is printed, then ink.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import cv2
import numpy as np

from glassnet.digits.pages.layout import Layout
from glassnet.digits.picture import Array

Colour: TypeAlias = tuple[int, int, int]
Range: TypeAlias = tuple[float, float]


@dataclass(frozen=True)
class Paper:
    """What is written on. grain and mottle: standard deviations as shares of the brightness, fine and coarse."""

    colours: tuple[Colour, ...]
    grain: Range = (0.002, 0.012)
    mottle: Range = (0.002, 0.012)
    fibres: float = 0.3  # how often threads can be seen


@dataclass(frozen=True)
class Nib:
    """What is written with. stroke: its width in heights of a digit, None where the digits' own is kept."""

    colours: tuple[Colour, ...]
    stroke: Range | None
    cover: Range = (0.9, 1.0)  # how much of the paper it hides
    breaks: Range = (0.0, 0.1)  # how much less where the paper's grain does not take it


_WHITES = ((252, 252, 250), (245, 245, 242), (238, 239, 240), (249, 246, 238))
_CREAMS = ((246, 238, 219), (240, 229, 203), (232, 218, 186), (247, 240, 226))
_PASTELS = (
    (250, 238, 150), (252, 214, 222), (205, 228, 246), (204, 234, 200),
    (244, 205, 160), (222, 210, 240), (196, 178, 140),
)  # fmt: skip
_BOARDS = ((36, 62, 52), (44, 50, 48), (30, 34, 36), (28, 54, 66), (52, 74, 60))

PAPERS: Mapping[str, Paper] = MappingProxyType(
    {
        "white": Paper(_WHITES),
        "cream": Paper(_CREAMS, grain=(0.004, 0.018), mottle=(0.004, 0.02), fibres=0.4),
        "recycled": Paper(((216, 212, 203), (205, 203, 198), (222, 216, 200)), (0.008, 0.025), (0.006, 0.02), 0.9),
        "card": Paper(_PASTELS, grain=(0.003, 0.015), mottle=(0.002, 0.012)),
        "board": Paper(_BOARDS, grain=(0.02, 0.06), mottle=(0.03, 0.10), fibres=0.0),
        "black": Paper(((24, 24, 26), (40, 38, 36), (16, 20, 34), (60, 30, 34)), (0.01, 0.05), (0.01, 0.05)),
        "white screen": Paper(((255, 255, 255), (250, 250, 250)), (0.0, 0.0), (0.0, 0.0), 0.0),
        "screen": Paper(((0, 0, 0), (18, 18, 18), (30, 30, 46)), (0.0, 0.0), (0.0, 0.0), 0.0),
    }
)

_BLACKS = ((30, 28, 28), (18, 18, 22), (52, 48, 46), (38, 34, 32))
_BLUES = ((34, 58, 152), (28, 44, 120), (48, 78, 178), (22, 30, 86))
_REDS = ((186, 38, 44), (206, 58, 60), (160, 30, 50))
_OTHERS = ((26, 116, 70), (110, 50, 140), (20, 110, 130), (196, 84, 20), (120, 66, 30))
_GREYS = ((96, 95, 94), (112, 110, 108), (80, 80, 84))
_LIGHTS = ((240, 240, 236), (228, 230, 222), (250, 250, 250))
_CHALKS = ((232, 236, 228), (240, 240, 236), (240, 226, 140), (240, 190, 200), (190, 220, 240))

NIBS: Mapping[str, Nib] = MappingProxyType(
    {
        "felt": Nib(_BLACKS + _BLUES, None, (0.9, 1.0), (0.0, 0.08)),
        "ballpoint": Nib(_BLUES + _BLACKS, (0.06, 0.11), (0.75, 0.95), (0.05, 0.25)),
        "gel": Nib(_BLACKS + _BLUES, (0.06, 0.13), (0.9, 1.0), (0.0, 0.05)),
        "pencil": Nib(_GREYS, (0.055, 0.11), (0.6, 0.9), (0.15, 0.45)),
        "fine": Nib(_BLACKS + _BLUES, (0.03, 0.055), (0.8, 1.0), (0.0, 0.15)),
        "fine pencil": Nib(_GREYS, (0.035, 0.06), (0.65, 0.9), (0.1, 0.3)),
        "faded": Nib(((92, 70, 48), (110, 92, 76), (70, 62, 70)), (0.03, 0.07), (0.6, 0.9), (0.1, 0.3)),
        "coloured": Nib(_BLUES + _REDS + _OTHERS, (0.06, 0.12), (0.8, 1.0), (0.0, 0.2)),
        "coloured felt": Nib(_BLUES + _REDS + _OTHERS, None, (0.8, 0.98), (0.0, 0.1)),
        "chalk": Nib(_CHALKS, (0.10, 0.16), (0.8, 0.97), (0.2, 0.6)),
        "white": Nib(_LIGHTS, (0.06, 0.14), (0.85, 1.0), (0.0, 0.15)),
        "white felt": Nib(_LIGHTS, None, (0.95, 1.0), (0.0, 0.02)),
    }
)


TILE = 512  # fine noise repeats after so many pixels, which nobody sees


def noise(shape: tuple[int, int], sigma: float, generator: np.random.Generator) -> Array:
    """Return smooth noise (h, w) of float32, of standard deviation 1 and about so many pixels coarse."""
    step = max(1.0, sigma / 1.5)
    size = (
        (min(TILE, shape[0]), min(TILE, shape[1]))
        if step == 1
        else (int(shape[0] / step) + 2, int(shape[1] / step) + 2)
    )
    field: Array = generator.standard_normal(size, dtype=np.float32)
    if sigma / step > 0.3:
        field = cv2.GaussianBlur(field, (0, 0), sigma / step)
        field = field * np.float32(max(1.0, 2 * np.sqrt(np.pi) * sigma / step))  # what the blur took of the deviation
    if step > 1:
        return cv2.resize(field, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)
    return cv2.copyMakeBorder(field, 0, shape[0] - size[0], 0, shape[1] - size[1], cv2.BORDER_WRAP)


def sheet(
    paper: Paper, colour: Colour, size: tuple[int, int], generator: np.random.Generator
) -> tuple[list[Array], Array]:
    """Return an empty page, its three colours each (h, w) of float32, and its grain (h, w) of deviation about 1."""
    shape = (size[1], size[0])
    grain = noise(shape, float(generator.uniform(0.5, 1.3)), generator)
    light = 1 + float(generator.uniform(*paper.grain)) * grain
    light += float(generator.uniform(*paper.mottle)) * noise(shape, float(generator.uniform(12, 60)), generator)
    if generator.random() < paper.fibres:
        light -= _fibres(shape, generator)
    return [light * np.float32(value) for value in colour], grain


def _fibres(shape: tuple[int, int], generator: np.random.Generator) -> Array:
    """Return how much darker threads make the paper: (h, w) of float32."""
    drawn = np.zeros(shape, np.uint8)
    for _ in range(round(shape[0] * shape[1] * float(generator.uniform(2e-5, 1.6e-4)))):
        start = generator.uniform(0, shape[::-1])
        length, angle, bend = generator.uniform((6, 0, -1), (40, 6.3, 1))
        t = np.linspace(0, 1, 6)
        points = start + length * np.stack([t, bend * t * t], axis=1) @ _turn(angle)
        cv2.polylines(drawn, [np.rint(points * 16).astype(np.int32)], False, 255, 1, cv2.LINE_AA, 4)
    return drawn.astype(np.float32) * float(generator.uniform(0.02, 0.10) / 255)


def _turn(angle: float) -> Array:
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def lay(page: list[Array], cover: Array, colour: Colour, strength: float = 1.0) -> None:
    """Lay a colour on the page where the cover (h, w) of uint8 says, that much of it."""
    left, top, width, height = cv2.boundingRect(cover)
    part = np.s_[top : top + height, left : left + width]
    hidden = cover[part].astype(np.float32)
    hidden *= np.float32(strength / 255)
    for plane, value in zip(page, colour, strict=True):
        plane[part] += (np.float32(value) - plane[part]) * hidden


# --- what is printed on paper: covers (h, w) of uint8 -----------------------------------------------------------------


# Draws on a cover, for digits laid out and a height of digits, with a line so thick.
Print: TypeAlias = Callable[[Array, Layout, float, int, np.random.Generator], None]


def _line(cover: Array, start: tuple[float, float], end: tuple[float, float], thick: int) -> None:
    points = [(round(x * 16), round(y * 16)) for x, y in (start, end)]
    cv2.line(cover, points[0], points[1], 255, thick, cv2.LINE_AA, 4)


def _nothing(cover: Array, layout: Layout, height: float, thick: int, generator: np.random.Generator) -> None:
    """Print nothing."""


def _lined(cover: Array, layout: Layout, height: float, thick: int, generator: np.random.Generator) -> None:
    """Print a line below every row, and above and below them over the whole page."""
    tall, width = cover.shape
    off = float(generator.uniform(-0.06, 0.10)) * height
    head = tall * float(generator.uniform(0, 0.08))
    first = layout.first + off - layout.pitch * np.floor((layout.first + off - head) / layout.pitch)
    for y in np.arange(first, tall, layout.pitch):
        _line(cover, (0, y), (width, y), thick)


def _squared(cover: Array, layout: Layout, height: float, thick: int, generator: np.random.Generator) -> None:
    """Print squares, one or two of them from row to row, or of any size."""
    tall, width = cover.shape
    side = float(generator.choice([layout.pitch, layout.pitch / 2, height * generator.uniform(0.5, 1.3)]))
    side = max(side, 0.45 * height, 9.0)
    off = layout.first + float(generator.uniform(-0.05, 0.15)) * height
    for y in np.arange(off % side, tall, side):
        _line(cover, (0, y), (width, y), thick)
    for x in np.arange(float(generator.uniform(0, side)), width, side):
        _line(cover, (x, 0), (x, tall), thick)


def _boxed(cover: Array, layout: Layout, height: float, thick: int, generator: np.random.Generator) -> None:
    """Print the boxes; sometimes as combs, open above."""
    comb = bool(layout.cells) and generator.random() < 0.15
    for left, top, width, high in layout.cells:
        right, bottom = left + width - 1, top + high - 1
        corners: list[tuple[float, float]] = [(left, top), (left, bottom), (right, bottom), (right, top)]
        if comb:
            y = bottom - high * 0.35
            corners = [(left, y), (left, bottom), (right, bottom), (right, y)]
        for start, end in zip(corners, corners[1:] + ([] if comb else corners[:1]), strict=comb is False):
            _line(cover, start, end, thick)


def _ledger(cover: Array, layout: Layout, height: float, thick: int, generator: np.random.Generator) -> None:
    """Print lines with columns, upright lines at random distances."""
    _lined(cover, layout, height, thick, generator)
    x = float(generator.uniform(-2, 1)) * height
    while x < cover.shape[1]:
        _line(cover, (x, 0), (x, cover.shape[0]), thick)
        x += height * float(generator.uniform(2.5, 6))


def _frame(cover: Array, layout: Layout, height: float, thick: int, generator: np.random.Generator) -> None:
    """Print a frame near the page's edge."""
    tall, width = cover.shape
    left, top, right, bottom = generator.uniform(0, 0.05, 4) * min(tall, width)
    corners = [(left, top), (left, tall - 1 - bottom), (width - 1 - right, tall - 1 - bottom), (width - 1 - right, top)]
    for start, end in zip(corners, corners[1:] + corners[:1], strict=True):
        _line(cover, start, end, thick)


PRINTS: Mapping[str, Print] = MappingProxyType(
    {
        "nothing": _nothing,
        "lined": _lined,
        "squared": _squared,
        "boxed": _boxed,
        "ledger": _ledger,
        "frame": _frame,
    }
)
# Faint lines of exercise books; forms are printed darker.
RULES: tuple[Colour, ...] = (
    (150, 180, 215), (120, 150, 200), (170, 175, 180), (130, 135, 140), (190, 150, 160), (150, 195, 180),
)  # fmt: skip
FORMS: tuple[Colour, ...] = ((40, 40, 42), (90, 92, 95), (150, 152, 155), (205, 110, 60), (60, 110, 165), (70, 140, 95))
MARGINS: tuple[Colour, ...] = ((205, 110, 115), (190, 120, 150), (220, 150, 140))
