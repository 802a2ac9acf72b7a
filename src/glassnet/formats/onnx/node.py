"""One node of an ONNX graph, as the functions that read operators see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from glassnet.errors import ParametersError
from glassnet.formats.contents import shown
from glassnet.formats.onnx.messages import Attribute
from glassnet.formats.onnx.model import NARROW_TYPES, TYPES, tensor
from glassnet.formats.onnx.values import Builder, NotConstantError, Value, constant
from glassnet.network.step import Array

Result: TypeAlias = Value | tuple[Value, ...]
Reader: TypeAlias = Callable[["Node"], Result]


@dataclass(frozen=True)
class Node:
    """An operator with its inputs, its attributes, and the version of its set of operators.

    outputs: how many of its results somebody wants. inputs: None for those left out.
    """

    operator: str
    inputs: tuple[Value | None, ...]
    input_names: tuple[str, ...]
    attributes: Mapping[str, Attribute]
    version: int
    outputs: int
    build: Builder
    folder: Path | None

    def given(self, index: int) -> bool:
        """Tell whether an input is there."""
        return index < len(self.inputs) and self.inputs[index] is not None

    def value(self, index: int = 0) -> Value:
        """Return an input that must be there."""
        value = self.inputs[index] if index < len(self.inputs) else None
        if value is None:
            raise ParametersError(f"its input {index + 1} is missing")
        return value

    def constant(self, index: int) -> Array:
        """Return the numbers of an input that must be known; raise NotConstantError where it is not."""
        found = self.value(index).constant
        if found is None:
            raise NotConstantError(
                f"its input '{shown(self.input_names[index])}' must be a constant",
                hint=f"from_onnx(model, fixed={{'{shown(self.input_names[index])}': …}}) fixes an input of the graph",
            )
        return found

    def whole(self, index: int) -> list[int]:
        """Return a known input as whole numbers."""
        array = self.constant(index)
        if array.dtype.kind not in "iu" or array.ndim > 1:
            raise ParametersError(f"its input {index + 1} must be a list of whole numbers")
        return [int(number) for number in array.reshape(-1)]

    def attribute(self, name: str, default: Any = None) -> Any:
        """Return an attribute's value, texts as str, tensors as arrays."""
        given = self.attributes.get(name)
        if given is None:
            return default
        value = _attribute(given, self.folder)
        if default is not None and not isinstance(value, type(default)) and not isinstance(default, float):
            raise ParametersError(f"its attribute '{name}' is not what it should be: {type(value).__name__}")
        if isinstance(default, float) and not isinstance(value, int | float):
            raise ParametersError(f"its attribute '{name}' is not a number")
        return value

    def axes(self, index: int, since: int) -> list[int] | None:
        """Return axes: since a version an input, before it an attribute; None where none are given."""
        if self.version >= since:
            return self.whole(index) if self.given(index) else None
        return self.attribute("axes")

    def refuse_outputs(self, most: int = 1) -> None:
        """Raise ParametersError where more results are wanted than can be had."""
        if self.outputs > most:
            raise ParametersError(f"{self.outputs} of its outputs are used, expected at most {most}")


_KINDS: Mapping[int, str] = {1: "f", 2: "i", 3: "s", 4: "t", 6: "floats", 7: "ints", 8: "strings"}


def _attribute(proto: Attribute, folder: Path | None) -> Any:
    field = _KINDS.get(proto.type)
    if field is None:
        raise ParametersError(f"its attribute '{shown(proto.name)}' is of a kind that no dense network needs")
    value = getattr(proto, field)
    match field:
        case "f" | "i":
            return value
        case "s":
            return str(value, "utf-8", "replace")
        case "t":
            if value is None:
                raise ParametersError(f"its attribute '{shown(proto.name)}' is a tensor that is not there")
            return tensor(value, folder)
        case "strings":
            return [str(text, "utf-8", "replace") for text in value]
        case _:
            return list(value)


def dtype_of(kind: int, *, narrow: bool = False) -> np.dtype[Any]:
    """Return the dtype of an element type of ONNX; raise ParametersError for one that no network has.

    narrow: whether types of fewer than 8 bits will do, as they do where they are only read.
    """
    if narrow and kind in NARROW_TYPES:
        return np.dtype(NARROW_TYPES[kind])
    if kind not in TYPES:
        raise ParametersError(f"numbers of the type {kind}, expected one of {', '.join(sorted(set(TYPES.values())))}")
    return np.dtype(object if TYPES[kind] == "str" else TYPES[kind])


def whole_numbers(*numbers: int) -> Value:
    """Return a constant of int64."""
    return constant(np.array(numbers, np.int64))
