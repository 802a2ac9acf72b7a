"""Exact rewriting of a network into a smaller one that computes the same function."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from glassnet.network.steps import Dense, Step

if TYPE_CHECKING:
    from glassnet.network.graph import Network


def collapse(network: Network) -> Network:
    """Multiply neighbouring linear layers into one: (x·W₁ + b₁)·W₂ + b₂ = x·(W₁·W₂) + (b₁·W₂ + b₂).

    A layer is taken into its follower when its activation is the identity and nothing else reads it. Products
    are formed in float64 and rounded once.
    """
    readers = Counter(network.outputs)
    readers.update(source for sources in network.sources for source in sources)
    kept: dict[str, Step] = {}
    read_by: dict[str, tuple[str, ...]] = {}
    for step, sources in zip(network.steps, network.sources, strict=True):
        before = kept.get(sources[0])
        if isinstance(step, Dense) and isinstance(before, Dense) and readers[before.name] == 1 and _is_linear(before):
            del kept[before.name]
            read_by[step.name] = read_by[before.name]
            kept[step.name] = _product(before, step, read_by[before.name])
        else:
            read_by[step.name] = sources
            kept[step.name] = step
    return network.replace(steps=tuple(kept.values()))


def _is_linear(layer: Dense) -> bool:
    return layer.activation.name == "identity"


def _product(first: Dense, second: Dense, sources: tuple[str, ...]) -> Dense:
    dtype = np.result_type(first.weights, second.weights)
    wide = second.weights.astype(np.float64)
    return Dense(
        (first.weights.astype(np.float64) @ wide).astype(dtype),
        (first.bias.astype(np.float64) @ wide + second.bias).astype(dtype),
        second.activation,
        name=second.name,
        sources=sources,
    )
