"""The way from Python to the kernel: a C function of CPython's vectorcall kind, emitted next to it.

A call through ctypes costs 2.7 µs and one through cffi 1.1 µs, more than the digit network itself takes for one
row. This function looks at the argument the way a C extension does. If it is a C-contiguous float32 or uint8
ndarray of one row or a batch, it makes the result array, runs the kernel, releasing the GIL around long runs, and
returns; everything else, from lists to ``out=``, it passes on to a Python function, which knows all cases.

What it relies on: the layout of ``PyObject`` and ``PyArrayObject_fields`` and the index of ``PyArray_New`` in
NumPy's table, which NumPy's headers compile into every extension module (NumPy 1.7 to 2.x). Where Python is laid out
differently (``HAS_ENTRY``) the function is not made, and every call goes to Python.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

import numpy as np
from llvmlite import ir

from glassnet.compiler.kernels import DECIDE, UINT8
from glassnet.compiler.language import F32, I8, I32, I64, POINTER, VOID, Function, Pointer, Value
from glassnet.compiler.plan import Plan

# Whether an object starts as it does here: a count, a type, 8 bytes each. Not so in free-threaded builds, builds that
# trace references, and other Pythons.
HAS_ENTRY = sys.implementation.name == "cpython" and sys.byteorder == "little" and object.__basicsize__ == 16

# The functions of CPython and NumPy that the code calls; the linker is given their addresses.
IMPORTS = (
    "PyTuple_GetItem", "PyObject_Vectorcall", "PyMem_RawMalloc", "PyMem_RawFree", "PyEval_SaveThread",
    "PyEval_RestoreThread", "PyArray_New",
)  # fmt: skip
PY_ARRAY_NEW = 93  # its index in NumPy's table of functions

# The context a call works in: eight-byte fields in an array, the first item of the tuple that is its ``self``.
CONTEXT = ("parameters", "fallback", "flags", "most_rows", "array_type")

# Byte offsets in CPython's and NumPy's structures.
TYPE = 8
DATA, DIMENSIONS_COUNT, DIMENSIONS, DTYPE, ARRAY_FLAGS = 16, 24, 32, 56, 64
# In a dtype, which need not be the one object np.dtype(np.float32): unpickled, it is not.
BYTE_ORDER, TYPE_NUMBER = 26, 28
WELL_BEHAVED = 0x1 | 0x100  # NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED
NPY_INT64, NPY_FLOAT32, NPY_UINT8 = (np.dtype(kind).num for kind in (np.int64, np.float32, np.uint8))

# Above this many multiplications (some 20 µs) other Python threads may run meanwhile.
LONG_CALL = 1 << 20
# Scratch up to this size lies on the stack.
STACK_FLOATS = 16 * 1024


def emit_entry(module: ir.Module, plan: Plan) -> None:
    """Emit ``call(self, args, nargs, kwnames)``.

    if one positional argument, an ndarray itself, C-contiguous and aligned, of float32 or uint8,
        and its shape is (inputs,) or (rows, inputs) with 0 < rows ≤ most_rows:
        y = PyArray_New(…); forward(…, x.data, y.data, …); return y
    return fallback(*args, **kwargs)
    """
    f = Function(module, "call", POINTER, {"self": POINTER, "args": POINTER, "nargs": I64, "names": POINTER})
    owner, arguments, count, names = f.arguments
    context = f.call_pointer("PyTuple_GetItem", owner, f.i64(0)).at(I8, DATA).load_pointer()
    field = {name: context.at(I64, position) for position, name in enumerate(CONTEXT)}

    def leave_unless(condition: Value) -> None:
        """Pass the call on to Python where the condition does not hold."""
        with f.when(condition.equals(0)):
            f.give(f.call_pointer("PyObject_Vectorcall", field["fallback"].load_pointer(), arguments, count, names))

    leave_unless(count.equals(1) & names.equals(f.null()))
    x = arguments.load_pointer()
    leave_unless(x.at(I8, TYPE).load_pointer().equals(field["array_type"].load_pointer()))
    dtype = x.at(I8, DTYPE).load_pointer()
    number = dtype.at(I8, TYPE_NUMBER).load(I32)
    is_float, is_uint8 = number.equals(NPY_FLOAT32), number.equals(NPY_UINT8)
    is_native = dtype.at(I8, BYTE_ORDER).load(I8).differs(ord(">"))
    behaved = (x.at(I8, ARRAY_FLAGS).load(I32) & WELL_BEHAVED).equals(WELL_BEHAVED)
    leave_unless((is_float & is_native | is_uint8) & behaved)
    dimensions = x.at(I8, DIMENSIONS).load_pointer()
    axes = x.at(I8, DIMENSIONS_COUNT).load(I32)
    is_batch = axes.equals(2)
    leave_unless(is_batch | axes.equals(1))
    rows = is_batch.choose(dimensions.load(I64), f.i64(1))
    last = dimensions.at(I64, is_batch.widen(I64)).load(I64)
    leave_unless(last.equals(plan.inputs) & (rows > 0) & (rows <= field["most_rows"].load(I64)))
    scratch = _scratch(f, plan)
    leave_unless(scratch.differs(f.null()))

    y = _new_array(f, plan, field, rows, is_batch)
    with f.when(y.differs(f.null())):
        flags = field["flags"].load(I64) | is_uint8.widen(I64) * UINT8
        data = [array.at(I8, DATA).load_pointer() for array in (x, y)]
        _run(f, plan, rows, field["parameters"].load_pointer(), *data, rows, scratch, flags)
    if plan.scratch_floats > STACK_FLOATS:
        f.call("PyMem_RawFree", VOID, scratch)
    f.give(y)


def _new_array(f: Function, plan: Plan, field: Mapping[str, Pointer], rows: Value, is_batch: Value) -> Pointer:
    """Return a new ndarray for the answer: (rows, outputs) or (outputs,) float32, or (rows,) or () int64."""
    decides = (field["flags"].load(I64) & DECIDE).differs(0)
    shape = f.stack(I64, 2)
    shape.at(I64, 0).store(is_batch.choose(rows, f.i64(plan.outputs)))
    shape.at(I64, 1).store(f.i64(plan.outputs))
    axes = is_batch.widen(I32) + 1 - decides.widen(I32)
    kind = decides.choose(f.constant(I32, NPY_INT64), f.constant(I32, NPY_FLOAT32))
    zero = f.constant(I32, 0)
    array_type = field["array_type"].load_pointer()
    return f.call_pointer("PyArray_New", array_type, axes, shape, kind, f.null(), f.null(), zero, zero, f.null())


def _run(f: Function, plan: Plan, rows: Value, *arguments: Value) -> None:
    """Call the kernel, without the GIL where that takes long."""
    with f.either(rows * plan.multiplications > LONG_CALL) as (long, short):
        with long:
            state = f.call_pointer("PyEval_SaveThread")
            f.call("forward", VOID, *arguments)
            f.call("PyEval_RestoreThread", VOID, state)
        with short:
            f.call("forward", VOID, *arguments)


def _scratch(f: Function, plan: Plan) -> Pointer:
    if plan.scratch_floats <= STACK_FLOATS:
        return f.stack(F32, plan.scratch_floats)
    return f.call_pointer("PyMem_RawMalloc", f.i64(4 * plan.scratch_floats))
