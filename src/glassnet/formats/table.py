"""The table of formats: what each is called, how its files are known, and what reads and writes them.

A new format is one module, one way to begin and one row here. A file is known by its first bytes, since names lie;
only where no format claims those does the suffix decide. To write, the suffix is all there is. Modules are named and
not imported: to load all of them takes longer than to read any file.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from glassnet.errors import FileFormatError, OptionError
from glassnet.formats import beginnings
from glassnet.formats.contents import Contents, Global, file_size
from glassnet.network import Network


@dataclass(frozen=True)
class Format:
    """One format of files.

    recognises: whether a file with these first bytes is one. globals_of: for formats that hold pickles, the
    globals a file names, without executing it. The other two raise FileFormatError or OptionError without the path.
    reads, writes: whether they do more than to raise one. read_pair: for a file whose arrays are in another file.
    write_half: writes parameters in half precision.
    """

    name: str
    suffixes: tuple[str, ...]
    recognises: Callable[[bytes], bool]
    read: Callable[[Path], Contents]
    write: Callable[[Network], bytes]
    globals_of: Callable[[Path], tuple[Global, ...]] = lambda path: ()
    reads: bool = True
    writes: bool = True
    read_pair: Callable[[Path, Path], Contents] | None = None
    write_half: Callable[[Network], bytes] | None = None


def _later(place: str) -> Callable[..., Any]:
    """Return the function at ``place``, module:name, which is imported when it is first called."""
    module, _, name = place.partition(":")

    def call(*given: object) -> Any:
        return getattr(importlib.import_module(f"glassnet.formats.{module}"), name)(*given)

    return call


# In the order in which they are asked; what safetensors ask for is the hardest to meet by chance.
FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        entry.name: entry
        for entry in (
            Format(
                "safetensors",
                (".safetensors",),
                beginnings.safetensors,
                _later("safetensors:read"),
                _later("safetensors:write"),
                write_half=_later("safetensors:write_half"),
            ),
            Format(
                "pytorch",
                (".pt", ".pth"),
                beginnings.pytorch,
                _later("pytorch.reading:read"),
                _later("pytorch.writing:write"),
                _later("pytorch.reading:globals_of"),
            ),
            Format(
                "skops",
                (".skops",),
                beginnings.skops,
                _later("sklearn.skops:read"),
                _later("sklearn.writing:skops_bytes"),
                _later("sklearn.skops:globals_of"),
            ),
            Format(
                "joblib",
                (".joblib",),
                beginnings.joblib,
                _later("sklearn.joblib:read"),
                _later("sklearn.writing:joblib_bytes"),
                _later("sklearn.joblib:globals_of"),
            ),
            Format(
                "keras", (".keras",), beginnings.keras, _later("keras.files:read_zip"), _later("keras.writing:write")
            ),
            Format(
                "hdf5",
                (".h5", ".hdf5"),
                beginnings.hdf5,
                _later("keras.files:read_hdf5"),
                _later("keras.writing:refuse"),
                writes=False,
            ),
            Format("gguf", (".gguf",), beginnings.gguf, _later("gguf:read"), _later("gguf:write"), writes=False),
            Format("matlab", (".mat",), beginnings.matlab, _later("matlab:read"), _later("matlab:write"), writes=False),
            Format("npz", (".npz",), beginnings.zipped, _later("npz:read"), _later("npz:write")),
            Format(
                "pickle",
                (".pkl", ".pickle"),
                beginnings.pickle,
                _later("pickle:read"),
                _later("pickle:write"),
                _later("pickle:globals_of"),
            ),
            Format(
                "json",
                (".json",),
                beginnings.json,
                _later("plain_text:read_json"),
                _later("plain_text:write_json"),
                writes=False,
                read_pair=_later("keras.files:read_pair"),
            ),
            Format(
                "c header", (".h",), beginnings.c_header, _later("c_header:read"), _later("c_header:write"), reads=False
            ),
            Format("onnx", (".onnx",), beginnings.onnx, _later("onnx:read"), _later("onnx:write")),
        )
    }
)

# A folder of arrays, one a file; it has no first bytes to be known by, and no suffix.
FOLDER = Format(
    "folder",
    (),
    lambda head: False,
    _later("plain_text:read_folder"),
    _later("plain_text:write_folder"),
    writes=False,
)

# What is often given in place of parameters: first bytes → what it is, what to do.
_OTHERS: Mapping[bytes, tuple[str, str]] = MappingProxyType(
    {
        b"\x93NUMPY": (
            "one NumPy array (.npy)",
            "put W1, b1, W2, … into one .npz with numpy.savez, or give their folder",
        ),
        b"\x1f\x8b": ("a file compressed with gzip", "unpack it first"),
        b"<": ("a web page or another XML text", "download the file itself, not the page that shows it"),
        b"version https://git-lfs": ("a Git LFS pointer, not the file it stands for", "run: git lfs pull"),
    }
)


def format_of(path: Path) -> Format:
    """Return the format of the file at ``path``; raise FileFormatError where it is none of the table."""
    if path.is_dir():
        return FOLDER
    file_size(path)
    with path.open("rb") as file:
        head = file.read(beginnings.HEAD_BYTES)
    for entry in FORMATS.values():
        if entry.recognises(head):
            return entry
    if head.startswith(b"\x1f\x8b") and path.name.lower().endswith(".onnx.gz"):
        return FORMATS["onnx"]
    for start, (what, hint) in _OTHERS.items():
        if head.startswith(start):
            raise FileFormatError(f"this is {what}", hint=hint)
    if not head:
        raise FileFormatError("the file is empty")
    found = _by_suffix(path)
    if found is None:
        raise FileFormatError("neither its first bytes nor its suffix is that of a known format", hint=_known("reads"))
    return found


def format_to_write(path: Path) -> Format:
    """Return the format that a file called ``path`` is written in; raise OptionError for an unknown suffix."""
    found = _by_suffix(path)
    if found is None:
        raise OptionError(f"no format has the suffix {path.suffix!r}", hint=_known("writes"))
    return found


def _by_suffix(path: Path) -> Format | None:
    return next((entry for entry in FORMATS.values() if path.suffix.lower() in entry.suffixes), None)


def _known(can: str) -> str:
    able = (entry for entry in FORMATS.values() if getattr(entry, can))
    return f"known: {', '.join(suffix for entry in able for suffix in entry.suffixes)}"
