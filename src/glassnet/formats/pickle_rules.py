"""What a reader says of the globals in its pickles: which there may be, and what each of them comes to.

The walk in ``pickle_machine`` knows the opcodes and nothing else. A format that keeps arrays in pickles (NumPy's own,
PyTorch's, scikit-learn's) gives it ``Rules``: a table of calls, and the classes whose objects may stand in the file.
Such an object becomes a ``Record``, its class's name and what the file says of it. No class is ever looked up.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from glassnet.errors import FileFormatError, UnsafeFileError

LONGEST_NAME = 255
# Bytes of the file, or a copy where they are few.
Bytes: TypeAlias = bytes | memoryview
Arguments: TypeAlias = tuple[object, ...]
Call: TypeAlias = Callable[["Budget", Arguments], object]


@dataclass
class Budget:
    """How many bytes of arrays and texts a file may still have made for it.

    Without one, a short pickle could name the same bytes again and again, each time as an array of its own.
    """

    left: int

    def spend(self, count: int) -> None:
        """Take ``count`` bytes; raise UnsafeFileError where that is more than the file can justify."""
        self.left -= count
        if self.left < 0:
            raise UnsafeFileError("asks for more memory than a file of this length can justify")


class Source(Protocol):
    """The file as an object on its way sees it: what follows its BUILD may belong to it."""

    budget: Budget
    position: int

    def take(self, count: int) -> memoryview:
        """Return the next ``count`` bytes, a view of the file; raise FileFormatError where fewer are left."""

    def nested(self) -> object:
        """Return the value of a whole pickle that begins here, read by the same rules."""


class Hole:
    """What a refused call would have given."""


HOLE = Hole()


class Built(abc.ABC):
    """What is made first and filled by BUILD, as pickles do it."""

    __slots__ = ()

    @abc.abstractmethod
    def build(self, state: object, source: Source) -> None:
        """Take ``state``, and the bytes behind it where they are part of the object."""


@dataclass(eq=False, slots=True)
class Record(Built):
    """An object of a class: its name, what it was made from, and what was put into it.

    state: what BUILD gave, most often a dict of attributes. items, entries: of classes that are lists or dicts.
    """

    name: str
    arguments: Arguments = ()
    state: Any = None
    items: list[Any] = field(default_factory=list)
    entries: dict[Any, Any] = field(default_factory=dict)

    def build(self, state: object, source: Source) -> None:
        """Keep ``state`` as it is."""
        self.state = state


def _no_object(name: str) -> None:
    return None


@dataclass(frozen=True)
class Rules:
    """What the globals of a pickle come to.

    calls: (module, name) → what a call of it comes to. objects: a dotted name → the kind of record that an object of
    this class becomes, made as ``kind(name, arguments)``; None where there may be none. Where some are allowed, so are
    sets, which become lists. persistent: what a persistent id comes to; left out, there may be none.
    """

    calls: Mapping[tuple[str, str], Call]
    objects: Callable[[str], type[Record] | None] = _no_object
    persistent: Callable[[object], object] | None = None

    @property
    def plain(self) -> bool:
        """Whether there may be no objects but what calls make."""
        return self.objects is _no_object


def text(value: object) -> str:
    """Return a short text; what Python 2 wrote as a string comes as bytes."""
    if not isinstance(value, str | bytes | memoryview):
        raise FileFormatError(f"{type(value).__name__} where a text belongs")
    if len(value) > LONGEST_NAME:
        raise FileFormatError(f"a text of {len(value):,} characters, expected at most {LONGEST_NAME}")
    return value if isinstance(value, str) else str(value, "latin1")
