"""From what a PyTorch checkpoint holds to named arrays: which of its dictionaries is the network's.

A checkpoint is a state_dict, a dictionary with one in it among epochs, losses and the optimizer's state, or several of
them side by side. Tensors are found wherever they stand in dictionaries and lists; those of optimizers are left out,
single numbers too.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping

from glassnet.errors import FileFormatError, ParametersError, UnsafeFileError
from glassnet.formats.contents import MOST_ARRAYS, Contents, shown
from glassnet.formats.pickle_arrays import Parcel
from glassnet.formats.pickle_machine import Walk
from glassnet.formats.pytorch.tensors import Quantised, Storages, Tensor, could_do_harm
from glassnet.network.steps import Array

_MODULES = "torch.nn.modules."
_MOST_DEEP = 20
_MOST_VALUES = 20 * MOST_ARRAYS
# What stands beside the network in a checkpoint, known by a word in its key.
_BESIDE = (
    "optim", "scheduler", "scaler", "callbacks", "loops", "rng", "hyper_parameters", "datamodule", "samples_seen",
)  # fmt: skip
_LIGHTNING = "pytorch-lightning_version"
HOW_TO_SAVE = (
    "where its class is at hand: torch.save(model.state_dict(), path), or torch.export.save, which keeps the "
    "activations as well"
)


def check_globals(found: Walk) -> None:
    """Raise UnsafeFileError for a pickle that names what could do harm, and what stopped the walk."""
    for wanted in found.globals:
        if could_do_harm(wanted):
            raise UnsafeFileError(
                f"byte {wanted.offset}: asks for '{shown(wanted.name)}', which no parameters need; nothing was run",
                hint="torch.load would run what this file says; get its state_dict, or the parameters as .safetensors",
            )
    if found.problem is not None:
        raise found.problem


def contents_of(found: Walk, storages: Storages) -> Contents:
    """Return the named arrays of a checkpoint whose pickle has been walked.

    Raises UnsafeFileError for what could do harm, ParametersError where there is no tensor, as in a whole module.
    """
    check_globals(found)
    tensors = dict(itertools.islice(_tensors(_network_of(found.value)), MOST_ARRAYS + 1))
    if len(tensors) > MOST_ARRAYS:
        raise FileFormatError(f"holds more than {MOST_ARRAYS:,} arrays")
    foreign = {wanted.name: None for wanted in found.globals if not wanted.allowed}
    if not tensors:
        _refuse(found, foreign)
    _refuse_packed(tensors)
    arrays, separate = _named(tensors, storages)
    notes = []
    if quantised := [".".join(path) for path, tensor in tensors.items() if isinstance(tensor, Quantised)]:
        notes.append(f"quantised, and multiplied out: {', '.join(map(shown, quantised[:8]))}")
    if foreign:
        names = ", ".join(f"'{shown(name)}'" for name in [*foreign][:5])
        notes.append(f"left aside, since only code could make them: {names}{', …' if len(foreign) > 5 else ''}")
    return Contents(arrays, notes=tuple(notes), outputs_first=True, separate=separate)


def _network_of(value: object) -> object:
    """Return the state_dict of a Lightning checkpoint, anything else as it is."""
    if isinstance(value, dict) and _LIGHTNING in value and isinstance(value.get("state_dict"), dict):
        return value["state_dict"]
    return value


def _tensors(
    value: object, path: tuple[str, ...] = (), seen: Counter[str] | None = None
) -> Iterator[tuple[tuple[str, ...], Tensor | Parcel]]:
    """Give every tensor with the keys that lead to it; seen: how much has been looked through."""
    seen = Counter() if seen is None else seen
    if isinstance(value, Tensor):
        if value.sizes and 0 not in value.sizes:
            yield path, value
    elif isinstance(value, Parcel):
        if value.array is not None and value.array.ndim:
            yield path, value
    elif isinstance(value, dict | list | tuple) and len(path) <= _MOST_DEEP:
        seen["values"] += len(value)
        if seen["values"] > _MOST_VALUES:
            raise FileFormatError(f"more than {_MOST_VALUES:,} values in dictionaries and lists")
        for key, entry in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(key, str | int) and not _stands_beside(key, entry):
                yield from _tensors(entry, (*path, str(key)), seen)


def _stands_beside(key: str | int, entry: object) -> bool:
    """Tell whether an entry is the state of something else than a network; a tensor never is."""
    return isinstance(entry, dict | list | tuple) and any(word in str(key).lower() for word in _BESIDE)


def _named(
    tensors: Mapping[tuple[str, ...], Tensor | Parcel], storages: Storages
) -> tuple[dict[str, Array], tuple[str, ...]]:
    """Return the arrays by name, without the keys that lead to all of them, and the dictionaries side by side."""
    paths = list(tensors)
    common = 0
    while all(len(path) > common + 1 for path in paths) and len({path[common] for path in paths}) == 1:
        common += 1
    arrays = {}
    for path, tensor in tensors.items():
        name = ".".join(path[common:])
        if name in arrays:
            raise ParametersError(f"array '{shown(name)}' is there twice")
        try:
            array = storages.array(tensor) if isinstance(tensor, Tensor) else tensor.array
        except FileFormatError as error:
            raise type(error)(f"array '{shown(name)}': {error.message}", hint=error.hint) from None
        assert array is not None
        arrays[name] = array
    nested = dict.fromkeys(path[common] for path in paths if len(path) > common + 1)
    return arrays, tuple(nested) if len(nested) > 1 else ()


def _refuse_packed(tensors: Mapping[tuple[str, ...], object]) -> None:
    for path in tensors:
        module, packed, _ = ".".join(path).partition("._packed_params")
        if packed:
            raise ParametersError(
                f"module '{shown(module)}' is a quantised layer, which rounds its rows to whole numbers on the way; "
                "expected layers in floating point",
                hint="save the state_dict of the model from before it was quantised",
            )


def _refuse(found: Walk, foreign: Mapping[str, None]) -> None:
    module = next((name for name in foreign if name.startswith(_MODULES)), None)
    if module is not None:
        raise UnsafeFileError(
            f"this is a whole module, pickled: it asks for the class '{shown(module)}', and classes are code; nothing "
            "was run",
            hint=HOW_TO_SAVE,
        )
    if foreign:
        raise UnsafeFileError(
            f"asks for '{shown(next(iter(foreign)))}', and holds no tensor that could be had without; nothing was run",
            hint=HOW_TO_SAVE,
        )
    kind = type(found.value).__name__
    raise ParametersError(f"expected a state_dict, found {kind} without a tensor in it", hint=HOW_TO_SAVE)
