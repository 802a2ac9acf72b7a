"""Hostile files of scikit-learn, joblib and skops; the name ends in the suffix the file should have.

All of it is written opcode by opcode or as JSON, so neither of the three is needed to make them.
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import pickle as op
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from attacks import pickles
from attacks.archives import header as npy_header
from attacks.archives import npy, raw_npy, streamed_zip, zipped
from attacks.pickles import array, call, data, dtype, get, integer, named, put, row, text, whole

MLP = ("sklearn.neural_network._multilayer_perceptron", "MLPClassifier")
LINEAR = ("sklearn.linear_model._base", "LinearRegression")
PIPELINE = ("sklearn.pipeline", "Pipeline")
SEARCH = ("sklearn.model_selection._search", "GridSearchCV")
WRAPPER = ("joblib.numpy_pickle", "NumpyArrayWrapper")


# --- pickles of estimators ----------------------------------------------------------------------------------


def entries(values: Mapping[str, bytes]) -> bytes:
    return op.EMPTY_DICT + op.MARK + b"".join(text(name) + value for name, value in values.items()) + op.SETITEMS


def made(kind: tuple[str, str], values: Mapping[str, bytes]) -> bytes:
    """An object of a class, with attributes."""
    return named(*kind) + op.EMPTY_TUPLE + op.NEWOBJ + entries(values) + op.BUILD


def listed(*values: bytes) -> bytes:
    return op.EMPTY_LIST + op.MARK + b"".join(values) + op.APPENDS


def floats(*shape: int, start: float = 0.5) -> bytes:
    content = np.full(shape, start).tobytes()
    return array(row(*(integer(size) for size in shape)), data(content), dtype("f8"))


def integers(count: int) -> bytes:
    return array(row(integer(count)), data(np.arange(count).astype("<i8").tobytes()), dtype("i8"))


def perceptron(**changes: bytes) -> bytes:
    """An MLPClassifier that could be read, but for the changes."""
    attributes = {
        "activation": text("relu"),
        "out_activation_": text("softmax"),
        "coefs_": listed(floats(2, 3), floats(3, 3)),
        "intercepts_": listed(floats(3), floats(3)),
        "classes_": integers(3),
        "_sklearn_version": text("1.5.0"),
    }
    return made(MLP, attributes | changes)


def linear(**changes: bytes) -> bytes:
    return made(LINEAR, {"coef_": floats(2), "intercept_": floats(1)} | changes)


def good_pickle() -> bytes:
    return whole(perceptron())


def body(attack: bytes) -> bytes:
    """What a whole pickle leaves on the stack, to be put into another one."""
    start = 2 if attack[:1] == op.PROTO else 0
    start += 9 if attack[start : start + 1] == op.FRAME else 0
    return attack[start:-1]


def _code() -> Iterator[tuple[str, bytes]]:
    places = ("coefs_", "_random_state", "_optimizer", "classes_")
    for number, (name, attack) in enumerate(pickles.CODE.items()):
        place = places[number % len(places)]
        yield f"{name}, in {place}.pkl", whole(perceptron(**{place: body(attack)}))
    system = call(named("os", "system"), text(pickles.COMMAND))
    scorer = made(("sklearn.metrics._scorer", "_Scorer"), {"_score_func": named("os", "system")})
    yield "os.system as a scorer.pkl", whole(made(SEARCH, {"scorer_": scorer, "best_estimator_": perceptron()}))
    yield (
        "os.system by a splitter.pkl",
        whole(made(SEARCH, {"cv": made(("sklearn.model_selection._split", "KFold"), {"n": system})})),
    )
    yield "os.system in a pipeline.pkl", whole(made(PIPELINE, {"steps": listed(row(text("a"), system))}))
    yield (
        "a function of a FunctionTransformer.pkl",
        whole(
            made(
                PIPELINE,
                {
                    "steps": listed(
                        row(
                            text("a"),
                            made(("sklearn.preprocessing._function_transformer", "FunctionTransformer"),
                                 {"func": named("os", "system")}),
                        ),
                        row(text("b"), perceptron()),
                    )
                },
            )
        ),
    )  # fmt: skip
    for name in (
        "joblib.memory.MemorizedFunc", "joblib.numpy_pickle.load", "joblib.externals.loky.cloudpickle_wrapper.wrap",
        "joblib._store_backends.FileSystemStoreBackend", "sklearn.externals.joblib.memory.Memory",
        "sklearn.model_selection._search.os.system", "sklearn.metrics._scorer.sys.modules.clear",
        "numpy.random._pickle.os.system", "numpy.random.mtrand.__loader__.load_module", "numpy.ma.core.builtins.eval",
        "scipy.stats._distn_infrastructure.os.system", "sklearn.utils._mask.sys", "sklearn.utils._joblib.os.system",
        "cloudpickle.cloudpickle._make_function", "dill._dill._load_type", "pandas.eval", "torch.load",
        "sklearn.pipeline.os.popen", "builtins.getattr", "builtins.eval", "types.CodeType", "pty.spawn",
        "sklearn.datasets.load_files", "sklearn.datasets._base.fetch_file",
    ):  # fmt: skip
        module, _, attribute = name.rpartition(".")
        called = text(module) + text(attribute) + op.STACK_GLOBAL + row(text(pickles.COMMAND)) + op.REDUCE
        yield f"{name}.pkl", whole(perceptron(_random_state=called))
    yield "an estimator called.pkl", whole(perceptron(_optimizer=call(named("os", "popen"), text(pickles.COMMAND))))
    yield "an estimator by copyreg.pkl", whole(
        call(named("copyreg", "_reconstructor"), named("subprocess", "Popen"), named("builtins", "object"), op.NONE)
        + entries({"args": text(pickles.COMMAND)}) + op.BUILD
    )  # fmt: skip
    yield "a second pickle behind an estimator.pkl", good_pickle() + pickles.CODE["os.system by GLOBAL"]


def _shapes() -> Iterator[tuple[str, bytes]]:
    yield "no attributes", whole(made(MLP, {}))
    yield "never built", whole(named(*MLP) + op.EMPTY_TUPLE + op.NEWOBJ)
    yield "a state that is a list", whole(named(*MLP) + op.EMPTY_TUPLE + op.NEWOBJ + listed() + op.BUILD)
    yield "a class without an object", whole(named(*MLP))
    yield "an optimizer alone", whole(made(("sklearn.neural_network._stochastic_optimizers", "AdamOptimizer"), {}))
    yield "layers that do not fit", whole(perceptron(coefs_=listed(floats(2, 3), floats(4, 3))))
    yield "layers of texts", whole(perceptron(coefs_=listed(text("a"), text("b"))))
    yield "layers without number", whole(perceptron(coefs_=listed(), intercepts_=listed()))
    yield "weights of three axes", whole(perceptron(coefs_=listed(floats(2, 3, 1), floats(3, 3))))
    yield "weights that are not finite", whole(perceptron(coefs_=listed(floats(2, 3, start=np.nan), floats(3, 3))))
    yield "a class too few", whole(perceptron(classes_=integers(2)))
    yield "a class twice", whole(perceptron(classes_=array(row(integer(3)), data(bytes(24)), dtype("i8"))))
    yield "classes beyond Unicode", whole(
        perceptron(classes_=array(row(integer(3)), data(b"\xff" * 12), dtype("U1")))
    )  # fmt: skip
    yield "classes that are objects", whole(
        perceptron(classes_=array(row(integer(3)), listed(*[op.EMPTY_LIST] * 3), dtype("O8", "|")))
    )  # fmt: skip
    yield "more objects than their shape", whole(
        perceptron(classes_=array(row(integer(2)), listed(*[op.NONE] * 3), dtype("O8", "|")))
    )  # fmt: skip
    yield "an array of objects made of bytes", whole(
        perceptron(classes_=array(row(integer(3)), data(bytes(24)), dtype("O8", "|")))
    )  # fmt: skip
    yield "an unknown activation", whole(perceptron(activation=text("\x1b[2J")))
    yield "an activation that is a list", whole(perceptron(activation=listed()))
    yield "2⁶² features", whole(perceptron(n_features_in_=integer(1 << 62)))
    yield "a version of 200 digits", whole(perceptron(_sklearn_version=text("1" * 200)) + op.POP + op.NONE)
    yield "a shape beyond its bytes", whole(
        perceptron(coefs_=listed(array(row(integer(1 << 40)), data(bytes(8)), dtype("f8"))))
    )  # fmt: skip
    yield "dates for weights", whole(perceptron(coefs_=listed(array(row(integer(1)), data(bytes(8)), dtype("M8")))))
    yield "letters for weights", whole(perceptron(coefs_=listed(array(row(integer(1)), data(bytes(8)), dtype("U2")))))
    yield "a dtype of 10⁹ letters", whole(
        perceptron(coefs_=listed(array(row(integer(1)), data(bytes(8)), dtype("U999999999"))))
    )  # fmt: skip
    yield (
        "a dtype of one byte that floats do not have",
        whole(perceptron(coefs_=listed(array(row(integer(1)), data(bytes(1)), dtype("f1"))))),
    )
    yield "an integer beyond the largest float", whole(linear(coef_=floats(2), intercept_=integer(1 << 1100)))
    yield "trees", whole(made(("sklearn.ensemble._forest", "RandomForestClassifier"), {}))
    yield "an unknown estimator", whole(made(("sklearn.own._own", "Own"), {}))
    yield "an estimator of one's own", whole(made(("__main__", "MLPClassifier"), {}))
    yield "two estimators", whole(entries({"a": perceptron(), "b": linear()}))


def _greed() -> Iterator[tuple[str, bytes]]:
    steps = linear(coef_=floats(1), intercept_=floats(1))
    for _ in range(200):
        steps = made(PIPELINE, {"steps": listed(row(text("a"), steps))})
    yield "pipelines 200 deep", whole(steps)
    itself = named(*PIPELINE) + op.EMPTY_TUPLE + op.NEWOBJ + put(0)
    itself += entries({"steps": listed(row(text("a"), get(0)), row(text("b"), get(0)))}) + op.BUILD
    yield "a pipeline in itself", whole(itself)
    wide = made(PIPELINE, {"steps": listed(row(text("a"), op.NONE))}) + put(0) + op.POP
    for level in range(15):
        inner = row(text("a"), get(level)) + put(1000) + op.POP
        steps = op.EMPTY_LIST + op.MARK + get(1000) * 100 + op.APPENDS
        wide += inner + made(PIPELINE, {"steps": steps}) + put(level + 1) + op.POP
    yield "a hundred pipelines in each of fifteen", whole(wide + get(15))
    layer = floats(1, 1) + put(0) + op.POP
    many = op.EMPTY_LIST + op.MARK + get(0) * 400_000 + op.APPENDS
    yield "400,000 layers that are one", whole(layer + perceptron(coefs_=many, intercepts_=many))
    block = array(
        row(integer(1000), integer(1000)), data(bytes(8_000_000)), dtype("f8")
    ) + put(0) + op.POP + floats(1000) + put(1) + op.POP  # fmt: skip
    wide_layers = listed(*[get(0)] * 900)
    yield "8 MB as 900 layers", whole(block + perceptron(coefs_=wide_layers, intercepts_=listed(*[get(1)] * 900)))
    model = linear() + put(0) + op.POP
    yield "one model in 300,000 places", whole(
        model
        + made(("sklearn.multiclass", "OneVsRestClassifier"),
               {"estimators_": op.EMPTY_LIST + op.MARK + get(0) * 300_000 + op.APPENDS,
                "label_binarizer_": made(("sklearn.preprocessing._label", "LabelBinarizer"), {})})
    )  # fmt: skip
    big = op.EMPTY_DICT + op.MARK + b"".join(text(f"a{i}") + op.NONE for i in range(100_000)) + op.SETITEMS
    scaler = named("sklearn.preprocessing._data", "FunctionTransformer") + op.EMPTY_TUPLE + op.NEWOBJ + big + op.BUILD
    yield "an estimator of 100,000 attributes in 5,000 places", whole(
        row(text("a"), scaler) + put(0) + op.POP
        + made(PIPELINE, {"steps": op.EMPTY_LIST + op.MARK + get(0) * 5_000 + op.APPENDS})
    )  # fmt: skip
    yield "a best estimator that is the search itself", whole(
        named(*SEARCH) + op.EMPTY_TUPLE + op.NEWOBJ + put(0) + entries({"best_estimator_": get(0)}) + op.BUILD
    )  # fmt: skip


# --- joblib -------------------------------------------------------------------------------------------------


def wrapper(content: bytes, kind: bytes | None = None, shape: bytes | None = None, **changes: bytes) -> bytes:
    """What joblib writes in an array's place, and the bytes behind it."""
    attributes = {
        "subclass": named("numpy", "ndarray"),
        "shape": row(integer(2)) if shape is None else shape,
        "order": text("C"),
        "dtype": dtype("f8") if kind is None else kind,
        "allow_mmap": op.NEWFALSE,
    }
    return made(WRAPPER, attributes | changes) + content


