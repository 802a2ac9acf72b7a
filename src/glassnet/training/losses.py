"""What training makes small, as objects.

A loss is given the sums ``a`` before the output activation, not the output ``z = h(a)``: with the activation in
hand it can take the form of loss and activation together that neither overflows nor takes a logarithm of 0, and
whose slope is simply ``z - t``.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from glassnet.activations import Activation, Array, log_softmax, sigmoid, softplus
from glassnet.errors import OptionError
from glassnet.training.backward import through


class Outcome(NamedTuple):
    """A batch's loss (mean over the rows), what was answered (values or probabilities), and the slope ∂loss/∂a."""

    loss: float
    answer: Array
    slope: Array


class Loss(abc.ABC):
    """How far an output ``h(a)`` is from the targets ``t``, as one number for a batch of rows."""

    @abc.abstractmethod
    def __call__(self, a: Array, h: Activation, t: Array) -> Outcome:
        """Return the loss for sums ``a`` and targets ``t``, both (rows, *row shape)."""

    @abc.abstractmethod
    def check(self, h: Activation, t: Array) -> None:
        """Raise OptionError where the output activation or the targets do not suit this loss."""


@dataclass(frozen=True)
class MeanSquaredError(Loss):
    """The mean of (z - t)² over rows and values: for regression."""

    def check(self, h: Activation, t: Array) -> None:
        """Accept any output and any targets."""

    def __call__(self, a: Array, h: Activation, t: Array) -> Outcome:
        """Return the loss, z, and 2·(z - t)/n through the activation."""
        z = h(a)
        difference = z - t
        loss = float(np.vdot(difference, difference)) / difference.size
        difference *= 2 / difference.size
        return Outcome(loss, z, through(h, a, z, difference))


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """-Σ t·ln(z), the mean over rows: for a classifier that ends in softmax, log_softmax or one sigmoid.

    A row of t is a probability for each class, usually 1 for the right one. With one sigmoid it is the
    probability of the second class, and the loss the binary cross-entropy.
    """

    def check(self, h: Activation, t: Array) -> None:
        """Raise OptionError unless the network ends in a distribution and every row of t is one."""
        if h.name not in _CROSS_ENTROPIES or (h.name == "sigmoid" and t.shape[1:] != (1,)):
            raise OptionError(
                f"cross-entropy needs an output of softmax, log_softmax or a single sigmoid, found {h} with a row "
                f"shape of {t.shape[1:]}",
                hint="MeanSquaredError suits any output",
            )
        sums = t.sum(axis=-1)
        fits = (t >= 0).all(axis=-1) & ((sums <= 1) if h.name == "sigmoid" else (np.abs(sums - 1) < 1e-3))
        if not fits.all():
            raise OptionError(f"cross-entropy needs targets that are probabilities, found {t[np.argmin(fits)]}")

    def __call__(self, a: Array, h: Activation, t: Array) -> Outcome:
        """Return the loss, the probabilities, and (probabilities - t)/rows."""
        loss, probabilities = _CROSS_ENTROPIES[h.name](a, t)
        slope = probabilities - t
        slope /= len(a)
        return Outcome(loss / len(a), probabilities, slope)


def _after_softmax(a: Array, t: Array) -> tuple[float, Array]:
    log_probabilities = log_softmax(a)
    return -float(np.vdot(t, log_probabilities)), np.exp(log_probabilities)


def _after_sigmoid(a: Array, t: Array) -> tuple[float, Array]:
    return float((softplus(a) - t * a).sum()), sigmoid(a)


# Output activation → from a and t: the sum of the rows' losses, and the probabilities.
_CROSS_ENTROPIES: Mapping[str, Callable[[Array, Array], tuple[float, Array]]] = MappingProxyType(
    {"softmax": _after_softmax, "log_softmax": _after_softmax, "sigmoid": _after_sigmoid}
)

# The loss's name on the command line → its class.
LOSSES: Mapping[str, type[Loss]] = MappingProxyType(
    {"cross_entropy": CrossEntropy, "mean_squared_error": MeanSquaredError}
)
