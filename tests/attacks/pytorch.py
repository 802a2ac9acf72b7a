"""Broken and hostile PyTorch files: zips, sequences of pickles, TorchScript and exported programs."""

from __future__ import annotations

import json
import pickle as op
import struct
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

from attacks import CANARY
from attacks.archives import CENTRAL, END, LOCAL, patched, streamed_zip, zipped
from attacks.pickles import CODE, COMMAND, PROGRAM, call, data, get, integer, named, put, row, text, whole

NOTHING: Mapping[str, bytes] = {}
MAGIC = 0x1950A86A20F9469CFC6C
EIGHT = bytes(32)  # eight numbers in float32


# --- makers -------------------------------------------------------------------------------------------------


def storage(key: str = "0", count: int = 8, kind: str = "FloatStorage") -> bytes:
    return row(text("storage"), named("torch", kind), text(key), text("cpu"), integer(count)) + op.BINPERSID


def tensor(
    sizes: tuple[int, ...] = (2, 4), strides: tuple[int, ...] = (4, 1), offset: int = 0, of: bytes | None = None
) -> bytes:
    place = (integer(offset), row(*map(integer, sizes)), row(*map(integer, strides)))
    ordered = call(named("collections", "OrderedDict"))
    rebuild = named("torch._utils", "_rebuild_tensor_v2")
    return call(rebuild, storage() if of is None else of, *place, op.NEWFALSE, ordered)


def state(value: bytes, name: str = "fc.weight") -> bytes:
    return whole(op.EMPTY_DICT + text(name) + value + op.SETITEM, 2)


def in_zip(pickled: bytes, storages: Mapping[str, bytes] | None = None, more: Mapping[str, bytes] = NOTHING) -> bytes:
    found = {"0": EIGHT} if storages is None else storages
    members = {"archive/data.pkl": pickled, "archive/byteorder": b"little"}
    members |= {f"archive/data/{key}": content for key, content in found.items()}
    return zipped({**members, "archive/version": b"3\n", **{f"archive/{key}": value for key, value in more.items()}})


def in_sequence(pickled: bytes, keys: object = ("0",), rest: bytes = struct.pack("<q", 8) + EIGHT) -> bytes:
    start = op.dumps(MAGIC, 2) + op.dumps(1001, 2) + op.dumps({"little_endian": True}, 2)
    return start + pickled + op.dumps(list(keys) if isinstance(keys, tuple) else keys, 2) + rest


def script(code: str, constants: bytes | None = None, module: bytes | None = None, **files: str) -> bytes:
    """A TorchScript archive of a class M with a parameter w; ``code``: what follows its forward."""
    made = named("__torch__", "M") + op.EMPTY_TUPLE + op.NEWOBJ
    weights = made + op.EMPTY_DICT + text("w") + tensor() + op.SETITEM + op.BUILD
    source = f"class M(Module):\n  w : Tensor\n  def forward(self: __torch__.M, x: Tensor) -> Tensor:\n{code}"
    members = {
        "archive/data.pkl": whole(weights if module is None else module, 2),
        "archive/data/0": EIGHT,
        "archive/constants.pkl": op.dumps((), 2) if constants is None else constants,
        "archive/code/__torch__.py": source.encode(),
        **{f"archive/code/{name}.py": content.encode() for name, content in files.items()},
    }
    return zipped(members)


def program(**changes: Any) -> dict[str, Any]:
    """An exported program of one linear layer."""
    sizes = [{"as_int": 5}, {"as_int": 4}]
    found = {
        "nodes": [
            node("torch.ops.aten.linear.default", "y", {"as_tensor": {"name": "x"}}, {"as_tensor": {"name": "p"}})
        ],
        "tensor_values": {"x": {"sizes": sizes}},
        "input_specs": [
            {"parameter": {"arg": {"name": "p"}, "parameter_name": "w"}},
            {"user_input": {"arg": {"as_tensor": {"name": "x"}}}},
        ],
        "output_specs": [{"user_output": {"arg": {"as_tensor": {"name": "y"}}}}],
    } | changes
    signature = {key: found.pop(key) for key in ("input_specs", "output_specs")}
    return {"graph_module": {"graph": found, "signature": signature}}


