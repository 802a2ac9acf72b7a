"""What HDF5 says of numbers: their kind, their shape, and how their bytes are laid out and packed.

Kinds that no parameter needs (compounds, references, times, opaque bytes) are refused by name.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from glassnet.errors import FileFormatError, UnsafeFileError
from glassnet.formats.contents import MOST_ARRAYS, MOST_AXES, plain_array, shown
from glassnet.formats.cursor import Bytes, Cursor
from glassnet.network.steps import Array

if TYPE_CHECKING:
    from glassnet.formats.hdf5 import Attribute


@dataclass(frozen=True)
class Message:
    """One entry of an object header."""

    kind: str
    content: Cursor

    @property
    def cursor(self) -> Cursor:
        """Its content, from the beginning."""
        return Cursor(self.content.source, self.content.data)


# --- kinds of numbers and texts -----------------------------------------------------------------------------

_CLASSES = (
    "integer", "float", "time", "text", "bitfield", "opaque", "compound", "reference", "enumeration", "variable length",
    "array",
)  # fmt: skip
# (bits of the exponent, of the mantissa) → NumPy's code.
_FLOATS = {(5, 10): "f2", (8, 23): "f4", (11, 52): "f8"}


@dataclass(frozen=True)
class Kind:
    """The kind of one element: a dtype of numbers, or a text of ``size`` bytes, or one that lies elsewhere."""

    size: int
    dtype: np.dtype[Any] | None = None
    elsewhere: bool = False


def kind_of(cursor: Cursor) -> Kind:
    """Return the kind that a datatype message describes; raise FileFormatError, naming it, for another."""
    first = cursor.uint(1)
    bits = cursor.uint(3)
    size = cursor.uint(4)
    name = _CLASSES[first & 15] if first & 15 < len(_CLASSES) else f"class {first & 15}"
    order = ">" if bits & 1 else "<"
    match name:
        case "integer":
            offset, precision = cursor.uint(2), cursor.uint(2)
            if size in (1, 2, 4, 8) and (offset, precision) == (0, 8 * size):
                return Kind(size, np.dtype(f"{order}{'i' if bits & 8 else 'u'}{size}"))
            name = f"integer of {precision} bits"
        case "float":
            offset, precision = cursor.uint(2), cursor.uint(2)
            cursor.take(1)
            exponent, _, mantissa = cursor.uint(1), cursor.uint(1), cursor.uint(1)
            code = _FLOATS.get((exponent, mantissa), "")
            if code == f"f{size}" and (offset, precision) == (0, 8 * size) and not bits & 0x40:
                return Kind(size, np.dtype(order + code))
            name = f"float of {exponent} + {mantissa} bits"
        case "text":
            return Kind(size)
        case "enumeration":  # h5py's booleans
            return kind_of(cursor)
        case "variable length" if bits & 15 == 1:
            return Kind(size, elsewhere=True)
    raise FileFormatError(f"elements of kind {name}, expected plain numbers")


def type_of(cursor: Cursor) -> np.dtype[Any]:
    """Return the dtype of a dataset of numbers."""
    kind = kind_of(cursor)
    if kind.dtype is None:
        raise FileFormatError("elements that are texts, expected plain numbers")
    return kind.dtype


def shape_of(cursor: Cursor) -> tuple[int, ...]:
    """Return the shape that a dataspace message describes."""
    version, rank, _, kind = (cursor.uint(1) for _ in range(4))
    if version not in (1, 2) or rank > MOST_AXES or (version == 2 and kind > 1):
        raise FileFormatError(f"a dataspace of version {version} with {rank} axes")
    if version == 1:
        cursor.take(4)
    return tuple(cursor.uint(8) for _ in range(rank))


def values(data: Cursor, kind_given: Cursor, space: Cursor) -> Attribute | None:
    """Return an attribute's value: text, texts or numbers; None for a kind that no network needs."""
    try:
        kind = kind_of(kind_given)
        shape = shape_of(space)
    except FileFormatError:
        return None
    count = math.prod(shape)
    if count > MOST_ARRAYS:
        raise FileFormatError(f"an attribute of {shown(count)} values, expected at most {MOST_ARRAYS:,}")
    if kind.dtype is not None:
        return plain_array(data.take(count * kind.size), kind.dtype, shape, by_columns=False) if count else np.empty(0)
    data.source.step(count)
    found = [_elsewhere(data) if kind.elsewhere else bytes(data.take(kind.size)) for _ in range(count)]
    texts = [text.split(b"\0")[0].decode("utf-8", "replace") for text in found]
    return texts if shape else texts[0]


