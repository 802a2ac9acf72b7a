"""From bytes to a parsed ONNX model, and from its tensors to arrays: the only place that knows protobuf.

The ``onnx`` package parses the message; every size is checked here before anything is made of it. External data must
lie in the folder of the model: no absolute paths, no way up, no links. Format: https://onnx.ai/onnx/repo-docs/IR.html
"""

from __future__ import annotations

import gzip
import io
import math
import os
import stat
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

import numpy as np

from glassnet.errors import FileFormatError, MissingFileError, MissingLibraryError, UnsafeFileError
from glassnet.formats.contents import MOST_AXES, file_data, file_size, plain_array, plain_dtype, shown
from glassnet.network.step import Array

if TYPE_CHECKING:
    import onnx

# protobuf's own limit for a message.
_LARGEST_BYTES = (1 << 31) - 1
# Weights hardly compress; what grows more than this is made to fill a memory.
_LARGEST_GROWTH = 50
_ALWAYS_ALLOWED_BYTES = 1 << 24
_MOST_NODES = 50_000

# A tensor's element type → the dtype of its bytes; the others are unpacked by the onnx package.
_PLAIN: Mapping[int, str] = {
    1: "<f4", 2: "u1", 3: "i1", 4: "<u2", 5: "<i2", 6: "<i4", 7: "<i8", 9: "u1", 10: "<f2", 11: "<f8",
    12: "<u4", 13: "<u8",
}  # fmt: skip
# The element types there are → what they are called; values of the types NumPy lacks are kept as float32.
TYPES: Mapping[int, str] = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "str", 9: "bool",
    10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 16: "float32",
}  # fmt: skip
# Types of fewer bits, which are only read: float8 and float4 as float32, int4 and int2 in the smallest that holds them.
NARROW_TYPES: Mapping[int, str] = {
    **dict.fromkeys((17, 18, 19, 20, 23, 24), "float32"), 21: "uint8", 22: "int8", 25: "uint8", 26: "int8",
}  # fmt: skip


# How many bits the values of the other types have.
_BITS: Mapping[int, int] = {16: 16, **dict.fromkeys((17, 18, 19, 20, 24), 8), 21: 4, 22: 4, 23: 4, 25: 2, 26: 2}


def library() -> Any:
    """Return the onnx package; raise MissingLibraryError where it is not installed."""
    try:
        import onnx  # noqa: PLC0415  the extra 'onnx'
    except ImportError:
        raise MissingLibraryError(
            "ONNX models are parsed by the onnx package, which is not installed",
            hint="pip install 'glassnet[onnx]'",
        ) from None
    return onnx


def parsed(data: bytes) -> onnx.ModelProto:
    """Return the model that ``data`` are; raise FileFormatError for what is none."""
    onnx = library()
    from google.protobuf.message import DecodeError  # noqa: PLC0415  comes with onnx

    if len(data) > _LARGEST_BYTES:
        raise FileFormatError(f"a model of {len(data):,} bytes, expected at most {_LARGEST_BYTES:,}")
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except (DecodeError, RecursionError, ValueError) as error:
        raise FileFormatError(f"not an ONNX model: {shown(error)}") from None
    if not model.HasField("graph") or not model.ir_version:
        raise FileFormatError("not an ONNX model: it has no graph or no version")
    if len(model.graph.node) > _MOST_NODES:
        raise FileFormatError(f"a graph of {len(model.graph.node):,} nodes, expected at most {_MOST_NODES:,}")
    return model


def read_bytes(path: Path) -> bytes:
    """Return the content of a model file, unpacked where gzip packed it."""
    data = bytes(file_data(path))
    return _unpacked(data) if data[:2] == b"\x1f\x8b" else data


