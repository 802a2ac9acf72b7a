"""Networks written as scikit-learn's perceptrons: loaded there, they predict the same; read back, they are the same."""

from __future__ import annotations

import re
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glassnet import Dense, Input, Network, load, save
from glassnet.errors import MissingLibraryError, OptionError

pytest.importorskip("sklearn", reason="scikit-learn is the oracle")

RNG = np.random.default_rng(3)
X = RNG.normal(size=(50, 4))


def layers(*sizes: int, hidden: str = "relu", output: str = "identity", dtype: Any = np.float64) -> list[Dense]:
    made = []
    for number, (inputs, outputs) in enumerate(pairwise(sizes), start=1):
        weights, bias = RNG.normal(size=(inputs, outputs)).astype(dtype), RNG.normal(size=outputs).astype(dtype)
        made.append(Dense(weights, bias, output if number == len(sizes) - 1 else hidden))
    return made


NETWORKS = {
    "regression": Network(layers(4, 7, 5, 2, hidden="tanh")),
    "one value": Network(layers(4, 3, 1, hidden="sigmoid")),
    "linear": Network(layers(4, 1)),
    "classes": Network(layers(4, 6, 3, output="softmax"), labels=("a", "b", "c")),
    "two classes, softmax": Network(layers(4, 6, 2, output="softmax"), labels=(3, 5)),
    "two classes, one probability": Network(layers(4, 6, 1, output="sigmoid"), labels=("no", "yes")),
    "bools": Network(layers(4, 6, 1, output="sigmoid"), labels=(False, True)),
    "several labels": Network(layers(4, 6, 3, hidden="identity", output="sigmoid")),
    "float32": Network(layers(4, 6, 3, output="softmax", dtype=np.float32), labels=range(3)),
}


def read_by_its_library(path: Path) -> Any:
    if path.suffix == ".joblib":
        import joblib

        return joblib.load(path)
    skops = pytest.importorskip("skops.io", reason="skops is the oracle")
    assert skops.get_untrusted_types(file=path) == []
    return skops.load(path)


@pytest.mark.parametrize("suffix", [".joblib", ".skops"])
@pytest.mark.parametrize("name", NETWORKS)
def test_scikit_learn_reads_what_is_written(name: str, suffix: str, tmp_path: Path) -> None:
    network, path = NETWORKS[name], tmp_path / f"net{suffix}"
    if suffix == ".skops":
        pytest.importorskip("skops", reason="skops writes this format")
    save(network, path)
    estimator = read_by_its_library(path)
    x = X.astype(network.dtype)
    tolerance = 1e-12 if network.dtype == np.float64 else 1e-6
    if network.labels is None and network.layers[-1].activation.name == "identity":
        expected = estimator.predict(x).reshape(len(x), -1)
    else:
        expected = estimator.predict_proba(x)
        if network.labels is not None:
            np.testing.assert_array_equal(estimator.predict(x), network.predict(x))
    found = network(x)
    if found.shape[1] == 1 and network.labels is not None:
        found = np.hstack([1 - found, found])
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)
    again = load(path)
    np.testing.assert_allclose(again(x), found, rtol=0, atol=tolerance)
    assert again.labels == network.labels
    save(again, path)  # what was read can be written
    np.testing.assert_array_equal(load(path)(x), again(x))


TWO = Dense(np.ones((2, 2)), activation="tanh")


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        (Network([TWO, Dense(np.ones((2, 2)), activation="relu"), TWO]), "layer 'dense1' has tanh, but 'dense2' relu"),
        (Network([Dense(np.ones((2, 2)), activation="gelu"), Dense(np.ones((2, 1)))]), "its hidden layers have gelu"),
        (Network([TWO]), "its last layer has tanh and no labels"),
        (Network([Dense(np.ones((2, 2)))], labels=(0, 1)), "its last layer has identity and 2 labels"),
        (Network([Dense(np.ones((2, 1)), activation="sigmoid")]), "its last layer has sigmoid and no labels"),
        (Network([TWO], inputs=Input((2,), scale=1 / 255)), "raw integers are multiplied by 0.00392157 first"),
        (Network([TWO, Dense(np.ones((2, 2)), sources=("x",))]), "step 'dense2' is not a dense layer that reads"),
        (Network([TWO, TWO], outputs="dense1"), "it must have one input, rows of numbers, and one output"),
        (
            Network([Dense(np.ones((2, 2)), activation="softmax")], labels=("a", 1)),
            "its labels are integers and texts together",
        ),
    ],
)
@pytest.mark.parametrize("suffix", [".joblib", ".skops"])
def test_what_a_perceptron_cannot_be_is_refused(network: Network, reason: str, suffix: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=re.escape(f"the network is none: {reason}")) as caught:
        save(network, tmp_path / f"net{suffix}")
    assert ".safetensors" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("suffix", "library"), [(".joblib", "sklearn.neural_network"), (".skops", "skops.io")])
def test_without_the_library(suffix: str, library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingLibraryError, match="writing this format needs") as caught:
        save(NETWORKS["linear"], tmp_path / f"net{suffix}")
    assert "glassnet[sklearn]" in caught.value.hint
