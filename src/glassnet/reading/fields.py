"""A line of which something is known: how long it is, between what it lies, that it holds a check digit.

The network gives each mark a probability for each digit and for being none. Of all ways to read the marks, the
likeliest that keeps to what is known is found exactly: marks are taken from the right, and for every state that the
rules can be in (``checks.py``) the likeliest way there is kept, with the sum of all ways (Viterbi's algorithm and the
forward algorithm). A mark that was refused may so become a digit again, and a doubtful digit none.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property
from math import ceil, floor, inf, prod
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from glassnet.digits.nondigits import NONE
from glassnet.errors import FileFormatError, MissingFileError, OptionError
from glassnet.reading.checks import CHECKS, MAY_END_IN_X, SYMBOLS, Between, Every, Length, Listed, Rule, X, follows
from glassnet.reading.page import Digit, Line, Mark, Page

# That a person wrote what the field forbids: the prior with which the readings that fit are weighed.
UNRULY = 0.01
# That a refused mark is none, where the network has no such answer: it was unsure, no more is known.
REFUSED = 0.5
# No answer of a network is impossible.
LEAST_PROBABILITY = 1e-6
MOST_CHOICES = 1_000_000

_Alternatives: TypeAlias = list[tuple[int | None, float]]  # a digit, or None for a mark that is none


@dataclass(frozen=True)
class Field:
    """What is known of a line's digits; separators among them do not count.

    length: how many digits. range: the least and the greatest number; a single point or comma in the line divides it.
    check: a name in CHECKS. choices: the numbers that there are, with separators or without.
    """

    length: int | None = None
    range: tuple[Decimal | float, Decimal | float] | None = None
    check: str | None = None
    choices: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if self.length is not None and self.length < 1:
            raise OptionError(f"length must be 1 or more, found {self.length}")
        if self.range is not None and not self.range[0] <= self.range[1]:
            raise OptionError(
                f"range: the first number must not exceed the second, found {self.range[0]}-{self.range[1]}"
            )
        if self.check is not None and self.check not in CHECKS:
            raise OptionError(f"unknown check {self.check!r}", hint=f"there are: {', '.join(CHECKS)}")
        self._written  # noqa: B018  finds choices that cannot be read

    @cached_property
    def _written(self) -> dict[str, str]:
        """The digits of each choice → the choice as it is written."""
        written: dict[str, str] = {}
        for choice in self.choices:
            digits = re.sub(r"[\s.,/-]", "", choice).upper()
            if not re.fullmatch(r"\d+X?", digits, re.ASCII):
                raise OptionError(
                    f"choices: {choice!r} is not a number", hint="digits, with . , - / or spaces among them"
                )
            if written.setdefault(digits, choice) != choice:
                raise OptionError(f"choices: {choice!r} and {written[digits]!r} have the same digits")
        return written

    @cached_property
    def _listed(self) -> Listed:
        return Listed(self._written)

    def rule(self, decimals: int = 0, *, negative: bool = False) -> Rule:
        """Return the rule for a number with so many digits behind the point."""
        rules: list[Rule] = []
        if self.length is not None:
            rules.append(Length(self.length))
        if self.range is not None:
            low, high = (Decimal(str(bound)).scaleb(decimals) for bound in self.range)
            low, high = (-high, -low) if negative else (low, high)
            rules.append(Between(max(ceil(low), 0), floor(high)))
        if self.check is not None:
            rules.append(CHECKS[self.check])
        if self.choices:
            rules.append(self._listed)
        return Every(tuple(rules))

    @property
    def may_end_in_x(self) -> bool:
        """Whether the letter X may stand for a check digit of ten."""
        return self.check in MAY_END_IN_X or any(digits.endswith("X") for digits in self._written)

    def written(self, digits: str, otherwise: str) -> str:
        """Return the choice with these digits as it is written, else ``otherwise``."""
        return self._written.get(digits, otherwise)


@dataclass(frozen=True)
class Value:
    """What a line says where something is known of it.

    text: the best reading that fits, None where there is none. probability: that it is right; see ``read_field``.
    free_text: what was read without knowing anything, and satisfied_freely: whether that fits. symbols: for each of
    the line's marks its digit in ``text``, "" for none.
    """

    text: str | None
    probability: float
    free_text: str
    satisfied_freely: bool
    symbols: tuple[str, ...]


def read_field(line: Line, expected: Field) -> Value:
    """Return the likeliest reading of ``line`` that is as ``expected``; what was read freely, where that is.

    Its probability: p / (s + 0.01 (1 - s)), where p is the product of its marks' probabilities, s the sum of that over
    all readings that fit, and 0.01 stands for people who write what does not.
    """
    free = [_digit(mark) for mark in line.digits]
    alternatives = [_alternatives(mark, expected.may_end_in_x) for mark in line.digits]
    behind, negative = _decimals(line) if expected.range is not None else (0, False)

    written_behind = sum(1 for digit in free[len(free) - behind :] if digit is not None)
    rule = expected.rule(written_behind, negative=negative)
    freely = follows(rule, [digit for digit in free if digit is not None])
    # How many digits stand behind the point depends on which of the marks there are digits: each number is tried.
    ways = [
        _likeliest(alternatives, expected.rule(count, negative=negative), behind, count) for count in range(behind + 1)
    ]
    best = max(ways, key=lambda way: way.best)
    if freely:
        share = prod(
            mark.probability if mark.is_digit else dict(options)[None]
            for options, mark in zip(alternatives, line.digits, strict=True)
        )
        best = _Way(share, tuple(free), share)
        symbols = tuple(str(mark.label) if mark.is_digit else "" for mark in line.digits)
    else:
        symbols = tuple("" if digit is None else SYMBOLS[digit] for digit in (best.digits if best.best else free))
    if not best.best:
        return Value(None, 0.0, line.text, freely, symbols)
    total = min(max(sum(way.total for way in ways), best.best), 1.0)
    text = expected.written("".join(symbols), line.spelled(symbols))
    return Value(text, best.best / (total + UNRULY * (1 - total)), line.text, freely, symbols)


class _Way(NamedTuple):
    """The likeliest way to read marks, its probability, and the sum of all ways."""

    best: float
    digits: tuple[int | None, ...]
    total: float


def _likeliest(marks: Sequence[_Alternatives], rule: Rule, behind: int, count: int) -> _Way:
    """Return the likeliest way that keeps to ``rule``, with ``count`` digits among the last ``behind`` marks."""
    # (place of the next digit, state) → the likeliest way there; its digits are linked, the last one outside.
    reached: dict[tuple[int, Any], tuple[float, Any, float]] = {(0, rule.start): (1.0, None, 1.0)}
    for taken, alternatives in enumerate(reversed(marks), start=1):
        after: dict[tuple[int, Any], tuple[float, Any, float]] = {}
        for (place, state), (best, way, total) in reached.items():
            for digit, probability in alternatives:
                moved = state if digit is None else rule.step(state, place, digit)
                to = (place + (digit is not None), moved)
                if moved is None or (taken == behind and to[0] != count):
                    continue
                old_best, old_way, old_total = after.get(to, (0.0, None, 0.0))
                through = best * probability
                new_best, new_way = (through, (digit, way)) if through > old_best else (old_best, old_way)
                after[to] = (new_best, new_way, old_total + total * probability)
        reached = after
    accepted = [ends for (places, state), ends in reached.items() if rule.accepts(state, places)]
    best, way, _ = max(accepted, key=lambda ends: ends[0], default=(0.0, None, 0.0))
    digits = []
    while way is not None:
        digit, way = way
        digits.append(digit)
    return _Way(best, tuple(digits) or (None,) * len(marks), sum(total for _, _, total in accepted))


def _alternatives(mark: Digit, may_be_x: bool) -> _Alternatives:
    """Return what a mark may be with the probabilities, which sum to 1: each digit, none, and X where it may be."""
    ranked = {str(label): float(probability) for label, probability in mark.ranked}
    none = ranked.get(NONE, 0.0 if mark.is_digit else REFUSED)
    named = [ranked.get(SYMBOLS[digit]) for digit in range(10)]
    missing = named.count(None)
    left = max(1 - none - sum(p for p in named if p is not None), 0.0)
    digits = [left / missing if p is None else p for p in named]
    scale = (1 - none) / (sum(digits) or 1.0)
    shares: _Alternatives = [(digit, p * scale) for digit, p in enumerate(digits)]
    # A letter is refused as a digit: X shares the probability of being none.
    shares += [(X, none / 2), (None, none / 2)] if may_be_x else [(None, none)]
    shares = [(digit, max(p, LEAST_PROBABILITY)) for digit, p in shares]
    total = sum(p for _, p in shares)
    return [(digit, p / total) for digit, p in shares]


def _digit(mark: Digit) -> int | None:
    """Return what a mark was read as; -1 for what is neither a digit nor none, as a network for letters has it."""
    if not mark.is_digit:
        return None
    return int(str(mark.label)) if str(mark.label) in SYMBOLS[:10] else -1


def _decimals(line: Line) -> tuple[int, bool]:
    """Return how many marks stand behind the line's only point or comma, and whether a dash stands before all."""
    points = [_middle(mark) for mark in line.marks if mark.kind in {"point", "comma"}]
    behind = sum(_middle(digit) > points[0] for digit in line.digits) if len(points) == 1 else 0
    first = min(map(_middle, line.digits), default=0)
    return behind, any(mark.kind == "dash" and _middle(mark) < first for mark in line.marks)


