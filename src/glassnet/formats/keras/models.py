"""From a model's JSON to steps: chains, graphs of calls, models within models.

A graph names layers and how often each was called; a value is known by the layer, the number of its call, and the
number of its result. What no output needs is left out. Both the depth of models in models and the number of steps
are bounded, because a few lines of JSON could ask for a graph without end.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from glassnet.errors import FileFormatError, GlassnetError, ParametersError, UnsafeFileError
from glassnet.formats.contents import MOST_ARRAYS, shown
from glassnet.formats.keras.config import Layer, Version
from glassnet.formats.keras.weights import Shelf, taken
from glassnet.network import Activate, Constant, Input, Network, ScaleShift, Step
from glassnet.network.steps import Array, Shape, frozen_parameters

_MOST_STEPS = 4_000
_MOST_NESTED = 16
# All values of one row together, as in networks that describe themselves.
_MOST_VALUES = 1 << 24

# (layer, its call, the number of the result), or a number that stands in a call.
Value: TypeAlias = tuple[str, int, int]


@dataclass
class Call:
    """One call of a layer: what it reads, the arrays it has, and where its steps go."""

    layer: Layer
    build: Builder
    sources: tuple[str, ...]
    shelf: Shelf

    @property
    def source(self) -> str:
        """The only value it reads."""
        if len(self.sources) != 1:
            raise self.layer.wrong(f"reads {len(self.sources)} values, expected one")
        return self.sources[0]

    @property
    def shape(self) -> Shape:
        """The row shape of the first value it reads."""
        return self.build.shapes[self.sources[0]]

    def arrays(self, *wanted: str) -> list[Array]:
        """Return the arrays of the layer that are called so."""
        return self.build.arrays_of(self.layer, self.shelf, wanted)


@dataclass
class Builder:
    """The steps of a network as they come, with their shapes, and in words what was folded or left out."""

    version: Version
    table: Mapping[str, Callable[[Call], str]]
    steps: list[Step] = field(default_factory=list)
    shapes: dict[str, Shape] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    named: dict[str, Array] = field(default_factory=dict)
    prefix: str = ""
    depth: int = 0
    layer: Layer = field(default_factory=lambda: Layer("", "input", {}))
    values: int = 0
    known: dict[int, tuple[Shelf, list[Array]]] = field(default_factory=dict)

    # --- one step ---

    def step(self, step: Step, *sources: str) -> str:
        """Add a step that reads ``sources`` and return its name."""
        if len(self.steps) == _MOST_STEPS:
            raise UnsafeFileError(f"its model comes to more than {_MOST_STEPS:,} steps")
        name = self._free(f"{self.prefix}{self.layer.name or self.layer.kind}.{step.KIND}")
        self.shapes[name] = step.output_shape(*(self.shapes[source] for source in sources))
        self.values += math.prod(self.shapes[name])
        if self.values > _MOST_VALUES:
            raise UnsafeFileError(f"its model makes more than {_MOST_VALUES:,} values of one row")
        self.steps.append(dataclasses.replace(step, name=name, sources=sources))
        return name

    def joined(self, kind: type[Step], *sources: str, **options: Any) -> str:
        """Add a step that reads several values."""
        return self.step(kind(sources=sources, **options), *sources)

    def scaled(self, source: str, scale: npt.ArrayLike, shift: npt.ArrayLike = 0.0) -> str:
        """Add x · scale + shift."""
        return self.step(ScaleShift(self.numbers(scale), self.numbers(shift)), source)

    def constant(self, value: float, source: str) -> str:
        """Add a number, for as many rows as ``source`` has."""
        return self.step(Constant(self.numbers(value)), source)

    def numbers(self, values: npt.ArrayLike) -> Array:
        """Return numbers from a configuration in what the layer computes in."""
        return np.asarray(values, np.float64 if self.layer.double else np.float32)

    def note(self, text: str) -> None:
        """Say what was done with the layer at hand."""
        name = shown(f"{self.prefix}{self.layer.name}")
        if (line := f"{name} ({shown(self.layer.kind)}): {text}") not in self.notes:
            self.notes.append(line)

    def _free(self, wanted: str) -> str:
        name, number = wanted, 1
        while name in self.shapes:
            number += 1
            name = f"{wanted}.{number}"
        return name

    def arrays_of(self, layer: Layer, shelf: Shelf, wanted: Sequence[str]) -> list[Array]:
        """Return a layer's arrays, read once for all its calls; raise ParametersError for one that is not finite."""
        if id(shelf) not in self.known:
            found = taken(layer, shelf, wanted)
            for position, (word, array) in enumerate(zip(wanted, found, strict=True)):
                name = f"{self.prefix}{layer.name}/{word}"
                found[position] = self.named[name] = frozen_parameters(array, name)
                if array.size and not (np.isfinite(array.min()) and np.isfinite(array.max())):
                    raise ParametersError(f"{layer.label}: its {word} holds values that are not finite")
            self.known[id(shelf)] = shelf, found
        return self.known[id(shelf)][1]

    # --- one layer ---

    def call(self, layer: Layer, sources: tuple[str, ...], shelf: Shelf) -> list[str]:
        """Add what one call of a layer comes to; return the names of its results."""
        if layer.kind in MODELS:
            return self._inside(layer, sources, shelf)
        if layer.kind not in self.table:
            raise layer.wrong(
                "this kind of layer has no counterpart in a dense network here",
                hint=f"read are: {', '.join(sorted({*self.table, *MODELS}))}",
            )
        self.layer = layer
        before = len(self.steps)
        try:
            result = self.table[layer.kind](Call(layer, self, sources, shelf))
        except FileFormatError:
            raise
        except (GlassnetError, OverflowError, ValueError) as error:
            reason = error.message if isinstance(error, GlassnetError) else str(error)
            raise layer.wrong(shown(reason, 300)) from error
        if len(self.steps) > before and self.steps[-1].name == result:  # the last step takes the layer's own name
            last = self.steps.pop()
            shape = self.shapes.pop(last.name)
            result = self._free(f"{self.prefix}{layer.name or layer.kind}")
            self.shapes[result] = shape
            self.steps.append(dataclasses.replace(last, name=result))
        return [result]

    def _inside(self, model: Layer, sources: tuple[str, ...], shelf: Shelf) -> list[str]:
        if self.depth == _MOST_NESTED:
            raise UnsafeFileError(f"models within models, more than {_MOST_NESTED} deep")
        outer = self.prefix
        self.prefix, self.depth = f"{outer}{model.name}/", self.depth + 1
        results = MODELS[model.kind](self, model, sources, shelf)
        self.prefix, self.depth = outer, self.depth - 1
        return results


