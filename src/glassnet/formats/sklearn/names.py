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

# Modules of what stands beside an estimator: of these, every name is taken.
_BESIDE = re.compile(
    r"""(?: sklearn\.metrics (?:\.(?:_?scorer|_?classification|_?regression|_?ranking|pairwise))?
      | sklearn\.metrics\.cluster (?:\._?(?:un)?supervised)?
      | sklearn\.model_selection\._(?:split|search|validation) | sklearn\.(?:cross_validation|grid_search)
      | sklearn\._loss\.(?:_?loss|link|glm_distribution)
      | sklearn\.linear_model\.(?:_?sgd_fast|_linear_loss|_?stochastic_gradient)
      | sklearn\.neural_network\._?stochastic_optimizers
      | sklearn\.feature_selection\._?univariate_selection
      | sklearn\.utils(?:\.(?:_bunch|_metadata_requests|deprecation))?
      | scipy\.stats\._(?:distn_infrastructure|continuous_distns|discrete_distns)
      | numpy\.random (?:\.(?:mtrand|_pickle|bit_generator|_generator|_mt19937|_pcg64|_philox|_sfc64))?
      | numpy\.ma (?:\.core)?
    ) \.\w+""",
    re.VERBOSE | re.ASCII,
)
# Collections that some protocols make by a call.
_COLLECTIONS = frozenset(
    f"{module}.{name}"
    for module, names in {
        "builtins": "set frozenset slice range complex bytearray",
        "__builtin__": "set frozenset slice xrange complex bytearray",
        "collections": "defaultdict",
    }.items()
    for name in names.split()
)
_BESIDE_CLASSES = frozenset({"LabelBinarizer", "LabelEncoder", "_ConstantPredictor", "MissingIndicator"})
# Libraries that people have beside scikit-learn: what they hold cannot be read, but is no danger's sign either.
_LIBRARIES = frozenset(
    {
        LIBRARY, "catboost", "category_encoders", "imblearn", "keras", "lightgbm", "mlxtend", "pandas", "scikeras",
        "scipy", "skorch", "statsmodels", "tensorflow", "torch", "xgboost",
    }
)  # fmt: skip
_CLASS = re.compile(r"(?:\w+\.)*(?:_?[A-Z]\w*|[a-z]+_(?:matrix|array))", re.ASCII)
_ESTIMATOR_LIBRARIES = frozenset({LIBRARY, "joblib", "catboost", "imblearn", "lightgbm", "xgboost"})
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
    return Record if known or name in _COLLECTIONS or name in SIDE_FILES or _BESIDE.fullmatch(name) else None


def allowed(name: str) -> bool:
    """Tell whether a file may name this."""
    return _record(name) is not None or (*name.rpartition(".")[::2],) in CALLS


RULES = Rules(CALLS, objects=_record)


def concerns(named: Iterable[Global]) -> bool:
    """Tell whether a pickle that names these is scikit-learn's or joblib's, or of a library that builds on it."""
    return any(wanted.name.partition(".")[0] in _ESTIMATOR_LIBRARIES for wanted in named)


def check(named: Sequence[Global], *, placed: bool = True) -> None:
    """Raise for the names that an estimator does not need: UnsafeFileError, or ParametersError for known libraries.

    placed: whether the byte where a name stands is known.
    """
    unknown = [wanted for wanted in named if not wanted.allowed]
    foreign = [wanted for wanted in unknown if wanted.name.partition(".")[0] not in _LIBRARIES]
    if unknown and not foreign:
        for kind in (wanted.name.rpartition(".")[2] for wanted in named if wanted.name.startswith(f"{LIBRARY}.")):
            if kind in REFUSED:  # more telling than what it is made of
                raise ParametersError(f"{kind}: {REFUSED[kind]}")
    for wanted in foreign or unknown:
        place = f"byte {wanted.offset}: " if placed else ""
        if not foreign and _CLASS.fullmatch(wanted.name):
            raise ParametersError(
                f"{place}holds '{shown(wanted.name)}', which is none of the estimators that glassnet reads"
            )
        raise UnsafeFileError(
            f"{place}asks for '{shown(wanted.name)}', which no estimator needs; nothing was run",
            hint="pickle.load and joblib.load would run what this file says; save the estimator alone",
        )
    for wanted in named:
        if wanted.name in SIDE_FILES:
            raise FileFormatError(
                "saved by joblib before 0.10, which keeps the arrays in files beside it (…_01.npy)",
                hint="load it with the scikit-learn that wrote it, and save it with a newer joblib",
            )
