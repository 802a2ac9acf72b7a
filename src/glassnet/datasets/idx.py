"""IDX, the format MNIST is kept in: a magic number, the sizes, then the values, all big-endian.

    bytes 0–1   zero
    byte  2     element type: 08 uint8, 09 int8, 0B int16, 0C int32, 0D float32, 0E float64
    byte  3     number of dimensions
    then        one unsigned 32-bit size for each dimension
    then        the values, last dimension fastest

Specification: Y. LeCun, "The IDX file format", on the MNIST page. A file may be gzipped; that is told by its
first bytes, not by its name. A header can claim any size, so the claim is held against the file before memory is
asked for: a plain file has its length, a gzipped one must not inflate more than a picture set could.
"""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from collections.abc import Mapping
from io import BufferedIOBase
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from glassnet.errors import DtypeError, FileFormatError, MissingFileError, ShapeError, UnsafeFileError
from glassnet.files import replacing

Array: TypeAlias = npt.NDArray[Any]

IDX_DTYPES: Mapping[int, np.dtype[Any]] = MappingProxyType(
    {
        0x08: np.dtype(">u1"),
        0x09: np.dtype(">i1"),
        0x0B: np.dtype(">i2"),
        0x0C: np.dtype(">i4"),
        0x0D: np.dtype(">f4"),
        0x0E: np.dtype(">f8"),
    }
)

GZIP_MAGIC = b"\x1f\x8b"
MOST_DIMENSIONS = 64  # NumPy's own limit
PIECE_BYTES = 1 << 20
# A gzipped file may claim this much whatever its length; beyond, it must not inflate more than so many fold.
# MNIST inflates five fold, a file of nothing but zeros a thousand fold.
FREE_BYTES = 1 << 26
MOST_INFLATION = 100


def read_idx(path: str | os.PathLike[str]) -> Array:
    """Return the array kept in an IDX file, gzipped or not, in the machine's byte order.

    Raises MissingFileError where nothing lies at ``path`` and FileFormatError where the file is not IDX, is
    damaged, or is shorter or longer than its header says; UnsafeFileError where it would inflate absurdly.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            gzipped = file.peek(2)[:2] == GZIP_MAGIC
            length = os.fstat(file.fileno()).st_size
            if not gzipped:
                return _read(path, file, length, gzipped)
            with gzip.GzipFile(fileobj=file) as inflated:
                return _read(path, inflated, length, gzipped)
    except FileNotFoundError:
        raise MissingFileError(f"reading {path}: there is no such file") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FileFormatError(f"reading {path}: the gzip data are damaged or cut short: {error}") from None
    except OSError as error:
        raise FileFormatError(f"reading {path}: {error.strerror or error}") from None


def _read(path: Path, file: BufferedIOBase, length: int, gzipped: bool) -> Array:
    dtype, shape = _read_header(path, file)
    expected = math.prod(shape) * dtype.itemsize
    header = 4 + 4 * len(shape)
    claim = f"reading {path}: {expected:,} bytes of values expected for shape {shape} of {dtype.name}"
    if not gzipped and length != header + expected:
        raise FileFormatError(f"{claim}, found {length - header:,}")
    if gzipped and expected > max(FREE_BYTES, MOST_INFLATION * length):
        raise UnsafeFileError(f"{claim}, from only {length:,} gzipped bytes")
    values = np.empty(expected, dtype=np.uint8)
    found = 0
    while found < expected:
        count = file.readinto(values[found : found + PIECE_BYTES].data)
        if not count:
            raise FileFormatError(f"{claim}, found {found:,}")
        found += count
    if file.read(1):
        raise FileFormatError(f"{claim}, found more")
    return values.view(dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _read_header(path: Path, file: BufferedIOBase) -> tuple[np.dtype[Any], tuple[int, ...]]:
    magic = file.read(4)
    if len(magic) < 4:
        raise FileFormatError(f"reading {path}: an IDX header of at least 4 bytes expected, found {len(magic)}")
    zeros, code, dimensions = magic[:2], magic[2], magic[3]
    if zeros != b"\0\0":
        raise FileFormatError(f"reading {path}: not an IDX file: it begins with {magic.hex(' ')}, expected 00 00")
    if code not in IDX_DTYPES:
        known = ", ".join(f"{known:02x}" for known in IDX_DTYPES)
        raise FileFormatError(f"reading {path}: element type {code:02x} at byte 2, expected one of {known}")
    if dimensions > MOST_DIMENSIONS:
        raise FileFormatError(f"reading {path}: {dimensions} dimensions, expected at most {MOST_DIMENSIONS}")
    sizes = file.read(4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise FileFormatError(
            f"reading {path}: {4 * dimensions} bytes of sizes expected for {dimensions} dimensions, found {len(sizes)}"
        )
    shape = struct.unpack(f">{dimensions}I", sizes)
    dtype = IDX_DTYPES[code]
    # An empty array with huge other sizes: it would need no bytes, but NumPy cannot address it.
    if math.prod(size for size in shape if size) * dtype.itemsize > np.iinfo(np.intp).max:
        raise FileFormatError(f"reading {path}: no array can have shape {shape}")
    return dtype, shape


def write_idx(path: str | os.PathLike[str], array: npt.ArrayLike) -> None:
    """Write ``array`` as IDX, gzipped where the name ends in ``.gz``; the same array gives the same bytes.

    The file appears under its name when it is complete: a crash leaves the old one. Raises DtypeError for
    elements IDX has no type for, ShapeError for sizes above 32 bits.
    """
    path, values = Path(path), np.asarray(array)
    codes = {dtype.newbyteorder("="): code for code, dtype in IDX_DTYPES.items()}
    code = codes.get(values.dtype.newbyteorder("="))
    if code is None:
        known = ", ".join(str(dtype) for dtype in codes)
        raise DtypeError(f"writing {path}: IDX keeps {known}; found {values.dtype}")
    if any(size >= 1 << 32 for size in values.shape):
        raise ShapeError(f"writing {path}: IDX keeps sizes of 32 bits, found shape {values.shape}")
    header = struct.pack(f">BBBB{values.ndim}I", 0, 0, code, values.ndim, *values.shape)
    content = np.ascontiguousarray(values, dtype=IDX_DTYPES[code]).reshape(-1).view(np.uint8).data
    with replacing(path) as file:
        if path.suffix == ".gz":
            with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as deflated:
                deflated.write(header)
                deflated.write(content)
        else:
            file.write(header)
            file.write(content)
