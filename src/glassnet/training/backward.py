"""Backpropagation (오차역전파): the chain rule, one step at a time, from the output back to the parameters.

``BACKWARD`` says for each kind of step what a slope at its output means at its inputs, ``ARRAY_GRADIENTS`` for the
kinds with parameters what it means there. The forward pass is the network's own: to keep the sums ``a`` that the
derivatives need, ``unfold`` first writes each dense layer as two steps, a = x·W + b and z = h(a).

A slope ∂loss/∂value has the shape of the value, ``(rows, *row shape)``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

from glassnet.activations import Activation
from glassnet.network import BINARY, FUNCTIONS, Activate, Binary, Dense, Map, Network, Step
from glassnet.network.step import Array, aligned, batch_axis

Values: TypeAlias = tuple[Array, ...]


def unfold(network: Network) -> Network:
    """Return the same function with each dense layer split into its sum ``NAME.a`` and its activation ``NAME``."""
    steps: list[Step] = []
    for step, sources in zip(network.steps, network.sources, strict=True):
        if isinstance(step, Dense) and step.activation.name != "identity":
            linear = Dense(step.weights, step.bias, name=f"{step.name}.a", sources=sources)
            steps += [linear, Activate(step.activation, name=step.name, sources=(linear.name,))]
        else:
            steps.append(dataclasses.replace(step, sources=sources))
    return network.replace(steps=steps)


def differentiable(network: Network) -> frozenset[str]:
    """Return the names of the values that depend on parameters; no slope is wanted at any other."""
    names: set[str] = set()
    for step, sources in zip(network.steps, network.sources, strict=True):
        if step.arrays or names.intersection(sources):
            names.add(step.name)
    return frozenset(names)


# --- from the output of a step to its inputs: (step, inputs, output, slope at the output) → slopes at the inputs ---


def through(h: Activation, a: Array, z: Array, slope: Array) -> Array:
    """Return the slope at ``a`` from the slope at ``z = h(a)``."""
    derivative = h.derivative(a, z)
    if h.elementwise:
        derivative *= slope
        return derivative
    result: Array = np.matmul(slope[..., np.newaxis, :], derivative)[..., 0, :]
    return result


def _dense(step: Any, inputs: Values, output: Array, slope: Array) -> Values:
    return (np.matmul(slope, step.weights.T),)


def _activate(step: Any, inputs: Values, output: Array, slope: Array) -> Values:
    return (through(step.activation, inputs[0], output, slope),)


def _scale_shift(step: Any, inputs: Values, output: Array, slope: Array) -> Values:
    return (_summed_to(inputs[0].shape, slope * step.scale),)


def _clip(step: Any, inputs: Values, output: Array, slope: Array) -> Values:
    return (slope * ((inputs[0] >= step.low) & (inputs[0] <= step.high)),)


def _reshape(step: Any, inputs: Values, output: Array, slope: Array) -> Values:
    return (slope.reshape(inputs[0].shape),)


def _slice(step: Any, inputs: Values, output: Array, slope: Array) -> Values:
    whole = np.zeros_like(inputs[0])
    whole[..., step.start : step.stop] = slope
    return (whole,)


def _concatenate(step: Any, inputs: Values, output: Array, slope: Array) -> Values:
    ends = np.cumsum([value.shape[-1] for value in inputs])
    return tuple(np.split(slope, ends[:-1], axis=-1))


def _add(step: Any, inputs: Values, output: Array, slope: Array) -> Values:
    return tuple(_summed_to(value.shape, slope) for value in inputs)


def _multiply(step: Any, inputs: Values, output: Array, slope: Array) -> Values:
    def others(i: int) -> Array:
        return step.apply(np.ones_like(inputs[i]), *inputs[:i], *inputs[i + 1 :])

    return tuple(_summed_to(value.shape, slope * others(i)) for i, value in enumerate(inputs))


def _prelu(step: Any, inputs: Values, output: Array, slope: Array) -> Values:
    return (_summed_to(inputs[0].shape, np.where(inputs[0] > 0, slope, slope * step.slope)),)


def _normalise(step: Any, inputs: Values, output: Array, slope: Array) -> Values:
    """With n = (x - mean) / σ and s = slope · scale: (s - mean(s) - n · mean(s · n)) / σ."""
    n, inverse = step.standardised(inputs[0])
    s = slope * step.scale
    s = s - s.mean(axis=step.axes, keepdims=True) - n * (s * n).mean(axis=step.axes, keepdims=True)
    return (s * inverse,)


def _map(step: Any, inputs: Values, output: Array, slope: Array) -> Values:
    derivative = FUNCTIONS[step.function].slope
    assert derivative is not None  # others were refused: see ``without_slope``
    return (slope * derivative(inputs[0], output),)


def _binary(step: Any, inputs: Values, output: Array, slope: Array) -> Values:
    derivatives = BINARY[step.function].slopes
    assert derivatives is not None
    left, right = aligned(inputs)
    parts = derivatives(left, right, output)
    return tuple(_summed_to(value.shape, slope * part) for value, part in zip(inputs, parts, strict=True))


def _select(step: Any, inputs: Values, output: Array, slope: Array) -> Values:
    chosen = aligned(inputs)[0] != 0
    parts = (np.zeros_like(slope), slope * chosen, slope * ~chosen)
    return tuple(_summed_to(value.shape, part) for value, part in zip(inputs, parts, strict=True))


def _matmul(step: Any, inputs: Values, output: Array, slope: Array) -> Values:
    left, right = aligned(inputs)
    parts = np.matmul(slope, right.swapaxes(-1, -2)), np.matmul(left.swapaxes(-1, -2), slope)
    return tuple(_summed_to(value.shape, part) for value, part in zip(inputs, parts, strict=True))


def _constant(step: Any, inputs: Values, output: Array, slope: Array) -> Values:
    return (np.zeros_like(inputs[0]),)


def _transpose(step: Any, inputs: Values, output: Array, slope: Array) -> Values:
    return (slope.transpose(0, *(axis + 1 for axis in np.argsort(step.axes))),)


def _take(step: Any, inputs: Values, output: Array, slope: Array) -> Values:
    whole = np.zeros_like(inputs[0])
    axis = batch_axis(step.axis)
    np.add.at(np.moveaxis(whole, axis, 0), np.array(step.indices), np.moveaxis(slope, axis, 0))
    return (whole,)


def _reduce(step: Any, inputs: Values, output: Array, slope: Array) -> Values:
    x = inputs[0]
    if step.function == "sum":
        return (np.broadcast_to(slope, x.shape),)
    if step.function == "mean":
        return (np.broadcast_to(slope * (slope.size / x.size), x.shape),)
    chosen = x == output  # several that are equal share the slope
    return (slope * chosen / chosen.sum(axis=tuple(batch_axis(axis) for axis in step.axes), keepdims=True),)


BACKWARD: Mapping[str, Callable[[Any, Values, Array, Array], Values]] = MappingProxyType(
    {
        "dense": _dense,
        "activate": _activate,
        "scale_shift": _scale_shift,
        "clip": _clip,
        "reshape": _reshape,
        "slice": _slice,
        "concatenate": _concatenate,
        "add": _add,
        "multiply": _multiply,
        "prelu": _prelu,
        "normalise": _normalise,
        "map": _map,
        "binary": _binary,
        "select": _select,
        "matmul": _matmul,
        "constant": _constant,
        "transpose": _transpose,
        "take": _take,
        "reduce": _reduce,
    }
)


def without_slope(step: Step) -> str:
    """Return what of a step cannot be trained through, because its slope is 0; empty where it can."""
    if isinstance(step, Activate | Dense) and step.activation.name == "step":
        return "the step function"
    if isinstance(step, Map) and FUNCTIONS[step.function].slope is None:
        return f"the function {step.function}"
    if isinstance(step, Binary) and BINARY[step.function].slopes is None:
        return f"the function {step.function}"
    return "" if step.KIND in BACKWARD else f"a step of kind {step.KIND}"


# --- from the output of a step to its parameters: (step, inputs, slope at the output) → written into ``out`` --------


def _dense_arrays(step: Any, inputs: Values, slope: Array, out: Mapping[str, Array]) -> None:
    x = inputs[0].reshape(-1, step.inputs)
    slope = slope.reshape(-1, step.outputs)
    np.matmul(x.T, slope, out=out["weights"])
    np.add.reduce(slope, axis=0, out=out["bias"])


def _scale_shift_arrays(step: Any, inputs: Values, slope: Array, out: Mapping[str, Array]) -> None:
    x = inputs[0].reshape(len(slope), *(1,) * (slope.ndim - inputs[0].ndim), *inputs[0].shape[1:])
    out["scale"][...] = _summed_to((1, *step.scale.shape), slope * x)[0]
    out["shift"][...] = _summed_to((1, *step.shift.shape), slope)[0]


def _prelu_arrays(step: Any, inputs: Values, slope: Array, out: Mapping[str, Array]) -> None:
    x = inputs[0].reshape(len(slope), *(1,) * (slope.ndim - inputs[0].ndim), *inputs[0].shape[1:])
    out["slope"][...] = _summed_to((1, *step.slope.shape), slope * np.minimum(x, 0))[0]


def _normalise_arrays(step: Any, inputs: Values, slope: Array, out: Mapping[str, Array]) -> None:
    n, _ = step.standardised(inputs[0])
    out["scale"][...] = _summed_to((1, *step.scale.shape), slope * n)[0]
    out["shift"][...] = _summed_to((1, *step.shift.shape), slope)[0]


def _constant_arrays(step: Any, inputs: Values, slope: Array, out: Mapping[str, Array]) -> None:
    out["values"][...] = slope.sum(axis=0)


ARRAY_GRADIENTS: Mapping[str, Callable[[Any, Values, Array, Mapping[str, Array]], None]] = MappingProxyType(
    {
        "dense": _dense_arrays,
        "scale_shift": _scale_shift_arrays,
        "prelu": _prelu_arrays,
        "normalise": _normalise_arrays,
        "constant": _constant_arrays,
    }
)


def _summed_to(shape: tuple[int, ...], slope: Array) -> Array:
    """Undo broadcasting: a value used in several places has the sum of their slopes."""
    aligned = (shape[0], *(1,) * (slope.ndim - len(shape)), *shape[1:])
    axes = tuple(axis for axis, size in enumerate(aligned) if size == 1)
    return (slope.sum(axis=axes, keepdims=True) if axes else slope).reshape(shape)
