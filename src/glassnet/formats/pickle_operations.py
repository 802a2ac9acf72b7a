"""What each opcode of a pickle does to the stack of ``pickle_machine``: a table for values, one for all else."""

from __future__ import annotations

import codecs
import pickletools
import re
import struct
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from glassnet.errors import FileFormatError, UnsafeFileError
from glassnet.formats.contents import Global
from glassnet.formats.pickle_rules import HOLE, Built, Hole, Record, text

if TYPE_CHECKING:
    from glassnet.formats.pickle_machine import Machine

_MOST_NESTED = 1_000
_LONGEST_NUMBER = 255
# Larger integers share their hashes, and a dict of such keys is slow.
_LARGEST_KEY = 1 << 60

# What Python 2's repr() writes for a string, between its quotes.
_REPR = re.compile(rb"""(?:[^\\]|\\[\\'"nrt]|\\x[0-9a-fA-F]{2})*+""", re.DOTALL)


# --- operations that put a value on the stack ---------------------------------------------------------------


def _integer_line(machine: Machine) -> int | bool:
    line = machine.line()
    return {b"00": False, b"01": True}[line] if line in (b"00", b"01") else int(line)


def _long(machine: Machine, size: int) -> int:
    count = machine.number(size, signed=size == 4)
    if count > _LONGEST_NUMBER:
        raise FileFormatError(f"a number of {count:,} bytes")
    return int.from_bytes(machine.take(count), "little", signed=True)


def _string_line(machine: Machine) -> bytes:
    line = machine.line(len(machine.data))
    if len(line) < 2 or line[0] != line[-1] or line[:1] not in b"'\"" or not _REPR.fullmatch(line, 1, len(line) - 1):
        raise FileFormatError("a string without its quotes, or with an escape that Python 2 does not write")
    return codecs.escape_decode(line[1:-1])[0]


def _utf8(machine: Machine, size: int) -> str:
    return str(machine.take(machine.number(size)), "utf-8", "surrogatepass")


def _instance(machine: Machine) -> object:
    kind = machine.named(str(machine.line(), "utf-8"), str(machine.line(), "utf-8"))
    return machine.make(kind, tuple(machine.pop_mark()))


def _object(machine: Machine) -> object:
    kind, *arguments = machine.pop_mark() or [None]
    return machine.make(kind, tuple(arguments))


def _new_object(machine: Machine, by_name: bool) -> object:
    if by_name:
        machine.pop()  # arguments by name
    arguments = machine.pop()
    return machine.make(machine.pop(), arguments)


def _stack_global(machine: Machine) -> Global:
    name, module = machine.pop(), machine.pop()
    return machine.named(module, name)


def _reduce(machine: Machine) -> object:
    arguments, function = machine.pop(), machine.pop()
    return machine.call(function, arguments)


def _tuple_of(machine: Machine, count: int) -> tuple[Any, ...]:
    return tuple([machine.pop() for _ in range(count)][::-1])


def _dict_from_mark(machine: Machine) -> dict[str, Any]:
    found: dict[str, Any] = {}
    _set_items(found, machine.pop_mark())
    return found


_BY_NAME: Mapping[str, Callable[[Machine], object]] = {
    "NONE": lambda m: None,
    "NEWTRUE": lambda m: True,
    "NEWFALSE": lambda m: False,
    "INT": _integer_line,
    "BININT": lambda m: m.number(4, signed=True),
    "BININT1": lambda m: m.number(1),
    "BININT2": lambda m: m.number(2),
    "LONG": lambda m: int(m.line().removesuffix(b"L")),
    "LONG1": lambda m: _long(m, 1),
    "LONG4": lambda m: _long(m, 4),
    "FLOAT": lambda m: float(m.line()),
    "BINFLOAT": lambda m: struct.unpack(">d", m.take(8))[0],
    "STRING": _string_line,
    "BINSTRING": lambda m: m.counted(4, signed=True),
    "SHORT_BINSTRING": lambda m: m.counted(1),
    "BINBYTES": lambda m: m.counted(4),
    "SHORT_BINBYTES": lambda m: m.counted(1),
    "BINBYTES8": lambda m: m.counted(8),
    "BYTEARRAY8": lambda m: m.counted(8),
    "UNICODE": lambda m: str(m.line(len(m.data)), "raw-unicode-escape"),
    "BINUNICODE": lambda m: _utf8(m, 4),
    "SHORT_BINUNICODE": lambda m: _utf8(m, 1),
    "BINUNICODE8": lambda m: _utf8(m, 8),
    "EMPTY_TUPLE": lambda m: (),
    "EMPTY_LIST": lambda m: [],
    "EMPTY_DICT": lambda m: {},
    "TUPLE": lambda m: tuple(m.pop_mark()),
    "TUPLE1": lambda m: _tuple_of(m, 1),
    "TUPLE2": lambda m: _tuple_of(m, 2),
    "TUPLE3": lambda m: _tuple_of(m, 3),
    "LIST": lambda m: m.pop_mark(),
    "DICT": _dict_from_mark,
    "DUP": lambda m: m.peek(),
    "GET": lambda m: m.recall(int(m.line())),
    "BINGET": lambda m: m.recall(m.number(1)),
    "LONG_BINGET": lambda m: m.recall(m.number(4)),
    "GLOBAL": lambda m: m.named(str(m.line(), "utf-8"), str(m.line(), "utf-8")),
    "STACK_GLOBAL": _stack_global,
    "REDUCE": _reduce,
    "INST": _instance,
    "OBJ": _object,
    "NEWOBJ": lambda m: _new_object(m, by_name=False),
    "NEWOBJ_EX": lambda m: _new_object(m, by_name=True),
    "PERSID": lambda m: m.persistent(str(m.line(), "utf-8"), "PERSID"),
    "BINPERSID": lambda m: m.persistent(m.pop(), "BINPERSID"),
    "EMPTY_SET": lambda m: m.set_of([], "EMPTY_SET"),
    "FROZENSET": lambda m: m.set_of(m.pop_mark(), "FROZENSET"),
}


