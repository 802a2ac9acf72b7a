"""What a file leaves open is asked for and never guessed, and what a caller says is done."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glassnet import Dense, Network, load, save
from glassnet.activations import Array
from glassnet.errors import FileFormatError, OptionError, ParametersError
from glassnet.formats import inspect

RANDOM = np.random.default_rng(7)
SQUARE = RANDOM.normal(size=(4, 4))


def saved(folder: Path, arrays: Mapping[str, Array]) -> Path:
    np.savez(folder / "net.npz", **arrays)  # type: ignore[arg-type]  # as in npz.write
    return folder / "net.npz"


@pytest.mark.parametrize(
    ("said", "hidden", "output"),
    [
        ({}, "sigmoid", "softmax"),
        ({"activation": "relu"}, "relu", "softmax"),
        ({"hidden": "tanh", "output": "identity"}, "tanh", "identity"),
        ({"output": "sigmoid"}, "sigmoid", "sigmoid"),
    ],
)
def test_the_textbooks_names_with_other_activations(
    said: dict[str, Any], hidden: str, output: str, tmp_path: Path
) -> None:
    arrays = {"W1": RANDOM.normal(size=(4, 5)), "b1": np.zeros(5), "W2": RANDOM.normal(size=(5, 3)), "b2": np.zeros(3)}
    network = load(saved(tmp_path, arrays), **said)
    assert [layer.activation.name for layer in network.layers] == [hidden, output]


@pytest.mark.parametrize(
    "arrays",
    [
        {"W1": SQUARE, "b1": np.zeros(4), "W2": SQUARE + 1, "b2": np.zeros(4)},
        {"W1": RANDOM.normal(size=(5, 4)), "W2": RANDOM.normal(size=(4, 5))},
        {"W1": RANDOM.normal(size=(5, 4))},
    ],
    ids=["square", "there and back", "one layer without a bias"],
)
def test_weights_that_fit_both_ways(arrays: dict[str, Array], tmp_path: Path) -> None:
    path = saved(tmp_path, arrays)
    with pytest.raises(ParametersError, match=r"fit one another both ways, .*: W1 \(\d, 4\)") as caught:
        load(path)
    assert caught.value.hint == (
        "say which: orientation='outputs_inputs' as PyTorch has it, or orientation='inputs_outputs'"
    )
    first = load(path, orientation="inputs_outputs").layers[0].weights
    np.testing.assert_array_equal(first, arrays["W1"])
    np.testing.assert_array_equal(load(path, orientation="outputs_inputs").layers[0].weights, arrays["W1"].T)


@pytest.mark.parametrize("column", [True, False])
def test_a_bias_that_is_a_column_or_a_row_says_which(column: bool, tmp_path: Path) -> None:
    """``W·x + b`` in courses that write columns, ``x·W + b`` in the textbook."""
    bias = np.zeros((4, 1) if column else (1, 4))
    network = load(saved(tmp_path, {"W1": SQUARE, "b1": bias, "W2": SQUARE + 1, "b2": bias}))
    np.testing.assert_array_equal(network.layers[0].weights, SQUARE.T if column else SQUARE)


@pytest.mark.parametrize("last", [(4, 3), (3, 4)])
def test_one_square_weight_among_others_leaves_no_choice(last: tuple[int, int], tmp_path: Path) -> None:
    arrays = {"W1": SQUARE, "b1": np.zeros(4), "W2": RANDOM.normal(size=last), "b2": np.zeros(3)}
    network = load(saved(tmp_path, arrays))
    np.testing.assert_array_equal(network.layers[0].weights, SQUARE if last == (4, 3) else SQUARE.T)


def test_what_could_not_be_read_back_is_not_written_as_a_dict(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"nothing else: reading it back, the weights fit one another both ways"):
        save(Network([Dense(SQUARE, None, "softmax")]), tmp_path / "net.pkl")


# --- files that are cut off ---------------------------------------------------------------------------------

WHOLE = Network([Dense(RANDOM.normal(size=(40, 50)), None, "relu"), Dense(RANDOM.normal(size=(50, 10)))])
ZIP = r"cut off: a zip ends with a directory of its members, found none in [\d,]+ bytes, the last of them those of "
CUT_OFF = {
    ".npz": f"{ZIP}'(W|b)[12].npy'",
    ".pt": f"{ZIP}'archive/.+'",
    ".keras": f"{ZIP}'model.weights.h5'",
    ".safetensors": r"cut off: array '(W|b)[12]' ends at byte [\d,]+, and the file has [\d,]+",
    ".onnx": r"not an ONNX model: cut off: field \d+ of [\d,]+ bytes expected, found [\d,]+",
}


@pytest.mark.parametrize("bytes_lost", [1, 20, 1500])
@pytest.mark.parametrize("suffix", CUT_OFF)
def test_cut_off(suffix: str, bytes_lost: int, tmp_path: Path) -> None:
    pytest.importorskip({".keras": "h5py", ".onnx": "onnx"}.get(suffix, "numpy"), reason="writing takes its library")
    path = tmp_path / f"net{suffix}"
    save(WHOLE, path)
    path.write_bytes(path.read_bytes()[:-bytes_lost])
    with pytest.raises(FileFormatError, match=CUT_OFF[suffix]):
        load(path)


def test_cut_off_within_the_first_header(tmp_path: Path) -> None:
    (tmp_path / "net.npz").write_bytes(b"PK\x03\x04" + bytes(16))
    with pytest.raises(FileFormatError, match=r"found none in 20 bytes\nhint"):
        load(tmp_path / "net.npz")


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("userblock", [0, 512])
def test_hdf5_cut_off_by_its_last_byte(userblock: int, libver: str, tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    path = tmp_path / "net.h5"
    with h5py.File(path, "w", libver=libver, userblock_size=userblock) as file:
        file["W1"], file["b1"] = np.ones((2, 3)), np.zeros(3)
    load(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(OSError, match="truncated file"):
        h5py.File(path)
    with pytest.raises(FileFormatError, match=rf"cut off: {len(whole):,} bytes expected, found {len(whole) - 1:,}"):
        load(path)


# --- Keras' weights alone -----------------------------------------------------------------------------------


@pytest.mark.parametrize("keras", [2, 3])
def test_weights_without_their_model_say_what_is_missing(keras: int, tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    path = tmp_path / "model.weights.h5"
    with h5py.File(path, "w") as file:
        group = "layers/dense/vars" if keras == 3 else "dense/dense"
        names = ("0", "1") if keras == 3 else ("kernel:0", "bias:0")
        for name, array in zip(names, (np.ones((4, 3)), np.zeros(3)), strict=True):
            file[f"{group}/{name}"] = array
        if keras == 2:
            file.attrs["layer_names"] = [b"dense"]
            file["dense"].attrs["weight_names"] = [f"dense/{name}".encode() for name in names]
    found = inspect(path)
    assert found.problem.startswith("the file does not say its activations: found 1 layer(s)")
    assert found.hint.endswith(
        "or give the model's JSON, model.to_json(), which says them: load('model.json', weights='….h5')"
    )
    assert load(path, activation="relu").layers[0].outputs == 3


def test_a_convolution_among_weights_is_called_one(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    with h5py.File(tmp_path / "model.weights.h5", "w") as file:
        file["layers/conv2d/vars/0"], file["layers/conv2d/vars/1"] = np.ones((3, 3, 1, 4)), np.zeros(4)
        file["layers/dense/vars/0"], file["layers/dense/vars/1"] = np.ones((144, 3)), np.zeros(3)
    with pytest.raises(
        ParametersError, match=r"array 'layers/conv2d/vars/0' has shape \(3, 3, 1, 4\), as a convolution has"
    ):
        load(tmp_path / "model.weights.h5", activation="relu")
