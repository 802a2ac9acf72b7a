"""Memory with an unreadable page before and after it: one byte too far and the process dies."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Sequence

import numpy as np

from glassnet.activations import Array
from glassnet.compiler.by_rows import UINT8
from glassnet.compiler.kernels import DECIDE
from glassnet.compiler.native import Native

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
PROT_NONE = 0


class Guarded:
    """Room for exactly ``size`` bytes that ends, or starts, where the unreadable memory is."""

    def __init__(self, size: int, *, at_end: bool) -> None:
        page = mmap.PAGESIZE
        inside = -(-max(size, 1) // page) * page
        self._memory = mmap.mmap(-1, inside + 2 * page)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        for edge in (start, start + page + inside):
            if _libc.mprotect(edge, page, PROT_NONE):
                raise OSError(ctypes.get_errno(), "mprotect")
        self.address = start + page + (inside - size if at_end else 0)
        self.size = size

    def write(self, values: Array) -> None:
        """Copy the bytes of an array in."""
        ctypes.memmove(self.address, np.ascontiguousarray(values).ctypes.data, self.size)

    def read(self, dtype: type, shape: tuple[int, ...]) -> Array:
        """Return a copy of the bytes as an array."""
        return np.frombuffer(ctypes.string_at(self.address, self.size), dtype).reshape(shape)


def run(native: Native, x: Sequence[Array], *, at_end: bool, decide: bool = False, too_many: int = 0) -> list[Array]:
    """Run a kernel with everything it reads and writes between guards; ``too_many`` rows are a planted fault."""
    plan, rows = native.plan, len(x[0])
    scratch_floats = plan.few_scratch_floats if rows <= plan.few else plan.scratch_floats
    parameters, scratch = (Guarded(size, at_end=at_end) for size in (native.parameters.nbytes, 4 * scratch_floats))
    parameters.write(native.parameters)
    scratch.write(np.full(scratch_floats, np.nan, np.float32))
    given = [Guarded(each.nbytes, at_end=at_end) for each in x]
    for room, each in zip(given, x, strict=True):
        room.write(each)
    results = [Guarded(rows * (8 if decide else 4 * columns.width), at_end=at_end) for columns in plan.answers]
    sources, targets = (_table(rooms, at_end=at_end) for rooms in (given, results))
    if plan.is_direct:
        sources, targets = given[0], results[0]
    flags = UINT8 * (x[0].dtype == np.uint8) | DECIDE * decide
    addresses = (parameters.address, sources.address, targets.address)
    native.forward(*addresses, rows + too_many, scratch.address, int(flags))
    if decide:
        return [result.read(np.int64, (rows,)) for result in results]
    widths = (columns.width for columns in plan.answers)
    return [result.read(np.float32, (rows, width)) for result, width in zip(results, widths, strict=True)]


def _table(rooms: Sequence[Guarded], *, at_end: bool) -> Guarded:
    """Return the addresses of several rooms, guarded as well."""
    table = Guarded(8 * len(rooms), at_end=at_end)
    table.write(np.array([room.address for room in rooms], np.uint64))
    return table
