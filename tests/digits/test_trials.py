"""Trials: the same each time, and what each does."""

from __future__ import annotations

import numpy as np
import pytest

from glassnet.digits import NON_DIGITS, TRIALS, prepare, rows_of_non_digits, rows_tried, tried
from glassnet.digits.pen import draw_digit

DIGITS = np.stack([prepare(np.pad(draw_digit(digit), 20)) for digit in range(10)])


@pytest.mark.parametrize("trial", TRIALS)
def test_the_same_each_time(trial: str) -> None:
    first, again = (list(tried(DIGITS, trial)) for _ in range(2))
    np.testing.assert_array_equal(np.stack(first), np.stack(again))  # type: ignore[arg-type]
    assert np.stack(first).shape == DIGITS.shape  # type: ignore[arg-type]
    [alone] = tried(DIGITS[:1], trial)
    np.testing.assert_array_equal(alone, first[0])


@pytest.mark.parametrize("trial", TRIALS)
def test_it_changes_the_picture_and_keeps_the_digit(trial: str) -> None:
    generator = np.random.default_rng(0)
    for digit in DIGITS:
        changed = TRIALS[trial](digit, generator)
        assert changed.dtype == np.uint8
        assert changed.shape != digit.shape
        assert np.ptp(changed) > 60


def test_pens() -> None:
    ink = {name: np.mean([p.mean() for p in tried(DIGITS, name) if p is not None]) for name in ("thicker", "thinner")}
    assert ink["thicker"] > 1.2 * DIGITS.mean() > 1.2 * ink["thinner"]


def test_where_nothing_is_left() -> None:
    assert list(tried(np.zeros((1, 28, 28), np.uint8), "blur")) == [None]
    rows, lost = rows_tried(np.stack([DIGITS[3], np.zeros((28, 28), np.uint8)]), "blur")
    assert (rows.shape, lost) == ((2, 784), 1)
    assert rows[0].any()
    assert not rows[1].any()


@pytest.mark.parametrize("kind", NON_DIGITS)
def test_the_same_non_digits_each_time(kind: str) -> None:
    rows = rows_of_non_digits(kind, DIGITS)
    assert rows.shape == (1000, 784)
    np.testing.assert_array_equal(rows, rows_of_non_digits(kind, DIGITS))