def node(target: object, answer: object, *arguments: object) -> dict[str, Any]:
    inputs = [{"name": f"a{number}", "arg": argument, "kind": 1} for number, argument in enumerate(arguments)]
    return {"target": target, "inputs": inputs, "outputs": [{"as_tensor": {"name": answer}}]}


def exported(model: object, **changes: object) -> bytes:
    meta = {
        "dtype": 7, "sizes": [{"as_int": 2}, {"as_int": 4}], "strides": [{"as_int": 4}, {"as_int": 1}],
        "storage_offset": {"as_int": 0},
    }  # fmt: skip
    entry = {"path_name": "weight_0", "use_pickle": False, "tensor_meta": {**meta, **changes}}
    entry |= {key: changes[key] for key in ("path_name", "use_pickle") if key in changes}
    content = model if isinstance(model, bytes) else json.dumps(model).encode()
    return zipped(
        {
            "e/data/weights/weight_0": EIGHT,
            "e/data/weights/model_weights_config.json": json.dumps({"config": {"w": entry}}).encode(),
            "e/models/model.json": content,
            "e/archive_format": b"pt2",
        }
    )


# --- code ---------------------------------------------------------------------------------------------------


def _code() -> Iterator[tuple[str, bytes]]:
    for name, content in CODE.items():
        if name not in ("the second of two pickles", "BUILD on a function"):
            yield f"{name}, in a zip", in_zip(content)
    for name in ("os.system by STACK_GLOBAL", "builtins.eval", "functools.partial", "runpy", "numpy.testing"):
        yield f"{name}, in a sequence", in_sequence(CODE[name])
    system = named("os", "system")
    harm = call(system, text(COMMAND))
    beside = op.EMPTY_DICT + op.MARK + text("fc.weight") + tensor() + text("epoch") + harm + op.SETITEMS
    yield "harm beside good weights", in_zip(whole(beside, 2))
    yield "harm beside good weights, in a sequence", in_sequence(whole(beside, 2))
    yield "harm as the storage", in_zip(state(tensor(of=harm)))
    yield "harm in a persistent id", in_zip(state(tensor(of=row(text("storage"), harm, text("0")) + op.BINPERSID)))
    nested = row(text("storage"), storage(), text("0"), text("cpu"), harm) + op.BINPERSID
    yield "a persistent id in a persistent id", in_zip(state(tensor(of=nested)))
    yield (
        "harm as a backward hook",
        in_zip(state(call(named("torch._utils", "_rebuild_parameter"), tensor(), op.NEWTRUE, harm))),
    )
    yield (
        "harm as the function that rebuilds",
        in_zip(
            state(call(named("torch._tensor", "_rebuild_from_type_v2"), system, system, row(text(COMMAND)), op.NONE))
        ),
    )
    yield (
        "harm by way of getattr",
        in_zip(state(call(named("builtins", "getattr"), named("torch", "os"), text("system")))),
    )
    yield "pydoc.pipepager", in_zip(whole(call(named("pydoc", "pipepager"), text("x"), text(COMMAND)), 2))
    yield "pdb", in_zip(whole(call(named("pdb", "run"), text(PROGRAM)), 2))
    yield "cProfile", in_zip(whole(call(named("cProfile", "run"), text(PROGRAM)), 2))
    yield "ctypes", in_zip(whole(call(named("ctypes", "CDLL"), text("libc.so.6")), 2))
    yield (
        "the state of a module",
        in_zip(whole(named("types", "ModuleType") + op.EMPTY_TUPLE + op.NEWOBJ + op.EMPTY_DICT + op.BUILD, 2)),
    )
    for function in ("load", "hub.load", "jit.load", "utils.cpp_extension.load_inline", "serialization.load"):
        module, _, name = f"torch.{function}".rpartition(".")
        yield f"torch.{function}", in_zip(whole(call(named(module, name), text("other.pt")), 2))
    inner = op.dumps(MAGIC, 2)
    yield "a file in a file", in_zip(state(call(named("torch.storage", "_load_from_bytes"), data(inner))))
    yield "a class of a library", in_zip(whole(call(named("fsspec", "open"), text(CANARY), text("w")), 2))
    yield "harm among the constants", script("    return x\n", constants=whole(row(harm), 2))
    yield "harm in a module's state", script(
        "    return x\n", module=named("__torch__", "M") + op.EMPTY_TUPLE + op.NEWOBJ + op.EMPTY_DICT + text("w")
        + harm + op.SETITEM + op.BUILD,
    )  # fmt: skip
    yield "a magic number that is called", in_sequence(state(tensor())).replace(op.dumps(1001, 2), whole(harm, 2), 1)


