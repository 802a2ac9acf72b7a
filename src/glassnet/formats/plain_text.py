"""Numbers written out: JSON and CSV, for small networks that people write or copy by hand.

A JSON object is a dict of arrays, ``{"W1": [[…], …], "b1": […], …}``, or a list of layers, ``{"layers": [{"weights":
[[…], …], "bias": […], "activation": "relu"}, …]}``. A folder holds one array a file: ``W1.npy``, ``b1.npy``, or
``W1.csv``, ``b1.csv``. The weights of a JSON list say by their shapes which way round they are.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from glassnet.activations import ACTIVATIONS, Activation, activation
from glassnet.errors import FileFormatError, OptionError, ParametersError, UnsafeFileError
from glassnet.formats.contents import MOST_ARRAYS, Contents, file_data, file_size, parsed_json, shown
from glassnet.formats.cursor import Bytes
from glassnet.formats.keras.activations import DIRECT
from glassnet.formats.keras.config import is_config
from glassnet.formats.names import names_parameter
from glassnet.formats.npz import read_array
from glassnet.formats.pickle_arrays import array_of_lists
from glassnet.formats.pickle_rules import Budget
from glassnet.network import Dense, Network
from glassnet.network.steps import Array

# Numbers written out take some 20 bytes each: 800,000 parameters.
LONGEST_TEXT_BYTES = 1 << 24
# A list takes some 100 bytes where two characters of the file stand for it.
_MOST_LISTS = 500_000
_CSV = re.compile(r"[0-9eE+\-.,; \t\r\n]*+", re.ASCII)


# --- JSON ---------------------------------------------------------------------------------------------------


def read_json(path: Path) -> Contents:
    """Return the arrays, or the layers, of a JSON object."""
    if (size := file_size(path)) > LONGEST_TEXT_BYTES:
        raise FileFormatError(
            f"a JSON text of {size:,} bytes, expected at most {LONGEST_TEXT_BYTES:,}", hint="save it as .npz"
        )
    data = bytes(file_data(path)).removeprefix(b"\xef\xbb\xbf")
    if data.count(b"[") + data.count(b"{") > _MOST_LISTS:
        raise UnsafeFileError(f"a JSON text of more than {_MOST_LISTS:,} lists")
    value = parsed_json(memoryview(data), "a text", longest=LONGEST_TEXT_BYTES)
    if is_config(value):
        raise ParametersError(
            "this is the model.json of a Keras model, which has no weights in it",
            hint="say where they are: load('model.json', weights='model.weights.h5')",
        )
    if not isinstance(value, dict):
        raise ParametersError("its JSON is no object of arrays by name")
    budget = Budget(len(data))
    if "layers" in value and isinstance(value["layers"], list):
        return _listed(value["layers"], budget)
    return Contents({name: array for key, entry in value.items() for name, array in _named(key, entry, budget)})


def write_json(network: Network) -> NoReturn:
    """Raise OptionError: JSON is read, not written."""
    raise OptionError("JSON files are read, not written", hint="save it as .npz or .safetensors")


def _named(name: str, value: object, budget: Budget) -> Iterator[tuple[str, Array]]:
    """Give the arrays that a key holds: one, or one a layer; what is a single number or a text is none."""
    if isinstance(value, str | int | float | None) and not names_parameter(name):
        return
    array = array_of_lists(value, budget) if isinstance(value, list) else None
    if array is not None:
        yield name, array
    elif isinstance(value, list) and value and all(isinstance(entry, list) for entry in value):
        yield from ((f"{name}.{place}", _array(f"{name}.{place}", entry, budget)) for place, entry in enumerate(value))
    else:
        _array(name, value, budget)


def _array(name: str, value: object, budget: Budget) -> Array:
    array = array_of_lists(value, budget) if isinstance(value, list) else None
    if array is None:
        raise ParametersError(f"'{shown(name)}' is {type(value).__name__}, expected equally long lists of numbers")
    return array


def _listed(layers: list[object], budget: Budget) -> Contents:
    """Return the network of a list of layers, each with weights and, as a rule, a bias and an activation."""
    arrays: dict[str, Array] = {}
    found: list[tuple[Array, Array | None, Activation]] = []
    for number, entry in enumerate(layers, start=1):
        match entry:
            case {"weights": list(weights), **others} if set(others) <= {"bias", "activation", "name", "type"}:
                pass
            case _:
                raise ParametersError(f"layer {number} is not an object of weights, bias and activation")
        arrays[f"W{number}"] = matrix = _array(f"weights of layer {number}", weights, budget)
        bias = None
        if others.get("bias") is not None:
            arrays[f"b{number}"] = bias = _array(f"bias of layer {number}", others["bias"], budget).reshape(-1)
        if matrix.ndim != 2:
            raise ParametersError(f"the weights of layer {number} have shape {matrix.shape}, expected rows of numbers")
        found.append((matrix, bias, _activation(number, others.get("activation"))))
    ways = [transposed for transposed in (False, True) if _fits(found, transposed)]
    if len(ways) != 1:
        shapes = ", ".join(str(matrix.shape) for matrix, _, _ in found[:8])
        what = "fit one another in neither order" if not ways else "fit one another in both orders"
        raise ParametersError(
            f"its weights {what} of axes: {shapes}",
            hint="" if not ways else "add the biases, or save it as .npz with W1 of shape (inputs, outputs)",
        )
    steps = [Dense(matrix.T if ways[0] else matrix, bias, given) for matrix, bias, given in found]
    note = "the weights have shape (outputs, inputs), and were transposed"
    return Contents(arrays, network=Network(steps), notes=(note,) if ways[0] else ())


def _fits(layers: list[tuple[Array, Array | None, Activation]], transposed: bool) -> bool:
    outputs = 0
    for number, (matrix, bias, _) in enumerate(layers):
        inputs, after = matrix.shape[::-1] if transposed else matrix.shape
        if (number and inputs != outputs) or (bias is not None and bias.size != after):
            return False
        outputs = after
    return bool(layers)


def _activation(number: int, given: object) -> Activation:
    if given is None:
        return activation("identity")
    if isinstance(given, str) and given.lower() in ACTIVATIONS:
        return ACTIVATIONS[given.lower()]
    if isinstance(given, str) and given.lower() in DIRECT:
        return DIRECT[given.lower()]
    raise ParametersError(f"layer {number} has the activation {shown(json.dumps(given))}, which is not known")


# --- folders ------------------------------------------------------------------------------------------------


def read_folder(path: Path) -> Contents:
    """Return the arrays of the ``.npy`` and ``.csv`` files that lie in a folder, each by its name."""
    arrays: dict[str, Array] = {}
    aside = []
    for place in sorted(path.iterdir()):
        reader = _READERS.get(place.suffix.lower())
        if reader is None or place.name.startswith("."):
            aside.append(place.name)
            continue
        if place.is_symlink():
            raise UnsafeFileError(f"{shown(place.name)} is a link, which leads elsewhere")
        if place.stem in arrays:
            raise FileFormatError(f"two files are called '{shown(place.stem)}'")
        if len(arrays) == MOST_ARRAYS:
            raise FileFormatError(f"holds more than {MOST_ARRAYS:,} arrays")
        try:
            arrays[place.stem] = reader(place)
        except FileFormatError as error:
            raise type(error)(f"{shown(place.name)}: {error.message}", hint=error.hint) from None
    if not arrays:
        raise FileFormatError(
            "a folder without .npy or .csv files",
            hint="give a file, or a folder with one array a file: W1.npy, b1.npy, …",
        )
    notes = (f"left aside: {', '.join(map(shown, aside[:8]))}",) if aside else ()
    return Contents(arrays, notes=notes)


def write_folder(network: Network) -> NoReturn:
    """Raise OptionError: folders are read, not written."""
    raise OptionError("folders of arrays are read, not written", hint="save it as .npz")


def _npy(path: Path) -> Array:
    size = file_size(path)
    with path.open("rb") as file:
        return read_array(io.BytesIO(file.read(size)), size, path.stem)


def _csv(path: Path) -> Array:
    """Return the rows of a text of numbers, between commas, semicolons or blanks."""
    if (size := file_size(path)) > LONGEST_TEXT_BYTES:
        raise FileFormatError(f"a text of {size:,} bytes, expected at most {LONGEST_TEXT_BYTES:,}")
    data = bytes(file_data(path)).removeprefix(b"\xef\xbb\xbf")
    source = Bytes(memoryview(data))
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError:
        text = "?"
    if not _CSV.fullmatch(text):
        raise FileFormatError(
            "not a table of numbers alone", hint="leave out headings; numbers are written 1.5 or 1e-3"
        )
    rows = [re.split(r"[,; \t]+", line.strip(" \t,;")) for line in text.splitlines() if line.strip(" \t,;")]
    source.step(len(rows))
    if not rows or any(len(row) != len(rows[0]) for row in rows):
        raise FileFormatError(f"its {len(rows):,} rows are not equally long")
    try:
        array = np.array([[float(number) for number in row] for row in rows])
    except ValueError as error:
        raise FileFormatError(f"not a table of numbers: {shown(error)}") from None
    if 1 in array.shape and (path.stem[:1] in "bB" or array.shape == (1, 1)):
        return array.reshape(-1)
    return array


_READERS: Mapping[str, Any] = {".npy": _npy, ".csv": _csv, ".txt": _csv}
