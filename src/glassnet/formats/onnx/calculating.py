"""ONNX operators that calculate: arithmetic, activations, matrix products, normalisation."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from glassnet.errors import ParametersError
from glassnet.formats.onnx.building import activate, reduced, select
from glassnet.formats.onnx.node import Node, Reader, Result
from glassnet.formats.onnx.values import BOOL, FLOAT64, Builder, Value, constant
from glassnet.network import Clip, Normalise, PRelu
from glassnet.network.step import Array


def wrapped(build: Builder, value: Value) -> Value:
    """Return whole numbers of a small type as such a type holds them."""
    if value.constant is None and value.dtype.kind in "iu" and value.dtype.itemsize < 4:
        return build.cast(replace(value, dtype=np.dtype(np.int64)), value.dtype)
    return value


# --- arithmetic ---------------------------------------------------------------------------------------------


def _pair(n: Node) -> tuple[Value, Value]:
    """Return the two inputs; before version 7 the second was told where to stand by an axis."""
    left, right = n.value(0), n.value(1)
    if n.version < 7 and n.attribute("broadcast", 0) and right.constant is not None and "axis" in n.attributes:
        axis = n.attribute("axis", 0) % max(1, left.ndim)
        right = n.build.reshape(right, (*right.shape, *(1,) * (left.ndim - axis - right.ndim)))
    return left, right


def _add(n: Node) -> Result:
    return wrapped(n.build, n.build.add(*_pair(n)))


def _subtract(n: Node) -> Result:
    left, right = _pair(n)
    build = n.build
    if left.constant is None and right.constant is not None:
        return wrapped(build, build.affine(left, 1.0, _negative(right)))
    if left.constant is not None and right.constant is None:
        return wrapped(build, build.affine(right, -1.0, left))
    return wrapped(build, build.binary("subtract", left, right))


def _negative(value: Value) -> Value:
    assert value.constant is not None
    array = value.constant
    return replace(value, constant=np.negative(array.astype(np.int64) if array.dtype.kind in "iu" else array))


def _multiply(n: Node) -> Result:
    return wrapped(n.build, n.build.multiply(*_pair(n)))


def _divide(n: Node) -> Result:
    return n.build.divide(*_pair(n))


def _negate(n: Node) -> Result:
    return n.build.affine(n.value(), -1.0, 0.0)


def _power(n: Node) -> Result:
    base, exponent = _pair(n)
    known = exponent.constant
    if (
        known is not None
        and known.size == 1
        and base.dtype.kind == "f"
        and base.constant is None
        and exponent.ndim <= base.ndim
    ):
        match float(known.reshape(())):
            case 1.0:
                return base
            case 2.0:
                return n.build.multiply(base, base)
            case 0.5:
                return n.build.function("sqrt", base)
    return wrapped(n.build, n.build.binary("power", base, exponent))


def _several(name: str) -> Reader:
    def read(n: Node) -> Result:
        values = [n.value(i) for i in range(len(n.inputs))]
        return functools.reduce(lambda left, right: _limit(n.build, name, left, right), values)

    return read


def _limit(build: Builder, name: str, left: Value, right: Value) -> Value:
    """Return the smaller or larger of two values; one that is the same number everywhere makes a Clip."""
    known, value = (left, right) if left.constant is not None else (right, left)
    if value.constant is None and known.constant is not None and known.constant.size == 1 and known.ndim <= value.ndim:
        limit = float(known.constant.reshape(()))
        if not math.isnan(limit):
            step = Clip(high=limit) if name == "minimum" else Clip(low=limit)
            return build.emit(step, value, dtype=value.dtype, rows=value.rows)
    return build.binary(name, left, right)


def _sum(n: Node) -> Result:
    return functools.reduce(n.build.add, [n.value(i) for i in range(len(n.inputs))])


def _mean(n: Node) -> Result:
    total = functools.reduce(n.build.add, [n.value(i) for i in range(len(n.inputs))])
    return n.build.affine(total, 1 / len(n.inputs), 0.0)


def _compare(name: str) -> Reader:
    return lambda n: n.build.binary(name, n.value(0), n.value(1), BOOL)


def _not(n: Node) -> Result:
    return n.build.binary("equal", n.value(), constant(np.array(0.0, np.float32)), BOOL)


def _where(n: Node) -> Result:
    return select(n.build, n.value(0), n.value(1), n.value(2))


def _clip(n: Node) -> Result:
    build, value = n.build, n.value()
    if n.version < 11:
        low, high = n.attribute("min", -math.inf), n.attribute("max", math.inf)
        return build.emit(Clip(low, max(low, high)), value, dtype=value.dtype, rows=value.rows)
    for index, name in ((1, "maximum"), (2, "minimum")):
        if n.given(index):
            value = _limit(build, name, value, n.value(index))
    return value


def _is_nan(n: Node) -> Result:
    return replace(n.build.function("is_nan", n.value()), dtype=BOOL)


def _function(name: str) -> Reader:
    return lambda n: n.build.function(name, n.value())


# --- activations --------------------------------------------------------------------------------------------


def _plain(name: str, **defaults: tuple[str, float]) -> Reader:
    """Return the reader of an activation; defaults: its parameter → ONNX' attribute and default."""

    def read(n: Node) -> Result:
        parameters = {key: float(n.attribute(theirs, default)) for key, (theirs, default) in defaults.items()}
        return activate(n.build, n.value(), name, **parameters)

    return read


