"""Exact algebra before any code is made: the same function with fewer steps.

Each pass takes a network and returns one that computes the same, in exact arithmetic; products are formed in
float64 and rounded once. ``PASSES`` names them in the order in which they run.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from glassnet.network import Activate, Clip, Dense, Network, Reshape, ScaleShift, Step, collapse
from glassnet.network.algebra import merge_pairs

Array = npt.NDArray[Any]


def simplify(network: Network) -> tuple[Network, tuple[str, ...]]:
    """Run all passes; returns the network and the names of those that changed something."""
    changed = []
    for name, rewrite in PASSES.items():
        rewritten = rewrite(network)
        if [step.name for step in rewritten.steps] != [step.name for step in network.steps]:
            changed.append(name)
        network = rewritten
    return network, tuple(changed)


def drop_what_does_nothing(network: Network) -> Network:
    """Remove scales by 1 and shifts by 0, unlimited clips, identities, reshapes into the shape that is there."""
    removed: dict[str, str] = {}
    kept: list[Step] = []
    for step, sources in zip(network.steps, network.sources, strict=True):
        reads = tuple(removed.get(source, source) for source in sources)
        if _does_nothing(step, network.shapes[sources[0]]) and step.name not in network.outputs:
            removed[step.name] = reads[0]
        else:
            kept.append(dataclasses.replace(step, sources=reads))
    return network.replace(steps=tuple(kept)) if removed else network


def _does_nothing(step: Step, shape: tuple[int, ...]) -> bool:
    match step:
        case ScaleShift():
            same_shape = math.prod(step.scale.shape) == math.prod(step.shift.shape) == 1
            return same_shape and bool(np.all(step.scale == 1) and np.all(step.shift == 0))
        case Clip():
            return step.low == -math.inf and step.high == math.inf
        case Activate():
            return step.activation.name == "identity"
        case Reshape():
            return step.shape == shape
        case _:
            return False


def fold_into_follower(network: Network) -> Network:
    """Take a scale-and-shift into the dense layer that alone reads it: (x·s + t)·W + b = x·(s·W) + (t·W + b)."""

    def fold(first: Step, second: Step) -> Dense | None:
        if not (isinstance(first, ScaleShift) and isinstance(second, Dense)):
            return None
        ones = np.ones(second.inputs)
        scale, shift = ones * first.scale.astype(np.float64), ones * first.shift.astype(np.float64)
        if scale.shape != ones.shape or shift.shape != ones.shape:
            return None
        wide = second.weights.astype(np.float64)
        return _dense(second, scale[:, np.newaxis] * wide, shift @ wide + second.bias)

    return merge_pairs(network, fold)


def fold_into_leader(network: Network) -> Network:
    """Take what follows a linear dense layer into it: a scale-and-shift, or an activation that stands alone."""

    def fold(first: Step, second: Step) -> Dense | None:
        if not (isinstance(first, Dense) and first.activation.name == "identity"):
            return None
        if isinstance(second, Activate):
            return dataclasses.replace(first, activation=second.activation)
        if not isinstance(second, ScaleShift):
            return None
        ones = np.ones(first.outputs)
        scale, shift = ones * second.scale.astype(np.float64), ones * second.shift.astype(np.float64)
        if scale.shape != ones.shape or shift.shape != ones.shape:
            return None
        return _dense(first, first.weights.astype(np.float64) * scale, first.bias * scale + shift)

    return merge_pairs(network, fold)


def collapse_where_smaller(network: Network) -> Network:
    """Multiply neighbouring linear layers into one where that leaves fewer multiplications."""
    collapsed = collapse(network)
    return collapsed if _multiplications(collapsed) <= _multiplications(network) else network


def _multiplications(network: Network) -> int:
    return sum(layer.weights.size for layer in network.layers)


def _dense(like: Dense, weights: Array, bias: Array) -> Dense:
    dtype = like.weights.dtype
    return dataclasses.replace(like, weights=weights.astype(dtype), bias=bias.astype(dtype))


PASSES: Mapping[str, Callable[[Network], Network]] = MappingProxyType(
    {
        rewrite.__name__: rewrite
        for rewrite in (drop_what_does_nothing, fold_into_leader, fold_into_follower, collapse_where_smaller)
    }
)
