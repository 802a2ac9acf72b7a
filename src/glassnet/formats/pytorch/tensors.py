"""What the globals in PyTorch's pickles come to, without PyTorch: tensors as places in storages, and arrays of them.

A tensor is pickled as a call of ``_rebuild_tensor_v2`` with a storage, an offset, sizes and strides, the storage as a
persistent id that says its kind, its key and its length. The bytes lie elsewhere in the file. Here the call comes to a
``Tensor``, which is only these numbers; ``Storages`` makes an array of one when it is asked for, after all of them have
been compared with the bytes that are there. Format: ``torch/serialization.py``, ``torch/_utils.py``.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from glassnet.errors import FileFormatError
from glassnet.formats.contents import MOST_AXES, Global, shown, widened_bfloat16
from glassnet.formats.pickle_arrays import ALLOWED, Parcel
from glassnet.formats.pickle_rules import Arguments, Budget, Built, Call, Record, Rules, Source, text
from glassnet.network.steps import Array

BFLOAT16 = "bfloat16"
# dtype → NumPy's code for it; bfloat16 has none.
DTYPES: Mapping[str, str] = MappingProxyType(
    {
        **{"float16": "f2", "float32": "f4", "float64": "f8", BFLOAT16: "u2"},
        **{f"int{bits}": f"i{bits // 8}" for bits in (8, 16, 32, 64)},
        **{f"uint{bits}": f"u{bits // 8}" for bits in (8, 16, 32, 64)},
        "bool": "u1",
    }
)
_STORAGES = {
    "Float": "float32", "Double": "float64", "Half": "float16", "BFloat16": BFLOAT16, "Long": "int64", "Int": "int32",
    "Short": "int16", "Char": "int8", "Byte": "uint8", "Bool": "bool", "Untyped": "",
}  # fmt: skip
_FREE_BYTES = 1 << 20
# Kinds that are known by name, so that a file may hold them, but are no parameters that a network here can use.
_OTHER_STORAGES = ("QInt8", "QUInt8", "QInt32", "QUInt4x2", "QUInt2x4", "ComplexFloat", "ComplexDouble")
# Storages of whole numbers that stand for others → the dtype of the whole numbers.
QUANTISED = {"torch.QInt8Storage": "int8", "torch.QUInt8Storage": "uint8", "torch.QInt32Storage": "int32"}
_OTHER_DTYPES = ("complex64", "complex128", "float8_e4m3fn", "float8_e5m2", "qint8", "quint8", "qint32")


@dataclass(frozen=True, slots=True)
class Storage:
    """A row of numbers somewhere in the file: their dtype (empty: bytes), its key, how many, and from which on."""

    dtype: str
    key: str
    count: int
    begin: int = 0


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor: which numbers of a storage it has, with the first one's place and the steps along its axes."""

    storage: Storage
    dtype: str
    offset: int
    sizes: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Quantised(Tensor):
    """A tensor of whole numbers that stand for (number - zero) · scale, for all of it or along one axis."""

    scale: float | Tensor
    zero: int | Tensor
    axis: int = 0


class Ordered(dict[Any, Any], Built):
    """An OrderedDict, to which a state_dict adds the versions of its modules."""

    def build(self, state: object, source: Source) -> None:
        """Leave the state aside: it says nothing about parameters."""


def budget_for(length: int) -> Budget:
    """Return how many bytes of tensors a file of this length may have: those that overlap are few."""
    return Budget(2 * length + _FREE_BYTES)


class Storages:
    """The arrays that a file's tensors are, each made once."""

    def __init__(self, find: Callable[[Storage], memoryview], budget: Budget, order: str = "<") -> None:
        self.find = find
        self.budget = budget
        self.order = order
        self.made: dict[Tensor, Array] = {}

    def array(self, tensor: Tensor) -> Array:
        """Return ``tensor`` as an array: read-only, a view of the file unless it is bfloat16.

        Raises FileFormatError for one that reaches outside of its storage, UnsafeFileError for more of them than a
        file of this length can justify.
        """
        if tensor not in self.made:
            self.made[tensor] = self._made(tensor)
        return self.made[tensor]

    def _made(self, tensor: Tensor) -> Array:
        if isinstance(tensor, Quantised):
            return self._multiplied_out(tensor)
        if tensor.dtype not in DTYPES:
            raise FileFormatError(f"dtype '{shown(tensor.dtype)}', expected one of {', '.join(DTYPES)}")
        dtype = np.dtype(self.order + DTYPES[tensor.dtype])
        count = math.prod(tensor.sizes)
        self.budget.spend(count * dtype.itemsize)
        content = self.find(tensor.storage)
        there = len(content) // dtype.itemsize
        last = tensor.offset + sum((n - 1) * step for n, step in zip(tensor.sizes, tensor.strides, strict=True))
        if last >= there:
            raise FileFormatError(
                f"needs number {shown(last + 1)} of storage '{shown(tensor.storage.key)}', which has {there:,}"
            )
        flat = np.frombuffer(content, dtype, there)
        if _contiguous(tensor):
            array = flat[tensor.offset : tensor.offset + count].reshape(tensor.sizes)
        else:
            steps = [step * dtype.itemsize for step in tensor.strides]
            array = as_strided(flat[tensor.offset :], tensor.sizes, steps, writeable=False)
        return widened_bfloat16(array) if tensor.dtype == BFLOAT16 else array

    def _multiplied_out(self, tensor: Quantised) -> Array:
        whole = Tensor(tensor.storage, QUANTISED[tensor.dtype], tensor.offset, tensor.sizes, tensor.strides)
        array: Array = self.array(whole).astype(np.float32)
        array -= self._along(tensor, tensor.zero)
        array *= self._along(tensor, tensor.scale)
        array.flags.writeable = False
        return array

    def _along(self, tensor: Quantised, given: float | Tensor) -> Array:
        """Return one number, or those along the axis of a tensor, so that they meet its numbers."""
        if not isinstance(given, Tensor):
            return np.asarray(given, np.float32)
        found = self.array(given)
        if found.shape != (tensor.sizes[tensor.axis],):
            raise FileFormatError(f"quantised along axis {tensor.axis} by numbers of shape {found.shape}")
        shape = [1] * len(tensor.sizes)
        shape[tensor.axis] = -1
        return found.astype(np.float32).reshape(shape)


