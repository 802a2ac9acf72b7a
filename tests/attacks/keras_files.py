"""Broken and hostile ``.keras`` and ``.h5`` files; the name ends in the suffix the file should have.

The HDF5 in them is made by h5py, and then changed byte by byte where h5py would not write it so.
"""

from __future__ import annotations

import base64
import io
import json
import marshal
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from attacks import CANARY
from attacks.archives import CENTRAL, LOCAL, patched, streamed_zip, zipped

try:
    import h5py
except ImportError:  # an optional library; there is nothing to attack with
    h5py = None

Config = dict[str, Any]


# --- makers -------------------------------------------------------------------------------------------------


def hdf5(fill: Callable[[Any], None], **options: Any) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", **options) as file:
        fill(file)
    return buffer.getvalue()


def layer(
    kind: str, name: str, module: str | None = "keras.layers", registered: str | None = None, **config: Any
) -> Config:
    return {
        "module": module,
        "class_name": kind,
        "config": {"name": name, **config},
        "registered_name": registered,
        "name": name,
    }


def given(name: str = "x", size: int = 3) -> Config:
    return {**layer("InputLayer", name, batch_shape=[None, size]), "inbound_nodes": []}


def dense(name: str = "dense", **config: Any) -> Config:
    return layer("Dense", name, **{"units": 2, "activation": "relu", "use_bias": True, **config})


def sequential(*layers: Config, **more: Any) -> Config:
    return layer("Sequential", "sequential", layers=[given(), *layers], **more)


def calling(entry: Config, *calls: list[list[Any]]) -> Config:
    """A layer that is called, each time with some values ``[layer, call, result]``."""
    tensors = [
        [{"class_name": "__keras_tensor__", "config": {"keras_history": value}} for value in call] for call in calls
    ]
    return {**entry, "inbound_nodes": [{"args": [call], "kwargs": {}} for call in tensors]}


def functional(layers: list[Config], outputs: Any, inputs: Any = ("x", 0, 0), name: str = "functional") -> Config:
    return layer("Functional", name, layers=layers, input_layers=list(inputs), output_layers=outputs)


def two_arrays(file: Any) -> None:
    file["layers/dense/vars/0"] = np.ones((3, 2), np.float32)
    file["layers/dense/vars/1"] = np.zeros(2, np.float32)


def keras_zip(config: object, weights: bytes | None = None, **members: bytes) -> bytes:
    text = config if isinstance(config, bytes) else json.dumps(config).encode()
    return zipped(
        {
            "metadata.json": b'{"keras_version": "3.3.3"}',
            "config.json": text,
            "model.weights.h5": hdf5(two_arrays) if weights is None else weights,
            **members,
        }
    )


def legacy(config: object, fill: Callable[[Any], None] | None = None) -> bytes:
    """A whole model as Keras 2 writes it."""

    def write(file: Any) -> None:
        file.attrs["model_config"] = config if isinstance(config, str) else json.dumps(config)
        file.attrs["keras_version"] = "2.4.0"
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = np.array([b"dense"])
        held = group.create_group("dense")
        held.attrs["weight_names"] = np.array([b"dense/kernel:0", b"dense/bias:0"])
        held["dense/kernel:0"] = np.ones((3, 2), np.float32)
        held["dense/bias:0"] = np.zeros(2, np.float32)
        if fill is not None:
            fill(group)

    return hdf5(write)


def good_keras() -> bytes:
    return keras_zip(sequential(dense()))


def good_hdf5() -> bytes:
    old = {"class_name": "Sequential", "config": [{"class_name": "Dense", "config": dense()["config"]}]}
    return legacy(old)


# --- code ---------------------------------------------------------------------------------------------------

CODE = base64.b64encode(marshal.dumps(compile(f"open({CANARY!r}, 'w')", "x", "eval"))).decode()


