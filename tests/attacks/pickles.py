"""Pickles that ask for code to be run, for memory, or for more patience than a reader has."""

from __future__ import annotations

import io
import pickle
import pickle as op
import struct
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from attacks import CANARY

COMMAND = f"echo harm > {CANARY}"
PROGRAM = f"open('{CANARY}', 'w').close()"


# --- a small assembler --------------------------------------------------------------------------------------


def text(value: str) -> bytes:
    data = value.encode("utf-8", "surrogatepass")
    return op.BINUNICODE + struct.pack("<I", len(data)) + data


def data(value: bytes) -> bytes:
    return op.BINBYTES + struct.pack("<I", len(value)) + value


def integer(value: int) -> bytes:
    packed = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return op.LONG1 + bytes([len(packed)]) + packed


def named(module: str, name: str) -> bytes:
    return op.GLOBAL + f"{module}\n{name}\n".encode()


def stack_named(module: str, name: str) -> bytes:
    return text(module) + text(name) + op.STACK_GLOBAL


def put(place: int) -> bytes:
    return op.LONG_BINPUT + struct.pack("<I", place)


def get(place: int) -> bytes:
    return op.LONG_BINGET + struct.pack("<I", place)


def row(*values: bytes) -> bytes:
    return op.MARK + b"".join(values) + op.TUPLE


def call(function: bytes, *arguments: bytes) -> bytes:
    return function + row(*arguments) + op.REDUCE


def whole(body: bytes, protocol: int = 4) -> bytes:
    return op.PROTO + bytes([protocol]) + body + op.STOP


def in_dict(value: bytes, name: str = "W1") -> bytes:
    """The value where the textbook's dict would have an array."""
    return whole(op.EMPTY_DICT + text(name) + value + op.SETITEM)


def dtype(code: str = "f4", order: str = "<") -> bytes:
    state = row(integer(3), text(order), op.NONE * 3, integer(-1) * 2, integer(0))
    return call(named("numpy", "dtype"), text(code), op.NEWFALSE, op.NEWTRUE) + state + op.BUILD


def blank() -> bytes:
    reconstruct = named("numpy._core.multiarray", "_reconstruct")
    return call(reconstruct, named("numpy", "ndarray"), row(integer(0)), data(b"b"))


def array(shape: bytes, content: bytes, kind: bytes | None = None) -> bytes:
    state = row(integer(1), shape, dtype() if kind is None else kind, op.NEWFALSE, content)
    return blank() + state + op.BUILD


def parameters() -> dict[str, np.ndarray]:
    """A small network that every reader takes."""
    return {
        "W1": np.arange(6, dtype=np.float32).reshape(2, 3),
        "b1": np.zeros(3, np.float32),
        "W2": np.ones((3, 2), np.float32),
        "b2": np.zeros(2, np.float32),
    }


# --- code ---------------------------------------------------------------------------------------------------


class _Runs:
    """What pickle.dumps makes of it calls os.system."""

    def __reduce__(self) -> tuple[object, ...]:
        import os

        return os.system, (COMMAND,)