# --- tensors that lie ---------------------------------------------------------------------------------------


def _lies() -> Iterator[tuple[str, bytes]]:
    huge = 1 << 62
    for wrap, how in ((in_zip, ""), (in_sequence, ", in a sequence")):
        yield f"an offset beyond the storage{how}", wrap(state(tensor(offset=1)))
        yield f"a stride beyond the storage{how}", wrap(state(tensor(strides=(5, 1))))
        yield f"a size beyond the storage{how}", wrap(state(tensor(sizes=(3, 4))))
        yield f"sizes that overflow{how}", wrap(state(tensor(sizes=(huge, huge), strides=(huge, 1))))
        yield f"an offset that overflows{how}", wrap(state(tensor(offset=(1 << 63) - 1)))
        yield f"a negative offset{how}", wrap(state(tensor(offset=-4)))
        yield f"a negative stride{how}", wrap(state(tensor(strides=(-4, 1), offset=4)))
        yield f"a negative size{how}", wrap(state(tensor(sizes=(-2, -4))))
        yield f"a stride of 0 that fills memory{how}", wrap(state(tensor(sizes=(1 << 20, 1 << 20), strides=(0, 0))))
        yield f"100 axes{how}", wrap(state(tensor(sizes=(1,) * 100, strides=(1,) * 100)))
        yield f"a number of 2,000 bits{how}", wrap(state(tensor(sizes=(1 << 2000, 1))))
        yield f"a storage that is longer than it is{how}", wrap(state(tensor(sizes=(4, 4), of=storage(count=16))))
        yield f"a storage of 4 EiB{how}", wrap(state(tensor(of=storage(count=huge))))
        yield f"a storage of another kind{how}", wrap(state(tensor(of=storage(kind="QInt8Storage"))))
        yield f"a storage that is missing{how}", wrap(state(tensor(of=storage("7"))))
    yield "a storage outside of the folder", in_zip(state(tensor(of=storage("../../version"))))
    yield "a storage by an absolute path", in_zip(state(tensor(of=storage("/etc/passwd"))))
    yield (
        "a storage of no kind",
        in_zip(
            state(
                tensor(of=row(text("storage"), text("FloatStorage"), text("0"), text("cpu"), integer(8)) + op.BINPERSID)
            )
        ),
    )
    yield "a storage that is a number", in_zip(state(tensor(of=integer(5))))
    yield "more sizes than strides", in_zip(state(tensor(strides=(1,))))
    many = b"".join(text(f"w{n}") + tensor((1 << 10, 1 << 10), (0, 1), of=get(1)) + op.SETITEM for n in range(2000))
    block = storage(count=1 << 10) + put(1) + op.POP
    yield "a kilobyte as 2,000 large tensors", in_zip(whole(block + op.EMPTY_DICT + many, 2), {"0": bytes(1 << 12)})
    ints = b"".join(
        text(f"w{n}.weight") + tensor((1 << 10, 1 << 9), (1 << 9, 1), n, of=get(1)) + op.SETITEM for n in range(2000)
    )
    block = storage(count=1 << 20, kind="CharStorage") + put(1) + op.POP
    yield (
        "a megabyte as 2,000 tensors of integers",
        in_zip(whole(block + op.EMPTY_DICT + ints, 2), {"0": bytes(1 << 20)}),
    )
    for value in (None, 5, "text", [1], {"a": 1}, {"a": {"b": 2.0}}, ()):
        yield f"a saved {value!r}", in_zip(op.dumps(value, 2))
    deep = op.EMPTY_DICT + b"".join(text("a") + op.EMPTY_DICT for _ in range(900)) + op.SETITEM * 900
    yield "dictionaries 900 deep", in_zip(whole(deep, 2))
    cycle = op.EMPTY_DICT + put(1) + text("a") + get(1) + op.SETITEM
    yield "a dictionary that holds itself", in_zip(whole(cycle, 2))
    wide = op.EMPTY_LIST + put(0) + op.MARK + tensor() + op.APPENDS
    doubling = b"".join(op.EMPTY_LIST + put(n + 1) + op.MARK + get(n) + get(n) + op.APPENDS for n in range(18))
    yield "lists that double 18 times", in_zip(whole(row(wide, doubling), 2))
    yield "a dtype that is none", in_zip(
        state(
            call(
                named("torch._utils", "_rebuild_tensor_v3"), storage(kind="UntypedStorage", count=32), integer(0),
                row(integer(2), integer(4)), row(integer(4), integer(1)), op.NEWFALSE, op.NONE, text("float32"),
            )
        )
    )  # fmt: skip