def _middle(mark: Digit | Mark) -> float:
    return mark.box.left + mark.box.width / 2


def gathered(page: Page) -> Page:
    """Return the page with refused marks put back into the lines they stand beside, where they may be digits after all.

    A mark stands beside a line where it overlaps with its nearest digit in height and is not further away than that
    digit is high.
    """
    lines = [list(line.digits) for line in page.lines]
    refused = []
    for mark in page.refused:
        beside = [(_gap(mark, digit), at) for at, line in enumerate(page.lines) for digit in line.digits]
        gap, at = min(beside, default=(1.0, 0))
        if gap < 1.0:
            lines[at].append(mark)
        else:
            refused.append(mark)
    return replace(
        page,
        lines=tuple(
            Line(tuple(sorted(digits, key=_middle)), line.marks) for digits, line in zip(lines, page.lines, strict=True)
        ),
        refused=tuple(refused),
    )


def likeliest_rows(page: Page, rows: int) -> Page:
    """Return the page with the ``rows`` lines that hold the most digits; all where there are not more.

    A mark counts as much as it is likely to be a digit. What is left out joins the refused marks.
    """
    if len(page.lines) <= rows:
        return page
    worth = [sum(mark.probability for mark in line.digits if mark.is_digit) for line in page.lines]
    best = set(sorted(range(len(worth)), key=lambda at: -worth[at])[:rows])
    left_out = [mark for at, line in enumerate(page.lines) if at not in best for mark in line.digits]
    return replace(
        page,
        lines=tuple(line for at, line in enumerate(page.lines) if at in best),
        refused=(*page.refused, *left_out),
    )


