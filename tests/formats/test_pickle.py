"""Pickles that people have: every protocol, both of NumPy's module names, Python 2, and what else they may be."""

from __future__ import annotations

import gzip
import pickle
import pickletools
import re
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attacks import pickles
from glassnet import Dense, Input, Network, load, save
from glassnet.errors import FileFormatError, OptionError, ParametersError, UnsafeFileError
from glassnet.formats import Global, inspect, pickle_machine, pickle_operations
from glassnet.formats.pickle_arrays import ALLOWED

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def loaded(folder: Path, data: bytes, **options: Any) -> Network:
    path = folder / "net.pkl"
    path.write_bytes(data)
    return load(path, **options)


def with_old_names(data: bytes) -> bytes:
    """What NumPy 1 would have written: its modules have no underscore."""
    old = re.sub(
        rb"\x8c(.)numpy\._core", lambda match: b"\x8c" + bytes([match[1][0] - 1]) + b"numpy.core", data, flags=re.DOTALL
    ).replace(b"numpy._core", b"numpy.core")
    if data[2:3] != pickle.FRAME:
        return old
    return old[:3] + struct.pack("<Q", len(old) - 11) + old[11:]


@pytest.mark.parametrize("names", ["NumPy 1", "NumPy 2"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocol(protocol: int, names: str, tmp_path: Path) -> None:
    arrays = pickles.parameters()
    data = pickle.dumps(arrays, protocol)
    network = loaded(tmp_path, with_old_names(data) if names == "NumPy 1" else data)
    assert [str(layer.activation) for layer in network.layers] == ["sigmoid", "softmax"]
    for number, layer in enumerate(network.layers, start=1):
        np.testing.assert_array_equal(layer.weights, arrays[f"W{number}"])
        np.testing.assert_array_equal(layer.bias, arrays[f"b{number}"])


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", ">f8", "<f2", "i1", ">i2", "<i4", "<i8", "u1", ">u2", "<u8"])
def test_every_dtype_and_order(dtype: str, protocol: int, tmp_path: Path) -> None:
    weights = np.arange(6).reshape(2, 3).astype(dtype)
    for array in (weights, np.asfortranarray(weights), weights[::-1], weights.T.copy().T):
        network = loaded(tmp_path, pickle.dumps({"W1": array, "b1": np.zeros(3, dtype)}, protocol))
        np.testing.assert_array_equal(network.layers[0].weights, array)
        assert network.layers[0].weights.dtype == (np.float32 if dtype[1:] in ("f2", "f4") else np.float64)


def test_big_endian_weights_are_their_numbers(tmp_path: Path) -> None:
    network = loaded(tmp_path, pickle.dumps({"W1": np.array([[1.5]], ">f8"), "b1": np.array([0.25], "<f2")}))
    assert (network.layers[0].weights[0, 0], network.layers[0].bias[0]) == (1.5, 0.25)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_other_shapes_of_the_dict(protocol: int, tmp_path: Path) -> None:
    weights, shared = np.ones((2, 2), np.float32), np.zeros(2, np.float32)
    arrays = OrderedDict(b2=shared, W2=weights, b1=shared, W1=weights)
    network = loaded(tmp_path, pickle.dumps(arrays, protocol))
    assert len(network.layers) == 2
    assert network.layers[0].weights is network.layers[1].weights  # one object in the file, one in memory


def test_as_python_2_wrote_it(tmp_path: Path) -> None:
    def string(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value

    def array(shape: bytes, data: bytes) -> bytes:
        start = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00t" + string(b"b") + b"tR"
        kind = b"cnumpy\ndtype\n(" + string(b"f4") + b"K\x00K\x01tR(K\x03" + string(b"<") + b"NNN"
        kind += b"J\xff\xff\xff\xff" * 2 + b"K\x00tb"
        return start + b"(K\x01" + shape + kind + b"I00\n" + string(data) + b"tb"

    weights = np.array([[1.5, -2.5]], np.float32)
    body = string(b"W1") + array(b"(K\x01K\x02t", weights.tobytes()) + string(b"b1") + array(b"(K\x02t", bytes(8))
    network = loaded(tmp_path, b"\x80\x02}(" + body + b"u.")
    np.testing.assert_array_equal(network.layers[0].weights, weights)


def test_as_python_2_wrote_it_in_text(tmp_path: Path) -> None:
    def array(shape: str, data: bytes) -> bytes:
        text = repr(data)[1:].encode()
        return (
            b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
            b"(I1\n(" + shape.encode() + b"tcnumpy\ndtype\n(S'f4'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntb"
            b"I00\nS" + text + b"\ntb"
        )

    weights = np.array([[10.0, 2.5e-5], [39.0, -92.0]], np.float32)
    bias = np.frombuffer(b"\n\r\t\\'\"\x00A", np.float32)
    data = (
        b"(dp0\nS'W1'\n" + array("I2\nI2\n", weights.tobytes()) + b"sS'b1'\n" + array("L2L\n", bias.tobytes()) + b"s."
    )
    network = loaded(tmp_path, data, orientation="inputs_outputs")
    np.testing.assert_array_equal(network.layers[0].weights, weights)
    np.testing.assert_array_equal(network.layers[0].bias, bias)


def test_values_beside_arrays_can_be_walked() -> None:
    values = {
        "numbers": [0, -1, 255, 65536, 2**40, -(2**70), 1.5, -0.0, True, False, None],
        "texts": ("", "한글", "a" * 300, "\n\\", "\U0001f600"),
        "tuples": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)),
        "nested": {"list": [[], [1], [1, 2]], "bytes": b""},
    }
    for protocol in PROTOCOLS:
        walk = pickle_machine.walk(pickle.dumps(values, protocol))
        assert walk.problem is None
        assert walk.value == values


def test_every_operation_has_its_place() -> None:
    tables = (pickle_operations._BY_NAME, pickle_operations._ACTIONS_BY_NAME, pickle_operations._REFUSED)
    names = [name for table in tables for name in table]
    assert sorted(names) == sorted(opcode.name for opcode in pickletools.opcodes)


def test_allowed_names_are_few_and_none_of_them_is_called() -> None:
    assert len(ALLOWED) == 12
    assert {module.split(".")[0] for module, _ in ALLOWED} == {
        "numpy", "_codecs", "builtins", "__builtin__", "collections",
    }  # fmt: skip
    assert all(call.__module__ == "glassnet.formats.pickle_arrays" for call in ALLOWED.values())


# --- what is said -------------------------------------------------------------------------------------------


def test_the_name_and_its_byte_are_said(tmp_path: Path) -> None:
    data = pickles.ATTACKS["os.system by STACK_GLOBAL"]
    with pytest.raises(UnsafeFileError) as caught:
        loaded(tmp_path, data)
    offset = data.index(pickle.STACK_GLOBAL)
    assert caught.value.message == (
        f"reading {tmp_path / 'net.pkl'}: byte {offset}: asks for 'os.system', which no array needs; nothing was run"
    )
    assert caught.value.hint.startswith("pickle.load would run what this file says")


def test_every_global_is_listed(tmp_path: Path) -> None:
    path = tmp_path / "net.pkl"
    path.write_bytes(pickles.ATTACKS["getattr of a module"])
    inspection = inspect(path)
    assert [found.name for found in inspection.globals] == ["builtins.getattr", "builtins.__import__"]
    assert inspection.globals[0] == Global("builtins.getattr", 2, allowed=False)
    assert (inspection.format, inspection.arrays, inspection.network) == ("pickle", (), None)
    assert inspection.problem.startswith("byte 2: asks for 'builtins.getattr'")


class Model:
    """What somebody's own code calls a model."""

    def __init__(self) -> None:
        self.weights = np.ones((2, 2))


def test_a_foreign_model_is_walked_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "net.pkl"
    path.write_bytes(pickle.dumps(Model()))
    inspection = inspect(path)
    assert (f"{__name__}.Model", False) in [(found.name, found.allowed) for found in inspection.globals]
    assert "numpy.dtype" in [found.name for found in inspection.globals]


def test_the_data_set_in_place_of_the_parameters(tmp_path: Path) -> None:
    names = ("train_img", "train_label", "test_img", "test_label")
    with pytest.raises(ParametersError, match="pictures and labels of MNIST") as caught:
        loaded(tmp_path, pickle.dumps({name: np.zeros((2, 784), np.uint8) for name in names}))
    assert "sample_weight.pkl" in caught.value.hint


def test_other_files_called_pkl(tmp_path: Path) -> None:
    good = pickle.dumps(pickles.parameters())
    old_pytorch = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03."
    for data, words in (
        (gzip.compress(b"W1 = 0.1 0.3 0.5"), "compressed with gzip"),
        (b"\n<!DOCTYPE html>"[1:], "a web page"),
        (old_pytorch, r"cut off, or a length that lies"),
        (pickle.dumps([1]), r"found list\nhint: pickle\.dump\(\{'W1'"),
        (pickle.dumps({"W1": [[1.0], [1.0, 2.0]]}), "'W1' is list, expected a NumPy array or a list of equally long"),
        (pickle.dumps({"W1": [["1.0"]]}), "'W1' is list"),
        (pickle.dumps({"W1": [[]]}), "'W1' is list"),
        (pickle.dumps({"W1": [1 << 1100]}), "'W1' is list"),
        (pickle.dumps({"W1": 1.0}), "'W1' is float"),
        (pickle.dumps({"W1": np.dtype("f4")}), "'W1' is Dtype"),
        (pickle.dumps({1: np.ones(1)}), "array '1' is left over"),
        (pickle.dumps({(1, 2): np.ones(1)}), "a key that is not a text"),
        (b"hello", r"net\.pkl: not a pickle, or a damaged one: byte 0: "),
        (good[:-5], r"net\.pkl: byte \d+: "),
        (good + b"more", "4 bytes follow the end"),
    ):
        with pytest.raises(FileFormatError, match=words):
            loaded(tmp_path, data)


def test_lists_of_numbers_are_as_good_as_arrays(tmp_path: Path) -> None:
    lists = {name: array.tolist() for name, array in pickles.parameters().items()}
    for protocol in PROTOCOLS:
        network = loaded(tmp_path, pickle.dumps(lists, protocol))
        for number, layer in enumerate(network.layers, start=1):
            np.testing.assert_array_equal(layer.weights, lists[f"W{number}"])
    same_row = {"W1": [[0.5] * 20] * 20, "b1": [0] * 20}
    assert loaded(tmp_path, pickle.dumps(same_row)).layers[0].weights.sum() == 200


def test_lists_cannot_grow_beyond_the_file(tmp_path: Path) -> None:
    grown: list[Any] = [1.0]
    for _ in range(60):
        grown = [grown, grown]
    endless: list[Any] = []
    endless.append(endless)
    many = [0.0] * 1000
    for value in (grown, [endless], [many] * 1000):
        with pytest.raises(FileFormatError, match=r"more memory than a file of this length|'W1' is list"):
            loaded(tmp_path, pickle.dumps({"W1": value}))


# --- writing ------------------------------------------------------------------------------------------------


def chapter_network(**options: Any) -> Network:
    arrays = pickles.parameters()
    first = Dense(arrays["W1"], arrays["b1"], options.pop("hidden", "sigmoid"), name=options.pop("name", ""))
    return Network([first, Dense(arrays["W2"], arrays["b2"], "softmax")], **options)


def test_what_is_written_is_the_textbooks_dict(tmp_path: Path) -> None:
    path = tmp_path / "net.pkl"
    save(chapter_network(), path)
    found = pickle.loads(path.read_bytes())
    assert list(found) == ["W1", "b1", "W2", "b2"]
    for name, array in pickles.parameters().items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].flags.writeable


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        (chapter_network(hidden="relu"), "layer 'dense1' has relu, and would be read back with sigmoid"),
        (chapter_network(name="first"), "layer 'first' would be read back as 'dense1'"),
        (chapter_network(labels=("cat", "dog")), "its labels are ('cat', 'dog'), and would be read back as None"),
        (chapter_network(inputs=Input((2,), scale=0.5)), "its inputs are (Input(shape=(2,), name='x', scale=0.5"),
        (chapter_network(outputs="dense1"), "its outputs are ('dense1',), and would be read back as ('dense2',)"),
        (
            Network([Dense(np.ones((2, 2)), activation="sigmoid"), Dense(np.ones((2, 2)), sources=("x",))]),
            "step 'dense2' is not a dense layer that reads the value before it",
        ),
    ],
)
def test_what_the_dict_cannot_hold_is_not_lost_in_silence(network: Network, reason: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=re.escape(reason)) as caught:
        save(network, tmp_path / "net.pkl")
    assert caught.value.message.startswith(f"writing {tmp_path / 'net.pkl'}: a .pkl file holds the textbook's dict")
    assert ".safetensors" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


# --- the textbook's own -------------------------------------------------------------------------------------


def test_the_textbooks_parameters(data_folder: Path) -> None:
    network = load(data_folder / "book" / "sample_weight.pkl")
    assert (network.parameter_count, network.labels) == (45_360, tuple(range(10)))
    pictures = np.frombuffer(gzip.decompress((data_folder / "mnist/t10k-images-idx3-ubyte.gz").read_bytes())[16:], "u1")
    digits = np.frombuffer(gzip.decompress((data_folder / "mnist/t10k-labels-idx1-ubyte.gz").read_bytes())[8:], "u1")
    answers = network.predict(pictures.reshape(-1, 784))
    assert np.count_nonzero(answers == digits) == 9352
