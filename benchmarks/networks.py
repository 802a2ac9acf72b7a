"""The networks that are timed, with seeded random parameters, and the rows they are given."""

from __future__ import annotations

import itertools

import numpy as np

from glassnet import Dense, Input, Network
from glassnet.activations import Array
from glassnet.datasets import load_mnist


def make(sizes: list[int], hidden: str, output: str) -> Network:
    """Return a network of the given sizes; integers are pixels, 0 to 255."""
    generator = np.random.default_rng(0)
    layers: list[Dense] = []
    for inputs, outputs in itertools.pairwise(sizes):
        weights = generator.standard_normal((inputs, outputs)) * np.sqrt(2 / inputs)
        bias = generator.standard_normal(outputs) * 0.1
        activation = output if len(layers) == len(sizes) - 2 else hidden
        layers.append(Dense(weights.astype(np.float32), bias.astype(np.float32), activation))
    return Network(layers, inputs=Input((sizes[0],), scale=1 / 255))


NETWORKS = {
    "digits 784-50-100-10 sigmoid": make([784, 50, 100, 10], "sigmoid", "softmax"),
    "784-800-800-10 relu": make([784, 800, 800, 10], "relu", "softmax"),
    "control 48-512-256-128-12 elu": make([48, 512, 256, 128, 12], "elu", "identity"),
    "tabular 100-256-256-1 relu": make([100, 256, 256, 1], "relu", "identity"),
    "tiny 8-16-16-1 tanh": make([8, 16, 16, 1], "tanh", "identity"),
    "tower 512-1024-512-256-1 relu": make([512, 1024, 512, 256, 1], "relu", "identity"),
}


def rows_of(network: Network, data: str, count: int) -> Array:
    """Return ``count`` rows: MNIST's test pixels as "uint8", as float32 "mnist", or dense "random" float32."""
    if data == "random":
        return np.random.default_rng(1).random((count, *network.inputs[0].shape), dtype=np.float32)
    _, (pixels, _) = load_mnist(normalize=False)
    return pixels[:count].copy() if data == "uint8" else pixels[:count] * np.float32(1 / 255)