def _gap(mark: Digit, digit: Digit) -> float:
    """Return how far a mark is from a digit in heights of the digit; infinite where it is above or below."""
    overlap = min(mark.box.top + mark.box.height, digit.box.top + digit.box.height) - max(mark.box.top, digit.box.top)
    if overlap < min(mark.box.height, digit.box.height) / 2:
        return inf
    between = max(mark.box.left, digit.box.left) - min(mark.box.left + mark.box.width, digit.box.left + digit.box.width)
    return max(between, 0) / digit.box.height


def read_choices(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Return the numbers in the first column of a CSV; a heading is passed over.

    Raises MissingFileError where there is no such file, FileFormatError naming the line that is no number.
    """
    path = Path(path)
    choices: dict[str, None] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for line, row in enumerate(csv.reader(file), start=1):
                choice = row[0].strip() if row else ""
                if not choice or (line == 1 and not any(sign.isdigit() for sign in choice)):
                    continue
                try:
                    Field(choices=(choice,))
                except OptionError:
                    raise FileFormatError(
                        f"reading {path}: line {line}: expected a number, found {choice[:60]!r}"
                    ) from None
                choices[choice] = None
                if len(choices) > MOST_CHOICES:
                    raise FileFormatError(f"reading {path}: more than {MOST_CHOICES:,} choices")
    except FileNotFoundError:
        raise MissingFileError(f"reading {path}: there is no such file") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise FileFormatError(f"reading {path}: not a CSV of choices: {error}") from None
    if not choices:
        raise FileFormatError(f"reading {path}: there are no choices in it")
    return tuple(choices)
