"""The pickle machine without its engine: it reads the opcodes and executes nothing.

Python's own reader imports whatever a pickle names and calls it. This one walks the same opcodes over the same kind of
stack (protocols 0 to 5, described in the standard library's ``pickletools``), but a global is only a name here. A
call of a name that arrays need is answered by ``pickle_arrays``; any other leaves a hole on the stack, so that
the walk can go on and list what else the file asks for. Lengths are compared with what is left of the file
before anything is taken, and long byte strings are views of it.
"""

from __future__ import annotations

import codecs
import pickletools
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from glassnet.errors import FileFormatError, GlassnetError, UnsafeFileError
from glassnet.formats.contents import Data, Global, shown
from glassnet.formats.pickle_arrays import ALLOWED, LONGEST_NAME, Budget, Bytes, Dtype, Parcel, text

# Each operation may leave a Python object of some 100 bytes. A file of arrays has about 40 operations an array.
_MOST_OPERATIONS = 1_000_000
_MOST_GLOBALS = 10_000
_MOST_NESTED = 1_000
_LONGEST_NUMBER = 255
# Shorter byte strings are copied: a view takes 200 bytes.
_VIEWED_FROM_BYTES = 256

# What Python 2's repr() writes for a string, between its quotes.
_REPR = re.compile(rb"""(?:[^\\]|\\[\\'"nrt]|\\x[0-9a-fA-F]{2})*+""", re.DOTALL)


@dataclass(frozen=True)
class Walk:
    """What a pickle holds: every global it names, and its value unless a problem stopped the walk."""

    globals: tuple[Global, ...]
    value: object
    problem: GlassnetError | None


class Hole:
    """What a refused call would have given."""


HOLE = Hole()


def walk(data: Data) -> Walk:
    """Read a pickle without executing it; this never raises for what the file holds."""
    machine = _Machine(data)
    problem: GlassnetError | None = None
    try:
        machine.run()
    except GlassnetError as error:
        problem = type(error)(f"byte {machine.at}: {error.message}", hint=error.hint)
    except (ValueError, OverflowError) as error:  # digits, UTF-8, latin1
        problem = FileFormatError(f"byte {machine.at}: {shown(error)}")
    return Walk(tuple(machine.globals), machine.value, problem)


