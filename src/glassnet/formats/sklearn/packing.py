"""Compressed pickles, as joblib writes them: unpacked into memory under a limit that follows from the file's length.

Which of the ways it is, the first bytes say. Format: ``joblib/compressor.py``; for files of joblib before 0.10,
``joblib/numpy_pickle_compat.py``.
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from glassnet.errors import FileFormatError, UnsafeFileError
from glassnet.formats.beginnings import BZ2, GZIP, LZ4, LZMA, OLD_JOBLIB, XZ, ZLIB
from glassnet.formats.contents import Data, shown

# Learned parameters hardly compress; a file that grows more than this is made to fill a memory.
_LARGEST_GROWTH = 50
_ALWAYS_ALLOWED_BYTES = 1 << 24
# The largest dictionary of xz, that of -9, needs 65 MB to be unpacked.
_LZMA_MEMORY_BYTES = 100 << 20
# "ZF", then how long the content is in hexadecimal, 19 characters wide; Python 2 wrote a blank more.
_OLD_HEADER_BYTES = 2 + len(hex(1 << 64))


@dataclass(frozen=True)
class _Unpacker:
    """One of the standard library's, and what it raises for broken bytes."""

    unpacker: Any
    error: type[Exception]


def _zlib() -> _Unpacker:
    return _Unpacker(zlib.decompressobj(zlib.MAX_WBITS | 32), zlib.error)  # with either header, zlib's or gzip's


def _bz2() -> _Unpacker:
    return _Unpacker(_module("bz2").BZ2Decompressor(), OSError)


def _lzma() -> _Unpacker:
    lzma = _module("lzma")
    return _Unpacker(lzma.LZMADecompressor(memlimit=_LZMA_MEMORY_BYTES), lzma.LZMAError)


def _module(name: str) -> Any:
    """Return a part of the standard library that a Python may be built without."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise FileFormatError(f"compressed with {name}, which this Python was built without") from None


# First bytes → what unpacks the rest.
_UNPACKERS: Mapping[bytes, Callable[[], _Unpacker]] = MappingProxyType(
    {
        **dict.fromkeys((*ZLIB, GZIP), _zlib),
        BZ2: _bz2,
        **dict.fromkeys((XZ, LZMA), _lzma),
    }
)


def unpacked(data: Data) -> bytes:
    """Return what a compressed file holds.

    Raises FileFormatError where it is broken or cut off, UnsafeFileError where it grows more than parameters can.
    """
    head = data[:8]
    if head.startswith(LZ4):
        raise FileFormatError(
            "compressed with lz4, which Python cannot unpack by itself",
            hint="save it anew: joblib.dump(joblib.load(path), path, compress='gzip')",
        )
    if head.startswith(OLD_JOBLIB):
        start = _OLD_HEADER_BYTES + (data[_OLD_HEADER_BYTES : _OLD_HEADER_BYTES + 1] == b" ")
        return _grown(_zlib(), memoryview(data)[start:], len(data))
    for start_bytes, unpacker in _UNPACKERS.items():
        if head.startswith(start_bytes):
            return _grown(unpacker(), memoryview(data), len(data))
    raise FileFormatError("not compressed in a way that joblib has")


def _grown(with_error: _Unpacker, packed: memoryview, size: int) -> bytes:
    unpacker = with_error.unpacker
    most = max(_ALWAYS_ALLOWED_BYTES, _LARGEST_GROWTH * size)
    try:
        content: bytes = unpacker.decompress(packed, most + 1)
    except (with_error.error, EOFError, ValueError) as error:
        raise FileFormatError(f"compressed, and broken: {shown(error)}") from None
    if len(content) > most:
        raise UnsafeFileError(f"its {size:,} bytes would become more than {most:,}")
    if not unpacker.eof:
        raise FileFormatError("compressed, and cut off")
    if unpacker.unused_data:
        raise FileFormatError(f"{len(unpacker.unused_data):,} bytes follow the compressed content")
    return content
