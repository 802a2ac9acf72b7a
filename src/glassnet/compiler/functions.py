"""The activations as vector code: fixed sequences of fused multiply-adds, divisions and integer shifts.

Every operation here is rounded in one way by IEEE 754, and none is reordered, so the bits are the same on every
processor and in every lane. Polynomials are Chebyshev interpolants computed to 40 digits; the errors that
``benchmarks/accuracy.py`` measures against float64 over all of float32 are in ``docs/concepts/same-bits.md``.

All take and return float32 vectors. NaN travels, whatever its payload.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

from glassnet.activations import SELU_ALPHA, SELU_SCALE
from glassnet.compiler.language import F32, I32, Value

LARGEST = (2 - 2**-23) * 2.0**127  # the largest float32
LOG2_E = 1 / math.log(2)
# ln 2 in two parts; the first has 9 trailing zero bits, so n · LN2_HIGH is exact for |n| < 512.
LN2_HIGH = 0.693145751953125
LN2_LOW = math.log(2) - LN2_HIGH
# Adding it rounds a float32 below 2²² to an integer that then stands in the lowest bits.
ROUNDER = 12582912.0
ROUNDER_BITS = 0x4B400000

# (exp(r) - 1 - r) / r² for |r| ≤ ln 2 / 2; relative error of exp(r) - 1: 2.5e-8, less than half an ulp.
EXPM1 = (0.5, 0.16666576062275124, 0.04166655345865175, 0.008363333082182943, 0.001392637599580353)
# E = r/2 / tanh(r/2) in r², |r| ≤ ln 2 / 2; relative error of exp(r) = (E + r/2) / (E - r/2): 5e-10.
EXP_EVEN = (1.0, 0.08333308805546342, -0.0013829876653608677)
# The same in h = r/2.
EXP_EVEN_OF_HALF = tuple(coefficient * 4**power for power, coefficient in enumerate(EXP_EVEN))
# (atanh(s) / s - 1) / s² in q = s², s ≤ 1/3; error of atanh(s) / s: 4e-10.
ATANH = (0.3333333367604815, 0.1999984745233551, 0.14296488228134138, 0.10848090926070801, 0.11638869820340685)
# ln(exp(u²) · erfc(u) / t), t = 2 / (2 + u), in 2t - 1 for 0 ≤ u ≤ 11; error 1.3e-8.
ERFC = (
    -0.6717940771887589, 0.6726432594536436, 0.04734265619234759, -0.046896066604240325, -0.009862664100111487,
    0.008821535844931595, 0.001705194666259773, -0.0022973725079592374, -3.582813294887482e-05, 0.000514671495780852,
    -0.00014130821701131477,
)  # fmt: skip
# 2 · √(2/π), its first part with 20 binary places, and 0.044715 times that, both in two parts.
GELU_LINEAR = 2 * math.sqrt(2 / math.pi)
GELU_LINEAR_HIGH = round(GELU_LINEAR * 2**20) / 2**20
GELU_LINEAR_LOW = GELU_LINEAR - GELU_LINEAR_HIGH
GELU_CUBIC = 0.044715 * GELU_LINEAR
GELU_CUBIC_HIGH = round(GELU_CUBIC * 2**27) / 2**27
GELU_CUBIC_LOW = GELU_CUBIC - GELU_CUBIC_HIGH


def _reduce(x: Value) -> tuple[Value, Value]:
    """Return n, a whole number, and exp(r) - 1, where x = n · ln 2 + r and |r| ≤ ln 2 / 2.

    n = round(x / ln 2); r = (x - n · high) - n · low; exp(r) - 1 = r + r² · polynomial(r)
    """
    whole, r = _remainder(x)
    return whole, x.f.fma(r * r, x.f.polynomial(r, EXPM1), r)


def _remainder(x: Value) -> tuple[Value, Value]:
    """Return n, a whole number, and r, where x = n · ln 2 + r and |r| ≤ ln 2 / 2."""
    f = x.f
    shifted = f.fma(x, f.constant(x.kind, LOG2_E), ROUNDER)
    whole = shifted - ROUNDER
    r = f.fma(whole, f.constant(x.kind, -LN2_HIGH), x)
    return whole, f.fma(whole, f.constant(x.kind, -LN2_LOW), r)


def _power_of_two(n: Value, like: Value) -> Value:
    """Return 2ⁿ for an integer -126 ≤ n ≤ 127, by writing the exponent's bits."""
    return ((n + 127) << 23).bits_as(like.kind.element)


