"""Weights to start from."""

from __future__ import annotations

import numpy as np
import pytest

from glassnet import ACTIVATIONS
from glassnet.activations import activation
from glassnet.errors import OptionError, ShapeError
from glassnet.training import INITIALISERS, initialise


def test_every_activation_has_an_initialisation() -> None:
    assert set(INITIALISERS) == set(ACTIVATIONS)


@pytest.mark.parametrize(("hidden", "expected"), [("relu", 2 / 400), ("tanh", 2 / (400 + 600)), ("selu", 1 / 400)])
def test_the_variance_is_that_of_the_papers(hidden: str, expected: float) -> None:
    weights = initialise((400, 600, 10), hidden=hidden, seed=0).layers[0].weights
    assert weights.var() == pytest.approx(expected, rel=0.02)
    assert weights.mean() == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("hidden", ["relu", "selu"])
def test_the_signal_keeps_its_size_through_many_layers(hidden: str) -> None:
    network = initialise((256,) * 20, hidden=hidden, output="identity", seed=0)
    x = np.random.default_rng(0).standard_normal((200, 256)).astype(np.float32)
    assert 0.2 < network(x).std() < 5


def test_what_comes_out() -> None:
    network = initialise((784, 50, 100, 10), hidden=activation("leaky_relu", slope=0.2), seed=3)
    assert [str(layer.activation) for layer in network.layers] == ["leaky_relu(slope=0.2)"] * 2 + ["softmax"]
    assert network.dtype == np.float32
    assert network.labels == tuple(range(10))
    assert not any(layer.bias.any() for layer in network.layers)
    assert initialise((2, 3), output="identity").labels is None


def test_the_seed_decides() -> None:
    one, same, other = (initialise((4, 3), seed=seed).layers[0].weights for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_what_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"two or more positive numbers, found \(784,\)"):
        initialise((784,))
    with pytest.raises(ShapeError, match=r"found \(784, 0, 10\)"):
        initialise((784, 0, 10))
    with pytest.raises(OptionError, match="unknown activation 'rellu'"):
        initialise((2, 2), hidden="rellu")
    with pytest.raises(OptionError, match="seed must be 0 or more, found -1"):
        initialise((2, 2), seed=-1)
