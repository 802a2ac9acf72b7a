"""Exact rewriting of a network into a smaller one that computes the same function."""

from __future__ import annotations

import dataclasses
import functools
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from glassnet.network.steps import Array, Dense, Step

if TYPE_CHECKING:
    from glassnet.network.graph import Network


def collapse(network: Network) -> Network:
    """Multiply neighbouring linear layers into one: (x·W₁ + b₁)·W₂ + b₂ = x·(W₁·W₂) + (b₁·W₂ + b₂).

    A layer is taken into its follower when its activation is the identity and nothing else reads it. Products
    are formed in float64 and rounded once, to what the network computes in.
    """
    return merge_pairs(network, functools.partial(_product, dtype=network.dtype))


def merge_pairs(network: Network, merge: Callable[[Step, Step], Step | None]) -> Network:
    """Replace a step and the only reader of its value by what ``merge`` makes of the two; None leaves them.

    The merged step takes the reader's name and the first step's sources.
    """
    readers = Counter(network.outputs)
    readers.update(source for sources in network.sources for source in sources)
    kept: dict[str, Step] = {}
    reads: dict[str, tuple[str, ...]] = {}
    for step, sources in zip(network.steps, network.sources, strict=True):
        before = kept.get(sources[0]) if len(sources) == 1 and readers[sources[0]] == 1 else None
        merged = merge(before, step) if before else None
        if before and merged:
            del kept[before.name]
            reads[step.name] = reads[before.name]
            kept[step.name] = dataclasses.replace(merged, name=step.name, sources=reads[before.name])
        else:
            reads[step.name] = sources
            kept[step.name] = step
    return network.replace(steps=tuple(kept.values()))


def in_order(left: Array, right: Array) -> Array:
    """Return left · right in float64, every sum taken in the order of k.

    The same bits on every computer, which the libraries behind ``@`` do not promise.
    """
    total = np.zeros((left.shape[0], right.shape[1]))
    term = np.empty_like(total)
    for column, row in zip(left.astype(np.float64).T, right.astype(np.float64), strict=True):
        np.multiply(column[:, np.newaxis], row, out=term)
        total += term
    return total


def _product(first: Step, second: Step, dtype: np.dtype[Any]) -> Step | None:
    if not (isinstance(first, Dense) and isinstance(second, Dense) and first.activation.name == "identity"):
        return None
    weights = in_order(first.weights, second.weights).astype(dtype)
    bias = (in_order(first.bias[np.newaxis], second.weights)[0] + second.bias).astype(dtype)
    return dataclasses.replace(second, weights=weights, bias=bias)
