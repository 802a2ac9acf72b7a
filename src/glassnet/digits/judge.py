"""How good a network is at reading digits: errors, whether its probabilities can be believed, what it refuses.

Numbers from arrays, without pictures or files. A probability is believable where of all answers given with about 0.9
nine in ten are right; the expected calibration error says how far off that is (Guo et al. 2017).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from glassnet.activations import Array
from glassnet.digits.nondigits import NONE
from glassnet.network import Label

BINS = 15


@dataclass(frozen=True, eq=False)
class Judgement:
    """What a network made of rows whose labels are known.

    answers: the label for each row. confidence: the probability of each answer. right: whether it is the label.
    """

    answers: Array
    confidence: Array
    right: Array

    @property
    def errors(self) -> int:
        """How many answers were wrong; none on a digit is wrong too."""
        return int((~self.right).sum())

    @property
    def accuracy(self) -> float:
        """The share of the answers that were right."""
        return float(self.right.mean())

    @property
    def error(self) -> float:
        """The share of the answers that were wrong."""
        return self.errors / len(self.right)

    @property
    def refused(self) -> int:
        """How many rows it took for no digit."""
        return int((self.answers == NONE).sum())

    @property
    def calibration_error(self) -> float:
        """The expected calibration error, over 15 bins of equal width."""
        return calibration_error(self.confidence, self.right)


def judge(labels: tuple[Label, ...], probabilities: Array, known: Any) -> Judgement:
    """Return what a network with these labels made of rows: from (rows, labels) probabilities and the true labels."""
    chosen = probabilities.argmax(axis=1)
    answers = np.array(labels, dtype=object)[chosen]
    return Judgement(answers, probabilities[np.arange(len(chosen)), chosen], answers == np.asarray(known))


def calibration_error(confidence: Array, right: Array, bins: int = BINS) -> float:
    """Return Σ over bins of (share of rows in the bin) · |mean confidence - share that is right|.

    >>> float(calibration_error(np.array([0.9, 0.9, 0.5, 0.5]), np.array([True, True, True, False])))
    0.05
    """
    number = np.minimum((confidence * bins).astype(int), bins - 1)
    sure = np.bincount(number, confidence.astype(np.float64), bins)
    correct = np.bincount(number, right.astype(np.float64), bins)
    return round(float(np.abs(sure - correct).sum() / len(right)), 12)


def risk_coverage(confidence: Array, right: Array) -> tuple[Array, Array]:
    """Return, when only the surest rows are answered: the share that is, and the share of errors among these."""
    order = np.argsort(-confidence, kind="stable")
    count = np.arange(1, len(order) + 1)
    return count / len(order), np.cumsum(~right[order]) / count


def doubt(labels: tuple[Label, ...], probabilities: Array) -> Array:
    """Return for each row how much speaks for its being no digit.

    That is the probability of none; of a network without that answer, 1 - the probability of the likeliest digit.
    """
    if NONE in labels:
        return np.asarray(probabilities[:, labels.index(NONE)])
    return 1 - np.asarray(probabilities.max(axis=1))


def doubt_at(labels: tuple[Label, ...], probabilities: Array, false_alarms: float) -> float:
    """Return the doubt that so small a share of these rows, all of them digits, exceeds."""
    return float(np.quantile(doubt(labels, probabilities), 1 - false_alarms))