def _code() -> Iterator[tuple[str, bytes]]:
    system = named("posix", "system")
    yield "os.system by GLOBAL", whole(call(named("os", "system"), text(COMMAND)))
    yield "os.system by STACK_GLOBAL", whole(call(stack_named("os", "system"), text(COMMAND)))
    yield "os.system by INST", whole(op.MARK + text(COMMAND) + op.INST + b"os\nsystem\n", 0)
    yield "os.system by OBJ", whole(op.MARK + named("os", "system") + text(COMMAND) + op.OBJ)
    yield "posix.system in text", b"cposix\nsystem\n(S'" + COMMAND.encode() + b"'\ntR."
    yield "pickle.dumps of an object", pickle.dumps(_Runs())
    yield "an object in the dict", pickle.dumps({**parameters(), "b3": _Runs()})
    yield "harm before the dict", whole(call(system, text(COMMAND)) + op.POP + op.EMPTY_DICT)
    yield "harm in a key", whole(op.EMPTY_DICT + call(system, text(COMMAND)) + integer(1) + op.SETITEM)
    yield "harm as a shape", in_dict(array(call(system, text(COMMAND)), data(b"")))
    yield "harm as the bytes of an array", in_dict(array(row(integer(1)), call(system, text(COMMAND))))
    yield (
        "harm as the class of an array",
        in_dict(call(named("numpy._core.multiarray", "_reconstruct"), system, row(integer(0)), data(b"b"))),
    )
    for name in ("eval", "exec"):
        for module in ("builtins", "__builtin__"):
            yield f"{module}.{name}", whole(call(named(module, name), text(PROGRAM)))
    yield "builtins.__import__", whole(call(named("builtins", "__import__"), text("antigravity")))
    yield (
        "getattr of a module",
        whole(
            call(
                call(named("builtins", "getattr"), call(named("builtins", "__import__"), text("os")), text("system")),
                text(COMMAND),
            )
        ),
    )
    yield "a dotted name", whole(call(stack_named("numpy", "lib.format.os.system"), text(COMMAND)))
    yield "an allowed name, dotted", whole(call(stack_named("numpy", "_core.multiarray._reconstruct"), integer(1)))
    yield "an allowed name, spelt otherwise", whole(call(named("Numpy", "dtype"), text("f4")))
    yield "builtins.map", whole(call(named("builtins", "map"), system, row(text(COMMAND))))
    yield "functools.partial", whole(call(call(named("functools", "partial"), system, text(COMMAND))))
    yield "operator.attrgetter", whole(call(named("operator", "attrgetter"), text("system")))
    yield (
        "copyreg._reconstructor",
        whole(
            call(named("copyreg", "_reconstructor"), named("subprocess", "Popen"), named("builtins", "object"), op.NONE)
        ),
    )
    yield (
        "copyreg.add_extension",
        whole(
            call(named("copyreg", "add_extension"), text("os"), text("system"), integer(1)) + op.POP + op.EXT1 + b"\x01"
        ),
    )
    yield "subprocess.Popen by NEWOBJ", whole(named("subprocess", "Popen") + row(text(COMMAND)) + op.NEWOBJ)
    yield (
        "subprocess.Popen by NEWOBJ_EX",
        whole(
            named("subprocess", "Popen")
            + row(text(COMMAND))
            + (op.EMPTY_DICT + text("shell") + op.NEWTRUE + op.SETITEM)
            + op.NEWOBJ_EX
        ),
    )
    yield "subprocess.check_output", whole(call(named("subprocess", "check_output"), text(COMMAND)))
    yield "socket.socket", whole(named("socket", "socket") + op.EMPTY_TUPLE + op.NEWOBJ)
    yield "runpy", whole(call(named("runpy", "_run_code"), text(PROGRAM), op.EMPTY_DICT))
    yield "webbrowser.open", whole(call(named("webbrowser", "open"), text("file:///")))
    yield "timeit", whole(call(named("timeit", "timeit"), text(PROGRAM)))
    yield "numpy.load", whole(call(named("numpy", "load"), text("other.npy"), op.NONE, op.NEWTRUE))
    yield "numpy.f2py", whole(call(named("numpy.f2py.capi_maps", "getinit"), text("a"), op.EMPTY_DICT))
    yield "numpy.testing", whole(call(named("numpy.testing._private.utils", "runstring"), text(PROGRAM), op.EMPTY_DICT))
    yield "numpy.save", whole(call(named("numpy", "save"), text(CANARY), integer(1)))
    yield "numpy.fromfile", whole(call(named("numpy", "fromfile"), text("/dev/zero")))
    yield "numpy.memmap", whole(call(named("numpy", "memmap"), text(CANARY), text("u1"), text("w+"), integer(0)))
    yield "pickle.loads", whole(call(named("pickle", "loads"), data(pickle.dumps(_Runs()))))
    yield "builtins.open", whole(call(named("builtins", "open"), text(CANARY), text("w")))
    yield "codecs.decode of zlib", whole(call(named("_codecs", "decode"), data(b"x"), text("zlib")))
    yield "codecs.encode in another codec", whole(call(named("_codecs", "encode"), text("x"), text("zlib")))
    yield "codecs.encode in a module", whole(call(named("_codecs", "encode"), text("x"), text(CANARY)))
    yield (
        "BUILD sets attributes",
        whole(
            named("numpy", "ndarray")
            + (op.EMPTY_DICT + text("__reduce__") + named("os", "system") + op.SETITEM)
            + op.BUILD
        ),
    )
    yield "BUILD on a function", whole(named("numpy", "dtype") + op.EMPTY_DICT + op.BUILD)
    yield (
        "BUILD __setstate__",
        whole(op.EMPTY_DICT + (op.EMPTY_DICT + text("__setstate__") + named("os", "system") + op.SETITEM) + op.BUILD),
    )
    yield (
        "memo rebound to os.system",
        whole(
            named("numpy", "dtype")
            + put(0)
            + op.POP
            + named("os", "system")
            + put(0)
            + op.POP
            + call(get(0), text(COMMAND))
        ),
    )
    yield "memo filled before its name", whole(
        text("os") + put(5) + op.POP + text("system") + op.MEMOIZE + op.POP + get(5) + get(1) + op.STACK_GLOBAL
        + row(text(COMMAND)) + op.REDUCE
    )  # fmt: skip
    yield "the second of two pickles", pickle.dumps(parameters()) + pickle.dumps(_Runs())
    yield "a name of letters that steer a terminal", whole(call(named("os\x1b[2J", "system"), text(COMMAND)))
    yield "a name of lone surrogates", whole(call(stack_named("os\ud800", "system"), text(COMMAND)))