# --- models -------------------------------------------------------------------------------------------------


def layers_of(model: Layer) -> list[Layer]:
    """Return the layers of a model; raise FileFormatError where it has none, or two of one name."""
    entries = model.config if isinstance(model.config, list) else model.get("layers")  # a list, before Keras 2.3
    if not isinstance(entries, list) or not entries:
        raise model.wrong("a model without layers")
    if len(entries) > MOST_ARRAYS:
        raise UnsafeFileError(f"a model of {len(entries):,} layers, expected at most {MOST_ARRAYS:,}")
    layers = [Layer.of(entry) for entry in entries]
    if not isinstance(model.config, list) or all(layer.name for layer in layers):
        names = [layer.name for layer in layers]
        if len(set(names)) < len(names):
            raise model.wrong("two of its layers have one name")
    return layers


def _sequential(build: Builder, model: Layer, sources: tuple[str, ...], shelf: Shelf) -> list[str]:
    layers = layers_of(model)
    shelves = shelf.below(layers)
    for layer in layers:
        if layer.kind != "InputLayer":
            sources = tuple(build.call(layer, sources, shelves[layer.name]))
    return list(sources)


def _functional(build: Builder, model: Layer, sources: tuple[str, ...], shelf: Shelf) -> list[str]:
    layers = {layer.name: layer for layer in layers_of(model)}
    shelves = shelf.below(list(layers.values()))
    inputs = _leaves(model, model.get("input_layers"))
    outputs = _leaves(model, model.get("output_layers"))
    if len(inputs) != len(sources):
        raise model.wrong(f"reads {len(inputs)} values, and is called with {len(sources)}")
    calls = {name: _calls(layer) for name, layer in layers.items() if layer.kind != "InputLayer"}
    first = _first_calls(build.version, layers, calls, outputs)
    done: dict[tuple[str, int], list[str]] = {
        (leaf[0], 0): [source] for leaf, source in zip(inputs, sources, strict=True)
    }
    waiting = [(name, call) for name, call, _ in reversed(outputs)]
    entered: set[tuple[str, int]] = set()
    while waiting:
        name, number = key = waiting[-1]
        if key in done:
            waiting.pop()
            continue
        if name not in calls or not 0 <= number - first[name] < len(calls[name]):
            raise model.wrong(f"reads call {shown(number)} of '{shown(name)}', which there is not")
        arguments = calls[name][number - first[name]]
        reads = [argument for argument in arguments if isinstance(argument, tuple)]
        if missing := [leaf[:2] for leaf in reads if leaf[:2] not in done]:
            if key in entered:
                raise model.wrong(f"'{shown(name)}' reads its own result")
            entered.add(key)
            waiting += missing
            continue
        named = [_result(model, done, leaf) for leaf in reads]
        build.layer = layers[name]
        given = iter(named)
        read = tuple(next(given) if isinstance(a, tuple) else build.constant(a, named[0]) for a in arguments)
        done[key] = build.call(layers[name], read, shelves[name])
        waiting.pop()
    return [_result(model, done, leaf) for leaf in outputs]


