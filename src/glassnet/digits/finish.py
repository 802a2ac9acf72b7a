"""What is done to a trained network before it is kept: its scores centred, its probabilities calibrated.

Only the last layers change, those that end in softmax.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from glassnet.activations import Array
from glassnet.errors import OptionError
from glassnet.network import Dense, Label, Network

# Between these, as factors of the scores, the best is looked for.
_LEAST, _MOST = 0.25, 4.0
_TURNS = 14


def centred(network: Network) -> Network:
    """Return the same function with scores whose mean is 0: softmax sees only how they differ.

    In a trace, what speaks for the answer then stands above 0, what speaks against the others below.
    """

    def change(last: Dense) -> Dense:
        weights = last.weights - last.weights.mean(axis=1, keepdims=True)
        return dataclasses.replace(last, weights=weights, bias=last.bias - last.bias.mean())

    return _with_last(network, change)


def calibrated(network: Network, pictures: Array, labels: Any) -> Network:
    """Return the network with its scores multiplied by the one number that makes known labels likeliest.

    That is temperature scaling (Guo et al. 2017, https://arxiv.org/abs/1706.04599). The pictures must be ones it was
    not trained on.
    """
    known = np.array([network.labels.index(label) for label in np.asarray(labels).tolist()])  # type: ignore[union-attr]
    rows = np.arange(len(known))

    def loss(logarithm: float) -> float:
        right = sharpened(network, float(np.exp(logarithm))).compile(cache=False)(pictures)[rows, known]
        return float(-np.log(np.maximum(right, 1e-12)).mean())

    return sharpened(network, float(np.exp(_lowest(loss, np.log(_LEAST), np.log(_MOST)))))


def sharpened(network: Network, factor: float) -> Network:
    """Return the network with the scores before softmax multiplied: above 1 it is surer, below less sure."""

    def change(last: Dense) -> Dense:
        number = last.weights.dtype.type(factor)
        return dataclasses.replace(last, weights=last.weights * number, bias=last.bias * number)

    return _with_last(network, change)


def expecting(network: Network, label: Label, share: float, *, trained_with: float) -> Network:
    """Return the network for a world in which ``label`` has another share than it had in training.

    By Bayes' rule its odds change by the ratio of the shares' odds, which is a constant added to its score.
    """
    assert network.labels is not None
    number = network.labels.index(label)
    change_of_score = math.log(share / (1 - share)) - math.log(trained_with / (1 - trained_with))

    def change(last: Dense) -> Dense:
        bias = last.bias.copy()
        bias[number] += bias.dtype.type(change_of_score)
        return dataclasses.replace(last, bias=bias)

    return _with_last(network, change)


def restricted(network: Network, labels: tuple[Label, ...]) -> Network:
    """Return a network that knows more than ``labels`` without its other answers, as if they could not be.

    Raises OptionError where it does not know one of them.
    """
    known = network.labels or ()
    if labels == known:
        return network
    if missing := [label for label in labels if label not in known]:
        raise OptionError(f"the network does not answer {missing[0]!r}, only {list(known)}")
    chosen = [known.index(label) for label in labels]

    def change(last: Dense) -> Dense:
        return dataclasses.replace(last, weights=last.weights[:, chosen], bias=last.bias[chosen])

    return _with_last(network, change, labels)


def _with_last(network: Network, change: Callable[[Dense], Dense], labels: tuple[Label, ...] | None = None) -> Network:
    def steps() -> Iterator[Any]:
        for step in network.steps:
            yield change(step) if isinstance(step, Dense) and step.activation.name == "softmax" else step

    return network.replace(steps=tuple(steps()), labels=network.labels if labels is None else labels)


def _lowest(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where a function with one valley is lowest, by golden section."""
    ratio = (np.sqrt(5) - 1) / 2
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = function(left), function(right)
    for _ in range(_TURNS):
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = function(right)
    return float((low + high) / 2)
