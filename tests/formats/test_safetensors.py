"""Safetensors: the library reads what is written, what it writes is read, and large files are mapped."""

from __future__ import annotations

import json
import mmap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from attacks import archives, pickles
from glassnet import Dense, Network, load, save
from glassnet.errors import FileFormatError
from glassnet.formats import contents, inspect


def loaded(folder: Path, data: bytes, **options: Any) -> Network:
    path = folder / "net.safetensors"
    path.write_bytes(data)
    return load(path, **options)


def test_what_the_library_writes(tmp_path: Path) -> None:
    arrays = pickles.parameters()
    layers = loaded(tmp_path, safetensors.numpy.save(arrays, metadata={"format": "np"})).layers
    np.testing.assert_array_equal(layers[0].weights, arrays["W1"])
    np.testing.assert_array_equal(layers[1].weights, arrays["W2"])


def test_the_library_reads_what_is_written(tmp_path: Path) -> None:
    save(loaded(tmp_path, archives.good_safetensors()), tmp_path / "again.safetensors")
    found = safetensors.numpy.load_file(tmp_path / "again.safetensors")
    assert set(found) == set(pickles.parameters())
    with safetensors.safe_open(tmp_path / "again.safetensors", "numpy") as file:
        assert json.loads(file.metadata()["glassnet"])["version"] == 1


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"])
def test_every_dtype(dtype: str, tmp_path: Path) -> None:
    weights = np.arange(6).reshape(2, 3).astype(dtype)
    data = safetensors.numpy.save({"W1": weights, "b1": np.zeros(3, dtype)})
    np.testing.assert_array_equal(loaded(tmp_path, data).layers[0].weights, weights)


def test_bfloat16_is_the_upper_half_of_float32(tmp_path: Path) -> None:
    weights = np.array([[1.0, -2.5], [0.15625, 2.0**100]], "<f4")
    upper = (weights.view("<u4") >> 16).astype("<u2")
    head = archives.one("BF16", [2, 2], [0, 8]) | {"b1": {"dtype": "BF16", "shape": [2], "data_offsets": [8, 12]}}
    network = loaded(tmp_path, archives.tensors(head, upper.tobytes() + bytes(4)), orientation="inputs_outputs")
    np.testing.assert_array_equal(network.layers[0].weights, weights)


def test_a_header_of_odd_length_gives_aligned_weights(tmp_path: Path) -> None:
    data = archives.good_safetensors()
    length = int.from_bytes(data[:8], "little")
    head = data[8 : 8 + length].rstrip() + b" " * (3 - length % 4)
    network = loaded(tmp_path, archives.tensors(head, data[8 + length :]))
    assert all(array.flags.aligned for layer in network.layers for array in layer.arrays.values())


def test_a_large_file_is_mapped_and_never_copied(tmp_path: Path) -> None:
    path = tmp_path / "large.safetensors"
    side = 2048
    assert side * side * 4 >= contents._MAPPED_FROM_BYTES
    save(Network([Dense(np.full((side, side), 0.5, np.float32), activation="relu")]), path)
    network = load(path)
    base: object = network.layers[0].weights
    while isinstance(base, np.ndarray):
        base = base.base
    assert isinstance(base, memoryview)
    assert isinstance(base.obj, mmap.mmap)
    save(network, path)  # over the file it is mapped from
    assert float(network.layers[0].weights[-1, -1]) == 0.5
    assert load(path).parameter_count == side * side + side


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cut off after 50 bytes", "cut off: a header of 261 bytes expected, found 50 bytes in all"),
        ("a byte too many", "69 bytes of data, expected 68"),
        ("a header of 1 EiB", "cut off: a header of 1,152,921,504,606,846,976 bytes expected"),
        ("a header of 30 MB", "a header of 30,000,002 bytes, expected at most 4,194,304"),
        ("a header that is no JSON", "a header that is not JSON: Expecting property name"),
        ("a name twice", "a header that is not JSON: a key stands twice in one object"),
        ("a gap", "array 'W1': begins at byte 4 of the data, expected 0"),
        ("two arrays in one place", "array 'b1': begins at byte 0 of the data, expected 16"),
        ("a shape beyond its bytes", r"array 'W1': shape \(1099511627776,\) of float32 needs 4398046511104 bytes"),
        ("an unknown dtype", "array 'W1': dtype 'F8_E4M3', expected one of F16, F32"),
        ("a description from the future", "described in version 2, expected 1"),
        ("a row that doubles 60 times", "makes more than 16,777,216 values of one row"),
    ],
)
def test_each_text(name: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=words):
        loaded(tmp_path, archives.ATTACKS[f"{name}.safetensors"])


def test_a_text_is_not_one(tmp_path: Path) -> None:
    with pytest.raises(
        FileFormatError, match=r"net\.safetensors: not a safetensors file, or cut off: a header of 8,031,"
    ):
        loaded(tmp_path, b"hello\nworld")


def test_arrays_are_listed_where_they_make_no_network(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    path.write_bytes(safetensors.numpy.save({"fc1.weight": np.zeros((3, 2), np.float32)}))
    inspection = inspect(path)
    assert [(array.name, array.shape, array.dtype) for array in inspection.arrays] == [
        ("fc1.weight", (3, 2), "float32")
    ]
    assert inspection.problem == (
        "the weights fit one another both ways, as (inputs, outputs) and as (outputs, inputs): fc1 (2 → 3)"
    )
