"""Operators of ai.onnx.ml: what stands around networks from scikit-learn, and its linear models."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from glassnet.errors import ParametersError
from glassnet.formats.contents import shown
from glassnet.formats.onnx.arranging import read_concat
from glassnet.formats.onnx.building import activate, concatenated, part, reduced, select
from glassnet.formats.onnx.node import Node, Reader, Result
from glassnet.formats.onnx.values import Builder, Value, constant, sized
from glassnet.network import ArgMax, Dense


def _scaler(n: Node) -> Result:
    """(x - offset) · scale, as float32."""
    offset, scale = (
        np.array(n.attribute(name, [default]), np.float32) for name, default in (("offset", 0.0), ("scale", 1.0))
    )
    value = n.build.cast(n.value(), np.dtype(np.float32))
    return n.build.affine(value, constant(scale), constant(-offset * scale))


def _normalizer(n: Node) -> Result:
    build, value = n.build, n.build.cast(n.value(), np.dtype(np.float32))
    kind = n.attribute("norm", "MAX")
    size = {"MAX": value, "L1": build.function("abs", value), "L2": build.multiply(value, value)}.get(kind)
    if size is None:
        raise ParametersError(f"a norm '{shown(kind)}', expected MAX, L1 or L2")
    total = reduced(build, size, "max" if kind == "MAX" else "sum", [-1], keep=True)
    total = build.function("sqrt", total) if kind == "L2" else total
    if kind == "MAX":
        return build.binary("divide", value, total)
    none = build.affine(build.function("sign", total), -1.0, 1.0)  # a row of zeros stays one
    return build.binary("divide", value, build.add(total, none))


def _imputer(n: Node) -> Result:
    """Put a number where another, or NaN, stands."""
    build, value = n.build, n.value()
    new = n.attribute("imputed_value_floats") or n.attribute("imputed_value_int64s")
    old = n.attribute("replaced_value_float", n.attribute("replaced_value_int64", 0.0))
    if not new:
        raise ParametersError("it holds no values to put in")
    missing = (
        build.function("is_nan", value)
        if math.isnan(old)
        else build.binary("equal", value, constant(np.array(old, value.dtype)))
    )
    return select(build, missing, constant(np.array(new, value.dtype)), value)


def _linear(n: Node) -> Value:
    build, value = n.build, n.build.cast(n.value(), np.dtype(np.float32))
    coefficients = np.array(n.attribute("coefficients", [0.0]), np.float32)
    bias = np.array(n.attribute("intercepts", [0.0]), np.float32)
    if coefficients.size % value.shape[-1] or value.ndim != 2:
        raise ParametersError(f"{coefficients.size} coefficients for rows of shape {sized(value.row_shape)}")
    weights = coefficients.reshape(-1, value.shape[-1]).T
    value.row_axis(-1)
    step = Dense(weights, np.broadcast_to(bias, weights.shape[1:]) if bias.size == 1 else bias)
    return build.emit(step, value, dtype=value.dtype, rows=value.rows)


def _transformed(build: Builder, value: Value, kind: str) -> Value:
    if kind not in ("NONE", "LOGISTIC", "SOFTMAX"):
        raise ParametersError(f"scores turned into '{shown(kind)}', expected NONE, LOGISTIC or SOFTMAX")
    return value if kind == "NONE" else activate(build, value, {"LOGISTIC": "sigmoid", "SOFTMAX": "softmax"}[kind])


def _linear_regressor(n: Node) -> Result:
    return _transformed(n.build, _linear(n), n.attribute("post_transform", "NONE"))


def _linear_classifier(n: Node) -> Result:
    """Labels, and scores; a single row of coefficients makes the scores of two classes."""
    build, scores = n.build, _linear(n)
    classes = n.attribute("classlabels_strings") or n.attribute("classlabels_ints") or []
    kind = n.attribute("post_transform", "NONE")
    if scores.shape[-1] == 1 and len(classes) == 2:
        if kind == "LOGISTIC":
            one = _transformed(build, scores, kind)
            scores = concatenated(build, [build.affine(one, -1.0, 1.0), one], 1)
        elif kind == "SOFTMAX":
            scores = _transformed(build, concatenated(build, [build.affine(scores, -1.0, 0.0), scores], 1), kind)
        else:
            scores = concatenated(build, [build.affine(scores, -1.0, 0.0), scores], 1)
    else:
        scores = _transformed(build, scores, kind)
    if len(classes) != scores.shape[-1]:
        raise ParametersError(f"{len(classes)} labels for {scores.shape[-1]} scores")
    place = build.emit(ArgMax(-1), scores, dtype=np.dtype(np.int64), rows=scores.rows)
    return replace(place, choices=np.array(classes, object if isinstance(classes[0], str) else np.int64)), scores


def _array_feature_extractor(n: Node) -> Result:
    values, index = n.value(0), n.value(1)
    if index.constant is not None:
        return part(n.build, values, -1, [int(i) for i in index.constant.reshape(-1)])
    if values.constant is None or index.dtype.kind not in "iu":
        raise ParametersError("it takes values at places that only running it would tell")
    return replace(index, choices=values.constant.reshape(-1), dtype=values.dtype)


def _label_encoder(n: Node) -> Result:
    """Translate labels: keys → values."""
    value = n.value()
    choices = value.choices if value.constant is None else value.constant
    if choices is None:
        raise ParametersError("it translates values that are no labels")
    names = ("keys_tensor", "keys_strings", "keys_int64s", "keys_floats")
    keys = next((list(n.attribute(name)) for name in names if name in n.attributes), None)
    values = next(
        (
            n.attribute(name.replace("keys", "values"))
            for name in names
            if name.replace("keys", "values") in n.attributes
        ),
        None,
    )
    if keys is None and "classes_strings" in n.attributes:
        classes = n.attribute("classes_strings")
        keys, values = (
            (list(range(len(classes))), classes) if choices.dtype.kind in "iu" else (classes, list(range(len(classes))))
        )
    if keys is None or values is None or len(keys) != len(values):
        raise ParametersError("its keys and values are not both there")
    table = dict(zip(keys, values, strict=True))
    missing = [key for key in choices.reshape(-1) if key not in table]
    if missing:
        raise ParametersError(f"it has no value for the label {shown(str(missing[0]))}")
    new = [table[key] for key in choices.reshape(-1)]
    array = np.array(new, object if isinstance(new[0], str) else None)
    return (
        replace(value, choices=array, dtype=array.dtype)
        if value.constant is None
        else constant(array.reshape(value.shape))
    )


def _zip_map(n: Node) -> Result:
    """Give probabilities names: the names become the labels of the network."""
    names = n.attribute("classlabels_strings") or n.attribute("classlabels_int64s") or []
    if len(names) != n.value().shape[-1]:
        raise ParametersError(f"{len(names)} labels for {n.value().shape[-1]} values")
    return replace(n.value(), choices=None)


def _feature_vectorizer(n: Node) -> Result:
    return read_concat(replace(n, attributes={}))


OPERATORS: Mapping[str, Reader] = {
    "Scaler": _scaler, "Normalizer": _normalizer, "Imputer": _imputer, "LinearRegressor": _linear_regressor,
    "LinearClassifier": _linear_classifier, "ArrayFeatureExtractor": _array_feature_extractor,
    "LabelEncoder": _label_encoder, "ZipMap": _zip_map, "FeatureVectorizer": _feature_vectorizer,
}  # fmt: skip
