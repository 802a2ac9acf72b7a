"""Files in the layouts of Keras 1 and 2 and of TensorFlow's Keras, made by hand; the oracles are formulas."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attacks import archives
from glassnet import load
from glassnet.errors import FileFormatError, ParametersError

h5py = pytest.importorskip("h5py", reason="the files are made with h5py")

Arrays = Mapping[str, np.ndarray[Any, Any]]


def some(*shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32)


def whole(path: Path, config: object, weights: Mapping[str, Arrays], version: str | None = "2.2.4") -> Path:
    """A whole model: a group for each layer, whose attribute lists its arrays in order."""
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config).encode()
        if version is not None:
            file.attrs["keras_version"] = version.encode()
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [name.encode() for name in weights]
        for layer, arrays in weights.items():
            held = group.create_group(layer)
            held.attrs["weight_names"] = [name.encode() for name in arrays]
            for name, array in arrays.items():
                held.create_dataset(name, data=array)
    return path


def relu(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.maximum(x, 0)


X = some(6, 4, seed=7)
W1, B1, W2, B2 = some(4, 5), some(5), some(5, 3), some(3)


# --- Keras 1 ------------------------------------------------------------------------------------------------


def test_a_chain_of_keras_1(tmp_path: Path) -> None:
    config = {
        "class_name": "Sequential",
        "config": [
            {
                "class_name": "Dense",
                "config": {
                    "name": "dense_1", "output_dim": 5, "init": "glorot_uniform", "activation": "relu", "bias": True,
                    "batch_input_shape": [None, 4], "input_dim": 4, "input_dtype": "float32", "W_regularizer": None,
                },
            },
            {"class_name": "Dropout", "config": {"name": "dropout_1", "p": 0.5}},
            {"class_name": "BatchNormalization", "config": {"name": "bn_1", "mode": 0, "epsilon": 1e-5, "axis": -1}},
            {"class_name": "Dense", "config": {"name": "dense_2", "output_dim": 3, "activation": "hard_sigmoid"}},
        ],
    }  # fmt: skip
    gamma, beta, mean, variance = some(5, seed=1), some(5, seed=2), some(5, seed=3), np.abs(some(5, seed=4)) + 0.1
    weights = {
        "dense_1": {"dense_1_W": W1, "dense_1_b": B1},
        "dropout_1": {},
        "bn_1": {"bn_1_gamma": gamma, "bn_1_beta": beta, "bn_1_running_mean": mean, "bn_1_running_std": variance},
        "dense_2": {"dense_2_W:0": W2, "dense_2_b:0": B2},
    }
    hidden = (relu(X @ W1 + B1) - mean) / np.sqrt(variance + 1e-5) * gamma + beta
    expected = np.clip(0.2 * (hidden @ W2 + B2) + 0.5, 0, 1)
    for version in ("1.2.2", None):
        network = load(whole(tmp_path / "old.h5", config, weights, version))
        np.testing.assert_allclose(network(X), expected, rtol=1e-5, atol=1e-6)


def test_a_graph_of_keras_1(tmp_path: Path) -> None:
    def dense(name: str, units: int) -> dict[str, Any]:
        return {
            "class_name": "Dense",
            "name": name,
            "config": {"name": name, "output_dim": units, "activation": "tanh"},
            "inbound_nodes": [[["input_1", 0, 0]]],
        }

    merged = {
        "class_name": "Merge",
        "name": "merge_1",
        "config": {"name": "merge_1", "mode": "concat", "concat_axis": -1, "mode_type": "raw"},
        "inbound_nodes": [[["a", 0, 0], ["b", 0, 0]]],
    }
    given = {
        "class_name": "InputLayer",
        "name": "input_1",
        "config": {"batch_input_shape": [None, 4], "input_dtype": "float32", "sparse": False, "name": "input_1"},
        "inbound_nodes": [],
    }
    config: dict[str, Any] = {
        "class_name": "Model",
        "config": {
            "name": "model_1",
            "layers": [given, dense("a", 5), dense("b", 5), merged],
            "input_layers": [["input_1", 0, 0]],
            "output_layers": [["merge_1", 0, 0]],
        },
    }
    other = some(4, 5, seed=5)
    weights = {"input_1": {}, "a": {"a_W": W1, "a_b": B1}, "b": {"b_W": other, "b_b": B1}, "merge_1": {}}
    path = whole(tmp_path / "old.h5", config, weights, "1.0.8")
    expected = np.tanh(np.concatenate([X @ W1 + B1, X @ other + B1], axis=1))
    np.testing.assert_allclose(load(path)(X), expected, rtol=1e-5, atol=1e-6)
    for mode, combined in (("sum", np.add), ("mul", np.multiply), ("max", np.maximum)):
        merged["config"]["mode"] = mode  # type: ignore[index]
        path = whole(tmp_path / "old.h5", config, weights, "1.0.8")
        wanted = combined(np.tanh(X @ W1 + B1), np.tanh(X @ other + B1))
        np.testing.assert_allclose(load(path)(X), wanted, rtol=1e-5, atol=1e-6)
    merged["config"]["mode"] = "cos"  # type: ignore[index]
    with pytest.raises(FileFormatError, match="merges by 'cos', expected one of sum"):
        load(whole(tmp_path / "old.h5", config, weights, "1.0.8"))


def test_a_normalisation_by_the_batch_is_refused(tmp_path: Path) -> None:
    entry = {"class_name": "BatchNormalization", "config": {"name": "b", "mode": 2, "batch_input_shape": [None, 4]}}
    path = whole(tmp_path / "old.h5", {"class_name": "Sequential", "config": [entry]}, {"b": {}}, "1.2.2")
    with pytest.raises(FileFormatError, match="it normalises by the batch it is given"):
        load(path)


# --- Keras 2 ------------------------------------------------------------------------------------------------


def dense(name: str, units: int, activation: str = "relu", **more: Any) -> dict[str, Any]:
    config = {"name": name, "units": units, "activation": activation, "use_bias": True, **more}
    return {"class_name": "Dense", "config": config}


def chain_of_2(*layers: dict[str, Any]) -> dict[str, Any]:
    return {"class_name": "Sequential", "config": {"name": "sequential_1", "layers": list(layers)}}


BOTH = {
    "dense_1": {"dense_1/kernel:0": W1, "dense_1/bias:0": B1},
    "dense_2": {"dense_2/kernel:0": W2, "dense_2/bias:0": B2},
}


def test_a_chain_of_keras_2(tmp_path: Path) -> None:
    leaky = {"class_name": "LeakyReLU", "config": {"name": "l", "alpha": 0.2}}
    softmax = {"class_name": "Activation", "config": {"name": "a", "activation": "softmax"}}
    config = chain_of_2(
        dense("dense_1", 5, "linear", batch_input_shape=[None, 4]), leaky, dense("dense_2", 3, "linear"), softmax
    )
    a = X @ W1 + B1
    b = np.where(a > 0, a, np.float32(0.2) * a) @ W2 + B2
    expected = np.exp(b) / np.exp(b).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(load(whole(tmp_path / "m.h5", config, BOTH))(X), expected, rtol=1e-5, atol=1e-6)


def test_the_names_of_the_weights_may_be_spread_over_attributes(tmp_path: Path) -> None:
    config = chain_of_2(dense("dense_1", 5, batch_input_shape=[None, 4]), dense("dense_2", 3))
    path = whole(tmp_path / "m.h5", config, BOTH)
    expected = load(path)(X)
    with h5py.File(path, "a") as file:
        group = file["model_weights"]
        for held, name in ((group, "layer_names"), (group["dense_1"], "weight_names")):
            for number, part in enumerate(held.attrs[name]):
                held.attrs[f"{name}{number}"] = [part]
            del held.attrs[name]
    np.testing.assert_array_equal(load(path)(X), expected)


def test_the_order_counts_where_names_do_not_agree(tmp_path: Path) -> None:
    config = chain_of_2(dense("dense_7", 5, batch_input_shape=[None, 4]), dense("dense_8", 3))
    path = whole(tmp_path / "m.h5", config, BOTH)
    np.testing.assert_allclose(load(path)(X), relu(relu(X @ W1 + B1) @ W2 + B2), rtol=1e-5, atol=1e-6)
    config = chain_of_2(dense("dense_7", 5, batch_input_shape=[None, 4]))
    with pytest.raises(ParametersError, match="the weights of 'dense_1' are left over: no layer has this name"):
        load(whole(tmp_path / "m.h5", config, BOTH))


def test_a_model_in_a_model_of_keras_2(tmp_path: Path) -> None:
    """Trainable arrays of all inner layers come first, and their names say nothing of the inner model's."""
    norm = {"class_name": "BatchNormalization", "config": {"name": "bn", "epsilon": 0.001, "axis": [1]}}
    inner = chain_of_2(dense("inner_1", 5, batch_input_shape=[None, 4]), norm, dense("inner_2", 4, "linear"))
    inner["config"]["name"] = "inner"
    given = {
        "class_name": "InputLayer", "name": "x", "config": {"batch_input_shape": [None, 4], "name": "x"},
        "inbound_nodes": [],
    }  # fmt: skip
    config = {
        "class_name": "Functional",
        "config": {
            "name": "outer",
            "layers": [
                given,
                {**inner, "name": "inner",
                 "inbound_nodes": [[["x", 0, 0, {}]], [["inner", 1, 0, {"training": False}]]]},
                {"class_name": "Add", "name": "add", "config": {"name": "add"},
                 "inbound_nodes": [[["inner", 1, 0, {}], ["inner", 2, 0, {}]]]},
            ],
            "input_layers": [["x", 0, 0]],
            "output_layers": [["add", 0, 0]],
        },
    }  # fmt: skip
    gamma, beta, mean, variance = (np.abs(some(5, seed=seed)) + 0.1 for seed in range(4))
    second = some(5, 4, seed=9)
    weights = {
        "x": {},
        "inner": {
            "inner_1/kernel:0": W1, "inner_1/bias:0": B1, "bn/gamma:0": gamma, "bn/beta:0": beta,
            "inner_2/kernel:0": second, "inner_2/bias:0": B1[:4], "bn/moving_mean:0": mean,
            "bn/moving_variance:0": variance,
        },
        "add": {},
    }  # fmt: skip

    def once(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        hidden = (relu(x @ W1 + B1) - mean) / np.sqrt(variance + 0.001) * gamma + beta
        return hidden @ second + B1[:4]

    network = load(whole(tmp_path / "m.h5", config, weights, "2.6.0"))
    np.testing.assert_allclose(network(X), once(X) + once(once(X)), rtol=1e-4, atol=1e-5)


def test_weights_alone_with_their_json(tmp_path: Path) -> None:
    config = chain_of_2(dense("dense_1", 5, batch_input_shape=[None, 4]), dense("dense_2", 3, "sigmoid"))
    (tmp_path / "model.json").write_text(json.dumps({**config, "keras_version": "2.2.4"}))
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file.attrs["layer_names"] = [b"dense_1", b"dense_2"]
        for layer, arrays in BOTH.items():
            group = file.create_group(layer)
            group.attrs["weight_names"] = [name.encode() for name in arrays]
            for name, array in arrays.items():
                group[name] = array
    network = load(tmp_path / "model.json", weights=tmp_path / "weights.h5")
    expected = 1 / (1 + np.exp(-(relu(X @ W1 + B1) @ W2 + B2)))
    np.testing.assert_allclose(network(X), expected, rtol=1e-5, atol=1e-6)
    named = load(tmp_path / "weights.h5", activation="relu", output="sigmoid")
    np.testing.assert_allclose(named(X), expected, rtol=1e-5, atol=1e-6)


# --- TensorFlow's .keras ------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["_layer_checkpoint_dependencies", "layers"])
def test_the_zip_of_tensorflow_2_13(folder: str, tmp_path: Path) -> None:
    """It counts every layer twice, so that the second Dense is ``dense_2``."""
    entries = [
        {"module": "keras.layers", "class_name": "InputLayer", "registered_name": None,
         "config": {"batch_input_shape": [None, 4], "dtype": "float32", "name": "x"}},
        {"module": "keras.layers", "registered_name": None, **dense("first", 5)},
        {"module": "keras.layers", "registered_name": None, **dense("second", 3, "hard_sigmoid")},
    ]  # fmt: skip
    config = {
        "module": "keras.src.engine.sequential",
        "class_name": "Sequential",
        "config": {"name": "sequential", "layers": entries},
        "registered_name": "Sequential",
    }
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        for name, arrays in (("dense", (W1, B1)), ("dense_2", (W2, B2))):
            for number, array in enumerate(arrays):
                file[f"{folder}/{name}/vars/{number}"] = array
        file.create_group("optimizer/vars")["0"] = np.zeros(1)
    members = {
        "metadata.json": b'{"keras_version": "2.13.1"}',
        "config.json": json.dumps(config).encode(),
        "model.weights.h5": (tmp_path / "weights.h5").read_bytes(),
    }
    (tmp_path / "m.keras").write_bytes(archives.zipped(members))
    expected = np.clip(0.2 * (relu(X @ W1 + B1) @ W2 + B2) + 0.5, 0, 1)
    np.testing.assert_allclose(load(tmp_path / "m.keras")(X), expected, rtol=1e-5, atol=1e-6)


# --- HDF5 ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["earliest", "v108", "v110"])
@pytest.mark.parametrize(
    "options", [{}, {"chunks": (3, 2)}, {"chunks": (3, 2), "compression": "gzip", "shuffle": True}]
)
def test_every_layout_that_h5py_writes(version: str, options: dict[str, Any], tmp_path: Path) -> None:
    arrays = {"W1": some(5, 7).astype(">f8"), "b1": some(7).astype(np.float16), "W2": np.ones((7, 2), np.int32)}
    with h5py.File(tmp_path / "a.h5", "w", libver=version) as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array, **(options if array.ndim == 2 else {}))
        file.create_dataset("b2", data=np.zeros(2, np.float32))
    if version == "v110" and options:
        with pytest.raises(FileFormatError, match="a layout of kind 2 in version 4") as caught:
            load(tmp_path / "a.h5")
        assert caught.value.hint == "copy it with libver='earliest'"
        return
    network = load(tmp_path / "a.h5")
    for layer, name in zip(network.layers, ("W1", "W2"), strict=True):
        np.testing.assert_array_equal(layer.weights, arrays[name])
    np.testing.assert_array_equal(network.layers[0].bias, arrays["b1"])


def test_a_group_of_many(tmp_path: Path) -> None:
    """More names than one leaf of a B-tree holds."""
    with h5py.File(tmp_path / "many.h5", "w") as file:
        for number in range(1, 301):
            file[f"W{number}"] = np.full((1, 1), number, np.float32)
            file[f"b{number}"] = np.zeros(1, np.float32)
    assert [layer.weights[0, 0] for layer in load(tmp_path / "many.h5").layers] == list(range(1, 301))


def test_it_begins_behind_a_block_of_another_tool(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w", userblock_size=1024) as file:
        file["W1"], file["b1"] = np.ones((2, 3)), np.zeros(3)
    from glassnet.formats import hdf5

    node = hdf5.root((tmp_path / "a.h5").read_bytes())
    np.testing.assert_array_equal(node["W1"].array(), np.ones((2, 3)))
