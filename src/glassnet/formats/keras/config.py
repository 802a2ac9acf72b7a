"""What a model's JSON says of one layer, read with care: each value is checked for its kind where it is used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from glassnet.errors import FileFormatError, UnsafeFileError
from glassnet.formats.contents import shown

# Where the classes of Keras itself have lived, from version 1 to 3.
_HOMES = ("keras", "tensorflow.keras", "tensorflow.python.keras", "tf_keras", "builtins")
CODE = "holds code, which is never run; put what it does into layers of its own and save the model anew"


def is_config(value: object) -> bool:
    """Tell whether a JSON value says a Keras model."""
    return isinstance(value, Mapping) and isinstance(value.get("class_name"), str) and "config" in value


@dataclass(frozen=True)
class Version:
    """Which Keras wrote a model: its defaults changed between 1, 2 and 3."""

    major: int = 3

    @classmethod
    def of(cls, text: object) -> Version:
        """Return the version that ``text`` names, as ``2.4.0-tf``; files without one are from before 2."""
        first = str(text or "1").partition(".")[0]
        return cls(int(first) if first in ("1", "2", "3") else 0 if first == "0" else 3)


@dataclass(frozen=True)
class Layer:
    """One entry of a model: its class, its name, its options, and the calls that a graph makes of it."""

    kind: str
    name: str
    config: Any
    calls: Any = None
    module: str = ""
    build: Any = None

    @classmethod
    def of(cls, entry: object) -> Layer:
        """Return the layer that a JSON object says; raise FileFormatError where it says none of Keras' own.

        Raises UnsafeFileError for a layer that holds code.
        """
        if not isinstance(entry, Mapping) or not isinstance(kind := entry.get("class_name"), str):
            raise FileFormatError("its model has a layer without a class_name")
        config = entry.get("config", {})
        name = entry.get("name")
        if not isinstance(name, str):
            name = config.get("name") if isinstance(config, Mapping) else None
        name = name if isinstance(name, str) else ""
        module, registered = entry.get("module"), entry.get("registered_name")
        if kind == "Lambda":
            raise UnsafeFileError(f"layer '{shown(name)}' is a Lambda, which {CODE}")
        if kind == "__lambda__":
            raise UnsafeFileError(f"a Python function stands where a layer belongs, which {CODE}")
        own = module is None or (isinstance(module, str) and module.split(".")[0] == "keras") or module in _HOMES
        own = own or (isinstance(module, str) and module.startswith(_HOMES[1:4]))
        if not own or ">" in kind or (isinstance(registered, str) and ">" in registered):
            whose = registered if isinstance(registered, str) else f"{module}.{kind}" if module else kind
            raise FileFormatError(
                f"layer '{shown(name)}' is a custom one, '{shown(whose)}', which only its own code could compute",
                hint="replace it by layers of Keras' own and save the model anew",
            )
        return cls(kind, name, config, entry.get("inbound_nodes"), str(module or ""), entry.get("build_config"))

    def inner_names(self) -> Iterator[str]:
        """Give the names of the layers of a model within a model, at any depth."""
        waiting = [self.config]
        while waiting:
            config = waiting.pop()
            layers = config.get("layers") if isinstance(config, Mapping) else config
            for entry in layers if isinstance(layers, list) else ():
                inner = entry.get("config") if isinstance(entry, Mapping) else None
                if isinstance(inner, Mapping) and isinstance(name := entry.get("name", inner.get("name")), str):
                    yield name
                    waiting.append(inner)

    @property
    def double(self) -> bool:
        """Whether the layer computes in float64."""
        given = self.config.get("dtype") if isinstance(self.config, Mapping) else None
        if isinstance(given, Mapping):
            given = given.get("config")
            given = given.get("name") if isinstance(given, Mapping) else None
        return given == "float64"

    @property
    def label(self) -> str:
        """What errors call this layer."""
        return f"layer '{shown(self.name)}' ({shown(self.kind)})"

    def wrong(self, message: str, hint: str = "") -> FileFormatError:
        """Return an error that names this layer."""
        return FileFormatError(f"{self.label}: {message}", hint=hint)

    def get(self, *keys: str) -> Any:
        """Return the first of some options that is there, by its name in each version; None where none is."""
        if not isinstance(self.config, Mapping):
            raise self.wrong("has no options")
        return next((self.config[key] for key in keys if self.config.get(key) is not None), None)

    def number(self, default: float, *keys: str) -> float:
        """Return an option that is a number."""
        value = self.get(*keys)
        if isinstance(value, Mapping) and value.get("class_name") == "__numpy__":
            value = value.get("config", {}).get("value") if isinstance(value.get("config"), Mapping) else value
        if isinstance(value, Mapping) and value.get("type") == "ndarray":  # Keras 2 of NumPy's numbers
            value = value.get("value")
        if value is None:
            return default
        if type(value) not in (int, float) or abs(value) > 1e300:
            raise self.wrong(f"'{keys[0]}' is {type(value).__name__}, expected a number")
        return float(value)

    def flag(self, default: bool, *keys: str) -> bool:
        """Return an option that is true or false."""
        value = self.get(*keys)
        if value is not None and type(value) is not bool:
            raise self.wrong(f"'{keys[0]}' is {type(value).__name__}, expected true or false")
        return default if value is None else value

    def axes(self, default: int, rank: int, *keys: str) -> tuple[int, ...]:
        """Return an option that names axes of a batch as axes of a row, from 0."""
        value = self.get(*keys)
        listed = [default] if value is None else list(value) if isinstance(value, list) else [value]
        axes = []
        for axis in listed:
            if type(axis) is not int or not -rank <= axis <= rank or axis == 0:
                raise self.wrong(f"'{keys[0]}' is {shown(str(value))}, expected axes of rows with {rank}")
            axes.append(axis - 1 if axis > 0 else rank + axis)
        return tuple(axes)

    def shape(self, value: object, what: str) -> tuple[int, ...]:
        """Return the shape of a row, from a list of sizes."""
        if not isinstance(value, list | tuple) or any(type(size) is not int for size in value):
            raise self.wrong(
                f"{what} is {shown(str(value))}, expected sizes that are all known",
                hint="a network here has rows of one shape; give the model an Input of a fixed shape",
            )
        if len(value) > 8 or any(not 0 < size < 1 << 32 for size in value):
            raise self.wrong(f"{what} is {shown(str(value))}, expected sizes above 0")
        return tuple(value)
