"""Random networks against float64, within a bound that follows from the sums and not from experience.

A value v that is carried with a rounding error of at most e goes on like this (u = 2⁻²⁴, m ≥ |v| the size of the
terms it was summed from, so that cancellation is paid for):

    dense           n products and a bias, each term rounded at most n + 4 times on its way (a fused multiply-add a
                    turn; folding and collapsing neighbours round a weight some times more):
                    m' = |b| + m·|W|,  e' = e·|W| + γ·m',  γ = (n + 4)·u / (1 - (n + 4)·u)   (Higham 2002, 3.1)
    scale, sum      the same with one or two terms
    product         e' = e₁·|v₂| + |v₁|·e₂ + e₁·e₂ + 2u·m₁·m₂
    activation      e' = L·e + 16u·|h(v)|, L its steepest slope, and 16u for 8 ulp of its own
    step            exact, but for values as near to 0 as their error
    softmax         p·(exp(2·max e) - 1) + (n + 32)·u·p: every exp(a - c) is off by a factor exp(±2e) at most
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.networks import COMPILED
from glassnet.activations import ACTIVATIONS, SELU_ALPHA, SELU_SCALE, Activation, Array, activation
from glassnet.network import Activate, Add, Clip, Concatenate, Dense, Input, Multiply, Network, ScaleShift, Slice, Step

U = 2.0**-24
TINY = 1e-37  # far above what is lost where float32 has fewer digits

# The steepest slope of each activation that is applied element by element.
SLOPES = {
    "identity": 1.0, "relu": 1.0, "sigmoid": 0.25, "tanh": 1.0, "softplus": 1.0, "silu": 1.1, "gelu": 1.13,
    "gelu_tanh": 1.13, "selu": SELU_ALPHA * SELU_SCALE, "step": 0.0, "mish": 1.1, "hard_swish": 1.5, "softsign": 1.0,
}  # fmt: skip


def test_a_slope_for_every_activation() -> None:
    parametric = {"leaky_relu", "elu", "hard_sigmoid", "celu"}
    assert set(SLOPES) | parametric == {name for name in COMPILED if ACTIVATIONS[name].elementwise}
    a = np.linspace(-20, 20, 100_001)
    for name, slope in SLOPES.items():
        assert np.max(np.abs(ACTIVATIONS[name].derivative(a))) <= slope


@dataclasses.dataclass(frozen=True)
class Bounded:
    """A batch in float64, the error it may carry in float32, and the size of what it was summed from."""

    value: Array
    error: Array
    size: Array


def gamma(roundings: int) -> float:
    return roundings * U / (1 - roundings * U)


def activated(h: Activation, v: Bounded) -> Bounded:
    value = h(v.value)
    if h.elementwise:
        slope = SLOPES[h.name] if h.name in SLOPES else max(1.0, *map(abs, h.parameters.values()))
        error = slope * v.error + 16 * U * np.abs(value)
        if h.name == "hard_sigmoid":  # its own sum may cancel
            error += 4 * U * (1 + abs(h.parameters["offset"]))
        if h.name == "step":
            error = np.where(np.abs(v.value) <= v.error, 1.0, 0.0)
    else:
        worst = 2 * v.error.max(axis=-1, keepdims=True)
        own = (value.shape[-1] + 32) * U
        error = value * (np.expm1(worst) + own)
        if h.name == "log_softmax":
            error = worst + own * (2 + np.abs(value) + np.abs(v.value) + np.abs(v.value).max(axis=-1, keepdims=True))
    return Bounded(value, error, np.abs(value))


def affine(v: Bounded, weights: Array, bias: Array) -> Bounded:
    size = v.size @ np.abs(weights) + np.abs(bias)
    return Bounded(v.value @ weights + bias, v.error @ np.abs(weights) + gamma(len(weights) + 4) * size, size)


def after(step: Step, *values: Bounded) -> Bounded:
    """Return what a step makes of its values."""
    v = values[0]
    match step:
        case Dense():
            return activated(step.activation, affine(v, step.weights.astype(float), step.bias.astype(float)))
        case Activate():
            return activated(step.activation, v)
        case ScaleShift():
            scale, shift = step.scale.astype(float), step.shift.astype(float)
            size = v.size * np.abs(scale) + np.abs(shift)
            return Bounded(v.value * scale + shift, v.error * np.abs(scale) + gamma(4) * size, size)
        case Clip():
            value = np.clip(v.value, step.low, step.high)
            return Bounded(value, v.error + U * np.abs(value), np.abs(value))
        case Slice():
            return Bounded(*(each[:, step.start : step.stop] for each in dataclasses.astuple(v)))
        case Concatenate():
            return Bounded(
                *(np.concatenate(each, axis=1) for each in zip(*map(dataclasses.astuple, values), strict=True))
            )
        case Add():
            value, error, size = (np.sum(each, axis=0) for each in zip(*map(dataclasses.astuple, values), strict=True))
            return Bounded(value, error + gamma(len(values)) * size, size)
        case Multiply():
            one, two = values
            size = one.size * two.size
            error = one.error * np.abs(two.value) + np.abs(one.value) * two.error + one.error * two.error
            return Bounded(one.value * two.value, error + 2 * U * size, size)
        case _:
            raise NotImplementedError(step.KIND)


def bounded(network: Network, x: Array) -> Bounded:
    """Run a network in float64, and with it the error that float32 may make."""
    (given,) = network.inputs
    exact = x.astype(float)
    size = np.abs(exact)
    error = np.zeros_like(size)
    if x.dtype == np.uint8:
        exact = exact * given.scale + given.shift
        size = size * abs(given.scale) + abs(given.shift)
        error = gamma(4) * size
    values = {given.name: Bounded(exact, error, size)}
    for step, sources in zip(network.steps, network.sources, strict=True):
        values[step.name] = after(step, *(values[source] for source in sources))
    return values[network.outputs[0]]


def holds(network: Network, x: Array, found: Array) -> bool:
    expected = bounded(network, x)
    return bool((np.abs(found - expected.value) <= expected.error + TINY).all())


# --- networks of all kinds ---

some = st.floats(-2, 2, width=32)
activations = st.one_of(
    st.sampled_from([ACTIVATIONS[name] for name in COMPILED]),
    st.builds(lambda slope: activation("leaky_relu", slope=slope), some),
    st.builds(lambda alpha: activation("elu", alpha=alpha), some),
    st.builds(lambda slope, offset: activation("hard_sigmoid", slope=slope, offset=offset), some, some),
)


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """A network of some dense layers, with steps of other kinds before, between, beside and after them."""
    random = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    width = draw(st.integers(1, 40))
    given = Input((width,), scale=draw(st.sampled_from([1.0, 1 / 255, -0.5])), shift=draw(st.sampled_from([0.0, 0.25])))
    steps: list[Step] = []
    widths = {"x": width}

    def numbers(*shape: int) -> Array:
        values = random.normal(size=shape).astype(np.float32)
        values[random.random(shape) < draw(st.sampled_from([0.0, 0.5]))] = 0
        return values

    def add(step: Step, outputs: int) -> None:
        name = f"s{len(steps)}"
        steps.append(dataclasses.replace(step, name=name))
        widths[name] = outputs

    def dense(source: str, outputs: int) -> Dense:
        weights = numbers(widths[source], outputs) / np.float32(math.sqrt(widths[source]))
        return Dense(weights, numbers(outputs), draw(activations), sources=(source,))

    for _ in range(draw(st.integers(1, 4))):
        last = list(widths)[-1]
        kind = draw(
            st.sampled_from(["dense"] * 5 + ["scale", "clip", "activate", "add", "multiply", "concatenate", "slice"])
        )
        match kind:
            case "scale":
                shape = (widths[last],) if draw(st.booleans()) else ()
                add(ScaleShift(numbers(*shape), numbers(*shape), sources=(last,)), widths[last])
            case "clip":
                low, high = sorted((draw(some), draw(some)))
                add(Clip(low, draw(st.sampled_from([high, math.inf])), sources=(last,)), widths[last])
            case "activate":
                add(Activate(draw(activations), sources=(last,)), widths[last])
            case "slice":
                start = draw(st.integers(0, widths[last] - 1))
                add(Slice(start, widths[last], sources=(last,)), widths[last] - start)
            case "concatenate":
                other = draw(st.sampled_from(list(widths)))
                add(Concatenate(sources=(last, other)), widths[last] + widths[other])
            case "add" | "multiply":
                source = draw(st.sampled_from(list(widths)))
                add(dense(source, widths[last]), widths[last])
                add((Add if kind == "add" else Multiply)(sources=(last, f"s{len(steps) - 1}")), widths[last])
        add(dense(list(widths)[-1], draw(st.integers(1, 40))), 0)
        widths[f"s{len(steps) - 1}"] = steps[-1].outputs  # type: ignore[attr-defined]
    return Network(steps, inputs=given)


@st.composite
def batches(draw: st.DrawFn, width: int) -> Array:
    """Rows with zeros in a pattern: none, some, whole columns, whole rows, nearly all."""
    count = draw(st.sampled_from([1, 2, 3, 4, 5, 48, 49, 130]))
    random = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    if draw(st.booleans()):
        x: Array = random.integers(0, 256, (count, width), dtype=np.uint8)
    else:
        x = (random.normal(size=(count, width)) * draw(st.sampled_from([1e-3, 1.0, 30.0]))).astype(np.float32)
    share = draw(st.sampled_from([0.0, 0.5, 0.95]))
    shape = draw(st.sampled_from([(count, width), (count, 1), (1, width)]))
    x[np.broadcast_to(random.random(shape) < share, x.shape)] = 0
    return x


@settings(max_examples=50)
@given(st.data())
def test_random_networks_are_within_the_bound(data: st.DataObject) -> None:
    network = data.draw(networks())
    x = data.draw(batches(network.inputs[0].shape[0]))
    fast = network.compile(cache=False)
    assert holds(network, x, fast(x))
    assert holds(network, x[:1], fast(x[0])[np.newaxis])


@pytest.mark.parametrize("name", COMPILED)
def test_the_bound_is_close_enough_to_fail(name: str) -> None:
    """The control: one weight of 400 off by 1/1000, or one output in 20 by a hundredth of a per cent, is seen."""
    random = np.random.default_rng(6)
    weights = random.normal(size=(20, 20)).astype(np.float32) / 4
    x = random.normal(size=(60, 20)).astype(np.float32)
    network = Network([Dense(weights, np.zeros(20, np.float32), name)])
    found = network.compile()(x)
    assert holds(network, x, found)
    assert not holds(network, x, np.where(np.eye(60, 20) == 1, found * np.float32(1.0001), found)) or name == "step"
    wrong = weights.copy()
    wrong[3, 4] *= 1.001
    assert not holds(network, x, Network([Dense(wrong, None, name)]).compile()(x)) or name == "step"
