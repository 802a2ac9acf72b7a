"""Copies of arrays that lie in a mapped file, with no more of the file in memory at a time than a block.

PyTorch keeps weights the other way round, so they have to be copied, and the file's own pages would stay beside the
copy: twice the file. Here each block's pages are given back once they have been read; the system reads them again if
they are needed again.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import Literal

import numpy as np

from glassnet.network.steps import Array

_BLOCK_BYTES = 1 << 22


def blocks(array: Array) -> Iterator[Array]:
    """Give an array in parts along its first axis, each as many pages as are kept at a time."""
    if array.ndim == 0 or array.nbytes <= _BLOCK_BYTES:
        yield array
        return
    rows = max(1, _BLOCK_BYTES * len(array) // array.nbytes)
    for start in range(0, len(array), rows):
        yield array[start : start + rows]


def turned(array: Array) -> Array:
    """Return the transpose of (outputs, inputs) as an array of its own: (inputs, outputs), read-only, C-contiguous."""
    return _copied(array, "F").T


def aligned(array: Array) -> Array:
    """Return the array itself, or a read-only copy where it does not begin at a multiple of its numbers' size.

    So it is in PyTorch's old files, and in ONNX models.
    """
    return array if array.flags.aligned or array.ndim == 0 else _copied(array, "C")


def _copied(array: Array, order: Literal["C", "F"]) -> Array:
    copy = np.empty(array.shape, array.dtype.newbyteorder("="), order)
    done = 0
    for block in blocks(array):
        copy[done : done + len(block)] = block
        done += len(block)
        give_back(block)
    copy.flags.writeable = False
    return copy


def give_back(array: Array) -> None:
    """Let the system take the pages of a mapped file that an array lies in; others stay as they are."""
    if array.nbytes < mmap.PAGESIZE or not array.flags.c_contiguous or not hasattr(mmap, "MADV_DONTNEED"):
        return
    base: object = array
    while isinstance(base, np.ndarray):
        base = base.base
    file = base.obj if isinstance(base, memoryview) else base
    if isinstance(file, mmap.mmap):
        begin = array.ctypes.data - np.frombuffer(file, np.uint8).ctypes.data
        first = -(-begin // mmap.PAGESIZE) * mmap.PAGESIZE
        length = (begin + array.nbytes - first) // mmap.PAGESIZE * mmap.PAGESIZE
        if length > 0:
            file.madvise(mmap.MADV_DONTNEED, first, length)
