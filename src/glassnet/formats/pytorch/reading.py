"""PyTorch's files (``.pt``, ``.pth``, ``.ckpt``, ``.bin``), read without PyTorch and without running them.

Since version 1.6 such a file is a zip: the object's pickle (``data.pkl``), and each storage's bytes as a member of
its own (``data/0``, ``data/1``, …), stored as they are. Before, it was five pickles one behind the other, then the
storages. In both the pickle is walked, never executed. What ``torch.jit.save`` and ``torch.export.save`` write are
such zips as well, with the program beside the weights. Format: ``torch/serialization.py``, ``caffe2/serialize``.
"""

from __future__ import annotations

from pathlib import Path

from glassnet.errors import FileFormatError
from glassnet.formats.beginnings import OLD_PROGRAM
from glassnet.formats.contents import Contents, Global, file_data, file_size, parsed_json, shown
from glassnet.formats.pickle_machine import Walk, walk
from glassnet.formats.pickle_rules import text
from glassnet.formats.pytorch import export, script, sequence
from glassnet.formats.pytorch.checkpoints import check_globals, contents_of
from glassnet.formats.pytorch.tensors import Storage, Storages, Tensor, budget_for, rules, storage_named
from glassnet.formats.pytorch.writing import DESCRIPTION
from glassnet.formats.zips import Archive
from glassnet.network.steps import Array

_POLICY = "policy.pth"
_OLD_PARAMETERS = ("serialized_state_dict.pt", "serialized_constants.pt")


def read(path: Path) -> Contents:
    """Return the tensors of a checkpoint, or the network that an exported program is.

    Raises UnsafeFileError for a pickle that asks for what could do harm, or for a whole module.
    """
    if not _is_zip(path):
        found, places = sequence.unpacked(file_data(path))
        budget = budget_for(file_size(path))
        return contents_of(found, Storages(lambda storage: places[storage.key], budget))
    archive = _archive(path)
    if OLD_PROGRAM in archive:
        return export.contents_of(archive.read(OLD_PROGRAM), _old_parameters(archive))
    folder = _folder(archive)
    if export.is_one(archive, folder):
        return export.read(archive, folder, budget_for(len(archive.data)), byte_order(archive, folder))
    found, storages = _walked(archive, folder), _storages(archive, folder)
    if script.is_one(archive, folder):
        check_globals(found)
        constants = _walked(archive, folder, "constants")
        check_globals(constants)
        return script.read(archive, folder, found.value, constants.value, storages)
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
        return sequence.globals_of(file_data(path))
    archive = _archive(path)
    if OLD_PROGRAM in archive:
        inner = [archive.within(name) for name in _OLD_PARAMETERS if name in archive]
        return tuple(wanted for held in inner for wanted in _walked(held, _folder(held)).globals)
    folder = _folder(archive)
    return () if export.is_one(archive, folder) else _walked(archive, folder).globals


def _old_parameters(archive: Archive) -> dict[str, Array]:
    """Return the arrays beside a program of before version 2.8: each of two members is what torch.save writes."""
    arrays: dict[str, Array] = {}
    for name in _OLD_PARAMETERS:
        inner = archive.within(name)
        found, storages = _walked(inner, _folder(inner)), _storages(inner, _folder(inner))
        check_globals(found)
        if not isinstance(found.value, dict):
            raise FileFormatError(f"its member '{name}' holds {type(found.value).__name__}, expected arrays by name")
        tensors = {key: value for key, value in found.value.items() if isinstance(value, Tensor)}
        arrays |= {str(key): storages.array(value) for key, value in tensors.items() if 0 not in value.sizes}
    return arrays


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


# --- the zip ------------------------------------------------------------------------------------------------


def _archive(path: Path) -> Archive:
    """Return the zip, or the one with the policy in a zip of stable-baselines3."""
    archive = Archive.of(path)
    return archive.within(_POLICY) if _POLICY in archive else archive


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
    return Storages(lambda storage: archive.read(f"{folder}{storage.key}"), budget_for(len(archive.data)), order)


def byte_order(archive: Archive, folder: str) -> str:
    """Return the order of the bytes in storages: what the archive says, or little-endian where it is older."""
    if f"{folder}byteorder" not in archive:
        return "<"
    said = bytes(archive.read(f"{folder}byteorder"))
    if said not in (b"little", b"big"):
        raise FileFormatError(f"a byte order '{shown(str(said[:20], 'latin1'))}', expected little or big")
    return "<" if said == b"little" else ">"