# --- memory and time ----------------------------------------------------------------------------------------


def _greed() -> Iterator[tuple[str, bytes]]:
    huge = (1 << 62).to_bytes(8, "little")
    yield "BINBYTES8 of 4 EiB", whole(op.BINBYTES8 + huge)
    yield "BINUNICODE8 of 4 EiB", whole(op.BINUNICODE8 + huge)
    yield "BYTEARRAY8 of 4 EiB", whole(op.BYTEARRAY8 + huge, 5)
    yield "BINBYTES of 4 GiB", whole(op.BINBYTES + b"\xff" * 4)
    yield "BINSTRING of a negative length", whole(op.BINSTRING + b"\xff" * 4)
    yield "LONG4 of 2 GiB", whole(op.LONG4 + b"\xff\xff\xff\x7f")
    yield "LONG4 of a negative length", whole(op.LONG4 + b"\xff" * 4)
    yield "LONG4 of a megabyte", whole(op.LONG4 + struct.pack("<i", 1 << 20) + bytes(1 << 20))
    yield "an INT of a million digits", whole(op.INT + b"9" * 1_000_000 + b"\n")
    yield "a frame of 4 EiB", op.PROTO + b"\x04" + op.FRAME + huge + op.NONE + op.STOP
    yield "a huge memo index", whole(op.NONE + op.LONG_BINPUT + b"\xff" * 4)
    yield "a memo index of 200 digits", whole(op.NONE + op.PUT + b"9" * 200 + b"\n")
    yield "a negative memo index", whole(op.NONE + op.PUT + b"-1\n")
    yield "marks, half a million deep", whole(op.MARK * 500_000)
    yield "tuples, 900,000 deep", whole(op.EMPTY_TUPLE + op.TUPLE1 * 900_000)
    yield "lists, 300,000 deep", whole(op.EMPTY_LIST * 300_000 + op.APPEND * 299_999)
    yield "5 million empty dicts", whole(op.EMPTY_DICT * 5_000_000)
    yield "5 million memo entries", whole(op.EMPTY_DICT + op.MEMOIZE * 5_000_000)
    yield "5 million DUPs", whole(op.EMPTY_LIST + op.DUP * 5_000_000)
    yield "a million globals", whole(stack_named("os", "system") + named("m" * 200, "n") * 100_000)
    doubling = b"".join(get(i) + get(i) + op.TUPLE2 + put(i + 1) + op.POP for i in range(60))
    yield "tuples that double 60 times", whole(op.EMPTY_LIST + put(0) + op.POP + doubling + get(60))
    yield (
        "a shape that doubles 60 times",
        in_dict(op.EMPTY_LIST + put(0) + op.POP + doubling + array(row(get(60)), data(b""))),
    )
    yield "a list that holds itself", whole(op.EMPTY_LIST + put(0) + get(0) + op.APPEND)
    yield "a dict that holds itself", whole(op.EMPTY_DICT + put(0) + text("W1") + get(0) + op.SETITEM)
    block = data(bytes(1 << 20)) + put(0) + op.POP + dtype("u1", "|") + put(1) + op.POP
    views = b"".join(text(f"W{i}") + array(row(integer(1 << 20)), get(0), get(1)) + op.SETITEM for i in range(1, 2000))
    yield "a megabyte as 2,000 arrays", whole(block + op.EMPTY_DICT + views)
    letters = text("x" * (1 << 20)) + put(0) + op.POP + named("_codecs", "encode") + put(1) + op.POP
    encode = get(1) + get(0) + text("latin1") + op.TUPLE2 + op.REDUCE
    yield "a megabyte encoded 2,000 times", whole(letters + encode * 2000)
    twin = array(row(integer(1), integer(1)), data(bytes(8)), dtype("f8")) + put(0) + op.POP
    pairs = b"".join(text(f"W{i}") + get(0) + text(f"b{i}") + get(0) for i in range(1, 60_000))
    yield "one array under 120,000 names", whole(twin + op.EMPTY_DICT + op.MARK + pairs + op.SETITEMS)
    names = b"".join(text(f"W{i}" + "x" * 250) + op.NONE for i in range(100_000))
    yield "100,000 long names", whole(op.EMPTY_DICT + op.MARK + names + op.SETITEMS)


