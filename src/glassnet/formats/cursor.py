"""The bytes of a binary file and a place in them: every read is compared with what is there, and counted."""

from __future__ import annotations

from glassnet.errors import FileFormatError, UnsafeFileError
from glassnet.formats.pickle_rules import Budget

# A file of 10,000 arrays takes some 200,000.
_MOST_STEPS = 300_000
# Learned parameters hardly compress; what grows more than this is made to fill a memory.
_LARGEST_GROWTH = 50
_ALWAYS_ALLOWED_BYTES = 1 << 24


class Bytes:
    """A file, how many steps of reading it may still cost, and how much memory it may still fill."""

    def __init__(self, data: memoryview) -> None:
        self.data = data
        self.steps = 0
        self.plain = Budget(len(data))
        self.unpacked = Budget(max(_ALWAYS_ALLOWED_BYTES, _LARGEST_GROWTH * len(data)))
        self.heaps: dict[int, dict[int, memoryview]] = {}

    def at(self, address: int) -> Cursor:
        """Return the place at ``address``."""
        if not 0 <= address < len(self.data):
            raise FileFormatError(f"an address of {address:,} in a file of {len(self.data):,} bytes")
        return Cursor(self, self.data[address:], address)

    def step(self, count: int = 1) -> None:
        """Count the work that the file asks for."""
        self.steps += count
        if self.steps > _MOST_STEPS:
            raise UnsafeFileError(f"more than {_MOST_STEPS:,} entries, which no network needs")


class Cursor:
    """A place in a piece of the file, which moves on as it is read."""

    def __init__(self, source: Bytes, data: memoryview, start: int = 0) -> None:
        self.source = source
        self.data = data
        self.start = start
        self.position = 0

    @property
    def at(self) -> int:
        """The address of the place, where the piece reaches to the end of the file."""
        return self.start + self.position

    @property
    def left(self) -> int:
        """How many bytes of the piece follow."""
        return len(self.data) - self.position

    def take(self, count: int) -> memoryview:
        """Return the next ``count`` bytes."""
        if not 0 <= count <= self.left:
            raise FileFormatError(f"cut off, or a length that lies: {count:,} bytes expected, {self.left:,} are left")
        self.position += count
        return self.data[self.position - count : self.position]

    def uint(self, size: int) -> int:
        """Return a little-endian number of ``size`` bytes."""
        return int.from_bytes(self.take(size), "little")

    def address(self) -> int:
        """Return an address; whether it lies in the file is asked when it is used."""
        return self.uint(8)
