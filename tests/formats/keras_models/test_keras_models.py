"""Models that Keras makes, saved in each of its ways: the answers are Keras' own."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import made
import numpy as np
import pytest

import glassnet
from glassnet import Network, from_keras, load, save
from glassnet.errors import GlassnetError

pytestmark = pytest.mark.filterwarnings("ignore")  # Keras' own, of PyTorch and of HDF5 as a legacy


def by_keras(model: Any, folder: Path) -> Network:
    model.save(folder / "model.keras")
    return load(folder / "model.keras")


def by_hdf5(model: Any, folder: Path) -> Network:
    model.save(folder / "model.h5")
    return load(folder / "model.h5")


def by_pair(model: Any, folder: Path) -> Network:
    (folder / "model.json").write_text(model.to_json(), encoding="utf-8")
    model.save_weights(folder / "model.weights.h5")
    return load(folder / "model.json", weights=folder / "model.weights.h5")


def by_memory(model: Any, folder: Path) -> Network:
    return from_keras(model)


WAYS: tuple[Callable[[Any, Path], Network], ...] = (by_keras, by_hdf5, by_pair, by_memory)


def assert_equal(network: Network, model: Any) -> None:
    x = made.inputs(model)
    expected = made.answers(model, x)
    found = network(*x)
    found = found if isinstance(found, tuple) else (found,)
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == theirs.shape
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", made.MODELS)
def test_the_answers_are_those_of_keras(name: str, tmp_path: Path) -> None:
    model = made.filled(made.MODELS[name]())
    for way in WAYS:
        assert_equal(way(model, tmp_path), model)


def test_float64_is_exact(tmp_path: Path) -> None:
    """Against the formula: on PyTorch, Keras' own float64 has the accuracy of float32."""
    model = made.filled(made.MODELS["in_float64"]())
    [x] = made.inputs(model)
    first, second = (model.layers[position].get_weights() for position in (0, 2))
    a = x @ first[0] + first[1]
    hidden = a * np.vectorize(statistics.NormalDist().cdf)(a)
    expected = np.where(hidden > 0, hidden, 0.3 * hidden) @ second[0] + second[1]
    for way in WAYS:
        np.testing.assert_allclose(way(model, tmp_path)(x), expected, rtol=1e-12, atol=1e-12)


def test_a_wrong_weight_would_be_seen(tmp_path: Path) -> None:
    model = made.filled(made.MODELS["a_residual"]())
    network = by_keras(model, tmp_path)
    made.filled(model, seed=1)
    with pytest.raises(AssertionError):
        assert_equal(network, model)