def _celu(n: Node) -> Result:
    alpha = float(n.attribute("alpha", 1.0))
    if alpha == 0:
        raise ParametersError("its alpha is 0")
    return activate(n.build, n.value(), "celu", alpha=alpha)


def _selu(n: Node) -> Result:
    alpha, gamma = n.attribute("alpha", 1.6732632423543772), n.attribute("gamma", 1.0507009873554805)
    if abs(alpha - 1.6732632423543772) < 1e-6 and abs(gamma - 1.0507009873554805) < 1e-6 and n.value().dtype != FLOAT64:
        return activate(n.build, n.value(), "selu")
    return n.build.affine(activate(n.build, n.value(), "elu", alpha=float(alpha)), float(gamma), 0.0)


def _gelu(n: Node) -> Result:
    return activate(n.build, n.value(), {"none": "gelu", "tanh": "gelu_tanh"}[n.attribute("approximate", "none")])


def _swish(n: Node) -> Result:
    alpha = float(n.attribute("alpha", 1.0))
    if alpha == 1:
        return activate(n.build, n.value(), "silu")
    gate = activate(n.build, n.build.affine(n.value(), alpha, 0.0), "sigmoid")
    return n.build.multiply(n.value(), gate)


def _thresholded_relu(n: Node) -> Result:
    threshold = constant(np.array(n.attribute("alpha", 1.0), n.value().dtype))
    return n.build.multiply(n.value(), n.build.binary("greater", n.value(), threshold))


def _prelu(n: Node) -> Result:
    build, value, slope = n.build, n.value(0), n.value(1)
    if n.version < 7 and slope.ndim == 1 and slope.shape[0] > 1 and value.ndim > 2:
        slope = build.reshape(slope, (*slope.shape, *(1,) * (value.ndim - 2)))
    if slope.constant is not None and value.constant is None:
        aligned, rows = build.together((value, slope))
        return build.emit(PRelu(build.parameter(aligned[1])), value, dtype=value.dtype, rows=rows)
    positive = build.binary("maximum", value, constant(np.zeros((), value.dtype)))
    negative = build.binary("minimum", value, constant(np.zeros((), value.dtype)))
    return build.add(positive, build.multiply(negative, slope))


