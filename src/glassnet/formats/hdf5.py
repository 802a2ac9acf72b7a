"""HDF5 without its library: the groups, attributes and arrays of numbers of a file, as bytes that are read.

HDF5 is a large format, and its C library follows links into other files, loads filters as plug-ins, and has a long
record of memory faults in broken files. Networks are kept in a small part of it: groups, attributes of text and number,
arrays that are whole, chunked or deflated. This reads that part and refuses the rest by name. Addresses and
lengths are compared with the file before anything is taken. Specification:
https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from glassnet.errors import FileFormatError, UnsafeFileError
from glassnet.formats.beginnings import HDF5_SIGNATURE
from glassnet.formats.contents import CUT_OFF_HINT, MOST_ARRAYS, Data, shown
from glassnet.formats.cursor import Bytes, Cursor
from glassnet.formats.hdf5_arrays import Layout, Message, dataset, filters, layout, shape_of, type_of, values
from glassnet.network.steps import Array

# Text, a list of texts, or numbers.
Attribute: TypeAlias = str | list[str] | Array

_DEEPEST = 32
_LARGEST_OFFSET_BYTES = 8


@dataclass
class Node:
    """A group or a dataset: its attributes, what is below it by name, and its array."""

    source: Bytes
    address: int
    depth: int = 0
    messages: list[Message] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.depth > _DEEPEST:
            raise UnsafeFileError(f"groups nested more than {_DEEPEST} deep")
        self.messages = list(_messages(self.source, self.address))

    @functools.cached_property
    def attributes(self) -> dict[str, Attribute]:
        """The attributes by name; those of a kind that no network needs are left out."""
        found: dict[str, Attribute] = {}
        for message in self.of_kind("attribute"):
            name, value = _attribute(message.cursor)
            if name in found:
                raise FileFormatError(f"attribute '{shown(name)}' is there twice")
            if value is not None:
                found[name] = value
        for message in self.of_kind("attribute info"):
            if _heap_of(message.cursor, order_flag=1) is not None:
                raise FileFormatError("its attributes are kept in a fractal heap", hint=_OLDER)
        return found

    @functools.cached_property
    def below(self) -> dict[str, int]:
        """The addresses of what the group holds, by name; refuses links that lead elsewhere."""
        found: dict[str, int] = {}
        for name, address in self._links():
            if name in found:
                raise FileFormatError(f"the name '{shown(name)}' is there twice")
            if len(found) == MOST_ARRAYS:
                raise FileFormatError(f"a group of more than {MOST_ARRAYS:,} entries")
            found[name] = address
        return found

    def __contains__(self, path: str) -> bool:
        name, _, rest = path.partition("/")
        return name in self.below and (not rest or rest in self[name])

    def __getitem__(self, path: str) -> Node:
        """Return what lies at ``path`` below this group; raise FileFormatError where nothing does."""
        name, _, rest = path.strip("/").partition("/")
        if name not in self.below:
            raise FileFormatError(f"there is no '{shown(name)}' where one belongs")
        node = Node(self.source, self.below[name], self.depth + 1)
        return node[rest] if rest else node

    @property
    def is_array(self) -> bool:
        """Whether this is a dataset rather than a group."""
        return any(True for _ in self.of_kind("layout"))

    def array(self) -> Array:
        """Return the numbers of a dataset."""
        if any(True for _ in self.of_kind("external files")):
            raise UnsafeFileError("its bytes are said to lie in other files")
        kept: Layout = layout(self._only("layout").cursor)
        dtype = type_of(self._only("datatype").cursor)
        pipeline = [entry for message in self.of_kind("filters") for entry in filters(message.cursor)]
        return dataset(self.source, kept, dtype, shape_of(self._only("dataspace").cursor), pipeline)

    def arrays(self) -> Iterator[tuple[str, Node]]:
        """Give every dataset below this group with its path."""
        for name in self.below:
            node = self[name]
            if node.is_array:
                yield name, node
            else:
                yield from ((f"{name}/{path}", found) for path, found in node.arrays())

    def of_kind(self, kind: str) -> Iterator[Message]:
        """Give the header's messages of one kind."""
        return (message for message in self.messages if message.kind == kind)

    def _only(self, kind: str) -> Message:
        found = list(self.of_kind(kind))
        if len(found) != 1:
            raise FileFormatError(f"an array with {len(found)} messages of {kind}, expected one")
        return found[0]

    def _links(self) -> Iterator[tuple[str, int]]:
        for message in self.of_kind("symbol table"):
            cursor = message.cursor
            tree, heap = cursor.address(), cursor.address()
            yield from _symbols(self.source, tree, _heap_names(self.source, heap))
        for message in self.of_kind("link info"):
            if _heap_of(message.cursor, order_flag=1) is not None:
                raise FileFormatError("its groups are kept in a fractal heap", hint=_OLDER)
        for message in self.of_kind("link"):
            yield _link(message.cursor)


