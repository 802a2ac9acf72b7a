"""From modules to a chain of layers: which way round the weights are, and in which order they fit one another.

A file of named arrays does not say how its layers are connected. The shapes say much: layer 2 reads as many values as
layer 1 answers, and a bias is as long as its layer's outputs. Where exactly one reading fits, it is taken;
where several do, the choice is asked for, and the error shows what was found.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from glassnet.errors import OptionError, ParametersError
from glassnet.formats.contents import shown
from glassnet.formats.names import RECURRENT, Module, lies_below, under
from glassnet.network.steps import Array

OUTPUTS_FIRST, INPUTS_FIRST = "outputs_inputs", "inputs_outputs"
ORIENTATIONS = (OUTPUTS_FIRST, INPUTS_FIRST)
# How many groups of layers are tried in every order; a network has one or two, an actor with a critic four.
_MOST_PERMUTED = 6
_PARTS = "part= takes the layers below a prefix and leaves out the rest"
# Of networks side by side, the ones that are not what is wanted, or not all of it.
_SECOND = ("critic", "value", "target", "discriminator", "teacher", "ema", "vf", "qf")


@dataclass(eq=False)
class Layer:
    """A linear module as it stands in the chain: weights (inputs, outputs), and the modules that follow it."""

    module: Module
    weights: Array
    bias: Array | None
    after: list[Module] = field(default_factory=list)

    @property
    def inputs(self) -> int:
        """How many values it reads."""
        return int(self.weights.shape[0])

    @property
    def outputs(self) -> int:
        """How many values it answers."""
        return int(self.weights.shape[1])


def listed(layers: Sequence[Layer]) -> str:
    """Return the layers as an error shows them."""
    parts = [f"{shown(layer.module.name) or 'W'} ({layer.inputs} → {layer.outputs})" for layer in layers[:12]]
    return ", ".join(parts) + (f", … ({len(layers)} in all)" if len(layers) > 12 else "")


# --- which modules are layers -------------------------------------------------------------------------------


def paired(modules: list[Module]) -> list[Module]:
    """Return the modules, those without any word in their names paired by place: each weight with the next bias."""
    if not modules or not all(set(module.arrays) == {""} for module in modules):
        return modules
    weights = [module for module in modules if module.arrays[""].ndim == 2]
    biases = [module for module in modules if module.arrays[""].ndim != 2]
    if not biases and len(weights) % 2 == 0 and all(1 in module.arrays[""].shape for module in weights[1::2]):
        weights, biases = weights[::2], weights[1::2]
    if len(biases) not in (0, len(weights)):
        return modules
    for weight, bias in itertools.zip_longest(weights, biases):
        for what, given in (("weight", weight), ("bias", bias)):
            if given is not None:
                weight.arrays[what], weight.names[what] = given.arrays[""], given.names[""]
        if bias is not None:
            weight.names["bias"] = bias.names[""]
        del weight.arrays[""], weight.names[""]
    return weights


def weights_of(module: Module) -> Array | None:
    """Return a module's weights, those that PyTorch keeps as length and direction multiplied out."""
    length, direction = module.get("weight_g"), module.get("weight_v")
    if length is None or direction is None or direction.ndim != 2:
        return module.get("weight")
    if length.size != len(direction):
        raise ParametersError(
            f"array '{module.called('weight_g')}' has shape {length.shape}, expected ({len(direction)}, 1)"
        )
    exact = direction.astype(np.float64)
    norms = np.sqrt((exact * exact).sum(axis=1, keepdims=True))
    if not norms.all():
        raise ParametersError(f"array '{module.called('weight_v')}' has a row of zeros, which has no direction")
    product: Array = (exact * (length.astype(np.float64).reshape(-1, 1) / norms)).astype(direction.dtype)
    module.arrays["weight"], module.names["weight"] = product, module.names["weight_v"]
    for what in ("weight_g", "weight_v"):  # multiplied out once, however often it is asked for
        del module.arrays[what], module.names[what]
    return product


def is_linear(module: Module) -> bool:
    """Tell whether the module is a layer of weights."""
    weights = weights_of(module)
    return weights is not None and weights.ndim == 2 and module.get("running_mean") is None


def is_norm(module: Module) -> bool:
    """Tell whether the module is a batch normalisation."""
    return module.get("running_mean") is not None and module.get("running_var") is not None