@pytest.mark.parametrize("name", made.MODELS)
def test_keras_takes_what_is_written(name: str, tmp_path: Path) -> None:
    network = from_keras(made.filled(made.MODELS[name]()))
    path = tmp_path / "written.keras"
    try:
        save(network, path)
    except GlassnetError as error:
        assert str(error).startswith(f"writing {path}: Keras has no layer for step '")  # noqa: PT017
        assert name in {"relu_with_threshold", "relu_with_all", "unit_normalisation", "unit_along_two_axes",
                        "arithmetic_on_values", "relu_sloped_and_bounded", "activation_sparse_sigmoid"}  # fmt: skip
        return
    model = made.keras.saving.load_model(path)
    assert_equal(network, model)
    again = load(path)
    x = made.inputs(model)
    several = len(network.outputs) > 1
    for ours, theirs in zip(*(n(*x) if several else (n(*x),) for n in (again, network)), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert [step.name for step in again.steps] == [step.name for step in network.steps]


def test_what_keras_has_no_place_for_comes_back(tmp_path: Path) -> None:
    steps = [glassnet.Dense(np.ones((784, 10), np.float32), None, "softmax")]
    network = Network(steps, inputs=glassnet.Input((784,), scale=1 / 255), labels=list("abcdefghij"))
    save(network, tmp_path / "net.keras")
    again = load(tmp_path / "net.keras")
    assert (again.labels, again.inputs) == (network.labels, network.inputs)
    x = np.full((1, 784), 0.5, np.float32)
    theirs = made.answers(made.keras.saving.load_model(tmp_path / "net.keras"), [x])[0]
    np.testing.assert_allclose(again(x), theirs, rtol=1e-6)


def test_nothing_is_imported(tmp_path: Path) -> None:
    model = made.filled(made.MODELS["nested_twice"]())
    for way in (by_keras, by_hdf5, by_pair):
        way(model, tmp_path)
    code = """
import sys, glassnet
for path, options in (("model.keras", {}), ("model.h5", {}), ("model.json", {"weights": "model.weights.h5"})):
    glassnet.load(path, **options)
print(*sorted({name.partition(".")[0] for name in sys.modules} & {"keras", "torch", "tensorflow", "h5py", "jax"}))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
    seen = subprocess.run(
        [sys.executable, "-c", f"import h5py\n{code}"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert seen.stdout == "h5py\n"


@pytest.mark.parametrize("name", ["a_residual", "nested_sequential", "pictures_flattened", "every_merge"])
def test_it_compiles(name: str, tmp_path: Path) -> None:
    network = by_keras(made.filled(made.MODELS[name]()), tmp_path)
    x = np.random.default_rng(4).normal(size=(20, *network.inputs[0].shape)).astype(np.float32)
    np.testing.assert_allclose(network.compile()(x), network(x), rtol=1e-4, atol=1e-5)


def test_weights_alone_are_named_arrays(tmp_path: Path) -> None:
    model = made.filled(made.chain(made.L.Dense(4, activation="relu"), made.L.Dense(3, activation="softmax")))
    model.save_weights(tmp_path / "model.weights.h5")
    with pytest.raises(GlassnetError, match="the file does not say its activations"):
        load(tmp_path / "model.weights.h5")
    assert_equal(load(tmp_path / "model.weights.h5", activation="relu", output="softmax"), model)


def test_what_was_folded_is_noted(tmp_path: Path) -> None:
    layers = (made.L.BatchNormalization(name="norm"), made.L.Dropout(0.5, name="drop"), made.L.Dense(2))
    made.chain(*layers).save(tmp_path / "model.keras")
    assert glassnet.formats.inspect(tmp_path / "model.keras").notes == (
        "norm (BatchNormalization): folded into a scale and a shift",
        "drop (Dropout): does nothing once trained, and is left out",
    )


class Doubled(made.L.Layer):  # type: ignore[misc]
    """A layer of somebody's own."""

    def call(self, x: Any) -> Any:
        return 2 * x


@pytest.mark.parametrize(
    ("layer", "kind", "words"),
    [
        (lambda: made.L.Lambda(lambda x: x + 1), "UnsafeFileError", r"layer 'lambda\w*' is a Lambda, which holds code"),
        (
            Doubled,
            "FileFormatError",
            r"layer 'doubled\w*' (is a custom one, '.*Doubled', which only its own|\(Doubled\))",
        ),
        (lambda: made.L.Conv1D(2, 2), "FileFormatError", r"layer 'conv1d\w*' \(Conv1D\): this kind of layer has no"),
        (lambda: made.L.LSTM(3), "FileFormatError", r"\(LSTM\): this kind of layer has no counterpart"),
        (lambda: made.L.Softmax(axis=1), "FileFormatError", "a softmax along another axis than the last"),
        (made.L.RMSNormalization, "FileFormatError", r"\(RMSNormalization\): this kind of layer"),
        (lambda: made.L.Dense(3, activation="sparsemax"), "FileFormatError", "its activation 'sparsemax' is none"),
    ],
)
def test_what_has_no_counterpart_is_refused_by_name(layer: Any, kind: str, words: str, tmp_path: Path) -> None:
    model = made.chain(layer(), made.L.Flatten(), made.L.Dense(2), shape=(4, 3))
    for way in WAYS:
        with pytest.raises(GlassnetError, match=words) as caught:
            way(model, tmp_path)
        assert type(caught.value).__name__ == kind


def test_a_subclass_keeps_only_code() -> None:
    class Own(made.keras.Model):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return x

    with pytest.raises(GlassnetError, match=r"^from_keras: "):
        from_keras(Own())
    with pytest.raises(GlassnetError, match=r"^from_keras: expected a Keras model, found int$"):
        from_keras(5)


def test_weights_of_another_model(tmp_path: Path) -> None:
    first, second = made.MODELS["a_residual"](), made.MODELS["every_merge"]()
    (tmp_path / "model.json").write_text(first.to_json(), encoding="utf-8")
    second.save_weights(tmp_path / "other.weights.h5")
    with pytest.raises(GlassnetError, match=r"^reading .*model\.json: "):
        load(tmp_path / "model.json", weights=tmp_path / "other.weights.h5")
    with pytest.raises(GlassnetError, match=r"this is the model\.json of a Keras model, which has no weights"):
        load(tmp_path / "model.json")
    save(from_keras(first), tmp_path / "net.npz")
    with pytest.raises(GlassnetError, match="weights= cannot be used: a npz file has its arrays in it"):
        load(tmp_path / "net.npz", weights=tmp_path / "other.weights.h5")
    (tmp_path / "list.json").write_text(json.dumps({"W1": [[1.0]]}), encoding="utf-8")
    with pytest.raises(GlassnetError, match="the JSON says no Keras model"):
        load(tmp_path / "list.json", weights=tmp_path / "other.weights.h5")