def _code() -> Iterator[tuple[str, Config]]:
    raw = {"class_name": "__lambda__", "config": {"code": CODE, "defaults": None, "closure": None}}
    yield "a Lambda with marshalled code", layer("Lambda", "l", function=raw)
    yield "a Lambda of Keras 2", layer("Lambda", "l", function=[CODE, None, None], function_type="lambda")
    yield "a Lambda by name", layer("Lambda", "l", function="os.system", function_type="function")
    yield "a Lambda in an activation", dense(activation=raw)
    yield "a lambda for a layer", {**raw, "name": "l"}
    yield "a Dense of the module os", layer("Dense", "d", module="os", units=2)
    yield "a layer of subprocess", layer("Popen", "d", module="subprocess", args=["touch", CANARY])
    yield "a registered layer", layer("Dense", "d", module=None, registered="evil>Dense", units=2)
    yield "a class name with a package", layer("evil>Dense", "d", units=2)
    yield "a function of builtins", layer("function", "eval", module="builtins", registered="function")
    yield (
        "an activation of os",
        dense(activation={"module": "os", "class_name": "function", "config": "system", "registered_name": "system"}),
    )
    yield "an initializer that is a layer", layer("TorchModuleWrapper", "t", module="keras.layers", module_state=CODE)
    yield "a file to fetch", layer("StringLookup", "s", vocabulary="/etc/passwd")
    yield "a layer that wraps a Lambda", layer("TimeDistributed", "t", layer=layer("Lambda", "l", function=raw))
    yield "a model that is a path", layer("Sequential", "d", module="keras.src.models../../os", layers=[])


# --- configurations -----------------------------------------------------------------------------------------


def _nested(depth: int) -> Config:
    model = layer("Sequential", "s", layers=[given(), dense()])
    for _ in range(depth):
        model = layer("Sequential", "s", layers=[given(), model])
    return model


def _doubling(depth: int) -> Config:
    model: Config = dense("m0", units=3)
    for level in range(1, depth + 1):
        inner = {**model, "name": f"m{level - 1}"}
        twice = calling(inner, [["x", 0, 0]], [[f"m{level - 1}", int(level > 1), 0]])
        model = functional([given(), twice], [f"m{level - 1}", 1 + int(level > 1), 0], name=f"m{level}")
    return model


