"""The ``.joblib`` format: a pickle, often compressed, whose arrays lie behind their places in the pickle.

Read like any other pickle, as data; what joblib writes without compressing it is known as a pickle already.
"""

from __future__ import annotations

import zlib
from pathlib import Path

from glassnet.formats import pickle
from glassnet.formats.contents import Contents, Data, Global, file_data
from glassnet.formats.sklearn import packing
from glassnet.formats.sklearn.writing import joblib_bytes as write

__all__ = ["globals_of", "read", "recognises", "write"]


def recognises(head: bytes) -> bool:
    """Tell whether a file begins as a compressed pickle; what others compress with gzip or zlib begins otherwise."""
    if not packing.recognises(head):
        return False
    try:
        begin = zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(head, 2)
    except zlib.error:
        return True  # compressed in another way, or broken
    return pickle.recognises(begin)


def read(path: Path) -> Contents:
    """Return the network of the estimator in the file, or the arrays of a dict; raises as ``pickle.read`` does."""
    return pickle.of_data(_content(path))


def globals_of(path: Path) -> tuple[Global, ...]:
    """Return every global that the pickle names, as far as it can be walked."""
    return pickle.globals_in(_content(path))


def _content(path: Path) -> Data:
    data = file_data(path)
    return packing.unpacked(data) if packing.recognises(bytes(data[:8])) else data
