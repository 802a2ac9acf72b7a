"""ONNX operators that arrange: shapes, axes, parts, sums along axes, constants, and those of ai.onnx.ml."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from glassnet.errors import ParametersError
from glassnet.formats.contents import shown
from glassnet.formats.onnx.building import concatenated, part, reduced
from glassnet.formats.onnx.node import Node, Reader, Result, whole_numbers
from glassnet.formats.onnx.values import AcrossRowsError, Value, constant, sized
from glassnet.network import ArgMax, Constant
from glassnet.network.step import Array

# --- shapes -------------------------------------------------------------------------------------------------


def _reshape(n: Node) -> Result:
    value = n.value()
    asked = n.attribute("shape", []) if n.version < 5 else n.whole(1)
    copies = not n.attribute("allowzero", 0)
    target = [value.shape[i] if size == 0 and copies and i < value.ndim else size for i, size in enumerate(asked)]
    if target.count(-1) == 1:
        rest = math.prod(size for size in target if size != -1)
        if not rest or math.prod(value.shape) % rest:
            raise ParametersError(f"a tensor of shape {sized(value.shape)} cannot take shape {sized(target)}")
        target[target.index(-1)] = math.prod(value.shape) // rest
    return n.build.reshape(value, target)


def _flatten(n: Node) -> Result:
    value, axis = n.value(), n.attribute("axis", 1)
    axis = axis + value.ndim if axis < 0 else axis
    if not 0 <= axis <= value.ndim:
        raise ParametersError(f"axis {axis} of a tensor of shape {sized(value.shape)}")
    return n.build.reshape(value, (math.prod(value.shape[:axis]), math.prod(value.shape[axis:])))


def _squeeze(n: Node) -> Result:
    value, asked = n.value(), n.axes(1, 13)
    if asked is None:
        axes = {i for i, size in enumerate(value.shape) if size == 1 and i != value.rows}
    else:
        axes = {value.axis(axis) for axis in asked}
    if any(value.shape[axis] != 1 for axis in axes):
        raise ParametersError(f"axes {sorted(axes)} of a tensor of shape {sized(value.shape)}, expected sizes of 1")
    if value.rows in axes:
        raise AcrossRowsError("it drops the axis of the rows")
    return n.build.reshape(value, [size for i, size in enumerate(value.shape) if i not in axes])


def _unsqueeze(n: Node) -> Result:
    value, asked = n.value(), n.axes(1, 13) or []
    ndim = value.ndim + len(asked)
    axes = {axis % ndim for axis in asked if -ndim <= axis < ndim}
    if len(axes) != len(asked):
        raise ParametersError(f"axes {asked} of a tensor of {ndim} axes")
    sizes = iter(value.shape)
    return n.build.reshape(value, [1 if i in axes else next(sizes) for i in range(ndim)])


def _transpose(n: Node) -> Result:
    value = n.value()
    axes = n.attribute("perm", list(range(value.ndim))[::-1])
    return n.build.transpose(value, axes)


def _shape(n: Node) -> Result:
    value = n.value()
    start, stop = n.attribute("start", 0), n.attribute("end")
    chosen = slice(start, stop)
    by_rows = value.rows in range(value.ndim)[chosen] if value.rows is not None else value.by_rows
    return replace(whole_numbers(*value.shape[chosen]), by_rows=by_rows)


def _size(n: Node) -> Result:
    return replace(
        whole_numbers(math.prod(n.value().shape)),
        shape=(),
        constant=np.array(math.prod(n.value().shape)),
        by_rows=n.value().rows is not None,
    )


def _constant(n: Node) -> Result:
    if "value" in n.attributes:
        return constant(n.attribute("value"))
    for name, dtype in (
        ("value_float", np.float32),
        ("value_floats", np.float32),
        ("value_int", np.int64),
        ("value_ints", np.int64),
        ("value_string", object),
        ("value_strings", object),
    ):
        if name in n.attributes:
            return constant(np.array(n.attribute(name), dtype))
    raise ParametersError("it holds no values")


def _constant_of_shape(n: Node) -> Result:
    filler = n.attribute("value")
    filler = np.zeros(1, np.float32) if filler is None else filler.reshape(-1)[:1]
    return _filled(n, filler, n.whole(0))


def _filled(n: Node, filler: Array, shape: Sequence[int]) -> Value:
    """Return a constant of a shape; where that depends on the rows, one row of it that broadcasts."""
    if any(size < 0 for size in shape):
        raise ParametersError(f"a shape of {sized(shape)}")
    known = n.value(n.operator == "Expand")
    sizes = [1 if known.by_rows and size == n.build.rows else size for size in shape]
    n.build.grow(math.prod(sizes))
    return Value(tuple(sizes), filler.dtype, constant=np.broadcast_to(filler, sizes))


def _expand(n: Node) -> Result:
    build, value = n.build, n.value()
    if value.constant is not None:
        return _filled(n, value.constant, np.broadcast_shapes(value.shape, _one_row(n, n.value(1), n.whole(1))))
    return build.add(value, constant(np.zeros(_one_row(n, n.value(1), n.whole(1)), value.dtype)))


def _one_row(n: Node, known: Value, shape: Sequence[int]) -> tuple[int, ...]:
    sizes = tuple(1 if known.by_rows and size == n.build.rows else size for size in shape)
    if any(size < 1 for size in sizes):
        raise ParametersError(f"a shape of {sized(shape)}")
    n.build.grow(math.prod(sizes))
    return sizes


def _identity(n: Node) -> Result:
    return n.value()


def _dropout(n: Node) -> Result:
    training = n.given(2) and n.constant(2).any()
    if training and not (n.given(1) and not n.constant(1).any()):
        raise ParametersError("it is in training mode, where values are dropped at random")
    value = n.value()
    if n.outputs == 1:
        return value
    kept = np.ones((1,) * value.ndim if value.constant is None else value.shape, bool)
    mask = Constant(np.ones(value.row_shape, np.float32), sources=("x",))
    if value.constant is not None:
        return value, constant(kept)
    return value, n.build.emit(mask, value, dtype=np.dtype(bool), rows=value.rows)


# --- parts --------------------------------------------------------------------------------------------------


def read_concat(n: Node) -> Result:
    """Read a Concat."""
    build = n.build
    values = [n.value(i) for i in range(len(n.inputs))]
    if any(value.ndim != values[0].ndim for value in values):
        raise ParametersError("its inputs have different numbers of axes")
    axis = values[0].axis(n.attribute("axis", 1))
    if all(value.constant is not None for value in values):
        arrays = [value.constant for value in values if value.constant is not None]
        try:
            joined = np.concatenate(arrays, axis)
        except ValueError as error:
            raise ParametersError(shown(error)) from None
        build.grow(joined.size)
        return constant(joined, by_rows=any(value.by_rows for value in values))
    values = [value for value in values if value.constant is None or value.constant.size]
    first = next(value for value in values if value.constant is None)
    if any(value.rows != first.rows for value in values if value.constant is None):
        raise AcrossRowsError("the rows of a batch stand beside another axis")
    if axis == first.rows:
        raise AcrossRowsError("it puts rows below one another")
    values = [_for_each_row(n, value, first) for value in values]
    inner = math.prod(first.shape[axis + 1 :]) if first.rows is None or first.rows < axis else 0
    if first.rows is not None and first.rows > axis:
        return build.transpose(
            concatenated(build, [build.transpose(v, _rows_first(v, first.rows)) for v in values], axis + 1),
            _rows_back(first.ndim, first.rows),
        )
    return concatenated(build, values, axis) if inner else values[0]


def _rows_first(value: Value, rows: int) -> list[int]:
    return [rows, *(i for i in range(value.ndim) if i != rows)]


def _rows_back(ndim: int, rows: int) -> list[int]:
    return [*range(1, rows + 1), 0, *range(rows + 1, ndim)]


def _for_each_row(n: Node, value: Value, like: Value) -> Value:
    """Return a constant that stands beside rows, repeated for each of them."""
    if value.constant is None:
        return value
    if like.rows is None:
        return n.build.lifted(value, (like,))
    if value.shape[like.rows] != 1 and not value.by_rows:
        raise AcrossRowsError("a constant differs from row to row")
    one = constant(value.constant.take(0, axis=like.rows))
    lifted = n.build.lifted(one, (like,))
    shape = (*value.shape[: like.rows], n.build.rows or 0, *value.shape[like.rows + 1 :])
    return replace(lifted, shape=shape, rows=like.rows)


def _slice(n: Node) -> Result:
    value = n.value()
    if n.version >= 10:
        starts, stops = n.whole(1), n.whole(2)
        axes = n.whole(3) if n.given(3) else list(range(len(starts)))
        strides = n.whole(4) if n.given(4) else [1] * len(starts)
    else:
        starts, stops = n.attribute("starts", []), n.attribute("ends", [])
        axes, strides = n.attribute("axes", list(range(len(starts)))), [1] * len(starts)
    if not len(starts) == len(stops) == len(axes) == len(strides) or 0 in strides:
        raise ParametersError("its starts, ends, axes and steps do not fit together")
    for start, stop, given, stride in zip(starts, stops, axes, strides, strict=True):
        axis = value.axis(given)
        size = value.shape[axis]
        if axis == value.rows and (start, stride) == (0, 1) and stop >= size:
            continue
        if value.constant is None:
            value.row_axis(axis)
        # As ONNX has it, an end below -size stays below 0 when the stride is negative.
        end = None if stride < 0 and stop < -size else stop
        value = part(n.build, value, axis, list(range(size))[slice(start, end, stride)])
    return value


def _split(n: Node) -> Result:
    value = n.value()
    axis = value.axis(n.attribute("axis", 0))
    value.row_axis(axis) if value.constant is None else None
    sizes = n.attribute("split") if n.version < 13 else (n.whole(1) if n.given(1) else None)
    if sizes is None:
        count = n.attribute("num_outputs", 0) or n.outputs
        each = -(-value.shape[axis] // count)
        sizes = [min(each, value.shape[axis] - i * each) for i in range(count)]
    if sum(sizes) != value.shape[axis] or any(size < 0 for size in sizes):
        raise ParametersError(f"parts of {sizes} of axis {axis} of a tensor of shape {sized(value.shape)}")
    starts = np.cumsum([0, *sizes])
    return tuple(part(n.build, value, axis, range(starts[i], starts[i + 1])) for i in range(len(sizes)))


def _gather(n: Node) -> Result:
    build, value = n.build, n.value()
    axis, chosen = value.axis(n.attribute("axis", 0)), n.constant(1)
    if chosen.dtype.kind not in "iu":
        raise ParametersError("its indices are not whole numbers")
    size = value.shape[axis]
    if chosen.size and not (-size <= chosen.min() and chosen.max() < size):
        raise ParametersError(f"indices beyond axis {axis} of a tensor of shape {sized(value.shape)}")
    indices = [int(index) % size for index in chosen.reshape(-1)]
    if value.constant is None and axis == value.rows:
        if indices == [0] and size == 1:
            raise AcrossRowsError("it takes one row")
        raise AcrossRowsError("it takes some of the rows")
    taken = part(build, value, axis, indices)
    result = build.reshape(taken, (*value.shape[:axis], *chosen.shape, *value.shape[axis + 1 :]))
    if value.by_rows and value.constant is not None and value.ndim == 1:  # what of a shape is taken
        return replace(result, by_rows=bool(np.any(result.constant == build.rows)))
    return result


# --- sums along axes ----------------------------------------------------------------------------------------


def _reduce(name: str, since: int = 18) -> Reader:
    def read(n: Node) -> Result:
        value = n.value()
        axes = n.axes(1, since)
        if not axes:
            axes = [] if n.attribute("noop_with_empty_axes", 0) else list(range(value.ndim))
        build = n.build
        inside, outside = _PARTS.get(name, ("", ""))
        if inside == "square":
            value = build.multiply(value, value)
        elif inside:
            value = build.function(inside, value)
        keep = bool(n.attribute("keepdims", 1))
        result = reduced(build, value, name if name not in _PARTS else "sum", axes, keep=keep)
        return build.function(outside, result) if outside else result

    return read


# Sums of something, and what is done with them.
_PARTS: Mapping[str, tuple[str, str]] = {
    "l1": ("abs", ""), "l2": ("square", "sqrt"), "sum_square": ("square", ""), "log_sum": ("", "log"),
}  # fmt: skip


def _arg_extreme(sign: float) -> Reader:
    def read(n: Node) -> Result:
        build, value = n.build, n.value()
        axis = value.axis(n.attribute("axis", 0))
        if sign < 0:
            value = build.affine(value, -1.0, 0.0)
        last = bool(n.attribute("select_last_index", 0))
        if last:
            value = part(build, value, axis, list(range(value.shape[axis]))[::-1])
        rows = value.rows if value.rows is None or value.rows < axis else value.rows - 1
        result = build.emit(ArgMax(value.row_axis(axis)), value, dtype=np.dtype(np.int64), rows=rows)
        if last:
            result = build.affine(result, -1.0, float(value.shape[axis] - 1))
        if not n.attribute("keepdims", 1):
            return result
        return build.reshape(result, [1 if i == axis else size for i, size in enumerate(value.shape)])

    return read


OPERATORS: Mapping[str, Reader] = {
    "Reshape": _reshape, "Flatten": _flatten, "Squeeze": _squeeze, "Unsqueeze": _unsqueeze, "Transpose": _transpose,
    "Shape": _shape, "Size": _size, "Constant": _constant, "ConstantOfShape": _constant_of_shape, "Expand": _expand,
    "Identity": _identity, "Dropout": _dropout, "Concat": read_concat, "Slice": _slice, "Split": _split,
    "Gather": _gather,
    "ReduceSum": _reduce("sum", 13), "ReduceMean": _reduce("mean"), "ReduceMax": _reduce("max"),
    "ReduceMin": _reduce("min"),
    "ReduceL1": _reduce("l1"), "ReduceL2": _reduce("l2"), "ReduceSumSquare": _reduce("sum_square"),
    "ReduceLogSum": _reduce("log_sum"), "ArgMax": _arg_extreme(1.0), "ArgMin": _arg_extreme(-1.0),
}  # fmt: skip
