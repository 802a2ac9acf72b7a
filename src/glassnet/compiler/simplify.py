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
from glassnet.network.algebra import in_order, merge_pairs

Array = npt.NDArray[Any]


def simplify(network: Network) -> tuple[Network, tuple[str, ...]]:
    """Run all passes; returns the network and the names of those that changed something.

    A pass is left out where it would change the dtype computed in, or has met what algebra does not hold for: weights
    that are not finite, or products that are not.
    """
    changed = []
    for name, rewrite in PASSES.items():
        with np.errstate(all="ignore"):
            rewritten = rewrite(network)
        if len(rewritten.steps) < len(network.steps) and rewritten.dtype == network.dtype and _is_finite(rewritten):
            changed.append(name)
            network = rewritten
    return network, tuple(changed)


def _is_finite(network: Network) -> bool:
    return all(np.isfinite(array).all() for step in network.steps for array in step.arrays.values())


def drop_what_does_nothing(network: Network) -> Network:
    """Remove scales by 1 and shifts by 0, unlimited clips, identities, reshapes into the shape that is there."""
    removed: dict[str, str] = {}
    kept: list[Step] = []
    for step, sources in zip(network.steps, network.sources, strict=True):
        reads = tuple(removed.get(source, source) for source in sources)
        keeps_shape = network.shapes[step.name] == network.shapes[sources[0]]
        if keeps_shape and _does_nothing(step) and step.name not in network.outputs:
            removed[step.name] = reads[0]
        else:
            kept.append(dataclasses.replace(step, sources=reads))
    return network.replace(steps=tuple(kept)) if removed and kept else network


def _does_nothing(step: Step) -> bool:
    """Return whether a step that keeps the shape of its rows keeps their values, too."""
    match step:
        case ScaleShift():
            return bool(np.all(step.scale == 1) and np.all(step.shift == 0))
        case Clip():
            return step.low == -math.inf and step.high == math.inf
        case Activate():
            return step.activation.name == "identity"
        case Reshape():
            return True
        case _:
            return False


def fold_into_follower(network: Network) -> Network:
    """Take a scale-and-shift into the dense layer that alone reads it: (x·s + t)·W + b = x·(s·W) + (t·W + b)."""
    shape_before = {
        step.name: network.shapes[reads[0]] for step, reads in zip(network.steps, network.sources, strict=True)
    }

    def fold(first: Step, second: Step) -> Dense | None:
        if not (isinstance(first, ScaleShift) and isinstance(second, Dense)):
            return None
        columns = _by_column(first, second.inputs)
        if columns is None or shape_before[first.name] != network.shapes[first.name]:
            return None
        scale, shift = columns
        wide = second.weights.astype(np.float64)
        return _dense(
            second, scale[:, np.newaxis] * wide, in_order(shift[np.newaxis], wide)[0] + second.bias, network.dtype
        )

    return merge_pairs(network, fold)


def fold_into_leader(network: Network) -> Network:
    """Take what follows a linear dense layer into it: a scale-and-shift, or an activation that stands alone."""

    def fold(first: Step, second: Step) -> Dense | None:
        if not (isinstance(first, Dense) and first.activation.name == "identity"):
            return None
        if isinstance(second, Activate):
            return dataclasses.replace(first, activation=second.activation)
        columns = _by_column(second, first.outputs) if isinstance(second, ScaleShift) else None
        if columns is None:
            return None
        scale, shift = columns
        return _dense(first, first.weights.astype(np.float64) * scale, first.bias * scale + shift, network.dtype)

    return merge_pairs(network, fold)


def _by_column(step: ScaleShift, count: int) -> tuple[Array, Array] | None:
    """Return scale and shift as one float64 for each of ``count`` columns, None where rows are not treated so."""
    ones = np.ones(count)
    scale, shift = ones * step.scale, ones * step.shift
    return (scale, shift) if scale.shape == shift.shape == ones.shape else None


def collapse_where_smaller(network: Network) -> Network:
    """Multiply neighbouring linear layers into one where that leaves fewer multiplications."""
    collapsed = collapse(network)
    return collapsed if _multiplications(collapsed) <= _multiplications(network) else network


def _multiplications(network: Network) -> int:
    return sum(layer.weights.size for layer in network.layers)


def _dense(like: Dense, weights: Array, bias: Array, dtype: np.dtype[Any]) -> Dense:
    return dataclasses.replace(like, weights=weights.astype(dtype), bias=bias.astype(dtype))


PASSES: Mapping[str, Callable[[Network], Network]] = MappingProxyType(
    {
        rewrite.__name__: rewrite
        for rewrite in (drop_what_does_nothing, fold_into_leader, fold_into_follower, collapse_where_smaller)
    }
)
