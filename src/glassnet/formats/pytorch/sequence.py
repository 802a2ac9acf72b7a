"""PyTorch's files from before version 1.6: five pickles one behind the other, then the bytes of the storages.

The pickles are a magic number, a protocol version, what is known of the system, the object, and the keys of its
storages; the storages follow in the order of these keys, each behind its length. A plain ``pickle.dump`` of tensors
holds such a file for every storage. Format: ``torch/serialization.py``, ``_legacy_save``.
"""

from __future__ import annotations

from glassnet.errors import FileFormatError, ParametersError
from glassnet.formats.beginnings import PYTORCH_MAGIC
from glassnet.formats.contents import CUT_OFF_HINT, MOST_ARRAYS, Contents, Data, Global, shown
from glassnet.formats.pickle_machine import Walk, walk
from glassnet.formats.pickle_rules import Arguments, Budget, text
from glassnet.formats.pytorch.checkpoints import check_globals, contents_of
from glassnet.formats.pytorch.tensors import DTYPES, QUANTISED, Storage, Storages, budget_for, rules, storage_named

_PROTOCOL = 1001


def unpacked(data: Data) -> tuple[Walk, dict[str, memoryview]]:
    """Return the object's pickle, walked, and the bytes of the storages by their keys.

    Raises UnsafeFileError for a pickle that asks for what could do harm.
    """
    named: dict[str, Storage] = {}
    walks = _pickles(data, named)
    for found in walks:
        check_globals(found)
    if (walks[0].value, walks[1].value) != (PYTORCH_MAGIC, _PROTOCOL):
        raise FileFormatError("not a PyTorch file: its first two pickles are not the numbers it begins with")
    return walks[3], _places(data, walks[4], named)


def globals_of(data: Data) -> tuple[Global, ...]:
    """Return every global that the pickles name, as far as they can be walked."""
    return tuple(wanted for found in _pickles(data, {}) for wanted in found.globals)


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
        dtype = QUANTISED.get(named[key].dtype, named[key].dtype)
        if dtype and dtype not in DTYPES:
            raise ParametersError(f"a storage of kind '{shown(dtype)}', expected one of {', '.join(DTYPES)}")
        count = int.from_bytes(view[position : position + 8], "little")
        length = count * (int(DTYPES[dtype][1:]) if dtype else 1)
        position += 8
        if count != named[key].count:
            raise FileFormatError(f"storage '{shown(key)}' of {named[key].count:,} numbers says {count:,}")
        if length > len(view) - position:
            raise FileFormatError(
                f"cut off: storage '{shown(key)}' of {length:,} bytes expected, found {len(view) - position:,}",
                hint=CUT_OFF_HINT,
            )
        places[key] = view[position : position + length]
        position += length
    if position != len(view) or len(places) != len(named):
        raise FileFormatError(
            f"{len(view) - position:,} bytes follow the storages, {len(named) - len(places):,} storages are missing"
        )
    return places


# --- tensors in a plain pickle ------------------------------------------------------------------------------


def concerns(named: tuple[Global, ...]) -> bool:
    """Tell whether a plain pickle has tensors in it."""
    return any(wanted.name == "torch.storage._load_from_bytes" for wanted in named)


def of_plain_pickle(data: Data) -> Contents:
    """Return the tensors of a plain pickle, in which each storage is a file of its own, as bytes."""
    places: dict[str, memoryview] = {}

    def load_from_bytes(budget: Budget, arguments: Arguments) -> Storage:
        match arguments:
            case (bytes() | memoryview() as content,):
                budget.spend(len(content))
                found, inner = unpacked(bytes(content))
                if isinstance(found.value, Storage) and found.value.key in inner:
                    whole = Storage(found.value.dtype, str(len(places)), found.value.count, found.value.begin)
                    places[whole.key] = inner[found.value.key]
                    return whole
        raise FileFormatError("a storage made from something else than a file of one")

    found = walk(data, rules(None, {("torch.storage", "_load_from_bytes"): load_from_bytes}))
    return contents_of(found, Storages(lambda storage: places[storage.key], budget_for(len(data))))