def wrapped(content: bytes, kind: bytes | None = None, shape: bytes | None = None, **changes: bytes) -> bytes:
    return whole(linear(coef_=wrapper(content, kind, shape, **changes)))


def good_joblib() -> bytes:
    return wrapped(bytes(16))


def _wrappers() -> Iterator[tuple[str, bytes]]:
    sixteen = integer(16)
    evil = pickles.CODE["os.system by GLOBAL"]
    objects = dtype("O8", "|")
    yield "an array of 8 TiB", wrapped(bytes(16), shape=row(integer(1 << 40)))
    yield "an array of 2¹²⁰", wrapped(bytes(16), shape=row(integer(1 << 60), integer(1 << 60)))
    yield "a negative shape", wrapped(bytes(16), shape=row(integer(-2)))
    yield "a shape of texts", wrapped(bytes(16), shape=row(text("2")))
    yield "a shape that is a number", wrapped(bytes(16), shape=integer(2))
    yield "a shape of 100 axes", wrapped(bytes(16), shape=row(*[integer(1)] * 100))
    yield "a shape with a zero and 4 EiB", wrapped(b"", shape=row(integer(0), integer(1 << 62)))
    yield "bytes that are missing", whole(linear(coef_=wrapper(b"")))[:-1]
    yield "bytes too many", wrapped(bytes(17))
    yield "a dtype that is a text", wrapped(bytes(16), kind=text("f8"))
    yield "a dtype of 10⁹ bytes", wrapped(bytes(16), kind=dtype("V999999999"))
    yield "a dtype that is none", wrapped(bytes(16), kind=dtype("hello"))
    yield "an order that is a list", wrapped(bytes(16), order=listed())
    yield "padding beyond the file", wrapped(b"\xff" * 20, numpy_array_alignment_bytes=sixteen)
    yield "padding without a length", whole(linear(coef_=wrapper(b"", numpy_array_alignment_bytes=sixteen)))[:-4]
    yield "objects that are code", wrapped(evil, kind=objects)
    yield "objects that are an estimator", wrapped(whole(perceptron()), kind=objects)
    yield "objects that are no pickle", wrapped(b"hello", kind=objects)
    yield "a wrapper never built", whole(linear(coef_=named(*WRAPPER) + op.EMPTY_TUPLE + op.NEWOBJ))
    yield "a wrapper of nothing", whole(linear(coef_=made(WRAPPER, {})))
    yield "a wrapper of another file", whole(
        linear(coef_=made(("joblib.numpy_pickle", "NDArrayWrapper"), {"filename": text("/etc/passwd")}))
    )  # fmt: skip
    yield "a zipped wrapper of another file", whole(
        linear(coef_=made(("joblib.numpy_pickle_compat", "ZNDArrayWrapper"), {"filename": text("../../etc/passwd")}))
    )  # fmt: skip
    nested = whole(integer(1))
    for _ in range(12):
        nested = whole(wrapper(nested, objects))
    yield "objects in objects, 12 deep", whole(linear(coef_=wrapper(nested, objects)))
    once = named(*WRAPPER) + op.EMPTY_TUPLE + op.NEWOBJ + put(0)
    state = entries({"shape": row(integer(2)), "order": text("C"), "dtype": dtype("f8")}) + put(1) + op.POP
    yield "one wrapper built 100,000 times", whole(
        state + once + (get(1) + op.BUILD + bytes(16)) * 100_000
    )  # fmt: skip
    # one array of a megabyte under very many names
    block = wrapper(bytes(1 << 20), dtype("u1", "|"), row(integer(1 << 20))) + put(7) + op.POP
    yield "a megabyte as 900 layers", whole(
        block + perceptron(coefs_=listed(*[get(7)] * 900), intercepts_=listed(*[get(7)] * 900))
    )  # fmt: skip


