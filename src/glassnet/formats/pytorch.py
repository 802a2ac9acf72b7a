"""PyTorch's files (``.pt``, ``.pth``, ``.ckpt``, ``.bin``), read without PyTorch and without running them.

Since version 1.6 such a file is a zip: the object's pickle (``data.pkl``), and each storage's bytes as a member of
its own (``data/0``, ``data/1``, …), stored as they are. Before, it was five pickles one behind the other, then the
storages. In both the pickle is walked, never executed. What ``torch.jit.save`` and ``torch.export.save`` write are
such zips as well, with the program beside the weights. Format: ``torch/serialization.py``, ``caffe2/serialize``.
"""

from __future__ import annotations

from pathlib import Path

from glassnet.errors import FileFormatError, ParametersError
from glassnet.formats import torch_export, torchscript
from glassnet.formats.contents import MOST_ARRAYS, Contents, Data, Global, file_data, parsed_json, shown
from glassnet.formats.pickle_machine import Walk, walk
from glassnet.formats.pickle_rules import Budget, text
from glassnet.formats.torch_checkpoints import check_globals, contents_of
from glassnet.formats.torch_tensors import DTYPES, Storage, Storages, rules, storage_named
from glassnet.formats.torch_writing import DESCRIPTION, write
from glassnet.formats.zips import Archive, first_member

__all__ = ["globals_of", "read", "recognises", "write"]

# The number that the first of the five pickles is, as it stands in the file.
_MAGIC = 0x1950A86A20F9469CFC6C
_MAGIC_BYTES = _MAGIC.to_bytes(10, "little")
_PROTOCOL = 1001
# Tensors of a small file may be many times its length, where they share a storage.
FREE_BYTES = 1 << 20
_FIRST_MEMBERS = ("data.pkl", "data", ".data", "byteorder", "version", "constants.pkl", "code", "archive_format",
                  ".format_version", ".storage_alignment", "extra", "models", "traced_inputs", "")  # fmt: skip


def recognises(head: bytes) -> bool:
    """Tell whether a file begins as PyTorch's zips do, all in one folder, or as the five pickles."""
    folder, slash, rest = first_member(head).partition("/")
    in_zip = bool(folder and slash) and rest.partition("/")[0] in _FIRST_MEMBERS
    return in_zip or _MAGIC_BYTES in head[:32]


def read(path: Path) -> Contents:
    """Return the tensors of a checkpoint, or the network that an exported program is.

    Raises UnsafeFileError for a pickle that asks for what could do harm, or for a whole module.
    """
    if not _is_zip(path):
        return _read_pickles(file_data(path))
    archive = Archive.of(path)
    folder = _folder(archive)
    if torch_export.is_one(archive, folder):
        return torch_export.read(archive, folder, _budget(archive), byte_order(archive, folder))
    found, storages = _walked(archive, folder), _storages(archive, folder)
    if torchscript.is_one(archive, folder):
        check_globals(found)
        constants = _walked(archive, folder, "constants")
        check_globals(constants)
        return torchscript.read(archive, folder, found.value, constants.value, storages)
    contents = contents_of(found, storages)
    return _described(contents, archive, folder) if f"{folder}{DESCRIPTION}" in archive else contents


def _described(contents: Contents, archive: Archive, folder: str) -> Contents:
    """Return the contents of a file of our own, without what only PyTorch needs."""
    description = parsed_json(archive.read(f"{folder}{DESCRIPTION}"), "a description")
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    arrays = {name: array for name, array in contents.arrays.items() if not name.endswith(statistics)}
    return Contents(arrays, description, outputs_first=True)


def globals_of(path: Path) -> tuple[Global, ...]:
    """Return every global that the file's pickles name, as far as they can be walked."""
    if not _is_zip(path):
        return tuple(wanted for found in _pickles(file_data(path), {}) for wanted in found.globals)
    archive = Archive.of(path)
    folder = _folder(archive)
    return () if torch_export.is_one(archive, folder) else _walked(archive, folder).globals


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


# --- the zip ------------------------------------------------------------------------------------------------


def _folder(archive: Archive) -> str:
    """Return the one folder that everything lies in, with its slash."""
    folders = {name.partition("/")[0] for name in archive}
    if len(folders) != 1:
        raise FileFormatError("not a PyTorch file: its members do not lie in one folder")
    return f"{folders.pop()}/"


