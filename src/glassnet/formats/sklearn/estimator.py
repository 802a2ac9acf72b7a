"""A fitted estimator as data: its class by name, its attributes, and questions that check what they find.

The attributes come from a pickle, a skops file or a live object; none of these is trusted. Whatever is missing or
of another kind is an error that names the estimator and the attribute.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from glassnet.errors import ParametersError
from glassnet.formats.contents import shown
from glassnet.formats.pickle_rules import Budget, Record
from glassnet.formats.sklearn.arrays import array_of
from glassnet.network import Label
from glassnet.network.steps import Array

LIBRARY = "sklearn"
_MOST_LAYERS = 1_000
_LONGEST_OPTION = 80
_VERSION = re.compile(r"(\d{1,3})\.(\d{1,3})", re.ASCII)


@dataclass(frozen=True)
class Estimator:
    """One estimator: the name of its class, what it learned, and the version of scikit-learn that made it.

    budget: what may still be copied of its arrays. version: (0, 0) where it is not known, as before 0.18.
    """

    kind: str
    attributes: Mapping[Any, Any]
    budget: Budget
    version: tuple[int, int] = (0, 0)

    def refuse(self, reason: str, hint: str = "") -> NoReturn:
        """Raise ParametersError, naming the estimator."""
        raise ParametersError(f"{self.kind}: {reason}", hint=hint)

    def has(self, name: str) -> bool:
        """Tell whether the attribute is there and not None."""
        return self.attributes.get(name) is not None

    def value(self, name: str) -> Any:
        """Return an attribute as it is."""
        if name not in self.attributes:
            self.refuse(f"has no '{name}', expected a fitted estimator", hint="call fit before it is saved")
        return self.attributes[name]

    def choice(self, name: str, default: str | float | None = None) -> Any:
        """Return an option: a text, a bool, a number or None."""
        value = array_of(self.attributes.get(name, default))
        if isinstance(value, np.ndarray) and not value.ndim and value.dtype.kind in "biufU":
            value = value.item()
        if isinstance(value, bytes | memoryview):  # a text of Python 2
            value = str(bytes(value[: _LONGEST_OPTION + 1]), "latin1")
        if value is not None and not isinstance(value, str | bool | int | float):
            self.refuse(f"'{name}' is {type(value).__name__}, expected an option")
        if isinstance(value, int):
            self._float(value, f"'{name}'")
        if isinstance(value, str) and len(value) > _LONGEST_OPTION:
            self.refuse(f"'{name}' is a text of {len(value):,} characters, expected an option")
        return value

    def array(self, name: str, *axes: int) -> Array:
        """Return finite numbers, with as many axes as one of ``axes`` says."""
        return self._numbers(array_of(self.value(name)), f"'{name}'", axes)

    def arrays(self, name: str) -> list[Array]:
        """Return a list of matrices or vectors."""
        values = self.value(name)
        if not isinstance(values, list | tuple) or not values:
            self.refuse(f"'{name}' is {type(values).__name__}, expected a list of arrays")
        if len(values) > _MOST_LAYERS:
            self.refuse(f"'{name}' has {len(values):,} arrays, expected at most {_MOST_LAYERS:,}")
        return [self._numbers(array_of(value), f"'{name}'[{i}]", (1, 2)) for i, value in enumerate(values)]

    def _numbers(self, value: object, what: str, axes: Sequence[int]) -> Array:
        if isinstance(value, float | int):
            value = np.asarray(self._float(value, what))
        if isinstance(value, np.ndarray) and value.dtype == object:
            value = _of_numbers(value)
        if not isinstance(value, np.ndarray):
            hint = "call densify() before it is saved" if "sparse" in _kind(value) else ""
            self.refuse(f"{what} is {_kind(value)}, expected an array of numbers", hint=hint)
        if value.dtype.kind not in "biuf" or not value.size:
            self.refuse(f"{what} is an array of {value.dtype}, expected numbers")
        if value.ndim not in axes:
            self.refuse(f"{what} has shape {value.shape}, expected {' or '.join(map(str, axes))} axes")
        self.budget.spend(8 * value.size)  # what a copy of it takes
        if value.dtype.newbyteorder("=") not in (np.float32, np.float64):
            value = value.astype(np.float64)
        if not np.isfinite(value).all():
            self.refuse(f"{what} holds values that are not finite")
        return value

    def _float(self, value: float, what: str) -> float:
        try:
            return float(value)
        except OverflowError:
            self.refuse(f"{what} is an integer beyond the largest float")

    def limits(self, name: str) -> tuple[float, float]:
        """Return two numbers, of which the first is not above the second."""
        match self.value(name):
            case (int() | float() as low, int() | float() as high) if low <= high:
                return self._float(low, f"'{name}'"), self._float(high, f"'{name}'")
        self.refuse(f"'{name}' is not two numbers, the lower one first")

    def labels(self, name: str = "classes_") -> tuple[Label, ...]:
        """Return the classes as integers, texts or bools, as a network has them."""
        values = array_of(self.value(name))
        if not isinstance(values, np.ndarray) or values.ndim != 1:
            found = f"shape {values.shape}" if isinstance(values, np.ndarray) else _kind(values)
            self.refuse(f"'{name}' is {found}, expected one list of classes")
        try:
            found = values.tolist()
        except ValueError:  # a letter beyond Unicode
            self.refuse(f"'{name}' holds a text that is none")
        return tuple(self._label(value) for value in found)

    def _label(self, value: object) -> Label:
        value = array_of(value)
        if isinstance(value, np.ndarray) and not value.ndim and value.dtype.kind in "biufU":
            value = value.item()
        if isinstance(value, bytes):
            return str(value, "latin1")
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if not isinstance(value, str | int):
            self.refuse(f"a class is {_kind(value)}, expected an integer or a text")
        return value

    def inner(self, name: str) -> Estimator:
        """Return the estimator that an attribute holds."""
        return self.nested(self.value(name), f"'{name}'")

    def nested(self, value: object, what: str) -> Estimator:
        """Return an estimator that lies somewhere in this one."""
        found = estimator_of(value, self.budget)
        if found is None:
            self.refuse(f"{what} is {_kind(value)}, expected an estimator")
        return found


def estimator_of(value: object, budget: Budget) -> Estimator | None:
    """Return the estimator that a record or a live object is; None for anything else."""
    if isinstance(value, Record):
        library, name = value.name.partition(".")[0], value.name.rpartition(".")[2]
        attributes: Mapping[Any, Any] = value.state if isinstance(value.state, dict) else {}
        version = attributes.get("_sklearn_version")
    else:
        library, name = type(value).__module__.partition(".")[0], type(value).__name__
        attributes = getattr(value, "__dict__", {})
        version = getattr(sys.modules.get(library), "__version__", None)
    if library != LIBRARY:
        return None
    if isinstance(version, bytes):
        version = str(version, "latin1")
    match = _VERSION.match(version) if isinstance(version, str) else None
    return Estimator(shown(name), attributes, budget, (int(match[1]), int(match[2])) if match else (0, 0))


def _of_numbers(values: Array) -> Array:
    """Return Python's numbers as NumPy's, where they are all numbers."""
    plain = [array_of(value) for value in values.ravel().tolist()]
    if not all(isinstance(value, int | float | np.ndarray) and np.ndim(value) == 0 for value in plain):
        return values
    try:
        return np.array([float(value) for value in plain]).reshape(values.shape)
    except (ValueError, TypeError, OverflowError):  # a text of NumPy's, an integer beyond the largest float
        return values


def _kind(value: object) -> str:
    return shown(value.name) if isinstance(value, Record) else type(value).__name__
