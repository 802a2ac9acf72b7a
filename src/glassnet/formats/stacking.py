"""From a chain of layers to steps: where activations and normalisations stand, and what is folded into weights.

A batch normalisation that follows a layer at once is folded into it, in float64, rounded once. One that follows the
activation, or comes first, stays a step of its own. The number a module has in a Sequential shows on which
side of it something without parameters stands: in ``0`` (linear), ``2`` (normalisation), ``3`` (linear) the
activation is 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from glassnet.activations import Activation
from glassnet.errors import ParametersError
from glassnet.formats.contents import shown
from glassnet.formats.layers import Layer, is_linear, is_norm
from glassnet.formats.names import Module
from glassnet.network import Dense, ScaleShift, Step
from glassnet.network.steps import Array

# PyTorch's default. A state_dict does not hold it.
EPSILON = 1e-5


def stacked(
    modules: Sequence[Module],
    layers: Sequence[Layer],
    hidden: str | Activation | None,
    output: str | Activation | None,
) -> tuple[list[Step], list[str]]:
    """Return the steps of the layers and of the modules between them, and what was folded or assumed, in words."""
    hidden = "identity" if hidden is None and len(layers) == 1 else hidden
    if hidden is None:
        raise ParametersError(
            f"the file does not say the activations of its {len(layers) - 1} hidden layer(s)",
            hint="say them: activation='relu'",
        )
    before, behind = _placed(modules, layers)
    notes: list[str] = []
    steps: list[Step] = [_scale_shift(module, layers[0].inputs) for module in before]
    for number, layer in enumerate(layers):
        last = number == len(layers) - 1
        activation = ("identity" if output is None else output) if last else hidden
        steps += _steps(layer, behind[number], activation, notes)
    if output is None:
        notes.append("no activation after the last layer, since output= was not given")
    return steps, notes


def _steps(layer: Layer, norms: list[Module], activation: str | Activation, notes: list[str]) -> list[Step]:
    """Return one layer with what stands between it and the next."""
    weights = layer.weights
    bias = np.zeros(layer.outputs, weights.dtype) if layer.bias is None else layer.bias.reshape(-1)
    folded = [module for module in norms if not _follows_activation(layer.module, module)]
    for module in folded:
        weights, bias = _folded(weights, bias, module)
        notes.append(f"{shown(module.name)} folded into {shown(layer.module.name)}, with eps {EPSILON:g}")
    rest = [module for module in norms if module not in folded]
    for module in rest:
        notes.append(f"{shown(module.name)} stands behind the activation, as its number says, with eps {EPSILON:g}")
    return [Dense(weights, bias, activation), *(_scale_shift(module, layer.outputs) for module in rest)]


def _follows_activation(linear: Module, norm: Module) -> bool:
    """Tell whether the numbers in a Sequential leave room for an activation between the two."""
    numbers = linear.number, norm.number
    return None not in numbers and linear.stem == norm.stem and numbers[1] - numbers[0] > 1  # type: ignore[operator]


# --- where the normalisations stand -------------------------------------------------------------------------


def _placed(modules: Sequence[Module], layers: Sequence[Layer]) -> tuple[list[Module], list[list[Module]]]:
    """Return the normalisations before the first layer, and those behind each layer."""
    place = {id(layer.module): number for number, layer in enumerate(layers)}
    before: list[Module] = []
    behind: list[list[Module]] = [[] for _ in layers]
    current = -1
    for module in modules:
        if id(module) in place:
            current = place[id(module)]
        elif is_norm(module):
            (before if current < 0 else behind[current]).append(module)
        elif not is_linear(module):
            raise _unknown(module)
    if any(len(norms) > 1 for norms in (before, *behind)):
        before, behind = _by_number(modules, layers)
    for number, norms in enumerate([before, *behind]):
        size = layers[0].inputs if number == 0 else layers[number - 1].outputs
        for module in norms:
            if _size(module) != size:
                raise ParametersError(
                    f"array '{module.called('running_mean')}' has {_size(module):,} values, expected {size:,} because "
                    "of its place in the file"
                )
    return before, behind


def _by_number(modules: Sequence[Module], layers: Sequence[Layer]) -> tuple[list[Module], list[list[Module]]]:
    """Return each normalisation behind the layer that has its number, where they do not stand in turns."""
    behind: list[list[Module]] = [[] for _ in layers]
    numbers = [layer.module.number for layer in layers]
    for module in modules:
        if not is_norm(module):
            continue
        if module.number not in numbers or numbers.count(module.number) > 1 or module.number is None:
            raise ParametersError(f"it cannot be told which layer '{shown(module.name)}' follows")
        behind[numbers.index(module.number)].append(module)
    return [], behind


def _unknown(module: Module) -> ParametersError:
    name, array = next((module.called(what), array) for what, array in module.arrays.items())
    return ParametersError(
        f"array '{name}' has shape {array.shape}: neither a layer's weights nor a batch normalisation",
        hint="part= takes the layers below a prefix and leaves out the rest",
    )


# --- batch normalisation: (x - mean) / sqrt(var + eps) · weight + bias ----------------------------------------


def _size(module: Module) -> int:
    return module.arrays["running_mean"].size


def scale_and_shift(module: Module) -> tuple[Array, Array]:
    """Return the normalisation as x · scale + shift, in float64, each (features,)."""
    mean = module.arrays["running_mean"].astype(np.float64).reshape(-1)
    parts = {what: module.arrays[what].astype(np.float64).reshape(-1) for what in module.arrays}
    for what, array in parts.items():
        if array.shape != mean.shape:
            raise ParametersError(f"array '{module.called(what)}' has shape {array.shape}, expected {mean.shape}")
    if (parts["running_var"] < 0).any():
        raise ParametersError(f"array '{module.called('running_var')}' holds a variance below 0")
    scale = parts.get("weight", np.ones_like(mean)) / np.sqrt(parts["running_var"] + EPSILON)
    return scale, parts.get("bias", np.zeros_like(mean)) - mean * scale


def _folded(weights: Array, bias: Array, module: Module) -> tuple[Array, Array]:
    scale, shift = scale_and_shift(module)
    dtype = np.result_type(weights, bias)
    return (weights * scale).astype(dtype), (bias * scale + shift).astype(dtype)


def _scale_shift(module: Module, size: int) -> ScaleShift:
    scale, shift = scale_and_shift(module)
    dtype = module.arrays["running_mean"].dtype
    return ScaleShift(scale.astype(dtype), shift.astype(dtype))
