"""Broken and hostile ``.npz`` and ``.safetensors`` files; the name ends in the suffix the file should have."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from attacks.pickles import parameters

# --- npz ----------------------------------------------------------------------------------------------------


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def raw_npy(header: str, content: bytes = bytes(16), version: int = 1) -> bytes:
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header.encode() + content


def header(descr: str = "'<f4'", order: str = "False", shape: str = "(2, 2)") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n"


def streamed_zip(name: str, start: bytes, zeros: int) -> bytes:
    """A zip of one member that is mostly zeros, made without holding it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive, archive.open(name, "w") as stream:
        stream.write(start)
        for _ in range(zeros >> 20):
            stream.write(bytes(1 << 20))
    return buffer.getvalue()


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, compression)
    return buffer.getvalue()


def good_npz() -> bytes:
    return zipped({f"{name}.npy": npy(array) for name, array in parameters().items()})


def with_w1(content: bytes) -> bytes:
    others = {f"{name}.npy": npy(array) for name, array in parameters().items()}
    return zipped({**others, "W1.npy": content})


def patched(data: bytes, signature: bytes, offset: int, value: bytes) -> bytes:
    """Change a field of every zip record that begins with ``signature``."""
    changed = bytearray(data)
    at = changed.find(signature)
    while at >= 0:
        changed[at + offset : at + offset + len(value)] = value
        at = changed.find(signature, at + 1)
    return bytes(changed)


LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"


