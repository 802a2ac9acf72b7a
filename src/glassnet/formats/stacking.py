"""From a chain of layers to steps: where activations and normalisations stand, and what is folded into weights.

A batch normalisation that follows a layer at once is folded into it, in float64, rounded once. One that follows the
activation, or comes first, stays a step of its own. The number a module has in a Sequential shows on which
side of it something without parameters stands: in ``0`` (linear), ``2`` (normalisation), ``3`` (linear) the
activation is 1.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from glassnet.activations import Activation
from glassnet.errors import ParametersError
from glassnet.formats.contents import shown
from glassnet.formats.layers import Layer, is_linear, is_norm
from glassnet.formats.mapped import aligned, turned
from glassnet.formats.names import Module
from glassnet.network import Activate, Dense, Normalise, PRelu, ScaleShift, Step
from glassnet.network.steps import Array

# PyTorch's default. A state_dict does not hold it.
EPSILON = 1e-5
# How the arrays of a Sequential that is the whole module are called.
_SEQUENTIAL = re.compile(r"([0-9]{1,6})\.[a-z]")


def stacked(
    modules: Sequence[Module],
    layers: Sequence[Layer],
    hidden: str | Activation | None,
    output: str | Activation | None,
) -> tuple[list[Step], list[str]]:
    """Return the steps of the layers and of the modules between them, and what was folded or assumed, in words."""
    before, behind = _placed(modules, layers)
    notes = [f"{shown(module.name)} scales the input, with eps {EPSILON:g}" for module in before]
    steps: list[Step] = [_normalisation(module) for module in before]
    for number, layer in enumerate(layers):
        last = number == len(layers) - 1
        activation = ("identity" if output is None else output) if last else hidden
        if not last and _at_once(layer.module, behind[number], layers[number + 1].module):
            activation = "identity"
            notes.append(f"no activation behind {layer.module.name}: in a Sequential the next number is a layer again")
        steps += _steps(layer, behind[number], activation, notes)
    if output is None:
        notes.append("no activation after the last layer, since output= was not given")
    return steps, notes


def _at_once(linear: Module, between: Sequence[Module], after: Module) -> bool:
    """Tell whether the numbers of a Sequential leave no room for an activation before the next layer.

    That holds for names that are nothing but a number, as in ``0.weight``. Lists of layers in a module have numbers
    too, and activations that its own code calls.
    """
    places = [_SEQUENTIAL.match(next(iter(module.names.values()))) for module in (linear, *between, after)]
    numbers = [int(place[1]) for place in places if place]
    return len(numbers) == len(places) and numbers[-1] - numbers[0] == len(numbers) - 1


def _steps(layer: Layer, between: list[Module], activation: str | Activation | None, notes: list[str]) -> list[Step]:
    """Return one layer with what stands between it and the next."""
    transposed = layer.weights.T
    weights = turned(transposed) if transposed.flags.c_contiguous else aligned(layer.weights)
    bias = np.zeros(layer.outputs, weights.dtype) if layer.bias is None else layer.bias.reshape(-1)
    slopes = [module for module in between if is_prelu(module)]
    first, rest = _around_activation(layer.module, between)
    while first and is_norm(first[0]):
        weights, bias = _folded(weights, bias, first[0])
        notes.append(f"{shown(first[0].name)} folded into {shown(layer.module.name)}, with eps {EPSILON:g}")
        first = first[1:]
    for module in (*first, *rest):
        side = "before" if module in first else "behind"
        notes.append(f"{shown(module.name)} stands {side} the activation, with eps {EPSILON:g}")
    if activation is None and not slopes:
        raise ParametersError(
            f"the file does not say the activation behind '{shown(layer.module.name)}'",
            hint="say it: activation='relu'",
        )
    own: Step = PRelu(_slope(slopes[0])) if slopes else Activate("identity" if activation is None else activation)
    if isinstance(own, Activate) and not first:
        return [Dense(weights, bias, own.activation), *map(_normalisation, rest)]
    return [Dense(weights, bias), *map(_normalisation, first), own, *map(_normalisation, rest)]


def _around_activation(linear: Module, between: list[Module]) -> tuple[list[Module], list[Module]]:
    """Return the normalisations before the activation, and those behind it."""
    for place, module in enumerate(between):
        if is_prelu(module):
            return between[:place], between[place + 1 :]
    first = [module for module in between if not _follows_activation(linear, module)]
    return first, [module for module in between if module not in first]


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
        elif is_norm(module) or is_layer_norm(module) or is_prelu(module):
            (before if current < 0 else behind[current]).append(module)
        elif not is_linear(module):
            raise _unknown(module)
    if any(_piled_up(norms) for norms in (before, *behind)):
        before, behind = _by_number(modules, layers)
    if lost := [module for norms in behind for module in norms if is_prelu(module) and module.number is None]:
        raise ParametersError(f"it cannot be told which layers '{shown(lost[0].name)}' follows")
    for number, norms in enumerate([before, *behind]):
        size = layers[0].inputs if number == 0 else layers[number - 1].outputs
        for module in norms:
            what = "running_mean" if is_norm(module) else "weight"
            found = module.arrays[what].size
            if found != size and not (is_prelu(module) and found == 1):
                raise ParametersError(
                    f"array '{module.called(what)}' has {found:,} values, expected {size:,} because of its place in "
                    "the file"
                )
    return before, behind


def _piled_up(between: Sequence[Module]) -> bool:
    """Tell whether more stands in one place than a normalisation and an activation."""
    slopes = sum(map(is_prelu, between))
    return slopes > 1 or len(between) - slopes > 1


def _by_number(modules: Sequence[Module], layers: Sequence[Layer]) -> tuple[list[Module], list[list[Module]]]:
    """Return each normalisation behind the layer that has its number, where they do not stand in turns."""
    behind: list[list[Module]] = [[] for _ in layers]
    numbers = [layer.module.number for layer in layers]
    for module in modules:
        if id(module) in {id(layer.module) for layer in layers}:
            continue
        if module.number not in numbers or numbers.count(module.number) > 1 or module.number is None:
            raise ParametersError(f"it cannot be told which layer '{shown(module.name)}' follows")
        behind[numbers.index(module.number)].append(module)
    return [], behind


def _unknown(module: Module) -> ParametersError:
    name, array = next((module.called(what), array) for what, array in module.arrays.items())
    return ParametersError(
        f"array '{name}' has shape {array.shape}: neither a layer's weights nor a normalisation",
        hint="part= takes the layers below a prefix and leaves out the rest",
    )


# --- what stands between layers -----------------------------------------------------------------------------


def is_layer_norm(module: Module) -> bool:
    """Tell whether the module is a layer normalisation: one scale and one shift a feature, and no statistics."""
    scale, shift = module.get("weight"), module.get("bias")
    return scale is not None and shift is not None and scale.ndim == 1 and scale.shape == shift.shape


def is_prelu(module: Module) -> bool:
    """Tell whether the module is a rectifier with a learned slope: one number and nothing else.

    One a feature is as good as a normalisation without a shift, unless it is called so.
    """
    slope = module.get("weight")
    if slope is None or slope.ndim != 1 or len(module.arrays) > 1:
        return False
    return slope.size == 1 or "prelu" in module.name.lower()


def _slope(module: Module) -> Array:
    slope = module.arrays["weight"]
    return slope.reshape(()) if slope.size == 1 else slope


def _normalisation(module: Module) -> Step:
    if is_layer_norm(module) and not is_norm(module):
        return Normalise(module.arrays["weight"], module.arrays["bias"], EPSILON)
    scale, shift = scale_and_shift(module)
    dtype = module.arrays["running_mean"].dtype
    return ScaleShift(scale.astype(dtype), shift.astype(dtype))


def scale_and_shift(module: Module) -> tuple[Array, Array]:
    """Return a batch normalisation, (x - mean) / sqrt(var + eps) · weight + bias, as x · scale + shift.

    Both of shape (features,), in float64.
    """
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
