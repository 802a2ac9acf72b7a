"""Files with estimators: every protocol and compression of pickle and joblib, and skops, read without the three."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import old
import pytest
import trained

from attacks import pickles
from glassnet import load
from glassnet.errors import FileFormatError, ParametersError, UnsafeFileError
from glassnet.formats import FORMATS, inspect

joblib = pytest.importorskip("joblib", reason="joblib is the oracle")

COMPRESSIONS = (0, ("zlib", 3), ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3))
# Between them they have every kind of value: generators of random numbers, optimizers, scorers, masked arrays.
VARIED = (
    "mlp logistic, three classes",
    "search, three classes",
    "random search, two classes",
    "labels that are objects",
    "sgd hinge, three classes",
    "gaps, median",
    "one against rest, svc, three classes",
)


def joblib_bytes(value: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    joblib.dump(value, buffer, **options)
    return buffer.getvalue()


def skops_bytes(value: Any, **options: Any) -> bytes:
    skops = pytest.importorskip("skops.io", reason="skops is the oracle")
    return skops.dumps(value, **options)


WRITERS: dict[str, Any] = {"net.pkl": pickle.dumps, "net.joblib": joblib_bytes, "net.skops": skops_bytes}


@pytest.mark.parametrize("file", WRITERS)
@pytest.mark.parametrize("name", trained.CASES)
def test_every_estimator_in_every_format(name: str, file: str, tmp_path: Path) -> None:
    path = tmp_path / file
    path.write_bytes(WRITERS[file](trained.trained(name)))
    trained.check(load(path), name)
    found = inspect(path)
    assert (found.problem, [wanted.name for wanted in found.globals if not wanted.allowed]) == ("", [])
    assert found.format == ("skops" if file == "net.skops" else "pickle")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", VARIED)
def test_every_protocol(name: str, protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "net.pickle"
    path.write_bytes(pickle.dumps(trained.trained(name), protocol))
    trained.check(load(path), name)


@pytest.mark.parametrize("compress", COMPRESSIONS)
@pytest.mark.parametrize("name", VARIED)
def test_every_compression_of_joblib(name: str, compress: Any, tmp_path: Path) -> None:
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        path = tmp_path / "net.joblib"
        path.write_bytes(joblib_bytes(trained.trained(name), compress=compress, protocol=protocol))
        trained.check(load(path), name)
        assert inspect(path).format == ("joblib" if compress else "pickle")


def test_a_compressed_skops_file(tmp_path: Path) -> None:
    path = tmp_path / "net.skops"
    path.write_bytes(skops_bytes(trained.trained(VARIED[0]), compression=8))
    trained.check(load(path), VARIED[0])


def test_a_pickle_compressed_by_gzip_is_told_by_what_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "net.pkl.gz"
    path.write_bytes(gzip.compress(pickle.dumps(trained.trained(VARIED[0]))))
    trained.check(load(path), VARIED[0])
    path.write_bytes(gzip.compress(b"a text, and no pickle at all"))
    with pytest.raises(FileFormatError, match="a file compressed with gzip"):
        load(path)


def test_arrays_that_joblib_saved(tmp_path: Path) -> None:
    arrays = pickles.parameters() | {"W2": np.asfortranarray(pickles.parameters()["W2"].astype(">f8"))}
    for compress in COMPRESSIONS:
        path = tmp_path / "net.joblib"
        path.write_bytes(joblib_bytes(arrays, compress=compress))
        network = load(path)
        np.testing.assert_array_equal(network.layers[0].weights, arrays["W1"])
        np.testing.assert_array_equal(network.layers[1].weights, arrays["W2"])


def test_arrays_of_joblib_without_numbers_are_named(tmp_path: Path) -> None:
    for array in (np.array(["a"]), np.array([None]), np.array([1j]), np.zeros(2, [("a", "f4")]), np.zeros((0, 2))):
        error = message(tmp_path, {"W1": array, "b1": np.zeros(1)}, joblib_bytes)
        assert "'W1' is an array without numbers" in error.message


def test_an_estimator_among_other_things(tmp_path: Path) -> None:
    model, scaler = trained.trained("mlp relu, three classes"), trained.trained("standard transform")
    for value in ({"model": model, "features": ["a", "b"], "accuracy": 0.9}, [model, None], (1, model)):
        path = tmp_path / "net.pkl"
        path.write_bytes(pickle.dumps(value))
        trained.check(load(path), "mlp relu, three classes")
    path.write_bytes(pickle.dumps({"model": model, "scaler": scaler}))
    with pytest.raises(ParametersError) as caught:
        load(path)
    assert caught.value.message.endswith(
        r"holds several estimators, and does not say in which order they work: "
        r"'model' (MLPClassifier), 'scaler' (StandardScaler)"
    )
    assert "make_pipeline" in caught.value.hint


def test_nothing_but_numpy_is_imported(tmp_path: Path) -> None:
    name = "search, three classes"
    for file, write in WRITERS.items():
        (tmp_path / file).write_bytes(write(trained.trained(name)))
    (tmp_path / "packed.joblib").write_bytes(joblib_bytes(trained.trained(name), compress=3))
    np.save(tmp_path / "rows.npy", trained.asked(name))
    program = """
