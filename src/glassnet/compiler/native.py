"""A compiled program in memory: its code, its packed parameters, and the ways to call it."""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy._core import _multiarray_umath  # type: ignore[attr-defined]  # NumPy's table of C functions

from glassnet.compiler.by_rows import UINT8
from glassnet.compiler.entry import CONTEXT, IMPORTS, PY_ARRAY_NEW
from glassnet.compiler.kernels import DECIDE
from glassnet.compiler.machine import Machine, load_code
from glassnet.compiler.plan import Plan, aligned, pack
from glassnet.compiler.program import Program

Array = npt.NDArray[Any]

# A keyword in a call is this very object: names in code are interned, and this keeps it so.
_OUT = sys.intern("out")
_METH_FASTCALL, _METH_KEYWORDS = 0x0080, 0x0002


class _MethodDefinition(ctypes.Structure):
    """CPython's PyMethodDef."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


def _python(name: str, result: Any, *arguments: Any) -> Any:
    """Return a function of CPython's C interface."""
    return ctypes.PYFUNCTYPE(result, *arguments)((name, ctypes.pythonapi))


@functools.cache
def imports() -> dict[str, int]:
    """Return the addresses of the functions that the emitted entry calls."""
    address_of = _python("PyCapsule_GetPointer", ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)
    table = ctypes.cast(address_of(_multiarray_umath._ARRAY_API, None), ctypes.POINTER(ctypes.c_void_p))
    addresses = {"PyArray_New": table[PY_ARRAY_NEW] or 0}
    for name in set(IMPORTS) - set(addresses):
        addresses[name] = ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value or 0
    return addresses


class Native:
    """A program as machine code.

    forward: the kernel as it is, by addresses: (parameters, x, y, rows, scratch, flags).
    """

    def __init__(self, plan: Plan, program: Program, machine: Machine, *, cache: bool) -> None:
        self.plan = plan
        self.machine = machine
        self.parameters = pack(plan, program)
        self.code = load_code(plan, machine, imports() if machine.has_entry else {}, cache=cache)
        kinds = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64)
        self.forward = ctypes.CFUNCTYPE(None, *kinds)(self.code.addresses["forward"])

    def run(self, x: Sequence[Array], y: Sequence[Array], *, decide: bool = False) -> None:
        """Compute the answers ``y`` from the inputs ``x``, each (rows, columns) and C-contiguous.

        When deciding, the only answer is int64 (rows,). uint8 is taken where there is one input and one answer. The
        GIL is released. Scratch memory belongs to the call, so calls may overlap.
        """
        scratch = aligned(self.plan.scratch_floats)
        flags = UINT8 * (x[0].dtype == np.uint8) | DECIDE * decide
        source, target = (np.array([array.ctypes.data for array in arrays], np.uint64) for arrays in (x, y))
        places = (source[0], target[0]) if self.plan.is_direct else (source.ctypes.data, target.ctypes.data)
        self.forward(self.parameters.ctypes.data, *map(int, places), len(x[0]), scratch.ctypes.data, int(flags))

    def entry(self, fallback: Callable[..., Any], *, decide: bool, most_rows: int) -> Callable[..., Any]:
        """Return the emitted C function as a Python callable that passes to ``fallback`` what it does not take.

        Its ``self`` is a tuple that owns all it works with, so that it may outlive this object, and the garbage
        collector sees through it.
        """
        if "call" not in self.code.addresses:
            return fallback
        fields = {
            "parameters": self.parameters.ctypes.data,
            "fallback": id(fallback),
            "flags": DECIDE * decide,
            "most_rows": most_rows,
            "array_type": id(np.ndarray),
            "out": id(_OUT),
        }
        context = np.array([fields[name] for name in CONTEXT], np.uint64)
        context.flags.writeable = False
        definition = _MethodDefinition(b"compiled", self.code.addresses["call"], _METH_FASTCALL | _METH_KEYWORDS, None)
        owner = (context, definition, fallback, self.parameters, self.code)
        new = _python("PyCFunction_NewEx", ctypes.py_object, ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)
        call: Callable[..., Any] = new(ctypes.addressof(definition), owner, None)
        return call
