"""How parameters follow the slope: one object for each method, with the options that belong to it and no others.

All parameters of a network lie in one vector, so an update is a handful of vector operations whatever the number
of layers. They work in place, and use the gradient's memory for what they need in between.
"""

from __future__ import annotations

import abc
import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Real
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from glassnet.activations import Array
from glassnet.errors import OptionError

# What an optimizer remembers from update to update, by name: vectors as long as the parameters.
Memory: TypeAlias = Mapping[str, Array]


@dataclass(frozen=True)
class Optimizer(abc.ABC):
    """A method with its options; ``rate`` is the learning rate."""

    rate: float

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value, (fits, bounds) = getattr(self, field.name), _BOUNDS[field.name]
            if not (isinstance(value, Real) and fits(float(value))):
                raise OptionError(f"{type(self).__name__}: {field.name} must be {bounds}, found {value!r}")

    @abc.abstractmethod
    def memory(self, parameters: Array) -> Memory:
        """Return what to remember before the first update."""

    @abc.abstractmethod
    def update(self, parameters: Array, gradient: Array, memory: Memory, count: int) -> None:
        """Move ``parameters`` against ``gradient``, which is overwritten. count: of updates, this one included."""


_POSITIVE = (lambda value: 0 < value < math.inf, "a number above 0")
_BELOW_1 = (lambda value: 0 <= value < 1, "at least 0 and below 1")

# Option → whether a value is allowed, and what is.
_BOUNDS: Mapping[str, tuple[Callable[[float], bool], str]] = MappingProxyType(
    {
        "rate": _POSITIVE,
        "epsilon": _POSITIVE,
        "momentum": _BELOW_1,
        "beta1": _BELOW_1,
        "beta2": _BELOW_1,
        "weight_decay": (lambda value: 0 <= value < math.inf, "0 or more"),
    }
)


@dataclass(frozen=True)
class Sgd(Optimizer):
    """Stochastic gradient descent: v = momentum·v + g, p = p - rate·v."""

    rate: float = 0.1
    momentum: float = 0.0

    def memory(self, parameters: Array) -> Memory:
        """Return the velocity, if there is momentum."""
        return {"velocity": np.zeros_like(parameters)} if self.momentum else {}

    def update(self, parameters: Array, gradient: Array, memory: Memory, count: int) -> None:
        """Move along the velocity, or straight down the slope without momentum."""
        if self.momentum:
            velocity = memory["velocity"]
            velocity *= self.momentum
            velocity += gradient
            np.multiply(velocity, self.rate, out=gradient)
        else:
            gradient *= self.rate
        parameters -= gradient


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam (Kingma and Ba 2015): each parameter moves by its mean gradient over its root mean square.

    The two means are kept as sums, m = beta1·m + g and v = beta2·v + g²; their factors 1 - beta and the correction
    for the early updates are taken into the step. On paper that is the same, and it saves passes over memory.
    """

    rate: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def memory(self, parameters: Array) -> Memory:
        """Return the sums of gradients and of their squares."""
        return {"gradients": np.zeros_like(parameters), "squares": np.zeros_like(parameters)}

    def update(self, parameters: Array, gradient: Array, memory: Memory, count: int) -> None:
        """Move by rate · (mean of g) / (√(mean of g²) + epsilon)."""
        gradients, squares = memory["gradients"], memory["squares"]
        gradients *= self.beta1
        gradients += gradient
        squares *= self.beta2
        gradient *= gradient
        squares += gradient
        mean = (1 - self.beta1) / (1 - self.beta1**count)
        root = math.sqrt((1 - self.beta2) / (1 - self.beta2**count))
        np.sqrt(squares, out=gradient)
        gradient += self.epsilon / root
        np.divide(gradients, gradient, out=gradient)
        gradient *= self.rate * mean / root
        parameters -= gradient


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with weights that also shrink by rate · weight_decay at each update (Loshchilov and Hutter 2019)."""

    weight_decay: float = 0.01

    def update(self, parameters: Array, gradient: Array, memory: Memory, count: int) -> None:
        """Shrink, then move as Adam does."""
        parameters *= 1 - self.rate * self.weight_decay
        super().update(parameters, gradient, memory, count)


# The optimizer's name on the command line → its class.
OPTIMIZERS: Mapping[str, type[Optimizer]] = MappingProxyType({"sgd": Sgd, "adam": Adam, "adamw": AdamW})
