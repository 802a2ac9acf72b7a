"""Broken and hostile ``.gguf``, ``.mat`` and ``.json`` files, byte by byte; the name ends in the suffix."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator

import numpy as np

# --- GGUF ---------------------------------------------------------------------------------------------------

FLOAT32, FLOAT16, BFLOAT16, FLOAT64 = 0, 1, 30, 28


def text(value: str | bytes, length: int | None = None) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(raw) if length is None else length) + raw


def key(name: str, kind: int, content: bytes) -> bytes:
    return text(name) + struct.pack("<I", kind) + content


def tensor(name: str, sizes: tuple[int, ...], kind: int = FLOAT32, offset: int = 0, axes: int | None = None) -> bytes:
    packed = struct.pack(f"<I{len(sizes)}Q", len(sizes) if axes is None else axes, *sizes)
    return text(name) + packed + struct.pack("<IQ", kind, offset)


def gguf(
    tensors: list[bytes],
    content: bytes = bytes(64),
    keys: list[bytes] | None = None,
    counts: tuple[int, int] | None = None,
    version: int = 3,
) -> bytes:
    listed = keys or []
    head = b"GGUF" + struct.pack("<IQQ", version, *(counts or (len(tensors), len(listed))))
    head += b"".join(listed) + b"".join(tensors)
    return head + bytes(-len(head) % 32) + content


def good_gguf() -> bytes:
    weights = np.arange(6, dtype="<f4").reshape(2, 3)  # (outputs, inputs)
    bias = np.array([1.0, -1.0], "<f4")
    content = weights.tobytes() + bytes(8) + bias.tobytes()
    keys = [
        key("general.architecture", 8, text("mlp")),
        key("general.alignment", 4, struct.pack("<I", 32)),
        key("list", 9, struct.pack("<IQ", 8, 2) + text("a") + text("b")),
    ]
    return gguf([tensor("fc.weight", (3, 2)), tensor("fc.bias", (2,), offset=32)], content, keys)


def _gguf() -> Iterator[tuple[str, bytes]]:
    good = good_gguf()
    for part in range(1, 8):
        yield f"cut off after {part} eighths", good[: len(good) * part // 8]
    for version in (0, 1, 4, 3 << 24):
        yield f"version {version}", gguf([tensor("a", (2,))], version=version)
    yield "2^64 - 1 tensors", gguf([], counts=((1 << 64) - 1, 0))
    yield "2^64 - 1 keys", gguf([], counts=(0, (1 << 64) - 1))
    yield "10,000 tensors that are not there", gguf([], counts=(10_000, 0))
    yield "a name of 2^64 - 1 bytes", gguf([text(b"", (1 << 64) - 1)])
    yield "a name of 2^63 bytes", gguf([text(b"", 1 << 63)])
    yield "a text of 2^64 - 1 bytes", gguf([], keys=[key("a", 8, text(b"", (1 << 64) - 1))])
    yield "a list of 2^64 - 1 numbers", gguf([], keys=[key("a", 9, struct.pack("<IQ", 12, (1 << 64) - 1))])
    yield "a list of 2^64 - 1 lists", gguf([], keys=[key("a", 9, struct.pack("<IQ", 9, (1 << 64) - 1))])
    yield "lists in lists", gguf([], keys=[key("a", 9, struct.pack("<IQ", 9, 1) * 1000)])
    yield "a key of an unknown kind", gguf([], keys=[key("a", 99, b"")])
    yield "an alignment of 0", gguf([], keys=[key("general.alignment", 4, bytes(4))])
    yield "an alignment of 2^32 - 1", gguf([], keys=[key("general.alignment", 4, b"\xff" * 4)])
    yield "a shape that overflows", gguf([tensor("a", (1 << 62, 1 << 62, 16))])
    yield "a shape beyond the file", gguf([tensor("a", (1 << 40,))])
    yield "a shape with a zero", gguf([tensor("a", (0, 4))])
    yield "2^32 - 1 axes", gguf([tensor("a", (), axes=(1 << 32) - 1)])
    yield "five axes", gguf([tensor("a", (1, 1, 1, 1, 2))])
    yield "an offset beyond the file", gguf([tensor("a", (2,), offset=1 << 40)])
    yield "an offset of 2^64 - 32", gguf([tensor("a", (2,), offset=(1 << 64) - 32)])
    yield "an offset between", gguf([tensor("a", (2,), offset=4)])
    yield "a name twice", gguf([tensor("a", (2,)), tensor("a", (2,))])
    pair = [tensor("\0\x1b.weight", (3, 2)), tensor("\0\x1b.bias", (5,), offset=32)]
    yield "names of control characters", gguf(pair)
    yield "a quantised tensor", gguf([tensor("a", (32,), kind=2)])
    yield "a tensor of an unknown kind", gguf([tensor("a", (2,), kind=77)])
    yield "a megabyte as 9,000 tensors", gguf([tensor(f"a{i}", (1 << 18,)) for i in range(9_000)], bytes(1 << 20))


# --- MATLAB -------------------------------------------------------------------------------------------------

DOUBLE, SINGLE, CELL, STRUCT, OBJECT, CHAR, SPARSE = 6, 7, 1, 2, 3, 4, 5


def element(kind: int, content: bytes, length: int | None = None) -> bytes:
    size = len(content) if length is None else length
    return struct.pack("<II", kind, size) + content + bytes(-len(content) % 8)


def matrix(
    name: str, array: np.ndarray, kind: int = DOUBLE, sizes: tuple[int, ...] | None = None, flags: int = 0
) -> bytes:
    shape = array.shape if sizes is None else sizes
    return element(
        14,
        element(6, struct.pack("<II", kind | flags, 0))
        + element(5, struct.pack(f"<{len(shape)}i", *shape))
        + element(1, name.encode())
        + element(9, array.astype("<f8").tobytes(order="F")),
    )


def container(name: str, kind: int, sizes: tuple[int, ...], content: bytes) -> bytes:
    return element(
        14,
        element(6, struct.pack("<II", kind, 0))
        + element(5, struct.pack(f"<{len(sizes)}i", *sizes))
        + element(1, name.encode())
        + content,
    )


def mat(*elements: bytes, head: bytes = b"MATLAB 5.0 MAT-file") -> bytes:
    return head.ljust(124) + b"\x00\x01IM" + b"".join(elements)


def packed(content: bytes) -> bytes:
    squeezed = zlib.compress(content)
    return struct.pack("<II", 15, len(squeezed)) + squeezed


def good_mat() -> bytes:
    return mat(matrix("W1", np.ones((3, 2))), packed(matrix("b1", np.zeros((1, 2)))))


def _mat() -> Iterator[tuple[str, bytes]]:
    good = good_mat()
    for part in range(1, 8):
        yield f"cut off after {part} eighths", good[: len(good) * part // 8]
    one = np.ones((2, 2))
    yield "an element of 4 GB, it says", mat(element(14, bytes(16), length=(1 << 32) - 1))
    yield "an element of another kind", mat(element(9, bytes(16)))
    yield "an element of an unknown kind", mat(element(99, bytes(16)))
    yield "a small element of 9 bytes", mat(struct.pack("<HH", 14, 9) + bytes(8))
    yield "sizes beyond the bytes", mat(matrix("W1", one, sizes=(1 << 30, 1 << 30)))
    yield "sizes within the bytes", mat(matrix("W1", one, sizes=(1, 2)))
    yield "negative sizes", mat(matrix("W1", one, sizes=(-2, -2)))
    yield "one size", mat(matrix("W1", one, sizes=(4,)))
    yield "100 sizes", mat(matrix("W1", one, sizes=(1,) * 100))
    yield "complex numbers", mat(matrix("W1", one, flags=0x800))
    yield "a class that lies", mat(matrix("W1", one, kind=12, sizes=(2, 4)))
    yield "a text", mat(container("W1", CHAR, (1, 2), element(4, b"ab")))
    yield "a sparse matrix", mat(container("W1", SPARSE, (2, 2), b""))
    yield "an object", mat(container("W1", OBJECT, (1, 1), b""))
    yield "a name twice", mat(matrix("W1", one), matrix("W1", one))
    yield "a cell of 2^31 - 1 parts", mat(container("W", CELL, ((1 << 31) - 1, 1), b""))
    yield "a cell of no part", mat(container("W", CELL, (2, 2), b""))
    yield (
        "a struct of 2^31 - 1 parts",
        mat(container("W", STRUCT, ((1 << 31) - 1, 1), element(5, struct.pack("<i", 4)) + element(1, b"a\0\0\0"))),
    )
    nameless = element(5, struct.pack("<i", 4)) + element(1, b"")
    yield "a struct of 2^60 parts without names", mat(container("W", STRUCT, (1 << 30, 1 << 30), nameless))
    yield (
        "a struct with names of no length",
        mat(container("W", STRUCT, (1, 1), element(5, struct.pack("<i", 0)) + element(1, b"a\0\0\0"))),
    )
    deep = matrix("", one)
    for _ in range(40):
        deep = container("", CELL, (1, 1), deep)
    yield "cells in cells", mat(deep)
    yield "packed twice", mat(packed(packed(matrix("W1", one))))
    yield "a packed matrix that is broken", mat(struct.pack("<II", 15, 32) + b"\xff" * 32)
    yield (
        "a packed matrix that is cut off",
        mat(packed(matrix("W1", np.random.default_rng(1).random((9, 9))))[:-20] + bytes(20)),
    )
    yield "a bomb", mat(packed(matrix("W1", np.zeros((7_000_000, 6)))))
    yield "version 4", b"\0" * 200
    yield "version 7.3 without HDF5", mat(head=b"MATLAB 7.3 MAT-file").replace(b"\x00\x01IM", b"\x00\x02IM")
    yield "no matrix", mat()


# --- JSON ---------------------------------------------------------------------------------------------------


def _json() -> Iterator[tuple[str, bytes]]:
    good = json.dumps({"W1": [[1.0, 2.0]], "b1": [0.5, 0.5]}).encode()
    yield "cut off", good[: len(good) // 2]
    yield "a key twice", b'{"W1": [[1]], "W1": [[2]]}'
    yield "brackets", b'{"W1": ' + b"[" * 100_000
    yield "two million lists", b'{"W1": [' + b"[]," * 2_000_000 + b"[]]}"
    yield "30 MB", b'{"W1": [' + b"1," * 15_000_000 + b"1]}"
    yield "NaN", b'{"W1": [[NaN]]}'
    yield "a number beyond float64", b'{"W1": [[1e999]]}'
    yield "an integer of 5,000 digits", b'{"W1": [[' + b"9" * 5000 + b"]]}"
    yield "ragged rows", b'{"W1": [[1, 2], [3]]}'
    yield "texts", b'{"W1": [["1", "2"]]}'
    yield "objects in lists", b'{"W1": [[{"a": 1}]]}'
    yield "a number alone", b'{"W1": 5}'
    yield "no array", b"{}"
    yield "not UTF-8", b'{"W1\xff": [[1]]}'
    yield "layers that are numbers", b'{"layers": [1, 2]}'
    yield "no layer", b'{"layers": []}'
    yield "a layer with a key too many", b'{"layers": [{"weights": [[1]], "code": "import os"}]}'
    yield "a layer with an unknown activation", b'{"layers": [{"weights": [[1]], "activation": "os.system"}]}'
    yield "a layer whose activation is a list", b'{"layers": [{"weights": [[1]], "activation": [1]}]}'
    yield "layers that do not fit", b'{"layers": [{"weights": [[1, 2, 3]]}, {"weights": [[1, 2]]}]}'
    yield "square layers both ways", b'{"layers": [{"weights": [[1, 2], [3, 4]]}]}'
    yield "a model.json of Keras", b'{"class_name": "Sequential", "config": []}'


GOOD = {
    "gguf": [good_gguf()],
    "mat": [
        good_mat(),
        mat(container("W", CELL, (1, 2), matrix("", np.ones((3, 2))) * 2), matrix("b", np.ones((1, 2)))),
    ],
    "json": [
        b'{"W1": [[1.5, -2e-3], [0, 1]], "b1": [0.5, 0.5]}',
        b'{"layers": [{"weights": [[1, 2, 3]], "bias": [0, 1, 2], "activation": "relu"}]}',
    ],
}
ATTACKS = {
    **{f"{name}.gguf": content for name, content in _gguf()},
    **{f"{name}.mat": content for name, content in _mat()},
    **{f"{name}.json": content for name, content in _json()},
}
