"""Files of older versions: scikit-learn 0.16 to 1.7, Python 2, joblib before 0.10."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import old
import pytest
import trained

from glassnet import Network, load
from glassnet.errors import FileFormatError

joblib = pytest.importorskip("joblib", reason="joblib is the oracle")

WITH_OLD_NAMES = (
    "mlp relu, three classes",
    "mlp logistic, two classes",
    "scaled mlp, three classes",
    "sgd hinge, three classes",
    "perceptron, two classes",
    "ridge classifier, three classes",
    "linear svc, three classes",
    "linear, two values",
    "search, three classes",
    "components transform",
    "gaps, median",
    "labels that are integers",
)


def loaded(folder: Path, data: bytes, file: str = "net.pkl") -> Network:
    path = folder / file
    path.write_bytes(data)
    return load(path)


@pytest.mark.parametrize("name", WITH_OLD_NAMES)
def test_old_modules(name: str, tmp_path: Path) -> None:
    estimator = trained.trained(name)
    for protocol in (0, 1, 2):
        data = old.with_old_modules(pickle.dumps(estimator, protocol))
        assert b"sklearn.preprocessing._" not in data
        assert b"sklearn.linear_model._" not in data
        trained.check(loaded(tmp_path, data), name)
    buffer = io.BytesIO()
    joblib.dump(estimator, buffer, protocol=2)
    data = old.with_old_modules(buffer.getvalue())
    assert b"sklearn.externals.joblib" in data
    trained.check(loaded(tmp_path, data, "net.joblib"), name)


@pytest.mark.parametrize("name", WITH_OLD_NAMES)
def test_python_2(name: str, tmp_path: Path) -> None:
    data = old.python_2(trained.trained(name))
    assert b"X\x00\x00" not in data[:200]
    trained.check(loaded(tmp_path, data), name)


def test_labels_of_python_2_are_texts(tmp_path: Path) -> None:
    weights, bias = np.ones((2, 3)), np.arange(3.0)
    model = old.Faked(
        "sklearn.neural_network.multilayer_perceptron.MLPClassifier",
        coefs_=[weights], intercepts_=[bias], activation="relu", out_activation_="softmax",
        classes_=np.array([b"ant", b"bee", b"cat"]),
    )  # fmt: skip
    assert loaded(tmp_path, old.faked(model)).labels == ("ant", "bee", "cat")


# --- attributes that were called otherwise ------------------------------------------------------------------


def test_std_before_0_17(tmp_path: Path) -> None:
    attributes = {
        "with_mean": True,
        "with_std": True,
        "copy": True,
        "mean_": np.array([1.0, 2]),
        "std_": np.full(2, 4.0),
    }
    network = loaded(tmp_path, old.faked(old.Faked("sklearn.preprocessing.data.StandardScaler", **attributes)))
    np.testing.assert_array_equal(network([[5.0, 10.0]]), [[1.0, 2.0]])


def test_imputer_before_0_20(tmp_path: Path) -> None:
    attributes = {"missing_values": "NaN", "strategy": "mean", "axis": 0, "statistics_": np.array([7.0, 8])}
    network = loaded(tmp_path, old.faked(old.Faked("sklearn.preprocessing.imputation.Imputer", **attributes)))
    np.testing.assert_array_equal(network([[np.nan, 1.0]]), [[7.0, 1.0]])


def test_imputer_by_rows_is_refused(tmp_path: Path) -> None:
    attributes = {"missing_values": "NaN", "axis": 1, "statistics_": np.array([7.0, 8])}
    with pytest.raises(FileFormatError, match="Imputer: fills a gap from its row"):
        loaded(tmp_path, old.faked(old.Faked("sklearn.preprocessing.imputation.Imputer", **attributes)))


# --- probabilities that were computed otherwise -------------------------------------------------------------

X = np.random.default_rng(5).normal(size=(20, 3))
W, B = np.random.default_rng(6).normal(size=(4, 3)), np.array([0.1, -0.2, 0.3, 0.0])
D = X @ W.T + B
ONE_FOR_EACH = old.sigmoid(D) / old.sigmoid(D).sum(axis=1, keepdims=True)
TWO_SIGMOID = np.stack([1 - old.sigmoid(D[:, 0]), old.sigmoid(D[:, 0])], axis=1)
TWO_SOFTMAX = old.softmax(np.stack([-D[:, 0], D[:, 0]], axis=1))
FOUR: dict[str, Any] = {"coef_": W, "intercept_": B, "classes_": np.arange(4)}
TWO: dict[str, Any] = {"coef_": W[:1], "intercept_": B[:1], "classes_": np.arange(2)}


@pytest.mark.parametrize(
    ("version", "options", "expected"),
    [
        ("0.18.2", FOUR | {"multi_class": "ovr", "solver": "liblinear"}, ONE_FOR_EACH),
        ("0.19.1", FOUR | {"multi_class": "multinomial", "solver": "lbfgs"}, old.softmax(D)),
        ("0.19.1", TWO | {"multi_class": "multinomial", "solver": "lbfgs"}, TWO_SIGMOID),
        ("0.20.3", TWO | {"multi_class": "multinomial", "solver": "lbfgs"}, TWO_SOFTMAX),
        ("0.20.3", FOUR | {"multi_class": "warn", "solver": "warn"}, ONE_FOR_EACH),
        ("0.20.3", TWO | {"multi_class": "warn", "solver": "warn"}, TWO_SIGMOID),
        ("0.22.1", FOUR | {"multi_class": "auto", "solver": "lbfgs"}, old.softmax(D)),
        ("0.22.1", FOUR | {"multi_class": "auto", "solver": "liblinear"}, ONE_FOR_EACH),
        ("0.24.2", TWO | {"multi_class": "auto", "solver": "lbfgs"}, TWO_SIGMOID),
        ("1.3.0", FOUR | {"multi_class": "ovr", "solver": "lbfgs"}, ONE_FOR_EACH),
        ("1.5.2", FOUR | {"multi_class": "deprecated", "solver": "lbfgs"}, old.softmax(D)),
        ("1.5.2", FOUR | {"multi_class": "deprecated", "solver": "liblinear"}, ONE_FOR_EACH),
        ("1.6.1", TWO | {"multi_class": "deprecated", "solver": "newton-cg"}, TWO_SIGMOID),
        ("1.7.0", TWO | {"multi_class": "multinomial", "solver": "lbfgs"}, TWO_SOFTMAX),
        ("1.9.0", FOUR | {"solver": "lbfgs"}, old.softmax(D)),
        ("1.9.0", TWO | {"solver": "lbfgs"}, TWO_SIGMOID),
    ],
)
def test_logistic_regression(version: str, options: dict[str, Any], expected: np.ndarray, tmp_path: Path) -> None:
    network = loaded(tmp_path, old.faked(old.logistic(version, **options)))
    np.testing.assert_allclose(network(X), expected, rtol=0, atol=1e-15)
    np.testing.assert_array_equal(network.predict(X), expected.argmax(axis=1))


@pytest.mark.parametrize(("version", "expected"), [("0.21.3", ONE_FOR_EACH), ("0.22.0", old.softmax(D))])
def test_discriminant_analysis(version: str, expected: np.ndarray, tmp_path: Path) -> None:
    name = "sklearn.discriminant_analysis.LinearDiscriminantAnalysis"
    network = loaded(tmp_path, old.faked(old.Faked(name, _sklearn_version=version, **FOUR)))
    np.testing.assert_allclose(network(X), expected, rtol=0, atol=1e-15)


def test_losses_that_were_called_otherwise(tmp_path: Path) -> None:
    name = "sklearn.linear_model.stochastic_gradient.SGDClassifier"
    network = loaded(tmp_path, old.faked(old.Faked(name, _sklearn_version="0.24.2", loss="log", **TWO)))
    np.testing.assert_allclose(network(X), TWO_SIGMOID, rtol=0, atol=1e-15)


# --- old joblib ---------------------------------------------------------------------------------------------


def test_arrays_in_files_beside_it_are_refused(tmp_path: Path) -> None:
    for module in ("joblib.numpy_pickle", "sklearn.externals.joblib.numpy_pickle"):
        wrapper = old.Faked(f"{module}.NDArrayWrapper", filename="net.pkl_01.npy", subclass=None)
        model = old.Faked("sklearn.linear_model.base.LinearRegression", coef_=wrapper, intercept_=0.0)
        np.save(tmp_path / "net.pkl_01.npy", np.ones(3))
        with pytest.raises(FileFormatError, match=r"which keeps the arrays in files beside it") as caught:
            loaded(tmp_path, old.faked(model))
        assert "save it with a newer joblib" in caught.value.hint


@pytest.mark.parametrize("of_python_2", [False, True])
def test_a_compressed_file_of_old_joblib(of_python_2: bool, tmp_path: Path) -> None:
    name = "scaled mlp, three classes"
    content = old.python_2(trained.trained(name))
    trained.check(loaded(tmp_path, old.zfile(content, of_python_2=of_python_2), "net.pkl"), name)
