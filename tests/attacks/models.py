"""Broken and hostile ONNX models; the name ends in the suffix the file should have. Empty without the onnx package."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from typing import Any

import numpy as np


def _varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def field(number: int, content: bytes) -> bytes:
    """A field of protobuf that has a length."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _good(change: Any = None) -> bytes:
    from onnxmodels.made import mlp, onnx

    model = onnx.load_from_string(mlp())
    if change is not None:
        change(model)
    return model.SerializeToString()


def _graph(nodes: list[Any], weights: dict[str, Any], shape: tuple[Any, ...] = ("n", 4), opset: int = 17) -> bytes:
    from onnxmodels.made import model

    return model(nodes, {"x": list(shape)}, ["y"], weights, opset=opset)


def _tensors() -> Iterator[tuple[str, bytes]]:
    import onnx

    def on_first(**changes: Any) -> bytes:
        def change(model: Any) -> None:
            tensor = model.graph.initializer[0]
            for name, value in changes.items():
                if name == "dims":
                    del tensor.dims[:]
                    tensor.dims.extend(value)
                elif name == "external":
                    tensor.ClearField("raw_data")
                    tensor.data_location = onnx.TensorProto.EXTERNAL
                    for key, text in value.items():
                        tensor.external_data.add(key=key, value=text)
                else:
                    setattr(tensor, name, value)

        return _good(change)

    yield "a shape beyond its bytes", on_first(dims=[1 << 30, 4])
    yield "a shape within its bytes", on_first(dims=[1, 1])
    yield "a negative shape", on_first(dims=[-5, -4])
    yield "a shape that overflows", on_first(dims=[1 << 62, 1 << 62])
    yield "a shape of 100 axes", on_first(dims=[1] * 100)
    yield "a shape with a zero and 4 EiB", on_first(dims=[0, 1 << 62])
    yield "bytes that are too few", on_first(raw_data=b"abc")
    yield "a dtype that is none", on_first(data_type=99)
    yield "texts for weights", on_first(data_type=8)
    yield "complex numbers", on_first(data_type=14)
    yield "4-bit numbers of the wrong count", on_first(data_type=22)
    yield "a segment", on_first(raw_data=b"")
    for what, location in (
        ("an absolute path", "/etc/passwd"),
        ("a path that climbs", "../../../../etc/passwd"),
        ("a path that climbs inside", "a/../../b"),
        ("a path of Windows", "C:\\Windows\\win.ini"),
        ("backslashes", "..\\..\\secret"),
        ("a device", "/dev/zero"),
        ("a zero in the path", "a\0b"),
        ("no path", ""),
        ("the folder itself", "."),
        ("a file that is not there", "weights.bin"),
    ):
        yield f"external data at {what}", on_first(external={"location": location})
    own = "external data in the model itself, beyond its end.onnx"
    yield own.removesuffix(".onnx"), on_first(external={"location": own, "offset": str(1 << 62)})
    own = "external data with a negative offset.onnx"
    yield own.removesuffix(".onnx"), on_first(external={"location": own, "offset": "-8"})
    own = "external data with an offset of 5,000 digits.onnx"
    yield own.removesuffix(".onnx"), on_first(external={"location": own, "offset": "9" * 5000})
    own = "external data of a negative length.onnx"
    yield own.removesuffix(".onnx"), on_first(external={"location": own, "offset": "0", "length": "-5"})
    own = "external data of the wrong length.onnx"
    yield own.removesuffix(".onnx"), on_first(external={"location": own, "offset": "0", "length": "16"})


