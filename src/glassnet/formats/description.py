"""A network as plain data: JSON for its structure, named arrays for its numbers, and the way back, bit for bit.

Dense layers call their arrays ``W1``, ``b1``, ``W2``, …, as the textbook does, so that its code reads our files; the
arrays of other steps are called ``<step name>.<field>``. The description says which array is which, one object
a step, one entry a field of the step's dataclass, so a new kind of step needs nothing here:

    {"version": 1,
     "inputs": [{"shape": [784], "name": "x", "scale": 0.00392156862745098, "shift": 0.0}],
     "steps": [{"kind": "dense", "name": "dense1", "sources": [],
                "weights": "W1", "bias": "b1", "activation": {"name": "relu"}}, …],
     "outputs": ["dense3"],
     "labels": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]}
"""

from __future__ import annotations

import dataclasses
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints
from urllib.parse import quote

from glassnet.activations import Activation, activation
from glassnet.errors import GlassnetError, ParametersError
from glassnet.formats.contents import MOST_AXES, Contents, shown
from glassnet.network import STEPS, Dense, Input, Label, Network
from glassnet.network.steps import Array, Shape

# The key under which a file keeps the description.
KEY = "glassnet"
VERSION = 1
# All values of one row together, 64 MB in float32: no network that anyone runs has more, and a chain of steps that
# each double a row soon has.
_MOST_VALUES = 1 << 24
_CHAPTER = {"weights": "W", "bias": "b"}


def describe(network: Network) -> Contents:
    """Return the arrays of ``network`` and its description."""
    arrays: dict[str, Array] = {}
    steps = []
    layer = 0
    for step in network.steps:
        layer += isinstance(step, Dense)
        names = {
            field: f"{_CHAPTER[field]}{layer}" if isinstance(step, Dense) else f"{quote(step.name, safe='')}.{field}"
            for field in step.arrays
        }
        arrays |= {names[field]: array for field, array in step.arrays.items()}
        steps.append({"kind": step.KIND, **_written(step, names)})
    description = {
        "version": VERSION,
        "inputs": [_written(given, {}) for given in network.inputs],
        "steps": steps,
        "outputs": list(network.outputs),
        "labels": None if network.labels is None else [_label_written(label) for label in network.labels],
    }
    return Contents(arrays, description)


def described(description: Mapping[str, Any], arrays: Mapping[str, Array]) -> Network:
    """Return the network that ``describe`` wrote down.

    Raises ParametersError for a description that is not one, and for arrays that are missing or left over.
    """
    if _member(description, "version", int) != VERSION:
        raise ParametersError(
            f"its network is described in version {shown(description['version'])}, expected {VERSION}",
            hint="a newer glassnet wrote it; update this one",
        )
    used: set[str] = set()
    try:
        network = Network(
            [_step(entry, arrays, used) for entry in _member(description, "steps", list)],
            inputs=[Input(**_read(Input, entry, arrays, used)) for entry in _member(description, "inputs", list)],
            outputs=[_text(name) for name in _member(description, "outputs", list)],
            labels=_labels(description),
        )
    except ParametersError:
        raise
    except (GlassnetError, ValueError, OverflowError) as error:
        reason = error.message if isinstance(error, GlassnetError) else str(error)
        raise ParametersError(f"the network it describes is none: {shown(reason, 300)}") from error
    for name, shape in network.shapes.items():
        if not all(size > 0 for size in shape) or len(shape) > MOST_AXES:
            raise ParametersError(f"the network it describes has rows that cannot be: '{shown(name)}'")
    if sum(math.prod(shape) for shape in network.shapes.values()) > _MOST_VALUES:
        raise ParametersError(f"the network it describes makes more than {_MOST_VALUES:,} values of one row")
    if left := [name for name in arrays if name not in used]:
        raise ParametersError(f"array '{shown(left[0])}' is left over: no step of the network has it")
    return network


def _step(entry: object, arrays: Mapping[str, Array], used: set[str]) -> Any:
    kind = _member(entry, "kind", str)
    if kind not in STEPS:
        raise ParametersError(f"a step of unknown kind '{shown(kind)}', expected one of {', '.join(STEPS)}")
    return STEPS[kind](**_read(STEPS[kind], entry, arrays, used))


def _labels(description: Mapping[str, Any]) -> list[Label] | None:
    if description.get("labels") is None:
        return None
    return [_label(label) for label in _member(description, "labels", list)]


# --- one field ----------------------------------------------------------------------------------------------


def _written(thing: Any, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        field: names[field] if field in names else _FIELDS[hint][0](getattr(thing, field))
        for field, hint in HINTS[type(thing)].items()
    }


def _read(kind: type, entry: object, arrays: Mapping[str, Array], used: set[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for field, hint in HINTS[kind].items():
        given = _member(entry, field, object)
        if hint != Array:
            values[field] = _FIELDS[hint][1](given)
            continue
        name = _text(given)
        if name not in arrays:
            raise ParametersError(f"array '{shown(name)}' is missing: a step of the network needs it")
        used.add(name)
        values[field] = arrays[name]
    return values


def _member(entry: object, key: str, kind: type) -> Any:
    if not isinstance(entry, Mapping) or key not in entry or not isinstance(entry[key], kind):
        raise ParametersError(f"the description of its network has no usable '{key}'")
    return entry[key]


def _text(given: object) -> str:
    if not isinstance(given, str):
        raise ParametersError(f"the description of its network has {type(given).__name__} where a text belongs")
    return given


def _integer(given: object) -> int:
    if type(given) is not int:
        raise ParametersError(f"the description of its network has {type(given).__name__} where an integer belongs")
    return given


def _label(given: object) -> Label:
    return given if isinstance(given, str) else _integer(given)


def _label_written(label: Label) -> Label:
    return label if isinstance(label, str) else operator.index(label)


def _number(given: object) -> float:
    """Return a number; JSON has no infinity, so that one is written as text."""
    if type(given) not in (int, float) and given not in ("inf", "-inf"):
        raise ParametersError(f"the description of its network has {type(given).__name__} where a number belongs")
    return float(given)  # type: ignore[arg-type]


def _number_written(value: float) -> float | str:
    return float(value) if math.isfinite(value) else str(float(value))


def _activation(given: object) -> Activation:
    name = _member(given, "name", str)
    assert isinstance(given, Mapping)
    return activation(name, **{key: _number(value) for key, value in given.items() if key != "name"})


def _tuple_of(item: Callable[[object], Any]) -> Callable[[object], tuple[Any, ...]]:
    def read(given: object) -> tuple[Any, ...]:
        if not isinstance(given, list):
            raise ParametersError(f"the description of its network has {type(given).__name__} where a list belongs")
        return tuple(item(value) for value in given)

    return read


# What is written → its fields → their types. Made once: looking hints up compiles them, and reading runs no code.
_KINDS: tuple[type[Any], ...] = (Input, *STEPS.values())
HINTS: Mapping[type, Mapping[str, Any]] = {
    kind: {field.name: hints[field.name] for field in dataclasses.fields(kind)}
    for kind, hints in zip(_KINDS, map(get_type_hints, _KINDS), strict=True)
}

# The type of a field → how it is written in JSON, how it is read again. Arrays are kept apart.
_FIELDS: Mapping[Any, tuple[Callable[[Any], Any], Callable[[object], Any]]] = {
    str: (str, _text),
    int: (operator.index, _integer),
    float: (_number_written, _number),
    Shape: (list, _tuple_of(_integer)),
    tuple[str, ...]: (list, _tuple_of(_text)),
    Activation: (lambda chosen: {"name": chosen.name, **chosen.parameters}, _activation),
}
