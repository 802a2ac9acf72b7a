"""What stands before the model: scalers, projections, imputers, and what undoes a scaled target.

Written in scikit-learn's own order of operations, (x - mean) / scale rather than x · a + b: beside a large mean the
second loses digits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from glassnet.formats.sklearn.chain import Chain
from glassnet.formats.sklearn.estimator import Estimator
from glassnet.network import Activate, Binary, Clip, Constant, Map, ScaleShift, Select, Step
from glassnet.network.steps import Array

# --- scalers ------------------------------------------------------------------------------------------------


def standard_scaler(estimator: Estimator, chain: Chain) -> None:
    """Append (x - mean_) / scale_, each where it is asked for."""
    if estimator.choice("with_mean", True):
        chain.shift(-estimator.array("mean_", 1))
    if estimator.choice("with_std", True):
        chain.scale(1 / _divisor(estimator, _deviation(estimator)))


def robust_scaler(estimator: Estimator, chain: Chain) -> None:
    """Append (x - center_) / scale_, each where it is asked for."""
    if estimator.choice("with_centering", True):
        chain.shift(-estimator.array("center_", 1))
    if estimator.choice("with_scaling", True):
        chain.scale(1 / _divisor(estimator, "scale_"))


def min_max_scaler(estimator: Estimator, chain: Chain) -> None:
    """Append x · scale_ + min_, and the limits of feature_range where clip says so."""
    chain.scale_shift(estimator.array("scale_", 1), estimator.array("min_", 1))
    if estimator.choice("clip", False):
        chain.add(Clip(*estimator.limits("feature_range")))


def max_abs_scaler(estimator: Estimator, chain: Chain) -> None:
    """Append x / scale_, and the limits -1 and 1 where clip says so."""
    chain.scale(1 / _divisor(estimator, "scale_"))
    if estimator.choice("clip", False):
        chain.add(Clip(-1.0, 1.0))


def binarizer(estimator: Estimator, chain: Chain) -> None:
    """Append 1 where x is above the threshold, else 0."""
    threshold = estimator.array("threshold", 0).reshape(1)
    chain.add(ScaleShift(np.ones(1, threshold.dtype), -threshold))
    chain.add(Activate("step"))


def imputer(estimator: Estimator, chain: Chain) -> None:
    """Append SimpleImputer: what is missing in a column becomes its statistic."""
    fill = estimator.array("statistics_", 1)
    if estimator.choice("add_indicator", False):
        estimator.refuse("adds a column that says what was missing", hint="train it with add_indicator=False")
    if estimator.choice("axis", 0) != 0:  # before 0.20
        estimator.refuse("fills a gap from its row, which is no step that a network has")
    missing = estimator.choice("missing_values", math.nan)
    if missing == "NaN":  # before 0.20
        missing = math.nan
    if not isinstance(missing, int | float):
        estimator.refuse(f"'missing_values' is {missing!r}, expected a number or NaN")
    chain.expect(fill.size)
    values = chain.last
    filling = chain.add(Constant(fill))
    gap: Step = Map("is_nan", sources=(values,))
    if not math.isnan(missing):
        gap = Binary("equal", sources=(values, chain.add(Constant(np.full(1, missing, fill.dtype)))))
    chain.add(Select(sources=(chain.add(gap), filling, values)))


def function_transformer(estimator: Estimator, chain: Chain) -> None:
    """Append nothing for a FunctionTransformer without a function; with one, refuse: it is code."""
    if estimator.has("func") or estimator.has("inverse_func"):
        estimator.refuse("holds a function, which is code and no data", hint="apply it before the network")


def _deviation(estimator: Estimator) -> str:
    """Return what the standard deviations are called: ``std_`` before 0.17."""
    return "scale_" if "scale_" in estimator.attributes or "std_" not in estimator.attributes else "std_"


def _divisor(estimator: Estimator, name: str) -> Array:
    scale = estimator.array(name, 1)
    if not scale.all():
        estimator.refuse(f"'{name}' holds a 0, and cannot be divided by")
    return scale


# --- projections --------------------------------------------------------------------------------------------


def principal_components(estimator: Estimator, chain: Chain) -> None:
    """Append PCA: (x - mean_) · components_ᵀ, divided by the deviation of each component where it whitens."""
    weights = estimator.array("components_", 2).T
    mean = estimator.array("mean_", 1) if estimator.has("mean_") else np.zeros(len(weights), weights.dtype)
    if len(mean) != len(weights):
        estimator.refuse(f"'mean_' has {len(mean)} values, but 'components_' {len(weights)} columns")
    chain.dense(weights, -(mean @ weights))
    if estimator.choice("whiten", False):
        deviation = np.sqrt(np.abs(estimator.array("explained_variance_", 1)))
        chain.scale(1 / np.maximum(deviation, np.finfo(deviation.dtype).eps))


def singular_vectors(estimator: Estimator, chain: Chain) -> None:
    """Append TruncatedSVD: x · components_ᵀ."""
    chain.dense(estimator.array("components_", 2).T, None)


# --- choosing columns ---------------------------------------------------------------------------------------


def variance_threshold(estimator: Estimator, chain: Chain) -> None:
    """Append the columns whose variance is above the threshold."""
    variances = estimator.array("variances_", 1)
    _columns(estimator, chain, variances > estimator.array("threshold", 0))


def select_best(estimator: Estimator, chain: Chain) -> None:
    """Append the k columns of the highest scores."""
    count = estimator.choice("k", 10)
    if count == "all":
        return
    scores = estimator.array("scores_", 1)
    if type(count) is not int or not 0 < count <= len(scores):
        estimator.refuse(f"'k' is {count!r}, expected a number of columns from 1 to {len(scores)}")
    chosen = np.zeros(len(scores), bool)
    chosen[np.argsort(scores, kind="mergesort")[-count:]] = True
    _columns(estimator, chain, chosen)


def _columns(estimator: Estimator, chain: Chain, chosen: Array) -> None:
    if not chosen.any():
        estimator.refuse("keeps no column")
    chain.take([int(place) for place in np.flatnonzero(chosen)], len(chosen))


# --- targets that were scaled -------------------------------------------------------------------------------


def _unscale(estimator: Estimator, chain: Chain) -> None:
    if estimator.choice("with_std", True):
        chain.scale(estimator.array(_deviation(estimator), 1))
    if estimator.choice("with_mean", True):
        chain.shift(estimator.array("mean_", 1))


def _unscale_robust(estimator: Estimator, chain: Chain) -> None:
    if estimator.choice("with_scaling", True):
        chain.scale(estimator.array("scale_", 1))
    if estimator.choice("with_centering", True):
        chain.shift(estimator.array("center_", 1))


def _unscale_range(estimator: Estimator, chain: Chain) -> None:
    chain.shift(-estimator.array("min_", 1))
    chain.scale(1 / _divisor(estimator, "scale_"))


def _unscale_largest(estimator: Estimator, chain: Chain) -> None:
    chain.scale(estimator.array("scale_", 1))


# Class → the steps of its inverse_transform.
INVERSE: Mapping[str, Callable[[Estimator, Chain], None]] = MappingProxyType(
    {
        "StandardScaler": _unscale,
        "RobustScaler": _unscale_robust,
        "MinMaxScaler": _unscale_range,
        "MaxAbsScaler": _unscale_largest,
        "FunctionTransformer": function_transformer,
    }
)
