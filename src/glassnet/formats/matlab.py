"""The ``.mat`` format: MATLAB's matrices by name, versions 5 to 7.2, and 7.3, which is HDF5.

A file of version 5 is a row of elements, each a kind, a length and as many bytes, packed with zlib as a rule. Matrices
of numbers are read, also those in structs and cells, whose names become ``net.W`` and ``W1``, ``W2``, …; texts and
other kinds are left aside. Format: https://www.mathworks.com/help/pdf_doc/matlab/matfile_format.pdf
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import numpy as np

from glassnet.errors import FileFormatError, OptionError, UnsafeFileError
from glassnet.formats import beginnings
from glassnet.formats.contents import MOST_ARRAYS, MOST_AXES, Contents, Data, file_data, plain_array, shown
from glassnet.formats.cursor import Bytes, Cursor
from glassnet.formats.hdf5 import root
from glassnet.network import Network
from glassnet.network.steps import Array

_HEADER_BYTES = 128
_MATRIX, _PACKED = 14, 15
# The kind of an element → NumPy's code.
_ELEMENTS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
# The class of a matrix → what its numbers become.
_NUMBERS = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
_CELL, _STRUCT, _SPARSE = 1, 2, 5
_OTHERS = {3: "an object", 4: "a text", 5: "a sparse matrix", 16: "a function", 17: "an opaque object"}
_COMPLEX = 0x800
_MOST_NESTED = 16
_NUMERIC_CLASSES = {"double", "single", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"}


def read(path: Path) -> Contents:
    """Return the matrices of a file by name, and in words what was left aside."""
    data = file_data(path)
    if not beginnings.matlab(bytes(data[:_HEADER_BYTES])):
        raise FileFormatError("not a MATLAB file of version 5 or later")
    if bytes(data[124:126]) in (b"\x00\x02", b"\x02\x00"):
        return _version_73(data)
    order = "<" if data[126:128] == b"IM" else ">"
    source = Bytes(memoryview(data))
    found = _Found(source, order)
    cursor = Cursor(source, memoryview(data)[_HEADER_BYTES:])
    while cursor.left >= 8:
        kind, content = _element(cursor, order)
        if kind == _PACKED:
            unpacked = _unpacked(source, content)
            kind, content = _element(Cursor(source, unpacked), order)
        if kind != _MATRIX:
            raise FileFormatError(f"an element of kind {kind} where a matrix belongs")
        _matrix(found, Cursor(source, content), "", 0)
    return Contents(found.arrays, notes=tuple(found.notes[:20]))


def write(network: Network) -> NoReturn:
    """Raise OptionError: MATLAB's files are read, not written."""
    raise OptionError("MATLAB files are read, not written", hint="save it as .npz, or as .onnx for MATLAB")


@dataclass
class _Found:
    """What was read so far."""

    source: Bytes
    order: str
    arrays: dict[str, Array] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, name: str, array: Array) -> None:
        if name in self.arrays:
            raise FileFormatError(f"array '{shown(name)}' is there twice")
        if len(self.arrays) == MOST_ARRAYS:
            raise FileFormatError(f"holds more than {MOST_ARRAYS:,} arrays")
        self.arrays[name] = array


def _element(cursor: Cursor, order: str) -> tuple[int, memoryview]:
    """Return the kind of the next element and its bytes."""
    cursor.source.step()
    first = _uint(cursor, order)
    if first >> 16:  # a small one: length and kind in one word, the bytes in the next
        size = first >> 16
        content = cursor.take(4)
        if size > 4:
            raise FileFormatError(f"a small element of {size} bytes")
        return first & 0xFFFF, content[:size]
    size = _uint(cursor, order)
    content = cursor.take(size)
    if first != _PACKED:
        cursor.take(min(-size % 8, cursor.left))
    return first, content


def _uint(cursor: Cursor, order: str) -> int:
    return int.from_bytes(cursor.take(4), "little" if order == "<" else "big")


def _unpacked(source: Bytes, content: memoryview) -> memoryview:
    allowed = source.unpacked.left
    unpacker = zlib.decompressobj()
    try:
        result = unpacker.decompress(content, allowed + 1)
    except zlib.error as error:
        raise FileFormatError(f"a matrix that does not unpack: {shown(error)}") from None
    source.unpacked.spend(len(result))
    if not unpacker.eof:
        raise FileFormatError("a packed matrix that is cut off")
    return memoryview(result)


