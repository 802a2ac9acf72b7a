"""From named arrays to a network: the one place where every format's parameters are checked.

Where a file does not describe its network, the names of the arrays tell it. As in the textbook: ``W1`` and ``b1`` are
layer 1, ``W2`` and ``b2`` layer 2, and so on, in any order, with the textbook's activations unless others are given.
Other names are read by ``names`` and ``layers``; their activations are in no file, so they are asked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from glassnet.activations import Activation
from glassnet.errors import OptionError, ParametersError
from glassnet.formats.contents import Contents, shown
from glassnet.formats.description import described
from glassnet.formats.layers import (
    INPUTS_FIRST,
    ORIENTATIONS,
    OUTPUTS_FIRST,
    both_ways,
    chain,
    check_alone,
    check_kinds,
    convolution,
    is_linear,
    listed,
    paired,
    select,
)
from glassnet.formats.mapped import aligned, blocks, give_back, turned
from glassnet.formats.names import Module, modules_of
from glassnet.formats.stacking import is_prelu, stacked
from glassnet.network import Dense, Input, Network, Step
from glassnet.network.steps import Array, frozen_parameters

_NAME = re.compile(r"([Wb])([1-9][0-9]{0,4})", re.IGNORECASE | re.ASCII)
# The textbook's MNIST loader keeps the first four, Keras' the other.
_DATA_SETS = ({"train_img", "train_label", "test_img", "test_label"}, {"x_train", "y_train", "x_test", "y_test"})
# The textbook's activations, for files with the textbook's names.
_CHAPTER = ("sigmoid", "softmax")


@dataclass(frozen=True)
class Choices:
    """What a caller says of a file that does not say it; empty or None where nothing was said.

    hidden, output: activations. part: the beginnings of the names to take, in order. orientation: of all weights.
    """

    hidden: str | Activation | None = None
    output: str | Activation | None = None
    part: tuple[str, ...] = ()
    orientation: str = ""

    def __post_init__(self) -> None:
        if self.orientation not in ("", *ORIENTATIONS):
            raise OptionError(
                f"orientation={shown(self.orientation)!r}, expected one of {', '.join(map(repr, ORIENTATIONS))}"
            )

    def given(self) -> list[str]:
        """Return the names of the options that were given."""
        return [
            name for name in ("hidden", "output", "part", "orientation") if getattr(self, name) not in (None, "", ())
        ]


@dataclass(frozen=True)
class Assembled:
    """A network, and in words what was folded, left aside or taken for granted on the way to it."""

    network: Network
    notes: tuple[str, ...] = ()


def assemble(
    contents: Contents, hidden: str | Activation | None = None, output: str | Activation | None = None
) -> Network:
    """Return the network that ``contents`` hold; see ``assembled``. The activations are for those that do not say."""
    says = contents.network is not None or contents.description is not None
    return assembled(contents, Choices() if says else Choices(hidden, output)).network


def assembled(contents: Contents, choices: Choices) -> Assembled:
    """Return the network that ``contents`` hold, with what was assumed.

    Raises ParametersError, naming the array, for one that is missing, left over, of the wrong shape or not finite,
    and where the file says too little and ``choices`` do not say it; OptionError for a choice that the file leaves
    no room for.
    """
    if any(names <= set(contents.arrays) for names in _DATA_SETS):
        raise ParametersError(
            "these are the pictures and labels of MNIST, not the parameters of a network",
            hint="the textbook keeps its learned parameters in sample_weight.pkl; glassnet.datasets reads MNIST",
        )
    if (contents.network is not None or contents.description is not None) and (given := choices.given()):
        raise OptionError(
            f"{given[0]}= cannot be used: the file says itself which network it holds", hint=f"leave out {given[0]}="
        )
    if contents.network is not None:
        return Assembled(contents.network, contents.notes)
    arrays = _usable(contents.arrays)
    if contents.description is not None:
        if contents.outputs_first:
            arrays = _turned(contents.description, arrays)
        arrays = {name: aligned(array) for name, array in arrays.items()}
        return Assembled(described(contents.description, arrays), contents.notes)
    if not arrays or any(_NAME.fullmatch(name) for name in arrays):
        network, notes = _chapter(arrays, choices)
    else:
        network, notes = _named(arrays, contents, choices)
    return Assembled(network, (*contents.notes, *notes))


def _usable(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return the arrays as a network takes them, each object once, so that a name more costs no memory.

    They may still lie at any byte of a file: who knows whether they are turned copies them, once.
    """
    usable: dict[int, Array] = {}
    for name, array in arrays.items():
        if id(array) in usable:
            continue
        if array.dtype.kind == "f" and not _is_finite(array):
            wrong = ~np.isfinite(array)
            place = tuple(int(index) for index in np.unravel_index(wrong.argmax(), array.shape))
            raise ParametersError(
                f"array '{shown(name)}' holds {np.count_nonzero(wrong):,} value(s) that are not finite, the first "
                f"{array[place]} at {place}"
            )
        usable[id(array)] = array if _is_ready(array) else frozen_parameters(array, name)
    return {name: usable[id(array)] for name, array in arrays.items()}