MODELS: Mapping[str, Callable[[Builder, Layer, tuple[str, ...], Shelf], list[str]]] = {
    "Sequential": _sequential,
    "Functional": _functional,
    "Model": _functional,
}


def _result(model: Layer, done: Mapping[tuple[str, int], list[str]], leaf: Value) -> str:
    results = done[leaf[:2]]
    if not 0 <= leaf[2] < len(results):
        raise model.wrong(f"reads result {shown(leaf[2])} of '{shown(leaf[0])}', which there is not")
    return results[leaf[2]]


def _first_calls(
    version: Version,
    layers: Mapping[str, Layer],
    calls: Mapping[str, list[list[Value | float]]],
    outputs: Sequence[Value],
) -> dict[str, int]:
    """Return the number of each layer's first call: a model within a model has had one before, when it was made."""
    asked: dict[str, set[int]] = {}
    every = [argument for listed in calls.values() for call in listed for argument in call]
    for leaf in (*outputs, *(argument for argument in every if isinstance(argument, tuple))):
        asked.setdefault(leaf[0], set()).add(leaf[1])
    first = dict.fromkeys(calls, 0)
    for name in calls:
        numbers = asked.get(name, set())
        made = layers[name].kind in ("Functional", "Model") or (layers[name].kind == "Sequential" and version.major < 3)
        if layers[name].kind in MODELS and 0 not in numbers and (made or len(calls[name]) in numbers):
            first[name] = 1
    return first


def _leaves(model: Layer, given: object) -> list[Value]:
    """Return the values in a list, or a dict, of ``[layer, call, result]``; one alone may stand for itself."""
    if isinstance(given, Mapping):
        given = list(given.values())
    if not isinstance(given, list):
        raise model.wrong("its inputs or outputs are not listed")
    if given and isinstance(given[0], str):
        given = [given]
    return [_leaf(model, entry) for entry in given]


def _leaf(layer: Layer, entry: object) -> Value:
    match entry:
        case [str(name), int(call), int(result), *rest] if len(rest) < 2:
            if rest:
                _check_options(layer, rest[0])
            return name, call, result
    raise layer.wrong("reads something that is not [layer, call, result]")


def _calls(layer: Layer) -> list[list[Value | float]]:
    """Return what each call of a layer reads: values, or numbers that stand in the call."""
    if not isinstance(layer.calls, list):
        raise layer.wrong("its calls are not listed")
    return [_arguments(layer, call) for call in layer.calls]


def _arguments(layer: Layer, call: object) -> list[Value | float]:
    if isinstance(call, Mapping):  # Keras 3
        _check_options(layer, call.get("kwargs", {}))
        found: list[Value | float] = []
        waiting: list[Any] = [call.get("args")]
        while waiting:
            match waiting.pop():
                case list(several):
                    waiting += reversed(several)
                case {"class_name": "__keras_tensor__", "config": {"keras_history": history}}:
                    found.append(_leaf(layer, history))
                case bool() | None:
                    raise layer.wrong("is called with something that is no value")
                case int(number) | float(number):
                    found.append(float(number))
                case _:
                    raise layer.wrong("is called with something that is no value")
    elif isinstance(call, list) and call:
        found = [_leaf(layer, entry) for entry in ([call] if isinstance(call[0], str) else call)]
    else:
        raise layer.wrong("is called with nothing")
    if not any(isinstance(argument, tuple) for argument in found):
        raise layer.wrong("is called with no value")
    return found


