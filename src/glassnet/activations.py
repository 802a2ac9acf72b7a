"""The activation functions: one table, name → function, derivative, formula, range, what it is for.

The forms here are the stable ones. The textbook's sigmoid overflows at x = -1000 and its first softmax returns
NaN for [1010, 1000, 990]; these do neither, and they let NaN and infinity travel instead of hiding them.
They take scalars and arrays of any shape. Integers become float64, except in ``step``; float16 is computed in
float32 and rounded once. ``softmax`` and ``log_softmax`` work along the last axis, so one row and a batch are
the same call.

A derivative takes the point ``a`` and the value ``z = h(a)`` there, because most of them are simplest in ``z``.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from glassnet.errors import DtypeError, OptionError, ShapeError
from glassnet.gaussian import normal_cdf

Array: TypeAlias = npt.NDArray[Any]


def _computable(x: npt.ArrayLike, keep_integers: bool = False) -> tuple[Array, np.dtype[Any]]:
    """Return ``x`` in the dtype to compute in, and the dtype to answer in."""
    array = np.asarray(x)
    kind = array.dtype.kind
    if kind in "biu":
        return (array, array.dtype) if keep_integers else (array.astype(np.float64), np.dtype(np.float64))
    if kind != "f":
        raise DtypeError(f"an activation needs real numbers, found dtype {array.dtype}")
    return (array.astype(np.float32), array.dtype) if array.dtype == np.float16 else (array, array.dtype)


def _numeric(function: Callable[..., Array]) -> Callable[..., Array]:
    """Let ``function``, written for float arrays, take and return any real numbers."""

    @functools.wraps(function)
    def wrapped(x: npt.ArrayLike, **parameters: float) -> Array:
        array, dtype = _computable(x)
        result: Array = function(np.atleast_1d(array), **parameters)
        return result.astype(dtype, copy=False).reshape(array.shape)[()]

    return wrapped


# --- threshold and identity ---------------------------------------------------------------------------------


def step(x: npt.ArrayLike) -> Array:
    """Return 1 where ``x > 0`` and 0 elsewhere, in the dtype of ``x``; NaN stays NaN."""
    array, dtype = _computable(x, keep_integers=True)
    if dtype.kind in "biu":
        return (array > 0).astype(np.int64 if dtype.kind == "b" else dtype)[()]
    return np.heaviside(array, 0).astype(dtype)[()]


@_numeric
def identity(x: Array) -> Array:
    """Return ``x`` itself: the output function of regression."""
    return x


# --- the sigmoid family -------------------------------------------------------------------------------------


@_numeric
def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)), where an exp(-x) beyond the dtype is infinity and the answer 0.

    The true result is below 1e-38 there (1e-308 in float64), next to nothing beside any other number.
    """
    e = np.negative(x)
    with np.errstate(over="ignore"):
        np.exp(e, out=e)
    e += 1
    return np.divide(1, e, out=e)


@_numeric
def tanh(x: Array) -> Array:
    """Return the hyperbolic tangent of ``x``."""
    return np.tanh(x)


@_numeric
def hard_sigmoid(x: Array, slope: float = 1 / 6, offset: float = 0.5) -> Array:
    """Return clip(slope · x + offset, 0, 1). PyTorch and Keras 3 use slope 1/6; Keras 1, 2 and ONNX 0.2."""
    return np.clip(x * x.dtype.type(slope) + x.dtype.type(offset), 0, 1)


@_numeric
def softsign(x: Array) -> Array:
    """Return x / (1 + |x|)."""
    bounded = np.clip(x, np.finfo(x.dtype).min, np.finfo(x.dtype).max)
    return bounded / (1 + np.abs(bounded))


# --- the rectifier family -----------------------------------------------------------------------------------


@_numeric
def relu(x: Array) -> Array:
    """Return max(0, x)."""
    return np.maximum(x, 0)


@_numeric
def leaky_relu(x: Array, slope: float = 0.01) -> Array:
    """Return x where x > 0, else slope · x (Maas et al. 2013)."""
    return x * np.where(x > 0, x.dtype.type(1), x.dtype.type(slope))


@_numeric
def elu(x: Array, alpha: float = 1.0) -> Array:
    """Return x where x > 0, else alpha · (exp(x) - 1) (Clevert et al. 2015)."""
    return np.where(x > 0, x, x.dtype.type(alpha) * np.expm1(np.minimum(x, 0)))


SELU_ALPHA = 1.6732632423543772848
SELU_SCALE = 1.0507009873554804934