ZEROS = 64 << 20


def _streamed(compressor: Any) -> bytes:
    piece = bytes(1 << 20)
    return b"".join(compressor.compress(piece) for _ in range(ZEROS >> 20)) + compressor.flush()


def _packed() -> Iterator[tuple[str, bytes]]:
    good = good_pickle()
    packings: dict[str, Callable[[bytes], bytes]] = {
        "zlib": zlib.compress,
        "gzip": gzip.compress,
        "bz2": bz2.compress,
        "xz": lzma.compress,
        "lzma": lambda given: lzma.compress(given, lzma.FORMAT_ALONE),
    }
    for name, compress in packings.items():
        content = compress(good)
        middle = len(content) // 2
        yield f"{name} cut off", content[:-9]
        yield f"{name} cut off after its beginning", content[:12]
        yield f"{name} with a byte too many", content + b"\x00"
        yield f"{name} with two contents", content * 2
        yield f"{name} broken in the middle", content[:middle] + b"\xff" * 8 + content[middle + 8 :]
        yield f"{name} in {name}", compress(content)
    yield "a zlib bomb", _streamed(zlib.compressobj(9))
    yield "a gzip bomb", _streamed(zlib.compressobj(9, zlib.DEFLATED, 31))
    yield "a bz2 bomb", _streamed(bz2.BZ2Compressor())
    yield "an xz bomb", _streamed(lzma.LZMACompressor(preset=0))
    yield "an lzma bomb", _streamed(lzma.LZMACompressor(lzma.FORMAT_ALONE, preset=0))
    dictionary = lzma.compress(good, lzma.FORMAT_ALONE)
    yield "a dictionary of 4 GB", dictionary[:1] + b"\xff\xff\xff\xff" + dictionary[5:]
    yield "an xz dictionary of 4 GB", _xz_with_dictionary(good)
    yield "lz4", b"\x04\x22\x4d\x18" + bytes(40)
    yield "old joblib without content", b"ZF0x1"
    yield "old joblib that lies", b"ZF" + b"0xffffffffffffffff".ljust(19) + b"not zlib"
    yield "an old joblib bomb", b"ZF" + hex(ZEROS).ljust(19).encode() + _streamed(zlib.compressobj(9))
    evil = whole(call(named("os", "system"), text(pickles.COMMAND)))
    yield "code in gzip", gzip.compress(evil)
    yield "code in bz2", bz2.compress(evil)


