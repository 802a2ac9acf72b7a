"""Models as Keras makes them: one for each layer, option and way to put layers together. Needs Keras."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="Keras runs on PyTorch here")
os.environ.setdefault("KERAS_BACKEND", "torch")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    keras = pytest.importorskip("keras", reason="Keras is not installed")

L = keras.layers
Model = Any
MODELS: dict[str, Callable[[], Model]] = {}


def model(maker: Callable[[], Model]) -> Callable[[], Model]:
    MODELS[maker.__name__] = maker
    return maker


def chain(*layers: Any, shape: tuple[int, ...] = (5,)) -> Model:
    return keras.Sequential([keras.Input(shape), *layers])


ACTIVATIONS = (
    "linear", "relu", "sigmoid", "tanh", "softmax", "log_softmax", "elu", "selu", "celu", "softplus", "softsign",
    "exponential", "gelu", "silu", "swish", "mish", "hard_silu", "hard_swish", "hard_sigmoid", "leaky_relu", "relu6",
    "hard_tanh", "log_sigmoid", "tanh_shrink", "sparse_sigmoid",
)  # fmt: skip


def _with(name: str) -> Callable[[], Model]:
    return lambda: chain(L.Dense(6, activation=name), L.Dense(4), L.Activation(name))


for _name in ACTIVATIONS:
    MODELS[f"activation_{_name}"] = _with(_name)

SINGLE: dict[str, Callable[[], list[Any]]] = {
    "relu": lambda: [L.ReLU()],
    "relu_bounded": lambda: [L.ReLU(max_value=1.5)],
    "relu_sloped": lambda: [L.ReLU(negative_slope=0.3)],
    "relu_sloped_and_bounded": lambda: [L.ReLU(max_value=0.7, negative_slope=0.3)],
    "relu_with_threshold": lambda: [L.ReLU(threshold=0.5)],
    "relu_with_all": lambda: [L.ReLU(max_value=2.0, negative_slope=0.1, threshold=0.5)],
    "leaky_relu": lambda: [L.LeakyReLU(negative_slope=0.15)],
    "elu": lambda: [L.ELU(alpha=0.7)],
    "softmax": lambda: [L.Softmax()],
    "prelu": lambda: [L.PReLU()],
    "dropout_and_co": lambda: [L.Dropout(0.5), L.GaussianDropout(0.5), L.GaussianNoise(1.0), L.AlphaDropout(0.5)],
    "activity": lambda: [L.ActivityRegularization(0.1), L.Identity()],
    "batch_normalisation": lambda: [L.BatchNormalization()],
    "batch_normalisation_bare": lambda: [L.BatchNormalization(center=False, scale=False, epsilon=0.1)],
    "batch_normalisation_centred": lambda: [L.BatchNormalization(scale=False)],
    "layer_normalisation": lambda: [L.LayerNormalization()],
    "layer_normalisation_bare": lambda: [L.LayerNormalization(center=False, scale=False)],
    "layer_normalisation_scaled": lambda: [L.LayerNormalization(center=False, epsilon=0.01)],
    "unit_normalisation": lambda: [L.UnitNormalization()],
    "rescaling": lambda: [L.Rescaling(1 / 127.5, offset=-1.0)],
    "normalisation_told": lambda: [L.Normalization(mean=[1.0, 2, 3, 4, 5, 6], variance=[0.5, 2, 3, 1, 9, 4])],
    "normalisation_inverted": lambda: [L.Normalization(mean=1.5, variance=4.0, invert=True)],
    "dense_without_bias": lambda: [L.Dense(4, use_bias=False)],
    "dense_with_a_layer_as_activation": lambda: [L.Dense(4, activation=L.LeakyReLU(negative_slope=0.25))],
    "activation_of_a_layer": lambda: [L.Activation(L.ReLU(max_value=1.0))],
}


def _single(layers: Callable[[], list[Any]]) -> Callable[[], Model]:
    return lambda: chain(L.Dense(6), *layers(), L.Dense(3))


for _name, _layers in SINGLE.items():
    MODELS[_name] = _single(_layers)


@model
def normalisation_adapted() -> Model:
    layer = L.Normalization()
    layer.adapt(np.random.default_rng(3).normal(3, 2, (50, 5)).astype("float32"))
    return chain(layer, L.Dense(3))


@model
def rescaled_by_lists() -> Model:
    return chain(L.Rescaling([1.0, 2.0, 3.0, 4.0, 5.0], offset=[0.0, 1.0, 2.0, 3.0, 4.0]), L.Dense(2))


@model
def pictures_flattened() -> Model:
    return chain(L.Rescaling(1 / 255), L.Flatten(), L.Dense(4, activation="relu"), L.Dense(2), shape=(4, 3))


@model
def flattened_channels_first() -> Model:
    return chain(L.Flatten(data_format="channels_first"), L.Dense(2), shape=(2, 3, 4))


@model
def reshaped() -> Model:
    return chain(L.Dense(6), L.Reshape((3, -1)), L.Dense(4), L.Permute((2, 1)), L.Reshape((-1,)), L.Dense(2))


@model
def normalised_along_another_axis() -> Model:
    layers = (L.BatchNormalization(axis=1), L.LayerNormalization(axis=[1, 2]), L.PReLU(shared_axes=[1]))
    return chain(*layers, L.Flatten(), L.Dense(2), shape=(3, 4))


@model
def unit_along_two_axes() -> Model:
    return chain(L.UnitNormalization(axis=[1, 2]), L.Flatten(), L.Dense(2), shape=(3, 4))


@model
def without_an_input() -> Model:
    made = keras.Sequential([L.Dense(4, activation="relu"), L.Dense(2)])
    made.build((None, 5))
    return made


@model
def in_float64() -> Model:
    layers = (L.Dense(4, activation="gelu", dtype="float64"), L.LeakyReLU(dtype="float64"))
    return keras.Sequential([keras.Input((5,), dtype="float64"), *layers, L.Dense(2, dtype="float64")])


@model
def many_of_one_class() -> Model:
    return chain(*(L.Dense(3 + i, activation="tanh") for i in range(12)))


@model
def a_residual() -> Model:
    x = keras.Input((5,))
    hidden = L.Dense(5, activation="relu")(x)
    return keras.Model(x, L.Dense(2)(L.Add()([x, L.Dense(5)(hidden)])))


@model
def every_merge() -> Model:
    x = keras.Input((5,))
    a, b, c = (L.Dense(4)(x) for _ in range(3))
    merged = [
        L.Add()([a, b, c]), L.Subtract()([a, b]), L.Multiply()([a, b, c]), L.Average()([a, b, c]),
        L.Maximum()([a, b, c]), L.Minimum()([a, b, c]),
    ]  # fmt: skip
    return keras.Model(x, L.Dense(2)(L.Concatenate()(merged)))


@model
def concatenated_along_another_axis() -> Model:
    x = keras.Input((2, 3))
    y = L.Concatenate(axis=1)([x, L.Dense(3)(x)])
    return keras.Model(x, L.Dense(2)(L.Flatten()(L.Concatenate(axis=-2)([y, x]))))


@model
def several_inputs_and_outputs() -> Model:
    a, b = keras.Input((5,), name="a"), keras.Input((3,), name="b")
    both = L.Dense(6, activation="elu")(L.Concatenate()([a, b]))
    return keras.Model([a, b], [L.Dense(2, activation="softmax", name="first")(both), L.Dense(1, name="second")(both)])


@model
def shared_layers() -> Model:
    x = keras.Input((5,))
    layer = L.Dense(5, activation="tanh")
    once = layer(x)
    twice = layer(once)
    return keras.Model(x, L.Concatenate()([layer(twice), once, twice]))


@model
def nested_sequential() -> Model:
    inner = chain(L.Dense(4, activation="relu"), L.BatchNormalization(), L.Dense(5))
    return chain(inner, L.Dense(3), L.BatchNormalization())


@model
def nested_functional_called_twice() -> Model:
    a = keras.Input((5,))
    inner = keras.Model(a, L.Add()([a, L.Dense(5, activation="tanh")(a)]))
    x = keras.Input((5,))
    return keras.Model(x, L.Dense(2)(L.Concatenate()([inner(inner(x)), inner(x)])))


@model
def nested_sequential_called_twice() -> Model:
    inner = chain(L.Dense(5, activation="tanh"))
    x = keras.Input((5,))
    return keras.Model(x, L.Concatenate()([inner(inner(x)), L.Dense(2)(inner(x))]))


@model
def nested_twice() -> Model:
    a = keras.Input((5,))
    deep = keras.Model(a, [L.Dense(5, activation="tanh")(a), L.Dense(2)(a)])
    b = keras.Input((5,))
    first, second = deep(b)
    middle = keras.Model(b, L.Concatenate()([first, second, L.Dense(1)(b)]))
    x = keras.Input((5,))
    return keras.Model(x, L.Dense(3)(middle(x)))


@model
def arithmetic_on_values() -> Model:
    x = keras.Input((5,))
    y = L.Dense(5)(x)
    return keras.Model(x, [(x + y) * 2.0 - y / 4.0, keras.ops.maximum(x, y)])


@model
def frozen_half() -> Model:
    made = chain(L.Dense(4, trainable=False), L.BatchNormalization(trainable=False), L.Dense(2))
    made.layers[0].trainable = False
    return made


def filled(made: Model, seed: int = 0) -> Model:
    """Give every array of a model random values, so that none does nothing; variances stay above 0."""
    generator = np.random.default_rng(seed)
    for layer in made._flatten_layers() if hasattr(made, "_flatten_layers") else made.layers:
        if layer.__class__.__name__ == "Normalization" or hasattr(layer, "layers"):
            continue
        for variable in layer.weights:
            values = generator.normal(0, 0.6, variable.shape)
            if "variance" in variable.name:
                values = np.abs(values) + 0.3
            variable.assign(values.astype(variable.dtype))
    return made


def inputs(made: Model, rows: int = 7) -> list[np.ndarray[Any, Any]]:
    generator = np.random.default_rng(9)
    # A Sequential rounds what it is given to float32, also where its layers compute in float64.
    rows_of = [generator.normal(0, 1.5, (rows, *tensor.shape[1:])).astype("float32") for tensor in made.inputs]
    return [values.astype(tensor.dtype) for values, tensor in zip(rows_of, made.inputs, strict=True)]


def answers(made: Model, x: list[np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
    """Return what Keras itself answers."""
    given = made(x if len(x) > 1 else x[0], training=False)
    listed = given if isinstance(given, list | tuple) else [given]
    return [keras.ops.convert_to_numpy(value) for value in listed]