def _scale(x: Value, whole: Value) -> Value:
    """Return x · 2ⁿ, rounded once: one instruction, or two powers of half the size, the first of them exact."""
    if x.f.scalef_available and x.kind.count == 16:
        return x.f.scalef(x, whole)
    n = (whole + ROUNDER).bits_as(I32) - ROUNDER_BITS
    half = n >> 1
    return x * _power_of_two(half, x) * _power_of_two(n - half, x)


def exp(x: Value) -> Value:
    """Return eˣ as (1 + (exp(r) - 1)) · 2ⁿ; denormal results are rounded once, too large ones infinite."""
    whole, e = _reduce(x.at_least(-105.0).at_most(90.0))
    return _scale(e + 1.0, whole)


def exp_negative(x: Value) -> Value:
    """Return exp(x) for x ≤ 0."""
    whole, e = _reduce(x.at_least(-105.0))
    return _scale(e + 1.0, whole)


def expm1_negative(x: Value) -> Value:
    """Return exp(x) - 1 for x ≤ 0: 2ⁿ · (exp(r) - 1) + (2ⁿ - 1), fused."""
    whole, e = _reduce(x.at_least(-60.0))
    scale = _scale(x.f.constant(x.kind, 1.0), whole)
    return x.f.fma(scale, e, scale - 1.0)


def log1p_unit(e: Value) -> Value:
    """Return ln(1 + e) for 0 ≤ e ≤ 1: 2 · atanh(s), s = e / (2 + e)."""
    f = e.f
    s = e / (e + 2.0)
    q = s * s
    double = s + s
    return f.fma(double * q, f.polynomial(q, ATANH), double)


def log_positive(x: Value) -> Value:
    """Return ln(x) for normal x ≥ 1, NaN for NaN: n · ln 2 + ln(m), x = m · 2ⁿ with m in [1, 2)."""
    f = x.f
    bits = x.bits_as(I32)
    n = (bits >> 23) - 127
    m = ((bits & 0x007FFFFF) | 0x3F800000).bits_as(x.kind.element)
    count = Value(f, f.builder.sitofp(n.v, x.kind))
    log_m = log1p_unit(m - 1.0)
    result = f.fma(count, f.constant(x.kind, LN2_HIGH), f.fma(count, f.constant(x.kind, LN2_LOW), log_m))
    return x.differs(x).choose(x, result)


def larger(one: Value, other: Value) -> Value:
    """Return the larger of two values, the second where they do not compare."""
    return (one > other).choose(one, other)


def _magnitude(x: Value) -> Value:
    return (x.bits_as(I32) & 0x7FFFFFFF).bits_as(x.kind.element)


def sigmoid(x: Value) -> Value:
    """Return 1 / (1 + e) where x ≥ 0, else e / (1 + e), e = exp(-|x|) = 2ⁿ · (E + r/2) / (E - r/2), in one quotient."""
    whole, r = _remainder((-_magnitude(x)).at_least(-105.0))
    even, half = x.f.polynomial(r * r, EXP_EVEN), r * 0.5
    above, below = _scale(even + half, whole), even - half
    return (x < 0.0).choose(above, below) / (above + below)


def tanh(x: Value) -> Value:
    """Return (1 - e) / (1 + e) with the sign of x, e = exp(-2|x|) = u · (E + h) / (E - h), u = 2ⁿ, in one quotient.

    ((1 - u) · E - (1 + u) · h) / ((1 + u) · E - (1 - u) · h), which is -h / E near 0, where u = 1
    """
    f = x.f
    size = _magnitude(x).at_most(20.0)
    shifted = f.fma(size, f.constant(x.kind, -2 * LOG2_E), ROUNDER)
    # Half of r; one part of ln 2 is exact enough: where n is large, tanh is 1.
    h = f.fma(shifted - ROUNDER, f.constant(x.kind, -math.log(2) / 2), -size)
    even = f.polynomial(h * h, EXP_EVEN_OF_HALF)
    u = _power_of_two(shifted.bits_as(I32) - ROUNDER_BITS, x)
    less, more = 1.0 - u, u + 1.0
    y = f.fma(less, even, -(more * h)) / f.fma(more, even, -(less * h))
    return (y.bits_as(I32) | (x.bits_as(I32) & -0x80000000)).bits_as(F32)


def step(x: Value) -> Value:
    """Return 1 where x > 0, else 0; NaN stays."""
    f = x.f
    zero_or_nan = (x <= 0.0).choose(f.constant(x.kind, 0.0), x)
    return (x > 0.0).choose(f.constant(x.kind, 1.0), zero_or_nan)