def _xz_with_dictionary(content: bytes) -> bytes:
    """An xz file whose header asks for a dictionary of 4 GB."""
    data = bytearray(lzma.compress(content))
    size = (data[12] + 1) * 4  # of the block's header, which begins at byte 12
    place = data.index(0x21, 13)  # the filter LZMA2, its properties' length, the dictionary's size
    data[place + 2] = 40
    data[12 + size - 4 : 12 + size] = struct.pack("<I", zlib.crc32(data[12 : 12 + size - 4]))
    return bytes(data)


# --- skops --------------------------------------------------------------------------------------------------


def node(loader: str, kind: str = "builtins.object", **more: Any) -> dict[str, Any]:
    module, _, name = kind.rpartition(".")
    return {"__loader__": loader, "__module__": module, "__class__": name, **more}


def plain(value: Any) -> dict[str, Any]:
    return node("JsonNode", "builtins.str", content=json.dumps(value), is_json=True)


def attributes(**values: Any) -> dict[str, Any]:
    return node("DictNode", "builtins.dict", content=values, key_types=node("ListNode", "builtins.list", content=[]))


def estimator(kind: str, **values: Any) -> dict[str, Any]:
    return node("ObjectNode", kind, content=attributes(**values))


def member(number: int) -> dict[str, Any]:
    return node("NdArrayNode", "numpy.ndarray", type="numpy", file=f"{number}.npy")


