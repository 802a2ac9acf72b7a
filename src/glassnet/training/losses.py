"""What training makes small, as objects.

A loss is given the sums ``a`` before the output activation, not the output ``z = h(a)``: with the activation in
hand it can take the form of loss and activation together that neither overflows nor takes a logarithm of 0, and
whose slope is simply ``z - t``.

Rows may have weights: the loss is then Σ weight·(loss of the row) / Σ weight.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from glassnet.activations import Activation, Array, log_softmax, sigmoid, softmax, softplus
from glassnet.errors import OptionError
from glassnet.network import Network
from glassnet.training.backward import through
from glassnet.training.checkpoint import digest
from glassnet.training.options import check


class Outcome(NamedTuple):
    """A batch's loss (mean over the rows), what was answered (values or probabilities), and the slope ∂loss/∂a."""

    loss: float
    answer: Array
    slope: Array


class Loss(abc.ABC):
    """How far an output ``h(a)`` is from the targets ``t``, as one number for a batch of rows."""

    @abc.abstractmethod
    def __call__(self, a: Array, h: Activation, t: Array, weights: Array | None = None) -> Outcome:
        """Return the loss for sums ``a`` and targets ``t``, both (rows, *row shape), and ``weights`` (rows,)."""

    @abc.abstractmethod
    def check(self, h: Activation, t: Array) -> None:
        """Raise OptionError where the output activation or the targets do not suit this loss."""

    def targets(self, x: tuple[Array, ...], t: Array) -> Array:
        """Return what this loss compares a batch with; computed along with the batch, ahead of its turn."""
        return t

    def judge(self) -> Loss:
        """Return the loss that held-out rows are judged by: one that their labels are enough for."""
        return self

    def describe(self) -> str:
        """Return a text that differs where the loss does."""
        return repr(self)


@dataclass(frozen=True)
class MeanSquaredError(Loss):
    """The mean of (z - t)² over rows and values: for regression."""

    def check(self, h: Activation, t: Array) -> None:
        """Accept any output and any targets."""

    def __call__(self, a: Array, h: Activation, t: Array, weights: Array | None = None) -> Outcome:
        """Return the loss, z, and 2·(z - t)/n through the activation."""
        z = h(a)
        difference = z - t
        pull = difference if weights is None else difference * _shares(weights, difference)
        loss = float(np.vdot(pull, difference)) / difference.size
        pull *= 2 / difference.size
        return Outcome(loss, z, through(h, a, z, pull))


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """-Σ t·ln(z), the mean over rows: for a classifier that ends in softmax, log_softmax or one sigmoid.

    A row of t is a probability for each class, usually 1 for the right one. With one sigmoid it is the
    probability of the second class, and the loss the binary cross-entropy.

    smoothing: so much of each target is spread over all classes evenly (Szegedy et al. 2016), which keeps a network
    from growing surer without end. class_weights: one for each class; each term of the sum is multiplied by its own.
    Held-out rows are judged without either.
    """

    smoothing: float = 0.0
    class_weights: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        check(self)
        if self.class_weights is None:
            return
        given = tuple(self.class_weights)
        if not given or not all(0 < weight < math.inf for weight in given):
            raise OptionError(f"CrossEntropy: class_weights must be numbers above 0, found {given}")
        object.__setattr__(self, "class_weights", tuple(float(weight) for weight in given))

    def check(self, h: Activation, t: Array) -> None:
        """Raise OptionError unless the network ends in a distribution and every row of t is one."""
        if h.name not in _CROSS_ENTROPIES or (h.name == "sigmoid" and t.shape[1:] != (1,)):
            raise OptionError(
                f"cross-entropy needs an output of softmax, log_softmax or a single sigmoid, found {h} with a row "
                f"shape of {t.shape[1:]}",
                hint="MeanSquaredError suits any output",
            )
        classes = 2 if h.name == "sigmoid" else t.shape[-1]
        if self.class_weights is not None and len(self.class_weights) != classes:
            raise OptionError(f"CrossEntropy: {len(self.class_weights)} class_weights, expected {classes}")
        sums = t.sum(axis=-1)
        fits = (t >= 0).all(axis=-1) & ((sums <= 1) if h.name == "sigmoid" else (np.abs(sums - 1) < 1e-3))
        if not fits.all():
            raise OptionError(f"cross-entropy needs targets that are probabilities, found {t[np.argmin(fits)]}")

    def judge(self) -> Loss:
        """Return plain cross-entropy."""
        return CrossEntropy()

    def __call__(self, a: Array, h: Activation, t: Array, weights: Array | None = None) -> Outcome:
        """Return the loss, the probabilities, and (probabilities - t)/rows."""
        if self.smoothing:
            t = t * t.dtype.type(1 - self.smoothing) + t.dtype.type(self.smoothing / max(2, t.shape[-1]))
        loss, probabilities, slope = _CROSS_ENTROPIES[h.name](a, t, self.class_weights)
        shares = slope.dtype.type(1) if weights is None else _shares(weights, slope)
        slope *= shares / slope.dtype.type(len(a))
        return Outcome(float((loss * np.ravel(shares)).sum()) / len(a), probabilities, slope)


def _shares(weights: Array, values: Array) -> Array:
    """Return weights with mean 1, to multiply rows of values with; where no row counts, they are 0."""
    shares = weights / (weights.mean() or 1.0)
    return shares.astype(values.dtype).reshape(-1, *(1,) * (values.ndim - 1))


