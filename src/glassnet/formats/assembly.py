"""From named arrays to a network: the one place where every format's parameters are checked.

Where a file does not describe its network, the names of the arrays tell it, as in the textbook: ``W1`` and ``b1``
are layer 1, ``W2`` and ``b2`` layer 2, and so on, in any order. Weights have shape (inputs, outputs).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping

import numpy as np

from glassnet.activations import Activation
from glassnet.errors import ParametersError
from glassnet.formats.contents import Contents, shown
from glassnet.formats.description import described
from glassnet.network import Dense, Input, Network
from glassnet.network.steps import Array, frozen_parameters

_NAME = re.compile(r"([Wb])([1-9][0-9]{0,4})", re.IGNORECASE | re.ASCII)
# The textbook's MNIST loader keeps the first four, Keras' the other.
_DATA_SETS = ({"train_img", "train_label", "test_img", "test_label"}, {"x_train", "y_train", "x_test", "y_test"})


def assemble(contents: Contents, hidden: str | Activation, output: str | Activation) -> Network:
    """Return the network that ``contents`` hold.

    hidden, output: the activations of a file that does not say.
    Raises ParametersError, naming the array, for one that is missing, left over, of the wrong shape or not finite.
    """
    if any(names <= set(contents.arrays) for names in _DATA_SETS):
        raise ParametersError(
            "these are the pictures and labels of MNIST, not the parameters of a network",
            hint="the textbook keeps its learned parameters in sample_weight.pkl; glassnet.datasets reads MNIST",
        )
    if contents.network is not None:
        return contents.network
    arrays = _usable(contents.arrays)
    if contents.description is not None:
        return described(contents.description, arrays)
    return _chain(arrays, hidden, output)


def _usable(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return the arrays as a network takes them, each object once, so that a name more costs no memory."""
    usable: dict[int, Array] = {}
    for name, array in arrays.items():
        if id(array) in usable:
            continue
        # NaN and infinity show in the extremes, and those need no second array.
        if array.dtype.kind == "f" and not (np.isfinite(array.min()) and np.isfinite(array.max())):
            wrong = ~np.isfinite(array)
            place = tuple(int(index) for index in np.unravel_index(wrong.argmax(), array.shape))
            raise ParametersError(
                f"array '{shown(name)}' holds {np.count_nonzero(wrong):,} value(s) that are not finite, the first "
                f"{array[place]} at {place}"
            )
        usable[id(array)] = frozen_parameters(array, name)
    return {name: usable[id(array)] for name, array in arrays.items()}


def _chain(arrays: Mapping[str, Array], hidden: str | Activation, output: str | Activation) -> Network:
    """Return the textbook's network: layers one after the other."""
    layers = _by_layer(arrays)
    hint = _hint(layers)
    outputs = 0
    steps = []
    for number, (weights, bias) in enumerate(layers, start=1):
        if weights.ndim != 2 or (number > 1 and weights.shape[0] != outputs):
            reason = f" because layer {number - 1} has {outputs} outputs" if number > 1 else ": (inputs, outputs)"
            expected = f"({outputs if number > 1 else '*'}, *)"
            raise ParametersError(
                f"array 'W{number}' has shape {weights.shape}, expected {expected}{reason}", hint=hint
            )
        outputs = weights.shape[1]
        if bias.shape not in ((outputs,), (1, outputs)):
            raise ParametersError(
                f"array 'b{number}' has shape {bias.shape}, expected ({outputs},) because 'W{number}' has shape "
                f"{weights.shape}",
                hint=hint,
            )
        steps.append(Dense(weights, bias.reshape(outputs), output if number == len(layers) else hidden))
    if (steps[0].inputs, steps[-1].outputs) == (784, 10):  # the book's network: pixels in, a digit out
        return Network(steps, inputs=Input((784,), scale=1 / 255), labels=range(10))
    return Network(steps)


def _by_layer(arrays: Mapping[str, Array]) -> list[tuple[Array, Array]]:
    """Return weights and bias of layer 1, 2, …; every array must have its place."""
    found: dict[str, str] = {}
    if arrays and not any(_NAME.fullmatch(name) for name in arrays):
        names = ", ".join(f"'{shown(name)}'" for name in itertools.islice(arrays, 4))
        raise ParametersError(
            f"none of its arrays has a name such as W1, b1, W2, b2, …: found {names}{', …' if len(arrays) > 4 else ''}",
            hint="rename them: numpy.savez('net.npz', W1=…, b1=…, W2=…, b2=…), weights of shape (inputs, outputs); "
            "those of PyTorch are the other way round: W.T",
        )
    for name in arrays:
        match = _NAME.fullmatch(name)
        if match is None:
            raise ParametersError(f"array '{shown(name)}' is left over: expected only names such as W1, b1, W2, b2, …")
        place = f"{'W' if match[1] in 'Ww' else 'b'}{match[2]}"
        if place in found:
            raise ParametersError(f"arrays '{found[place]}' and '{name}' are both {place}")
        found[place] = name
    count = max((int(place[1:]) for place in found), default=1)
    for place in (f"{letter}{number}" for number in range(1, count + 1) for letter in "Wb"):
        if place not in found:
            there = ", ".join(f"'{name}'" for name in sorted(found.values())) or "no array at all"
            raise ParametersError(f"array '{place}' is missing: found {shown(there)}")
    return [(arrays[found[f"W{number}"]], arrays[found[f"b{number}"]]) for number in range(1, count + 1)]


def _hint(layers: list[tuple[Array, Array]]) -> str:
    """Return what may have happened to a chain that does not fit: stored the other way round, as PyTorch does."""
    fits = all(weights.ndim == 2 and bias.size == weights.shape[0] for weights, bias in layers) and all(
        before.shape[0] == after.shape[1] for (before, _), (after, _) in itertools.pairwise(layers)
    )
    return "the weights fit when each is transposed: save W.T, of shape (inputs, outputs)" if fits else ""