def skops(schema: Any, arrays: Mapping[str, bytes] | None = None, protocol: Any = 2) -> bytes:
    if isinstance(schema, dict):
        schema = {**schema, "protocol": protocol, "_skops_version": "0.16.0"}
    written = schema if isinstance(schema, bytes) else json.dumps(schema).encode()
    return zipped({**(arrays or {}), "schema.json": written})


ARRAYS = {"11111.npy": npy(np.ones((1, 2))), "22222.npy": npy(np.zeros(1))}


def regression(**changes: Any) -> dict[str, Any]:
    return estimator(".".join(LINEAR), **{"coef_": member(11111), "intercept_": member(22222), **changes})


def good_skops() -> bytes:
    return skops(regression(), ARRAYS)


def _functions() -> Iterator[tuple[str, dict[str, Any]]]:
    command = plain(pickles.COMMAND)
    yield "os.system as a function", node("FunctionNode", "os.system")
    yield (
        "os.system of protocol 0",
        node("FunctionNode", "os.system", content={"module_path": "os", "function": "system"}),
    )
    yield "os.system as a type", node("TypeNode", "os.system")
    yield "Popen as an object", node("ObjectNode", "subprocess.Popen", content=attributes(args=command))
    yield "Popen by its constructor", node(
        "ConstructorFromReduceNode", "subprocess.Popen", content=node("TupleNode", "builtins.tuple", content=[command])
    )  # fmt: skip
    yield "a partial of os.system", node(
        "PartialNode", "functools.partial",
        content={"func": node("FunctionNode", "os.system"), "kwds": attributes(), "namespace": attributes(),
                 "args": node("TupleNode", "builtins.tuple", content=[command])},
    )  # fmt: skip
    yield "a method", node("MethodNode", "subprocess.Popen", content={"func": "communicate", "obj": plain(1)})
    yield "an operator", node("OperatorFuncNode", "operator.attrgetter", attrs=node("TupleNode", content=[plain("os")]))
    yield "code hidden in a generator", node(
        "RandomGeneratorNode", "numpy.random._generator.Generator",
        content={"seed_seq": attributes(), "bit_generator": attributes(name=node("FunctionNode", "os.system"))},
    )  # fmt: skip
    yield "code in a tree", node(
        "TreeNode", "sklearn.tree._tree.Tree", content=attributes(),
        **{"__reduce__": {"args": node("FunctionNode", "posix.system")}},
    )  # fmt: skip
    yield "code as a loss", node("LossNode", "builtins.exec", content=attributes())
    yield "a class of one's own", node("ObjectNode", "__main__.Model", content=attributes())
    yield "a set of code", node("SetNode", "builtins.set", content=[node("FunctionNode", "os.system")])
    yield "a list of another class", node("ListNode", "subprocess.Popen", content=[command])
    yield "an array of another class", node("NdArrayNode", "os.system", type="numpy", file="11111.npy")