def _graphs() -> Iterator[tuple[str, bytes]]:
    from onnxmodels.made import node, onnx, random

    square = {"W": random(4, 4)}
    huge = np.array([1 << 20, 1 << 20])
    yield "a constant of 1 TB", _graph([node("ConstantOfShape", "s", "c"), node("Add", "x c", "y")], {"s": huge})
    yield "an expansion to 1 TB", _graph([node("Expand", "x s", "y")], {"s": np.array([1 << 20, 1 << 20, 1, 4])})
    doubling = [node("Concat", f"{'x' if i == 0 else f'c{i}'} " * 2, f"c{i + 1}", axis=1) for i in range(60)]
    yield "a row that doubles 60 times", _graph([*doubling, node("Relu", "c60", "y")], {})
    constants = [node("Concat", f"c{i} c{i}", f"c{i + 1}", axis=0) for i in range(60)]
    yield "a constant that doubles 60 times", _graph([*constants, node("Add", "x c60", "y")], {"c0": random(4)})
    outer = [node("MatMul", "u v", "w"), node("Add", "x w", "y")]
    yield "an outer product of 1 TB", _graph(outer, {"u": np.zeros((1 << 17, 1)), "v": np.zeros((1, 1 << 17))})
    yield "a slice of 2⁶³", _graph([node("Slice", "x a b", "y")], {"a": np.array([-(1 << 63)]), "b": np.array([0])})
    yield "a stride of 0", _graph([node("Slice", "x a b a a", "y")], {"a": np.array([0]), "b": np.array([0])})
    yield "an index beyond", _graph([node("Gather", "x i", "y", axis=1)], {"i": np.array([4])})
    yield "indices that are fractions", _graph([node("Gather", "x i", "y", axis=1)], {"i": random(2)})
    yield "a split of 2⁶²", _graph([node("Split", "x s", "y z", axis=1)], {"s": np.array([1 << 62, 1 << 62])})
    yield "2⁶² parts", _graph([node("Split", "x", "y z", axis=1, num_outputs=1 << 62)], {}, opset=18)
    negated = [node("Neg", "c" if i == 0 else f"c{i}", f"c{i + 1}") for i in range(200)]
    filled = node("ConstantOfShape", "s", "c")
    last = node("ReduceSum", "c200", "d", keepdims=0)
    yield (
        "a constant of 64 MB, 200 times",
        _graph([filled, *negated, last, node("Add", "x d", "y")], {"s": np.array([1 << 24])}),
    )
    backwards = {"a": np.array([-1]), "b": np.array([-(1 << 62)]), "i": np.array([1])}
    yield "16 million values backwards", _graph([node("Slice", "x a b i a", "y")], backwards, ("n", 1 << 24))
    yield "a product that does not fit", _graph([node("MatMul", "x W", "y")], {"W": random(3, 4)})
    yield "a circle", _graph([node("Add", "x b", "a"), node("Relu", "a", "y"), node("Relu", "y", "b")], {})
    yield "a circle of one", _graph([node("Add", "x y", "y")], {})
    yield "an output made twice", _graph([node("Relu", "x", "y"), node("Tanh", "x", "y")], {})
    yield "an output that is the input", _graph([node("Relu", "x", "x"), node("Relu", "x", "y")], {})
    yield "an output that nothing makes", _graph([node("Relu", "x", "z")], {})
    yield "an unknown operator", _graph([node("Evil", "x", "y", domain="com.evil")], {})
    yield "an unknown domain", _graph([node("Relu", "x", "y", domain="x" * 10_000)], {})
    yield "Python code", _graph([node("PyOp", "x", "y", domain="ai.onnx.contrib", code="import os")], {})
    yield "a loop", _graph([node("Loop", "_ _ x", "y", body=onnx.GraphProto(name="b"))], {})
    yield (
        "an attribute of the wrong kind",
        _graph([node("Flatten", "x", "y", axis=onnx.numpy_helper.from_array(square["W"]))], {}),
    )
    yield "an attribute that is a graph", _graph([node("Flatten", "x", "y", axis=onnx.GraphProto(name="b"))], {})
    yield "infinite slopes", _graph([node("LeakyRelu", "x", "y", alpha=float("inf"))], {})
    yield "axes of 2⁶³", _graph([node("Squeeze", "x a", "y")], {"a": np.array([(1 << 63) - 1])})
    yield "2,000 axes", _graph([node("Reshape", "x s", "y")], {"s": np.ones(2000, np.int64)})
    yield "a shape of nothing", _graph([node("Reshape", "x s", "y", allowzero=1)], {"s": np.array([0, 0])})
    yield "two unknown sizes", _graph([node("Reshape", "x s", "y")], {"s": np.array([-1, -1])})
    yield "a shape that is a fraction", _graph([node("Reshape", "x s", "y")], {"s": random(2)})
    yield "a row of 2⁶⁰", _graph([node("Relu", "x", "y")], {}, ("n", 1 << 60))
    yield "a row of 2³¹ × 2³¹", _graph([node("Relu", "x", "y")], {}, ("n", 1 << 31, 1 << 31))
    yield "no input", _graph([node("Relu", "W", "y")], square, ())
    chain = [node("Relu", f"{'x' if i == 0 else f'c{i}'}", f"c{i + 1}") for i in range(60_000)]
    yield "60,000 nodes", _graph([*chain, node("Relu", "c60000", "y")], {})


def _broken() -> Iterator[tuple[str, bytes]]:
    good = _good()
    for part in range(1, 8):
        yield f"cut off after {part} eighths", good[: len(good) * part // 8]
    yield "no graph", b"\x08\x08\x12\x04none"
    yield "a text", b"ONNX\n"
    yield "messages 10,000 deep", b"\x08\x08" + b"".join([b"\x3a\xff\x7f"] * 10_000)
    deep = b""
    for _ in range(300):
        deep = field(7, field(1, field(5, field(6, deep))))
    yield "graphs 300 deep", b"\x08\x08" + deep
    yield "a length of 2⁶³", b"\x08\x08\x3a" + b"\xff" * 8 + b"\x7f"

    def twice(model: Any) -> None:
        model.graph.initializer.append(model.graph.initializer[0])

    def sparse(model: Any) -> None:
        tensor = model.graph.sparse_initializer.add()
        tensor.dims.extend([1 << 40])

    def described(text: str) -> Any:
        from glassnet.formats.onnx.writer import _bytes, _digest

        def change(model: Any) -> None:
            model.metadata_props.add(key="glassnet", value=text)
            model.metadata_props.add(key="glassnet.nodes", value=_digest(_bytes(model.graph.node)))

        return change

    yield "a weight twice", _good(twice)
    yield "a sparse weight of 1 TB", _good(sparse)
    yield "a description that is no JSON", _good(described("{"))
    yield "a description that is a number", _good(described("5"))
    yield "a description that is deep", _good(described("[" * 100_000))
    yield "a description of nothing", _good(described("{}"))


def _zipped() -> Iterator[tuple[str, bytes]]:
    yield "a bomb", gzip.compress(bytes(400 << 20), 9)
    yield "cut off", gzip.compress(_good())[:100]
    yield "a wrong checksum", gzip.compress(_good())[:-8] + bytes(8)
    yield "gzip in gzip", gzip.compress(gzip.compress(_good()))
    yield "nothing", gzip.compress(b"")


def _all() -> dict[str, bytes]:
    try:
        import onnx  # noqa: F401
    except ImportError:
        return {}
    plain = {f"{name}.onnx": data for name, data in (*_tensors(), *_graphs(), *_broken())}
    return plain | {f"{name}.onnx.gz": data for name, data in _zipped()}


ATTACKS = _all()
