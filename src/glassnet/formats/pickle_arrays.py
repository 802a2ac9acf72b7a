"""What the few globals that NumPy's pickles need come to, without NumPy, or anything else, being called for them.

A pickle builds an array by calls: ``_reconstruct`` makes an empty one, ``BUILD`` fills it with shape, dtype and bytes;
protocol 5 has ``_frombuffer``. Here each of these names is a function of ours, which checks what it is given and
returns a view of the file's own bytes. Format of the states: ``numpy/_core/src/multiarray``, ``array_setstate`` and
``arraydescr_setstate``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from glassnet.errors import FileFormatError, UnsafeFileError
from glassnet.formats.contents import MOST_AXES, Global, plain_array, plain_dtype
from glassnet.formats.pickle_rules import Arguments, Budget, Built, Call, Rules, Source, text
from glassnet.network.steps import Array


@dataclass
class Dtype(Built):
    """A dtype on its way: ``BUILD`` gives its code a byte order."""

    code: str

    def build(self, state: object, source: Source) -> None:
        """Take the state (version, order, subdtype, names, fields, size, alignment, flags)."""
        match state:
            case (int(), order, None, None, None, *_):
                self.code = text(order) + self.code.lstrip("<>|=")
                plain_dtype(self.code)
            case _:
                raise FileFormatError("a dtype made of fields, expected one kind of number")

    def array(self, data: object, shape: object, by_columns: bool, budget: Budget) -> Array:
        """Return ``data`` as an array of this dtype."""
        if isinstance(data, list):
            raise UnsafeFileError("an array of Python objects, which only code could make; expected numbers")
        if not isinstance(shape, tuple) or not isinstance(data, bytes | memoryview):
            raise FileFormatError("an array without a shape or without bytes")
        budget.spend(len(data))
        return plain_array(data, plain_dtype(self.code), shape, by_columns)


@dataclass
class Parcel(Built):
    """An array on its way: made first, filled later, as pickles have it."""

    array: Array | None = None

    def build(self, state: object, source: Source) -> None:
        """Take the state (version, shape, dtype, by columns, bytes)."""
        match state:
            case (int(), shape, Dtype() as dtype, by_columns, data):
                self.array = dtype.array(data, shape, bool(by_columns), source.budget)
            case _:
                raise FileFormatError("an array built from something else than shape, dtype and bytes")


def array_of_lists(value: list[object], budget: Budget) -> Array | None:
    """Return lists of lists of numbers as a float64 array; None unless they are rectangular and hold numbers only.

    A list may stand in another many times, or in itself, so every axis is paid for before it is unfolded.
    """
    numbers: list[Any] = [value]
    shape: list[int] = []
    while numbers and all(isinstance(row, list) for row in numbers) and len(shape) < MOST_AXES:
        shape.append(len(numbers[0]))
        if any(len(row) != shape[-1] for row in numbers):
            return None
        budget.spend(len(numbers) * shape[-1])
        numbers = [number for row in numbers for number in row]
    if not numbers or not {*map(type, numbers)} <= {bool, int, float}:
        return None
    try:
        return np.array(numbers, dtype=np.float64).reshape(shape)
    except OverflowError:  # an integer beyond the largest float
        return None


# --- the calls ----------------------------------------------------------------------------------------------


def _reconstruct(budget: Budget, arguments: Arguments) -> Parcel:
    match arguments:
        case (Global(name="numpy.ndarray"), _, _):
            return Parcel()
    raise FileFormatError("an array of another class than numpy.ndarray")


def _dtype(budget: Budget, arguments: Arguments) -> Dtype:
    match arguments:
        case (code, *_):
            bare = text(code)
            plain_dtype(bare)
            return Dtype(bare)
    raise FileFormatError("a dtype without a code")


def _scalar(budget: Budget, arguments: Arguments) -> Parcel:
    match arguments:
        case (Dtype() as dtype, data):
            return Parcel(dtype.array(data, (), False, budget))
    raise FileFormatError("a NumPy number made from something else than dtype and bytes")


def _frombuffer(budget: Budget, arguments: Arguments) -> Parcel:
    match arguments:
        case (data, Dtype() as dtype, shape, order):
            return Parcel(dtype.array(data, shape, text(order) == "F", budget))
    raise FileFormatError("an array made from something else than bytes, dtype, shape and order")


def _encode(budget: Budget, arguments: Arguments) -> bytes:
    """Return the bytes that protocols 0 to 2 of Python 3 write as a text, byte n as the character n."""
    match arguments:
        case (str(characters), encoding) if text(encoding) in ("latin1", "latin-1"):
            budget.spend(len(characters))
            return characters.encode("latin1")
    raise FileFormatError("a text encoded otherwise than in latin1")


def _empty_bytes(budget: Budget, arguments: Arguments) -> bytes:
    if arguments:
        raise FileFormatError("bytes made from something")
    return b""


def _empty_dict(budget: Budget, arguments: Arguments) -> dict[str, Any]:
    if arguments:
        raise FileFormatError("an OrderedDict made from something")
    return {}


def _no_call(budget: Budget, arguments: Arguments) -> None:
    raise FileFormatError("a call of something that is only a name here")


# (module, name) → what a call of it comes to. NumPy 2 renamed numpy.core to numpy._core; Python 3 renamed __builtin__.
ALLOWED: Mapping[tuple[str, str], Call] = MappingProxyType(
    {
        ("numpy", "ndarray"): _no_call,
        ("numpy", "dtype"): _dtype,
        **{(f"numpy.{core}.multiarray", "_reconstruct"): _reconstruct for core in ("core", "_core")},
        **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
        **{(f"numpy.{core}.numeric", "_frombuffer"): _frombuffer for core in ("core", "_core")},
        ("_codecs", "encode"): _encode,
        **{(module, "bytes"): _empty_bytes for module in ("builtins", "__builtin__")},
        ("collections", "OrderedDict"): _empty_dict,
    }
)

# The rules of a pickle that holds arrays and nothing else.
ARRAYS = Rules(ALLOWED)
