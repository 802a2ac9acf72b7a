"""Marks that are no digits: those that stand between digits, those that stand beside them, and spots."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import cv2
import numpy as np

from glassnet.digits.nondigits import NON_DIGITS
from glassnet.digits.pages.ink import MASTER, Hand, cut, with_pen
from glassnet.digits.pages.truth import Ink
from glassnet.digits.picture import Array

# Draws ink of a hand on nothing, and says by how much its lower edge stands below the hand's baseline.
Draw: TypeAlias = Callable[[Hand, np.random.Generator], tuple[Array, float]]
FINER = 3


@dataclass(frozen=True, eq=False)
class Marked:
    """A mark on the flat page."""

    kind: str
    ink: Ink


def _stroke(points: Array, width: float) -> Array:
    """Return a line through points (n, 2), in pixels, drawn with a pen so wide."""
    return _strokes([points], width)


def _strokes(lines: Sequence[Array], width: float) -> Array:
    """Return several lines, each through points (n, 2), drawn with one pen."""
    every = np.concatenate(lines)
    low = every.min(axis=0) - width - 1
    size = np.ceil(every.max(axis=0) + width + 1 - low).astype(int)
    canvas = np.zeros((int(size[1]) * FINER, int(size[0]) * FINER), np.uint8)
    drawn = [np.rint((points - low) * FINER).astype(np.int32) for points in lines]
    cv2.polylines(canvas, drawn, isClosed=False, color=255, thickness=max(1, round(width * FINER)))
    return cut(cv2.resize(canvas, (int(size[0]), int(size[1])), interpolation=cv2.INTER_AREA))


def _pen(hand: Hand) -> float:
    return max(1.2, (hand.stroke or 0.13) * hand.height)


def _dash(hand: Hand, generator: np.random.Generator) -> tuple[Array, float]:
    length = hand.height * float(generator.uniform(0.3, 0.7))
    x = np.linspace(0, length, 8)
    bend = float(generator.normal(0, 0.04)) * hand.height
    y = float(generator.normal(0, 0.12)) * x + bend * np.sin(np.pi * x / length)
    return _stroke(np.stack([x, y], axis=1), _pen(hand)), -hand.height * float(generator.uniform(0.35, 0.55))


def _dot(hand: Hand, generator: np.random.Generator) -> tuple[Array, float]:
    reach = _pen(hand) * float(generator.uniform(0, 0.3))
    points = np.array([[0, 0], [reach, reach * float(generator.uniform(-1, 1))]])
    return _stroke(points, _pen(hand) * float(generator.uniform(1.0, 1.3))), 0.0


def _comma(hand: Hand, generator: np.random.Generator) -> tuple[Array, float]:
    length = hand.height * float(generator.uniform(0.12, 0.25))
    points = length * np.array([[0.35, 0.0], [0.4, 0.4], [0.0, 1.0]])
    return _stroke(points, _pen(hand)), length * float(generator.uniform(0.4, 0.8))


# Kind → what draws it: between the digits of a number.
SEPARATORS: Mapping[str, Draw] = MappingProxyType({"dash": _dash, "dot": _dot, "comma": _comma})


def _drawing(kind: str, drawn_height: float) -> Draw:
    """Return what draws a kind of ``NON_DIGITS``; a digit is so high on its canvas."""

    def draw(hand: Hand, generator: np.random.Generator) -> tuple[Array, float]:
        drawn = cut(NON_DIGITS[kind](generator, None))
        factor = hand.height / drawn_height * float(generator.uniform(0.6, 1.2))
        size = (max(3, round(drawn.shape[1] * factor)), max(3, round(drawn.shape[0] * factor)))
        if hand.stroke is not None and hand.height >= 30:
            large = cv2.resize(np.pad(drawn, 4), None, fx=MASTER / drawn_height, fy=MASTER / drawn_height)
            thin = with_pen(large, hand.stroke * MASTER / factor * hand.height / drawn_height)
            drawn = drawn if thin is None else cut(thin)
        sized = cv2.resize(drawn, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)
        if factor > 1.2:
            sized = cv2.convertScaleAbs(np.maximum(sized.astype(np.float32) - 60, 0), alpha=1.9)
        return cut(sized), 0.0

    return draw


def _blot(hand: Hand, generator: np.random.Generator) -> tuple[Array, float]:
    """Draw a drop of ink with a ragged edge, and drops around it."""
    side = max(8, round(hand.height * float(generator.uniform(0.2, 0.7))))
    y, x = np.mgrid[-1.5 : 1.5 : side * 1j, -1.5 : 1.5 : side * 1j]
    ragged = cv2.resize(generator.standard_normal((7, 7)), (side, side), interpolation=cv2.INTER_CUBIC)
    field = 1 - np.hypot(x, y) + 0.25 * ragged
    return cut(np.clip(127 + 60 * side / 12 * field, 0, 255).astype(np.uint8)), hand.height * float(
        generator.normal(0, 0.2)
    )


def _underline(hand: Hand, generator: np.random.Generator) -> tuple[Array, float]:
    length = hand.height * float(generator.uniform(2, 5))
    x = np.linspace(0, length, 20)
    y = float(generator.normal(0, 0.02)) * x + 0.02 * hand.height * np.sin(x / hand.height + generator.uniform(0, 6))
    return _stroke(np.stack([x, y], axis=1), _pen(hand)), 0.0


def _wedge(hand: Hand, generator: np.random.Generator) -> tuple[Array, float]:
    """Draw a filled triangle, as where a shadow or a sheet ends."""
    side = hand.height * np.exp(generator.normal(0, 0.35, 2))
    first, third = generator.uniform(0, 1, 2)
    corners = np.array([[0, first], [1, 0], [third, 1]]) * np.maximum(side, 8)  # no slender one: that would be a 1
    canvas = np.zeros(np.ceil(side[::-1]).astype(int) + 8, np.uint8)
    cv2.fillPoly(canvas, [np.rint(corners + 4).astype(np.int32)], 255)
    cv2.polylines(canvas, [np.rint(corners + 4).astype(np.int32)], isClosed=True, color=255, thickness=2)
    return cut(canvas), hand.height * float(generator.normal(0, 0.2))


# Strokes in heights of a digit, y down; what stands between numbers, and in brackets.
_OPERATORS: tuple[tuple[tuple[tuple[float, float], ...], ...], ...] = (
    (((0.3, 0.0), (0.3, 0.6)), ((0.0, 0.3), (0.6, 0.3))),  # plus
    (((0.0, 0.0), (0.5, 0.5)), ((0.5, 0.0), (0.0, 0.5))),  # times
    (((0.0, 0.0), (0.5, 0.0)), ((0.0, 0.2), (0.5, 0.2))),  # equals
    (((0.0, 0.25), (0.5, 0.25)), ((0.24, 0.0), (0.26, 0.04)), ((0.24, 0.46), (0.26, 0.5))),  # divided by
    (((0.25, 0.0), (0.05, 0.25), (0.0, 0.5), (0.05, 0.75), (0.25, 1.0)),),  # brackets
    (((0.0, 0.0), (0.2, 0.25), (0.25, 0.5), (0.2, 0.75), (0.0, 1.0)),),
    (((0.2, 0.0), (0.0, 0.0), (0.0, 1.0), (0.2, 1.0)),),
    (((0.0, 0.0), (0.2, 0.0), (0.2, 1.0), (0.0, 1.0)),),
    (((0.0, 0.5), (0.15, 0.75), (0.25, 1.0), (0.4, 0.0), (1.0, 0.0)),),  # a root
)


def _operator(hand: Hand, generator: np.random.Generator) -> tuple[Array, float]:
    """Write a sign of arithmetic or a bracket."""
    strokes = _OPERATORS[int(generator.integers(len(_OPERATORS)))]
    size = hand.height * float(generator.uniform(0.8, 1.25))
    slant = float(generator.normal(0, 0.12))
    drawn = [
        size * (np.array(stroke) + generator.normal(0, 0.02, (len(stroke), 2))) @ np.array([[1, 0], [-slant, 1]])
        for stroke in strokes
    ]
    high = float(np.ptp(np.concatenate(drawn)[:, 1]))
    cover = _strokes(drawn, _pen(hand))
    return cover, -max(0.0, 0.5 * (hand.height - high)) * float(generator.uniform(0.6, 1.4))


def _frame(hand: Hand, generator: np.random.Generator) -> tuple[Array, float]:
    """Draw what is left of a printed frame: a corner, a side with part of another one."""
    size = hand.height * generator.uniform(0.3, 1.5, 2)
    turned = np.array([[0, size[1]], [0, 0], [size[0], 0]]) * generator.choice([-1, 1], 2)
    width = max(1.2, _pen(hand) * float(generator.uniform(0.3, 0.9)))
    return _stroke(turned, width), hand.height * float(generator.uniform(-0.3, 0.3))


# Kind → what draws it: in a free place of the page. Nothing here is a digit in any hand.
ASIDE: Mapping[str, Draw] = MappingProxyType(
    {
        "letter": _drawing("letter", 32),
        "word": _drawing("word", 32),
        "scribble": _drawing("scribble", 50),
        "zigzag": _drawing("zigzag", 50),
        "dots": _drawing("dots", 50),
        "blot": _blot,
        "underline": _underline,
        "dash": _dash,
    }
)

# Kind → what draws it: more that is no digit, to learn from. Pages do without it.
FURTHER: Mapping[str, Draw] = MappingProxyType(
    {
        "sign": _drawing("punctuation", 32),
        "strokes": _drawing("strokes", 50),
        "shapes": _drawing("shapes", 50),
        "wedge": _wedge,
        "operator": _operator,
        "frame": _frame,
    }
)


def separator(hand: Hand, x: float, y: float, generator: np.random.Generator) -> Marked:
    """Return a mark between digits, from x on, on a baseline y."""
    kind = str(generator.choice(list(SEPARATORS)))
    cover, below = SEPARATORS[kind](hand, generator)
    return Marked(kind, Ink(cover, round(x), round(y + below) - cover.shape[0]))


def aside(hand: Hand, taken: Array, generator: np.random.Generator) -> Marked | None:
    """Return a mark in a place that is free, or None where none was found soon.

    taken: (h, w) of bool, true where the page's ink lies; what is near to it is not free.
    """
    kind = str(generator.choice(list(ASIDE)))
    cover, _ = ASIDE[kind](hand, generator)
    height, width = cover.shape
    around = round(0.35 * hand.height)
    for _ in range(20):
        free = np.array(taken.shape) - (height, width) - 4 * around
        if (free <= 0).any():
            return None
        top, left = (generator.integers(0, free) + 2 * around).tolist()
        if not taken[top - around : top + height + around, left - around : left + width + around].any():
            return Marked(kind, Ink(cover, left, top))
    return None


def stain(shape: tuple[int, int], generator: np.random.Generator) -> Marked:
    """Return a spot of coffee or dirt, anywhere: a ring or a blotch with a ragged edge."""
    height, width = shape
    radius = float(generator.uniform(0.02, 0.12)) * min(shape)
    reach = int(radius * 1.6) + 4
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32)
    coarse = generator.standard_normal((9, 9), dtype=np.float32)
    ragged = cv2.resize(coarse, x.shape[::-1], interpolation=cv2.INTER_CUBIC)
    far = np.hypot(x, y) + 0.1 * radius * ragged
    edge = np.exp(-(((far - radius) / (0.06 * radius + 1.5)) ** 2))
    inside = (far < radius) * (0.15 if generator.random() < 0.5 else 0.6)
    cover = np.clip(255 * np.maximum(edge * np.clip(0.6 + 0.4 * ragged, 0, 1), inside), 0, 255).astype(np.uint8)
    top = int(generator.integers(0, max(1, height - cover.shape[0])))
    left = int(generator.integers(0, max(1, width - cover.shape[1])))
    return Marked("stain", Ink(cover[: height - top, : width - left], left, top))