def _contiguous(tensor: Tensor) -> bool:
    expected = 1
    for size, stride in zip(tensor.sizes[::-1], tensor.strides[::-1], strict=True):
        if size != 1 and stride != expected:
            return False
        expected *= size
    return True


def storage_named(kind: object, key: object, count: object) -> Storage:
    """Return the storage that a persistent id names: (its class, its key, its length)."""
    match kind, count:
        case Global(name=name, allowed=True), int() if 0 <= count < 1 << 63:
            short = name.removeprefix("torch.").removeprefix("storage.").removesuffix("Storage")
            return Storage(_STORAGES.get(short, name), text(key), count)
    raise FileFormatError("a storage without a kind, a key and a length")


# --- the calls ----------------------------------------------------------------------------------------------


def _no_call(budget: Budget, arguments: Arguments) -> None:
    raise FileFormatError("a call of something that is only a name here")


def _tensor(budget: Budget, arguments: Arguments) -> Tensor:
    match arguments:
        case (Storage() as storage, int(offset), sizes, strides, *_):
            return tensor_at(storage, storage.dtype, offset, sizes, strides)
    raise FileFormatError("a tensor made from something else than storage, offset, sizes and strides")


def _tensor_with_dtype(budget: Budget, arguments: Arguments) -> Tensor:
    match arguments:
        case (Storage() as storage, int(offset), sizes, strides, _, _, Global(name=name), *_):
            return tensor_at(storage, name.removeprefix("torch."), offset, sizes, strides)
    raise FileFormatError("a tensor made from something else than storage, offset, sizes, strides and dtype")


def tensor_at(storage: Storage, dtype: str, offset: int, sizes: object, strides: object) -> Tensor:
    """Return the tensor of these sizes, its place counted in numbers of its dtype from the first of its storage.

    Raises FileFormatError for sizes and strides that cannot be.
    """
    if not isinstance(sizes, tuple) or not isinstance(strides, tuple) or len(sizes) != len(strides):
        raise FileFormatError("a tensor whose sizes and strides are not as many")
    numbers = (offset, *sizes, *strides)
    if len(sizes) > MOST_AXES or not all(type(number) is int and 0 <= number < 1 << 63 for number in numbers):
        raise FileFormatError(f"a tensor of more than {MOST_AXES} axes, or with an offset, size or stride out of range")
    return Tensor(storage, dtype, storage.begin + offset, sizes, strides)


def _quantised(budget: Budget, arguments: Arguments) -> Quantised:
    match arguments:
        case (Storage(dtype=dtype) as storage, int(offset), sizes, strides, (Global(name=scheme), *how), *_) if (
            dtype in QUANTISED
        ):
            plain = tensor_at(storage, dtype, offset, sizes, strides)
            place = (plain.storage, plain.dtype, plain.offset, plain.sizes, plain.strides)
            match scheme, how:
                case "torch.per_tensor_affine", [float(scale), int(zero)]:
                    return Quantised(*place, scale, zero)
                case "torch.per_channel_affine", [Tensor() as scales, Tensor() as zeros, int(axis)] if (
                    0 <= axis < len(plain.sizes)
                ):
                    return Quantised(*place, scales, zeros, axis)
            raise FileFormatError(f"a tensor quantised by '{shown(scheme)}', expected per tensor or channel, affine")
    raise FileFormatError("a quantised tensor made from something else than storage, places, and how it is quantised")