# --- archives that lie --------------------------------------------------------------------------------------


def _archives() -> Iterator[tuple[str, bytes]]:
    good = in_zip(state(tensor()))
    for part in range(1, 8):
        yield f"cut off after {part} eighths", good[: len(good) * part // 8]
    yield "members, and a directory of none", good[: good.index(CENTRAL)] + zipped({})
    yield "two folders", zipped({"a/data.pkl": state(tensor()), "b/data/0": EIGHT})
    yield "no pickle", zipped({"archive/data/0": EIGHT, "archive/version": b"3"})
    yield "a member outside", zipped({"archive/data.pkl": state(tensor()), "archive/../../data/0": EIGHT})
    yield "a member with a backslash", zipped({"archive/data.pkl": state(tensor()), "archive/data\\0": EIGHT})
    yield "a folder without a name", zipped({"archive//data.pkl": state(tensor())})
    twice = zipped({"archive/data.pkl": state(tensor()), "archive/data/0": EIGHT, "archive/data/1": EIGHT})
    yield "a member twice", twice.replace(b"archive/data/1", b"archive/data/0")
    yield "encrypted", patched(patched(good, LOCAL, 6, b"\x01\x00"), CENTRAL, 8, b"\x01\x00")
    yield "encrypted, its own header says", patched(good, LOCAL, 6, b"\x01\x00")
    yield "another name in its own header", good.replace(b"archive/data/0", b"archive/data/1", 1)
    yield "another method in its own header", patched(good, LOCAL, 8, b"\x08\x00")
    yield "a length of 4 GB", patched(good, CENTRAL, 24, b"\xff\xff\xff\xef")
    yield (
        "two lengths of 4 GB",
        patched(patched(good, CENTRAL, 24, b"\xff\xff\xff\xef"), CENTRAL, 20, b"\xff\xff\xff\xef"),
    )
    yield "a member out of its place", patched(good, CENTRAL, 42, b"\xff\xff\xff\x0f")
    yield "members upon one another", patched(good, CENTRAL, 42, b"\x00\x00\x00\x00")
    yield "a directory of 2 GB", patched(good, END, 12, b"\xff\xff\xff\x7f")
    yield "a name that goes on behind a zero", good.replace(b"archive/data/0", b"archive/dat\x00/0")
    yield "a long extra field", patched(good, LOCAL, 28, b"\xff\xff")
    yield "bzip2", zipped({"archive/data.pkl": state(tensor()), "archive/data/0": EIGHT}, zipfile.ZIP_BZIP2)
    yield "a bomb", streamed_zip("archive/data.pkl", state(tensor())[:-1], 400 << 20)
    yield "a bomb within its bounds", streamed_zip("archive/data.pkl", op.PROTO + b"\x02", 12 << 20)
    yield "20,000 members", zipped({f"archive/data/{number}": b"" for number in range(20_000)})
    yield "a byte order of its own", in_zip(state(tensor()), more={"byteorder": b"middle"})
    yield "a description that is deep", in_zip(state(tensor()), more={"glassnet.json": b'{"a":' * 100_000})
    yield "a description of nothing", in_zip(state(tensor()), more={"glassnet.json": b"{}"})
    yield (
        "a description whose steps are numbers",
        in_zip(
            state(tensor()), more={"glassnet.json": b'{"version": 1, "steps": [1, {"kind": "dense", "weights": []}]}'}
        ),
    )
    yield "a zip in a zip", zipped({"archive/data.pkl": good, "archive/data/0": EIGHT})


def _sequences() -> Iterator[tuple[str, bytes]]:
    good = in_sequence(state(tensor()))
    for part in range(1, 8):
        yield f"a sequence cut off after {part} eighths", good[: len(good) * part // 8]
    yield "a byte behind the storages", good + b"\x00"
    yield "a storage of another length", in_sequence(state(tensor()), rest=struct.pack("<q", 9) + EIGHT)
    yield "a storage of 4 EiB, it says", in_sequence(state(tensor()), rest=struct.pack("<q", 1 << 62) + EIGHT)
    yield "a storage of negative length", in_sequence(state(tensor()), rest=struct.pack("<q", -8) + EIGHT)
    yield "keys that are numbers", in_sequence(state(tensor()), keys=(0,))
    yield "keys that are no list", in_sequence(state(tensor()), keys={"0": 1})
    yield "a key twice", in_sequence(state(tensor()), keys=("0", "0"))
    yield "a key that no tensor has", in_sequence(state(tensor()), keys=("9",))
    yield "another protocol", good.replace(op.dumps(1001, 2), op.dumps(1002, 2), 1)
    both = row(tensor(), tensor(of=storage(kind="DoubleStorage")))
    yield "one storage of two kinds", in_sequence(whole(both, 2))
    view = row(text("v"), integer(4), integer(1 << 40))
    beyond = row(text("storage"), named("torch", "FloatStorage"), text("0"), text("cpu"), integer(8), view)
    yield "a part beyond its storage", in_sequence(state(tensor(of=beyond + op.BINPERSID)))


# --- programs -----------------------------------------------------------------------------------------------


def _scripts() -> Iterator[tuple[str, bytes]]:
    yield "a program that imports", script("    import os\n    return x\n")
    yield "a program that calls eval", script("    return eval('1')\n")
    yield "a program that calls open", script(f"    return open('{CANARY}', 'w')\n")
    yield "a program that calls __import__", script("    return __import__('os').system('id')\n")
    yield "a program with a lambda", script("    return (lambda: x)()\n")
    yield "a program with a comprehension", script("    return [x for i in range(9)]\n")
    yield "a program that reads its class", script("    return x.__class__.__mro__\n")
    yield "a program that reads a dunder", script("    return self.__dict__\n")
    yield "a program that is no program", script("    return (((\n")
    yield "a program of brackets", script(f"    return {'(' * 50_000}x{')' * 50_000}\n")
    yield "a program of minus signs", script(f"    return {'-' * 50_000}1\n")
    yield "a program of nots", script(f"    return {'not ' * 20_000}x\n")
    yield "a program of dots", script(f"    return x{'.a' * 50_000}\n")
    yield "a program of sums", script(f"    return {'1 + ' * 50_000}1\n")
    yield "a program with a zero in it", script("    return x\x00\n")
    yield "a program of 3 MB", script("    x = x\n" * 300_000)
    yield "a loop without an end", script("    while True:\n      x = torch.add(x, 1)\n    return x\n")
    yield "a loop of 4 billion turns", script("    for i in range(4000000000):\n      y = 1\n    return x\n")
    loops = "".join(f"{' ' * (4 + 2 * n)}for i{n} in range(9999):\n" for n in range(4))
    yield "loops in loops", script(f"{loops}            y = 1\n    return x\n")
    yield "a number that squares itself", script("    y = 9\n" + "    y = torch.mul(y, y)\n" * 60 + "    return x\n")
    yield "a text that doubles itself", script("    y = 'a'\n" + "    y = torch.add(y, y)\n" * 60 + "    return x\n")
    yield "a list that doubles itself", script("    y = [1]\n" + "    y = torch.add(y, y)\n" * 60 + "    return x\n")
    yield "a value that doubles itself", script("    x = torch.cat([x, x], 1)\n" * 60 + "    return x\n")
    yield "a value of a million steps", script("    x = torch.relu(x)\n" * 30_000 + "    return x\n")
    yield "a method that calls itself", script("    return (self).forward(x, )\n")
    yield "a branch on the input", script("    if torch.gt(x, 0):\n      x = x\n    return x\n")
    yield "an answer that is a number", script("    return 5\n")
    yield "an answer that is the input's class", script("    return __torch__.M\n")
    yield "a constant that is not there", script("    return torch.add(x, CONSTANTS.c5)\n")
    yield "a function that is not there", script("    return __torch__.nowhere.f(x, )\n")
    yield "a function outside of the archive", script("    return __torch__.......etc.passwd(x, )\n")
    yield "an operation that reads a file", script("    return torch.from_file('/etc/passwd')\n")
    yield "an operation that is private", script("    return torch.__class__(x)\n")
    yield "weights that are no tensor", script("    return torch.linear(x, self.nothing)\n")
    yield "a reshape of 4 EiB", script(f"    return torch.reshape(x, [-1, {1 << 62}])\n")
    yield "a product that does not fit", script("    return torch.matmul(x, torch.t(torch.t(self.w)))\n")
    yield "a power of 4 billion", script("    return torch.pow(torch.linear(x, self.w), 4000000000)\n")
    yield "a stack along the batch", script("    return torch.stack([x, x], 0)\n")
    yield "parts of size 0", script("    return torch.split(torch.linear(x, self.w), 0, 1)\n")
    yield "a module that is a dictionary", script("    return x\n", module=op.EMPTY_DICT)
    yield "no forward", script("    return x\n").replace(b"def forward", b"def forwerd")


def _exports() -> Iterator[tuple[str, bytes]]:
    x, p = {"as_tensor": {"name": "x"}}, {"as_tensor": {"name": "p"}}
    yield "a program that is no JSON", exported(b"{")
    yield "a program that is a list", exported([])
    yield "a program that is deep", exported(b'{"graph_module":' * 50_000)
    yield "a program without nodes", exported(program(nodes=5))
    yield "a node that is a text", exported(program(nodes=["x"]))
    yield "an operation of its own", exported(program(nodes=[node("torch.ops.evil.run.default", "y", x)]))
    yield "an operation of Python", exported(program(nodes=[node("_operator.add", "y", x)]))
    yield "an operation that is a number", exported(program(nodes=[node(5, "y", x)]))
    yield (
        "a value that is not made",
        exported(program(nodes=[node("torch.ops.aten.relu.default", "y", {"as_tensor": {"name": "z"}})])),
    )
    yield "an answer that is not made", exported(program(nodes=[]))
    yield "an argument of no kind", exported(program(nodes=[node("torch.ops.aten.relu.default", "y", {"as_evil": 1})]))
    yield "an argument too many", exported(program(nodes=[node("torch.ops.aten.relu.default", "y", x, p, p, p)]))
    yield (
        "weights that do not fit",
        exported(
            program(
                nodes=[
                    node("torch.ops.aten.linear.default", "y", x, p),
                    node("torch.ops.aten.linear.default", "y", {"as_tensor": {"name": "y"}}, p),
                ]
            )
        ),
    )
    doubling = [
        node("torch.ops.aten.cat.default", "x", {"as_tensors": [{"name": "x"}, {"name": "x"}]}, {"as_int": 1})
    ] * 60
    yield "rows that double 60 times", exported(program(nodes=doubling))
    yield "an input of 4 EiB", exported(program(tensor_values={"x": {"sizes": [{"as_int": 1}, {"as_int": 1 << 62}]}}))
    yield (
        "an input of negative size",
        exported(program(tensor_values={"x": {"sizes": [{"as_int": -1}, {"as_int": -4}]}})),
    )
    yield "an input of 90 axes", exported(program(tensor_values={"x": {"sizes": [{"as_int": 1}] * 90}}))
    yield "an input without sizes", exported(program(tensor_values={}))
    yield (
        "a parameter that is not there",
        exported(program(input_specs=[{"parameter": {"arg": {"name": "p"}, "parameter_name": "v"}}])),
    )
    yield "an input of two kinds", exported(program(input_specs=[{"parameter": {}, "buffer": {}}]))
    yield "an output without an argument", exported(program(output_specs=[{"user_output": {"brg": 1}}]))
    yield "an output that is a number", exported(program(output_specs=[{"user_output": 5}]))
    yield "an input that is a number", exported(program(input_specs=[{"user_input": 5}]))
    yield "inputs that are numbers", exported(program(input_specs=[5]))
    yield "an input whose sizes are numbers", exported(program(tensor_values={"x": {"sizes": [5, 4]}}))
    yield (
        "arguments that are numbers",
        exported(program(nodes=[{"target": "torch.ops.aten.relu.default", "inputs": [5]}])),
    )
    yield "an output that changes a buffer", exported(program(output_specs=[{"buffer_mutation": {}}]))
    yield "weights outside of the archive", exported(program(), path_name="../../../etc/passwd")
    yield "weights that are a pickle", exported(program(), use_pickle=True)
    yield "weights of an unknown dtype", exported(program(), dtype=99)
    yield "weights beyond their bytes", exported(program(), sizes=[{"as_int": 1 << 40}, {"as_int": 4}])
    yield "weights of negative size", exported(program(), sizes=[{"as_int": -2}, {"as_int": 4}])
    yield "weights with an offset of 4 EiB", exported(program(), storage_offset={"as_int": 1 << 62})
    yield "a size that is a text", exported(program(), sizes=["2", "4"])


def _nested() -> Iterator[tuple[str, bytes]]:
    """Zips within zips: a policy of stable-baselines3, a program of before version 2.8."""
    good = in_zip(state(tensor()))
    harm = in_zip(CODE["os.system by GLOBAL"])
    bomb = zipped({"archive/data.pkl": bytes(1 << 24)}, zipfile.ZIP_DEFLATED)
    policy = {"data": b"{}", "policy.pth": good}
    yield "a policy that runs code", zipped({**policy, "policy.pth": harm})
    yield "a policy packed twice", zipped({**policy, "policy.pth": bomb}, zipfile.ZIP_DEFLATED)
    yield "a policy of zeros", zipped({**policy, "policy.pth": bomb})
    yield "a policy in a policy", zipped({**policy, "policy.pth": zipped(policy)})
    yield "a policy that is none", zipped({**policy, "policy.pth": b"PK\x03\x04"})
    yield "no policy", zipped({"data": b"{}"})
    text = json.dumps(program()).encode()
    parameters = {"serialized_state_dict.pt": good, "serialized_constants.pt": good}
    old = {"serialized_exported_program.json": text, **parameters}
    for name in parameters:
        yield f"an old program whose {name} runs code", zipped({**old, name: harm})
        yield f"an old program without {name}", zipped({key: old[key] for key in old if key != name})
    yield "an old program that is no JSON", zipped({**old, "serialized_exported_program.json": b"{"})


def _quantised() -> Iterator[tuple[str, bytes]]:
    """Tensors of whole numbers that stand for none."""
    half, none = op.BINFLOAT + struct.pack(">d", 0.5), integer(0)
    affine, along = named("torch", "per_tensor_affine"), named("torch", "per_channel_affine")
    for what, how in (
        ("of no scheme", none),
        ("of another scheme", row(named("torch", "per_tensor_symmetric"), half, none)),
        ("without a scale", row(affine)),
        ("whose scale is a text", row(affine, text("0.5"), none)),
        ("along an axis it has not", row(along, tensor((2,), (1,)), tensor((2,), (1,)), integer(7))),
        ("with too few scales", row(along, tensor((3,), (1,)), tensor((3,), (1,)), none)),
        ("with scales beyond their storage", row(along, tensor((2,), (1 << 40,)), tensor((2,), (1,)), none)),
        ("whose scheme runs code", row(named("os", "system"), half, none)),
    ):
        place = (integer(0), row(integer(2), integer(4)), row(integer(4), integer(1)))
        rebuild = named("torch._utils", "_rebuild_qtensor")
        held = storage("1", kind="QInt8Storage")
        made = call(rebuild, held, *place, how, op.NEWFALSE, call(named("collections", "OrderedDict")))
        yield f"a quantised tensor {what}", in_zip(state(made), {"0": EIGHT, "1": bytes(8)})
        made = call(rebuild, storage("1"), *place, how, op.NEWFALSE, call(named("collections", "OrderedDict")))
        yield f"a quantised tensor of floats {what}", in_zip(state(made), {"0": EIGHT, "1": EIGHT})


def _plain() -> Iterator[tuple[str, bytes]]:
    """Tensors in a plain pickle, each storage a file of its own."""
    load = named("torch.storage", "_load_from_bytes")

    def of(content: bytes) -> bytes:
        return state(tensor(of=call(load, data(content))))

    whole_storage = in_sequence(whole(storage(), 2))
    yield "a storage cut off", of(whole_storage[:-40])
    yield "a storage that is a zip", of(in_zip(state(tensor())))
    yield "a storage that is a state_dict", of(in_sequence(state(tensor())))
    yield "a storage that is nothing", of(b"")
    yield "a storage that asks for code", of(in_sequence(CODE["os.system by GLOBAL"]))
    nested = whole_storage
    for _ in range(20):
        nested = in_sequence(whole(call(load, data(nested)), 2))
    yield "a storage in a storage, 20 deep", of(nested)
    yield "no tensor of it", whole(call(load, data(whole_storage)), 2)


_ALL = (*_lies(), *_archives(), *_sequences(), *_scripts(), *_exports(), *_nested(), *_quantised())
CODE_IN_PYTORCH = {f"{name}.pt": content for name, content in _code()}
ATTACKS = {
    **CODE_IN_PYTORCH,
    **{f"{name}.pt": content for name, content in _ALL},
    **{f"{name} in a pickle.pkl": content for name, content in _plain()},
}
GOOD = {
    "a zip.pt": in_zip(state(tensor())),
    "a sequence.pt": in_sequence(state(tensor())),
    "a script.pt": script("    return torch.relu(torch.linear(x, self.w))\n"),
    "an export.pt2": exported(program()),
}