def _configs() -> Iterator[tuple[str, object]]:
    for name, entry in _code():
        yield name, sequential(entry)
    yield "no configuration", b""
    yield "a configuration that is no JSON", b"{"
    yield "a configuration that is a list", []
    yield "a configuration of brackets", b"[" * 100_000
    yield "a configuration of nested objects", b'{"config":' * 100_000
    yield "a configuration of 30 MB", b" " * 30_000_000
    yield "a key twice", b'{"class_name": "Sequential", "class_name": "Lambda", "config": {}}'
    yield "a class that is a number", {"class_name": 5, "config": {}}
    yield "a model without layers", layer("Sequential", "s", layers=[])
    yield "layers that are a text", layer("Sequential", "s", layers="dense")
    yield "20,000 layers", layer("Sequential", "s", layers=[layer("Dropout", f"d{i}") for i in range(20_000)])
    yield "two layers of one name", sequential(dense(), dense())
    yield "models nested 100 deep", _nested(100)
    yield "models nested 250 deep", _nested(250)
    yield "a model that doubles 15 times", _doubling(15)
    yield (
        "a loop",
        functional(
            [given(), calling(dense("a", units=3), [["b", 0, 0]]), calling(dense("b", units=3), [["a", 0, 0]])],
            ["b", 0, 0],
        ),
    )
    yield "a layer that reads itself", functional([given(), calling(dense(), [["dense", 0, 0]])], ["dense", 0, 0])
    yield "a layer that is not there", functional([given(), calling(dense(), [["none", 0, 0]])], ["dense", 0, 0])
    yield "an output that is not there", functional([given(), calling(dense(), [["x", 0, 0]])], ["none", 0, 0])
    yield "a call that is not there", functional([given(), calling(dense(), [["x", 0, 0]])], ["dense", 1 << 70, 0])
    yield "a negative call", functional([given(), calling(dense(), [["x", 0, 0]])], ["dense", -1, 0])
    yield "a result that is not there", functional([given(), calling(dense(), [["x", 0, 0]])], ["dense", 0, 7])
    doubling = [given()]
    for i in range(40):
        before = f"c{i - 1}" if i else "x"
        doubling.append(calling(layer("Concatenate", f"c{i}", axis=-1), [[before, 0, 0], [before, 0, 0]]))
    yield "a row that doubles 40 times", functional(doubling, ["c39", 0, 0])
    yield "an input of 2^62 values", layer("Sequential", "s", layers=[given(size=1 << 62), layer("Flatten", "f")])
    yield "an input of 2^31 values", layer("Sequential", "s", layers=[given(size=1 << 31), layer("Dropout", "d")])
    yield "an input of -1 values", layer("Sequential", "s", layers=[given(size=-1), dense()])
    yield (
        "an input of unknown size",
        layer("Sequential", "s", layers=[layer("InputLayer", "x", batch_shape=[None, None, 3]), dense()]),
    )
    yield "a target shape of 2^60", sequential(layer("Reshape", "r", target_shape=[1 << 60, -1]))
    yield "a target shape of texts", sequential(layer("Reshape", "r", target_shape=["3"]))
    yield "an axis of 10^9", sequential(layer("BatchNormalization", "b", axis=10**9))
    yield "an axis that is a text", sequential(layer("Softmax", "s", axis="-1"))
    yield "a slope that is a text", sequential(layer("LeakyReLU", "l", negative_slope="0.1"))
    yield "a slope of 10^400", sequential(layer("LeakyReLU", "l", negative_slope=10**400))
    yield "a scale of nested lists", sequential(layer("Rescaling", "r", scale=[[["a"]]]))
    yield "an activation that is a number", sequential(dense(activation=5))
    yield "a bias that is not there", sequential(dense(use_bias=False))
    yield "a use_bias that is a text", sequential(dense(use_bias="no"))
    yield (
        "a call with options",
        functional(
            [given(), {**dense(), "inbound_nodes": [{"args": [], "kwargs": {"training": True}}]}], ["dense", 0, 0]
        ),
    )
    yield "a layer without weights", sequential(dense(), dense("other"))


def readable() -> Iterator[tuple[str, Config]]:
    """Configurations that are read, with the weights of ``two_arrays``."""
    yield (
        "a chain",
        sequential(dense(), layer("Dropout", "o", rate=0.5), layer("Activation", "a", activation="softmax")),
    )
    shapes = (layer("Reshape", "r", target_shape=[2, -1]), layer("Permute", "p", dims=[2, 1]), layer("Flatten", "f"))
    yield "shapes", sequential(dense(), *shapes, layer("Rescaling", "s", scale=[2.0, 1.0], offset=0.5))
    norm = layer("Normalization", "n", axis=-1, mean=[1.0, 2.0, 3.0], variance=[1.0, 4.0, 9.0])
    yield "normalised", sequential(norm, layer("UnitNormalization", "u"), dense(activation="gelu"))
    relu = layer("ReLU", "q", max_value=2.0, negative_slope=0.1, threshold=0.5)
    yield "a graph", functional(
        [
            given(), calling(dense(), [["x", 0, 0]]), calling(relu, [["dense", 0, 0]], [["q", 0, 0]]),
            calling(layer("Concatenate", "c", axis=-1), [["q", 0, 0], ["q", 1, 0], ["x", 0, 0]]),
            calling(layer("Average", "m"), [["q", 1, 0], ["dense", 0, 0]]),
        ],
        [["c", 0, 0], ["m", 0, 0]],
    )  # fmt: skip
    yield (
        "a model in a model",
        functional(
            [
                given(),
                calling(sequential(layer("LeakyReLU", "l")), [["x", 0, 0]]),
                calling(dense(), [["sequential", 0, 0]]),
            ],
            ["dense", 0, 0],
        ),
    )