def _unpacked(data: bytes) -> bytes:
    most = min(_LARGEST_BYTES, max(_ALWAYS_ALLOWED_BYTES, _LARGEST_GROWTH * len(data)))
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            content = stream.read(most + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise FileFormatError(f"compressed with gzip, and broken: {shown(error)}") from None
    if len(content) > most:
        raise UnsafeFileError(f"{len(data):,} bytes of gzip that unpack to more than {most:,}")
    return content


# --- tensors ------------------------------------------------------------------------------------------------


def tensor(proto: onnx.TensorProto, folder: Path | None) -> Array:
    """Return a tensor's values: texts as objects, types that NumPy lacks as float32 or the integers they are.

    folder: where external data may lie; None where there is none. Raises FileFormatError or UnsafeFileError, naming it.
    """
    try:
        return _tensor(proto, folder)
    except FileFormatError as error:
        raise type(error)(f"tensor '{shown(proto.name)}': {error.message}", hint=error.hint) from None


def _tensor(proto: onnx.TensorProto, folder: Path | None) -> Array:
    onnx = library()
    kind, dims = proto.data_type, list(proto.dims)
    if len(dims) > MOST_AXES or any(not 0 <= size < 1 << 40 for size in dims):
        raise FileFormatError(f"expected a shape of at most {MOST_AXES} sizes, none below 0, found {shown(str(dims))}")
    if kind == onnx.TensorProto.STRING:
        if math.prod(dims) != len(proto.string_data):
            raise FileFormatError(f"shape {tuple(dims)} of texts, found {len(proto.string_data)}")
        return np.array([str(text, "utf-8", "replace") for text in proto.string_data], dtype=object).reshape(dims)
    if kind not in TYPES and kind not in NARROW_TYPES:
        raise FileFormatError(f"numbers of the type {kind}, expected real ones")
    if proto.data_location == onnx.TensorProto.EXTERNAL:
        raw: bytes | memoryview = _external(proto, folder)
        proto = onnx.TensorProto(data_type=kind, dims=dims)
    else:
        raw = proto.raw_data if proto.HasField("raw_data") else b""
    if kind in _PLAIN and raw:
        array = plain_array(raw, plain_dtype(_PLAIN[kind]), dims, by_columns=False)
        return array.astype(bool) if kind == onnx.TensorProto.BOOL else array
    if raw:
        bits = _BITS.get(kind, 0)
        if len(raw) != -(-math.prod(dims) * bits // 8):
            raise FileFormatError(f"shape {tuple(dims)} of {bits} bits each, found {len(raw)} bytes")
        proto.raw_data = bytes(raw)
    if math.prod(dims) > 8 * (proto.ByteSize() + 1):
        raise FileFormatError(f"shape {tuple(dims)} needs more than the {proto.ByteSize()} bytes that are there")
    try:
        array = np.asarray(onnx.numpy_helper.to_array(proto))
    except Exception as error:  # of many kinds, as the onnx package finds them
        raise FileFormatError(f"not readable: {shown(error)}") from None
    if array.dtype.isbuiltin == 1:
        return array
    return array.astype({**TYPES, **NARROW_TYPES}[kind])


_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


def _opened(path: str, flags: int) -> int:
    """Open a file unless it became a link since it was looked at."""
    return os.open(path, flags | _NO_LINK)


def _external(proto: onnx.TensorProto, folder: Path | None) -> memoryview:
    entries = {entry.key: entry.value for entry in proto.external_data}
    location = entries.get("location", "")
    if folder is None:
        raise FileFormatError("its values lie in another file", hint="load the model from its file, with its folder")
    pure = PurePosixPath(location)
    ways = (*pure.parts, *PureWindowsPath(location).parts)
    if (
        not location
        or pure.is_absolute()
        or PureWindowsPath(location).drive
        or ".." in ways
        or "\\" in location
        or "\0" in location
    ):
        raise UnsafeFileError(f"its values lie in '{shown(location)}', expected a file in the model's folder")
    place = folder
    for part in pure.parts:
        place = place / part
        if place.is_symlink():
            raise UnsafeFileError(f"its values lie behind a link, '{shown(location)}'")
    try:
        size = file_size(place)
    except MissingFileError:
        raise FileFormatError(
            f"its values lie in '{shown(location)}', which is not there", hint="put both files into one folder"
        ) from None
    try:
        offset, length = int(entries.get("offset", "0")), int(entries.get("length", "-1"))
    except ValueError:
        raise FileFormatError("offset and length of its values are not whole numbers") from None
    length = size - offset if length == -1 else length
    if not (0 <= offset <= size and 0 <= length <= size - offset):
        raise FileFormatError(
            f"bytes {shown(offset)} to {shown(offset + length)} of '{shown(location)}', which has {size:,}"
        )
    with open(place, "rb", opener=_opened) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise UnsafeFileError(f"its values lie in '{shown(location)}', which is no regular file")
        if not length:
            return memoryview(b"")
        if length >= _ALWAYS_ALLOWED_BYTES:
            return memoryview(np.memmap(file, np.uint8, "r", offset, (length,)))  # type: ignore[arg-type]
        file.seek(offset)
        return memoryview(file.read(length))
