"""Keras' activations by name, in the form that each version gave them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from glassnet.activations import Activation, activation
from glassnet.errors import UnsafeFileError
from glassnet.formats.contents import shown
from glassnet.formats.keras.config import CODE, Layer, Version
from glassnet.network import Activate, Binary, Clip, Map

if TYPE_CHECKING:
    from glassnet.formats.keras.models import Builder

# Keras' name → ours, where one step does it.
DIRECT: Mapping[str, Activation] = {
    "linear": activation("identity"),
    "relu": activation("relu"),
    "sigmoid": activation("sigmoid"),
    "tanh": activation("tanh"),
    "softmax": activation("softmax"),
    "log_softmax": activation("log_softmax"),
    "elu": activation("elu"),
    "selu": activation("selu"),
    "celu": activation("celu"),
    "softplus": activation("softplus"),
    "softsign": activation("softsign"),
    "gelu": activation("gelu"),
    "silu": activation("silu"),
    "swish": activation("silu"),
    "mish": activation("mish"),
    "hard_silu": activation("hard_swish"),
    "hard_swish": activation("hard_swish"),
    "hard_sigmoid": activation("hard_sigmoid", slope=1 / 6),
    "sparse_sigmoid": activation("hard_sigmoid", slope=0.5),
    "leaky_relu": activation("leaky_relu", slope=0.2),
}
_BEFORE_3: Mapping[str, Activation] = {"hard_sigmoid": activation("hard_sigmoid", slope=0.2)}


def _log_sigmoid(build: Builder, source: str) -> str:
    """Return ln sigmoid(x) = -softplus(-x)."""
    return build.scaled(build.step(Activate("softplus"), build.scaled(source, -1.0)), -1.0)


def _tanh_shrink(build: Builder, source: str) -> str:
    """Return x - tanh(x)."""
    return build.joined(Binary, source, build.step(Activate("tanh"), source), function="subtract")


# Keras' name → the steps it takes.
COMPOSED: Mapping[str, Callable[[Builder, str], str]] = {
    "exponential": lambda build, source: build.step(Map("exp"), source),
    "relu6": lambda build, source: build.step(Clip(0.0, 6.0), source),
    "hard_tanh": lambda build, source: build.step(Clip(-1.0, 1.0), source),
    "log_sigmoid": _log_sigmoid,
    "tanh_shrink": _tanh_shrink,
}


def chosen(layer: Layer, given: object) -> str:
    """Return the name of the activation that a layer's options give; raise FileFormatError, naming it, for another."""
    value = given
    if isinstance(value, Mapping) and value.get("class_name") == "__lambda__":
        raise UnsafeFileError(f"{layer.label}: its activation is a Python function, which {CODE}")
    if isinstance(value, Mapping) and value.get("class_name") == "function":
        value = value.get("config")
    if value is None:
        return "linear"
    if isinstance(value, str) and (value in DIRECT or value in COMPOSED):
        return value
    if not isinstance(value, str):
        raise layer.wrong("its activation is no name")
    known = ", ".join((*DIRECT, *COMPOSED))
    raise layer.wrong(f"its activation '{shown(value)}' is none that is known", hint=f"known: {known}")


def direct(name: str, version: Version) -> Activation | None:
    """Return the activation called ``name``, or None where it takes several steps."""
    if version.major < 3 and name in _BEFORE_3:
        return _BEFORE_3[name]
    return DIRECT.get(name)
