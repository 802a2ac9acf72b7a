"""The ``.joblib`` format: a pickle, often compressed, whose arrays lie behind their places in the pickle.

Read like any other pickle, as data; what joblib writes without compressing it is known as a pickle already.
"""

from __future__ import annotations

from pathlib import Path

from glassnet.formats import beginnings, pickle
from glassnet.formats.contents import Contents, Data, Global, file_data
from glassnet.formats.sklearn import packing


def read(path: Path) -> Contents:
    """Return the network of the estimator in the file, or the arrays of a dict; raises as ``pickle.read`` does."""
    return pickle.of_data(_content(path))


def globals_of(path: Path) -> tuple[Global, ...]:
    """Return every global that the pickle names, as far as it can be walked."""
    return pickle.globals_in(_content(path))


def _content(path: Path) -> Data:
    data = file_data(path)
    return packing.unpacked(data) if beginnings.compressed(bytes(data[:8])) else data