def _is_ready(array: Array) -> bool:
    return array.dtype in (np.float32, np.float64) and array.flags.c_contiguous and not array.flags.writeable


def _is_finite(array: Array) -> bool:
    """Tell whether NaN and infinity are absent: they show in the extremes, and those need no second array."""
    for block in blocks(array):
        if not (np.isfinite(block.min()) and np.isfinite(block.max())):
            return False
        give_back(block)
    return True


def _turned(description: Mapping[str, Any], arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return the arrays with the weights of dense steps transposed, for a format that has them the other way round."""
    steps = description.get("steps")
    listed = steps if isinstance(steps, list) else []
    dense = {str(step.get("weights")) for step in listed if isinstance(step, dict) and step.get("kind") == Dense.KIND}
    return {name: turned(array) if name in dense and array.ndim == 2 else array for name, array in arrays.items()}


# --- any names ----------------------------------------------------------------------------------------------


def _named(arrays: Mapping[str, Array], contents: Contents, choices: Choices) -> tuple[Network, list[str]]:
    """Return the network of arrays that are named by any tool's habits."""
    modules, aside = modules_of(arrays)
    modules = paired(modules)
    if choices.part:
        modules = select(modules, choices.part)
    else:
        check_alone(modules, contents.separate)
    check_kinds(modules)
    orientation = choices.orientation or _known_orientation(modules, contents)
    layers = chain(modules, orientation, in_file_order=len(choices.part) > 1)
    if choices.hidden is None and choices.output is None and not any(map(is_prelu, modules)):
        raise ParametersError(
            f"the file does not say its activations: found {len(layers)} layer(s), {listed(layers)}",
            hint="say them: activation='relu' for all but the last layer, output='softmax' or 'sigmoid' for the last "
            f"(left out, it has none){contents.hint and '; '}{contents.hint}",
        )
    steps, notes = stacked(modules, layers, choices.hidden, choices.output)
    names = ", ".join(shown(layer.module.name) for layer in layers)
    notes.insert(0, f"layers one behind the other, in this order: {names}")
    if any(layer.bias is not None and layer.module.get("bias") is None for layer in layers):
        notes.append("each layer's first column was taken for its bias, since only so do the layers fit")
    if aside and not choices.part:
        notes.append(f"left aside, since no answer needs it: {', '.join(map(shown, aside[:8]))}")
    return _network(steps, layers[0].inputs, layers[-1].outputs, notes), notes


def _known_orientation(modules: list[Module], contents: Contents) -> str:
    if contents.outputs_first and all("weight" in module.words for module in modules if is_linear(module)):
        return OUTPUTS_FIRST
    return INPUTS_FIRST if all(module.inputs_first for module in modules) else ""


def _network(steps: list[Step], inputs: int, outputs: int, notes: list[str]) -> Network:
    if (inputs, outputs) == (784, 10):  # the book's network: pixels in, a digit out
        notes.append("784 inputs and 10 outputs are taken for pixels and digits: integers are divided by 255")
        return Network(steps, inputs=Input((784,), scale=1 / 255), labels=range(10))
    return Network(steps, inputs=Input((inputs,)))


# --- the textbook's names -----------------------------------------------------------------------------------


def _chapter(arrays: Mapping[str, Array], choices: Choices) -> tuple[Network, list[str]]:
    """Return the textbook's network: layers one after the other."""
    if choices.part:
        raise OptionError("part= cannot be used: the file's arrays are W1, b1, W2, b2, … and have no parts")
    hidden = _CHAPTER[0] if choices.hidden is None else choices.hidden
    output = _CHAPTER[1] if choices.output is None else choices.output
    layers = _by_layer(arrays)
    notes = []
    if (choices.orientation or _chapter_orientation(layers)) == OUTPUTS_FIRST:
        layers = [(weights.T, bias) for weights, bias in layers]
        notes.append("the weights have shape (outputs, inputs), and were transposed")
    if choices.hidden is None and choices.output is None:
        notes.append("activations: sigmoid in hidden layers, softmax in the last")
    outputs = 0
    steps: list[Step] = []
    for number, (weights, bias) in enumerate(layers, start=1):
        if weights.ndim > 2:
            raise convolution(f"W{number}", weights)
        if weights.ndim != 2 or (number > 1 and weights.shape[0] != outputs):
            reason = f" because layer {number - 1} has {outputs} outputs" if number > 1 else ": (inputs, outputs)"
            expected = f"({outputs if number > 1 else '*'}, *)"
            raise ParametersError(f"array 'W{number}' has shape {weights.shape}, expected {expected}{reason}")
        outputs = weights.shape[1]
        if bias is not None and bias.shape not in ((outputs,), (1, outputs), (outputs, 1)):
            raise ParametersError(
                f"array 'b{number}' has shape {bias.shape}, expected ({outputs},) because 'W{number}' has shape "
                f"{weights.shape}",
            )
        flat = None if bias is None else bias.reshape(outputs)
        steps.append(Dense(aligned(weights), flat, output if number == len(layers) else hidden))
    return _network(steps, layers[0][0].shape[0], outputs, notes), notes


def _by_layer(arrays: Mapping[str, Array]) -> list[tuple[Array, Array | None]]:
    """Return weights and bias of layer 1, 2, …; every array must have its place."""
    found: dict[str, str] = {}
    for name in arrays:
        match = _NAME.fullmatch(name)
        if match is None:
            raise ParametersError(f"array '{shown(name)}' is left over: expected only names such as W1, b1, W2, b2, …")
        place = f"{'W' if match[1] in 'Ww' else 'b'}{match[2]}"
        if place in found:
            raise ParametersError(f"arrays '{found[place]}' and '{name}' are both {place}")
        found[place] = name
    count = max((int(place[1:]) for place in found), default=1)
    letters = "Wb" if any(place[0] == "b" for place in found) or not found else "W"
    for place in (f"{letter}{number}" for number in range(1, count + 1) for letter in letters):
        if place not in found:
            there = ", ".join(f"'{name}'" for name in sorted(found.values())) or "no array at all"
            raise ParametersError(f"array '{place}' is missing: found {shown(there)}")
    return [
        (arrays[found[f"W{number}"]], arrays[found[f"b{number}"]] if letters == "Wb" else None)
        for number in range(1, count + 1)
    ]


def _chapter_orientation(layers: list[tuple[Array, Array | None]]) -> str:
    """Return the way round in which the layers fit one another, as the textbook has it where they fit in none.

    Where they fit in both, as square weights do, and it makes a difference, only a bias that is a row or a column says
    more: x·W + b has a row, W·x + b a column. Raises ParametersError where none is.
    """
    if not _fits(layers, 1, 0) or all(np.array_equal(weights, weights.T) for weights, _ in layers):
        return INPUTS_FIRST
    if not _fits(layers, 0, 1):
        return OUTPUTS_FIRST
    shapes = {bias.shape for _, bias in layers if bias is not None and bias.ndim == 2 and bias.size > 1}
    rows = {shape[0] == 1 for shape in shapes}
    if len(rows) == 1:
        return INPUTS_FIRST if rows.pop() else OUTPUTS_FIRST
    sizes = ", ".join(f"W{number} {weights.shape}" for number, (weights, _) in enumerate(layers[:12], start=1))
    raise both_ways(sizes)


def _fits(layers: list[tuple[Array, Array | None]], inputs: int, outputs: int) -> bool:
    """Tell whether layers fit whose weights have these axes for inputs and outputs."""
    if any(weights.ndim != 2 for weights, _ in layers):
        return False
    sizes = [weights.shape[inputs] for weights, _ in layers[1:]]
    behind = [weights.shape[outputs] for weights, _ in layers]
    return behind[:-1] == sizes and all(
        bias is None or bias.size == size for (_, bias), size in zip(layers, behind, strict=True)
    )
