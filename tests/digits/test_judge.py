"""Judgements, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from glassnet.digits import NONE, calibration_error, doubt, doubt_at, judge, risk_coverage

LABELS = (3, 8, NONE)
PROBABILITIES = np.array([[0.9, 0.1, 0.0], [0.3, 0.6, 0.1], [0.1, 0.1, 0.8], [0.55, 0.45, 0.0]])


def test_what_was_made_of_rows() -> None:
    judgement = judge(LABELS, PROBABILITIES, np.array([3, 8, 8, 8], np.uint8))
    assert judgement.answers.tolist() == [3, 8, NONE, 3]
    assert judgement.right.tolist() == [True, True, False, False]
    assert (judgement.errors, judgement.error, judgement.refused) == (2, 0.5, 1)
    np.testing.assert_allclose(judgement.confidence, [0.9, 0.6, 0.8, 0.55])
    # Bins of a fifteenth: 13 (0.9), 9 (0.6), 12 (0.8), 8 (0.55): |0.1| + |0.4| + |0.8| + |0.55| over 4.
    assert judgement.calibration_error == pytest.approx(1.85 / 4)


def test_sure_and_right_is_calibrated() -> None:
    assert calibration_error(np.ones(5), np.ones(5, bool)) == 0
    assert calibration_error(np.ones(4), np.array([True, True, True, False])) == 0.25


def test_risk_grows_with_coverage() -> None:
    coverage, risk = risk_coverage(np.array([0.5, 0.9, 0.7]), np.array([False, True, True]))
    np.testing.assert_allclose(coverage, [1 / 3, 2 / 3, 1])
    np.testing.assert_allclose(risk, [0, 0, 1 / 3])


def test_doubt_is_what_speaks_for_no_digit() -> None:
    np.testing.assert_allclose(doubt(LABELS, PROBABILITIES), [0.0, 0.1, 0.8, 0.0])
    np.testing.assert_allclose(doubt((3, 8, 9), PROBABILITIES), [0.1, 0.4, 0.2, 0.45])
    assert doubt_at(LABELS, PROBABILITIES, 0.0) == pytest.approx(0.8)