# --- arrays that lie ----------------------------------------------------------------------------------------


def _lies() -> Iterator[tuple[str, bytes]]:
    four = data(bytes(4))
    yield "a shape beyond its bytes", in_dict(array(row(integer(1 << 40)), four))
    yield "a shape within its bytes", in_dict(array(row(integer(1)), data(bytes(4096))))
    yield "a negative shape", in_dict(array(row(integer(-1), integer(-1)), four))
    yield "a shape that overflows", in_dict(array(row(*[integer(1 << 62)] * 30), four))
    yield "a shape of 2,000 bits", in_dict(array(row(*[integer(1 << 2000)] * 30), four))
    yield "a shape with a zero and 4 EiB", in_dict(array(row(integer(0), integer(1 << 62)), data(b"")))
    yield "a shape of 100 axes", in_dict(array(row(*[integer(1)] * 100), four))
    yield "a shape of texts", in_dict(array(row(text("1")), four))
    yield "a shape that is a number", in_dict(array(integer(1), four))
    yield "a dtype of objects", in_dict(array(row(integer(1)), data(bytes(8)), dtype("O8", "|")))
    yield "objects in a list", in_dict(array(row(integer(1)), op.EMPTY_LIST))
    yield "an array of objects", pickle.dumps({"W1": np.array([None, {}], dtype=object)})
    yield "a structured dtype", pickle.dumps({"W1": np.zeros(2, [("a", "f4"), ("b", "O")])})
    yield "texts in an array", pickle.dumps({"W1": np.array(["a", "b"])})
    yield "dates in an array", pickle.dumps({"W1": np.zeros(2, "M8[s]")})
    yield "complex numbers", pickle.dumps({"W1": np.zeros((2, 2), complex)})
    yield "a dtype of 10,000 letters", in_dict(array(row(integer(1)), four, dtype("f" * 10_000)))
    yield "a byte order of its own", in_dict(array(row(integer(1)), four, dtype("f4", "?")))
    yield "an array never filled", in_dict(blank())
    yield (
        "an array made of bytes that are a list",
        in_dict(call(named("numpy._core.numeric", "_frombuffer"), op.EMPTY_LIST, dtype(), row(integer(1)), text("C"))),
    )
    yield "a scalar of the wrong length", in_dict(call(named("numpy._core.multiarray", "scalar"), dtype(), data(b"x")))
    yield "a call of a number", whole(call(integer(1), integer(2)))
    yield "a call with a number", whole(named("numpy", "dtype") + integer(1) + op.REDUCE)
    yield "a call of numpy.ndarray", whole(call(named("numpy", "ndarray"), row(integer(1 << 40))))
    yield "numpy.ndarray by NEWOBJ", whole(named("numpy", "ndarray") + row(integer(1 << 40)) + op.NEWOBJ)
    doubled: list[Any] = [1.0]
    for _ in range(60):
        doubled = [doubled, doubled]
    yield "a list that doubles 60 times", pickle.dumps({"W1": doubled})
    yield "lists of unequal length", pickle.dumps({"W1": [[1.0, 2.0], [3.0]], "b1": [0.0, 0.0]})
    yield "a name in place of an array", in_dict(named("numpy", "ndarray"))


# --- broken machines ----------------------------------------------------------------------------------------


