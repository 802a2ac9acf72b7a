"""Arrays as scikit-learn's files hold them: numbers, and beside them texts, truth values and Python objects.

NumPy pickles an array with its bytes inside. joblib puts a wrapper in its place, and the bytes, or for Python objects
a pickle of their own, behind it in the file. What a network has no use for (dates, records of fields) is read over,
not refused: it stands in attributes that nobody asks for. Format: ``joblib/numpy_pickle.py``, ``NumpyArrayWrapper``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from glassnet.errors import FileFormatError, UnsafeFileError
from glassnet.formats.contents import MOST_AXES, Global, plain_array, shown
from glassnet.formats.pickle_arrays import ALLOWED, Dtype, Parcel
from glassnet.formats.pickle_rules import Arguments, Budget, Call, Record, Source, text
from glassnet.network.steps import Array

_CODE = re.compile(r"[<>|=]?([A-Za-z?])([0-9]{0,9})", re.ASCII)
_NUMBERS = re.compile(r"[<>|=]?(f[248]|[iu][1248]|b1|[US][1-9][0-9]{0,5})", re.ASCII)
_FIRST_SURROGATE, _LAST_SURROGATE, _LAST_LETTER = 0xD800, 0xDFFF, 0x10FFFF
# What is not read: an array without a value in it.
NOTHING: Array = np.empty(0, dtype="V1")


class AnyDtype(Dtype):
    """A dtype of any kind."""

    def build(self, state: object, source: Source) -> None:
        """Take the state (version, order, subdtype, names, fields, size, …); fields stay unknown."""
        match state:
            case (int(), order, *_):
                self.code = text(order) + self.code.lstrip("<>|=")
            case _:
                raise FileFormatError("a dtype without a byte order")

    @property
    def size(self) -> int:
        """How many bytes one value takes."""
        match = _CODE.fullmatch(self.code)
        if match is None:
            raise FileFormatError(f"dtype '{shown(self.code)}' is none of NumPy's")
        return int(match[2] or 1) * (4 if match[1] == "U" else 1)

    @property
    def of_objects(self) -> bool:
        """Whether the values are Python objects."""
        return self.code.lstrip("<>|=").startswith("O")

    def array(self, data: object, shape: object, by_columns: bool, budget: Budget) -> Array:
        """Return the array; ``NOTHING`` for kinds and shapes that hold no parameter."""
        sizes = _sizes(shape)
        if isinstance(data, list):
            return of_objects(data, sizes)
        if not isinstance(data, bytes | memoryview):
            raise FileFormatError("an array without bytes")
        if not _NUMBERS.fullmatch(self.code) or 0 in sizes:
            return NOTHING
        budget.spend(len(data))
        array = plain_array(data, np.dtype(self.code), sizes, by_columns)
        if array.dtype.kind == "U":
            _check_letters(np.frombuffer(data, array.dtype.byteorder.replace("=", "") + "u4"))
        return array


def _check_letters(codes: Array) -> None:
    """Check that numbers are letters: NumPy makes texts of any, and Python then has none."""
    if codes.max() > _LAST_LETTER or ((codes >= _FIRST_SURROGATE) & (codes <= _LAST_SURROGATE)).any():
        raise FileFormatError("a text beyond Unicode")


def _sizes(shape: object) -> tuple[int, ...]:
    if not isinstance(shape, tuple) or len(shape) > MOST_AXES:
        raise FileFormatError("an array without a shape")
    for size in shape:
        if type(size) is not int or not 0 <= size < 1 << 63:
            raise FileFormatError("a shape that is not of sizes")
    return shape


def of_objects(items: list[object], sizes: tuple[int, ...]) -> Array:
    """Return an array of Python objects, each as it is."""
    if math.prod(sizes) != len(items):
        raise FileFormatError(f"shape {shown(str(sizes))} of {len(items):,} objects")
    array = np.empty(len(items), dtype=object)
    for place, item in enumerate(items):
        array[place] = item
    return array.reshape(sizes)


class Wrapper(Record, Parcel):
    """What joblib writes in place of an array: a parcel, too, whose bytes lie behind it."""

    def build(self, state: object, source: Source) -> None:
        """Take shape, order and dtype, skip the padding, take the bytes."""
        match state:
            case {"dtype": AnyDtype() as dtype, "shape": shape, "order": order, **others}:
                self.array = self._taken(dtype, _sizes(shape), text(order) == "F", others, source)
            case _:
                raise FileFormatError("an array of joblib without dtype, shape and order")

    def _taken(
        self, dtype: AnyDtype, sizes: tuple[int, ...], by_columns: bool, others: Mapping[Any, Any], source: Source
    ) -> Array:
        if dtype.of_objects:
            found = source.nested()
            return found.array if isinstance(found, Parcel) and found.array is not None else NOTHING
        if others.get("numpy_array_alignment_bytes") is not None:  # since joblib 1.2
            source.take(source.take(1)[0])
        return dtype.array(source.take(math.prod(sizes) * dtype.size), sizes, by_columns, source.budget)


# --- NumPy's calls, for arrays of any kind ------------------------------------------------------------------


def _reconstruct(budget: Budget, arguments: Arguments) -> Parcel:
    match arguments:
        case (Global(), _, _):
            return Parcel()
    raise FileFormatError("an array of no class")


def _dtype(budget: Budget, arguments: Arguments) -> AnyDtype:
    match arguments:
        case (str() | bytes() | memoryview() as code, *_):
            return AnyDtype(text(code))
        case (Global(name=name), *_):  # Python 2 and old NumPy name a type
            return AnyDtype(
                {"object": "O8", "bool": "b1", "float": "f8", "int": "i8"}.get(name.rpartition(".")[2], "V1")
            )
    raise FileFormatError("a dtype without a code")


def _no_call(budget: Budget, arguments: Arguments) -> None:
    raise UnsafeFileError("a call of something that is only a name here")


# Kinds of numbers and arrays that an attribute may name.
_ONLY_NAMES = {
    "numpy": "float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool bool_ str_ bytes_ matrix "
    "memmap nan",
    "numpy.matrixlib.defmatrix": "matrix",
    "numpy.core.memmap": "memmap",
    "numpy._core.memmap": "memmap",
    "builtins": "object bool int float str list dict tuple type",
    "__builtin__": "object bool int long float str unicode list dict tuple type",
}

CALLS: Mapping[tuple[str, str], Call] = MappingProxyType(
    {
        **ALLOWED,
        ("numpy", "dtype"): _dtype,
        **{(f"numpy.{core}.multiarray", "_reconstruct"): _reconstruct for core in ("core", "_core")},
        **{(module, name): _no_call for module, names in _ONLY_NAMES.items() for name in names.split()},
    }
)


def array_of(value: object) -> Any:
    """Return the array that a parcel, a wrapper or a NumPy number is; anything else as it is."""
    if isinstance(value, Parcel):
        return NOTHING if value.array is None else value.array
    return np.asarray(value) if isinstance(value, np.generic) else value