def _npz() -> Iterator[tuple[str, bytes]]:
    good = good_npz()
    for part in range(1, 8):
        yield f"cut off after {part} eighths", good[: len(good) * part // 8]
    yield "no member", zipped({})
    yield "a member that is a text", with_w1(b"not an array")
    yield "a member without a byte", with_w1(b"")
    yield "a member that is a pickle", zipped({"W1.npy": b"\x80\x04}."})
    yield "a zip in a zip", zipped({"W1.npy": good})
    yield "a member of another kind", zipped({"readme.txt": b"hello"})
    yield "a path that climbs", zipped({"../W1.npy": npy(np.ones((1, 1)))})
    yield "an absolute path", zipped({"/etc/W1.npy": npy(np.ones((1, 1)))})
    yield "a PyTorch file", zipped({"archive/data.pkl": b"\x80\x02}."})
    yield "a Keras file", zipped({"model.weights.h5": b""})


def _npz_members() -> Iterator[tuple[str, bytes]]:
    yield "objects", with_w1(npy(np.array([None, 1], dtype=object)))
    yield "texts", with_w1(npy(np.array(["a"])))
    yield "fields", with_w1(npy(np.zeros(2, [("a", "f4")])))
    yield "complex numbers", with_w1(npy(np.zeros((2, 3), complex)))
    yield "a shape beyond its bytes", with_w1(raw_npy(header(shape="(1099511627776, 4)")))
    yield "a shape within its bytes", with_w1(raw_npy(header(shape="(1, 1)")))
    yield "a negative shape", with_w1(raw_npy(header(shape="(-2, -2)")))
    yield "a shape that overflows", with_w1(raw_npy(header(shape=f"({2**62}, {2**62}, 16)")))
    yield "a shape of 900 digits", with_w1(raw_npy(header(shape=f"({'9' * 900},)")))
    yield "a shape of 100 axes", with_w1(raw_npy(header(shape=f"({'1, ' * 100})")))
    yield "a shape with a zero", with_w1(raw_npy(header(shape="(0, 3)"), b""))
    yield "a header with code", with_w1(raw_npy(header(shape="(__import__('os').getpid(),)")))
    yield "a header of brackets", with_w1(raw_npy("(" * 1000))
    yield "a header of spaces", with_w1(raw_npy("{'descr': ''" + "'shape': ()".join([" " * 240] * 3)))
    yield "a header of minus signs", with_w1(raw_npy("-" * 1000 + "1"))
    yield "a header with a key twice", with_w1(raw_npy("{'descr': '<f4', 'descr': '<f4', 'shape': (2, 2), }"))
    yield "a header without an order", with_w1(raw_npy("{'descr': '<f4', 'shape': (2, 2), }"))
    yield "a header beyond the member", with_w1(raw_npy(header())[:20])
    yield "a header of 60,000 bytes", with_w1(raw_npy(header() + " " * 60_000))
    yield "a header of 4 GiB", with_w1(b"\x93NUMPY\x02\x00" + b"\xff" * 4)
    yield "format 9.0", with_w1(b"\x93NUMPY\x09\x00" + bytes(100))


def _npz_bombs() -> Iterator[tuple[str, bytes]]:
    good = good_npz()
    yield "a bomb", streamed_zip("W1.npy", raw_npy(header(shape="(104857600, 1)"), b""), 400 << 20)
    yield (
        "a member of 4 GB, it says",
        patched(patched(good, LOCAL, 22, b"\xff\xff\xff\xef"), CENTRAL, 24, b"\xff\xff\xff\xef"),
    )
    yield "a directory of 2 GB, it says", patched(good, END, 12, b"\xff\xff\xff\x7f")
    yield "a directory out of its place", patched(good, END, 16, b"\xff\xff\xff\x7f")
    yield "a member out of its place", patched(good, CENTRAL, 42, b"\xff\xff\xff\x0f")
    yield "20,000 members", zipped({f"W{i}.npy": b"" for i in range(20_000)})
    yield "encrypted", patched(patched(good, LOCAL, 6, b"\x01\x00"), CENTRAL, 8, b"\x01\x00")
    yield "a name that is not UTF-8", patched(good, LOCAL, 6, b"\x00\x08").replace(b"W1.npy", b"W\xff.npy", 1)
    yield "an unknown compression", patched(patched(good, LOCAL, 8, b"\x63\x00"), CENTRAL, 10, b"\x63\x00")
    yield "bzip2", zipped({"W1.npy": npy(np.ones((1, 1)))}, zipfile.ZIP_BZIP2)
    yield "lzma", zipped({"W1.npy": npy(np.ones((1, 1)))}, zipfile.ZIP_LZMA)
    deflated = zipped({"W1.npy": npy(np.arange(10_000.0).reshape(100, 100))}, zipfile.ZIP_DEFLATED)
    yield "a broken stream", deflated[:5000] + b"\xff" * 500 + deflated[5500:]
    yield "a wrong checksum", good.replace(npy(np.ones((3, 2), np.float32)), npy(np.zeros((3, 2), np.float32)))
    yield "a name twice", zipped({"W1.npy": b"", "W2.npy": b""}).replace(b"W2.npy", b"W1.npy")
    text = npy(np.array("[" * 100_000))
    yield "a description that is deep", zipped({"glassnet.npy": text})
    yield "a description that is binary", zipped({"glassnet.npy": npy(np.zeros(9))})
    yield "a description beyond Unicode", zipped({"glassnet.npy": raw_npy(header("'<U1'", shape="()"), b"\xff" * 4)})


# --- safetensors --------------------------------------------------------------------------------------------


def tensors(head: object, content: bytes = b"", length: int | None = None) -> bytes:
    raw = head if isinstance(head, bytes) else json.dumps(head).encode()
    return struct.pack("<Q", len(raw) if length is None else length) + raw + content


def one(dtype: str = "F32", shape: object = (2, 2), offsets: object = (0, 16), **more: object) -> dict[str, Any]:
    return {"W1": {"dtype": dtype, "shape": shape, "data_offsets": offsets, **more}}


def good_safetensors() -> bytes:
    head, content = {}, b""
    for name, array in parameters().items():
        end = len(content) + array.nbytes
        head[name] = {"dtype": "F32", "shape": array.shape, "data_offsets": [len(content), end]}
        content += array.tobytes()
    return tensors(head, content)


def described(text: str) -> bytes:
    return tensors({"__metadata__": {"glassnet": text}})


def _safetensors() -> Iterator[tuple[str, bytes]]:
    good = good_safetensors()
    for length in (1, 7, 8, 9, 50, len(good) // 2, len(good) - 1):
        yield f"cut off after {length} bytes", good[:length]
    yield "a byte too many", good + b"\x00"
    yield "a header of 1 EiB", tensors(b"{}", length=1 << 60)
    yield "a header of 30 MB", tensors(b"{" + b" " * 30_000_000 + b"}")
    yield "a header that is no JSON", tensors(b"{W1}")
    yield "a header that is a list", tensors(b"[]")
    yield "a header that is deep", tensors(b'{"a":' * 100_000)
    yield "a header of empty lists", tensors(b'{"a": [' + b"[]," * 1_390_000 + b"[]]}")
    yield "a header that is not UTF-8", tensors(b'{"\xff": 1}')
    yield "a name twice", tensors(b'{"W1": 1, "W1": 2}')
    yield "an array that is a number", tensors({"W1": 5})
    yield "no offsets", tensors({"W1": {"dtype": "F32", "shape": [2]}})
    yield "a key too many", tensors(one(extra=1), bytes(16))
    yield "three offsets", tensors(one(offsets=[0, 8, 16]), bytes(16))
    yield "offsets that are texts", tensors(one(offsets=["0", "16"]), bytes(16))
    yield "offsets turned round", tensors(one(offsets=[16, 0]), bytes(16))
    yield "a negative offset", tensors(one(offsets=[-16, 0]), bytes(16))
    yield "an offset beyond the file", tensors(one(shape=[8, 2], offsets=[0, 64]), bytes(16))
    yield (
        "an offset of 4,000 digits",
        tensors(b'{"W1":{"dtype":"F32","shape":[1],"data_offsets":[0,' + b"9" * 4000 + b"]}}"),
    )
    yield (
        "an offset of 9,000 digits",
        tensors(b'{"W1":{"dtype":"F32","shape":[1],"data_offsets":[0,' + b"9" * 9000 + b"]}}"),
    )
    yield "a gap", tensors(one(offsets=[4, 20]), bytes(20))
    yield "two arrays in one place", tensors({**one(), "b1": one()["W1"]}, bytes(16))
    yield "a shape beyond its bytes", tensors(one(shape=[1 << 40]), bytes(16))
    yield "a negative shape", tensors(one(shape=[-2, -2]), bytes(16))
    yield "a shape that overflows", tensors(one(shape=[1 << 63] * 4), bytes(16))
    yield "a shape with a zero", tensors(one(shape=[0, 1 << 62, 1 << 62], offsets=[0, 0]))
    yield "a shape of texts", tensors(one(shape=["2", "2"]), bytes(16))
    yield "a shape of infinities", tensors(b'{"W1":{"dtype":"F32","shape":[Infinity],"data_offsets":[0,0]}}')
    yield "an unknown dtype", tensors(one("F8_E4M3"), bytes(16))
    yield "a dtype of objects", tensors(one("O"), bytes(16))
    yield "metadata that are a list", tensors({"__metadata__": []})
    yield "metadata that are numbers", tensors({"__metadata__": {"a": 1}})
    yield "no array", tensors({})
    yield (
        "20,000 arrays",
        tensors({f"W{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(20_000)}),
    )
    many = {f"a{i}": {"dtype": "BF16", "shape": [1 << 19], "data_offsets": [0, 1 << 20]} for i in range(9_000)}
    yield "a megabyte as 9,000 arrays", tensors(many, bytes(1 << 20))
    yield "a description that is no JSON", described("{")
    yield "a description that is a number", described("5")
    yield "a description of nothing", described("{}")
    yield "a description from the future", described('{"version": 2}')
    yield "a description without steps", described('{"version": 1, "steps": [], "inputs": [], "outputs": []}')
    doubling = [{"kind": "concatenate", "name": f"s{i + 1}", "sources": [f"s{i}"] * 2} for i in range(60)]
    yield (
        "a row that doubles 60 times",
        described(
            json.dumps(
                {
                    "version": 1,
                    "inputs": [{"shape": [1], "name": "s0", "scale": 1.0, "shift": 0.0}],
                    "steps": doubling,
                    "outputs": ["s60"],
                    "labels": None,
                }
            )
        ),
    )


ATTACKS = {
    **{f"{name}.npz": content for name, content in (*_npz(), *_npz_members(), *_npz_bombs())},
    **{f"{name}.safetensors": content for name, content in _safetensors()},
}