def check_kinds(modules: Sequence[Module]) -> None:
    """Raise ParametersError, naming the array, for what no dense network has."""
    for module in modules:
        for what, name in module.names.items():
            array = module.arrays[what]
            if RECURRENT.search(name):
                raise ParametersError(f"array '{shown(name)}' belongs to a recurrent or attention layer: dense only")
            if what in ("weight", "weight_v", "") and array.ndim > 2:
                raise convolution(name, array)
        known = {"weight", "bias", "weight_g", "weight_v", "running_mean", "running_var"}
        if left := [name for what, name in module.names.items() if what not in known]:
            raise ParametersError(
                f"array '{shown(left[0])}' is left over: its name does not say what it is",
                hint=f"{_PARTS}; mean= and std= scale the input",
            )
        if not module.arrays.keys() & {"weight", "weight_v"} and not is_norm(module):
            raise ParametersError(
                f"array '{shown(next(iter(module.names.values())))}' has no weights beside it", hint=_PARTS
            )


def convolution(name: str, array: Array) -> ParametersError:
    """Return the error for weights of more than two axes."""
    return ParametersError(
        f"array '{shown(name)}' has shape {array.shape}, as a convolution has; expected (outputs, inputs): "
        "dense layers only"
    )


# --- which way round, and in which order --------------------------------------------------------------------


def chain(modules: Sequence[Module], orientation: str, *, in_file_order: bool = False) -> list[Layer]:
    """Return the linear modules as layers that fit one another.

    orientation: which axis of all weights comes first, empty where the shapes decide. in_file_order: whether the
    order is given. Raises ParametersError where nothing fits, or where more than one reading does.
    """
    linear = [module for module in modules if is_linear(module)]
    if not linear:
        raise ParametersError("no array of two axes among them: a network needs weights")
    wanted = (orientation,) if orientation else ORIENTATIONS
    for order in _orders(linear, in_file_order):
        found = [layers for way in wanted if (layers := _fitted(order, way))]
        if len(found) == 2:
            raise both_ways(listed(found[0]))
        if found:
            return found[0]
    raise _misfit(linear, modules, wanted)


def both_ways(layers: str) -> ParametersError:
    """Return the error for layers that fit one another whichever axis of their weights comes first."""
    return ParametersError(
        f"the weights fit one another both ways, as (inputs, outputs) and as (outputs, inputs): {layers}",
        hint="say which: orientation='outputs_inputs' as PyTorch has it, or orientation='inputs_outputs'",
    )


def _orders(linear: list[Module], given: bool) -> Iterator[list[Module]]:
    """Give the order of the names first, then every other order of the lists that the modules belong to."""
    yield linear
    groups = [list(group) for _, group in itertools.groupby(linear, key=lambda module: module.stem)]
    if given or len(groups) > _MOST_PERMUTED:
        return
    others = itertools.islice(itertools.permutations(groups), 1, None)
    fitting = [order for order in others if _may_fit(order)]
    if len(fitting) == 1:
        yield [module for group in fitting[0] for module in group]


def _may_fit(order: Sequence[Sequence[Module]]) -> bool:
    modules = [module for group in order for module in group]
    return any(_fitted(modules, way) for way in ORIENTATIONS)


def _fitted(order: Sequence[Module], way: str) -> list[Layer]:
    """Return the layers where all of them fit one another this way round, else none."""
    layers = [_layer(module, way) for module in order]
    if all(_bias_fits(layer) for layer in layers):
        if all(before.outputs == after.inputs for before, after in itertools.pairwise(layers)):
            return layers
        if way == OUTPUTS_FIRST and all(layer.bias is None for layer in layers):
            return _with_bias_inside(layers)
    return []


def _layer(module: Module, way: str) -> Layer:
    weights = weights_of(module)
    assert weights is not None
    return Layer(module, weights.T if way == OUTPUTS_FIRST else weights, module.get("bias"))


def _bias_fits(layer: Layer) -> bool:
    n = layer.outputs
    return layer.bias is None or layer.bias.shape in ((n,), (1, n), (n, 1))


def _with_bias_inside(layers: list[Layer]) -> list[Layer]:
    """Return the layers where the first input of each is the constant 1, as in lectures that call them Theta."""
    if len(layers) > 1 and all(before.outputs + 1 == after.inputs for before, after in itertools.pairwise(layers)):
        return [Layer(layer.module, layer.weights[1:], layer.weights[0]) for layer in layers]
    return []


