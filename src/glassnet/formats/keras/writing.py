"""A network as Keras 3's ``.keras``: what ``keras.saving.load_model`` takes, and glassnet reads back exactly.

Every step becomes a layer, or two where Keras has no activation of that kind in a Dense. What Keras has no place for
(labels, how raw numbers are scaled) is kept as glassnet's own description in ``metadata.json``, with the place of each
array, so that reading gives the same network again.
"""

from __future__ import annotations

import io
import json
import math
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np

from glassnet.activations import Activation
from glassnet.errors import MissingLibraryError, OptionError
from glassnet.formats.description import KEY, describe
from glassnet.formats.keras.activations import DIRECT
from glassnet.formats.keras.weights import snake
from glassnet.network import (
    Activate,
    Binary,
    Clip,
    Concatenate,
    Dense,
    Map,
    Network,
    Normalise,
    PRelu,
    Reshape,
    ScaleShift,
    Step,
    Transpose,
)
from glassnet.network.steps import Array, Shape

# The key of metadata.json under which the place of each array is kept.
PLACES = "glassnet_arrays"
_VERSION = "3.0.0"
_NAMES = {activation: name for name, activation in reversed(list(DIRECT.items()))}
# Options that stand for a layer of their own where Keras has no name: our activation → class, option, ours.
_AS_LAYERS = {"leaky_relu": ("LeakyReLU", "negative_slope", "slope"), "elu": ("ELU", "alpha", "alpha")}
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass
class _Model:
    """The layers as they come, and which array lies where."""

    network: Network
    layers: list[dict[str, Any]] = field(default_factory=list)
    kept: dict[str, tuple[str, list[Array]]] = field(default_factory=dict)
    sources: dict[str, list[str]] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    shapes: dict[str, Shape] = field(default_factory=dict)
    shape: Shape = ()  # of what the step at hand answers

    def layer(self, kind: str, name: str, sources: Sequence[str], arrays: Sequence[Array] = (), **options: Any) -> str:
        """Add a layer that reads the values ``sources`` and return its name."""
        free = self.free(name)
        self.shapes[free] = self.shape
        tensors = [self.tensor(source) for source in sources]
        self.layers.append(
            {
                "module": "keras.layers",
                "class_name": kind,
                "config": {"name": free, "trainable": True, "dtype": self.network.dtype.name, **options},
                "registered_name": None,
                "name": free,
                "inbound_nodes": [{"args": [tensors] if len(tensors) > 1 else tensors, "kwargs": {}}],
            }
        )
        self.kept[free] = kind, list(arrays)
        self.sources[free] = list(sources)
        return free

    def tensor(self, source: str) -> dict[str, Any]:
        """Return how a call names a value."""
        return {
            "class_name": "__keras_tensor__",
            "config": {
                "shape": [None, *self.shapes[source]],
                "dtype": self.network.dtype.name,
                "keras_history": [source, 0, 0],
            },
        }

    def free(self, wanted: str) -> str:
        """Return a name that Keras takes and no layer has."""
        bare = re.sub(r"[^0-9A-Za-z_]+", "_", wanted).strip("_") or "layer"
        name, number = bare, 1
        while name in self.names:
            number += 1
            name = f"{bare}_{number}"
        self.names.add(name)
        return name


def write(network: Network) -> bytes:
    """Return the bytes of a ``.keras`` file; raise OptionError, naming it, for a step that Keras has no layer for."""
    model = _Model(network)
    inputs = []
    for entry in network.inputs:
        name = model.values[entry.name] = model.free(entry.name)
        given: dict[str, Any] = {"batch_shape": [None, *entry.shape], "dtype": network.dtype.name, "name": name}
        model.layers.append(
            {
                "module": "keras.layers",
                "class_name": "InputLayer",
                "config": given,
                "registered_name": None,
                "name": name,
                "inbound_nodes": [],
            }
        )
        model.kept[name] = "InputLayer", []
        model.sources[name] = []
        model.shapes[name] = entry.shape
        inputs.append([name, 0, 0])
    for step, sources in zip(network.steps, network.sources, strict=True):
        if step.KIND not in _LAYERS:
            raise _unfit(step)
        read = [model.values[source] for source in sources]
        model.shape = network.shapes[step.name]
        model.values[step.name] = _LAYERS[step.KIND](model, step, read, network.shapes[sources[0]])
    outputs = [[model.values[name], 0, 0] for name in network.outputs]
    config = {
        "module": "keras.src.models.functional",
        "class_name": "Functional",
        "config": {
            "name": "glassnet",
            "trainable": True,
            "layers": model.layers,
            "input_layers": inputs,
            "output_layers": outputs,
        },
        "registered_name": "Functional",
    }
    weights, places = _weights(model)
    metadata = {"keras_version": _VERSION, KEY: describe(network).description, PLACES: places}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in (
            ("metadata.json", json.dumps(metadata).encode()),
            ("config.json", json.dumps(config).encode()),
            ("model.weights.h5", weights),
        ):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content)
    return buffer.getvalue()


