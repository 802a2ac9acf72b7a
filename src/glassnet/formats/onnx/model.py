"""From a file to a parsed ONNX model, and from its tensors to arrays.

Every size is checked here before anything is made of it. External data must
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
from typing import Any

import numpy as np

from glassnet.errors import FileFormatError, MissingFileError, MissingLibraryError, UnsafeFileError
from glassnet.formats.beginnings import GZIP
from glassnet.formats.contents import (
    MOST_AXES,
    Data,
    file_data,
    file_size,
    plain_array,
    plain_dtype,
    shown,
    widened_bfloat16,
)
from glassnet.formats.onnx.messages import Model, Tensor, model_of
from glassnet.network.step import Array

# Weights hardly compress; what grows more than this is made to fill a memory.
_LARGEST_GROWTH = 50
_ALWAYS_ALLOWED_BYTES = 1 << 24
_MOST_NODES = 50_000

# A tensor's element type → the dtype of its bytes.
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
# How many bits the values of these have.
_BITS: Mapping[int, int] = {**dict.fromkeys((17, 18, 19, 20, 24), 8), 21: 4, 22: 4, 23: 4, 25: 2, 26: 2}


# A tensor's element type → the list its values are in, where they are not in raw_data; of the others, int32_data.
_LISTS: Mapping[int, str] = {
    1: "float_data", 7: "int64_data", 11: "double_data", 12: "uint64_data", 13: "uint64_data",
}  # fmt: skip
_TEXTS, _BOOL, _BFLOAT16 = 8, 9, 16
_EXTERNAL = 1
_NONE = np.zeros(0, np.uint64)


def onnx_package() -> Any:
    """Return the onnx package, which writes models and unpacks rare types; raise MissingLibraryError without it."""
    try:
        import onnx  # noqa: PLC0415  the extra 'onnx'
    except ImportError:
        raise MissingLibraryError(
            "this needs the onnx package, which is not installed",
            hint="pip install 'glassnet[onnx]'",
        ) from None
    return onnx


def parsed(data: Data | memoryview) -> Model:
    """Return the model that ``data`` are; raise FileFormatError for what is none."""
    try:
        model = model_of(memoryview(data))
    except FileFormatError as error:
        raise type(error)(f"not an ONNX model: {error.message}") from None
    if model.graph is None or not model.ir_version:
        raise FileFormatError("not an ONNX model: it has no graph or no version")
    if len(model.graph.node) > _MOST_NODES:
        raise FileFormatError(f"a graph of {len(model.graph.node):,} nodes, expected at most {_MOST_NODES:,}")
    return model


def read_bytes(path: Path) -> Data:
    """Return the content of a model file, unpacked where gzip packed it."""
    data = file_data(path)
    return _unpacked(data) if data[:2] == GZIP else data


def _unpacked(data: Data) -> bytes:
    most = max(_ALWAYS_ALLOWED_BYTES, _LARGEST_GROWTH * len(data))
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            content = stream.read(most + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise FileFormatError(f"compressed with gzip, and broken: {shown(error)}") from None
    if len(content) > most:
        raise UnsafeFileError(f"{len(data):,} bytes of gzip that unpack to more than {most:,}")
    return content


# --- tensors ------------------------------------------------------------------------------------------------


def tensor(proto: Tensor, folder: Path | None) -> Array:
    """Return a tensor's values: texts as objects, types that NumPy lacks as float32 or the integers they are.

    folder: where external data may lie; None where there is none. Raises FileFormatError or UnsafeFileError, naming it.
    """
    try:
        return _tensor(proto, folder)
    except FileFormatError as error:
        raise type(error)(f"tensor '{shown(proto.name)}': {error.message}", hint=error.hint) from None


def _tensor(proto: Tensor, folder: Path | None) -> Array:
    kind, dims = proto.data_type, proto.dims
    if len(dims) > MOST_AXES or any(not 0 <= size < 1 << 40 for size in dims):
        raise FileFormatError(f"expected a shape of at most {MOST_AXES} sizes, none below 0, found {shown(str(dims))}")
    if kind == _TEXTS:
        if math.prod(dims) != len(proto.string_data):
            raise FileFormatError(f"shape {tuple(dims)} of texts, found {len(proto.string_data)}")
        return np.array([str(text, "utf-8", "replace") for text in proto.string_data], dtype=object).reshape(dims)
    if kind not in TYPES and kind not in NARROW_TYPES:
        raise FileFormatError(f"numbers of the type {kind}, expected real ones")
    if proto.segment is not None:
        raise FileFormatError("a part of a tensor, expected the whole")
    raw = _external(proto, folder) if proto.data_location == _EXTERNAL else proto.raw_data
    if kind in NARROW_TYPES:
        return _narrow(kind, dims, raw, proto)
    values = _listed(kind, proto) if raw is None else raw
    if kind == _BFLOAT16:
        return widened_bfloat16(plain_array(values, plain_dtype("<u2"), dims, by_columns=False))
    if not math.prod(dims) and not len(values):
        return np.zeros(dims, TYPES[kind])
    array = plain_array(values, plain_dtype(_PLAIN[kind]), dims, by_columns=False)
    return array.astype(bool) if kind == _BOOL else array


def _listed(kind: int, proto: Tensor) -> bytes | memoryview:
    """Return the values that stand in a list of numbers as the bytes that ``raw_data`` would have."""
    numbers = proto.numbers.get(_LISTS.get(kind, "int32_data"), [])
    if not numbers:
        return b""
    array = numbers[0] if len(numbers) == 1 else np.concatenate(numbers)
    if array.dtype.kind == "u":  # whole numbers and bits, of whose 64 bits the lower ones count
        array = array.astype(f"<u{np.dtype(_PLAIN.get(kind, '<u2')).itemsize}")
    return array.view(np.uint8).data


def _narrow(kind: int, dims: list[int], raw: memoryview | None, proto: Tensor) -> Array:
    """Return values of 8-bit floats and of types of fewer than 8 bits, which the onnx package unpacks."""
    onnx = onnx_package()
    if raw is not None and len(raw) != -(-math.prod(dims) * _BITS[kind] // 8):
        raise FileFormatError(f"shape {tuple(dims)} of {_BITS[kind]} bits each, found {len(raw)} bytes")
    if math.prod(dims) > 8 * len(proto.raw) + 8 * (0 if raw is None else len(raw)):
        raise FileFormatError(f"shape {tuple(dims)} needs more than the {len(proto.raw)} bytes that are there")
    given = onnx.TensorProto(data_type=kind, dims=dims)
    if raw is not None:
        given.raw_data = bytes(raw)
    else:
        given.int32_data.extend(np.concatenate(proto.numbers.get("int32_data", [_NONE])).astype(np.int32).tolist())
    try:
        return np.asarray(onnx.numpy_helper.to_array(given)).astype(NARROW_TYPES[kind])
    except Exception as error:  # of many kinds, as the onnx package finds them
        raise FileFormatError(f"not readable: {shown(error)}") from None


_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


def _opened(path: str, flags: int) -> int:
    """Open a file unless it became a link since it was looked at."""
    return os.open(path, flags | _NO_LINK)


def _external(proto: Tensor, folder: Path | None) -> memoryview:
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