def _elsewhere(cursor: Cursor) -> bytes:
    """Return a text of variable length, which lies in a global heap."""
    length, address, index = cursor.uint(4), cursor.uint(8), cursor.uint(4)
    if not length:
        return b""
    source = cursor.source
    if address not in source.heaps:
        source.heaps[address] = dict(_heap(source, address))
    if index not in source.heaps[address] or length > len(source.heaps[address][index]):
        raise FileFormatError(f"a text that its heap at byte {address} does not hold")
    source.plain.spend(length)
    return bytes(source.heaps[address][index][:length])


def _heap(source: Bytes, address: int) -> Iterator[tuple[int, memoryview]]:
    cursor = source.at(address)
    if bytes(cursor.take(4)) != b"GCOL":
        raise FileFormatError(f"byte {address}: a global heap without its mark")
    cursor.take(4)
    size = cursor.uint(8)
    heap = Cursor(source, source.at(address).take(size))
    heap.take(16)
    while heap.left >= 16:
        source.step()
        index = heap.uint(2)
        heap.take(6)
        length = heap.uint(8)
        if not index:
            return
        yield index, heap.take(length)
        heap.take(min(-length % 8, heap.left))


# --- layouts ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Layout:
    """Where the bytes of a dataset are: here (``content``), at one address, or in chunks below a tree."""

    content: memoryview | None = None
    address: int = 0
    size: int = 0
    chunk: tuple[int, ...] = ()


def layout(cursor: Cursor) -> Layout:
    """Return the layout that a message describes; raise UnsafeFileError for one that reaches into other files."""
    version = cursor.uint(1)
    if version not in (1, 2, 3, 4):
        raise FileFormatError(f"a layout of version {version}, expected 1 to 4")
    rank = cursor.uint(1) if version < 3 else 0
    kind = cursor.uint(1)
    if kind == 3:
        raise UnsafeFileError("a virtual dataset, whose bytes lie in other files")
    if kind > 3 or (kind == 2 and version == 4):
        raise FileFormatError(f"a layout of kind {kind} in version {version}", hint="copy it with libver='earliest'")
    if version < 3:
        cursor.take(5)
        address = cursor.address() if kind else 0
        sizes = tuple(cursor.uint(4) for _ in range(rank))
        if kind == 0:
            return Layout(content=cursor.take(cursor.uint(4)))
        return Layout(address=address, size=-1 if kind == 1 else 0, chunk=sizes if kind == 2 else ())
    if kind == 0:
        return Layout(content=cursor.take(cursor.uint(2)))
    if kind == 1:
        return Layout(address=cursor.address(), size=cursor.uint(8))
    rank = cursor.uint(1)
    return Layout(address=cursor.address(), chunk=tuple(cursor.uint(4) for _ in range(rank)))


_FILTERS: Mapping[int, str] = {1: "deflate", 2: "shuffle"}


def filters(cursor: Cursor) -> Iterator[str]:
    """Give the names of the filters that packed the chunks; raise FileFormatError for any but two."""
    version, count = cursor.uint(1), cursor.uint(1)
    if version not in (1, 2):
        raise FileFormatError(f"filters of version {version}, expected 1 or 2")
    if version == 1:
        cursor.take(6)
    for _ in range(count):
        number = cursor.uint(2)
        length = cursor.uint(2) if version == 1 or number >= 256 else 0
        cursor.take(2)
        clients = cursor.uint(2)
        cursor.take(length)
        cursor.take(4 * clients + (4 if version == 1 and clients % 2 else 0))
        if number not in _FILTERS:
            raise FileFormatError(f"packed by filter {number}, expected deflate or shuffle")
        yield _FILTERS[number]