def _zips() -> Iterator[tuple[str, bytes]]:
    good = good_keras()
    config = json.dumps(sequential(dense())).encode()
    weights = hdf5(two_arrays)
    for part in range(1, 8):
        yield f"cut off after {part} eighths", good[: len(good) * part // 8]
    yield "no weights", zipped({"config.json": config})
    yield "no configuration in it", zipped({"model.weights.h5": weights})
    yield "weights that are a text", keras_zip(sequential(dense()), b"hello")
    yield "weights that are empty", keras_zip(sequential(dense()), b"")
    yield "a path that climbs", keras_zip(sequential(dense()), **{"../evil.py": b"x"})
    yield "an absolute path", keras_zip(sequential(dense()), **{"/tmp/evil.py": b"x"})
    yield (
        "a member of 4 GB, it says",
        patched(patched(good, LOCAL, 22, b"\xff\xff\xff\xef"), CENTRAL, 24, b"\xff\xff\xff\xef"),
    )
    yield "a bomb of weights", streamed_zip("model.weights.h5", weights, 400 << 20)
    yield (
        "metadata that are a list",
        zipped({"metadata.json": b"[]", "config.json": config, "model.weights.h5": weights}),
    )
    yield (
        "metadata with places of nothing",
        zipped(
            {
                "metadata.json": json.dumps({"glassnet": {}, "glassnet_arrays": {"W1": "nothing"}}).encode(),
                "config.json": config,
                "model.weights.h5": weights,
            }
        ),
    )
    deflated = zipped(
        {"metadata.json": b"{}", "config.json": config, "model.weights.h5": weights}, zipfile.ZIP_DEFLATED
    )
    middle = len(deflated) // 2
    yield "a broken stream", deflated[:middle] + b"\xff" * 50 + deflated[middle + 50 :]


# --- HDF5 ---------------------------------------------------------------------------------------------------


def _linked(link: Any) -> Callable[[Any], None]:
    def fill(group: Any) -> None:
        del group["dense"]["dense"]["kernel:0"]
        group["dense"]["dense"]["kernel:0"] = link

    return fill


def _replaced(make: Callable[[Any], None]) -> Callable[[Any], None]:
    def fill(group: Any) -> None:
        del group["dense"]["dense"]["kernel:0"]
        make(group["dense"]["dense"])

    return fill


OLD: Config = {"class_name": "Sequential", "config": [{"class_name": "Dense", "config": {"name": "dense"}}]}


def _external(group: Any) -> None:
    group.create_dataset("kernel:0", (3, 2), "f4", external=[("/etc/passwd", 0, 24)])


def _virtual(group: Any) -> None:
    made = h5py.VirtualLayout((3, 2), "f4")
    made[:] = h5py.VirtualSource("/etc/passwd", "x", (3, 2))
    group.create_virtual_dataset("kernel:0", made)


def _holding(value: Any) -> Callable[[Any], None]:
    def fill(group: Any) -> None:
        group.create_dataset("kernel:0", data=value)

    return fill


def _odd(group: Any) -> None:
    made = group.create_dataset("kernel:0", (3, 2), "f4", chunks=(3, 2), compression="gzip", shuffle=True)
    made.id.write_direct_chunk((0, 0), zlib.compress(bytes(23)))


def _sparse(group: Any) -> None:
    group.create_dataset("kernel:0", (1 << 40, 2), "f4", chunks=(1 << 20, 2))


def _bomb(group: Any) -> None:
    group.create_dataset("kernel:0", data=np.zeros((6_000_000, 8), "f4"), chunks=(60_000, 8), compression="gzip")


def _hdf5() -> Iterator[tuple[str, bytes]]:
    good = good_hdf5()
    for part in range(1, 8):
        yield f"cut off after {part} eighths", good[: len(good) * part // 8]
    yield "an external link", legacy(OLD, _linked(h5py.ExternalLink("/etc/passwd", "/x")))
    yield "a soft link", legacy(OLD, _linked(h5py.SoftLink("/model_weights/dense/dense/bias:0")))
    yield "a soft link to itself", legacy(OLD, _linked(h5py.SoftLink("/model_weights/dense/dense/kernel:0")))
    yield "external files", legacy(OLD, _replaced(_external))
    yield "a virtual dataset", legacy(OLD, _replaced(_virtual))
    yield "a dataset of 2^41 numbers", legacy(OLD, _replaced(_sparse))
    yield "a dataset that bursts", legacy(OLD, _replaced(_bomb))
    kinds = {
        "objects": np.array([b"a" * 8], h5py.string_dtype()),
        "references": np.array([None, None], h5py.ref_dtype),
        "compounds": np.zeros(3, [("a", "f4"), ("b", "i4")]),
        "texts": np.array([b"aa", b"bb"]),
        "complex numbers": np.zeros((3, 2), complex),
        "opaque bytes": np.zeros(3, "V4"),
        "ragged lists": np.array([np.ones(2), np.ones(3)], dtype=h5py.vlen_dtype("f4")),
    }
    for name, value in kinds.items():
        yield f"an array of {name}", legacy(OLD, _replaced(_holding(value)))
    yield "a group in a dataset's place", legacy(OLD, _replaced(lambda group: group.create_group("kernel:0")))
    yield (
        "an empty dataset",
        legacy(OLD, _replaced(lambda group: group.create_dataset("kernel:0", data=h5py.Empty("f4")))),
    )
    yield (
        "a shape with a zero",
        legacy(OLD, _replaced(lambda group: group.create_dataset("kernel:0", data=np.ones((0, 2), "f4")))),
    )
    yield (
        "an unknown filter",
        legacy(
            OLD,
            _replaced(lambda group: group.create_dataset("kernel:0", data=np.ones((3, 2), "f4"), compression="lzf")),
        ),
    )
    yield "a model_config that is a number", legacy(OLD).replace(b"model_config", b"model_cOnfig")
    yield "a model_config that is deep", legacy("[" * 50_000)
    yield "names that lead upwards", hdf5(_upwards)
    yield "a group that holds itself", hdf5(_circle)
    yield (
        "NaN among the weights",
        legacy(OLD, _replaced(lambda group: group.create_dataset("kernel:0", data=np.full((3, 2), np.nan, "f4")))),
    )
    yield "a shuffled chunk of odd length", legacy(OLD, _replaced(_odd))
    yield "an object header that goes on in itself", _endless()
    for at, name in ((8, "superblock"), (13, "offset size"), (24, "place of addresses")):
        yield f"another {name}", good[:at] + b"\x7f" * 8 + good[at + 8 :]
    for signature in (b"TREE", b"HEAP", b"SNOD", b"GCOL"):
        yield f"another mark than {signature.decode()}", good.replace(signature, b"XXXX")
        at = good.find(signature)
        yield f"a {signature.decode()} full of ones", good[: at + 4] + b"\xff" * 40 + good[at + 44 :]


def _endless() -> bytes:
    """A first object header of one message: it goes on where that message is."""
    good = bytearray(good_hdf5())
    at = int.from_bytes(good[64:72], "little")  # the root's header, by its entry in the superblock
    again = struct.pack("<HHB3xQQ", 0x10, 16, 0, at + 16, 24)
    good[at : at + 40] = struct.pack("<BBHII4x", 1, 0, 2, 1, 24) + again
    return bytes(good)


def _upwards(file: Any) -> None:
    file.attrs["model_config"] = json.dumps(OLD)
    group = file.create_group("model_weights")
    group.attrs["layer_names"] = np.array([b"../../etc", b"dense"])
    group.create_group("dense")


def _circle(file: Any) -> None:
    group = file.create_group("a")
    group["again"] = group
    file["b"] = np.ones(2)


def _attacks() -> Iterator[tuple[str, bytes]]:
    for name, config in _configs():
        yield f"{name}.keras", keras_zip(config)
        if not isinstance(config, bytes | list):
            yield f"{name}.h5", legacy(config)
    yield from ((f"{name}.keras", content) for name, content in _zips())
    yield from ((f"{name}.h5", content) for name, content in _hdf5())


ATTACKS = {} if h5py is None else dict(_attacks())
