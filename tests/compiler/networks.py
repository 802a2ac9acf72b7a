"""The networks whose exact bits are kept, with the rows that go in.

Made of a generator of random bits that NumPy has promised never to change, and of operations that are exact, so
the same parameters come out everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from glassnet import ACTIVATIONS, Dense, Input, Network
from glassnet.activations import Array
from glassnet.compiler.functions import ELEMENTWISE as KERNELS
from glassnet.network import Activate, Clip

# The activations that have a kernel.
COMPILED = [name for name, entry in ACTIVATIONS.items() if name in KERNELS or not entry.elementwise]


def values(seed: int, *shape: int, most: float = 1.0) -> Array:
    """Return float32 values between -most and most, multiples of most / 2¹⁵."""
    whole = np.random.RandomState(seed).randint(-(1 << 15), (1 << 15) + 1, shape)
    return (whole * (most / (1 << 15))).astype(np.float32)


def dense(seed: int, inputs: int, outputs: int, activation: str = "identity") -> Dense:
    """Return a layer whose sums are some ±4."""
    return Dense(values(seed, inputs, outputs, most=4 / inputs**0.5), values(seed + 1, outputs), activation)


def rows(seed: int, count: int, width: int, zeros: float = 0.3) -> Array:
    """Return rows with zeros among them: a share anywhere, one column, one row, and half of another row."""
    x = values(seed, count, width, most=2)
    x[np.random.RandomState(seed + 1).randint(0, 100, x.shape) < 100 * zeros] = 0
    x[:, width // 2] = 0
    x[count // 2] = 0
    x[count // 3, : width // 2] = 0
    return x


def pixels(seed: int, count: int, width: int) -> Array:
    """Return rows of uint8, four of five of them zero."""
    random = np.random.RandomState(seed)
    x = random.randint(0, 256, (count, width))
    x[random.randint(0, 100, x.shape) < 80] = 0
    return x.astype(np.uint8)


def _of(name: str) -> tuple[Network, Array]:
    hidden = name if ACTIVATIONS[name].elementwise else "tanh"
    network = Network([dense(1, 37, 50, hidden), dense(3, 50, 21, name)])
    x = rows(5, 11, 37)
    x[1] *= np.float32(40)  # far into the tails
    x[4] *= np.float32(2.0**-140)  # among the denormal numbers
    return network, x


def _pixels() -> tuple[Network, Array]:
    network = Network(
        [dense(1, 784, 30, "relu"), dense(3, 30, 10, "softmax")], inputs=Input((784,), scale=1 / 255, shift=-0.125)
    )
    return network, pixels(5, 11, 784)


def _after() -> tuple[Network, Array]:
    """Steps that are applied to the sums in registers."""
    steps = [dense(1, 20, 70), Clip(-1.0, 1.5), Activate("silu"), dense(3, 70, 5, "sigmoid"), Clip(0.25, 0.75)]
    return Network(steps), rows(5, 11, 20)


def _deep() -> tuple[Network, Array]:
    layers = [dense(seed, 33, 33, "leaky_relu" if seed % 4 else "elu") for seed in range(1, 24, 2)]
    return Network([*layers, dense(99, 33, 1, "sigmoid")]), rows(5, 11, 33)


NETWORKS: Mapping[str, tuple[Network, Array]] = MappingProxyType(
    {**{name: _of(name) for name in COMPILED}, "pixels": _pixels(), "after": _after(), "deep": _deep()}
)


def text(answers: Array) -> str:
    """Return the bits of answers in hexadecimal, a line a row."""
    return "".join(" ".join(f"{word:08x}" for word in row) + "\n" for row in answers.view(np.uint32).tolist())