def _misfit(linear: list[Module], modules: Sequence[Module], ways: Sequence[str]) -> ParametersError:
    layers = [_layer(module, ways[0]) for module in linear]
    for layer in layers:
        if len(ways) == 1 and not _bias_fits(layer):
            assert layer.bias is not None
            return ParametersError(
                f"array '{layer.module.called('bias')}' has shape {layer.bias.shape}, expected ({layer.outputs},) "
                f"because '{shown(next(iter(layer.module.names.values())))}' has shape {layer.weights.T.shape}"
            )
    groups = _parts(modules)
    found = ", ".join(_described(group, modules) for group in groups) or listed(layers)
    return ParametersError(f"its layers do not fit one behind the other: {found}", hint=_parts_hint(groups, modules))


# --- networks side by side ----------------------------------------------------------------------------------


def select(modules: list[Module], parts: Sequence[str]) -> list[Module]:
    """Return the modules below the prefixes ``parts``, in the order of these; OptionError for one without any."""
    chosen = []
    for part in parts:
        below = [module for module in _below(modules, part) if module not in chosen]
        if not below:
            found = groups_of(modules) or [module.name for module in modules[:12]]
            names = ", ".join(f"'{shown(name)}'" for name in found)
            raise OptionError(f"part={shown(part)!r}: no layer's name begins so", hint=f"there are: {names}")
        chosen += below
    return chosen


def _below(modules: Sequence[Module], part: str) -> list[Module]:
    """Return the modules below a prefix: in whole words of their names, or else in part of one, or else further in."""
    for below in (lies_below, under):
        if found := [module for module in modules if below(module.name, part)]:
            return found
    inside = {module.name.partition(f".{part}.")[0]: None for module in modules if f".{part}." in module.name}
    heads = list(inside)
    return [module for module in modules if lies_below(module.name, f"{heads[0]}.{part}")] if len(heads) == 1 else []


def groups_of(modules: Sequence[Module]) -> list[str]:
    """Return the prefixes at which the names part: the networks, or the parts of one, that lie side by side."""
    names = [module.name for module in modules]
    common = 0
    split = [name.replace("/", ".").split(".") for name in names]
    while all(len(parts) > common + 1 for parts in split) and len({parts[common] for parts in split}) == 1:
        common += 1
    groups = dict.fromkeys(".".join(parts[: common + 1]) for parts in split)
    return list(groups) if 1 < len(groups) <= 24 else []


def check_alone(modules: Sequence[Module], separate: Sequence[str]) -> None:
    """Raise ParametersError where the names are those of networks side by side, and none has been picked."""
    groups = list(separate)
    if not groups:
        groups = groups_of(modules)
        if not any(_is_second(group, modules) for group in groups):
            return
    if len(groups) < 2:
        return
    described = ", ".join(_described(group, modules) for group in groups)
    hint = _parts_hint(_parts(modules), modules)
    raise ParametersError(f"holds {len(groups)} groups of layers side by side: {described}", hint=hint)


def _is_second(group: str, modules: Sequence[Module]) -> bool:
    """Tell whether a group is by its name a network of its own, and not the last layer of one."""
    several = sum(is_linear(module) and lies_below(module.name, group) for module in modules) > 1
    return several and any(word in group.rpartition(".")[2].lower() for word in _SECOND)


def _parts(modules: Sequence[Module]) -> list[str]:
    """Return the prefixes at which the names part, further down where the layers below one are no chain."""
    found = []
    for group in groups_of(modules):
        below = [module for module in modules if lies_below(module.name, group)]
        found += ([] if _sizes(below) else _parts(below)) or [group]
    return found


def _sizes(modules: Sequence[Module]) -> list[int]:
    """Return how many values the layers of a chain read and answer; nothing for what is none."""
    linear = [module for module in modules if is_linear(module)]
    for way in ORIENTATIONS:
        if layers := linear and _fitted(linear, way):
            return [layers[0].inputs, *(layer.outputs for layer in layers)]
    return []


def _described(group: str, modules: Sequence[Module]) -> str:
    sizes = _sizes([module for module in modules if lies_below(module.name, group)])
    return f"{shown(group)} ({'-'.join(map(str, sizes))})" if sizes else shown(group)


def _parts_hint(groups: Sequence[str], modules: Sequence[Module]) -> str:
    """Return how one of the groups is picked, or two of which one fits behind the other."""
    sizes = {group: _sizes([module for module in modules if lies_below(module.name, group)]) for group in groups}
    chains = [group for group in groups if sizes[group]] or list(groups)
    if not chains:
        return ""
    fitting = (pair for pair in itertools.permutations(chains, 2) if sizes[pair[0]][-1:] == sizes[pair[1]][:1] != [])
    pair = next(fitting, None)
    several = f", or several in their order: part={pair}" if pair else ""
    return f"pick one: part={shown(chains[0])!r}{several}"
