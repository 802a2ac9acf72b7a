"""The files that hold a Keras model: ``.keras``, ``.h5``, and ``model.json`` beside the weights.

    model.keras     a zip: config.json, metadata.json, model.weights.h5 (Keras 3)
    model.h5        HDF5: the JSON in the attribute model_config, the weights below model_weights (Keras 1, 2, 3)
    model.json      the JSON alone; its weights are another HDF5 file, with or without its own model_weights

An HDF5 file without a JSON, whichever tool wrote it, is a file of named arrays.
Layout of ``.keras``: ``keras/src/saving/saving_lib.py``; of ``.h5``: ``keras/src/legacy/saving/legacy_h5_format.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from glassnet.errors import FileFormatError, ParametersError
from glassnet.formats.contents import MOST_ARRAYS, Contents, file_data, parsed_json, shown
from glassnet.formats.description import KEY
from glassnet.formats.hdf5 import Node, root
from glassnet.formats.keras.config import Layer, Version, is_config
from glassnet.formats.keras.layers import LAYERS
from glassnet.formats.keras.models import MODELS, network_of
from glassnet.formats.keras.weights import NumberedShelf, Shelf, legacy_shelves
from glassnet.formats.keras.writing import PLACES
from glassnet.formats.zips import Archive
from glassnet.network.steps import Array

_CONFIG, _METADATA, _WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
# Of these layers' arrays, Keras 1 and 2 only count the order where names do not agree.
_WITH_ARRAYS = {"Dense", "PReLU", "BatchNormalization", "BatchNormalizationV1", "LayerNormalization", *MODELS}


def read_zip(path: Path) -> Contents:
    """Return the network of a ``.keras`` file, and its arrays."""
    archive = Archive.of(path)
    if _WEIGHTS not in archive:
        raise FileFormatError(f"its member '{_WEIGHTS}' is missing: found {shown(', '.join(archive))}")
    metadata = parsed_json(archive.read(_METADATA), "metadata") if _METADATA in archive else {}
    if not isinstance(metadata, Mapping):
        raise FileFormatError("its metadata are not a JSON object")
    node = root(archive.read(_WEIGHTS))
    if KEY in metadata and PLACES in metadata:
        return Contents(_placed(node, metadata[PLACES]), metadata[KEY])
    config = parsed_json(archive.read(_CONFIG), "a configuration")
    return _contents(config, node, Version.of(metadata.get("keras_version") or 3))


def _placed(node: Node, places: object) -> dict[str, Array]:
    """Return the arrays of a description that glassnet wrote, from where it put each."""
    if not isinstance(places, Mapping) or not all(isinstance(path, str) for path in places.values()):
        raise FileFormatError("its metadata do not say where its arrays are")
    return {name: node[path].array() for name, path in places.items()}


def read_hdf5(path: Path) -> Contents:
    """Return the network of a whole model, or else the named arrays of any other HDF5 file."""
    node = root(file_data(path))
    config = node.attributes.get("model_config")
    if config is None:
        return _arrays(node)
    if not isinstance(config, str):
        raise FileFormatError("its model_config is not a text")
    return _contents(parsed_json(config, "a model_config"), node, Version.of(_version(node)))


def read_pair(path: Path, weights: Path) -> Contents:
    """Return the network whose JSON is one file and whose arrays are another."""
    data = file_data(path)
    config = parsed_json(memoryview(data), "a configuration")
    if not is_config(config):
        raise FileFormatError(
            "the JSON says no Keras model", hint="weights= is for the model.json that to_json() writes"
        )
    node = root(file_data(weights))
    written = config.get("keras_version") or _version(node)
    if written is None and NumberedShelf.holds(node):
        written = 3
    return _contents(config, node, Version.of(written))


def _version(node: Node) -> object:
    if "keras_version" in node.attributes:
        return node.attributes["keras_version"]
    return _weights(node).attributes.get("keras_version")


def _weights(node: Node) -> Node:
    """Return the group below which Keras 1 and 2 keep the layers, in a file of a whole model or of weights alone."""
    return node["model_weights"] if "model_weights" in node else node  # noqa: SIM401  # no dict


def _contents(config: object, node: Node, version: Version) -> Contents:
    model = Layer.of(config)
    shelf = NumberedShelf(node) if NumberedShelf.holds(node) else _LegacyShelf(node)
    network, build = network_of(model, shelf, version, LAYERS)
    return Contents(build.named, network=network, notes=tuple(build.notes))


class _LegacyShelf(Shelf):
    """The top of a file of Keras 1 or 2, where each layer is a group of its own."""

    def __init__(self, node: Node) -> None:
        group = _weights(node)
        if "layer_names" not in group.attributes and "layer_names0" not in group.attributes:
            raise ParametersError("it holds no weights of a Keras model: the attribute layer_names is missing")
        self.shelves = legacy_shelves(group)

    def arrays(self) -> list[tuple[str, Array]]:
        """Return nothing: a model's arrays are those of its layers."""
        return []

    def below(self, layers: Sequence[Layer]) -> Mapping[str, Shelf]:
        """Return the shelves by name, or by order where the model's names have changed since."""
        held = [name for name, shelf in self.shelves.items() if shelf.arrays()]
        names = [layer.name for layer in layers]
        empty = NumberedShelf(None)
        if set(held) <= set(names):
            return {name: self.shelves.get(name, empty) for name in names}
        in_order = [layer.name for layer in layers if layer.kind in _WITH_ARRAYS]
        if len(in_order) != len(held):
            left = next(name for name in held if name not in names)
            raise ParametersError(f"the weights of '{shown(left)}' are left over: no layer has this name")
        found = dict(zip(in_order, (self.shelves[name] for name in held), strict=True))
        return {name: found.get(name, empty) for name in names}


_CONFIG_HINT = "or give the model's JSON, model.to_json(), which says them: load('model.json', weights='….h5')"


def _arrays(node: Node) -> Contents:
    """Return every array of a file by its path; Keras' own paths are shortened to the names of the weights."""
    found: dict[str, Array] = {}
    if "layer_names" in node.attributes or "layer_names0" in node.attributes:
        for layer, shelf in legacy_shelves(node).items():
            for name, array in shelf.arrays():
                found[name if name.startswith(f"{layer}/") else f"{layer}/{name}"] = array
        return Contents(found, hint=_CONFIG_HINT)
    for path, entry in node.arrays():
        if len(found) == MOST_ARRAYS:
            raise FileFormatError(f"holds more than {MOST_ARRAYS:,} arrays")
        try:
            found[path] = entry.array()
        except FileFormatError as error:
            raise type(error)(f"array '{shown(path)}': {error.message}", hint=error.hint) from None
    return Contents(_renamed(found), hint=_CONFIG_HINT if NumberedShelf.holds(node) else "")


def _renamed(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Give Keras 3's numbered arrays names that say what they are, where a layer can only be a Dense."""
    words = {"0": "kernel", "1": "bias"}
    found = {}
    for path, array in arrays.items():
        head, _, number = path.rpartition("/vars/")
        dense = head.startswith("layers/") and head.rpartition("/")[2].startswith("dense") and number in words
        found[f"{head}/{words[number]}" if dense else path] = array
    return found