def _along_axis(name: str) -> Reader:
    """Return the reader of softmax and its kin: since version 13 along one axis, before over all from there on."""

    def read(n: Node) -> Result:
        build, value = n.build, n.value()
        if n.version >= 13:
            return build.along_last(value, n.attribute("axis", -1), lambda x: activate(build, x, name))
        axis = value.axis(n.attribute("axis", 1)) if value.ndim else 0
        for i in range(axis, value.ndim):
            value.row_axis(i)
        flat = build.reshape(value, (*value.shape[:axis], math.prod(value.shape[axis:])))
        return build.reshape(activate(build, flat, name), value.shape)

    return read


def _hardmax(n: Node) -> Result:
    raise ParametersError("a network has no place for one of several largest values")


# --- products of matrices -----------------------------------------------------------------------------------


def _matmul(n: Node) -> Result:
    return n.build.matmul(n.value(0), n.value(1))


def _gemm(n: Node) -> Result:
    build = n.build
    left, right = n.value(0), n.value(1)
    if left.ndim != 2 or right.ndim != 2:
        raise ParametersError(f"matrices of {left.ndim} and {right.ndim} axes, expected 2")
    left = build.swapped(left) if n.attribute("transA", 0) else left
    right = build.swapped(right) if n.attribute("transB", 0) else right
    alpha, beta = float(n.attribute("alpha", 1.0)), float(n.attribute("beta", 1.0))
    if alpha != 1:
        known = right.constant is not None
        right, left = (build.affine(right, alpha, 0.0), left) if known else (right, build.affine(left, alpha, 0.0))
    result = build.matmul(left, right)
    if not n.given(2) or beta == 0:
        return result
    bias = n.value(2)
    return build.add(result, bias if beta == 1 else build.affine(bias, beta, 0.0))


# --- normalisation ------------------------------------------------------------------------------------------


def _batch_normalisation(n: Node) -> Result:
    """(x - mean) / √(variance + epsilon) · scale + shift, which is one scale and one shift for each channel."""
    if n.attribute("training_mode", 0) or (n.version < 7 and not n.attribute("is_test", 0)):
        raise ParametersError("it is in training mode, where a row's answer depends on the others in its batch")
    n.refuse_outputs()
    build, value = n.build, n.value()
    epsilon = float(n.attribute("epsilon", 1e-5))
    behind = value.ndim - 2
    scale, shift, mean, variance = (
        build.reshape(n.value(i), (*n.value(i).shape, *(1,) * max(0, behind))) for i in range(1, 5)
    )
    parts = [part.constant for part in (scale, shift, mean, variance)]
    if value.constant is None and all(part is not None for part in parts):
        s, t, m, v = (np.asarray(part, np.float64) for part in parts)
        with np.errstate(all="ignore"):
            factor = s / np.sqrt(v + epsilon)
            return build.affine(
                value, constant(factor.astype(value.dtype)), constant((t - m * factor).astype(value.dtype))
            )
    deviation = build.function("sqrt", build.affine(variance, 1.0, epsilon))
    centred = build.binary("subtract", value, mean)
    return build.add(build.multiply(build.binary("divide", centred, deviation), scale), shift)


def _layer_normalisation(n: Node) -> Result:
    result = _normalised(n)
    if n.outputs == 1:
        return result
    build, value = n.build, n.value()
    axes = list(range(value.axis(n.attribute("axis", -1)), value.ndim))
    mean = reduced(build, value, "mean", axes, keep=True)
    centred = build.binary("subtract", value, mean)
    variance = reduced(build, build.multiply(centred, centred), "mean", axes, keep=True)
    deviation = build.function("sqrt", build.affine(variance, 1.0, float(n.attribute("epsilon", 1e-5))))
    return result, mean, build.function("reciprocal", deviation)