def _check_options(layer: Layer, options: object) -> None:
    """Check that a call has no options, but for those that say it is not training."""
    if not isinstance(options, Mapping):
        raise layer.wrong("is called with something that are no options")
    for name, value in options.items():
        if value not in (None, False):
            raise layer.wrong(f"is called with {shown(name)}={shown(str(value))}, which no layer here takes")


# --- the whole ----------------------------------------------------------------------------------------------


def network_of(
    model: Layer, shelf: Shelf, version: Version, table: Mapping[str, Callable[[Call], str]]
) -> tuple[Network, Builder]:
    """Return the network that a whole model is, with what was noted on the way."""
    if model.kind not in MODELS:
        raise model.wrong("expected a Sequential or a functional model", hint="a subclass of Model keeps only code")
    build = Builder(version, table)
    shapes = _input_shapes(model, shelf)
    names = ["x"] if len(shapes) == 1 else list(shapes)
    inputs = [Input(shape, name) for name, shape in zip(names, shapes.values(), strict=True)]
    build.shapes |= {entry.name: entry.shape for entry in inputs}
    results = MODELS[model.kind](build, model, tuple(names), shelf)
    build.layer = Layer("Model", "output", {})
    outputs = [build.step(Activate("identity"), name) if name in names else name for name in results]
    if not build.steps:
        raise model.wrong("a model without layers that compute")
    labels = None
    if len(inputs) == len(outputs) == 1 and math.prod(inputs[0].shape) == 784 and build.shapes[outputs[0]] == (10,):
        labels = range(10)
        scales = any(layer.kind in ("Rescaling", "Normalization") for layer in layers_of(model)[:2])
        build.notes.append("784 inputs and 10 outputs are taken for pixels and digits")
        if not scales:
            inputs = [dataclasses.replace(inputs[0], scale=1 / 255)]
            build.notes[-1] += ": integers are divided by 255"
    try:
        return Network(build.steps, inputs=inputs, outputs=outputs, labels=labels), build
    except GlassnetError as error:
        raise ParametersError(f"its model is no network: {shown(error.message, 300)}") from error


def _input_shapes(model: Layer, shelf: Shelf, depth: int = 0) -> dict[str, Shape]:
    """Return the row shape of each input by name."""
    if depth > _MOST_NESTED:
        raise UnsafeFileError(f"models within models, more than {_MOST_NESTED} deep")
    layers = layers_of(model)
    if model.kind != "Sequential":
        by_name = {layer.name: layer for layer in layers}
        leaves = _leaves(model, model.get("input_layers"))
        if any(by_name.get(name, model).kind != "InputLayer" for name, _, _ in leaves):
            raise model.wrong("one of its inputs is not an InputLayer")
        if len({name for name, _, _ in leaves}) < len(leaves):
            raise model.wrong("one of its inputs is there twice")
        return {name: _given_shape(by_name[name]) or _unknown(by_name[name]) for name, _, _ in leaves}
    first = layers[0]
    if first.kind in MODELS:
        shapes = _input_shapes(first, shelf.below(layers)[first.name], depth + 1)
        if len(shapes) != 1:
            raise first.wrong(f"a chain that begins with {len(shapes)} inputs")
        return shapes
    built = None if isinstance(model.config, list) else model.get("build_input_shape")
    shape = _given_shape(first) or (model.shape(built[1:], "its input's shape") if isinstance(built, list) else None)
    if shape is None and first.kind == "Dense":
        shape = (taken(first, shelf.below(layers)[first.name], _dense_arrays(first))[0].shape[0],)
    return {"x": shape or _unknown(first)}


def _dense_arrays(layer: Layer) -> tuple[str, ...]:
    return ("kernel", "bias") if layer.flag(True, "use_bias", "bias") else ("kernel",)


def _given_shape(layer: Layer) -> Shape | None:
    """Return the row shape that a layer says its input has, in the words of its version."""
    if (batch := layer.get("batch_shape", "batch_input_shape")) is not None:
        if not isinstance(batch, list | tuple) or not batch:
            raise layer.wrong("its input has no shape")
        return layer.shape(batch[1:], "its input's shape")
    if (shape := layer.get("input_shape", "shape")) is not None:
        return layer.shape(shape, "its input's shape")
    size = layer.get("input_dim")
    if size is None and isinstance(layer.build, Mapping) and isinstance(built := layer.build.get("input_shape"), list):
        return layer.shape(built[1:], "its input's shape")
    return None if size is None else layer.shape([size], "its input's shape")


def _unknown(layer: Layer) -> Shape:
    raise layer.wrong("the shape of its input is not in the file", hint="build the model before it is saved")
