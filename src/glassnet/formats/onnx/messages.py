"""ONNX' messages, read without protobuf: the fields that a network needs, by their numbers; others are passed over.

A protobuf message is a row of fields, each a key (its number and how it is written), then a number, or a length and as
many bytes. What holds numbers stays a view of the file. Graphs within nodes are not read, so nothing here is nested
deeper than model, graph, node, attribute, tensor. Wire format: https://protobuf.dev/programming-guides/encoding;
messages: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from glassnet.errors import FileFormatError, UnsafeFileError
from glassnet.formats.contents import shown
from glassnet.network.step import Array

# Each becomes an object, so a file of empty ones would take a hundred times its length.
_MOST_MESSAGES = 1_000_000
# How a field is written.
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10


@dataclass(slots=True)
class Message:
    """A message; raw: its bytes in the file."""

    raw: memoryview


@dataclass(slots=True)
class Entry(Message):
    """Two texts, StringStringEntryProto."""

    key: str = ""
    value: str = ""


@dataclass(slots=True)
class Tensor(Message):
    """TensorProto: values in ``raw_data``, or in the list of their type, or in another file."""

    name: str = ""
    dims: list[int] = field(default_factory=list)
    data_type: int = 0
    raw_data: memoryview | None = None
    string_data: list[memoryview] = field(default_factory=list)
    numbers: dict[str, list[Array]] = field(default_factory=dict)
    external_data: list[Entry] = field(default_factory=list)
    data_location: int = 0
    segment: memoryview | None = None


@dataclass(slots=True)
class Attribute(Message):
    """AttributeProto; type says which of the other fields counts."""

    name: str = ""
    type: int = 0
    f: float = 0.0
    i: int = 0
    s: memoryview = field(default_factory=lambda: memoryview(b""))
    t: Tensor | None = None
    floats: list[float] = field(default_factory=list)
    ints: list[int] = field(default_factory=list)
    strings: list[memoryview] = field(default_factory=list)


@dataclass(slots=True)
class Node(Message):
    """NodeProto."""

    name: str = ""
    op_type: str = ""
    domain: str = ""
    input: list[str] = field(default_factory=list)
    output: list[str] = field(default_factory=list)
    attribute: list[Attribute] = field(default_factory=list)


@dataclass(slots=True)
class Dimension(Message):
    """One size of a shape; None where it has a name, or nothing."""

    dim_value: int | None = None


@dataclass(slots=True)
class Shape(Message):
    """TensorShapeProto."""

    dim: list[Dimension] = field(default_factory=list)


@dataclass(slots=True)
class TensorType(Message):
    """TypeProto.Tensor."""

    elem_type: int = 0
    shape: Shape | None = None


@dataclass(slots=True)
class Type(Message):
    """TypeProto; None for what is no tensor."""

    tensor_type: TensorType | None = None


@dataclass(slots=True)
class ValueInfo(Message):
    """ValueInfoProto: an input or an output."""

    name: str = ""
    type: Type | None = None

    @property
    def tensor_type(self) -> TensorType | None:
        """Its type, where it is a tensor."""
        return None if self.type is None else self.type.tensor_type

    @property
    def elem_type(self) -> int:
        """The type of its numbers, 0 where nothing says it."""
        return 0 if self.tensor_type is None else self.tensor_type.elem_type


@dataclass(slots=True)
class Graph(Message):
    """GraphProto."""

    node: list[Node] = field(default_factory=list)
    initializer: list[Tensor] = field(default_factory=list)
    sparse_initializer: list[memoryview] = field(default_factory=list)
    input: list[ValueInfo] = field(default_factory=list)
    output: list[ValueInfo] = field(default_factory=list)


@dataclass(slots=True)
class OperatorSet(Message):
    """OperatorSetIdProto: a set of operators and its version."""

    domain: str = ""
    version: int = 0


@dataclass(slots=True)
class Model(Message):
    """ModelProto."""

    ir_version: int = 0
    graph: Graph | None = None
    opset_import: list[OperatorSet] = field(default_factory=list)
    metadata_props: list[Entry] = field(default_factory=list)


# --- fields -------------------------------------------------------------------------------------------------

_Kind = TypeVar("_Kind", bound=Message)


class _Budget:
    """How many more messages may be made."""

    left = _MOST_MESSAGES


# A reader of a field takes what was written, and gives what the field is, or has one more of.
_Reader = Callable[[int, Any, _Budget], Any]


def _integer(wire: int, value: Any, budget: _Budget) -> int:
    _expect(wire, _VARINT)
    number: int = value
    return number - (1 << 64) if number >> 63 else number


def _float(wire: int, value: Any, budget: _Budget) -> float:
    _expect(wire, _FIXED32)
    return float(np.frombuffer(value, "<f4")[0])


def _content(wire: int, value: Any, budget: _Budget) -> memoryview:
    _expect(wire, _BYTES)
    found: memoryview = value
    return found


def _text(wire: int, value: Any, budget: _Budget) -> str:
    return str(_content(wire, value, budget), "utf-8")


def _integers(wire: int, value: Any, budget: _Budget) -> list[int]:
    found: list[int] = _varints(wire, value).view(np.int64).tolist()
    return found


def _floats(wire: int, value: Any, budget: _Budget) -> list[float]:
    found: list[float] = _fixed("<f4", _FIXED32)(wire, value, budget).tolist()
    return found


def _fixed(code: str, alone: int) -> Callable[[int, Any, _Budget], Array]:
    """Return the reader of numbers of a fixed size, many in one field or one in each."""

    def read(wire: int, value: Any, budget: _Budget) -> Array:
        if wire not in (_BYTES, alone) or len(value) % np.dtype(code).itemsize:
            raise FileFormatError("a list of numbers that is none")
        return np.frombuffer(value, code)

    return read


def _varints(wire: int, value: Any) -> Array:
    """Return whole numbers as uint64, many in one field or one in each: 7 bits a byte, the last one below 128."""
    if wire == _VARINT:
        return np.array([value], np.uint64)
    _expect(wire, _BYTES)
    content = np.frombuffer(value, np.uint8)
    ends = np.flatnonzero(content < 0x80)
    if content.size and (not ends.size or ends[-1] != content.size - 1):
        raise FileFormatError("a list of whole numbers that is cut off")
    starts = np.concatenate([[0], ends[:-1] + 1]) if ends.size else ends
    lengths = ends - starts + 1
    if lengths.size and lengths.max() > _LONGEST_VARINT:
        raise FileFormatError("a whole number of more than 64 bits")
    numbers = np.zeros(ends.size, np.uint64)
    for place in range(int(lengths.max(initial=0))):
        there = lengths > place
        numbers[there] |= (content[starts[there] + place] & np.uint64(0x7F)) << np.uint64(7 * place)
    return numbers


def _expect(wire: int, expected: int) -> None:
    if wire != expected:
        raise FileFormatError(f"a field written in way {wire}, expected {expected}")


def _one(kind: type[_Kind]) -> _Reader:
    return lambda wire, value, budget: _message(kind, _content(wire, value, budget), budget)


# Number of a field → its name, what reads it, and how it joins what is there.
_SET, _APPEND, _EXTEND, _NUMBERS = range(4)
_FIELDS: Mapping[type[Message], Mapping[int, tuple[str, _Reader, int]]] = {
    Entry: {1: ("key", _text, _SET), 2: ("value", _text, _SET)},
    Tensor: {
        1: ("dims", _integers, _EXTEND),
        2: ("data_type", _integer, _SET),
        3: ("segment", _content, _SET),
        4: ("float_data", _fixed("<f4", _FIXED32), _NUMBERS),
        5: ("int32_data", lambda wire, value, budget: _varints(wire, value), _NUMBERS),
        6: ("string_data", _content, _APPEND),
        7: ("int64_data", lambda wire, value, budget: _varints(wire, value), _NUMBERS),
        8: ("name", _text, _SET),
        9: ("raw_data", _content, _SET),
        10: ("double_data", _fixed("<f8", _FIXED64), _NUMBERS),
        11: ("uint64_data", lambda wire, value, budget: _varints(wire, value), _NUMBERS),
        13: ("external_data", _one(Entry), _APPEND),
        14: ("data_location", _integer, _SET),
    },
    Attribute: {
        1: ("name", _text, _SET),
        2: ("f", _float, _SET),
        3: ("i", _integer, _SET),
        4: ("s", _content, _SET),
        5: ("t", _one(Tensor), _SET),
        7: ("floats", _floats, _EXTEND),
        8: ("ints", _integers, _EXTEND),
        9: ("strings", _content, _APPEND),
        20: ("type", _integer, _SET),
    },
    Node: {
        1: ("input", _text, _APPEND),
        2: ("output", _text, _APPEND),
        3: ("name", _text, _SET),
        4: ("op_type", _text, _SET),
        5: ("attribute", _one(Attribute), _APPEND),
        7: ("domain", _text, _SET),
    },
    Dimension: {1: ("dim_value", _integer, _SET)},
    Shape: {1: ("dim", _one(Dimension), _APPEND)},
    TensorType: {1: ("elem_type", _integer, _SET), 2: ("shape", _one(Shape), _SET)},
    Type: {1: ("tensor_type", _one(TensorType), _SET)},
    ValueInfo: {1: ("name", _text, _SET), 2: ("type", _one(Type), _SET)},
    Graph: {
        1: ("node", _one(Node), _APPEND),
        5: ("initializer", _one(Tensor), _APPEND),
        11: ("input", _one(ValueInfo), _APPEND),
        12: ("output", _one(ValueInfo), _APPEND),
        15: ("sparse_initializer", _content, _APPEND),
    },
    OperatorSet: {1: ("domain", _text, _SET), 2: ("version", _integer, _SET)},
    Model: {
        1: ("ir_version", _integer, _SET),
        7: ("graph", _one(Graph), _SET),
        8: ("opset_import", _one(OperatorSet), _APPEND),
        14: ("metadata_props", _one(Entry), _APPEND),
    },
}


def model_of(data: memoryview) -> Model:
    """Return the model that ``data`` are.

    Raises FileFormatError for what is no such message, UnsafeFileError for more of them than any network needs.
    """
    try:
        return _message(Model, data, _Budget())
    except UnicodeDecodeError as error:
        raise FileFormatError(f"a text that is not UTF-8: {shown(error)}") from None


def _message(kind: type[_Kind], data: memoryview, budget: _Budget) -> _Kind:
    budget.left -= 1
    if budget.left < 0:
        raise UnsafeFileError(f"more than {_MOST_MESSAGES:,} messages in one another, which no network needs")
    message = kind(data)
    fields = _FIELDS[kind]
    for number, wire, value in _written(data):
        if number not in fields:
            continue
        name, read, joined = fields[number]
        found = read(wire, value, budget)
        if joined == _SET:
            setattr(message, name, found)
        elif joined == _APPEND:
            getattr(message, name).append(found)
        elif joined == _EXTEND:
            getattr(message, name).extend(found)
        else:
            message.numbers.setdefault(name, []).append(found)  # type: ignore[attr-defined]
    return message


def _written(data: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
    """Give the fields of a message: number, how it is written, and the number or the bytes."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, position = _varint(data, position)
            yield number, wire, value
            continue
        if wire == _BYTES:
            length, position = _varint(data, position)
        elif wire in (_FIXED32, _FIXED64):
            length = 4 if wire == _FIXED32 else 8
        else:
            raise FileFormatError(f"field {number:,} is written in a way that is none, {wire}")
        if length > len(data) - position:
            raise FileFormatError(
                f"cut off: field {number:,} of {length:,} bytes expected, found {len(data) - position:,}"
            )
        yield number, wire, data[position : position + length]
        position += length


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    """Return the whole number at a place, and the place behind it."""
    number = 0
    for place, byte in enumerate(data[position : position + _LONGEST_VARINT]):
        number |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return number & ((1 << 64) - 1), position + place + 1
    raise FileFormatError("cut off within a whole number, or one of more than 64 bits")