def identity(x: Value) -> Value:
    """Return x."""
    return x


def relu(x: Value) -> Value:
    """Return max(x, 0)."""
    return x.at_least(0.0)


def leaky_relu(x: Value, slope: float) -> Value:
    """Return x where x > 0, else slope · x."""
    return (x > 0.0).choose(x, x * slope)


def elu(x: Value, alpha: float) -> Value:
    """Return x where x > 0, else alpha · (exp(x) - 1)."""
    return (x > 0.0).choose(x, expm1_negative(x.at_most(0.0)) * alpha)


def selu(x: Value) -> Value:
    """Return scale · x where x > 0, else scale · alpha · (exp(x) - 1)."""
    return (x > 0.0).choose(x * SELU_SCALE, expm1_negative(x.at_most(0.0)) * (SELU_SCALE * SELU_ALPHA))


def softplus(x: Value) -> Value:
    """Return max(x, 0) + ln(1 + exp(-|x|))."""
    return x.at_least(0.0) + log1p_unit(exp_negative(-_magnitude(x)))


def _gated(x: Value, least: float, high: Value, low: Value | None = None) -> Value:
    """Return x · sigmoid(v), where -|v| = high + low and v has the sign of x, which is held above ``least``.

    x / (1 + e) or x · e / (1 + e), e = exp(-|v|); x · e is formed before it is scaled by 2ⁿ, because e alone may
    already be denormal, and would have lost digits.
    """
    whole, e = _reduce(high)
    e = e + 1.0
    if low is not None:
        e = x.f.fma(e, low, e)
    numerator = (x > 0.0).choose(x, _scale(x.at_least(least) * e, whole))
    return numerator / (_scale(e, whole) + 1.0)


def silu(x: Value) -> Value:
    """Return x · sigmoid(x); below -112 that is -0."""
    return _gated(x, -112.0, (-_magnitude(x)).at_least(-112.0))


def gelu(x: Value) -> Value:
    """Return x · Φ(x) as x - y, or -y where x < 0; y = |x| · Φ(-|x|), which is 0 beyond 15.5.

    Φ(-|x|) = t/2 · exp(polynomial(2t - 1) - x²/2), t = 2 / (2 + |x| / √2); what the exponent's rounding lost
    multiplies at the end, and 2ⁿ comes last, so that the tail keeps its digits.
    """
    f = x.f
    size = _magnitude(x).at_most(15.5)
    t = 2.0 / f.fma(size, f.constant(x.kind, math.sqrt(0.5)), 2.0)
    square = size * size
    square_low = f.fma(size, size, -square)
    p = f.polynomial(t + t - 1.0, ERFC)
    half = f.constant(x.kind, 0.5)
    high = f.fma(square, -half, p)
    low = f.fma(square_low, -half, p - f.fma(square, half, high))
    whole, e = _reduce(high)
    y = size * (t * half) * (e + 1.0)
    y = _scale(f.fma(y, low, y), whole)
    return (x < 0.0).choose(-y, x - y)


def gelu_tanh(x: Value) -> Value:
    """Return x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³))) as x · sigmoid(v), v = x · (c + d · x²).

    v and x² are carried in two parts. Beyond |x| = 11 the tail is 0.
    """
    f = x.f
    size = _magnitude(x).at_most(11.0)
    square = size * size
    square_low = f.fma(size, size, -square)
    d = f.constant(x.kind, GELU_CUBIC_HIGH)
    q = f.fma(square, d, GELU_LINEAR_HIGH)
    # GELU_LINEAR_HIGH has spare digits, so that this difference is exact.
    q_low = f.fma(square, d, GELU_LINEAR_HIGH - q)
    q_low = f.fma(square, f.constant(x.kind, GELU_CUBIC_LOW), q_low + GELU_LINEAR_LOW)
    q_low = f.fma(square_low, d, q_low)
    high = -(size * q)
    low = -f.fma(size, q_low, f.fma(size, q, high))
    return _gated(x, -11.0, high, low)


def hard_sigmoid(x: Value, slope: float, offset: float) -> Value:
    """Return clip(slope · x + offset, 0, 1)."""
    return x.f.fma(x, x.f.constant(x.kind, slope), offset).at_least(0.0).at_most(1.0)


def hard_swish(x: Value) -> Value:
    """Return x · clip(x / 6 + 1/2, 0, 1) as x · (x + 3) / 6: where it is near 0, at -3, the sum is exact."""
    bent = (x + 3.0).at_least(0.0).at_most(6.0) * x.at_least(-1000.0) * (1 / 6)
    return (x > 3.0).choose(x, bent)


