"""Load, save, look into: what the formats have in common.

Errors get the path here, once; what reads and writes knows only the content.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from glassnet.activations import Activation
from glassnet.errors import FileFormatError, OptionError
from glassnet.files import replacing
from glassnet.formats.assembly import assemble
from glassnet.formats.contents import Global
from glassnet.formats.description import describe
from glassnet.formats.table import format_of, format_to_write
from glassnet.network import Network
from glassnet.network.steps import Shape

_Path: TypeAlias = str | os.PathLike[str]


def load(path: _Path, *, hidden: str | Activation = "sigmoid", output: str | Activation = "softmax") -> Network:
    """Return the network in a file of parameters, told by its first bytes or else its suffix.

    hidden, output: the activations where the file does not say, as with the textbook's dict of W1, b1, W2, b2, …
    Raises MissingFileError; FileFormatError for a file that is broken, UnsafeFileError for one that wants code
    run, ParametersError for arrays that make no network.
    """
    place = Path(path)
    with _place_in_errors(f"reading {path}"):
        contents = format_of(place).read(place)
        return assemble(contents, hidden, output)


def save(network: Network, path: _Path) -> None:
    """Write ``network`` to ``path`` in the format of its suffix, at once or not at all.

    Raises OptionError for an unknown suffix, and for a network that a .pkl cannot hold; ParametersError for one
    that could not be read back, such as one with NaN among its weights.
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
        assemble(describe(network), "identity", "identity")
        content = wanted.write(network)
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

    assumed: what of the network is not in the file but was assumed, in words, or empty. problem, hint: why it cannot
    be loaded and what to do about it, or empty.
    """

    format: str
    arrays: tuple[ArrayInfo, ...] = ()
    globals: tuple[Global, ...] = ()
    network: Network | None = None
    assumed: str = ""
    problem: str = ""
    hint: str = ""


def inspect(path: _Path) -> Inspection:
    """Return what a file of parameters holds, whether or not it can be loaded; nothing in it is executed.

    Raises MissingFileError, or another OSError where the file cannot be opened; never for what it holds.
    """
    place = Path(path)
    name = "unknown"
    arrays: tuple[ArrayInfo, ...] = ()
    named: tuple[Global, ...] = ()
    try:
        entry = format_of(place)
        name, named = entry.name, entry.globals_of(place)
        contents = entry.read(place)
        arrays = tuple(ArrayInfo(key, value.shape, value.dtype.name) for key, value in contents.arrays.items())
        assumed = "" if contents.description else "activations: sigmoid in hidden layers, softmax in the last"
        return Inspection(name, arrays, named, assemble(contents, "sigmoid", "softmax"), assumed)
    except FileFormatError as error:
        return Inspection(name, arrays, named, problem=error.message, hint=error.hint)


@contextmanager
def _place_in_errors(doing: str) -> Iterator[None]:
    """Say in every error what was being done, and with which file."""
    try:
        yield
    except (FileFormatError, OptionError) as error:
        raise type(error)(f"{doing}: {error.message}", hint=error.hint) from error