class _Machine:
    def __init__(self, data: Data) -> None:
        self.data = data
        self.view = memoryview(data)
        self.at = 0  # where the current operation begins
        self.position = 0
        self.stacks: list[list[Any]] = [[]]  # a MARK begins a new one
        self.memo: dict[int, Any] = {}
        self.globals: list[Global] = []
        self.value: Any = HOLE
        self.stopped = False
        # The text that protocols 0 to 2 make of bytes is one copy, the array from it another.
        self.budget = Budget(2 * len(data))

    def run(self) -> None:
        """Walk from the first byte to the last."""
        operations = 0
        while not self.stopped:
            self.at = self.position
            operations += 1
            if operations > _MOST_OPERATIONS:
                raise UnsafeFileError(f"more than {_MOST_OPERATIONS:,} operations, which no parameters need")
            code = self.take(1)[0]
            if code in _VALUES:
                self.push(_VALUES[code](self))
            elif code in _ACTIONS:
                _ACTIONS[code](self)
            else:
                _refuse(code)
        self.at = self.position
        if self.position < len(self.data):
            raise FileFormatError(f"{len(self.data) - self.position:,} bytes follow the end of the pickle")

    # --- the file ---

    def take(self, count: int) -> memoryview:
        """Return the next ``count`` bytes."""
        left = len(self.data) - self.position
        if not 0 <= count <= left:
            raise FileFormatError(f"cut off, or a length that lies: {count:,} bytes expected, {left:,} are left")
        self.position += count
        return self.view[self.position - count : self.position]

    def number(self, size: int, *, signed: bool = False) -> int:
        """Return a little-endian integer of ``size`` bytes."""
        return int.from_bytes(self.take(size), "little", signed=signed)

    def counted(self, size: int, *, signed: bool = False) -> Bytes:
        """Return as many bytes as the integer before them says."""
        found = self.take(self.number(size, signed=signed))
        return found if len(found) >= _VIEWED_FROM_BYTES else bytes(found)

    def line(self, longest: int = LONGEST_NAME) -> bytes:
        """Return the bytes before the next line feed."""
        end = self.data.find(b"\n", self.position, self.position + longest + 1)
        if end < 0:
            raise FileFormatError("cut off: a line does not end")
        found = bytes(self.take(end - self.position))
        self.position += 1
        return found

    # --- the stack ---

    def push(self, value: object) -> None:
        self.stacks[-1].append(value)

    def pop(self) -> Any:
        self.peek()
        return self.stacks[-1].pop()

    def peek(self) -> Any:
        if not self.stacks[-1]:
            raise FileFormatError("nothing is on the stack here")
        return self.stacks[-1][-1]

    def pop_mark(self) -> list[Any]:
        """Return everything since the last MARK."""
        if len(self.stacks) == 1:
            raise FileFormatError("no MARK is on the stack here")
        return self.stacks.pop()

    def recall(self, key: int) -> Any:
        if key not in self.memo:
            raise FileFormatError(f"the memo has no entry {shown(key)}")
        return self.memo[key]

    # --- names and calls ---

    def named(self, module: object, name: object) -> Global:
        """Write down a global; nothing is imported."""
        key = text(module), text(name)
        found = Global(".".join(key), self.at, key in ALLOWED)
        if len(self.globals) == _MOST_GLOBALS:
            raise UnsafeFileError(f"more than {_MOST_GLOBALS:,} globals, which no parameters need")
        self.globals.append(found)
        return found

    def call(self, function: object, arguments: object) -> object:
        """Return what a call comes to: a value for the names that arrays need, else a hole."""
        match function, arguments:
            case ((Hole() | Global(allowed=False)), _):
                return HOLE
            case Global(name=name), tuple():
                module, _, attribute = name.rpartition(".")
                return ALLOWED[module, attribute](self.budget, arguments)
        raise FileFormatError(f"a call of {type(function).__name__} with {type(arguments).__name__}")

    def make(self, kind: object) -> object:
        """Return what an instance of a class comes to: always a hole, since arrays need no class."""
        if isinstance(kind, Hole) or (isinstance(kind, Global) and not kind.allowed):
            return HOLE
        raise FileFormatError("an object of a class, which no array needs")


# --- operations that put a value on the stack ---------------------------------------------------------------


def _integer_line(machine: _Machine) -> int | bool:
    line = machine.line()
    return {b"00": False, b"01": True}[line] if line in (b"00", b"01") else int(line)


def _long(machine: _Machine, size: int) -> int:
    count = machine.number(size, signed=size == 4)
    if count > _LONGEST_NUMBER:
        raise FileFormatError(f"a number of {count:,} bytes")
    return int.from_bytes(machine.take(count), "little", signed=True)


def _string_line(machine: _Machine) -> bytes:
    line = machine.line(len(machine.data))
    if len(line) < 2 or line[0] != line[-1] or line[:1] not in b"'\"" or not _REPR.fullmatch(line, 1, len(line) - 1):
        raise FileFormatError("a string without its quotes, or with an escape that Python 2 does not write")
    return codecs.escape_decode(line[1:-1])[0]


def _utf8(machine: _Machine, size: int) -> str:
    return str(machine.take(machine.number(size)), "utf-8", "surrogatepass")


def _instance(machine: _Machine) -> object:
    kind = machine.named(str(machine.line(), "utf-8"), str(machine.line(), "utf-8"))
    machine.pop_mark()
    return machine.make(kind)


def _object(machine: _Machine) -> object:
    kind, *_ = machine.pop_mark() or [None]
    return machine.make(kind)


def _new_object(machine: _Machine, arguments: int) -> object:
    for _ in range(arguments):
        machine.pop()
    return machine.make(machine.pop())


def _stack_global(machine: _Machine) -> Global:
    name, module = machine.pop(), machine.pop()
    return machine.named(module, name)


def _reduce(machine: _Machine) -> object:
    arguments, function = machine.pop(), machine.pop()
    return machine.call(function, arguments)


def _tuple_of(machine: _Machine, count: int) -> tuple[Any, ...]:
    return tuple([machine.pop() for _ in range(count)][::-1])


def _dict_from_mark(machine: _Machine) -> dict[str, Any]:
    found: dict[str, Any] = {}
    _set_items(found, machine.pop_mark())
    return found


