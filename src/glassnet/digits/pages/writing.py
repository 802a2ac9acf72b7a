"""One digit after the other along a line that is never quite straight: numbers, apart or touching."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from glassnet.digits.pages.ink import Digits, Hand, glyph
from glassnet.digits.pages.truth import Ink
from glassnet.digits.picture import Array

INKED = 127
OFF = 0.04  # how far a digit stands off the baseline: standard deviation, in heights
NEAREST = 3.5  # pixels at least between digits that do not touch


@dataclass(frozen=True, eq=False)
class Written:
    """A digit on the flat page."""

    label: int
    ink: Ink
    touches: bool = False


@dataclass(frozen=True)
class Baseline:
    """Where a line's digits stand: y at x, rising a little and waving. In pixels."""

    y: float
    rise: float = 0.0
    wave: float = 0.0
    length: float = 1.0
    phase: float = 0.0

    def at(self, x: float) -> float:
        """Return y at x."""
        return self.y + self.rise * x + self.wave * float(np.sin(2 * np.pi * x / self.length + self.phase))


@dataclass(frozen=True, eq=False)
class Writer:
    """Writes digits of one source in one hand."""

    digits: Digits
    hand: Hand
    generator: np.random.Generator

    def number(self, length: int, x: float, baseline: Baseline) -> list[Written]:
        """Write so many digits from x on."""
        number: list[Written] = []
        for _ in range(length):
            touches = bool(number) and self.generator.random() < self.hand.touching
            number.append(self._next(number[-1] if number else None, x, baseline, touches))
        return number

    def _next(self, before: Written | None, x: float, baseline: Baseline, touches: bool) -> Written:
        hand, generator = self.hand, self.generator
        master, label = self.digits.master(hand.stroke, generator)
        cover = glyph(master, hand, generator)
        at = x if before is None else before.ink.left + before.ink.cover.shape[1]
        off = float(generator.normal(0, OFF)) * hand.height
        # A digit less high than others, as a wide 2 is, hangs in the middle of them more often than it stands below.
        lack = max(0.0, hand.height - cover.shape[0]) * float(generator.uniform(0, 0.6))
        top = round(baseline.at(at) + off - lack) - cover.shape[0]
        if before is None:
            return Written(label, Ink(cover, round(x), top))
        # Where one digit reaches far below or above another, as a 7 over a 4, they do not slide together any further.
        beyond = before.ink.left + before.ink.cover.shape[1]
        narrower = min(before.ink.cover.shape[1], cover.shape[1])
        if touches:
            overlap = max(1, round(float(generator.uniform(0.1, 0.5)) * (hand.stroke or 0.12) * hand.height))
            left = _beside(before.ink, cover, top, 0) - overlap
            nearest = beyond - round(0.5 * narrower) - overlap
            return Written(label, Ink(cover, max(left, nearest), top), touches=left >= nearest)
        gap = max(NEAREST, hand.height * hand.spacing * float(generator.uniform(0.4, 1.6)))
        left = _beside(before.ink, cover, top, round(0.12 * hand.height)) + round(gap)
        return Written(label, Ink(cover, max(left, beyond - round(0.3 * narrower)), top))


def _beside(before: Ink, cover: Array, top: int, tolerance: int) -> int:
    """Return the least x at which the cover, so far down, lies wholly to the right of the ink before it.

    tolerance: rows above and below that count as well.
    """
    beyond = _last(before.cover)
    if tolerance:
        padded = np.pad(beyond, tolerance, constant_values=-1)
        beyond = cv2.dilate(padded, np.ones((2 * tolerance + 1, 1), np.uint8)).reshape(-1)
    first = before.top - tolerance
    low, high = max(first, top), min(first + len(beyond), top + len(cover))
    right = beyond[low - first : high - first]
    left = _first(cover)[low - top : high - top]
    both = (right >= 0) & (left < cover.shape[1])
    if low >= high or not both.any():
        return before.left + before.cover.shape[1]
    return before.left + int(np.max((right - left)[both])) + 1


def _first(cover: Array) -> Array:
    """Return the first inked column of each row; the width where there is none."""
    inked = cover > INKED
    return np.where(inked.any(axis=1), inked.argmax(axis=1), cover.shape[1]).astype(np.int32)


def _last(cover: Array) -> Array:
    """Return the last inked column of each row as float32; -1 where there is none."""
    inked = cover > INKED
    return np.where(inked.any(axis=1), cover.shape[1] - 1 - inked[:, ::-1].argmax(axis=1), -1).astype(np.float32)
