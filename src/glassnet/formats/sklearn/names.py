"""Which names a pickle of scikit-learn may hold, and what the objects of each come to.

Every one of them is a name here and nothing else: no class is looked up, no function called. What a network needs
(estimators, NumPy's arrays) becomes a record with its attributes. What stands beside it in such files (optimizers,
losses, generators of random numbers, scorers, ways to split the data) becomes a record that nobody asks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from glassnet.errors import FileFormatError, ParametersError, UnsafeFileError
from glassnet.formats.contents import Global, shown
from glassnet.formats.pickle_rules import Record, Rules
from glassnet.formats.sklearn.arrays import CALLS, Wrapper
from glassnet.formats.sklearn.estimator import LIBRARY
from glassnet.formats.sklearn.table import ESTIMATORS, REFUSED

# Modules of what stands beside an estimator: its names are taken whatever they are.
_BESIDE = re.compile(
    r"""sklearn\.(?:metrics|model_selection|cross_validation|grid_search)\.
      | sklearn\._loss\. | sklearn\.feature_selection\._?univariate_selection\.
      | sklearn\.linear_model\.(?:_?sgd_fast|_?stochastic_gradient\.|_linear_loss)
      | sklearn\.neural_network\._?stochastic_optimizers\.
      | sklearn\.utils\.(?:deprecation|_bunch|_metadata_requests|metadata_routing)
      | scipy\.stats\._?(?:distn_infrastructure|continuous_distns|discrete_distns)\.
      | numpy\.random\. | numpy\.ma\.""",
    re.VERBOSE | re.ASCII,
)
# What attributes are made of, or name: types of numbers, kinds of collections, learners of labels.
_PLAIN_NAMES = frozenset(
    {
        *(f"{module}.{name}" for module in ("builtins", "__builtin__")
          for name in ("object", "bool", "int", "float", "str", "complex", "list", "dict", "tuple", "set", "frozenset",
                       "slice", "range", "xrange", "long", "unicode")),
        *(f"numpy.{name}" for name in ("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8",
                                       "uint16", "uint32", "uint64", "bool", "bool_", "str_", "bytes_",
                                       "matrix", "memmap", "nan")),
        "numpy.matrixlib.defmatrix.matrix", "numpy.core.memmap.memmap", "numpy._core.memmap.memmap",
        "collections.defaultdict", "collections.OrderedDict",
    }
)  # fmt: skip
_BESIDE_CLASSES = frozenset({"LabelBinarizer", "LabelEncoder", "_ConstantPredictor", "MissingIndicator"})
_OTHER_LIBRARIES = (
    "catboost", "category_encoders", "imblearn", "keras", "lightgbm", "mlxtend", "pandas", "scikeras", "scipy",
    "sklearn2pmml", "sklearn_pandas", "skorch", "statsmodels", "tensorflow", "torch", "xgboost",
)  # fmt: skip


WRAPPERS = tuple(f"{library}.numpy_pickle.NumpyArrayWrapper" for library in ("joblib", "sklearn.externals.joblib"))
# Before joblib 0.10 every array lay in a file of its own.
SIDE_FILES = tuple(
    f"{library}.{module}.{name}"
    for library in ("joblib", "sklearn.externals.joblib")
    for module in ("numpy_pickle", "numpy_pickle_compat")
    for name in ("NDArrayWrapper", "ZNDArrayWrapper")
)


def _record(name: str) -> type[Record] | None:
    """Return what an object of the class ``name`` comes to, None for what no estimator needs."""
    if name in WRAPPERS:
        return Wrapper
    library, last = name.partition(".")[0], name.rpartition(".")[2]
    known = library == LIBRARY and (last in ESTIMATORS or last in REFUSED or last in _BESIDE_CLASSES)
    return Record if known or name in _PLAIN_NAMES or name in SIDE_FILES or _BESIDE.match(name) else None


def allowed(name: str) -> bool:
    """Tell whether a file may name this."""
    return _record(name) is not None or (*name.rpartition(".")[::2],) in CALLS


RULES = Rules(CALLS, objects=_record)


def concerns(named: Iterable[Global]) -> bool:
    """Tell whether a pickle that names these is scikit-learn's or joblib's."""
    return any(wanted.name.partition(".")[0] in (LIBRARY, "joblib") for wanted in named)


def check(named: Sequence[Global], *, placed: bool = True) -> None:
    """Raise for the names that an estimator does not need: UnsafeFileError, or ParametersError for known libraries.

    placed: whether the byte where a name stands is known.
    """
    unknown = [wanted for wanted in named if not wanted.allowed]
    unsafe = [wanted for wanted in unknown if wanted.name.partition(".")[0] not in (LIBRARY, *_OTHER_LIBRARIES)]
    for wanted in unsafe or unknown:
        place = f"byte {wanted.offset}: " if placed else ""
        what = f"{place}{'asks for' if unsafe else 'holds'} '{shown(wanted.name)}'"
        if unsafe:
            raise UnsafeFileError(
                f"{what}, which no estimator needs; nothing was run",
                hint="pickle.load and joblib.load would run what this file says; save the estimator alone",
            )
        for kind in (other.name.rpartition(".")[2] for other in named if other.name.startswith(f"{LIBRARY}.")):
            if kind in REFUSED:  # the more telling of the two
                raise ParametersError(f"{kind}: {REFUSED[kind]}")
        raise ParametersError(f"{what}, which is none of the estimators that glassnet reads")
    for wanted in named:
        if wanted.name in SIDE_FILES:
            raise FileFormatError(
                "saved by joblib before 0.10, which keeps the arrays in files beside it (…_01.npy)",
                hint="load it with the scikit-learn that wrote it, and save it with a newer joblib",
            )
