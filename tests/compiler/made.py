"""Networks and inputs that several test modules use."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from glassnet.activations import Array
from glassnet.network import Dense, Input, Network


def dense(inputs: int, outputs: int, activation: Any = "identity", *, seed: int = 0, **options: Any) -> Dense:
    """A layer of random float32 parameters."""
    random = np.random.default_rng([seed, inputs, outputs])
    weights = (random.normal(size=(inputs, outputs)) / np.sqrt(inputs)).astype(np.float32)
    return Dense(weights, random.normal(size=outputs).astype(np.float32), activation, **options)


def chain(*sizes: int, hidden: str = "sigmoid", output: str = "softmax", seed: int = 0, **options: Any) -> Network:
    """A network of dense layers."""
    last = len(sizes) - 2
    layers = [
        dense(before, after, output if i == last else hidden, seed=seed + i)
        for i, (before, after) in enumerate(itertools.pairwise(sizes))
    ]
    return Network(layers, **options)


def small() -> Network:
    """A classifier of 20 numbers, raw ones scaled, small enough to compile in no time."""
    return chain(20, 9, 3, inputs=Input((20,), scale=1 / 255, shift=0.25), labels=["a", "b", "c"])


def rows(count: int, width: int = 20, seed: int = 1) -> Array:
    """Random float32 rows."""
    return np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)


def pixels(count: int, width: int = 20, seed: int = 2) -> Array:
    """Random uint8 rows."""
    return np.random.default_rng(seed).integers(0, 256, (count, width), dtype=np.uint8)


def identical(one: Array, other: Array) -> bool:
    """Return whether two arrays are the same in shape, dtype and every bit."""
    return one.shape == other.shape and one.dtype == other.dtype and one.tobytes() == other.tobytes()
