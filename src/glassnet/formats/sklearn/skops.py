"""The ``.skops`` format: a zip with a description of the objects, ``schema.json``, and their arrays as ``.npy``.

skops asks which classes may be made; here none is. Each node of the description becomes what the same object would be
in a pickle, a record with its attributes, and the estimator's own module decides from there. Format:
https://skops.readthedocs.io/en/stable/persistence.html and ``skops/io``.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from glassnet.errors import FileFormatError, ParametersError, UnsafeFileError
from glassnet.formats.beginnings import SKOPS_MEMBER
from glassnet.formats.contents import Contents, Global, parsed_json, shown
from glassnet.formats.npz import exactly, npy_header
from glassnet.formats.pickle_rules import LONGEST_NAME, Budget, Record
from glassnet.formats.sklearn import names
from glassnet.formats.sklearn.arrays import NOTHING, AnyDtype, of_objects
from glassnet.formats.sklearn.reading import contents_of
from glassnet.formats.zips import Archive
from glassnet.network.steps import Array

_SCHEMA = "schema.json"
_NEWEST_PROTOCOL = 2
_MOST_NESTED = 100
_FREE_BYTES = 1 << 16


def read(path: Path) -> Contents:
    """Return the network of the estimator in the file.

    Raises UnsafeFileError, naming it, for a class or function that no estimator needs.
    """
    archive = Archive.of(path)
    schema = _schema(archive)
    names.check(_named(schema), placed=False)
    size = len(archive.data)
    found = contents_of(_Reader(archive, size).value(schema), size)
    if found is None:
        raise ParametersError("holds no estimator of scikit-learn")
    return found


def globals_of(path: Path) -> tuple[Global, ...]:
    """Return every class and function that the description names."""
    return _named(_schema(Archive.of(path)))


def _schema(archive: Archive) -> dict[str, Any]:
    for name in archive:
        if not SKOPS_MEMBER.fullmatch(name):
            raise FileFormatError(f"its member '{shown(name)}' is none that skops writes")
    schema = parsed_json(archive.read(_SCHEMA), "a description")
    protocol = schema.get("protocol") if isinstance(schema, dict) else None
    if type(protocol) is not int or not 0 <= protocol <= _NEWEST_PROTOCOL:
        raise FileFormatError(f"skops' protocol {shown(str(protocol))}, expected 0 to {_NEWEST_PROTOCOL}")
    assert isinstance(schema, dict)
    return schema


def _named(schema: object) -> tuple[Global, ...]:
    """Return what the nodes say they are, wherever they stand; each name once."""
    found: dict[str, Global] = {}
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if "__class__" in node or "__module__" in node:
                name = _name(node)
                found[name] = Global(name, 0, names.allowed(name))
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
    return tuple(found.values())


def _name(node: Mapping[str, Any]) -> str:
    match node:
        case {"__module__": str(module), "__class__": str(name)} if len(module) + len(name) < LONGEST_NAME:
            return f"{module}.{name}"
        case {"__loader__": "CachedNode"}:
            return "builtins.object"
    raise FileFormatError("a node of its description has no class")


class _Reader:
    """The nodes on their way to values; each array is read once, each object is one however often it is named."""

    def __init__(self, archive: Archive, size: int) -> None:
        self.archive = archive
        self.budget = Budget(_FREE_BYTES + 2 * size)
        self.arrays: dict[str, Array] = {}
        self.known: dict[int, tuple[object, Any]] = {}
        self.depth = 0

    def value(self, node: object) -> Any:
        """Return what a node stands for."""
        if not isinstance(node, dict) or not isinstance(node.get("__loader__"), str):
            raise FileFormatError(f"{type(node).__name__} where a node of its description belongs")
        loader = node["__loader__"]
        identity = node.get("__id__")
        kind = loader, node.get("__module__"), node.get("__class__"), node.get("file")
        if type(identity) is int and identity in self.known:
            first, found = self.known[identity]
            if kind != first and loader != "CachedNode":
                raise FileFormatError(f"two different objects have the id {shown(str(identity))}")
            return found
        if loader not in _LOADERS:
            raise FileFormatError(f"a node of the kind '{shown(loader)}', which is none of skops'")
        self.depth += 1
        if self.depth > _MOST_NESTED:
            raise UnsafeFileError(f"its description is nested more than {_MOST_NESTED} deep")
        found = _LOADERS[loader](self, node)
        self.depth -= 1
        if type(identity) is int:
            self.known[identity] = kind, found
        return found

    def values(self, nodes: object) -> list[Any]:
        """Return what a list of nodes stands for."""
        if not isinstance(nodes, list):
            raise FileFormatError(f"{type(nodes).__name__} where a list of nodes belongs")
        return [self.value(node) for node in nodes]

    def array(self, name: object) -> Array:
        """Return the array of a member."""
        if not isinstance(name, str):
            raise FileFormatError(f"{type(name).__name__} where the name of a member belongs")
        if name not in self.arrays:
            content = self.archive.read(name)
            stream = io.BytesIO(content)
            header, left = npy_header(stream, len(content))
            sizes = tuple(int(digits) for digits in re.findall(r"\d+", header["shape"]))
            dtype = AnyDtype(header["code"])
            self.arrays[name] = dtype.array(exactly(stream, left), sizes, header["by_columns"] == "True", self.budget)
        return self.arrays[name]


# --- the kinds of nodes -------------------------------------------------------------------------------------


def _json(reader: _Reader, node: Mapping[str, Any]) -> Any:
    content = node.get("content")
    try:
        value = json.loads(content) if isinstance(content, str) else content
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"a value that is not JSON: {shown(error)}") from None
    if not isinstance(value, str | int | float | None):
        raise FileFormatError(f"{type(value).__name__} where a number or a text belongs")
    return value


def _object(reader: _Reader, node: Mapping[str, Any]) -> Record:
    state = node.get("content")
    return Record(_name(node), state=None if state is None else reader.value(state))


def _beside(reader: _Reader, node: Mapping[str, Any]) -> Record:
    """Return a record of what nobody asks for what it holds."""
    return Record(_name(node))


def _dict(reader: _Reader, node: Mapping[str, Any]) -> dict[str, Any]:
    content = node.get("content")
    if not isinstance(content, dict):
        raise FileFormatError("a dict without content")
    return {key: reader.value(item) for key, item in content.items()}


def _default_dict(reader: _Reader, node: Mapping[str, Any]) -> Any:
    content = node.get("content")
    return reader.value(content.get("main") if isinstance(content, dict) else None)


def _array(reader: _Reader, node: Mapping[str, Any]) -> Array:
    match node:
        case {"type": "numpy", "file": name}:
            return reader.array(name)
        case {"type": "json", "content": items, "shape": shape}:
            values, sizes = reader.values(items), reader.value(shape)
            if isinstance(sizes, tuple) and len(sizes) == 1 and sizes[0] == len(values):
                return of_objects(values, sizes)
            return NOTHING  # a table of objects, which no parameter is
    raise FileFormatError("an array without a member or content")


def _cached(reader: _Reader, node: Mapping[str, Any]) -> Any:
    raise FileFormatError(f"it refers to an object that does not stand before it: {shown(str(node.get('__id__')))}")


_LOADERS: Mapping[str, Callable[[_Reader, Mapping[str, Any]], Any]] = MappingProxyType(
    {
        "JsonNode": _json,
        "ObjectNode": _object,
        "DictNode": _dict,
        "_DictWithDeprecatedKeysNode": _default_dict,
        "DefaultDictNode": _default_dict,
        "ListNode": lambda reader, node: reader.values(node.get("content")),
        "SetNode": lambda reader, node: reader.values(node.get("content")),
        "TupleNode": lambda reader, node: tuple(reader.values(node.get("content"))),
        "NdArrayNode": _array,
        "CachedNode": _cached,
        **dict.fromkeys(
            (
                "BytesNode", "BytearrayNode", "ConstructorFromReduceNode", "DTypeNode", "FunctionNode", "LossNode",
                "MaskedArrayNode", "MethodNode", "OperatorFuncNode", "PartialNode", "QuantileForestNode",
                "RandomGeneratorNode", "RandomStateNode", "SliceNode", "SparseMatrixNode", "TreeNode", "TypeNode",
            ),
            _beside,
        ),
    }
)  # fmt: skip
