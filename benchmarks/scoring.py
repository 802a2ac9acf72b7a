"""How a page that was read is compared with what stands on it.

- **Digit error rate**: the edit distance between the text read and the text that stands there, divided by how many
  digits stand there. A text is the digits of its lines, in reading order, with a line break between lines; whatever
  else was read (spaces, commas, dashes) is left out, and so are lines without a digit. An inserted, a lost and a wrong
  character count one each, a line break like a digit: a line torn in two is one error, two lines in the wrong order
  are as many as their digits differ. It can exceed 1.
- **Lines exact**: of the lines that stand there, how many were read without any error, where lines read are matched
  with lines that stand there in order: the longest common subsequence of the lines.
- **Pages exact**: the two texts are the same.
- **False digits**: digits read where no digit stands: their box shares less than a quarter of the smaller box's area
  with that of every digit there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# left, top, width, height
Rectangle = tuple[float, float, float, float]

SHARED = 0.25


def digits_of(text: str) -> str:
    """Return the digits of a text, line by line; lines without any are left out."""
    lines = (re.sub(r"[^0-9]", "", line) for line in text.splitlines())
    return "\n".join(line for line in lines if line)


def edit_distance(read: str, truth: str) -> int:
    """Return the least number of characters to insert, delete or replace (Levenshtein 1965)."""
    row = list(range(len(truth) + 1))
    for done, letter in enumerate(read, 1):
        before, row[0] = row[0], done
        for place, other in enumerate(truth, 1):
            before, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, before + (letter != other))
    return row[-1]


def lines_in_order(read: Sequence[str], truth: Sequence[str]) -> int:
    """Return how many lines are the same, matched in order: the length of the longest common subsequence."""
    row = [0] * (len(truth) + 1)
    for line in read:
        before = 0
        for place, other in enumerate(truth, 1):
            before, row[place] = row[place], before + 1 if line == other else max(row[place], row[place - 1])
    return row[-1]


def shared(one: Rectangle, other: Rectangle) -> float:
    """Return the area two boxes share, as a share of the smaller one's."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    smaller = min(one[2] * one[3], other[2] * other[3])
    return max(0.0, width) * max(0.0, height) / smaller if smaller else 0.0


def false_digits(read: Iterable[Rectangle], truth: Sequence[Rectangle]) -> int:
    """Return how many boxes of digits read lie where no digit stands."""
    return sum(all(shared(box, digit) < SHARED for digit in truth) for box in read)


@dataclass(frozen=True)
class Score:
    """How well one page, or several, were read."""

    pages: int = 0
    digits: int = 0
    errors: int = 0
    lines: int = 0
    exact_lines: int = 0
    exact_pages: int = 0
    false: int = 0

    def __add__(self, other: Score) -> Score:
        return Score(*(one + two for one, two in zip(self.counts(), other.counts(), strict=True)))

    def counts(self) -> tuple[int, ...]:
        """Return the counts in order."""
        return (
            self.pages, self.digits, self.errors, self.lines, self.exact_lines, self.exact_pages, self.false,
        )  # fmt: skip

    @property
    def error_rate(self) -> float:
        """Edit distance over the digits that stand there."""
        return _share(self.errors, self.digits)

    @property
    def line_rate(self) -> float:
        """The share of lines read exactly."""
        return _share(self.exact_lines, self.lines)

    @property
    def page_rate(self) -> float:
        """The share of pages read exactly."""
        return _share(self.exact_pages, self.pages)

    @property
    def false_per_100_pages(self) -> float:
        """Digits read where none stands, on a hundred pages."""
        return 100 * _share(self.false, self.pages)


def _share(count: int, of: int) -> float:
    return count / of if of else float("nan")


def score(read: str, boxes: Iterable[Rectangle], truth: str, truth_boxes: Sequence[Rectangle]) -> Score:
    """Return the score of one page: the text and the digits' boxes read, and those that stand there."""
    read, truth = digits_of(read), digits_of(truth)
    read_lines, truth_lines = read.splitlines(), truth.splitlines()
    return Score(
        pages=1,
        digits=sum(map(len, truth_lines)),
        errors=edit_distance(read, truth),
        lines=len(truth_lines),
        exact_lines=lines_in_order(read_lines, truth_lines),
        exact_pages=int(read == truth),
        false=false_digits(boxes, truth_boxes),
    )
