"""Values that are needed at the same time lie apart; those that are not share their place."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from glassnet.compiler.frames import Frame, Span, frame


def meets(one: Span, other: Span, places: Frame) -> bool:
    """Return whether two values are there at the same time in the same place."""
    at, beside = places.place(one.value), places.place(other.value)
    at_once = one.born <= other.dies and other.born <= one.dies
    return at_once and at < beside + other.room and beside < at + one.room


spans = st.lists(st.tuples(st.integers(1, 40), st.integers(-1, 12), st.integers(0, 6)), max_size=12).map(
    lambda drawn: [Span(value, room, born, born + lives) for value, (room, born, lives) in enumerate(drawn)]
)


@given(spans)
def test_what_lives_at_once_lies_apart(wanted: list[Span]) -> None:
    places = frame(len(wanted), wanted)
    assert not any(meets(one, other, places) for one, other in itertools.combinations(wanted, 2))
    assert places.size == max((places.place(span.value) + span.room for span in wanted), default=0)


def test_a_chain_uses_two_places_in_turn() -> None:
    places = frame(5, [Span(value, 10, value - 1, value) for value in range(5)])
    assert (places.at, places.size) == ((0, 10, 0, 10, 0), 20)


def test_a_gap_is_used_that_is_wide_enough() -> None:
    places = frame(5, [Span(0, 5, 0, 0), Span(1, 5, 0, 9), Span(2, 6, 1, 9), Span(3, 4, 2, 9)])
    assert (places.at, places.size) == ((0, 5, 10, 0, None), 16)


def test_an_overlap_is_seen() -> None:
    """The control."""
    one, other = Span(0, 10, 0, 2), Span(1, 10, 2, 3)
    assert meets(one, other, Frame((0, 9), 19))
    assert not meets(one, other, Frame((0, 10), 20))
    assert not meets(one, Span(1, 10, 3, 3), Frame((0, 9), 19))