_BY_NAME: Mapping[str, Callable[[_Machine], object]] = {
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
    "NEWOBJ": lambda m: _new_object(m, 1),
    "NEWOBJ_EX": lambda m: _new_object(m, 2),
}


# --- operations that do something else ----------------------------------------------------------------------


def _protocol(machine: _Machine) -> None:
    if (version := machine.number(1)) > 5:
        raise FileFormatError(f"protocol {version}, expected 0 to 5")


def _mark(machine: _Machine) -> None:
    if len(machine.stacks) > _MOST_NESTED:
        raise UnsafeFileError(f"nested more than {_MOST_NESTED:,} deep")
    machine.stacks.append([])


def _pop(machine: _Machine) -> None:
    """Drop the topmost value, or the MARK where nothing lies on it."""
    if machine.stacks[-1]:
        machine.pop()
    else:
        machine.pop_mark()


def _pop_mark(machine: _Machine) -> None:
    machine.pop_mark()


def _memoize(machine: _Machine, key: int) -> None:
    if key < 0:
        raise FileFormatError("a memo entry below 0")
    machine.memo[key] = machine.peek()


def _append(target: object, items: list[Any]) -> None:
    if isinstance(target, list):
        target.extend(items)
    elif not isinstance(target, Hole):
        raise FileFormatError(f"items appended to {type(target).__name__}")


def _set_items(target: object, items: list[Any]) -> None:
    if isinstance(target, dict) and len(items) % 2 == 0:
        target.update(zip(map(_key, items[::2]), items[1::2], strict=True))
    elif not isinstance(target, Hole):
        raise FileFormatError(f"{len(items):,} keys and values put into {type(target).__name__}")


def _key(given: object) -> str | Hole:
    """Return a key that is cheap to compare, whatever was chosen to make it dear."""
    return text(given) if isinstance(given, str | bytes) else HOLE


def _build(machine: _Machine) -> None:
    state, target = machine.pop(), machine.peek()
    if isinstance(target, Dtype | Parcel):
        target.build(state, machine.budget)
    elif not isinstance(target, Hole):
        raise FileFormatError(f"BUILD on {type(target).__name__}")


def _append_one(machine: _Machine) -> None:
    item = machine.pop()
    _append(machine.peek(), [item])


def _append_marked(machine: _Machine) -> None:
    items = machine.pop_mark()
    _append(machine.peek(), items)


def _set_one(machine: _Machine) -> None:
    value, key = machine.pop(), machine.pop()
    _set_items(machine.peek(), [key, value])


def _set_marked(machine: _Machine) -> None:
    items = machine.pop_mark()
    _set_items(machine.peek(), items)


def _stop(machine: _Machine) -> None:
    machine.value = machine.pop()
    if machine.stacks != [[]]:
        raise FileFormatError("values are left on the stack at the end")
    machine.stopped = True


def _frame(machine: _Machine) -> None:
    """Check a frame's length; where frames end says nothing about values."""
    length = machine.number(8)
    machine.take(length)
    machine.position -= length


_ACTIONS_BY_NAME: Mapping[str, Callable[[_Machine], None]] = {
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
    "BUILD": _build,
}


# --- operations that no array needs -------------------------------------------------------------------------

_OUTSIDE = "something that does not lie in the file"
_REFUSED: Mapping[str, str] = {
    "PERSID": _OUTSIDE,
    "BINPERSID": _OUTSIDE,
    "NEXT_BUFFER": _OUTSIDE,
    "READONLY_BUFFER": _OUTSIDE,
    "EXT1": "a class by its number in a registry",
    "EXT2": "a class by its number in a registry",
    "EXT4": "a class by its number in a registry",
    "EMPTY_SET": "a set",
    "ADDITEMS": "a set",
    "FROZENSET": "a set",
}

_NAMES = {ord(opcode.code): opcode.name for opcode in pickletools.opcodes}
_VALUES = {code: _BY_NAME[name] for code, name in _NAMES.items() if name in _BY_NAME}
_ACTIONS = {code: _ACTIONS_BY_NAME[name] for code, name in _NAMES.items() if name in _ACTIONS_BY_NAME}


def _refuse(code: int) -> NoReturn:
    if code not in _NAMES:
        raise FileFormatError(f"0x{code:02x} is not an operation of a pickle")
    raise UnsafeFileError(f"{_NAMES[code]} asks for {_REFUSED[_NAMES[code]]}, which no array needs")