def _normalised(n: Node) -> Value:
    build, value = n.build, n.value()
    axis = value.axis(n.attribute("axis", -1))
    for i in range(axis, value.ndim):
        value.row_axis(i)
    shape = value.shape[axis:]
    epsilon = float(n.attribute("epsilon", 1e-5))
    known = [n.inputs[i].constant if n.given(i) else None for i in (1, 2)]  # type: ignore[union-attr]
    if known[0] is not None and (known[1] is not None or not n.given(2)):
        scale, shift = (np.broadcast_to(_bare(p, len(shape)), shape) if p is not None else None for p in known)
        step = Normalise(_as(scale, value), None if shift is None else _as(shift, value), epsilon)
        return build.emit(step, value, dtype=value.dtype, rows=value.rows)
    step = Normalise(np.ones(shape, value.dtype if value.dtype == FLOAT64 else np.float32), None, epsilon)
    result = build.multiply(build.emit(step, value, dtype=value.dtype, rows=value.rows), n.value(1))
    return build.add(result, n.value(2)) if n.given(2) else result


def _bare(array: Array, ndim: int) -> Array:
    """Return an array without leading axes of size 1 beyond ``ndim``."""
    while array.ndim > ndim and array.shape[0] == 1:
        array = array[0]
    return array


def _as(array: Any, value: Value) -> Array:
    return np.ascontiguousarray(array, FLOAT64 if value.dtype == FLOAT64 else np.float32)


def _rms_normalisation(n: Node) -> Result:
    build, value = n.build, n.value()
    axes = list(range(value.axis(n.attribute("axis", -1)), value.ndim))
    mean = reduced(build, build.multiply(value, value), "mean", axes, keep=True)
    deviation = build.function("sqrt", build.affine(mean, 1.0, float(n.attribute("epsilon", 1e-5))))
    return build.multiply(build.binary("divide", value, deviation), n.value(1))


OPERATORS: Mapping[str, Reader] = {
    "Add": _add, "Sub": _subtract, "Mul": _multiply, "Div": _divide, "Neg": _negate, "Pow": _power,
    "Min": _several("minimum"), "Max": _several("maximum"), "Sum": _sum, "Mean": _mean, "Clip": _clip,
    "Less": _compare("less"), "LessOrEqual": _compare("less_equal"), "Greater": _compare("greater"),
    "GreaterOrEqual": _compare("greater_equal"), "Equal": _compare("equal"), "Not": _not,
    "Where": _where, "IsNaN": _is_nan,
    "And": _compare("minimum"), "Or": _compare("maximum"),
    "Exp": _function("exp"), "Log": _function("log"), "Sqrt": _function("sqrt"), "Abs": _function("abs"),
    "Reciprocal": _function("reciprocal"), "Erf": _function("erf"), "Sin": _function("sin"), "Cos": _function("cos"),
    "Sign": _function("sign"), "Floor": _function("floor"), "Ceil": _function("ceil"), "Round": _function("round"),
    "Relu": _plain("relu"), "Sigmoid": _plain("sigmoid"), "Tanh": _plain("tanh"), "Softplus": _plain("softplus"),
    "Softsign": _plain("softsign"), "Mish": _plain("mish"), "HardSwish": _plain("hard_swish"),
    "LeakyRelu": _plain("leaky_relu", slope=("alpha", 0.01)), "Elu": _plain("elu", alpha=("alpha", 1.0)),
    "HardSigmoid": _plain("hard_sigmoid", slope=("alpha", 0.2), offset=("beta", 0.5)),
    "Celu": _celu, "Selu": _selu, "Gelu": _gelu, "Swish": _swish, "ThresholdedRelu": _thresholded_relu,
    "PRelu": _prelu, "Softmax": _along_axis("softmax"), "LogSoftmax": _along_axis("log_softmax"),
    "MatMul": _matmul, "Gemm": _gemm, "BatchNormalization": _batch_normalisation,
    "LayerNormalization": _layer_normalisation, "RMSNormalization": _rms_normalisation,
}  # fmt: skip
