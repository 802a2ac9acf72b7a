"""The ``.pkl`` format: the textbook's dict of arrays, read as data and never executed.

``pickle.load`` runs whatever program the file holds. The walk in ``pickle_machine`` runs nothing, and a file that
names anything beyond what NumPy arrays, dicts, lists, tuples, texts and numbers need is refused.
"""

from __future__ import annotations

import itertools
import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from glassnet.errors import OptionError, ParametersError, UnsafeFileError
from glassnet.formats import beginnings
from glassnet.formats.assembly import assemble
from glassnet.formats.contents import MOST_ARRAYS, Contents, Data, Global, file_data, shown
from glassnet.formats.description import describe
from glassnet.formats.names import names_parameter
from glassnet.formats.pickle_arrays import Parcel, array_of_lists
from glassnet.formats.pickle_machine import Walk, walk
from glassnet.formats.pickle_rules import Budget
from glassnet.formats.pytorch import sequence
from glassnet.formats.sklearn import reading as estimators
from glassnet.network import Network
from glassnet.network.steps import Array

# A list of numbers takes a byte of the file or more for each, but where one row stands in it many times.
_FREE_NUMBERS = 1 << 16
_MOST_DEEP = 6
# Names of lists with an entry for each layer.
_SERIES = ("weights", "biases", "coefs", "intercepts")


def read(path: Path) -> Contents:
    """Return the arrays of a pickled dict.

    Raises UnsafeFileError, naming the global and its byte, for a pickle that asks for anything but arrays.
    """
    return of_data(file_data(path))


def of_data(data: Data) -> Contents:
    """Return the arrays of a pickled dict, or the network that an estimator of scikit-learn is."""
    found = walk(data)
    if estimators.concerns(found.globals):
        found = estimators.walked(data)
        contents = estimators.contents_of(found.value, len(data))
        if contents is not None:
            return contents
    if sequence.concerns(found.globals):
        return sequence.of_plain_pickle(data)
    for wanted in found.globals:
        if not wanted.allowed:
            raise UnsafeFileError(
                f"byte {wanted.offset}: asks for '{shown(wanted.name)}', which no array needs; nothing was run",
                hint="pickle.load would run what this file says; get the parameters as .npz or .safetensors",
            )
    if found.problem is not None:
        if beginnings.pickle(data[:2]):
            raise found.problem
        raise type(found.problem)(f"not a pickle, or a damaged one: {found.problem.message}")
    return Contents(_arrays(found, Budget(_FREE_NUMBERS + len(data))))


def globals_of(path: Path) -> tuple[Global, ...]:
    """Return every global that the pickle names, as far as it can be walked."""
    return globals_in(file_data(path))


def globals_in(data: Data) -> tuple[Global, ...]:
    """Return every global that a pickle names; those of scikit-learn are allowed beside its estimators."""
    found = walk(data).globals
    return estimators.globals_of(data) if estimators.concerns(found) else found


def write(network: Network) -> bytes:
    """Return the textbook's dict of ``W1``, ``b1``, ``W2``, ``b2``, …, pickled.

    Raises OptionError where reading it back would not give the same network, since the dict has no place for more.
    """
    if misfit := _misfit(network):
        raise OptionError(
            f"a .pkl file holds the textbook's dict of W1, b1, … and nothing else: {misfit}",
            hint="save it as .safetensors or .npz, which keep everything",
        )
    return pickle.dumps({name: np.array(array) for name, array in describe(network).arrays.items()}, protocol=3)


def _misfit(network: Network) -> str:
    """Return what the dict has no place for."""
    before = network.inputs[0].name
    for step, sources in zip(network.steps, network.sources, strict=True):
        if step.KIND != "dense" or sources != (before,):
            return f"step '{step.name}' is not a dense layer that reads the value before it"
        before = step.name
    try:
        again = assemble(Contents(describe(network).arrays), "sigmoid", "softmax")
    except ParametersError as error:
        return f"reading it back, {error.message}"
    for layer, other in zip(network.layers, again.layers, strict=True):
        if layer.activation != other.activation:
            return f"layer '{layer.name}' has {layer.activation}, and would be read back with {other.activation}"
        if layer.name != other.name:
            return f"layer '{layer.name}' would be read back as '{other.name}'"
    for part in ("inputs", "outputs", "labels"):
        if getattr(network, part) != getattr(again, part):
            return f"its {part} are {getattr(network, part)}, and would be read back as {getattr(again, part)}"
    return ""


def _arrays(found: Walk, budget: Budget) -> dict[str, Array]:
    if not isinstance(found.value, dict) and not _holds_arrays(found.value):
        raise ParametersError(
            f"expected a dict of arrays (W1, b1, W2, b2, …), found {type(found.value).__name__}",
            hint="pickle.dump({'W1': …, 'b1': …, 'W2': …, 'b2': …}, file)",
        )
    return dict(itertools.islice(_named(found.value, "", budget, 0), MOST_ARRAYS + 1))


def _named(value: Any, name: str, budget: Budget, depth: int) -> Iterator[tuple[str, Array]]:
    """Give the arrays in dicts and lists, under the keys and places that lead to them."""
    if isinstance(value, Parcel) and value.array is not None and value.array.dtype.kind in "biuf":
        yield name, value.array.reshape(1) if value.array.ndim == 0 and names_parameter(name) else value.array
    elif type(value) in (int, float) and re.fullmatch("b|bias|intercept_?", name):  # that of a single neuron
        yield name, np.array([value], np.float64)
    elif (isinstance(value, dict) and depth < _MOST_DEEP) or _holds_arrays(value):
        budget.spend(len(value))
        for key, entry in value.items() if isinstance(value, dict) else enumerate(value):
            if not isinstance(key, str | int):
                raise ParametersError("expected a dict of arrays by name, found a key that is not a text")
            yield from _named(entry, f"{name}.{key}" if name else str(key), budget, depth + 1)
    elif isinstance(value, list) and (array := array_of_lists(value, budget)) is not None:
        yield name, array
    elif isinstance(value, list) and name.rstrip("_") in _SERIES and all(isinstance(entry, list) for entry in value):
        budget.spend(len(value))
        for place, entry in enumerate(value):
            yield from _named(entry, f"{name}.{place}", budget, depth + 1)
    elif not _is_remark(value, name):
        kind = "an array without numbers" if isinstance(value, Parcel) else type(value).__name__
        raise ParametersError(
            f"'{shown(name)}' is {kind}, expected a NumPy array or a list of equally long lists of numbers"
        )


def _holds_arrays(value: object) -> bool:
    """Tell whether a list has arrays in it, or lists and dicts of them."""
    if not isinstance(value, list | tuple):
        return False
    return any(
        isinstance(entry, Parcel)
        or (isinstance(entry, list | tuple) and any(isinstance(one, Parcel) for one in entry))
        or (isinstance(entry, dict) and any(isinstance(one, Parcel) for one in entry.values()))
        for entry in value
    )


def _is_remark(value: object, name: str) -> bool:
    """Tell whether a single value beside the arrays is no parameter: a learning rate, the name of an activation."""
    return isinstance(value, str | int | float | None) and not names_parameter(name)