def refuse(network: Network) -> NoReturn:
    """Raise OptionError: HDF5 is read, not written."""
    raise OptionError("HDF5 files are read, not written", hint="save it as .keras, which Keras 3 reads")


def _weights(model: _Model) -> tuple[bytes, dict[str, str]]:
    """Return the HDF5 file of all arrays, and the path of each array of the description."""
    try:
        import h5py  # noqa: PLC0415  # optional
    except ImportError:
        raise MissingLibraryError("writing a .keras file needs h5py", hint="pip install 'glassnet[keras]'") from None
    places: dict[int, str] = {}
    paths: dict[str, str] = {}
    counts: dict[str, int] = {}
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name in _in_keras_order(model.sources, [model.values[output] for output in model.network.outputs]):
            kind, arrays = model.kept[name]
            stem = snake(kind)
            number = counts.setdefault(stem, 0)
            counts[stem] += 1
            group = file.create_group(f"layers/{stem}_{number}/vars" if number else f"layers/{stem}/vars")
            group.attrs["name"] = name
            for position, array in enumerate(arrays):
                group.create_dataset(str(position), data=array)
                places.setdefault(id(array), f"{group.name}/{position}".lstrip("/"))
        for name, array in describe(model.network).arrays.items():
            if id(array) not in places:
                places[id(array)] = f"{KEY}/{len(paths)}"
                file.create_dataset(places[id(array)], data=array)
            paths[name] = places[id(array)]
    return buffer.getvalue(), paths


def _in_keras_order(sources: Mapping[str, Sequence[str]], outputs: Sequence[str]) -> list[str]:
    """Return the layers that the outputs need, in the order in which Keras counts them (``map_graph``).

    Those farthest from an output come first; of equally far ones, the one first met on the way back from the outputs.
    """
    met: dict[str, int] = {}
    finished: list[str] = []
    for output in outputs:
        waiting = [(output, False)]
        while waiting:
            name, done = waiting.pop()
            if done:
                finished.append(name)
            elif name not in met:
                met[name] = len(met)
                waiting.append((name, True))
                waiting += [(source, False) for source in reversed(sources[name])]
    depths = dict.fromkeys(met, 0)
    for name in reversed(finished):
        for source in sources[name]:
            depths[source] = max(depths[source], depths[name] + 1)
    return sorted(met, key=lambda name: (-depths[name], met[name]))


# --- one step -----------------------------------------------------------------------------------------------


def _unfit(step: Step, what: str = "") -> OptionError:
    return OptionError(
        f"Keras has no layer for step '{step.name}' ({step.KIND}){what}", hint="save it as .safetensors, .npz or .onnx"
    )


def _activated(model: _Model, step: Step, name: str, activation: Activation, sources: list[str]) -> str:
    """Add a layer that is an activation and nothing else."""
    if activation in _NAMES:
        return model.layer("Activation", name, sources, activation=_NAMES[activation])
    if activation.name not in _AS_LAYERS:
        raise _unfit(step, f": the activation {activation}")
    kind, option, ours = _AS_LAYERS[activation.name]
    options: dict[str, Any] = {option: activation.parameters[ours]}
    return model.layer(kind, name, sources, **options)


def _dense(model: _Model, step: Step, sources: list[str], shape: Shape) -> str:
    assert isinstance(step, Dense)
    arrays = (step.weights, step.bias)
    name = _NAMES.get(step.activation)
    dense = model.layer(
        "Dense", step.name, sources, arrays, units=step.outputs, activation=name or "linear", use_bias=True
    )
    if name is not None:
        return dense
    return _activated(model, step, f"{step.name}_activation", step.activation, [dense])


