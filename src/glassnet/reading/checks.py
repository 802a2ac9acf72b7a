"""Rules that digits may keep to: a length, a range, a check digit, a list.

A rule reads digits from the right, where places are counted from, and remembers what it must in a state: a residue,
a comparison, an ending. So rules can be followed side by side, and the likeliest digits that keep to all of them be
found exactly, without trying every number (``fields.py``). The letter X, the tenth value of a check modulo 11, is
the digit 10 of place 0.

Check digits: ISO/IEC 7812-1 (Luhn), ISO 2108 (ISBN), GS1 General Specifications 7.9 (EAN).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol, TypeAlias

State: TypeAlias = Any  # hashable; None: the rule is broken for good
X = 10


class Rule(Protocol):
    """What digits must keep to."""

    @property
    def start(self) -> State:
        """The state before the first digit."""

    def step(self, state: State, place: int, digit: int) -> State:
        """Return the state after the digit of ``place``, 0 being the last one; None where no more may mend it."""

    def accepts(self, state: State, places: int) -> bool:
        """Return whether so many digits, read up to ``state``, keep to the rule."""


@dataclass(frozen=True)
class Length:
    """So many digits."""

    digits: int
    start: State = 0

    def step(self, state: State, place: int, digit: int) -> State:
        """Stop at one digit too many."""
        return state if place < self.digits else None

    def accepts(self, state: State, places: int) -> bool:
        """Return whether there are as many as there should be."""
        return places == self.digits


@dataclass(frozen=True)
class Between:
    """A whole number from ``low`` to ``high``. The state says how the digits so far compare with theirs: -1, 0, 1."""

    low: int
    high: int
    start: State = (0, 0)

    def step(self, state: State, place: int, digit: int) -> State:
        """Compare: a place further left outweighs all before it."""
        if digit == X:
            return None
        return tuple(
            (digit > there) - (digit < there) or before
            for before, there in zip(state, (self.low // 10**place % 10, self.high // 10**place % 10), strict=True)
        )

    def accepts(self, state: State, places: int) -> bool:
        """Return whether it lies between them, given that all places further left are zero."""
        if places == 0 or self.high < 0:
            return False
        at_least_low = self.low < 10**places and state[0] >= 0
        return at_least_low and (self.high >= 10**places or state[1] <= 0)


@dataclass(frozen=True)
class Check:
    """Digits whose weighted sum is a multiple of ``modulus``; of certain lengths and first digits, if given."""

    modulus: int
    weighted: Callable[[int, int], int]  # of place and digit
    lengths: frozenset[int] | None = None
    prefixes: tuple[str, ...] = ("",)
    start: State = 0

    def step(self, state: State, place: int, digit: int) -> State:
        """Add a digit to the sum."""
        if digit == X and (place > 0 or self.modulus <= X):
            return None
        if self.lengths and not self._may_stand(place, digit):
            return None
        return (state + self.weighted(place, digit)) % self.modulus

    def _may_stand(self, place: int, digit: int) -> bool:
        longest = max(self.lengths or ())
        from_left = longest - 1 - place
        if from_left < 0:
            return False
        starts = {prefix[from_left] for prefix in self.prefixes if from_left < len(prefix)}
        return not starts or str(digit) in starts

    def accepts(self, state: State, places: int) -> bool:
        """Return whether the sum comes out."""
        return state == 0 and (places in self.lengths if self.lengths else places > 1)


class Listed:
    """One of the given numbers. The state is the ending that was read."""

    start: State = ""

    def __init__(self, choices: Iterable[str]) -> None:
        self._choices = frozenset(choices)
        self._endings = {choice[at:] for choice in self._choices for at in range(len(choice))}

    def step(self, state: State, place: int, digit: int) -> State:
        """Stop where no number ends so."""
        ending = SYMBOLS[digit] + state
        return ending if ending in self._endings else None

    def accepts(self, state: State, places: int) -> bool:
        """Return whether it is a whole number of the list."""
        return state in self._choices


@dataclass(frozen=True)
class Every:
    """Several rules at once."""

    rules: tuple[Rule, ...]

    @property
    def start(self) -> State:
        """The state of each."""
        return tuple(rule.start for rule in self.rules)

    def step(self, state: State, place: int, digit: int) -> State:
        """Stop where one of them does."""
        moved = tuple(rule.step(one, place, digit) for rule, one in zip(self.rules, state, strict=True))
        return None if None in moved else moved

    def accepts(self, state: State, places: int) -> bool:
        """Return whether all of them accept."""
        return all(rule.accepts(one, places) for rule, one in zip(self.rules, state, strict=True))


@dataclass(frozen=True)
class Either:
    """At least one of several rules."""

    rules: tuple[Rule, ...]

    @property
    def start(self) -> State:
        """The state of each."""
        return tuple(rule.start for rule in self.rules)

    def step(self, state: State, place: int, digit: int) -> State:
        """Stop where all of them do."""
        moved = tuple(
            None if one is None else rule.step(one, place, digit) for rule, one in zip(self.rules, state, strict=True)
        )
        return None if all(one is None for one in moved) else moved

    def accepts(self, state: State, places: int) -> bool:
        """Return whether one of them accepts."""
        return any(one is not None and rule.accepts(one, places) for rule, one in zip(self.rules, state, strict=True))


SYMBOLS = "0123456789X"


def _luhn(place: int, digit: int) -> int:
    doubled = 2 * digit if place % 2 else digit
    return doubled // 10 + doubled % 10


def _ean(place: int, digit: int) -> int:
    return 3 * digit if place % 2 else digit


def _mod11(place: int, digit: int) -> int:
    return (place + 1) * digit


CHECKS: Mapping[str, Rule] = MappingProxyType(
    {
        # From the right, every second digit doubled, the digits of the products added.
        "luhn": Check(10, _luhn),
        # From the right: weights 1, 2, 3, …; the check digit may be X.
        "mod11": Check(11, _mod11),
        # Ten digits modulo 11, or thirteen that begin with 978 or 979.
        "isbn": Either((Check(11, _mod11, frozenset({10})), Check(10, _ean, frozenset({13}), prefixes=("978", "979")))),
        # From the right: weights 1, 3, 1, 3, …
        "ean": Check(10, _ean, frozenset({8, 12, 13, 14})),
    }
)
MAY_END_IN_X = frozenset({"mod11", "isbn"})


def follows(rule: Rule, digits: Iterable[int]) -> bool:
    """Return whether ``digits``, from left to right, keep to ``rule``."""
    state, places = rule.start, 0
    for places, digit in enumerate(reversed([*digits]), start=1):
        state = rule.step(state, places - 1, digit)
        if state is None:
            return False
    return rule.accepts(state, places)