_OLDER = "copy it with libver='earliest', or save the network anew"


def root(data: Data | memoryview) -> Node:
    """Return the first group of an HDF5 file, whose own bytes may follow a block of another's."""
    start = 0
    while bytes(data[start : start + 8]) != HDF5_SIGNATURE:
        start = start * 2 or 512
        if start >= len(data):
            raise FileFormatError("not an HDF5 file: its signature is missing")
    source = Bytes(memoryview(data)[start:])
    cursor = source.at(8)
    version = cursor.uint(1)
    if version > 3:
        raise FileFormatError(f"HDF5 with a superblock of version {version}, expected 0 to 3")
    if version < 2:
        cursor.take(4)
        sizes = cursor.uint(1), cursor.uint(1)
        cursor.take({0: 9, 1: 13}[version])
    else:
        sizes = cursor.uint(1), cursor.uint(1)
        cursor.take(1)
    if sizes != (_LARGEST_OFFSET_BYTES, _LARGEST_OFFSET_BYTES):
        raise FileFormatError(f"HDF5 with addresses and lengths of {sizes} bytes, expected 8 each")
    if (base := cursor.uint(8)) not in (0, start):
        raise FileFormatError(f"HDF5 whose addresses begin at byte {base:,}, expected {start:,}")
    cursor.take(8)  # extension, or free space
    if (end := cursor.uint(8)) > len(data):
        raise FileFormatError(f"cut off: {end:,} bytes expected, found {len(data):,}", hint=CUT_OFF_HINT)
    cursor.take(8)  # driver information, or the root
    if version < 2:
        cursor.take(8)
        return Node(source, cursor.address())
    return Node(source, source.at(cursor.at - 8).address())


# --- object headers -----------------------------------------------------------------------------------------

_KINDS: Mapping[int, str] = {
    0x01: "dataspace",
    0x02: "link info",
    0x03: "datatype",
    0x06: "link",
    0x07: "external files",
    0x08: "layout",
    0x0B: "filters",
    0x0C: "attribute",
    0x10: "continuation",
    0x11: "symbol table",
    0x15: "attribute info",
}
_SHARED = 2


def _messages(source: Bytes, address: int) -> Iterator[Message]:
    """Give the messages of the object header at ``address``, continued wherever it says."""
    cursor = source.at(address)
    second = bytes(source.at(address).take(4)) == b"OHDR"
    if second:
        cursor.take(4)
        if (version := cursor.uint(1)) != 2:
            raise FileFormatError(f"byte {address}: an object header of version {version}, expected 2")
        flags = cursor.uint(1)
        cursor.take((16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0))
        blocks = [Cursor(source, cursor.take(cursor.uint(1 << (flags & 3))))]
        with_order = bool(flags & 4)
    else:
        version, _, _, _, size = (cursor.uint(width) for width in (1, 1, 2, 4, 4))
        if version != 1:
            raise FileFormatError(f"byte {address}: an object header of version {version}, expected 1 or 2")
        cursor.take(4)
        blocks = [Cursor(source, cursor.take(size))]
        with_order = False
    continued: set[int] = set()
    while blocks:
        block = blocks.pop(0)
        while block.left >= (4 if second else 8):
            source.step()
            kind = block.uint(1 if second else 2)
            size = block.uint(2)
            flags = block.uint(1)
            block.take((2 if with_order else 0) if second else 3)
            content = Cursor(source, block.take(size))
            name = _KINDS.get(kind, "")
            if name == "continuation":
                start, length = content.uint(8), content.uint(8)
                if start in continued:
                    raise UnsafeFileError(f"byte {start}: an object header that goes on in itself")
                continued.add(start)
                part = Cursor(source, source.at(start).take(length))
                if second:
                    if bytes(part.take(4)) != b"OCHK" or length < 8:
                        raise FileFormatError(f"byte {start}: a continued object header without its mark")
                    part = Cursor(source, part.take(length - 8))
                blocks.append(part)
            elif name and flags & _SHARED:
                raise FileFormatError(f"a {name} that is kept elsewhere and shared", hint=_OLDER)
            elif name:
                yield Message(name, content)