def _after_softmax(a: Array, t: Array, class_weights: tuple[float, ...] | None) -> tuple[Array, Array, Array]:
    log_probabilities = log_softmax(a)
    probabilities = np.exp(log_probabilities)
    if class_weights is None:
        return -np.einsum("...k,...k->...", t, log_probabilities), probabilities, probabilities - t
    t = t * np.array(class_weights, dtype=t.dtype)
    slope = probabilities * t.sum(axis=-1, keepdims=True) - t
    return -np.einsum("...k,...k->...", t, log_probabilities), probabilities, slope


def _after_sigmoid(a: Array, t: Array, class_weights: tuple[float, ...] | None) -> tuple[Array, Array, Array]:
    probabilities = sigmoid(a)
    no, yes = (a.dtype.type(weight) for weight in class_weights or (1.0, 1.0))
    loss = yes * t * softplus(-a) + no * (1 - t) * softplus(a)
    return loss[..., 0], probabilities, no * (1 - t) * probabilities - yes * t * (1 - probabilities)


# Output activation → from a, t and the class weights: each row's loss, the probabilities, each row's slope.
_CROSS_ENTROPIES: Mapping[str, Callable[[Array, Array, tuple[float, ...] | None], tuple[Array, Array, Array]]] = (
    MappingProxyType({"softmax": _after_softmax, "log_softmax": _after_softmax, "sigmoid": _after_sigmoid})
)


@dataclass(frozen=True, eq=False)
class Distillation(Loss):
    """Learn what a teacher answers, not the label alone (Hinton, Vinyals and Dean 2015).

    soft·T²·KL(p ‖ q) + (1 - soft)·(loss of the labels), p and q the teacher's and the network's softmax at the
    temperature T. T² keeps the slope at the size it has at T = 1. The teacher is asked about the very rows that are
    shown, distorted as they are.

    teacher: a network that answers with the same classes' probabilities; compiled for the purpose. labels: the loss
    of the labels. where_right: the teacher is believed only where its first choice is the label's; elsewhere the label
    takes the place of its answer, so that rows may be shown which it knows nothing about.
    """

    teacher: Network
    temperature: float = 2.0
    soft: float = 0.9
    labels: CrossEntropy = CrossEntropy()
    where_right: bool = False

    def __post_init__(self) -> None:
        check(self)
        if not isinstance(self.teacher, Network):
            raise OptionError(f"Distillation: teacher must be a Network, found {self.teacher!r}")
        if not isinstance(self.labels, CrossEntropy):
            raise OptionError(f"Distillation: labels must be a CrossEntropy, found {self.labels!r}")
        if not isinstance(self.where_right, bool):
            raise OptionError(f"Distillation: where_right must be true or false, found {self.where_right!r}")
        object.__setattr__(self, "_teacher", self.teacher.compile())

    def __reduce__(self) -> tuple[object, ...]:
        """Leave out the machine code, which is made where it is used."""
        return Distillation, (self.teacher, self.temperature, self.soft, self.labels, self.where_right)

    def check(self, h: Activation, t: Array) -> None:
        """Raise OptionError unless the network and its teacher answer with as many classes."""
        self.labels.check(h, t)
        answers = self.teacher.shapes[self.teacher.outputs[0]]
        if h.name == "sigmoid" or answers != t.shape[1:]:
            raise OptionError(
                f"Distillation: the teacher answers rows of shape {answers}, the network {t.shape[1:]} after {h}",
                hint="both must answer with probabilities of the same classes",
            )

    def judge(self) -> Loss:
        """Return the plain loss of the labels."""
        return self.labels.judge()

    def describe(self) -> str:
        """Return the options and a digest of the teacher."""
        arrays = [array for step in self.teacher.steps for array in step.arrays.values()]
        teacher = digest(self.teacher.summary(), *arrays)
        return f"Distillation({teacher}, {self.temperature}, {self.soft}, {self.labels}, {self.where_right})"

    def targets(self, x: tuple[Array, ...], t: Array) -> Array:
        """Return the targets and, beside them, the teacher's softmax at the temperature: (rows, 2, classes)."""
        probabilities = np.asarray(self._teacher(*x), t.dtype)  # type: ignore[attr-defined]
        tiny = np.finfo(t.dtype).tiny
        soft = softmax(np.log(np.maximum(probabilities, tiny)) / t.dtype.type(self.temperature))
        if self.where_right:
            wrong = probabilities.argmax(axis=-1) != t.argmax(axis=-1)
            soft[wrong] = t[wrong]
        return np.stack([t, soft], axis=1)

    def __call__(self, a: Array, h: Activation, t: Array, weights: Array | None = None) -> Outcome:
        """Return the mixed loss, the probabilities at T = 1, and the slope."""
        hard, p = t[:, 0], t[:, 1]
        labels = self.labels(a, h, hard, weights)
        shares = a.dtype.type(1) if weights is None else _shares(weights, a)
        log_q = log_softmax(a / a.dtype.type(self.temperature))
        entropy = np.einsum("...k,...k->...", p, np.log(np.maximum(p, np.finfo(p.dtype).tiny)))
        divergence = entropy - np.einsum("...k,...k->...", p, log_q)
        square = self.temperature**2
        loss = self.soft * square * float((divergence * np.ravel(shares)).sum()) / len(a)
        slope = (np.exp(log_q) - p) * (shares * a.dtype.type(self.soft * self.temperature / len(a)))
        slope += labels.slope * a.dtype.type(1 - self.soft)
        return Outcome(loss + (1 - self.soft) * labels.loss, labels.answer, slope)


# The loss's name on the command line → its class.
LOSSES: Mapping[str, type[Loss]] = MappingProxyType(
    {"cross_entropy": CrossEntropy, "mean_squared_error": MeanSquaredError, "distillation": Distillation}
)
