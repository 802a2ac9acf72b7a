"""The ``.gguf`` format: named tensors behind a table of keys, as llama.cpp and its kin keep them.

Tensors of floating-point numbers and integers are read; quantised ones are refused by the name of their kind. Counts
and lengths, up to 2⁶⁴ in a file, are compared with what is left of it before anything is taken.
Specification: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, NoReturn

from glassnet.errors import FileFormatError, OptionError
from glassnet.formats.beginnings import GGUF_MAGIC
from glassnet.formats.contents import (
    MOST_ARRAYS,
    Contents,
    file_data,
    plain_array,
    plain_dtype,
    shown,
    widened_bfloat16,
)
from glassnet.formats.cursor import Bytes, Cursor
from glassnet.network import Network
from glassnet.network.steps import Array

_MOST_KEYS = 100_000
_LONGEST_NAME = 1 << 16
_ALIGNMENT = 32
_MOST_NESTED = 4

# ggml's number of a kind of tensor → NumPy's code, where it is plain numbers.
_PLAIN = {0: "<f4", 1: "<f2", 24: "<i1", 25: "<i2", 26: "<i4", 27: "<i8", 28: "<f8"}
_BFLOAT16 = 30
_QUANTISED = {
    2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 12: "Q4_K", 13: "Q5_K",
    14: "Q6_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S",
    22: "IQ2_S", 23: "IQ4_XS", 29: "IQ1_M", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4",
}  # fmt: skip
# The number of a kind of value in the table of keys → its bytes.
_SIZES: Mapping[int, int] = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_TEXT, _LIST = 8, 9


def read(path: Path) -> Contents:
    """Return the tensors of a file by name, the axis that runs fastest last."""
    data = file_data(path)
    source = Bytes(memoryview(data))
    cursor = source.at(0)
    if bytes(cursor.take(4)) != GGUF_MAGIC:
        raise FileFormatError("not a GGUF file")
    version = cursor.uint(4)
    if version not in (2, 3):
        what = "in big-endian order" if version > 0xFFFF else f"of version {version}"
        raise FileFormatError(f"GGUF {what}, expected version 2 or 3 in little-endian order")
    tensors, keys = cursor.uint(8), cursor.uint(8)
    if tensors > MOST_ARRAYS or keys > _MOST_KEYS:
        raise FileFormatError(
            f"claims {shown(tensors)} tensors and {shown(keys)} keys, expected at most {MOST_ARRAYS:,} and "
            f"{_MOST_KEYS:,}"
        )
    alignment = _alignment(cursor, keys)
    entries = [_entry(cursor) for _ in range(tensors)]
    start = -(-cursor.position // alignment) * alignment
    arrays: dict[str, Array] = {}
    for entry in entries:
        if entry.name in arrays:
            raise FileFormatError(f"array '{shown(entry.name)}' is there twice")
        arrays[entry.name] = _array(source, entry, start, alignment)
    return Contents(arrays, outputs_first=True)


def write(network: Network) -> NoReturn:
    """Raise OptionError: GGUF is read, not written."""
    raise OptionError("GGUF files are read, not written", hint="save it as .safetensors")


class _Entry(NamedTuple):
    name: str
    shape: tuple[int, ...]
    kind: int
    offset: int


def _text(cursor: Cursor) -> str:
    length = cursor.uint(8)
    if length > _LONGEST_NAME:
        raise FileFormatError(f"a name of {shown(length)} bytes, expected at most {_LONGEST_NAME:,}")
    return bytes(cursor.take(length)).decode("utf-8", "replace")


def _alignment(cursor: Cursor, keys: int) -> int:
    """Walk over the table of keys and return what the tensors' places are multiples of."""
    alignment = _ALIGNMENT
    for _ in range(keys):
        cursor.source.step()
        name, kind = _text(cursor), cursor.uint(4)
        if name == "general.alignment" and kind == 4:
            alignment = cursor.uint(4)
            if not 0 < alignment <= 1 << 20:
                raise FileFormatError(f"an alignment of {alignment:,} bytes")
        else:
            _skip(cursor, kind, 0)
    return alignment


def _skip(cursor: Cursor, kind: int, depth: int) -> None:
    """Pass over a value."""
    if kind in _SIZES:
        cursor.take(_SIZES[kind])
    elif kind == _TEXT:
        cursor.take(cursor.uint(8))
    elif kind == _LIST and depth < _MOST_NESTED:
        inner, count = cursor.uint(4), cursor.uint(8)
        if inner in _SIZES:
            cursor.take(count * _SIZES[inner])
            return
        for _ in range(count):
            cursor.source.step()
            _skip(cursor, inner, depth + 1)
    else:
        raise FileFormatError(f"a value of unknown kind {kind} in its table of keys")


def _entry(cursor: Cursor) -> _Entry:
    name = _text(cursor)
    axes = cursor.uint(4)
    if axes > 4:
        raise FileFormatError(f"array '{shown(name)}': {axes} axes, expected at most 4")
    sizes = [cursor.uint(8) for _ in range(axes)]
    return _Entry(name, tuple(reversed(sizes)), cursor.uint(4), cursor.uint(8))


def _array(source: Bytes, entry: _Entry, start: int, alignment: int) -> Array:
    label = f"array '{shown(entry.name)}'"
    if entry.kind in _QUANTISED:
        raise FileFormatError(
            f"{label} is quantised as {_QUANTISED[entry.kind]}, which is not read", hint="convert it to F32 or F16"
        )
    if entry.kind not in _PLAIN and entry.kind != _BFLOAT16:
        raise FileFormatError(f"{label} is of the unknown kind {entry.kind}")
    dtype = plain_dtype(_PLAIN.get(entry.kind, "<u2"))
    size = dtype.itemsize
    for length in entry.shape:
        size *= length
    if entry.offset % alignment:
        raise FileFormatError(f"{label} begins at byte {entry.offset:,}, expected a multiple of {alignment}")
    if size > len(source.data) or entry.offset > len(source.data):
        raise FileFormatError(f"{label} of shape {shown(str(entry.shape))} does not lie in the file")
    source.plain.spend(size)
    piece = source.at(start + entry.offset).take(size)
    try:
        array = plain_array(piece, dtype, entry.shape, by_columns=False)
    except FileFormatError as error:
        raise FileFormatError(f"{label}: {error.message}") from None
    return widened_bfloat16(array) if entry.kind == _BFLOAT16 else array