def celu(x: Value, alpha: float) -> Value:
    """Return x where x > 0, else alpha · (exp(x / alpha) - 1); alpha above 0."""
    return (x > 0.0).choose(x, expm1_negative(x.at_most(0.0) / alpha) * alpha)


def mish(x: Value) -> Value:
    """Return x · tanh(ln(1 + eˣ)) as x · (1 + 2e) / (1 + 2e + 2e²), or x · e(e + 2) / (e(e + 2) + 2) where x < 0.

    e = exp(-|x|); x · e is formed before it is scaled by 2ⁿ, so that the tail keeps its digits. Below -112 that is -0.
    """
    f = x.f
    whole, mantissa = _reduce((-_magnitude(x)).at_least(-112.0))
    mantissa = mantissa + 1.0
    e = _scale(mantissa, whole)
    above = e + e + 1.0
    below = f.fma(e, e + 2.0, 2.0)
    tail = _scale(x.at_least(-112.0) * mantissa * (e + 2.0), whole)
    return (x > 0.0).choose(x * above, tail) / (x > 0.0).choose(f.fma(e + e, e, above), below)


def softsign(x: Value) -> Value:
    """Return x / (1 + |x|), ±1 for ±∞."""
    bounded = x.at_least(-LARGEST).at_most(LARGEST)
    return bounded / (_magnitude(bounded) + 1.0)


ELEMENTWISE: Mapping[str, Callable[..., Value]] = MappingProxyType(
    {
        function.__name__: function
        for function in (
            step, sigmoid, relu, identity, tanh, leaky_relu, elu, selu, gelu, gelu_tanh, silu, softplus, hard_sigmoid,
            celu, mish, hard_swish, softsign,
        )
    }
)  # fmt: skip


# --- functions of one value or several, as steps between layers have them ---------------------------------


def smaller_or_nan(one: Value, other: Value) -> Value:
    """Return the smaller of two values; NaN if either is."""
    return one.differs(one).choose(one, (one < other).choose(one, other))


def larger_or_nan(one: Value, other: Value) -> Value:
    """Return the larger of two values; NaN if either is."""
    return one.differs(one).choose(one, (one > other).choose(one, other))


def square_root(x: Value) -> Value:
    """Return √x, rounded once."""
    return x.f.intrinsic("llvm.sqrt", x.kind, x)


def _truth(condition: Value, like: Value) -> Value:
    """Return 1 where a condition holds, else 0."""
    return condition.choose(like.f.constant(like.kind, 1.0), 0.0)


def _rounded(name: str) -> Callable[[Value], Value]:
    return lambda x: x.f.intrinsic(f"llvm.{name}", x.kind, x)


def _sign(x: Value) -> Value:
    """Return 1, -1 or 0 as x is above, below or 0; NaN stays."""
    return (x > 0.0).choose(x.f.constant(x.kind, 1.0), (x < 0.0).choose(x.f.constant(x.kind, -1.0), x * 0.0))


ARITHMETIC: Mapping[str, Callable[..., Value]] = MappingProxyType(
    {
        "same": lambda x: x,
        "add": lambda *terms: functools.reduce(Value.__add__, terms),
        "multiply": lambda *factors: functools.reduce(Value.__mul__, factors),
        "scale_shift": lambda x, scale, shift: x.f.fma(x, scale, shift),
        "prelu": lambda x, slope: (x > 0.0).choose(x, x * slope),
        "select": lambda condition, yes, no: condition.differs(0.0).choose(yes, no),
        "exp": exp,
        "sqrt": square_root,
        "abs": _magnitude,
        "reciprocal": lambda x: 1.0 / x,
        "sign": _sign,
        "floor": _rounded("floor"),
        "ceil": _rounded("ceil"),
        "round": _rounded("roundeven"),
        "truncate": _rounded("trunc"),
        "is_nan": lambda x: _truth(x.differs(x), x),
        "subtract": lambda one, other: one - other,
        "divide": lambda one, other: one / other,
        "minimum": smaller_or_nan,
        "maximum": larger_or_nan,
        "less": lambda one, other: _truth(one < other, one),
        "less_equal": lambda one, other: _truth(one <= other, one),
        "greater": lambda one, other: _truth(one > other, one),
        "greater_equal": lambda one, other: _truth(one >= other, one),
        "equal": lambda one, other: _truth(one.equals(other), one),
    }
)