def _attribute(cursor: Cursor) -> tuple[str, Attribute | None]:
    version = cursor.uint(1)
    flags = cursor.uint(1)
    if version not in (1, 2, 3) or (version > 1 and flags):
        raise FileFormatError(f"an attribute of version {version} and flags {flags}, expected 1 to 3 and none")
    sizes = [cursor.uint(2) for _ in range(3)]
    if version == 3:
        cursor.take(1)
    padding = 8 if version == 1 else 1
    name, kind, space = (bytes(cursor.take(-(-size // padding) * padding)[:size]) for size in sizes)
    label = name.rstrip(b"\0").decode("utf-8", "replace")
    return label, values(cursor, Cursor(cursor.source, memoryview(kind)), Cursor(cursor.source, memoryview(space)))


# --- links --------------------------------------------------------------------------------------------------

_UNDEFINED = (1 << 64) - 1


def _heap_of(cursor: Cursor, order_flag: int) -> int | None:
    """Return the address of the fractal heap that a link info or attribute info names."""
    cursor = Cursor(cursor.source, cursor.data)
    cursor.take(1)
    flags = cursor.uint(1)
    if flags & order_flag:
        cursor.take(8 if cursor.left >= 24 else 2)
    address = cursor.uint(8)
    return None if address == _UNDEFINED else address


def _link(cursor: Cursor) -> tuple[str, int]:
    version, flags = cursor.uint(1), cursor.uint(1)
    if version != 1:
        raise FileFormatError(f"a link of version {version}, expected 1")
    kind = cursor.uint(1) if flags & 0x08 else 0
    cursor.take((8 if flags & 0x04 else 0) + (1 if flags & 0x10 else 0))
    name = bytes(cursor.take(cursor.uint(1 << (flags & 3)))).decode("utf-8", "replace")
    _LINKS.get(kind, _other_link)(name)
    return name, cursor.address()


def _hard_link(name: str) -> None:
    pass


def _soft_link(name: str) -> None:
    raise UnsafeFileError(f"'{shown(name)}' is a soft link, a path instead of an array")


def _external_link(name: str) -> None:
    raise UnsafeFileError(f"'{shown(name)}' is an external link, which leads to another file")


def _other_link(name: str) -> None:
    raise UnsafeFileError(f"'{shown(name)}' is a link of a kind that only a program could follow")


_LINKS: Mapping[int, Callable[[str], None]] = {0: _hard_link, 1: _soft_link, 64: _external_link}


def _heap_names(source: Bytes, address: int) -> memoryview:
    """Return the bytes of a local heap, which hold the names of a group."""
    cursor = source.at(address)
    if bytes(cursor.take(4)) != b"HEAP":
        raise FileFormatError(f"byte {address}: a local heap without its mark")
    cursor.take(4)
    size = cursor.uint(8)
    cursor.take(8)
    return source.at(cursor.address()).take(size)


def _symbols(source: Bytes, address: int, names: memoryview) -> Iterator[tuple[str, int]]:
    for leaf in leaves(source, address, kind=0, key_bytes=8):
        cursor = source.at(leaf.address)
        if bytes(cursor.take(4)) != b"SNOD":
            raise FileFormatError(f"byte {leaf.address}: a list of names without its mark")
        cursor.take(2)
        for _ in range(cursor.uint(2)):
            source.step()
            offset, target, kind = cursor.uint(8), cursor.uint(8), cursor.uint(4)
            cursor.take(20)
            end = offset
            while end < len(names) and names[end] and end - offset < _LONGEST_NAME:
                end += 1
            name = bytes(names[offset:end]).decode("utf-8", "replace")
            if kind == 2:
                _soft_link(name)
            yield name, target


_LONGEST_NAME = 1024


@dataclass(frozen=True)
class Leaf:
    """What the lowest level of a B-tree points to, and the key before it."""

    key: Cursor
    address: int


def leaves(source: Bytes, address: int, kind: int, key_bytes: int, level: int | None = None) -> Iterator[Leaf]:
    """Give what a version 1 B-tree holds, in order; its levels must go down by one."""
    cursor = source.at(address)
    if bytes(cursor.take(4)) != b"TREE" or cursor.uint(1) != kind:
        raise FileFormatError(f"byte {address}: a B-tree without its mark")
    found = cursor.uint(1)
    if level is not None and found != level:
        raise FileFormatError(f"byte {address}: a B-tree of level {found}, expected {level}")
    count = cursor.uint(2)
    cursor.take(16)
    for _ in range(count):
        source.step()
        key = Cursor(source, cursor.take(key_bytes))
        child = cursor.address()
        if found:
            yield from leaves(source, child, kind, key_bytes, found - 1)
        else:
            yield Leaf(key, child)
