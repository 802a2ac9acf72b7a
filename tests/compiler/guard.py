"""Memory with an unreadable page before and after it: one byte too far and the process dies."""

from __future__ import annotations

import ctypes
import mmap

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


def run(native: Native, x: Array, *, at_end: bool, decide: bool = False, too_many: int = 0) -> Array:
    """Run a kernel with everything it reads and writes between guards; ``too_many`` rows are a planted fault."""
    plan = native.plan
    y_type, y_shape = (np.int64, (len(x),)) if decide else (np.float32, (len(x), plan.outputs))
    y_size = len(x) * (8 if decide else 4 * plan.outputs)
    scratch_floats = plan.few_scratch_floats if len(x) <= plan.few else plan.scratch_floats
    sizes = (native.parameters.nbytes, x.nbytes, y_size, 4 * scratch_floats)
    parameters, given, result, scratch = (Guarded(size, at_end=at_end) for size in sizes)
    parameters.write(native.parameters)
    given.write(x)
    scratch.write(np.full(scratch_floats, np.nan, np.float32))
    flags = UINT8 * (x.dtype == np.uint8) | DECIDE * decide
    addresses = (parameters.address, given.address, result.address)
    native.forward(*addresses, len(x) + too_many, scratch.address, int(flags))
    return result.read(y_type, y_shape)