# --- operations that do something else ----------------------------------------------------------------------


def _protocol(machine: Machine) -> None:
    if (version := machine.number(1)) > 5:
        raise FileFormatError(f"protocol {version}, expected 0 to 5")


def _mark(machine: Machine) -> None:
    if len(machine.stacks) > _MOST_NESTED:
        raise UnsafeFileError(f"nested more than {_MOST_NESTED:,} deep")
    machine.stacks.append([])


def _pop(machine: Machine) -> None:
    """Drop the topmost value, or the MARK where nothing lies on it."""
    if machine.stacks[-1]:
        machine.pop()
    else:
        machine.pop_mark()


def _pop_mark(machine: Machine) -> None:
    machine.pop_mark()


def _memoize(machine: Machine, key: int) -> None:
    if key < 0:
        raise FileFormatError("a memo entry below 0")
    machine.memo[key] = machine.peek()


def _append(target: object, items: list[Any]) -> None:
    if isinstance(target, list):
        target.extend(items)
    elif isinstance(target, Record):
        target.items.extend(items)
    elif not isinstance(target, Hole):
        raise FileFormatError(f"items appended to {type(target).__name__}")


def _set_items(target: object, items: list[Any]) -> None:
    if isinstance(target, dict | Record) and len(items) % 2 == 0:
        entries = target.entries if isinstance(target, Record) else target
        entries.update(zip(map(_key, items[::2]), items[1::2], strict=True))
    elif not isinstance(target, Hole):
        raise FileFormatError(f"{len(items):,} keys and values put into {type(target).__name__}")


def _key(given: object) -> str | int | Hole:
    """Return a key that is cheap to compare, whatever was chosen to make it dear."""
    if type(given) is int and abs(given) < _LARGEST_KEY:
        return given
    return text(given) if isinstance(given, str | bytes) else HOLE


def _build(machine: Machine) -> None:
    state, target = machine.pop(), machine.peek()
    if isinstance(target, Built):
        target.build(state, machine)
    elif not isinstance(target, Hole):
        raise FileFormatError(f"BUILD on {type(target).__name__}")


def _append_one(machine: Machine) -> None:
    item = machine.pop()
    _append(machine.peek(), [item])


def _append_marked(machine: Machine) -> None:
    items = machine.pop_mark()
    _append(machine.peek(), items)


def _set_one(machine: Machine) -> None:
    value, key = machine.pop(), machine.pop()
    _set_items(machine.peek(), [key, value])


def _set_marked(machine: Machine) -> None:
    items = machine.pop_mark()
    _set_items(machine.peek(), items)


def _stop(machine: Machine) -> None:
    machine.value = machine.pop()
    if machine.stacks != [[]]:
        raise FileFormatError("values are left on the stack at the end")
    machine.stopped = True


def _frame(machine: Machine) -> None:
    """Check a frame's length; where frames end says nothing about values."""
    length = machine.number(8)
    machine.take(length)
    machine.position -= length


_ACTIONS_BY_NAME: Mapping[str, Callable[[Machine], None]] = {
    "PROTO": _protocol,
    "FRAME": _frame,
    "STOP": _stop,
    "MARK": _mark,
    "POP": _pop,
    "POP_MARK": _pop_mark,
    "PUT": lambda m: _memoize(m, int(m.line())),
    "BINPUT": lambda m: _memoize(m, m.number(1)),
    "LONG_BINPUT": lambda m: _memoize(m, m.number(4)),
    "MEMOIZE": lambda m: _memoize(m, len(m.memo)),
    "APPEND": _append_one,
    "APPENDS": _append_marked,
    "SETITEM": _set_one,
    "SETITEMS": _set_marked,
    "ADDITEMS": _append_marked,
    "BUILD": _build,
}


# --- operations that no array needs -------------------------------------------------------------------------

_OUTSIDE = "something that does not lie in the file"
_REFUSED: Mapping[str, str] = {
    "NEXT_BUFFER": _OUTSIDE,
    "READONLY_BUFFER": _OUTSIDE,
    "EXT1": "a class by its number in a registry",
    "EXT2": "a class by its number in a registry",
    "EXT4": "a class by its number in a registry",
}

NAMES = {ord(opcode.code): opcode.name for opcode in pickletools.opcodes}
VALUES = {code: _BY_NAME[name] for code, name in NAMES.items() if name in _BY_NAME}
ACTIONS = {code: _ACTIONS_BY_NAME[name] for code, name in NAMES.items() if name in _ACTIONS_BY_NAME}


def refuse(operation: str) -> NoReturn:
    """Say what an operation asks for that is not in the file."""
    raise UnsafeFileError(f"{operation} asks for {_REFUSED.get(operation, _OUTSIDE)}, which no array needs")