def _skops() -> Iterator[tuple[str, bytes]]:
    for name, gadget in _functions():
        yield name, skops(regression(random_state=gadget), ARRAYS)
        yield f"{name}, alone", skops(gadget, ARRAYS)
    for name in (
        "../11111.npy",
        "/etc/passwd",
        "..\\11111.npy",
        "11111.npy/../22222.npy",
        "33333.npy",
        "schema.json",
        "",
    ):
        lying = node("NdArrayNode", "numpy.ndarray", type="numpy", file=name)
        yield f"an array in '{name.replace('/', '|')}'", skops(regression(coef_=lying), ARRAYS)
    for name in ("../55555.npy", "/etc/55555.npy", "evil.py", "__init__.py", "a/55555.npy", "55555.pkl"):
        yield f"a member called '{name.replace('/', '|')}'", skops(regression(), {**ARRAYS, name: npy(np.ones(1))})
    yield "no schema", zipped(ARRAYS)
    yield "a schema that is a list", skops([1, 2])
    yield "a schema that is no JSON", skops(b"{")
    yield "a schema that is deep", skops(b'{"a":' * 100_000)
    yield "a schema of 30 MB", skops(b'{"a": "' + b"a" * 30_000_000 + b'"}')
    yield "a key twice", skops(b'{"protocol": 2, "protocol": 2}')
    for protocol in (3, -1, True, "2", None, 1 << 70, 2.0):
        yield f"protocol {protocol!r}", skops(regression(), ARRAYS, protocol)
    yield "an unknown loader", skops(regression(coef_=node("EvalNode")), ARRAYS)
    yield "a loader that is a list", skops(regression(coef_={**node("x"), "__loader__": []}), ARRAYS)
    yield "no loader", skops(regression(coef_={"__class__": "a", "__module__": "b"}), ARRAYS)
    yield "a node that is a number", skops(regression(coef_=5), ARRAYS)
    yield "a class that is a number", skops({**regression(), "__class__": 5}, ARRAYS)
    yield "a name of 10,000 letters", skops(node("ObjectNode", "a." + "b" * 10_000), ARRAYS)
    yield "a name that steers a terminal", skops(node("ObjectNode", "os.\x1b[2J"), ARRAYS)
    yield "an object that is not there yet", skops(regression(coef_={"__loader__": "CachedNode", "__id__": 5}), ARRAYS)
    yield "an object in itself", skops(
        {**regression(coef_={"__loader__": "CachedNode", "__id__": 5}), "__id__": 5}, ARRAYS
    )  # fmt: skip
    yield "an id that hides another object", skops(
        regression(coef_={**member(11111), "__id__": 9}, random_state={**plain("text"), "__id__": 9}), ARRAYS
    )  # fmt: skip
    yield "an id that is a list", skops(regression(coef_={**plain([1]), "__id__": [1]}), ARRAYS)