def dataset(
    source: Bytes, kept: Layout, dtype: np.dtype[Any], shape: tuple[int, ...], pipeline: Sequence[str]
) -> Array:
    """Return the array of a dataset: a view of the file where it lies there whole."""
    needed = math.prod(shape) * dtype.itemsize
    if kept.chunk:
        source.unpacked.spend(needed)
        return _chunked(source, kept, dtype, shape, pipeline)
    if pipeline:
        raise FileFormatError("a packed array that is not in chunks")
    if kept.content is not None:
        return plain_array(kept.content, dtype, shape, by_columns=False)
    if needed:
        source.plain.spend(needed)
    piece = source.at(kept.address).take(needed if kept.size < 0 else kept.size)
    return plain_array(piece, dtype, shape, by_columns=False)


def _chunked(
    source: Bytes, kept: Layout, dtype: np.dtype[Any], shape: tuple[int, ...], pipeline: Sequence[str]
) -> Array:
    from glassnet.formats.hdf5 import leaves  # noqa: PLC0415  # both sides of one format

    chunk = kept.chunk[:-1]
    if len(chunk) != len(shape) or kept.chunk[-1] != dtype.itemsize or 0 in chunk or 0 in shape:
        raise FileFormatError(f"chunks of {kept.chunk} in an array of shape {shown(str(shape))}")
    chunk_bytes = math.prod(kept.chunk)
    grid = [-(-size // step) for size, step in zip(shape, chunk, strict=True)]
    if math.prod(grid) > MOST_ARRAYS * 10:
        raise UnsafeFileError(f"an array in {math.prod(grid):,} chunks")
    source.unpacked.spend(chunk_bytes)
    result = np.empty(shape, dtype)
    seen: set[tuple[int, ...]] = set()
    for leaf in leaves(source, kept.address, kind=1, key_bytes=8 + 8 * len(kept.chunk)):
        size, mask = leaf.key.uint(4), leaf.key.uint(4)
        offset = tuple(leaf.key.uint(8) for _ in chunk)
        if any(at % step or at >= whole for at, step, whole in zip(offset, chunk, shape, strict=True)):
            raise FileFormatError(f"a chunk at {shown(str(offset))} in an array of shape {shown(str(shape))}")
        if mask or offset in seen:
            raise FileFormatError("a chunk that is there twice, or left a filter out")
        seen.add(offset)
        content = _unpacked(source.at(leaf.address).take(size), pipeline, dtype.itemsize, chunk_bytes)
        piece = plain_array(content, dtype, chunk, by_columns=False)
        inside = tuple(slice(at, min(at + step, whole)) for at, step, whole in zip(offset, chunk, shape, strict=True))
        result[inside] = piece[tuple(slice(part.stop - part.start) for part in inside)]
    if len(seen) != math.prod(grid):
        raise FileFormatError(f"{len(seen):,} chunks, expected {math.prod(grid):,}")
    result.flags.writeable = False
    return result


def _unpacked(content: memoryview, pipeline: Sequence[str], itemsize: int, size: int) -> bytes | memoryview:
    for name in reversed(pipeline):
        if name == "shuffle":
            if len(content) % itemsize:
                raise FileFormatError(f"a chunk of {len(content):,} bytes where numbers of {itemsize} belong")
            content = memoryview(np.frombuffer(content, np.uint8).reshape(itemsize, -1).T.tobytes())
            continue
        try:
            content = memoryview(zlib.decompressobj().decompress(content, size + 1))
        except zlib.error as error:
            raise FileFormatError(f"a chunk that does not unpack: {shown(error)}") from None
    return content