import json, sys
import numpy as np
import glassnet
x = np.load("rows.npy")
answers = [glassnet.load(path)(x).tolist() for path in sys.argv[1:]]
loaded = sorted({name.partition(".")[0] for name in sys.modules} & {"sklearn", "joblib", "skops", "scipy", "pandas"})
print(json.dumps([answers, loaded]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, *WRITERS, "packed.joblib"],
        cwd=tmp_path, env=os.environ, capture_output=True, check=True,
    )  # fmt: skip
    answers, loaded = json.loads(done.stdout)
    assert loaded == []
    expected = trained.answers(trained.trained(name), trained.asked(name))
    for found in answers:
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


# --- refusals -----------------------------------------------------------------------------------------------


class OwnScaler:
    """What people define in the script that trains."""

    def transform(self, x: np.ndarray) -> np.ndarray:
        return x


def message(folder: Path, value: Any, write: Any = pickle.dumps, file: str = "net.pkl") -> FileFormatError:
    path = folder / file
    path.write_bytes(write(value))
    with pytest.raises(FileFormatError) as caught:
        load(path)
    assert inspect(path).problem in caught.value.message
    return caught.value


@pytest.mark.parametrize("file", WRITERS)
def test_what_cannot_be_expressed_is_refused_by_name(file: str, tmp_path: Path) -> None:
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.preprocessing import OneHotEncoder

    x, y = trained.THREE
    for words, estimator in {
        "RandomForestClassifier: trees branch": RandomForestClassifier(2, random_state=0).fit(x, y),
        "SVC: its kernel 'rbf' compares": trained.SVC().fit(x, trained.NAMES[y]),
        "ColumnTransformer: it works with columns": trained.Pipeline(
            [
                ("columns", ColumnTransformer([("a", OneHotEncoder(), [0]), ("b", trained.StandardScaler(), [1])])),
                ("scale", trained.MaxAbsScaler()),
            ]
        ).fit(np.round(x), y),
    }.items():
        error = message(tmp_path, estimator, WRITERS[file], file)
        assert isinstance(error, ParametersError)
        assert words in error.message


def test_a_class_of_ones_own_is_code(tmp_path: Path) -> None:
    own = trained.Pipeline([("own", OwnScaler()), ("model", trained.trained("mlp relu, three classes"))])
    for write in (pickle.dumps, joblib_bytes):
        error = message(tmp_path, own, write)
        assert isinstance(error, UnsafeFileError)
        assert (
            f"asks for '{OwnScaler.__module__}.OwnScaler', which no estimator needs; nothing was run" in error.message
        )
    error = message(tmp_path, own, skops_bytes, "net.skops")
    assert isinstance(error, UnsafeFileError)


def test_estimators_that_are_not_known_are_named(tmp_path: Path) -> None:
    from sklearn.cross_decomposition import CCA

    error = message(tmp_path, CCA(1).fit(trained.X, trained.SEVERAL))
    assert isinstance(error, ParametersError)
    assert (
        "holds 'sklearn.cross_decomposition._pls.CCA', which is none of the estimators that glassnet" in error.message
    )


def test_other_libraries_are_named(tmp_path: Path) -> None:
    for name, words in {
        "xgboost.sklearn.XGBClassifier": "holds 'xgboost.sklearn.XGBClassifier', which is none of the estimators",
        "lightgbm.sklearn.LGBMRegressor": "holds 'lightgbm.sklearn.LGBMRegressor', which is none of the estimators",
        "imblearn.pipeline.Pipeline": "holds 'imblearn.pipeline.Pipeline', which is none of the estimators",
    }.items():
        error = message(tmp_path, old.Faked(name, n_jobs=1, raw=bytearray(b"tree")), old.faked)
        assert isinstance(error, ParametersError)
        assert words in error.message


def test_what_an_unreadable_estimator_is_made_of_is_not_told_before_it(tmp_path: Path) -> None:
    from sklearn.neighbors import KNeighborsClassifier

    model = KNeighborsClassifier(algorithm="kd_tree").fit(*trained.THREE)  # whose tree is made by a function
    error = message(tmp_path, model)
    assert isinstance(error, ParametersError)
    assert "KNeighborsClassifier: it compares a row with the rows it was trained on" in error.message


def test_sparse_coefficients_are_named(tmp_path: Path) -> None:
    model = trained.SGDClassifier(random_state=0).fit(*trained.THREE).sparsify()
    assert "scipy.sparse" in message(tmp_path, model).message


def test_a_zip_without_members_is_no_skops_file(tmp_path: Path) -> None:
    path = tmp_path / "net.skops"
    path.write_bytes(b"PK\x05\x06" + bytes(18))
    with pytest.raises(FileFormatError, match="a zip without a member"):
        FORMATS["skops"].read(path)


def test_lz4_is_refused_with_a_way_out(tmp_path: Path) -> None:
    path = tmp_path / "net.joblib"
    path.write_bytes(b"\x04\x22\x4d\x18" + bytes(20))
    with pytest.raises(FileFormatError, match="compressed with lz4") as caught:
        load(path)
    assert "joblib.dump(joblib.load(path)" in caught.value.hint