def _skops_values() -> Iterator[tuple[str, bytes]]:
    for loader in (
        "DictNode", "DefaultDictNode", "ListNode", "SetNode", "TupleNode", "NdArrayNode", "JsonNode", "CachedNode",
        "ObjectNode",
    ):  # fmt: skip
        for name, value in (("nothing", None), ("a text", "text"), ("a number", 5)):
            yield f"{loader} of {name}", skops(regression(coef_=node(loader, content=value)), ARRAYS)
    for name, content in {
        "objects": npy(np.zeros(1, "U1")), "a shape beyond its bytes": raw_npy(npy_header(shape="(1099511627776, 4)")),
        "a shape within its bytes": raw_npy(npy_header(shape="(1, 1)")),
        "a header with code": raw_npy(npy_header(shape="(__import__('os').getpid(),)")),
        "a pickle": pickles.CODE["os.system by GLOBAL"], "a dtype of objects": raw_npy(npy_header("'|O'")),
        "fields": raw_npy(npy_header("[('a', '<f4')]")), "nothing": b"",
        "a header of 4 GiB": b"\x93NUMPY\x02\x00" + b"\xff" * 4,
        "a shape of 900 digits": raw_npy(npy_header(shape=f"({'9' * 900},)")),
    }.items():  # fmt: skip
        yield f"an array of {name}", skops(regression(), {**ARRAYS, "11111.npy": content})
    yield "a JSON value of 400 digits", skops(regression(intercept_={**plain(0), "content": "9" * 400}), ARRAYS)
    yield "a JSON value of brackets", skops(regression(coef_={**plain(0), "content": "[" * 100_000}), ARRAYS)
    yield "a JSON value of 9,000 digits", skops(regression(coef_={**plain(0), "content": "9" * 9_000}), ARRAYS)
    deep = plain(1)
    for _ in range(150):
        deep = node("ListNode", "builtins.list", content=[deep])
    yield "lists 150 deep", skops(regression(coef_=deep), ARRAYS)
    many = node("TupleNode", "builtins.tuple", content=[plain("a"), regression()])
    yield "20,000 steps", skops(
        estimator(".".join(PIPELINE), steps=node("ListNode", "builtins.list", content=[many] * 4_000)), ARRAYS
    )  # fmt: skip
    yield "20,000 arrays", skops(regression(), {f"{number}.npy": b"" for number in range(10_000, 30_000)})
    yield "a bomb", streamed_zip("11111.npy", raw_npy(npy_header(shape="(104857600, 1)"), b""), ZEROS)


CODE = dict(_code())
ATTACKS = {
    **CODE,
    **{f"{name}.pkl": content for name, content in (*_shapes(), *_greed())},
    **{f"{name}.joblib": content for name, content in (*_wrappers(), *_packed())},
    **{f"{name}.skops": content for name, content in (*_skops(), *_skops_values())},
}
GOOD = {"good.pkl": good_pickle(), "good.joblib": good_joblib(), "good.skops": good_skops()}
