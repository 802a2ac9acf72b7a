"""What a reader of a format yields, and the few things that all readers need.

A reader turns a file into named arrays, and says which network they make where the file knows (``Contents``).
What makes a network of them is in one other place, so that every format answers the same mistakes with the same
words. Readers check sizes before they make anything: what a file may take in memory follows from how long it is.
"""

from __future__ import annotations

import json
import math
import mmap
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from glassnet.errors import FileFormatError, MissingFileError, OptionError, UnsafeFileError
from glassnet.network import Network
from glassnet.network.steps import Array

Data: TypeAlias = bytes | mmap.mmap

# A longer file is mapped and never read as a whole. A shorter one is copied: a map would change under the network
# when another program writes into the file.
_MAPPED_FROM_BYTES = 1 << 24
# A description of 10,000 arrays takes less, and a hostile one cannot grow beyond some 100 MB of Python objects.
DESCRIPTION_BYTES = 1 << 22
MOST_ARRAYS = 10_000
MOST_AXES = 32


@dataclass(frozen=True)
class Contents:
    """The arrays of a file by name, and which network they make, as far as the file knows.

    description: as ``describe`` writes it, in files of our own. network: where another tool's file says it in its own
    way, which its reader understands. notes: what that reader folded, dropped or took for granted, in words.
    outputs_first: whether arrays called ``weight`` have shape (outputs, inputs), as in PyTorch's files. separate: the
    beginnings of names that belong to networks side by side, where the file keeps them apart. hint: what else would
    say which network they make, where names and shapes do not.
    """

    arrays: Mapping[str, Array]
    description: Mapping[str, Any] | None = None
    network: Network | None = None
    notes: tuple[str, ...] = ()
    outputs_first: bool = False
    separate: tuple[str, ...] = ()
    hint: str = ""

    def __post_init__(self) -> None:
        if len(self.arrays) > MOST_ARRAYS:
            raise FileFormatError(f"holds {len(self.arrays):,} arrays, expected at most {MOST_ARRAYS:,}")


@dataclass(frozen=True)
class Global:
    """A function or class that a file asks for by name, the byte where it does, and whether arrays need it."""

    name: str
    offset: int
    allowed: bool


def file_size(path: Path) -> int:
    """Return how many bytes a regular file has.

    Raises MissingFileError where nothing lies there, FileFormatError for a folder, a pipe or a device.
    """
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise MissingFileError(f"there is no file {path}") from None
    if not stat.S_ISREG(status.st_mode):
        raise FileFormatError(f"expected a file, found {'a folder' if path.is_dir() else 'no regular file'}")
    return status.st_size


def file_data(path: Path) -> Data:
    """Return the bytes of a regular file, mapped where there are many; raises as ``file_size`` does."""
    large = file_size(path) >= _MAPPED_FROM_BYTES
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if large else file.read()


CUT_OFF_HINT = "copy or download it again"


def plain_dtype(code: str) -> np.dtype[Any]:
    """Return the dtype of numbers that ``code`` names, such as ``<f4``; nothing else can be a parameter.

    Raises UnsafeFileError for Python objects, which only code can make, FileFormatError for other kinds.
    """
    bare = code.lstrip("<>|=")
    if bare.startswith("O"):
        raise UnsafeFileError("an array of Python objects, which only code could make; expected numbers")
    if bare not in _PLAIN or len(code) > len(bare) + 1:
        raise FileFormatError(f"dtype '{shown(code)}', expected numbers: one of {', '.join(_PLAIN)}")
    return np.dtype(code)


_PLAIN = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")


def plain_array(data: memoryview | bytes, dtype: np.dtype[Any], shape: Sequence[object], by_columns: bool) -> Array:
    """Return ``data`` seen as an array: read-only, not copied.

    by_columns: the first axis runs fastest (Fortran's order). Raises FileFormatError unless the shape and the dtype
    need exactly the bytes that are there.
    """
    sizes = [size for size in shape if type(size) is int and 0 < size < 1 << 63]
    if len(sizes) != len(shape) or len(sizes) > MOST_AXES:
        found = ", ".join(shown(size) if isinstance(size, int) else type(size).__name__ for size in shape[:MOST_AXES])
        raise FileFormatError(f"expected a shape of at most {MOST_AXES} sizes, each above 0, found ({shown(found)})")
    needed = math.prod(sizes) * dtype.itemsize
    if needed != len(data):
        asked = f"shape {shown(str(tuple(sizes)))} of {dtype.name}"
        raise FileFormatError(f"{asked} needs {shown(needed)} bytes, found {len(data)}")
    flat = np.frombuffer(data, dtype)
    return flat.reshape(sizes[::-1]).T if by_columns else flat.reshape(sizes)


def half(array: Array) -> Array:
    """Return floats in half precision, 11 bits of 24; raise OptionError where one is too large for it."""
    with np.errstate(over="ignore"):
        halves = array.astype(np.float16)
    if not np.isfinite(halves).all():
        raise OptionError(f"half precision ends at 65,504, and a parameter is {np.abs(array).max():g}")
    return halves


def widened_bfloat16(bits: Array) -> Array:
    """Return bfloat16 numbers, given as their 16 bits in any byte order, as float32: they are its upper half."""
    return (bits.astype("<u4") << np.uint32(16)).view("<f4")


def parsed_json(text: str | memoryview, what: str, longest: int = DESCRIPTION_BYTES) -> Any:
    """Return the value of a JSON text of bounded length; a key that stands twice in an object is an error."""
    if len(text) > longest:
        raise FileFormatError(f"{what} of {len(text):,} bytes, expected at most {longest:,}")
    try:
        characters = text if isinstance(text, str) else str(text, "utf-8")
        return json.loads(characters, object_pairs_hook=_without_twins, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{what} that is not JSON: {shown(error)}") from None


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def shown(value: str | int | Exception, most: int = 80) -> str:
    """Return ``value``, which a stranger may have chosen, as text of one line and bounded length."""
    text = repr(str(value)[: most + 1])[1:-1]
    return text if len(text) <= most else text[: most - 1] + "…"
