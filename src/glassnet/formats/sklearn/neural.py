"""The multilayer perceptrons, MLPClassifier and MLPRegressor: dense layers as they are."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from glassnet.formats.sklearn.chain import Chain
from glassnet.formats.sklearn.estimator import Estimator
from glassnet.formats.sklearn.linear import both
from glassnet.network import Map

Dtype: TypeAlias = np.dtype[Any]

# scikit-learn's name → ours.
_ACTIVATIONS = {
    "identity": "identity",
    "logistic": "sigmoid",
    "tanh": "tanh",
    "relu": "relu",
    "softmax": "softmax",
}


def perceptrons(estimator: Estimator, chain: Chain) -> None:
    """Append the layers of an MLPClassifier or MLPRegressor."""
    weights, biases = estimator.arrays("coefs_"), estimator.arrays("intercepts_")
    if len(weights) != len(biases):
        estimator.refuse(f"has {len(weights)} arrays in 'coefs_', but {len(biases)} in 'intercepts_'")
    positive = estimator.choice("out_activation_") == "exp"  # of MLPRegressor(loss="poisson")
    hidden = _activation(estimator, "activation")
    output = "identity" if positive else _activation(estimator, "out_activation_")
    for number, (matrix, bias) in enumerate(zip(weights, biases, strict=True)):
        if matrix.ndim != 2 or bias.shape != matrix.shape[1:]:
            estimator.refuse(f"layer {number + 1} has weights {matrix.shape} and bias {bias.shape}")
        chain.dense(matrix, bias, output if number == len(weights) - 1 else hidden)
    if positive:
        chain.add(Map("exp"))
    if estimator.kind == "MLPClassifier":
        _classes(estimator, chain, weights[-1].shape[1], output, weights[-1].dtype)


def _activation(estimator: Estimator, name: str) -> str:
    choice = estimator.choice(name)
    if choice not in _ACTIVATIONS:
        estimator.refuse(f"'{name}' is {choice!r}, expected one of {', '.join(_ACTIVATIONS)}")
    return _ACTIVATIONS[choice]


def _classes(estimator: Estimator, chain: Chain, outputs: int, activation: str, dtype: Dtype) -> None:
    """Give the chain its classes; sigmoids beside one another are labels of which a row may have several."""
    labels = estimator.labels()
    if activation == "sigmoid" and outputs == 1 and len(labels) == 2:
        both(chain, dtype)
    elif activation == "sigmoid" and outputs == len(labels):
        chain.notes.append(f"several labels a row, {list(labels)}: each is given where its probability is above 1/2")
        return
    elif activation != "softmax" or outputs != len(labels):
        estimator.refuse(f"has {len(labels)} classes, but {outputs} outputs with {activation}")
    chain.labels = labels
