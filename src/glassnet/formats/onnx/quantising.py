"""ONNX operators between kinds of numbers: casts, and whole numbers that stand for real ones.

Quantised networks are computed in floating point, to the same whole numbers: a value is divided, rounded and limited
as the operator says, and goes on as the number that it stands for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from glassnet.errors import ParametersError
from glassnet.formats.onnx.building import reduced
from glassnet.formats.onnx.node import Node, Reader, Result, dtype_of
from glassnet.formats.onnx.values import Value, constant
from glassnet.network import Clip


def _cast(n: Node) -> Result:
    wanted = dtype_of(n.attribute("to", 0))
    if wanted.kind == "O":
        return replace(n.value(), dtype=wanted) if n.value().choices is not None else _texts(n)
    return n.build.cast(n.value(), wanted)


def _texts(n: Node) -> Value:
    known = n.constant(0)
    return constant(known.astype(str).astype(object))


def _cast_like(n: Node) -> Result:
    return n.build.cast(n.value(0), n.value(1).dtype)


def _facing(n: Node, part: Value, value: Value) -> Value:
    """Return a scale or zero point, one number or one for each place along an axis, as it broadcasts."""
    if part.ndim != 1 or part.shape == (1,):
        if part.ndim > 1:
            raise ParametersError("it quantises in blocks")
        return n.build.reshape(part, ())
    axis = value.axis(n.attribute("axis", 1))
    return n.build.reshape(part, (*part.shape, *(1,) * (value.ndim - axis - 1)))


def quantised(n: Node, value: Value, scale: Value, zero: Value | None, dtype: np.dtype[Any]) -> Value:
    """Return round(value / scale) + zero within the range of ``dtype``."""
    build = n.build
    wide = np.dtype(value.dtype) if value.dtype.kind == "f" else np.dtype(np.float32)
    result = build.function(
        "round",
        build.binary(
            "divide", replace(value, dtype=wide) if value.constant is None else build.cast(value, wide), scale, wide
        ),
    )
    if zero is not None:
        result = build.add(result, build.cast(zero, wide))
    info = np.iinfo(dtype)
    return build.cast(build.emit(Clip(info.min, info.max), result, dtype=wide, rows=result.rows), dtype)


def _quantize(n: Node) -> Result:
    value = n.value(0)
    zero = n.value(2) if n.given(2) else None
    dtype = dtype_of(n.attribute("output_dtype", 0) or 2) if zero is None else zero.dtype
    if dtype.kind not in "iu" or (zero is not None and n.input_names[2] in n.build.narrow):
        raise ParametersError("it quantises to a type of fewer than 8 bits, or a floating one")
    return quantised(n, value, _facing(n, n.value(1), value), None if zero is None else _facing(n, zero, value), dtype)


def _dequantize(n: Node) -> Result:
    build, value, scale = n.build, n.value(0), n.value(1)
    dtype = scale.dtype
    result = build.cast(value, dtype)
    if n.given(2):
        result = build.binary("subtract", result, build.cast(_facing(n, n.value(2), value), dtype))
    return build.multiply(result, _facing(n, scale, value))


def _dynamic_quantize(n: Node) -> Result:
    """Scale and zero point come from the smallest and largest value of the whole tensor, 0 included."""
    build, value = n.build, n.value()
    axes = list(range(value.ndim))
    zero = constant(np.zeros((), value.dtype))
    low = build.binary("minimum", reduced(build, value, "min", axes, keep=False), zero)
    high = build.binary("maximum", reduced(build, value, "max", axes, keep=False), zero)
    scale = build.affine(build.binary("subtract", high, low), 1 / 255, 0.0)
    shifted = build.function("round", build.affine(build.binary("divide", low, scale), -1.0, 0.0))
    point = build.emit(Clip(0, 255), shifted, dtype=value.dtype, rows=shifted.rows)
    point = build.cast(point, np.dtype(np.uint8))
    return quantised(n, value, scale, point, np.dtype(np.uint8)), scale, point


def _centred(n: Node, value: Value, zero: Value | None, columns: bool) -> Value:
    """Return whole numbers less their zero point, as numbers that can be multiplied."""
    build = n.build
    wide = np.dtype(np.int32)
    if zero is None:
        return build.cast(value, wide)
    if zero.ndim == 1 and not columns and zero.shape[0] > 1:
        zero = build.reshape(zero, (*zero.shape, 1))
    return build.binary("subtract", build.cast(value, wide), build.cast(zero, wide))


def _matmul_integer(n: Node) -> Result:
    zeros = [n.value(i) if n.given(i) else None for i in (2, 3)]
    left, right = _centred(n, n.value(0), zeros[0], False), _centred(n, n.value(1), zeros[1], True)
    return n.build.matmul(left, right)


def _qlinear_matmul(n: Node) -> Result:
    build = n.build
    left, right = _centred(n, n.value(0), n.value(2), False), _centred(n, n.value(3), n.value(5), True)
    product = build.cast(build.matmul(left, right), np.dtype(np.float32))
    left_scale = n.value(1)
    if left_scale.ndim == 1 and left_scale.shape[0] > 1:
        left_scale = build.reshape(left_scale, (*left_scale.shape, 1))
    real = build.multiply(
        build.multiply(product, build.cast(left_scale, product.dtype)), build.cast(n.value(4), product.dtype)
    )
    return quantised(n, real, build.cast(n.value(6), product.dtype), n.value(7), n.value(7).dtype)


def _qgemm(n: Node) -> Result:
    """com.microsoft's: A, a_scale, a_zero, B, b_scale, b_zero, C (int32), y_scale, y_zero."""
    build = n.build
    left, right = _centred(n, n.value(0), n.value(2), False), n.value(3)
    right = _centred(n, build.swapped(right) if n.attribute("transB", 0) else right, n.value(5), True)
    left = build.swapped(left) if n.attribute("transA", 0) else left
    product = build.matmul(left, right)
    if n.given(6):
        product = build.add(product, n.value(6))
    real = build.multiply(build.cast(product, np.dtype(np.float32)), n.value(1))
    real = build.affine(build.multiply(real, n.value(4)), float(n.attribute("alpha", 1.0)), 0.0)
    return quantised(n, real, n.value(7), n.value(8), n.value(8).dtype) if n.given(7) and n.given(8) else real


OPERATORS: Mapping[str, Reader] = {
    "Cast": _cast, "CastLike": _cast_like, "QuantizeLinear": _quantize, "DequantizeLinear": _dequantize,
    "DynamicQuantizeLinear": _dynamic_quantize, "MatMulInteger": _matmul_integer,
    "QLinearMatMul": _qlinear_matmul, "QGemm": _qgemm,
}  # fmt: skip
