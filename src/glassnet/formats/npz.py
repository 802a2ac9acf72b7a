"""The ``.npz`` format: a zip of ``.npy`` arrays, as ``numpy.savez`` writes it.

``numpy.load`` would do for our own files. For a stranger's it is too trusting: it makes an array as large as the header
claims before it looks for the bytes, and it takes any zip. Here what a member claims is compared with what the zip
says of it, and that with the length of the file, before anything is made. Format: ``numpy.lib.format``.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path
from typing import IO

import numpy as np

from glassnet.errors import FileFormatError
from glassnet.formats.contents import (
    DESCRIPTION_BYTES,
    Contents,
    file_data,
    file_size,
    parsed_json,
    plain_array,
    plain_dtype,
    shown,
)
from glassnet.formats.description import KEY, describe
from glassnet.formats.zips import BROKEN, LONGEST_READ_BYTES, Cautious, broken, check_members
from glassnet.network import Network
from glassnet.network.steps import Array

_LONGEST_HEADER_BYTES = 1024

# Nothing is tried twice (``*+``): a header of spaces would otherwise be split between them in every possible way.
_HEADER = re.compile(
    r"""\s*+\{\s*+ (?:
        (?: ["']descr["']         \s*+:\s*+ ["'](?P<code>[^"']*+)["']
          | ["']fortran_order["'] \s*+:\s*+ (?P<by_columns>True|False)
          | ["']shape["']         \s*+:\s*+ \((?P<shape>(?:\d++L?+(?:,\s*+\d++L?+)*+,?+)?+)\)
        ) \s*+,?+\s*+ ){3} \}\s*+""",
    re.VERBOSE | re.ASCII,
)


def read(path: Path) -> Contents:
    """Return the arrays of a zip of arrays, and the network's description where glassnet wrote it."""
    size = file_size(path)
    arrays: dict[str, Array] = {}
    description = None
    try:
        with Cautious(path) as file, zipfile.ZipFile(file) as archive:
            for info in _checked(archive.infolist(), size):
                name = info.filename.removesuffix(".npy")
                with archive.open(info) as stream:
                    if name == KEY:
                        description = parsed_json(_text(stream, info.file_size), "a description")
                    else:
                        arrays[name] = read_array(stream, info.file_size, name)
    except FileFormatError:
        raise
    except BROKEN as error:
        raise broken(file_data(path), error) from error
    return Contents(arrays, description)


def write(network: Network) -> bytes:
    """Return a zip with one array a member, and the description as a text."""
    contents = describe(network)
    buffer = io.BytesIO()
    arrays = {KEY: np.array(json.dumps(contents.description)), **contents.arrays}
    np.savez(buffer, **arrays)  # type: ignore[arg-type]  # NumPy 2.0 would keep allow_pickle as an array
    return buffer.getvalue()


def _checked(members: list[zipfile.ZipInfo], size: int) -> list[zipfile.ZipInfo]:
    """Return the members if each can be an array, and all of them together can be in a file of this size."""
    for member in members:
        name = member.filename
        if not name.endswith(".npy") or "/" in name or "\\" in name:
            raise FileFormatError(f"its member '{shown(name)}' is not an array, expected names such as W1.npy")
    check_members(members, size)
    return members


# --- one member ---------------------------------------------------------------------------------------------


def read_array(stream: IO[bytes], size: int, name: str) -> Array:
    """Return the array of a member of ``size`` bytes."""
    try:
        header, left = npy_header(stream, size)
        sizes = [int(digits) for digits in re.findall(r"\d+", header["shape"])]
        dtype = plain_dtype(header["code"])
        return plain_array(exactly(stream, left), dtype, sizes, header["by_columns"] == "True")
    except FileFormatError as error:
        raise type(error)(f"array '{shown(name)}': {error.message}", hint=error.hint) from None


def _text(stream: IO[bytes], size: int) -> str:
    """Return the text of a member that NumPy wrote from one Python string."""
    header, left = npy_header(stream, size)
    order = {"<": "utf-32-le", ">": "utf-32-be"}.get(header["code"][:1])
    if order is None or header["code"][1:] != f"U{left // 4}" or header["shape"] or left > 4 * DESCRIPTION_BYTES:
        raise FileFormatError("the description of its network is not one text")
    try:
        return str(exactly(stream, left), order)
    except UnicodeDecodeError:
        raise FileFormatError("the description of its network is not one text") from None


def npy_header(stream: IO[bytes], size: int) -> tuple[dict[str, str], int]:
    """Return what the header says, and how many bytes of the member follow it."""
    start = bytes(exactly(stream, min(size, 8)))
    if start[:6] != b"\x93NUMPY" or start[6:] not in (b"\x01\x00", b"\x02\x00", b"\x03\x00"):
        raise FileFormatError("not an array of NumPy's format 1.0, 2.0 or 3.0")
    width = 2 if start[6] == 1 else 4
    length = int.from_bytes(exactly(stream, width), "little")
    left = size - 8 - width - length
    most = min(_LONGEST_HEADER_BYTES, length + left)
    if length > most:
        raise FileFormatError(f"a header of {length:,} bytes, expected at most {most:,}")
    match = _HEADER.fullmatch(str(exactly(stream, length), "latin1"))
    if match is None or None in match.groups():
        raise FileFormatError("a header that does not say dtype, order and shape of plain numbers")
    return match.groupdict(), left


def exactly(stream: IO[bytes], count: int) -> memoryview:
    """Return the next ``count`` bytes; the caller has bounded them."""
    buffer = np.empty(count, np.uint8).data
    filled = 0
    while filled < count:
        read = stream.readinto(buffer[filled : filled + LONGEST_READ_BYTES])  # type: ignore[attr-defined]
        if not read:
            raise FileFormatError(f"cut off: {count:,} bytes expected, found {filled:,}")
        filled += read
    return buffer.toreadonly()
