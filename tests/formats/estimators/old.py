"""What older versions wrote: their names of modules, their attributes, Python 2's pickles, old joblib's files.

They cannot be installed beside a new one, so the files are made: a new pickle, in which the names are the old ones.
"""

from __future__ import annotations

import io
import pickle
import re
import struct
import zlib
from typing import Any

import numpy as np

# Today's modules → those before 0.22 (scikit-learn), 0.21 (joblib inside scikit-learn), 2.0 (NumPy).
MODULES = {
    b"sklearn.neural_network._multilayer_perceptron": b"sklearn.neural_network.multilayer_perceptron",
    b"sklearn.neural_network._stochastic_optimizers": b"sklearn.neural_network._stochastic_optimizers",
    b"sklearn.preprocessing._data": b"sklearn.preprocessing.data",
    b"sklearn.preprocessing._label": b"sklearn.preprocessing.label",
    b"sklearn.linear_model._logistic": b"sklearn.linear_model.logistic",
    b"sklearn.linear_model._stochastic_gradient": b"sklearn.linear_model.stochastic_gradient",
    b"sklearn.linear_model._sgd_fast": b"sklearn.linear_model.sgd_fast",
    b"sklearn.linear_model._perceptron": b"sklearn.linear_model.perceptron",
    b"sklearn.linear_model._base": b"sklearn.linear_model.base",
    b"sklearn.linear_model._ridge": b"sklearn.linear_model.ridge",
    b"sklearn.decomposition._pca": b"sklearn.decomposition.pca",
    b"sklearn.model_selection._search": b"sklearn.grid_search",
    b"sklearn.impute._base": b"sklearn.preprocessing.imputation",
    b"sklearn.svm._classes": b"sklearn.svm.classes",
    b"joblib.numpy_pickle": b"sklearn.externals.joblib.numpy_pickle",
    b"numpy._core": b"numpy.core",
    b"numpy.random._pickle": b"numpy.random",
}


def with_old_modules(data: bytes) -> bytes:
    """Return a pickle of protocol 2 or less, in which names are lines, with the modules' old names."""
    for new, old in MODULES.items():
        data = re.sub(rb"c" + re.escape(new) + rb"((?:\.\w+)*\n)", rb"c" + old + rb"\1", data)
    return data


# The one that is written in Python, whose methods can be replaced.
_Pickler: Any = getattr(pickle, "_Pickler")  # noqa: B009  # not in the types


class Python2Pickler(_Pickler):  # type: ignore[misc]
    """Writes texts and bytes as Python 2 wrote its one kind of strings."""

    dispatch = _Pickler.dispatch.copy()

    def save_string(self, value: str | bytes) -> None:
        data = value if isinstance(value, bytes) else value.encode()
        short = len(data) < 256
        self.write((b"U" + bytes([len(data)]) if short else b"T" + struct.pack("<i", len(data))) + data)
        self.memoize(value)

    dispatch[str] = save_string
    dispatch[bytes] = save_string


def python_2(value: Any) -> bytes:
    """Return a pickle as Python 2 and an old scikit-learn wrote it."""
    buffer = io.BytesIO()
    Python2Pickler(buffer, 2, fix_imports=True).dump(value)
    return with_old_modules(buffer.getvalue())


class Faked:
    """An object whose pickle claims another class: ``module.name`` with these attributes."""

    def __init__(self, dotted: str, **attributes: Any) -> None:
        self.dotted, self.attributes = dotted, attributes


class FakingPickler(_Pickler):  # type: ignore[misc]
    """Writes the objects of ``Faked`` as objects of the class they claim."""

    def save(self, value: Any, save_persistent_id: bool = True) -> None:
        if not isinstance(value, Faked):
            super().save(value, save_persistent_id)
            return
        module, _, name = value.dotted.rpartition(".")
        self.write(f"c{module}\n{name}\n".encode() + b")\x81")
        super().save(value.attributes)
        self.write(b"b")


def faked(value: Any) -> bytes:
    buffer = io.BytesIO()
    FakingPickler(buffer, 2).dump(value)
    return with_old_modules(buffer.getvalue())


def zfile(content: bytes, *, of_python_2: bool = False) -> bytes:
    """Return what joblib before 0.10 made of a pickle with ``compress``."""
    length = hex(len(content)).ljust(len(hex(1 << 64))).encode()
    return b"ZF" + length + (b" " if of_python_2 else b"") + zlib.compress(content)


def logistic(version: str, **attributes: Any) -> Faked:
    return Faked("sklearn.linear_model.logistic.LogisticRegression", _sklearn_version=version, **attributes)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)