def _matrix(found: _Found, cursor: Cursor, name: str, depth: int) -> None:
    """Read one matrix, or what is in a cell or a struct; name: what it is called where it does not say."""
    order = found.order
    if not cursor.left:  # an empty place in a cell
        return
    if depth > _MOST_NESTED:
        raise UnsafeFileError(f"cells and structs nested more than {_MOST_NESTED} deep")
    flags = _numbers(*_element(cursor, order), order)
    sizes = _numbers(*_element(cursor, order), order)
    own = bytes(_element(cursor, order)[1]).decode("latin1")
    if flags.size < 1 or not 2 <= sizes.size <= MOST_AXES or (sizes < 0).any():
        raise FileFormatError(f"matrix '{shown(own or name)}' without flags or sizes")
    name = name or own
    kind, shape = int(flags[0]) & 0xFF, [int(size) for size in sizes]
    count = math.prod(shape)
    if kind in _NUMBERS:
        if int(flags[0]) & _COMPLEX:
            raise FileFormatError(f"array '{shown(name)}' holds complex numbers")
        if count:
            found.add(name, _plain(found, cursor, name, kind, shape))
    elif kind == _CELL:
        _check_count(found, name, count)
        for number in range(1, count + 1):
            _inner(found, cursor, f"{name}{number}", depth)
    elif kind == _STRUCT:
        width = _numbers(*_element(cursor, order), order)
        names = bytes(_element(cursor, order)[1])
        if width.size != 1 or not 0 < int(width[0]) <= 1024:
            raise FileFormatError(f"struct '{shown(name)}' without the lengths of its names")
        step = int(width[0])
        fields = [names[at : at + step].split(b"\0")[0].decode("latin1") for at in range(0, len(names), step)]
        _check_count(found, name, count * max(1, len(fields)))
        for number in range(1, count + 1):
            for inner in fields:
                _inner(found, cursor, f"{name}.{inner}" if count == 1 else f"{name}{number}.{inner}", depth)
    else:
        found.notes.append(f"'{shown(name)}' is {_OTHERS.get(kind, f'of class {kind}')}, and was left aside")


def _check_count(found: _Found, name: str, count: int) -> None:
    if count > MOST_ARRAYS:
        raise UnsafeFileError(f"'{shown(name)}' has {shown(count)} parts, expected at most {MOST_ARRAYS:,}")


def _inner(found: _Found, cursor: Cursor, name: str, depth: int) -> None:
    kind, content = _element(cursor, found.order)
    if kind != _MATRIX:
        raise FileFormatError(f"an element of kind {kind} where '{shown(name)}' belongs")
    if len(name) > 500:
        raise FileFormatError(f"a name of {len(name):,} characters")
    _matrix(found, Cursor(found.source, content), name, depth + 1)


def _plain(found: _Found, cursor: Cursor, name: str, kind: int, shape: list[int]) -> Array:
    """Return a matrix of numbers, which may be kept in a smaller kind than its own."""
    kept, content = _element(cursor, found.order)
    if kept not in _ELEMENTS:
        raise FileFormatError(f"array '{shown(name)}': elements of kind {kept}, expected numbers")
    try:
        array = plain_array(content, np.dtype(found.order + _ELEMENTS[kept]), shape, by_columns=True)
    except FileFormatError as error:
        raise FileFormatError(f"array '{shown(name)}': {error.message}") from None
    if array.dtype.newbyteorder("=") == np.dtype(_NUMBERS[kind]):
        return array
    found.source.unpacked.spend(array.size * np.dtype(_NUMBERS[kind]).itemsize)
    return array.astype(_NUMBERS[kind])


def _numbers(kind: int, content: memoryview, order: str) -> Array:
    if kind not in _ELEMENTS or len(content) % int(_ELEMENTS[kind][1]):
        raise FileFormatError(f"an element of kind {kind} and {len(content)} bytes where numbers belong")
    return np.frombuffer(content, order + _ELEMENTS[kind])


# --- version 7.3 --------------------------------------------------------------------------------------------


def _version_73(data: Data) -> Contents:
    """Return the matrices at the top of an HDF5 file, where MATLAB keeps them transposed."""
    top = root(data)
    arrays: dict[str, Array] = {}
    notes = []
    for name in top.below:
        if name.startswith("#"):  # what cells and structs refer to
            continue
        node = top[name]
        if not node.is_array or node.attributes.get("MATLAB_class") not in _NUMERIC_CLASSES:
            notes.append(f"'{shown(name)}' is no matrix of numbers, and was left aside")
        elif "MATLAB_empty" not in node.attributes:
            try:
                arrays[name] = node.array().T
            except FileFormatError as error:
                raise type(error)(f"array '{shown(name)}': {error.message}", hint=error.hint) from None
    return Contents(arrays, notes=tuple(notes[:20]))