def _broken() -> Iterator[tuple[str, bytes]]:
    yield "nothing", b""
    yield "a text", b"W1 = [[0.1, 0.3, 0.5], [0.2, 0.4, 0.6]]\n"
    yield "a web page", b"<!DOCTYPE html><html><body>sample_weight.pkl</body></html>"
    yield "a Git LFS pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    yield "gzip", b"\x1f\x8b\x08" + bytes(30)
    yield "only zeros", bytes(1000)
    yield "only a STOP", op.STOP
    yield "no STOP", whole(op.EMPTY_DICT)[:-1]
    yield "protocol 255", op.PROTO + b"\xff" + op.EMPTY_DICT + op.STOP
    yield "an unknown operation", whole(b"\xfe")
    for name, code in (("POP", op.POP), ("DUP", op.DUP), ("REDUCE", op.REDUCE), ("BUILD", op.BUILD)):
        yield f"{name} of an empty stack", whole(code)
    for name, code in (("TUPLE", op.TUPLE), ("APPENDS", op.APPENDS), ("SETITEMS", op.SETITEMS), ("OBJ", op.OBJ)):
        yield f"{name} without a MARK", whole(code)
    yield "OBJ of nothing", whole(op.MARK + op.OBJ)
    yield "STACK_GLOBAL of numbers", whole(integer(1) * 2 + op.STACK_GLOBAL)
    yield "an unknown memo entry", whole(get(7))
    yield "a key without its value", whole(op.EMPTY_DICT + op.MARK + text("W1") + op.SETITEMS)
    yield "items put into a number", whole(integer(1) + text("W1") + integer(2) + op.SETITEM)
    yield "items appended to a dict", whole(op.EMPTY_DICT + integer(2) + op.APPEND)
    yield "keys that are lists", whole(op.EMPTY_DICT + op.EMPTY_LIST + integer(2) + op.SETITEM)
    yield "keys that are numbers", pickle.dumps({1: np.zeros((1, 1)), 2: np.zeros(1)})
    yield "values left on the stack", whole(op.NONE + op.EMPTY_DICT)
    yield "a MARK left on the stack", whole(op.MARK + op.EMPTY_DICT)
    yield "bad UTF-8", whole(op.BINUNICODE + struct.pack("<I", 2) + b"\xff\xfe")
    yield "bad latin1", in_dict(call(named("_codecs", "encode"), text("한글"), text("latin1")))
    yield "a bad INT", whole(op.INT + b"one\n")
    yield "a bad FLOAT", whole(op.FLOAT + b"1.0.0\n")
    yield "a STRING without quotes", whole(op.STRING + b"abc\n")
    yield "a STRING with a bad escape", whole(op.STRING + b"'\\q'\n")
    yield "a bad escape in UNICODE", whole(op.UNICODE + b"\\uZZZZ\n")
    yield "a persistent id", whole(op.PERSID + b"5\n")
    yield "a persistent id from the stack", whole(integer(5) + op.BINPERSID)
    yield "EXT1", whole(op.EXT1 + b"\x01")
    yield "EXT2", whole(op.EXT2 + b"\x01\x00")
    yield "EXT4", whole(op.EXT4 + b"\x01\x00\x00\x00")
    yield "NEXT_BUFFER", whole(op.NEXT_BUFFER, 5)
    yield "READONLY_BUFFER", whole(op.NEXT_BUFFER + op.READONLY_BUFFER, 5)
    yield "a set", pickle.dumps({1, 2})
    yield "a frozenset", pickle.dumps(frozenset({1, 2}), 4)
    values: tuple[object, ...] = (None, 1, 2.5, "text", b"bytes", [1], (1,), {})
    for value in values:
        yield f"a pickled {type(value).__name__}", pickle.dumps(value)
    good = pickle.dumps(parameters(), 4)
    for length in range(1, len(good), len(good) // 20):
        yield f"cut off after {length} bytes", good[:length]
    outer = io.BytesIO()
    with zipfile.ZipFile(outer, "w") as archive:
        archive.writestr("inner.zip", b"PK\x03\x04")
    yield "a zip in a zip", outer.getvalue()
    yield (
        "the data set",
        pickle.dumps(
            {name: np.zeros((3, 784), np.uint8) for name in ("train_img", "train_label", "test_img", "test_label")}
        ),
    )


CODE = dict(_code())
ATTACKS = {**CODE, **dict(_greed()), **dict(_lies()), **dict(_broken())}
