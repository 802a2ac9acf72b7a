"""A Keras model in memory, as a network: its own JSON and its arrays, by way of the same table as its files."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from glassnet.errors import GlassnetError, OptionError, ParametersError
from glassnet.formats.contents import parsed_json, shown
from glassnet.formats.keras.config import Layer, Version
from glassnet.formats.keras.layers import LAYERS
from glassnet.formats.keras.models import network_of
from glassnet.formats.keras.weights import Shelf
from glassnet.network import Network
from glassnet.network.steps import Array

_LIBRARIES = ("keras", "tf_keras", "tensorflow")


def from_keras(model: Any) -> Network:
    """Return the network that a Keras model is: Sequential or functional, built, of layers that are read from files.

    The arrays are copied. Raises OptionError for what is no Keras model; FileFormatError, naming it, for a layer that
    has no counterpart, and ParametersError for a model that is written in code (a subclass of ``Model``).
    """
    homes = [kind.__module__.partition(".")[0] for kind in type(model).__mro__]
    library = next((home for home in homes if home in _LIBRARIES), None)
    if library is None or not hasattr(model, "to_json") or not hasattr(model, "layers"):
        raise OptionError(f"from_keras: expected a Keras model, found {type(model).__name__}")
    try:
        text = model.to_json()
    except (NotImplementedError, TypeError, ValueError) as error:
        raise ParametersError(
            f"from_keras: the model cannot say its layers: {shown(error, 200)}",
            hint="a subclass of Model keeps only code; build it from layers, Sequential or functional",
        ) from error
    version = Version.of(getattr(sys.modules[library], "__version__", "3"))
    try:
        return network_of(Layer.of(parsed_json(text, "a configuration")), _LiveShelf(model), version, LAYERS)[0]
    except GlassnetError as error:
        raise type(error)(f"from_keras: {error.message}", hint=error.hint) from error


class _LiveShelf(Shelf):
    """A layer of a model in memory."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer

    def arrays(self) -> list[tuple[str, Array]]:
        """Return copies of the arrays, with the names that Keras gave them."""
        values = [np.array(value) for value in self.layer.get_weights()]
        return [(weight.name, value) for weight, value in zip(self.layer.weights, values, strict=True)]

    def below(self, layers: Sequence[Layer]) -> Mapping[str, Shelf]:
        """Return the layers of a model by name."""
        return {layer.name: _LiveShelf(self.layer.get_layer(layer.name)) for layer in layers if _has_arrays(layer)} | {
            layer.name: _NoArrays() for layer in layers if not _has_arrays(layer)
        }


def _has_arrays(layer: Layer) -> bool:
    """Tell whether Keras keeps this entry as a layer: an input or an operation of a graph is none."""
    return layer.kind != "InputLayer" and ".ops" not in layer.module


class _NoArrays(Shelf):
    def arrays(self) -> list[tuple[str, Array]]:
        return []

    def below(self, layers: Sequence[Layer]) -> Mapping[str, Shelf]:
        return {}
