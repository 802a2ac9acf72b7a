"""Time three ways to write the sigmoid, for docs/decisions/0004: ``python benchmarks/sigmoid.py``."""

from __future__ import annotations

import timeit

import numpy as np

from glassnet.activations import Array, sigmoid

CALLS, REPEATS = 50, 30


def naive(x: Array) -> Array:
    """Overflow where x < -88, with a warning."""
    result: Array = 1 / (1 + np.exp(-x))
    return result


def two_branches(x: Array) -> Array:
    """exp of negative numbers only, one expression for each sign."""
    result = np.empty_like(x)
    positive = x >= 0
    result[positive] = 1 / (1 + np.exp(-x[positive]))
    e = np.exp(x[~positive])
    result[~positive] = e / (1 + e)
    return result


def two_branches_chosen_after(x: Array) -> Array:
    """Both expressions for every number, then a choice."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


if __name__ == "__main__":
    x = (5 * np.random.default_rng(0).normal(size=50_000)).astype(np.float32)
    print(f"NumPy {np.__version__}, {x.size:,} float32 values, fastest of {REPEATS} × {CALLS} calls")
    for form in (naive, sigmoid, two_branches, two_branches_chosen_after):
        assert np.allclose(form(x), sigmoid(x), atol=1e-7)
        seconds = min(timeit.repeat(lambda: form(x), number=CALLS, repeat=REPEATS)) / CALLS  # noqa: B023
        print(f"{form.__name__:<26} {seconds * 1e6:7.0f} µs")
