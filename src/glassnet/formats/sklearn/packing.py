"""Compressed pickles, as joblib writes them: unpacked into memory under a limit that follows from the file's length.

Which of the ways it is, the first bytes say. Format: ``joblib/compressor.py``; for files of joblib before 0.10,
``joblib/numpy_pickle_compat.py``.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from glassnet.errors import FileFormatError, UnsafeFileError
from glassnet.formats.contents import Data, shown

# Learned parameters hardly compress; a file that grows more than this is made to fill a memory.
_LARGEST_GROWTH = 50
_ALWAYS_ALLOWED_BYTES = 1 << 24
# The largest dictionary of xz, that of -9, needs 65 MB to be unpacked.
_LZMA_MEMORY_BYTES = 100 << 20
# "ZF", then how long the content is in hexadecimal, 19 characters wide; Python 2 wrote a blank more.
_OLD_HEADER_BYTES = 2 + len(hex(1 << 64))

# First bytes → what unpacks the rest: an object of the standard library with decompress(data, most), eof, unused_data.
_UNPACKERS: Mapping[bytes, Callable[[], Any]] = MappingProxyType(
    {
        **{bytes([0x78, level]): lambda: zlib.decompressobj(zlib.MAX_WBITS) for level in (0x01, 0x5E, 0x9C, 0xDA)},
        b"\x1f\x8b": lambda: zlib.decompressobj(zlib.MAX_WBITS | 16),
        b"BZh": bz2.BZ2Decompressor,
        b"\xfd7zXZ": lambda: lzma.LZMADecompressor(memlimit=_LZMA_MEMORY_BYTES),
        b"\x5d\x00\x00": lambda: lzma.LZMADecompressor(memlimit=_LZMA_MEMORY_BYTES),
    }
)
_OLD = b"ZF"
_LZ4 = b"\x04\x22\x4d\x18"


def recognises(head: bytes) -> bool:
    """Tell whether a file begins as joblib's compressed files do."""
    return head.startswith((*_UNPACKERS, _LZ4)) or (head.startswith(_OLD) and head[2:4] == b"0x")


def unpacked(data: Data) -> bytes:
    """Return what a compressed file holds.

    Raises FileFormatError where it is broken or cut off, UnsafeFileError where it grows more than parameters can.
    """
    head = data[:8]
    if head.startswith(_LZ4):
        raise FileFormatError(
            "compressed with lz4, which Python cannot unpack by itself",
            hint="save it anew: joblib.dump(joblib.load(path), path, compress='gzip')",
        )
    if head.startswith(_OLD):
        start = _OLD_HEADER_BYTES + (data[_OLD_HEADER_BYTES : _OLD_HEADER_BYTES + 1] == b" ")
        return _grown(zlib.decompressobj(), memoryview(data)[start:], len(data))
    for start_bytes, unpacker in _UNPACKERS.items():
        if head.startswith(start_bytes):
            return _grown(unpacker(), memoryview(data), len(data))
    raise FileFormatError("not compressed in a way that joblib has")


def _grown(unpacker: Any, packed: memoryview, size: int) -> bytes:
    most = max(_ALWAYS_ALLOWED_BYTES, _LARGEST_GROWTH * size)
    try:
        content: bytes = unpacker.decompress(packed, most + 1)
    except (zlib.error, lzma.LZMAError, OSError, ValueError, EOFError) as error:
        raise FileFormatError(f"compressed, and broken: {shown(error)}") from None
    if len(content) > most:
        raise UnsafeFileError(f"its {size:,} bytes would become more than {most:,}")
    if not unpacker.eof:
        raise FileFormatError("compressed, and cut off")
    if unpacker.unused_data:
        raise FileFormatError(f"{len(unpacker.unused_data):,} bytes follow the compressed content")
    return content