def _walked(archive: Archive, folder: str, name: str = "data") -> Walk:
    """Return one of the archive's pickles, walked; its storages lie in a folder of the same name."""

    def persistent(identity: object) -> Storage:
        match identity:
            case ("storage", kind, key, _, count, *_):
                return storage_named(kind, f"{name}/{text(key)}", count)
        raise FileFormatError("a persistent id that is not a storage's")

    return walk(bytes(archive.read(f"{folder}{name}.pkl")), rules(persistent))


def _storages(archive: Archive, folder: str) -> Storages:
    order = byte_order(archive, folder)
    return Storages(lambda storage: archive.read(f"{folder}{storage.key}"), _budget(archive), order)


def _budget(archive: Archive) -> Budget:
    return Budget(2 * len(archive.data) + FREE_BYTES)


def byte_order(archive: Archive, folder: str) -> str:
    """Return the order of the bytes in storages: what the archive says, or little-endian where it is older."""
    if f"{folder}byteorder" not in archive:
        return "<"
    said = bytes(archive.read(f"{folder}byteorder"))
    if said not in (b"little", b"big"):
        raise FileFormatError(f"a byte order '{shown(str(said[:20], 'latin1'))}', expected little or big")
    return "<" if said == b"little" else ">"


# --- five pickles and the storages --------------------------------------------------------------------------


def _read_pickles(data: Data) -> Contents:
    named: dict[str, Storage] = {}
    walks = _pickles(data, named)
    for found in walks:
        check_globals(found)
    if (walks[0].value, walks[1].value) != (_MAGIC, _PROTOCOL):
        raise FileFormatError("not a PyTorch file: its first two pickles are not the numbers it begins with")
    places = _places(data, walks[4], named)
    storages = Storages(lambda storage: places[storage.key], Budget(2 * len(data) + FREE_BYTES))
    return contents_of(walks[3], storages)


def _pickles(data: Data, named: dict[str, Storage]) -> list[Walk]:
    """Return the pickles at the beginning, walked: magic number, protocol, system, the object, the storages' keys."""

    def persistent(identity: object) -> object:
        match identity:
            case ("storage", kind, key, _, count, *view):
                whole = storage_named(kind, key, count)
                if named.setdefault(whole.key, whole) != whole:
                    raise FileFormatError(f"storage '{shown(whole.key)}' is named twice, and otherwise")
                return _part_of(whole, view[0]) if view and view[0] is not None else whole
            case ("module", kind, *_):
                return kind
        raise FileFormatError("a persistent id that is neither a storage's nor a module's")

    walks: list[Walk] = []
    for _ in range(5):
        walks.append(walk(data, rules(persistent), start=walks[-1].end if walks else 0, whole=False))
        if walks[-1].problem is not None:
            break
    return walks


def _part_of(whole: Storage, view: object) -> Storage:
    """Return a part of a storage, which had a name of its own before version 0.4."""
    match view:
        case (_, int(begin), int(count)) if begin >= 0 and count >= 0 and begin + count <= whole.count:
            return Storage(whole.dtype, whole.key, whole.count, begin)
    raise FileFormatError(f"a part of storage '{shown(whole.key)}' that is not in it")


def _places(data: Data, keys: Walk, named: dict[str, Storage]) -> dict[str, memoryview]:
    """Return where each storage's bytes lie: behind the pickles, in the order of the keys, each after its length."""
    if not isinstance(keys.value, list) or len(keys.value) > MOST_ARRAYS:
        raise FileFormatError(f"a list of at most {MOST_ARRAYS:,} storages expected")
    places: dict[str, memoryview] = {}
    view, position = memoryview(data), keys.end
    for key in map(text, keys.value):
        if key not in named or key in places:
            raise FileFormatError(f"storage '{shown(key)}' is not one that a tensor has, or there twice")
        dtype = named[key].dtype
        if dtype and dtype not in DTYPES:
            raise ParametersError(f"a storage of kind '{shown(dtype)}', expected one of {', '.join(DTYPES)}")
        count = int.from_bytes(view[position : position + 8], "little")
        length = count * (int(DTYPES[dtype][1:]) if dtype else 1)
        position += 8
        if count != named[key].count or position + length > len(view):
            raise FileFormatError(
                f"storage '{shown(key)}' of {named[key].count:,} numbers says {count:,}, and {len(view) - position:,} "
                "bytes are left"
            )
        places[key] = view[position : position + length]
        position += length
    if position != len(view) or len(places) != len(named):
        raise FileFormatError(
            f"{len(view) - position:,} bytes follow the storages, {len(named) - len(places):,} storages are missing"
        )
    return places