def _activate(model: _Model, step: Step, sources: list[str], shape: Shape) -> str:
    assert isinstance(step, Activate)
    return _activated(model, step, step.name, step.activation, sources)


def _scale_shift(model: _Model, step: Step, sources: list[str], shape: Shape) -> str:
    assert isinstance(step, ScaleShift)
    if np.broadcast_shapes(shape, step.scale.shape, step.shift.shape) != shape:
        raise _unfit(step, ": it makes rows larger")
    return model.layer("Rescaling", step.name, sources, scale=step.scale.tolist(), offset=step.shift.tolist())


def _clip(model: _Model, step: Step, sources: list[str], shape: Shape) -> str:
    assert isinstance(step, Clip)
    if (step.low, step.high) == (-1.0, 1.0):
        return model.layer("Activation", step.name, sources, activation="hard_tanh")
    if step.low != 0.0 or step.high < 0:
        raise _unfit(step, f": limits {step.low} and {step.high}")
    highest = None if step.high == math.inf else step.high
    return model.layer("ReLU", step.name, sources, max_value=highest, negative_slope=0.0, threshold=0.0)


def _map(model: _Model, step: Step, sources: list[str], shape: Shape) -> str:
    assert isinstance(step, Map)
    if step.function != "exp":
        raise _unfit(step, f": {step.function}")
    return model.layer("Activation", step.name, sources, activation="exponential")


def _reshape(model: _Model, step: Step, sources: list[str], shape: Shape) -> str:
    assert isinstance(step, Reshape)
    return model.layer("Reshape", step.name, sources, target_shape=list(step.shape))


def _transpose(model: _Model, step: Step, sources: list[str], shape: Shape) -> str:
    assert isinstance(step, Transpose)
    return model.layer("Permute", step.name, sources, dims=[axis + 1 for axis in step.axes])


def _prelu(model: _Model, step: Step, sources: list[str], shape: Shape) -> str:
    assert isinstance(step, PRelu)
    if len(step.slope.shape) != len(shape):
        raise _unfit(step, f": slopes of shape {step.slope.shape} for rows of shape {shape}")
    shared = [axis + 1 for axis, size in enumerate(step.slope.shape) if size == 1 and shape[axis] != 1]
    return model.layer("PReLU", step.name, sources, [step.slope], shared_axes=shared or None)


def _normalise(model: _Model, step: Step, sources: list[str], shape: Shape) -> str:
    assert isinstance(step, Normalise)
    axes = list(range(len(shape) + 1 - step.scale.ndim, len(shape) + 1))
    arrays = (step.scale, step.shift)
    return model.layer(
        "LayerNormalization", step.name, sources, arrays, axis=axes, epsilon=step.epsilon, center=True, scale=True
    )


def _joined(kind: str) -> Callable[[_Model, Step, list[str], Shape], str]:
    def add(model: _Model, step: Step, sources: list[str], shape: Shape) -> str:
        ranks = {len(model.network.shapes[source]) for source in step.sources}
        if len(ranks) > 1:
            raise _unfit(step, ": rows with different numbers of axes")
        options: dict[str, Any] = {"axis": -1} if isinstance(step, Concatenate) else {}
        return model.layer(kind, step.name, sources, **options)

    return add


def _binary(model: _Model, step: Step, sources: list[str], shape: Shape) -> str:
    assert isinstance(step, Binary)
    kind = {"subtract": "Subtract", "maximum": "Maximum", "minimum": "Minimum"}.get(step.function)
    if kind is None:
        raise _unfit(step, f": {step.function}")
    return _joined(kind)(model, step, sources, shape)


# The kinds of steps that have a layer → what adds it.
_LAYERS: Mapping[str, Callable[[_Model, Step, list[str], Shape], str]] = {
    "dense": _dense,
    "activate": _activate,
    "scale_shift": _scale_shift,
    "clip": _clip,
    "map": _map,
    "reshape": _reshape,
    "transpose": _transpose,
    "prelu": _prelu,
    "normalise": _normalise,
    "concatenate": _joined("Concatenate"),
    "add": _joined("Add"),
    "multiply": _joined("Multiply"),
    "binary": _binary,
}
