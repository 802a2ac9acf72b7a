"""The table of Keras' layers: what one call of each comes to, as steps.

A layer that does something only while training is left out, and one that is a scale and a shift becomes just that.
The options are those of Keras 1, 2 and 3, under all the names they have had.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from glassnet.activations import activation
from glassnet.formats.keras.activations import COMPOSED, chosen, direct
from glassnet.formats.keras.config import Layer
from glassnet.formats.keras.models import Call
from glassnet.network import (
    Activate,
    Add,
    Binary,
    Clip,
    Concatenate,
    Dense,
    Map,
    Multiply,
    Normalise,
    PRelu,
    Reduce,
    Reshape,
    Transpose,
)
from glassnet.network.steps import Array

# What Keras adds before it takes a root, and what it divides by at the least.
_EPSILON = 1e-7
_LEAST_NORM = 1e-12


def _dropped(call: Call) -> str:
    """A layer that does something only while training."""
    call.build.note("does nothing once trained, and is left out")
    return call.source


def _dense(call: Call) -> str:
    """Dense: x·W + b, and an activation."""
    layer = call.layer
    if layer.get("quantization_mode") is not None:
        raise layer.wrong("its weights are quantised, which is not read")
    weights, *rest = call.arrays(*(("kernel", "bias") if layer.flag(True, "use_bias", "bias") else ("kernel",)))
    bias = rest[0] if rest else None
    given = layer.get("activation")
    if isinstance(given, Mapping) and given.get("class_name") in ACTIVATION_LAYERS:
        return _activated(call, call.build.step(Dense(weights, bias), call.source), given)
    name = chosen(layer, given)
    if (activated := direct(name, call.build.version)) is not None:
        return call.build.step(Dense(weights, bias, activated), call.source)
    return COMPOSED[name](call.build, call.build.step(Dense(weights, bias), call.source))


def _activation(call: Call) -> str:
    """An activation on its own."""
    return _activated(call, call.source, call.layer.get("activation"))


def _activated(call: Call, source: str, given: object) -> str:
    if isinstance(given, Mapping) and given.get("class_name") in ACTIVATION_LAYERS:
        inner = Layer.of({**given, "name": call.layer.name})
        return ACTIVATION_LAYERS[inner.kind](Call(inner, call.build, (source,), call.shelf))
    name = chosen(call.layer, given)
    activated = direct(name, call.build.version)
    return COMPOSED[name](call.build, source) if activated is None else call.build.step(Activate(activated), source)


# --- layers that are activations ----------------------------------------------------------------------------


def _relu(call: Call) -> str:
    """ReLU: x above a threshold and up to a maximum, slope · (x - threshold) below."""
    layer, build, source = call.layer, call.build, call.source
    slope = layer.number(0.0, "negative_slope")
    threshold = layer.number(0.0, "threshold")
    highest = layer.number(math.inf, "max_value")
    if not threshold:
        if highest == math.inf:
            return build.step(Activate(activation("leaky_relu", slope=slope) if slope else "relu"), source)
        if not slope:
            return build.step(Clip(0.0, highest), source)
        return build.step(Clip(-math.inf, highest), build.step(Activate(activation("leaky_relu", slope=slope)), source))
    result = _above(call, threshold)
    if highest != math.inf:
        result = build.step(Clip(0.0, highest), result)
    if not slope:
        return result
    below = build.step(Activate("relu"), build.scaled(source, -1.0, threshold))
    return build.joined(Add, result, build.scaled(below, -slope))


def _above(call: Call, threshold: float) -> str:
    """Return x where it is above ``threshold``, else 0."""
    build = call.build
    above = build.joined(Binary, call.source, build.constant(threshold, call.source), function="greater")
    return build.joined(Multiply, call.source, above)


def _leaky_relu(call: Call) -> str:
    """LeakyReLU: slope · x below 0."""
    slope = call.layer.number(0.3, "negative_slope", "alpha")
    return call.build.step(Activate(activation("leaky_relu", slope=slope)), call.source)


def _elu(call: Call) -> str:
    """ELU: alpha · (exp(x) - 1) below 0."""
    return call.build.step(Activate(activation("elu", alpha=call.layer.number(1.0, "alpha"))), call.source)


def _softmax(call: Call) -> str:
    """Softmax along one axis, which must be the last."""
    if call.layer.axes(-1, len(call.shape), "axis") != (len(call.shape) - 1,):
        raise call.layer.wrong("a softmax along another axis than the last")
    return call.build.step(Activate("softmax"), call.source)


def _prelu(call: Call) -> str:
    """PReLU: a slope that was learned for each value of a row."""
    return call.build.step(PRelu(call.arrays("alpha")[0]), call.source)


def _thresholded(call: Call) -> str:
    """ThresholdedReLU: x where it is above theta, else 0."""
    return _above(call, call.layer.number(1.0, "theta"))


# --- normalisation ------------------------------------------------------------------------------------------


def _along(call: Call, array: Array, axes: tuple[int, ...]) -> Array:
    """Return an array that has one value for each place along ``axes``, so that it broadcasts over a row."""
    sizes = [call.shape[axis] if axis in axes else 1 for axis in range(len(call.shape))]
    if math.prod(sizes) != array.size:
        raise call.layer.wrong(f"an array of shape {array.shape} for rows of shape {call.shape}")
    return array.reshape(sizes)


def _batch_normalisation(call: Call) -> str:
    """BatchNormalization, with what it learned of mean and variance: a scale and a shift."""
    layer = call.layer
    if layer.number(0, "mode") != 0:
        raise layer.wrong("it normalises by the batch it is given, so the answer for a row would depend on others")
    axes = layer.axes(-1, len(call.shape), "axis")
    scaled, centred = layer.flag(True, "scale"), layer.flag(True, "center")
    wanted = (*(("gamma",) if scaled else ()), *(("beta",) if centred else ()), "moving_mean", "moving_variance")
    arrays = dict(zip(wanted, call.arrays(*wanted), strict=True))
    variance = arrays["moving_variance"].astype(np.float64)
    if (variance < 0).any():
        raise layer.wrong("a variance below 0")
    scale = arrays.get("gamma", np.ones(1)) / np.sqrt(variance + layer.number(1e-3, "epsilon"))
    shift = arrays.get("beta", np.zeros(1)) - arrays["moving_mean"] * scale
    dtype = arrays["moving_mean"].dtype
    call.build.note("folded into a scale and a shift")
    return call.build.scaled(
        call.source, _along(call, scale.astype(dtype), axes), _along(call, shift.astype(dtype), axes)
    )


def _layer_normalisation(call: Call) -> str:
    """LayerNormalization over the last axes of a row."""
    layer, rank = call.layer, len(call.shape)
    axes = sorted(layer.axes(-1, rank, "axis"))
    if axes != list(range(rank - len(axes), rank)) or layer.flag(False, "rms_scaling"):
        raise layer.wrong("it normalises otherwise than over the last axes by mean and variance")
    shape = call.shape[-len(axes) :]
    wanted = [word for word, key in (("gamma", "scale"), ("beta", "center")) if layer.flag(True, key)]
    arrays = dict(zip(wanted, call.arrays(*wanted), strict=True)) if wanted else {}
    gamma = arrays.get("gamma", call.build.numbers(np.ones(shape)))
    beta = arrays.get("beta", call.build.numbers(np.zeros(shape)))
    step = Normalise(gamma.reshape(shape), beta.reshape(shape), layer.number(1e-3, "epsilon"))
    return call.build.step(step, call.source)


def _unit_normalisation(call: Call) -> str:
    """UnitNormalization: x / √Σx², along one axis or several."""
    build, axes = call.build, call.layer.axes(-1, len(call.shape), "axis")
    squares = build.step(Reduce("sum", axes), build.joined(Multiply, call.source, call.source))
    norm = build.step(Map("sqrt"), squares)
    bounded = build.joined(Binary, norm, build.constant(_LEAST_NORM, call.source), function="maximum")
    return build.joined(Binary, call.source, bounded, function="divide")


def _normalisation(call: Call) -> str:
    """Normalization: (x - mean) / √variance, by what it has seen or was told."""
    layer, rank = call.layer, len(call.shape)
    axes = layer.axes(-1, rank, "axis") if layer.get("axis") is not None else ()
    if layer.get("mean") is not None:
        mean, variance = (_listed(call, key) for key in ("mean", "variance"))
    else:
        mean, variance, _ = call.arrays("mean", "variance", "count")
    spread = np.maximum(np.sqrt(variance.astype(np.float64)), _EPSILON)
    scale, shift = (spread, mean) if layer.flag(False, "invert") else (1 / spread, -mean / spread)
    call.build.note("its mean and variance became a scale and a shift")
    given = (_along(call, array, axes) if array.size > 1 else array.reshape(()) for array in (scale, shift))
    return call.build.scaled(call.source, *given)


def _listed(call: Call, key: str) -> Array:
    """Return an option that is a number or a list of numbers."""
    value = call.layer.get(key)
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    numbers = value if isinstance(value, list) else [value]
    if any(type(number) not in (int, float) for number in numbers):
        raise call.layer.wrong(f"'{key}' is no number and no list of numbers")
    return np.array(numbers, np.float64)


def _rescaling(call: Call) -> str:
    """Rescaling: x · scale + offset."""
    scale, offset = (_listed(call, key) if call.layer.get(key) is not None else np.zeros(1) for key in _RESCALING)
    return call.build.scaled(call.source, *(a.reshape(()) if a.size == 1 else a for a in (scale, offset)))


_RESCALING = ("scale", "offset")


# --- shapes -------------------------------------------------------------------------------------------------


def _flatten(call: Call) -> str:
    """Flatten, the channels last."""
    source, rank = call.source, len(call.shape)
    if call.layer.get("data_format") == "channels_first" and rank > 1:
        source = call.build.step(Transpose((*range(1, rank), 0)), source)
    return call.build.step(Reshape((math.prod(call.shape),)), source)


def _reshape(call: Call) -> str:
    """Reshape, with at most one size left open."""
    wanted = call.layer.get("target_shape", "dims")
    if not isinstance(wanted, list) or any(type(size) is not int or size < -1 for size in wanted):
        raise call.layer.wrong("its target shape is no list of sizes")
    whole, known = math.prod(call.shape), math.prod(size for size in wanted if size != -1)
    if wanted.count(-1) > 1 or not known or whole % known:
        raise call.layer.wrong(f"rows of shape {call.shape} cannot take shape {tuple(wanted)}")
    return call.build.step(Reshape(tuple(whole // known if size == -1 else size for size in wanted)), call.source)


def _permute(call: Call) -> str:
    """Permute: the axes of a row in another order, counted from 1."""
    axes = call.layer.shape(call.layer.get("dims"), "its order of axes")
    return call.build.step(Transpose(tuple(axis - 1 for axis in axes)), call.source)


# --- several values -----------------------------------------------------------------------------------------


def _concatenate(call: Call) -> str:
    """Concatenate along any axis of a row."""
    [axis] = call.layer.axes(-1, len(call.shape), "axis", "concat_axis")
    rank = len(call.shape)
    if axis == rank - 1:
        return call.build.joined(Concatenate, *call.sources)
    order = (*(other for other in range(rank) if other != axis), axis)
    turned = [call.build.step(Transpose(order), source) for source in call.sources]
    back = tuple(order.index(other) for other in range(rank))
    return call.build.step(Transpose(back), call.build.joined(Concatenate, *turned))


def _added(call: Call) -> str:
    """Add: the sum of several values."""
    return call.build.joined(Add, *call.sources)


def _multiplied(call: Call) -> str:
    """Multiply: the product of several values."""
    return call.build.joined(Multiply, *call.sources)


def _average(call: Call) -> str:
    """Average: the mean of several values."""
    return call.build.scaled(_added(call), 1 / len(call.sources))


def _one_by_one(function: str) -> Callable[[Call], str]:
    """A function of two values, or of the first two and the next, and so on."""

    def pair(build: Call, left: str, right: str) -> str:
        return build.build.joined(Binary, left, right, function=function)

    def folded(call: Call) -> str:
        return functools.reduce(functools.partial(pair, call), call.sources)

    return folded


_MODES: Mapping[str, Callable[[Call], str]] = {
    "sum": _added,
    "mul": _multiplied,
    "ave": _average,
    "max": _one_by_one("maximum"),
    "concat": _concatenate,
}


def _merge(call: Call) -> str:
    """Merge, of Keras 1: its mode says how."""
    mode = call.layer.get("mode")
    if mode not in _MODES:
        raise call.layer.wrong(f"merges by {mode!r:.80}, expected one of {', '.join(_MODES)}")
    return _MODES[mode](call)


# --- the table ----------------------------------------------------------------------------------------------

# Those that may also stand in another layer's ``activation``.
ACTIVATION_LAYERS: Mapping[str, Callable[[Call], str]] = MappingProxyType(
    {
        "ReLU": _relu,
        "LeakyReLU": _leaky_relu,
        "ELU": _elu,
        "Softmax": _softmax,
        "ThresholdedReLU": _thresholded,
    }
)

LAYERS: Mapping[str, Callable[[Call], str]] = MappingProxyType(
    {
        "Dense": _dense,
        "Activation": _activation,
        **ACTIVATION_LAYERS,
        "PReLU": _prelu,
        "BatchNormalization": _batch_normalisation,
        "BatchNormalizationV1": _batch_normalisation,
        "BatchNormalizationV2": _batch_normalisation,
        "LayerNormalization": _layer_normalisation,
        "UnitNormalization": _unit_normalisation,
        "Normalization": _normalisation,
        "Rescaling": _rescaling,
        "Flatten": _flatten,
        "Reshape": _reshape,
        "Permute": _permute,
        "Concatenate": _concatenate,
        "Add": _added,
        "Multiply": _multiplied,
        "Average": _average,
        "Subtract": _one_by_one("subtract"),
        "Maximum": _one_by_one("maximum"),
        "Minimum": _one_by_one("minimum"),
        "Divide": _one_by_one("divide"),
        "TrueDivide": _one_by_one("divide"),
        "Merge": _merge,
        "Identity": _dropped,
        **dict.fromkeys(
            (
                "Dropout", "GaussianDropout", "GaussianNoise", "AlphaDropout", "SpatialDropout1D", "SpatialDropout2D",
                "SpatialDropout3D", "ActivityRegularization",
            ),
            _dropped,
        ),
    }
)  # fmt: skip
