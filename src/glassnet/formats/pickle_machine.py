"""The pickle machine without its engine: it reads the opcodes and executes nothing.

Python's own reader imports whatever a pickle names and calls it. This one walks the same opcodes over the same kind of
stack (protocols 0 to 5, described in the standard library's ``pickletools``), but a global is only a name here. A
call of a name that the reader's ``Rules`` know is answered by them; any other leaves a hole on the stack, so that
the walk can go on and list what else the file asks for. Lengths are compared with what is left of the file
before anything is taken, and long byte strings are views of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from glassnet.errors import FileFormatError, GlassnetError, UnsafeFileError
from glassnet.formats.contents import Data, Global, shown
from glassnet.formats.pickle_arrays import ARRAYS
from glassnet.formats.pickle_operations import ACTIONS, NAMES, VALUES, refuse
from glassnet.formats.pickle_rules import HOLE, LONGEST_NAME, Budget, Bytes, Hole, Rules, text

# Each operation may leave a Python object of some 100 bytes. A file of arrays has about 40 operations an array.
_MOST_OPERATIONS = 1_000_000
_MOST_GLOBALS = 10_000
_MOST_PICKLES = 4
# What the standard library's own helpers make of a class is an object of it.
_MAKERS = {
    f"{module}.{name}"
    for module in ("copyreg", "copy_reg")
    for name in ("_reconstructor", "__newobj__", "__newobj_ex__")
}
# Shorter byte strings are copied: a view takes 200 bytes.
_VIEWED_FROM_BYTES = 256


@dataclass(frozen=True)
class Walk:
    """What a pickle holds: every global it names, and its value unless a problem stopped the walk; where it ends."""

    globals: tuple[Global, ...]
    value: object
    problem: GlassnetError | None
    end: int


def walk(data: Data, rules: Rules = ARRAYS, *, start: int = 0, whole: bool = True) -> Walk:
    """Read a pickle without executing it; this never raises for what the file holds.

    start: the byte it begins at. whole: whether it must end where the data do; else more may follow.
    """
    machine = Machine(data, rules, start)
    problem: GlassnetError | None = None
    try:
        machine.run()
        if whole:
            machine.check_end()
    except GlassnetError as error:
        problem = type(error)(f"byte {machine.at}: {error.message}", hint=error.hint)
    except (ValueError, OverflowError) as error:  # digits, UTF-8, latin1
        problem = FileFormatError(f"byte {machine.at}: {shown(error)}")
    return Walk(tuple(machine.globals), machine.value, problem, machine.position)


class Machine:
    """The stack, the memo and the place in the file; the operations are in ``pickle_operations``."""

    def __init__(self, data: Data, rules: Rules, start: int) -> None:
        self.data: Data = data
        self.view = memoryview(data)
        self.rules = rules
        self.at = start  # where the current operation begins
        self.position = start
        self.operations = 0
        self.depth = 0  # how many pickles this one lies in
        self.stacks: list[list[Any]] = [[]]  # a MARK begins a new one
        self.memo: dict[int, Any] = {}
        self.globals: list[Global] = []
        self.value: Any = HOLE
        self.stopped = False
        # The text that protocols 0 to 2 make of bytes is one copy, the array from it another.
        self.budget = Budget(2 * len(data))

    def run(self) -> None:
        """Walk from the first byte to the STOP."""
        while not self.stopped:
            self.at = self.position
            self.operations += 1
            if self.operations > _MOST_OPERATIONS:
                raise UnsafeFileError(f"more than {_MOST_OPERATIONS:,} operations, which no parameters need")
            code = self.take(1)[0]
            if code in VALUES:
                self.push(VALUES[code](self))
            elif code in ACTIONS:
                ACTIONS[code](self)
            elif code in NAMES:
                refuse(NAMES[code])
            else:
                raise FileFormatError(f"0x{code:02x} is not an operation of a pickle")
        self.at = self.position

    def check_end(self) -> None:
        """Check that nothing follows."""
        if self.position < len(self.data):
            raise FileFormatError(f"{len(self.data) - self.position:,} bytes follow the end of the pickle")

    def nested(self) -> object:
        """Return the value of a whole pickle that begins here, with a stack and a memo of its own."""
        if self.depth == _MOST_PICKLES:
            raise UnsafeFileError(f"pickles nested more than {_MOST_PICKLES} deep")
        outer = self.stacks, self.memo
        self.stacks, self.memo = [[]], {}
        self.depth += 1
        self.run()
        self.depth -= 1
        self.stopped = False
        self.stacks, self.memo = outer
        return self.value

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
        """Put a value on the stack."""
        self.stacks[-1].append(value)

    def pop(self) -> Any:
        """Return the topmost value and take it off."""
        self.peek()
        return self.stacks[-1].pop()

    def peek(self) -> Any:
        """Return the topmost value."""
        if not self.stacks[-1]:
            raise FileFormatError("nothing is on the stack here")
        return self.stacks[-1][-1]

    def pop_mark(self) -> list[Any]:
        """Return everything since the last MARK."""
        if len(self.stacks) == 1:
            raise FileFormatError("no MARK is on the stack here")
        return self.stacks.pop()

    def recall(self, key: int) -> Any:
        """Return what was written down under ``key``."""
        if key not in self.memo:
            raise FileFormatError(f"the memo has no entry {shown(key)}")
        return self.memo[key]

    # --- names and calls ---

    def named(self, module: object, name: object) -> Global:
        """Write down a global; nothing is imported."""
        key = text(module), text(name)
        dotted = ".".join(key)
        known = key in self.rules.calls or self.rules.objects(dotted) is not None
        found = Global(dotted, self.at, known or (dotted in _MAKERS and not self.rules.plain))
        if len(self.globals) == _MOST_GLOBALS:
            raise UnsafeFileError(f"more than {_MOST_GLOBALS:,} globals, which no parameters need")
        self.globals.append(found)
        return found

    def call(self, function: object, arguments: object) -> object:
        """Return what a call comes to: a value for the names that the rules know, else a hole."""
        match function, arguments:
            case (Global(name=name), (kind, *others)) if name in _MAKERS and not self.rules.plain:
                return self.make(kind, tuple(others))
            case ((Hole() | Global(allowed=False)), _):
                return HOLE
            case Global(name=name), tuple():
                module, _, attribute = name.rpartition(".")
                if (module, attribute) not in self.rules.calls:
                    return self.make(function, arguments)
                return self.rules.calls[module, attribute](self.budget, arguments)
        raise FileFormatError(f"a call of {type(function).__name__} with {type(arguments).__name__}")

    def make(self, kind: object, arguments: object = ()) -> object:
        """Return what an instance of a class comes to: a record where the rules allow one, else a hole."""
        if isinstance(kind, Hole) or (isinstance(kind, Global) and not kind.allowed):
            return HOLE
        record = self.rules.objects(kind.name) if isinstance(kind, Global) else None
        if record is None:
            raise FileFormatError("an object of a class, which no array needs")
        assert isinstance(kind, Global)
        return record(kind.name, arguments if isinstance(arguments, tuple) else ())

    def set_of(self, items: list[Any], operation: str) -> list[Any]:
        """Return what a set comes to: a list, so that nothing in it is hashed or compared."""
        if self.rules.plain:
            raise UnsafeFileError(f"{operation} asks for a set, which no array needs")
        return items

    def persistent(self, identity: object, operation: str) -> object:
        """Return what lies elsewhere under this name, where the rules know of an elsewhere."""
        if self.rules.persistent is None:
            refuse(operation)
        return self.rules.persistent(identity)