def _first(budget: Budget, arguments: Arguments) -> object:
    """Return what a Parameter holds, or what a tensor was made from."""
    match arguments:
        case ((Tensor() | Parcel()) as found, *_):
            return found
    raise FileFormatError("a Parameter made from something else than a tensor")


def _of_type(budget: Budget, arguments: Arguments) -> object:
    match arguments:
        case (Global(name=name, allowed=True), _, tuple() as inner, *_):
            module, _, function = name.rpartition(".")
            return CALLS.get((module, function), _no_call)(budget, inner)
    raise FileFormatError("a tensor of a kind of its own")


def _size(budget: Budget, arguments: Arguments) -> tuple[Any, ...]:
    match arguments:
        case (tuple() as sizes,):
            return sizes
        case (list() as sizes,):
            budget.spend(8 * len(sizes))
            return tuple(sizes)
    raise FileFormatError("a torch.Size made from something else than numbers")


def _ordered(budget: Budget, arguments: Arguments) -> Ordered:
    match arguments:
        case ():
            return Ordered()
        case (list() as pairs,):  # as Python 2 wrote it
            budget.spend(16 * len(pairs))
            entries = [(text(pair[0]), pair[1]) for pair in pairs if isinstance(pair, list | tuple) and len(pair) == 2]
            return Ordered(entries)
    raise FileFormatError("an OrderedDict made from something else than pairs")


def _list(budget: Budget, arguments: Arguments) -> object:
    """Return a list that TorchScript marks as one of numbers or of tensors."""
    match arguments:
        case (list() as items, *_):
            return items
        case (tuple() | dict() as items, *_):
            return items
    raise FileFormatError("a list made from something else")


CALLS: Mapping[tuple[str, str], Call] = MappingProxyType(
    {
        **ALLOWED,
        ("collections", "OrderedDict"): _ordered,
        ("torch._utils", "_rebuild_tensor"): _tensor,
        ("torch._utils", "_rebuild_tensor_v2"): _tensor,
        ("torch._utils", "_rebuild_tensor_v3"): _tensor_with_dtype,
        ("torch._utils", "_rebuild_qtensor"): _quantised,
        **{("torch", name): _no_call for name in ("per_tensor_affine", "per_channel_affine")},
        ("torch._utils", "_rebuild_parameter"): _first,
        ("torch._utils", "_rebuild_parameter_with_state"): _first,
        ("torch._utils", "_rebuild_device_tensor_from_numpy"): _first,
        ("torch._tensor", "_rebuild_from_type_v2"): _of_type,
        ("torch.nn.parameter", "Parameter"): _first,
        ("torch", "Size"): _size,
        ("torch", "Tensor"): _no_call,
        **{("torch", f"{kind}Storage"): _no_call for kind in (*_STORAGES, *_OTHER_STORAGES)},
        ("torch.storage", "UntypedStorage"): _no_call,
        **{("torch", name): _no_call for name in (*DTYPES, *_OTHER_DTYPES)},
        **{
            ("torch.jit._pickle", name): _list
            for name in ("build_intlist", "build_tensorlist", "build_doublelist", "build_boollist", "restore_type_tag")
        },
    }
)

# Classes whose objects stand beside the tensors in checkpoints and say nothing about them; none of them is looked up.
_RECORDS = frozenset(
    {
        "torch.device", "argparse.Namespace", "types.SimpleNamespace", "uuid.UUID", "decimal.Decimal",
        "fractions.Fraction", "builtins.set", "builtins.frozenset", "builtins.slice", "builtins.complex",
        "builtins.bytearray", "builtins.object", "__builtin__.set", "__builtin__.object", "__builtin__.complex",
        *(f"collections.{name}" for name in ("defaultdict", "deque", "Counter")),
        *(f"datetime.{name}" for name in ("date", "time", "datetime", "timedelta", "timezone")),
        *(
            f"{module}.{name}"
            for module in ("pathlib", "pathlib._local")
            for name in ("Path", "PosixPath", "WindowsPath", "PurePath", "PurePosixPath", "PureWindowsPath")
        ),
    }
)  # fmt: skip
# Of these, a class or function is called by a stranger's name only to do something; the rest are a project's own.
_STANDARD = frozenset({*sys.stdlib_module_names, "__builtin__", "numpy", "exceptions", "commands"})


def record_of(name: str) -> type[Record] | None:
    """Return what an object of a class becomes where nothing but its attributes matters."""
    return Record if name in _RECORDS or name.startswith("__torch__.") else None


def rules(
    persistent: Callable[[object], object] | None, more: Mapping[tuple[str, str], Call] = MappingProxyType({})
) -> Rules:
    """Return the rules of PyTorch's pickles; ``persistent`` answers for the storages, ``more`` are further calls."""
    return Rules({**CALLS, **more}, record_of, persistent)


def could_do_harm(wanted: Global) -> bool:
    """Tell whether a global that is not known comes from Python itself or from NumPy: no checkpoint needs one."""
    return not wanted.allowed and wanted.name.partition(".")[0] in _STANDARD