@_numeric
def selu(x: Array) -> Array:
    """Return scale · elu(x, alpha) with the constants that keep mean 0 and variance 1 (Klambauer et al. 2017)."""
    return x.dtype.type(SELU_SCALE) * np.where(x > 0, x, x.dtype.type(SELU_ALPHA) * np.expm1(np.minimum(x, 0)))


@_numeric
def celu(x: Array, alpha: float = 1.0) -> Array:
    """Return x where x > 0, else alpha · (exp(x / alpha) - 1): elu without a kink at 0 (Barron 2017)."""
    return np.where(x > 0, x, x.dtype.type(alpha) * np.expm1(np.minimum(x, 0) / x.dtype.type(alpha)))


@_numeric
def softplus(x: Array) -> Array:
    """Return ln(1 + exp(x)), the smooth relu, as max(x, 0) + ln(1 + exp(-|x|))."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


@_numeric
def silu(x: Array) -> Array:
    """Return x · sigmoid(x), also called swish; -infinity gives the limit, -0."""
    return np.maximum(x, -_BEYOND_TAILS) * sigmoid(x)


@_numeric
def gelu(x: Array) -> Array:
    """Return x · Φ(x), Φ the standard normal distribution function (Hendrycks and Gimpel 2016)."""
    return np.maximum(x, -_BEYOND_TAILS) * normal_cdf(x)


@_numeric
def gelu_tanh(x: Array) -> Array:
    """Return the tanh form of gelu: x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))."""
    bounded = np.clip(x, -_BEYOND_TAILS, _BEYOND_TAILS)
    inner = _SQRT_2_OVER_PI * (bounded + 0.044715 * bounded * bounded * bounded)
    return np.maximum(x, -_BEYOND_TAILS) * (0.5 * (1 + np.tanh(inner)))


@_numeric
def mish(x: Array) -> Array:
    """Return x · tanh(softplus(x)) (Misra 2019); -infinity gives the limit, -0."""
    return np.maximum(x, -_BEYOND_TAILS) * np.tanh(softplus(x))


@_numeric
def hard_swish(x: Array) -> Array:
    """Return x · clip(x / 6 + 1/2, 0, 1), silu without exp (Howard et al. 2019); -infinity gives -0."""
    return np.maximum(x, -_BEYOND_TAILS) * hard_sigmoid(x)


# --- distributions over classes -----------------------------------------------------------------------------


@_numeric
def softmax(x: Array) -> Array:
    """Return exp(x - c) / Σ exp(x - c) along the last axis, c the row's largest value.

    Subtracting c changes nothing on paper and keeps exp from overflowing. A row that holds +infinity or NaN
    gives NaN, as a row without any finite value does.
    """
    e = _below_largest(x)
    np.exp(e, out=e)
    e /= e.sum(axis=-1, keepdims=True)
    return e


@_numeric
def log_softmax(x: Array) -> Array:
    """Return x - c - ln Σ exp(x - c) along the last axis: the logarithm of softmax without its underflow."""
    shifted = _below_largest(x)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def _below_largest(x: Array) -> Array:
    if x.shape[-1] == 0:
        raise ShapeError(f"softmax needs at least one value along the last axis, found shape {x.shape}")
    with np.errstate(invalid="ignore"):  # inf - inf is NaN, and NaN is the answer
        return x - x.max(axis=-1, keepdims=True)


# --- what several of them need ------------------------------------------------------------------------------

_SQRT_2_OVER_PI = float(np.sqrt(2 / np.pi))
# Where exp(x) and Φ(x) are 0 in every dtype up to float64 and x³ is still finite in float32.
_BEYOND_TAILS = 1000.0


# --- derivatives: h'(a), from a and z = h(a) ----------------------------------------------------------------


def _zero(a: Array, z: Array) -> Array:
    return np.zeros_like(z)


def _one(a: Array, z: Array) -> Array:
    return np.ones_like(z)


def _d_sigmoid(a: Array, z: Array) -> Array:
    return z * (1 - z)


def _d_tanh(a: Array, z: Array) -> Array:
    return 1 - z * z


def _d_softsign(a: Array, z: Array) -> Array:
    r = 1 / (1 + np.abs(a))
    return r * r


def _d_hard_sigmoid(a: Array, z: Array, slope: float, offset: float) -> Array:
    return np.where((z > 0) & (z < 1), z.dtype.type(slope), z.dtype.type(0))


def _d_relu(a: Array, z: Array) -> Array:
    return (z > 0).astype(z.dtype)


def _d_leaky_relu(a: Array, z: Array, slope: float) -> Array:
    return np.where(a > 0, z.dtype.type(1), z.dtype.type(slope))


def _d_elu(a: Array, z: Array, alpha: float) -> Array:
    return np.where(a > 0, z.dtype.type(1), z + z.dtype.type(alpha))


def _d_selu(a: Array, z: Array) -> Array:
    return np.where(a > 0, z.dtype.type(SELU_SCALE), z + z.dtype.type(SELU_SCALE * SELU_ALPHA))


def _d_celu(a: Array, z: Array, alpha: float) -> Array:
    return np.where(a > 0, z.dtype.type(1), 1 + z / z.dtype.type(alpha))


def _d_softplus(a: Array, z: Array) -> Array:
    return sigmoid(a)


def _d_silu(a: Array, z: Array) -> Array:
    s = sigmoid(a)
    return s + np.clip(a, -_BEYOND_TAILS, _BEYOND_TAILS) * s * (1 - s)


def _d_gelu(a: Array, z: Array) -> Array:
    bounded = np.clip(a, -_BEYOND_TAILS, _BEYOND_TAILS)
    density = a.dtype.type(1 / np.sqrt(2 * np.pi)) * np.exp(-0.5 * bounded * bounded)
    return normal_cdf(a) + bounded * density


def _d_gelu_tanh(a: Array, z: Array) -> Array:
    bounded = np.clip(a, -_BEYOND_TAILS, _BEYOND_TAILS)
    square = bounded * bounded
    t = np.tanh(_SQRT_2_OVER_PI * bounded * (1 + 0.044715 * square))
    inner_slope = _SQRT_2_OVER_PI * (1 + 3 * 0.044715 * square)
    return 0.5 * (1 + t) + 0.5 * bounded * (1 - t * t) * inner_slope


def _d_mish(a: Array, z: Array) -> Array:
    bounded = np.clip(a, -_BEYOND_TAILS, _BEYOND_TAILS)
    t = np.tanh(softplus(a))
    return t + bounded * sigmoid(a) * (1 - t * t)


def _d_hard_swish(a: Array, z: Array) -> Array:
    return np.where(a <= -3, z.dtype.type(0), np.where(a >= 3, z.dtype.type(1), a / 3 + z.dtype.type(0.5)))


def _d_softmax(a: Array, z: Array) -> Array:
    """Return the Jacobian J[..., i, j] = ∂z_i/∂a_j = z_i (δ_ij - z_j)."""
    return z[..., :, np.newaxis] * (np.eye(z.shape[-1], dtype=z.dtype) - z[..., np.newaxis, :])


def _d_log_softmax(a: Array, z: Array) -> Array:
    """Return the Jacobian J[..., i, j] = ∂z_i/∂a_j = δ_ij - exp(z_j)."""
    return np.eye(z.shape[-1], dtype=z.dtype) - np.exp(z)[..., np.newaxis, :]


# --- the table ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Activation:
    """One activation function with everything that is known of it. Call it like the function."""

    name: str
    function: Callable[..., Array] = field(repr=False)
    derivative_of: Callable[..., Array] = field(repr=False)
    formula: str
    range: str
    purpose: str
    elementwise: bool = True
    parameters: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    def __call__(self, a: npt.ArrayLike) -> Array:
        """Return h(a), in the shape of ``a``."""
        return self.function(a, **self.parameters)

    def derivative(self, a: npt.ArrayLike, z: Array | None = None) -> Array:
        """Return h'(a): the shape of ``a`` if elementwise, else Jacobians ``a.shape + a.shape[-1:]``.

        ``z = h(a)`` is computed unless given.
        """
        point, dtype = _computable(a)
        if not self.elementwise:
            point = np.atleast_1d(point)
        value = self(point) if z is None else np.asarray(z, dtype=point.dtype)
        return np.asarray(self.derivative_of(point, value, **self.parameters)).astype(dtype, copy=False)[()]

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, (self.name, dict(self.parameters))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Activation)
            and self.name == other.name
            and dict(self.parameters) == dict(other.parameters)
        )

    def __hash__(self) -> int:
        return hash((self.name, tuple(sorted(self.parameters.items()))))

    def __str__(self) -> str:
        given = ", ".join(f"{name}={value:g}" for name, value in self.parameters.items())
        return f"{self.name}({given})" if given else self.name


def _entry(
    function: Callable[..., Array],
    derivative: Callable[..., Array],
    formula: str,
    range: str,
    purpose: str,
    elementwise: bool = True,
) -> Activation:
    defaults = {
        name: float(parameter.default)
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }
    return Activation(
        function.__name__, function, derivative, formula, range, purpose, elementwise, MappingProxyType(defaults)
    )


ACTIVATIONS: Mapping[str, Activation] = MappingProxyType(
    {
        entry.name: entry
        for entry in (
            _entry(step, _zero, "1 if x > 0 else 0", "{0, 1}", "perceptrons and logic gates; cannot be trained"),
            _entry(sigmoid, _d_sigmoid, "1 / (1 + exp(-x))", "(0, 1)", "smooth step; yes-or-no outputs"),
            _entry(relu, _d_relu, "max(0, x)", "[0, ∞)", "the usual hidden layer"),
            _entry(identity, _one, "x", "(-∞, ∞)", "the output of regression"),
            _entry(
                softmax, _d_softmax, "exp(x_k) / Σ exp(x_i)", "(0, 1), sum 1", "the output of classification", False
            ),
            _entry(tanh, _d_tanh, "tanh(x)", "(-1, 1)", "hidden layers with mean 0; control policies"),
            _entry(leaky_relu, _d_leaky_relu, "x if x > 0 else slope·x", "(-∞, ∞)", "relu that cannot die"),
            _entry(elu, _d_elu, "x if x > 0 else alpha·(exp(x) - 1)", "(-alpha, ∞)", "relu with mean nearer to 0"),
            _entry(selu, _d_selu, "scale·elu(x, alpha)", "(-1.758, ∞)", "deep networks that normalise themselves"),
            _entry(gelu, _d_gelu, "x·Φ(x)", "[-0.170, ∞)", "transformers"),
            _entry(
                gelu_tanh,
                _d_gelu_tanh,
                "x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³)))",
                "[-0.171, ∞)",
                "gelu without erf, as GPT-2 has it",
            ),
            _entry(silu, _d_silu, "x / (1 + exp(-x))", "[-0.279, ∞)", "smooth relu, also called swish"),
            _entry(softplus, _d_softplus, "ln(1 + exp(x))", "(0, ∞)", "positive outputs: variances, rates"),
            _entry(hard_sigmoid, _d_hard_sigmoid, "clip(slope·x + offset, 0, 1)", "[0, 1]", "sigmoid without exp"),
            _entry(celu, _d_celu, "x if x > 0 else alpha·(exp(x/alpha) - 1)", "(-alpha, ∞)", "elu without a kink"),
            _entry(mish, _d_mish, "x·tanh(ln(1 + exp(x)))", "[-0.309, ∞)", "smooth relu of the detection networks"),
            _entry(hard_swish, _d_hard_swish, "x·clip(x/6 + 1/2, 0, 1)", "[-0.375, ∞)", "silu without exp"),
            _entry(softsign, _d_softsign, "x / (1 + |x|)", "(-1, 1)", "tanh that saturates slowly"),
            _entry(
                log_softmax, _d_log_softmax, "x_k - ln Σ exp(x_i)", "(-∞, 0]", "log-probabilities, for losses", False
            ),
        )
    }
)


# Other tools' names, taken where an activation is asked for.
ALIASES: Mapping[str, str] = MappingProxyType({"linear": "identity"})


def activation(choice: str | Activation, /, **parameters: float) -> Activation:
    """Return the table's entry called ``choice``, with its parameters changed where given.

    "linear", as Keras has it, is "identity". Raises OptionError for a name that is not in the table or a parameter
    that the function does not have.

    >>> activation("leaky_relu", slope=0.2)(-1.0)
    np.float64(-0.2)
    """
    entry = choice if isinstance(choice, Activation) else ACTIVATIONS.get(ALIASES.get(choice, choice))
    if entry is None:
        raise OptionError(f"unknown activation {choice!r}", hint=f"one of {', '.join(ACTIVATIONS)}")
    for name, value in parameters.items():
        if name not in entry.parameters:
            known = ", ".join(entry.parameters) or "none"
            raise OptionError(f"activation {entry.name!r} has no parameter {name!r}; it has: {known}")
        if not np.isfinite(value):
            raise OptionError(f"activation {entry.name!r}: {name} must be finite, found {value}")
    changed = {**entry.parameters, **{name: float(value) for name, value in parameters.items()}}
    return replace(entry, parameters=MappingProxyType(changed)) if parameters else entry


def _restore(name: str, parameters: Mapping[str, float]) -> Activation:
    return activation(name, **parameters)


# The chapter's names for two of them.
step_function = step
identity_function = identity
