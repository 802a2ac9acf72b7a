"""Rows divided by something of their own: their sum, their length."""

from __future__ import annotations

import numpy as np

from glassnet.formats.sklearn.chain import Chain
from glassnet.formats.sklearn.estimator import Estimator
from glassnet.network import Activate, Add, Binary, Clip, Map, Multiply, Reduce, ScaleShift
from glassnet.network.steps import Array


def divided_by_sum(chain: Chain, classes: int) -> None:
    """Append x / Σ x for values that are not below 0; where all of them are 0, each becomes 1 / classes.

    (x + e) / (Σ x + classes · e), with e = 1 where the sum is 0, else 0.
    """
    values = chain.last
    total = chain.add(Reduce("sum"))
    chain.add(Activate("step"))
    empty = chain.add(ScaleShift(_exact(-1), _exact(1)))
    chain.add(ScaleShift(_exact(classes), _exact(0)))
    divisor = chain.add(Add(sources=(total, chain.last)))
    dividend = chain.add(Add(sources=(values, empty)))
    chain.add(Binary("divide", sources=(dividend, divisor)))


def _exact(value: int) -> Array:
    """Return a whole number as float32, so that it does not decide what the network computes in."""
    return np.array([value], dtype=np.float32)


def normalizer(estimator: Estimator, chain: Chain) -> None:
    """Append Normalizer: each row divided by its norm; a row of zeros stays one."""
    norm = estimator.choice("norm", "l2")
    values = chain.last
    if norm == "l2":
        chain.add(Multiply(sources=(values, values)))
        chain.add(Reduce("sum"))
        chain.add(Map("sqrt"))
    elif norm in ("l1", "max"):
        chain.add(Map("abs"))
        chain.add(Reduce("sum" if norm == "l1" else "max"))
    else:
        estimator.refuse(f"its norm is {norm!r}, expected l1, l2 or max")
    # 0 / tiny is 0, and no other norm is smaller.
    length = chain.add(Clip(float(np.finfo(np.float32).tiny)))
    chain.add(Binary("divide", sources=(values, length)))
