"""The way from Python to the kernel: a C function of CPython's vectorcall kind, emitted next to it.

A call through ctypes costs 2.7 µs and one through cffi 1.1 µs, more than the digit network itself takes for one
row. This function looks at its arguments the way a C extension does. If they are C-contiguous float32 or uint8
ndarrays of one row or a batch, it makes the result array, or takes the one given as ``out``, runs the kernel, releasing
the GIL around long runs, and returns; everything else it passes on to a Python function, which knows all cases.

What it relies on: the layout of ``PyObject`` and ``PyArrayObject_fields`` and the index of ``PyArray_New`` in
NumPy's table, which NumPy's headers compile into every extension module (NumPy 1.7 to 2.x). Where Python is laid out
differently (``HAS_ENTRY``) the function is not made, and every call goes to Python.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from llvmlite import ir

from glassnet.compiler.by_rows import UINT8
from glassnet.compiler.kernels import DECIDE
from glassnet.compiler.language import F32, I1, I8, I32, I64, POINTER, VOID, Function, Pointer, Value
from glassnet.compiler.plan import Plan

# Whether an object starts as it does here: a count, a type, 8 bytes each. Not so in free-threaded builds, builds that
# trace references, and other Pythons.
HAS_ENTRY = sys.implementation.name == "cpython" and sys.byteorder == "little" and object.__basicsize__ == 16

# The functions of CPython and NumPy that the code calls; the linker is given their addresses.
IMPORTS = (
    "PyTuple_GetItem", "PyTuple_Size", "PyTuple_New", "PyTuple_SetItem", "Py_IncRef", "Py_DecRef",
    "PyObject_Vectorcall", "PyErr_NoMemory", "PyMem_RawMalloc", "PyMem_RawFree",
    "PyEval_SaveThread", "PyEval_RestoreThread", "PyArray_New",
)  # fmt: skip
PY_ARRAY_NEW = 93  # its index in NumPy's table of functions

# The context a call works in: eight-byte fields in an array, the first item of the tuple that is its ``self``.
CONTEXT = ("parameters", "fallback", "flags", "most_rows", "array_type", "out")

# Byte offsets in CPython's and NumPy's structures.
TYPE = 8
DATA, DIMENSIONS_COUNT, DIMENSIONS, DTYPE, ARRAY_FLAGS = 16, 24, 32, 56, 64
# In a dtype, which need not be the one object np.dtype(np.float32): unpickled, it is not.
BYTE_ORDER, TYPE_NUMBER = 26, 28
WELL_BEHAVED = 0x1 | 0x100  # NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED
WRITEABLE = 0x400
NPY_INT64, NPY_FLOAT32, NPY_UINT8 = (np.dtype(kind).num for kind in (np.int64, np.float32, np.uint8))

# Above this many multiplications (some 20 µs) other Python threads may run meanwhile.
LONG_CALL = 1 << 20
# Scratch up to this size, 64 KiB, lies on the stack: a thread may have little of it.
STACK_FLOATS = 16 * 1024


def emit_entry(module: ir.Module, plan: Plan) -> None:
    """Emit ``call(self, args, nargs, kwnames)``.

    if there is a positional argument for each input, an ndarray itself, C-contiguous and aligned, of float32 or,
            where there is one input and one answer, of uint8,
        and their shapes are (width,) or (rows, width) with 0 < rows ≤ most_rows,
        and out= is not there, or, where there is one answer, such an array, too, of float32 and the result's shape,
            apart from the inputs in memory:
        y = out or PyArray_New(…), or a tuple of as many as there are answers; run(…, x.data, y.data, …); return y
    return fallback(*args, **kwargs)
    """
    _emit_run(module, plan, "run_few", plan.few_scratch_floats)
    _emit_run(module, plan, "run_many", plan.scratch_floats)
    f = Function(module, "call", POINTER, {"self": POINTER, "args": POINTER, "nargs": I64, "names": POINTER})
    owner, arguments, count, names = f.arguments
    context = f.call_pointer("PyTuple_GetItem", owner, f.i64(0)).at(I8, DATA).load_pointer()
    field = {name: context.at(I64, position) for position, name in enumerate(CONTEXT)}

    def leave_unless(condition: Value) -> None:
        """Pass the call on to Python where the condition does not hold."""
        with f.when(condition.equals(0)):
            f.give(f.call_pointer("PyObject_Vectorcall", field["fallback"].load_pointer(), arguments, count, names))

    def array(position: int) -> _Fields:
        """Return an argument that is an ndarray and no subclass of it."""
        argument = arguments.at(I64, position).load_pointer()
        leave_unless(argument.at(I8, TYPE).load_pointer().equals(field["array_type"].load_pointer()))
        return _Fields(argument)

    has_out = names.differs(f.null())
    leave_unless(count.equals(len(plan.widths)))
    given = [array(position) for position in range(len(plan.widths))]
    axes = given[0].axes()
    is_batch = axes.equals(2)
    leave_unless(is_batch | axes.equals(1))
    rows = is_batch.choose(given[0].size(0), f.i64(1))
    leave_unless((rows > 0) & (rows <= field["most_rows"].load(I64)))

    def leave_unless_of(width: int, each: _Fields) -> None:
        """Pass the call on where an array is not as many rows of a width."""
        leave_unless(each.axes().equals(axes))
        leave_unless(each.size(is_batch.widen(I64)).equals(width) & is_batch.choose(each.size(0), rows).equals(rows))

    is_uint8 = given[0].is_uint8() if plan.is_direct else f.constant(I1, 0)
    for x, width in zip(given, plan.widths, strict=True):
        leave_unless((x.is_float32() | is_uint8) & x.has(WELL_BEHAVED))
        leave_unless_of(width, x)
    with f.when(has_out):
        if len(plan.answers) > 1:
            leave_unless(f.constant(I1, 0))
        leave_unless(f.call("PyTuple_Size", I64, names).equals(1) & _decides(field).equals(0))
        leave_unless(f.call_pointer("PyTuple_GetItem", names, f.i64(0)).equals(field["out"].load_pointer()))
        out = array(len(given))
        leave_unless(out.is_float32() & out.has(WELL_BEHAVED | WRITEABLE))
        leave_unless_of(plan.outputs, out)
        size = is_uint8.choose(f.i64(1), f.i64(4))
        for x, width in zip(given, plan.widths, strict=True):
            before = out.data().at(F32, rows * plan.outputs) <= x.data()
            leave_unless(before | (x.data().at(I8, rows * width * size) <= out.data()))
    result, answers = _results(f, plan, field, has_out, arguments, rows, is_batch)
    with f.when(result.differs(f.null())):
        flags = field["flags"].load(I64) | is_uint8.widen(I64) * UINT8
        source, target = (_places(f, plan, arrays) for arrays in (given, answers))
        _run(f, plan, result, field["parameters"].load_pointer(), source, target, rows, flags)
    f.give(result)


@dataclass(frozen=True)
class _Fields:
    """What an ndarray at an address knows of itself."""

    address: Pointer

    def data(self) -> Pointer:
        """Return where its elements lie."""
        return self.address.at(I8, DATA).load_pointer()

    def axes(self) -> Value:
        """Return how many axes it has."""
        return self.address.at(I8, DIMENSIONS_COUNT).load(I32)

    def size(self, axis: Value | int) -> Value:
        """Return the length of an axis that it has."""
        return self.address.at(I8, DIMENSIONS).load_pointer().at(I64, axis).load(I64)

    def has(self, flags: int) -> Value:
        """Return whether all of these flags are set."""
        return (self.address.at(I8, ARRAY_FLAGS).load(I32) & flags).equals(flags)

    def is_float32(self) -> Value:
        """Return whether it holds float32 in this machine's byte order."""
        order = self.address.at(I8, DTYPE).load_pointer().at(I8, BYTE_ORDER).load(I8)
        return self._number().equals(NPY_FLOAT32) & order.differs(ord(">"))

    def is_uint8(self) -> Value:
        """Return whether it holds uint8."""
        return self._number().equals(NPY_UINT8)

    def _number(self) -> Value:
        return self.address.at(I8, DTYPE).load_pointer().at(I8, TYPE_NUMBER).load(I32)


