"""The ``.safetensors`` format: a JSON header, then the bytes of all tensors without a gap.

Written by the format's own library, read here: measured with a tensor of 200 MB, the library's reader takes 400 MB and
0.8 s where a map of the file takes nothing, and it knows no bfloat16 without PyTorch. The checks are the ones the
format asks for: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from safetensors.numpy import save

from glassnet.errors import FileFormatError
from glassnet.formats import beginnings
from glassnet.formats.contents import (
    CUT_OFF_HINT,
    MOST_ARRAYS,
    Contents,
    file_data,
    half,
    parsed_json,
    plain_array,
    plain_dtype,
    shown,
    widened_bfloat16,
)
from glassnet.formats.description import KEY, describe
from glassnet.network import Network
from glassnet.network.steps import Array

_LENGTH_BYTES = 8
# BF16, the upper half of a float32, has no NumPy dtype; it is read as its bits.
_DTYPES = {
    **{f"F{bits}": f"<f{bits // 8}" for bits in (16, 32, 64)},
    **{f"I{bits}": f"<i{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"U{bits}": f"<u{bits // 8}" for bits in (8, 16, 32, 64)},
    "BF16": "<u2",
}


def read(path: Path) -> Contents:
    """Return the tensors, and the network's description where glassnet wrote it."""
    data = file_data(path)
    length = int.from_bytes(data[:_LENGTH_BYTES], "little")
    start = _LENGTH_BYTES + length
    if start > len(data) or len(data) < _LENGTH_BYTES:
        what = "cut off" if beginnings.safetensors(data[:9]) else "not a safetensors file, or cut off"
        message = f"{what}: a header of {length:,} bytes expected, found {len(data):,} bytes in all"
        raise FileFormatError(message, hint=CUT_OFF_HINT)
    header = parsed_json(memoryview(data)[_LENGTH_BYTES:start], "a header")
    if not isinstance(header, dict):
        raise FileFormatError("its header is not a JSON object")
    metadata = header.pop("__metadata__", {})
    if len(header) > MOST_ARRAYS:
        raise FileFormatError(f"holds {len(header):,} arrays, expected at most {MOST_ARRAYS:,}")
    tensors = memoryview(data)[start:]
    _check_length(header, start, len(data))
    entries = [_entry(name, entry, len(tensors)) for name, entry in header.items()]
    _check_gaps(entries, len(tensors))
    return Contents({entry.name: _array(entry, tensors) for entry in entries}, _description(metadata))


def write(network: Network) -> bytes:
    """Return header and tensors, with the description among the metadata."""
    return _written(describe(network))


def write_half(network: Network) -> bytes:
    """Return the same with every array in half precision; the description stays as it is."""
    contents = describe(network)
    return _written(replace(contents, arrays={name: half(array) for name, array in contents.arrays.items()}))


def _written(contents: Contents) -> bytes:
    return save(dict(contents.arrays), metadata={KEY: json.dumps(contents.description)})


@dataclass(frozen=True)
class _Entry:
    name: str
    dtype: str
    shape: list[Any]
    begin: int
    end: int


def _entry(name: str, entry: object, size: int) -> _Entry:
    match entry:
        case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [int(begin), int(end)], **others} if (
            not others and 0 <= begin <= end <= size
        ):
            if dtype in _DTYPES:
                return _Entry(name, dtype, shape, begin, end)
            known = ", ".join(_DTYPES)
            raise FileFormatError(f"array '{shown(name)}': dtype '{shown(dtype)}', expected one of {known}")
    raise FileFormatError(f"array '{shown(name)}': expected dtype, shape and two offsets within {size:,} bytes")


def _check_length(header: dict[str, Any], start: int, size: int) -> None:
    """Raise FileFormatError where the tensors reach beyond the end of the file, naming the first that does."""
    for name, entry in header.items():
        match entry:
            case {"data_offsets": [int(), int(end)]} if size < start + end < 1 << 63:
                raise FileFormatError(
                    f"cut off: array '{shown(name)}' ends at byte {start + end:,}, and the file has {size:,}",
                    hint=CUT_OFF_HINT,
                )


def _check_gaps(entries: list[_Entry], size: int) -> None:
    """Check that the tensors lie one behind the other and fill the file: nothing shared, nothing hidden."""
    expected = 0
    for entry in sorted(entries, key=lambda entry: (entry.begin, entry.end)):
        if entry.begin != expected:
            raise FileFormatError(
                f"array '{shown(entry.name)}': begins at byte {entry.begin:,} of the data, expected {expected:,}"
            )
        expected = entry.end
    if expected != size:
        raise FileFormatError(f"{size:,} bytes of data, expected {expected:,}")


def _array(entry: _Entry, tensors: memoryview) -> Array:
    try:
        array = plain_array(
            tensors[entry.begin : entry.end], plain_dtype(_DTYPES[entry.dtype]), entry.shape, by_columns=False
        )
    except FileFormatError as error:
        raise FileFormatError(f"array '{shown(entry.name)}': {error.message}") from None
    return widened_bfloat16(array) if entry.dtype == "BF16" else array


def _description(metadata: object) -> Any:
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise FileFormatError("its metadata are not texts by name")
    return parsed_json(metadata[KEY], "a description") if KEY in metadata else None
