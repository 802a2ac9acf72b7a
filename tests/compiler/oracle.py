"""The definition of the sums, in NumPy, without the compiler: acc = b; for k ascending: acc = fma(x_k, w_k, acc).

A fused multiply-add rounds once. The product of two float32 is exact in float64; the sum is rounded there to odd
(towards the neighbour whose last bit is 1, unless it is exact), which leaves just enough for the rounding to
float32 to come out as if it were the only one (Boldo and Melquiond 2008).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from glassnet.activations import Array
from glassnet.network import Activate, Dense, Network


def fma(x: npt.ArrayLike, w: npt.ArrayLike, acc: npt.ArrayLike) -> Array:
    """Return x · w + acc for float32, rounded once."""
    with np.errstate(all="ignore"):
        product = np.multiply(x, w, dtype=np.float64)
        addend = np.asarray(acc, np.float64)
        total = np.atleast_1d(product + addend)
        part = total - product
        lost = (product - (total - part)) + (addend - part)
        bits = total.view(np.int64)
        away = np.where((lost > 0) == (total > 0), 1, -1)
        inexact = np.isfinite(lost) & (lost != 0) & (bits & 1 == 0)
        rounded: Array = (bits + np.where(inexact, away, 0)).view(np.float64).astype(np.float32)
    return rounded


def sums(x: Array, layer: Dense, order: slice = slice(None)) -> Array:
    """Return the sums (rows, outputs) of a dense layer, never -0."""
    acc: Array = np.broadcast_to(layer.bias, (len(x), layer.outputs)).astype(np.float32)
    for k in range(layer.inputs)[order]:
        acc = fma(x[:, k, np.newaxis], layer.weights[k], acc)
    zero: Array = acc + np.float32(0)
    return zero


def forward(network: Network, x: Array) -> Array:
    """Return the answers of a chain of steps; exact where the activations are single operations."""
    value: Array = network.inputs[0].numbers(x, np.dtype(np.float32))
    for step in network.steps:
        a = sums(value, step) if isinstance(step, Dense) else value
        with np.errstate(all="ignore"):
            if isinstance(step, Dense | Activate):
                value = step.activation(a).astype(np.float32, copy=False)
            else:
                value = step.apply(a).astype(np.float32, copy=False)
    return value


def bits(values: Any) -> Array:
    """Return the bits of float32 values, every NaN the same."""
    array = np.array(values, np.float32)
    array[np.isnan(array)] = np.nan
    result: Array = array.view(np.uint32)
    return result


def same_bits(one: Any, other: Any) -> bool:
    """Return whether two arrays agree in every bit; NaN agrees with NaN, 0 not with -0."""
    return np.array_equal(bits(one), bits(other))
