"""Zips of arrays: as NumPy writes them, as others write the same header, as strangers break them."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attacks import archives, pickles
from glassnet import Network, load, save
from glassnet.errors import FileFormatError


def loaded(folder: Path, data: bytes, **options: Any) -> Network:
    path = folder / "net.npz"
    path.write_bytes(data)
    return load(path, **options)


@pytest.mark.parametrize("save_arrays", [np.savez, np.savez_compressed])
def test_what_numpy_writes(save_arrays: Any, tmp_path: Path) -> None:
    arrays = pickles.parameters()
    save_arrays(tmp_path / "net.npz", **arrays | {"W2": np.asfortranarray(arrays["W2"].astype(">f8"))})
    layers = load(tmp_path / "net.npz").layers
    np.testing.assert_array_equal(layers[0].weights, arrays["W1"])
    np.testing.assert_array_equal(layers[1].weights, arrays["W2"])
    assert not layers[0].weights.flags.writeable


def test_numpy_reads_what_is_written(tmp_path: Path) -> None:
    save(loaded(tmp_path, archives.good_npz()), tmp_path / "again.npz")
    with np.load(tmp_path / "again.npz", allow_pickle=False) as found:
        assert '"version": 1' in str(found["glassnet"])
        for name, array in pickles.parameters().items():
            np.testing.assert_array_equal(found[name], array)
            assert found[name].dtype == array.dtype


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize(
    "header",
    [
        archives.header(),
        "{'shape': (2, 2), 'fortran_order': False, 'descr': '<f4'}",  # another order, no comma at the end
        '{"descr": "<f4", "fortran_order": False, "shape": (2, 2)}',  # other quotes
        "{'descr':'<f4','fortran_order':False,'shape':(2,2,),}    \n",  # no blanks
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 2L), }\n",  # Python 2
    ],
)
def test_headers_of_other_writers(header: str, version: int, tmp_path: Path) -> None:
    weights = np.arange(4, dtype=np.float32).reshape(2, 2)
    members = {"W1.npy": archives.raw_npy(header, weights.tobytes(), version), "b1.npy": archives.npy(np.zeros(2))}
    network = loaded(tmp_path, archives.zipped(members), orientation="inputs_outputs")
    np.testing.assert_array_equal(network.layers[0].weights, weights)


def test_zeros_are_no_bomb_while_they_are_few(tmp_path: Path) -> None:
    members = {"W1.npy": archives.npy(np.zeros((1000, 1000))), "b1.npy": archives.npy(np.zeros(1000))}
    data = archives.zipped(members, zipfile.ZIP_DEFLATED)
    assert len(data) < 20_000
    assert loaded(tmp_path, data).parameter_count == 1_001_000


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a bomb", r"its [\d,]+ bytes would become [\d,]+, expected at most 50 times"),
        ("a shape beyond its bytes", r"array 'W1': shape \(1099511627776, 4\) of float32 needs \d+ bytes, found 16"),
        ("encrypted", "its member 'W1.npy' is encrypted"),
        ("a name twice", "its member 'W1.npy' is there twice"),
        ("a path that climbs", r"its member '\.\./W1\.npy' is not an array"),
        ("a PyTorch file", "expected a state_dict, found dict without a tensor in it"),
        ("a Keras file", "not an HDF5 file: its signature is missing"),
        ("objects", "array 'W1': an array of Python objects"),
        ("a directory out of its place", "a broken zip: "),
        ("20,000 members", "holds 20,000 arrays, expected at most 10,000"),
    ],
)
def test_each_text(name: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=words) as caught:
        loaded(tmp_path, archives.ATTACKS[f"{name}.npz"])
    assert caught.value.message.startswith(f"reading {tmp_path / 'net.npz'}: ")
