"""Which arrays belong to which layer, in each of the ways that Keras has kept them.

A ``Shelf`` holds the arrays of one layer, or of a model and all its layers: ``below`` hands out a shelf to each. Keras
3 numbers the arrays of a layer and files layers under their classes; Keras 1 and 2 give every array a name.
"""

from __future__ import annotations

import abc
import re
from collections.abc import Iterable, Mapping, Sequence

from glassnet.errors import FileFormatError, ParametersError
from glassnet.formats.contents import shown
from glassnet.formats.hdf5 import Node
from glassnet.formats.keras.config import Layer
from glassnet.network.steps import Array

# The ends of names that Keras 1 gave, and what they became.
_NAMES = {
    "W": "kernel",
    "b": "bias",
    "running_mean": "moving_mean",
    "running_std": "moving_variance",  # it was the variance in spite of its name
    "alphas": "alpha",
}
_WORDS = ("kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance", "alpha", "mean", "variance", "count")


class Shelf(abc.ABC):
    """The arrays of a layer by name, or those of a model's layers."""

    @abc.abstractmethod
    def arrays(self) -> list[tuple[str, Array]]:
        """Return the arrays of this layer, each with the name it has in the file, in their order."""

    @abc.abstractmethod
    def below(self, layers: Sequence[Layer]) -> Mapping[str, Shelf]:
        """Return the shelf of each layer of this model, by the layer's name."""


def taken(layer: Layer, shelf: Shelf, wanted: Iterable[str]) -> list[Array]:
    """Return the arrays that a layer needs, told by their names or else by their order.

    Raises ParametersError where the file has others, more or fewer.
    """
    names = list(wanted)
    found = shelf.arrays()
    by_word: dict[str, Array] = {}
    for name, array in found:
        by_word.setdefault(_word(name), array)
    if len(found) == len(names) and set(names) <= by_word.keys():
        return [by_word[name] for name in names]
    if len(found) != len(names) or any(_word(name) in names for name, _ in found):
        there = ", ".join(f"'{shown(name)}'" for name, _ in found[:6]) or "none"
        raise ParametersError(f"{layer.label}: expected the arrays {', '.join(names) or 'none'}, found {there}")
    return [array for _, array in found]


def _word(name: str) -> str:
    """Return what an array is, from the end of its name: ``kernel`` for ``dense/kernel:0`` and ``dense_1_W``."""
    last = re.sub(r":\d+$", "", name).rpartition("/")[2]
    if last in _WORDS:
        return last
    for end, word in {**_NAMES, **dict(zip(_WORDS, _WORDS, strict=True))}.items():
        if last.endswith(f"_{end}"):
            return word
    return last


# --- Keras 3 ------------------------------------------------------------------------------------------------


class NumberedShelf(Shelf):
    """A group of Keras 3's ``.weights.h5``: ``layers/dense_1/vars/0`` is the first array of the second Dense."""

    # What the layers of a model are kept under: since Keras 3, and in TensorFlow's Keras 2.12 to 2.15.
    _MODELS = ("layers", "_layer_checkpoint_dependencies")

    def __init__(self, node: Node | None, path: str = "") -> None:
        self.node = node
        self.path = path

    @classmethod
    def holds(cls, node: Node) -> bool:
        """Tell whether a file is laid out so."""
        return any(name in node for name in cls._MODELS)

    def arrays(self) -> list[tuple[str, Array]]:
        """Return the arrays by their numbers."""
        if self.node is None or "vars" not in self.node:
            return []
        group = self.node["vars"]
        numbers = sorted(group.below, key=lambda name: (len(name), name))
        return [(f"{self.path}/{number}", group[number].array()) for number in numbers]

    def below(self, layers: Sequence[Layer]) -> Mapping[str, Shelf]:
        """Return the shelves: layers of one class have its groups in the order of their numbers."""
        kept = next((name for name in self._MODELS if self.node is not None and name in self.node), "")
        group = self.node[kept] if self.node is not None and kept else None
        counts: dict[str, int] = {}
        shelves: dict[str, Shelf] = {}
        for layer in layers:
            stem = snake(layer.kind)
            number = counts.setdefault(stem, 0)
            counts[stem] += 1
            names = [] if group is None else _numbered(group.below, stem)
            name = names[number] if number < len(names) else ""
            node = group[name] if group is not None and name else None
            shelves[layer.name] = NumberedShelf(node, f"{self.path}/{name}".strip("/"))
        return shelves


def snake(kind: str) -> str:
    """Return a class name as Keras writes it in paths: ``PReLU`` is ``p_re_lu``."""
    name = re.sub(r"\W+", "", "Functional" if kind == "Model" else kind)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)).lower()


def _numbered(names: Iterable[str], stem: str) -> list[str]:
    found = [(int(name[len(stem) + 1 :] or 0), name) for name in names if re.fullmatch(rf"{stem}(_\d{{1,6}})?", name)]
    return [name for _, name in sorted(found)]


# --- Keras 1 and 2 ------------------------------------------------------------------------------------------


class NamedShelf(Shelf):
    """Arrays with names such as ``dense/kernel:0``, as a layer has them, or a model with all its layers."""

    def __init__(self, named: Sequence[tuple[str, Array]]) -> None:
        self.named = list(named)

    def arrays(self) -> list[tuple[str, Array]]:
        """Return all of them."""
        return self.named

    def below(self, layers: Sequence[Layer]) -> Mapping[str, Shelf]:
        """Return for each layer the arrays whose names have it among their parts."""
        whose = {inner: layer.name for layer in layers for inner in layer.inner_names()}
        whose |= {layer.name: layer.name for layer in layers}
        found: dict[str, list[tuple[str, Array]]] = {layer.name: [] for layer in layers}
        for path, array in self.named:
            parts = [part for part in path.split("/")[:-1] if part in whose]
            if not parts and "/" not in path:  # Keras 1: dense_1_W
                parts = sorted((name for name in whose if path.startswith(f"{name}_")), key=len)
            if not parts:
                raise ParametersError(f"array '{shown(path)}' is left over: no layer has this name")
            found[whose[parts[-1]]].append((path, array))
        return {name: NamedShelf(arrays) for name, arrays in found.items()}


def legacy_shelves(group: Node) -> Mapping[str, Shelf]:
    """Return the shelf of each layer in the HDF5 files of Keras 1 and 2, which name layers and arrays in attributes."""
    shelves: dict[str, Shelf] = {}
    for name in texts(group, "layer_names"):
        node = group[name]
        named = []
        for path in texts(node, "weight_names"):
            try:
                named.append((path, node[path].array()))
            except FileFormatError as error:
                raise type(error)(f"array '{shown(path)}': {error.message}", hint=error.hint) from None
        shelves[name] = NamedShelf(named)
    return shelves


def texts(node: Node, name: str) -> list[str]:
    """Return a list of texts, which may be spread over the attributes ``name0``, ``name1`` and so on."""
    pieces = [node.attributes[name]] if name in node.attributes else []
    while (key := f"{name}{len(pieces)}") in node.attributes:
        pieces.append(node.attributes[key])
    found: list[str] = []
    for piece in pieces:
        if isinstance(piece, list):
            found += piece
        elif isinstance(piece, str) or piece.size:  # an empty list has NumPy's usual dtype
            raise FileFormatError(f"attribute '{name}' is not a list of names")
    return found