def _decides(field: Mapping[str, Pointer]) -> Value:
    return (field["flags"].load(I64) & DECIDE).differs(0)


def _places(f: Function, plan: Plan, arrays: Sequence[_Fields]) -> Pointer:
    """Return where the elements of the array are, or of several a table of that."""
    if plan.is_direct:
        return arrays[0].data()
    table = f.stack(POINTER, len(arrays))
    for number, array in enumerate(arrays):
        table.at(POINTER, number).store(array.data())
    return table


def _results(
    f: Function,
    plan: Plan,
    field: Mapping[str, Pointer],
    has_out: Value,
    arguments: Pointer,
    rows: Value,
    is_batch: Value,
) -> tuple[Pointer, list[_Fields]]:
    """Return what the call gives, and the arrays that the answers go to: ``out``, or new ones, several in a tuple.

    It is null where there is no memory for it.
    """
    result = f.stack(POINTER, 1)
    if len(plan.answers) > 1:
        arrays = [_new_array(f, columns.width, field, rows, is_batch) for columns in plan.answers]
        several = f.call_pointer("PyTuple_New", f.i64(len(arrays)))
        complete = several.differs(f.null())
        for array in arrays:
            complete = complete & array.differs(f.null())
        with f.either(complete) as (whole, failed):
            with whole:
                for number, array in enumerate(arrays):
                    f.call("PyTuple_SetItem", I32, several, f.i64(number), array)
                result.store(several)
            with failed:
                for made in (several, *arrays):
                    f.call("Py_DecRef", VOID, made)
                result.store(f.null())
        return result.load_pointer(), [_Fields(array) for array in arrays]
    with f.either(has_out) as (given, new):
        with given:
            out = arguments.at(I64, len(plan.widths)).load_pointer()
            f.call("Py_IncRef", VOID, out)
            result.store(out)
        with new:
            result.store(_new_array(f, plan.outputs, field, rows, is_batch))
    made = result.load_pointer()
    return made, [_Fields(made)]


