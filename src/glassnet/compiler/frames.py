"""Frames: where values lie in scratch memory, so that those which are needed at the same time lie apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Frame:
    """Where each value lies, by its number (None: not here), and the room for all of them."""

    at: tuple[int | None, ...] = ()
    size: int = 0

    def place(self, value: int) -> int:
        """Return where a value lies that is here."""
        at = self.at[value]
        assert at is not None, f"value {value} has no place"
        return at


@dataclass(frozen=True)
class Span:
    """A value that wants ``room`` from the operation that makes it to the last that reads it, both included."""

    value: int
    room: int
    born: int
    dies: int


def frame(count: int, spans: Sequence[Span]) -> Frame:
    """Place values, each in the first gap that is wide enough while it lives."""
    at: list[int | None] = [None] * count
    living: list[tuple[int, int, int]] = []  # start, end, when it dies
    size = 0
    for span in sorted(spans, key=lambda span: span.born):
        living = sorted(place for place in living if place[2] >= span.born)
        start = 0
        for first, end, _ in living:
            if first >= start + span.room:
                break
            start = max(start, end)
        at[span.value] = start
        living.append((start, start + span.room, span.dies))
        size = max(size, start + span.room)
    return Frame(tuple(at), size)
