"""Weights to start from: random, of a size that keeps the signal from fading or growing from layer to layer.

What that size is depends on the activation that follows, so it is a table. He et al. 2015 (relu and what
resembles it), Glorot and Bengio 2010 (what is near-linear around 0), LeCun et al. 1998 (selu, as Klambauer et al.
2017 ask for it).
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from glassnet.activations import Activation
from glassnet.activations import activation as named_activation
from glassnet.errors import ShapeError
from glassnet.network import Dense, Network
from glassnet.training.options import whole


def _he(inputs: int, outputs: int) -> float:
    return math.sqrt(2 / inputs)


def _glorot(inputs: int, outputs: int) -> float:
    return math.sqrt(2 / (inputs + outputs))


def _lecun(inputs: int, outputs: int) -> float:
    return math.sqrt(1 / inputs)


# Activation → the standard deviation of the weights before it, from the layer's inputs and outputs.
INITIALISERS: Mapping[str, Callable[[int, int], float]] = MappingProxyType(
    {
        **dict.fromkeys(
            ("relu", "leaky_relu", "elu", "celu", "gelu", "gelu_tanh", "silu", "mish", "hard_swish", "softplus"), _he
        ),
        **dict.fromkeys(
            ("step", "sigmoid", "hard_sigmoid", "tanh", "softsign", "identity", "softmax", "log_softmax"),
            _glorot,
        ),
        "selu": _lecun,
    }
)


def initialise(
    sizes: Sequence[int],
    *,
    hidden: str | Activation = "relu",
    output: str | Activation = "softmax",
    seed: int = 0,
) -> Network:
    """Return a chain of float32 dense layers with random weights, zero biases.

    sizes: values of a row before the first layer and after each, such as (784, 50, 100, 10). With a softmax or
    log_softmax output the classes are labelled 0, 1, …. Use ``network.replace`` for other labels or inputs.

    >>> initialise((784, 50, 100, 10), seed=1)
    <Network 784-50-100-10, 3 steps, 45,360 parameters>
    """
    try:
        sizes = tuple(operator.index(size) for size in sizes)
    except TypeError:
        raise ShapeError(f"sizes must be whole numbers such as (784, 50, 10), found {sizes!r}") from None
    if len(sizes) < 2 or any(size < 1 for size in sizes):
        raise ShapeError(f"sizes must be two or more positive numbers, found {sizes}")
    seed = whole("seed", seed, 0)
    generator = np.random.Generator(np.random.PCG64(seed))
    activations = [named_activation(hidden)] * (len(sizes) - 2) + [named_activation(output)]
    layers = []
    for inputs, outputs, h in zip(sizes, sizes[1:], activations, strict=False):
        weights = generator.standard_normal((inputs, outputs), dtype=np.float32)
        weights *= np.float32(INITIALISERS[h.name](inputs, outputs))
        layers.append(Dense(weights, np.zeros(outputs, dtype=np.float32), h))
    classifies = activations[-1].name in ("softmax", "log_softmax")
    return Network(layers, labels=range(sizes[-1]) if classifies else None)
