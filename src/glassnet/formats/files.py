"""Load, save, look into: what the formats have in common.

Errors get the path here, once; what reads and writes knows only the content.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypedDict, Unpack

import numpy.typing as npt

from glassnet.activations import Activation
from glassnet.errors import FileFormatError, MissingLibraryError, OptionError, UnsafeFileError
from glassnet.files import replacing
from glassnet.formats.assembly import Choices, assemble, assembled
from glassnet.formats.contents import Contents, Global, shown
from glassnet.formats.description import describe
from glassnet.formats.scaling import rescaled
from glassnet.formats.table import format_of, format_to_write
from glassnet.network import Network
from glassnet.network.steps import Shape

_Path: TypeAlias = str | os.PathLike[str]
Chosen: TypeAlias = str | Activation


def load(
    path: _Path,
    *,
    activation: Chosen | None = None,
    hidden: Chosen | None = None,
    output: Chosen | None = None,
    part: str | Sequence[str] = (),
    orientation: str = "",
    scale: float | None = None,
    mean: npt.ArrayLike | None = None,
    std: npt.ArrayLike | None = None,
    weights: _Path | None = None,
) -> Network:
    """Return the network in a file of parameters, told by its first bytes or else its suffix.

    hidden (or activation, the same), output: the activations where the file does not say. The textbook's dict of W1,
    b1, W2, b2, … has sigmoid and softmax unless told otherwise; a PyTorch state_dict must be told the hidden one, and
    has nothing after its last layer unless told. part: the beginning of the names of the layers to take, or several in
    their order, where a file holds more than one network: ``part="actor"``. orientation: "outputs_inputs" or
    "inputs_outputs", where the shapes of weights do not show it.

    scale, mean, std: what the inputs go through before the first layer, (x · scale - mean) / std, where the file does
    not say. Integers are raw and are multiplied by ``scale``, floating-point numbers are taken to be so already (see
    ``Input``); ``mean`` and ``std``, one number or one a feature, become a step of the network, for both. A network
    trained on ``(pixels / 255 - 0.1307) / 0.3081`` is loaded with ``scale=1/255, mean=0.1307, std=0.3081`` and then
    answers for pixels from 0 to 255 in integers and for pixels from 0 to 1 in floats.

    weights: where the arrays are, for Keras' ``model.json``, which has none.

    Raises MissingFileError; FileFormatError for a file that is broken, UnsafeFileError for one that wants code
    run, ParametersError for arrays that make no network or leave a choice open; OptionError for an option that this
    file has no use for.
    """
    with _place_in_errors(f"reading {path}"):
        choices = _choices(activation, hidden, output, part, orientation)
        contents = _read(Path(path), weights)
        return rescaled(assembled(contents, choices).network, scale, mean, std)


class Options(TypedDict, total=False):
    """What ``load`` and ``inspect`` may be told of a file; see ``load``."""

    activation: Chosen | None
    hidden: Chosen | None
    output: Chosen | None
    part: str | Sequence[str]
    orientation: str
    scale: float | None
    mean: npt.ArrayLike | None
    std: npt.ArrayLike | None
    weights: _Path | None


def _choices(
    activation: Chosen | None = None,
    hidden: Chosen | None = None,
    output: Chosen | None = None,
    part: str | Sequence[str] = (),
    orientation: str = "",
) -> Choices:
    if activation is not None and hidden is not None:
        raise OptionError("activation= and hidden= are the same; give one of them")
    given: object = part  # not always what the signature asks for
    parts = (given,) if isinstance(given, str) and given else given
    if not isinstance(parts, list | tuple | str) or not all(isinstance(entry, str) for entry in parts):
        raise OptionError(f"part={shown(repr(part))}, expected the beginning of names, or several")
    return Choices(activation if hidden is None else hidden, output, tuple(parts), orientation)


def _read(place: Path, weights: _Path | None) -> Contents:
    entry = format_of(place)
    if weights is None:
        return entry.read(place)
    if entry.read_pair is None:
        raise OptionError(f"weights= cannot be used: a {entry.name} file has its arrays in it")
    return entry.read_pair(place, Path(weights))


def save(network: Network, path: _Path, *, half: bool = False) -> None:
    """Write ``network`` to ``path`` in the format of its suffix, at once or not at all.

    half: round the parameters to half precision, which halves the file; they are float32 again when loaded. Raises
    OptionError for an unknown suffix, for a network that a .pkl cannot hold, and for half where the format has none;
    ParametersError for one that could not be read back, such as one with NaN among its weights.
    """
    given: object = network  # not always what the signature asks for
    if not isinstance(given, Network):
        held = isinstance(getattr(given, "network", None), Network)
        raise OptionError(
            f"saving: expected a Network, found {type(given).__name__}",
            hint="it holds one: save(….network, path)" if held else "save(network, path)",
        )
    place = Path(path)
    with _place_in_errors(f"writing {path}"):
        wanted = format_to_write(place)
        assemble(describe(network))
        write = wanted.write_half if half else wanted.write
        if write is None:
            raise OptionError(f"a {wanted.name} file has no half precision", hint="a .safetensors file has")
        content = write(network)
        with replacing(place) as file:
            file.write(content)


@dataclass(frozen=True)
class ArrayInfo:
    """One array of a file."""

    name: str
    shape: Shape
    dtype: str


@dataclass(frozen=True)
class Inspection:
    """What a file holds.

    notes: what was folded, left out or left aside, in words. assumed: what of the network is not in the file but was
    assumed, or empty. problem, hint: why it cannot be loaded and what to do about it, or empty. unsafe: whether the
    problem is that the file wants code run, or more memory than its length justifies.
    """

    format: str
    arrays: tuple[ArrayInfo, ...] = ()
    globals: tuple[Global, ...] = ()
    network: Network | None = None
    assumed: str = ""
    problem: str = ""
    hint: str = ""
    notes: tuple[str, ...] = ()
    unsafe: bool = False


def inspect(path: _Path, **options: Unpack[Options]) -> Inspection:
    """Return what a file of parameters holds, whether or not it can be loaded; nothing in it is executed.

    options: what the file does not say, as for ``load``. Raises MissingFileError, or another OSError where the file
    cannot be opened, and OptionError for an option that it has no use for; never for what it holds.
    """
    place = Path(path)
    name = "unknown"
    arrays: tuple[ArrayInfo, ...] = ()
    named: tuple[Global, ...] = ()
    notes: tuple[str, ...] = ()
    try:
        entry = format_of(place)
        name, named = entry.name, entry.globals_of(place)
        contents = _read(place, options.pop("weights", None))
        notes = contents.notes
        arrays = tuple(ArrayInfo(key, value.shape, value.dtype.name) for key, value in contents.arrays.items())
        scaling = [options.pop(key, None) for key in ("scale", "mean", "std")]  # type: ignore[misc]
        found = assembled(contents, _choices(**options))  # type: ignore[misc]
        network = rescaled(found.network, *scaling)
        assumed = "; ".join(found.notes[len(notes) :])
        return Inspection(name, arrays, named, network, assumed, notes=notes)
    except (FileFormatError, MissingLibraryError) as error:
        unsafe = isinstance(error, UnsafeFileError)
        return Inspection(name, arrays, named, problem=error.message, hint=error.hint, notes=notes, unsafe=unsafe)


@contextmanager
def _place_in_errors(doing: str) -> Iterator[None]:
    """Say in every error what was being done, and with which file."""
    try:
        yield
    except (FileFormatError, OptionError) as error:
        raise type(error)(f"{doing}: {error.message}", hint=error.hint) from error