def _new_array(f: Function, width: int, field: Mapping[str, Pointer], rows: Value, is_batch: Value) -> Pointer:
    """Return a new ndarray for an answer: (rows, width) or (width,) float32, or (rows,) or () int64."""
    decides = _decides(field)
    shape = f.stack(I64, 2)
    shape.at(I64, 0).store(is_batch.choose(rows, f.i64(width)))
    shape.at(I64, 1).store(f.i64(width))
    axes = is_batch.widen(I32) + 1 - decides.widen(I32)
    kind = decides.choose(f.constant(I32, NPY_INT64), f.constant(I32, NPY_FLOAT32))
    zero = f.constant(I32, 0)
    array_type = field["array_type"].load_pointer()
    return f.call_pointer("PyArray_New", array_type, axes, shape, kind, f.null(), f.null(), zero, zero, f.null())


def _run(f: Function, plan: Plan, y: Pointer, *arguments: Value) -> None:
    """Call the kernel; where there is no memory for it, let go of the answer and give null."""
    done = f.stack(I64, 1)
    with f.either(arguments[3] <= plan.few) as (few, many):
        with few:
            done.store(f.call("run_few", I64, *arguments))
        with many:
            done.store(f.call("run_many", I64, *arguments))
    with f.when(done.load(I64).equals(0)):
        f.call("Py_DecRef", VOID, y)
        f.give(f.null())


def _emit_run(module: ir.Module, plan: Plan, name: str, scratch_floats: int) -> None:
    """Emit ``run(parameters, x, y, rows, flags)``, a function of its own so that its scratch memory is on the stack
    only while it runs.

    scratch = memory, on the stack if it is not too much, or raise MemoryError and return 0
    forward(…), without the GIL where that takes long; return 1
    """
    kinds = {"parameters": POINTER, "x": POINTER, "y": POINTER, "rows": I64, "flags": I64}
    f = Function(module, name, I64, kinds, internal=True)
    parameters, x, y, rows, flags = f.arguments
    on_stack = scratch_floats <= STACK_FLOATS
    scratch = f.stack(F32, scratch_floats) if on_stack else f.call_pointer("PyMem_RawMalloc", f.i64(4 * scratch_floats))
    with f.when(scratch.equals(f.null())):
        f.call_pointer("PyErr_NoMemory")
        f.give(f.i64(0))
    arguments = (parameters, x, y, rows, scratch, flags)
    with f.either(rows * plan.multiplications > LONG_CALL) as (long, short):
        with long:
            state = f.call_pointer("PyEval_SaveThread")
            f.call("forward", VOID, *arguments)
            f.call("PyEval_RestoreThread", VOID, state)
        with short:
            f.call("forward", VOID, *arguments)
    if not on_stack:
        f.call("PyMem_RawFree", VOID, scratch)
    f.give(f.i64(1))
