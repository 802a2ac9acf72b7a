"""Steps on their way to a network, one estimator after the other."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from glassnet.activations import Activation
from glassnet.errors import ParametersError
from glassnet.formats.sklearn.estimator import Estimator
from glassnet.network import Dense, Input, Label, Network, ScaleShift, Step, Take
from glassnet.network.steps import Array

_MOST_STEPS = 10_000
_MOST_VISITS = 10_000
_INPUT = "x"


@dataclass
class Chain:
    """What the estimators so far come to.

    last: the name of the value that the next step reads. features, width: how many numbers a row has at the beginning
    and now, as soon as one of the estimators says. labels: the classes, once a classifier has come. notes: what a
    reader should know of it. answered: the estimator that answered, which must be the last.
    """

    follow: Callable[[Estimator, Chain], None]
    last: str = _INPUT
    steps: list[Step] = field(default_factory=list)
    features: int | None = None
    width: int | None = None
    labels: tuple[Label, ...] | None = None
    notes: list[str] = field(default_factory=list)
    answered: str = ""
    depth: int = 0
    visits: int = 0
    _counts: Counter[str] = field(default_factory=Counter)

    def visit(self) -> None:
        """Count an estimator, or its place in a pipeline; one may stand in another many times over."""
        self.visits += 1
        if self.visits > _MOST_VISITS:
            raise ParametersError(f"more than {_MOST_VISITS:,} estimators one after the other")

    def append(self, estimator: Estimator) -> None:
        """Append what an estimator inside another one comes to."""
        self.follow(estimator, self)

    def add(self, step: Step) -> str:
        """Append a step, which reads the last value unless it names others; return its name."""
        if len(self.steps) == _MOST_STEPS:
            raise ParametersError(f"more than {_MOST_STEPS:,} steps, which no estimator needs")
        self._counts[step.KIND] += 1
        name = f"{step.KIND}{self._counts[step.KIND]}"
        self.steps.append(dataclasses.replace(step, name=name, sources=step.sources or (self.last,)))
        self.last = name
        return name

    def expect(self, width: int) -> None:
        """Check that a row has ``width`` numbers here, or learn it from the first estimator that knows."""
        if self.width is None:  # nothing so far has changed it
            self.features = self.width = width
        if self.width != width:
            raise ParametersError(f"an estimator expects {width} features, found {self.width} from the one before it")

    def dense(self, weights: Array, bias: Array | None, activation: str | Activation = "identity") -> None:
        """Append x·W + b, z = h(a); weights: (inputs, outputs)."""
        self.expect(weights.shape[0])
        self.add(Dense(weights, bias, activation))
        self.width = weights.shape[1]

    def scale(self, scale: Array) -> None:
        """Append x · scale; an array with one number for each column."""
        self.expect(scale.size)
        self.add(ScaleShift(scale, np.zeros(1, scale.dtype)))

    def shift(self, shift: Array) -> None:
        """Append x + shift."""
        self.expect(shift.size)
        self.add(ScaleShift(np.ones(1, shift.dtype), shift))

    def scale_shift(self, scale: Array, shift: Array) -> None:
        """Append x · scale + shift."""
        self.expect(scale.size)
        self.expect(shift.size)
        self.add(ScaleShift(scale, shift))

    def take(self, columns: Sequence[int], width: int) -> None:
        """Append some of ``width`` columns."""
        self.expect(width)
        self.add(Take(tuple(columns)))
        self.width = len(columns)

    def network(self) -> Network:
        """Return the network; raise GlassnetError where the steps do not fit."""
        if self.features is None:
            raise ParametersError("none of its estimators says how many features a row has")
        if not any(step.arrays for step in self.steps):  # as scikit-learn does, where no number was learned
            self.add(ScaleShift(np.ones(1), np.zeros(1)))
        return Network(self.steps, inputs=Input((self.features,), name=_INPUT), labels=self.labels)


def pair(weights: Array, bias: Array) -> tuple[Array, Array]:
    """Return the layer that answers (-d, d) where the one given answers d, so that the larger one decides."""
    return np.hstack([-weights, weights]), np.concatenate([-bias, bias])


def filled(values: npt.ArrayLike, size: int, dtype: np.dtype[np.floating]) -> Array:
    """Return ``size`` numbers: ``values``, or one of them many times."""
    return np.broadcast_to(np.asarray(values, dtype=dtype).reshape(-1), (size,))
