"""The promise: a row's bits depend on nothing but the row and the network.

Not on the batch it comes in, its place there, the threads, the form of the input, the kind of processor. And the
sums are those of the definition, held against an oracle that does not know the compiler.
"""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from compiler.golden import Golden
from compiler.networks import COMPILED, NETWORKS, dense, pixels, rows, text, values
from compiler.oracle import bits, fma, forward, same_bits, sums
from glassnet import ACTIVATIONS, Dense, Input, Network
from glassnet.activations import Array
from glassnet.compiler import CompiledNetwork, compiled
from glassnet.compiler.targets import TARGETS
from glassnet.network import Activate, Clip

SIZES = (*range(1, 131), 1000)


def float32(values: Any) -> Array:
    return np.array(values, np.float32)


def one_by_one(network: CompiledNetwork, x: Array) -> Array:
    return np.stack([network(row) for row in x])


def one(activation: str, outputs: int = 21) -> Network:
    """Return a network that ends in an activation and has it inside too."""
    inside = activation if ACTIVATIONS[activation].elementwise else "relu"
    return Network([dense(1, 37, 50, inside), dense(3, 50, outputs, activation)])


# --- the oracle, and that a comparison can fail ---


def test_the_oracle_is_exact() -> None:
    """Against fractions: no float32 is nearer, and of two equally near the one whose last bit is 0 is taken."""
    x, w, acc = (values(seed, 3000) for seed in (1, 2, 3))
    x[::3] *= np.float32(2.0**-70)
    w[::5] *= np.float32(2.0**-70)
    acc[1::3] *= np.float32(2.0**-130)
    acc[2::3] = -(x * w)[2::3]  # what the product's rounding lost is all that is left
    x[::7], w[::7], acc[::7] = 1, 2.0**-24, 1 + 2.0**-23 * np.arange(len(x[::7]))  # half way
    ties = 0
    for one, two, three, result in zip(x, w, acc, fma(x, w, acc), strict=True):
        exact = Fraction(float(one)) * Fraction(float(two)) + Fraction(float(three))
        error = abs(Fraction(float(result)) - exact)
        for side in float32([-9, 9]):
            other = abs(Fraction(float(np.nextafter(result, side))) - exact)
            assert error <= other
            if error == other:
                assert bits(result) & 1 == 0
                ties += 1
    assert ties > 400


def test_other_orders_give_other_bits() -> None:
    """The control: what a matrix product answers, or the sum from the last k, is not the same to the bit."""
    layer, x = dense(1, 100, 20), rows(3, 30, 100)
    found = Network([layer]).compile(cache=False)(x)
    assert same_bits(found, sums(x, layer))
    assert not same_bits(found, sums(x, layer, slice(None, None, -1)))
    assert not same_bits(found, x @ layer.weights + layer.bias)
    assert np.allclose(found, x @ layer.weights + layer.bias, atol=1e-5)
    changed = found.copy()
    changed[-1, -1] = np.nextafter(changed[-1, -1], np.float32(9))
    assert not same_bits(found, changed)
    assert not same_bits(np.float32(0), np.float32(-0.0))


# --- the sums ---


def test_sums_are_those_of_the_definition(target: str) -> None:
    """Every width of a panel and every tail, twice over, on inputs 1 … 40, alone and in tiles."""
    most = 2 * TARGETS[target].panel
    for outputs in (*range(1, min(most, 70) + 1), 100, 130):
        inputs = outputs * 7 % 40 + 1
        network = Network([dense(outputs, inputs, outputs)])
        x = rows(3, 9, inputs)
        found = network.compile(target=target)
        expected = forward(network, x)
        assert same_bits(found(x), expected), f"{inputs} inputs, {outputs} outputs"
        assert same_bits(one_by_one(found, x), expected), f"{inputs} inputs, {outputs} outputs, row by row"


@pytest.mark.parametrize("zeros", [0.0, 0.3, 0.9, 1.0])
def test_skipping_zeros_changes_nothing(zeros: float, target: str) -> None:
    """The oracle skips none. -0 is a zero too."""
    network = Network([dense(1, 784, 70, "relu"), dense(3, 70, 30, "relu"), dense(5, 30, 10)])
    x = rows(7, 23, 784, zeros)
    found = network.compile(target=target)
    expected = forward(network, x)
    assert same_bits(found(x), expected)
    assert same_bits(one_by_one(found, x), expected)
    x[(x == 0) & (rows(9, 23, 784) > 0)] = -0.0
    assert same_bits(found(x), expected)


@pytest.mark.parametrize("activation", ["step", "relu", "leaky_relu", "identity"])
def test_steps_in_registers_are_exact(activation: str, target: str) -> None:
    steps = [dense(1, 20, 40, activation), Clip(-0.5, 1.5), Activate("leaky_relu"), dense(3, 40, 7), Clip(high=1.0)]
    network = Network(steps)
    x = rows(5, 9, 20)
    assert same_bits(network.compile(target=target)(x), forward(network, x))


def test_layers_are_multiplied_in_order() -> None:
    """The algebra before the compiler keeps the promise too: no BLAS, whose sums differ from machine to machine."""
    first, second = dense(1, 7, 30), dense(3, 30, 5)
    [merged] = Network([first, second]).collapse().layers
    left, right = first.weights.astype(float).tolist(), second.weights.astype(float).tolist()
    for i, j in itertools.product(range(7), range(5)):
        total = 0.0
        for k in range(30):
            total += left[i][k] * right[k][j]
        assert merged.weights[i, j] == np.float32(total)


# --- the same row ---


@pytest.mark.parametrize("activation", COMPILED)
def test_batch_size_and_place(activation: str) -> None:
    network = one(activation).compile()
    x = np.tile(rows(5, 250, 37), (4, 1))
    expected = one_by_one(network, x[:250])
    expected = np.tile(expected, (4, 1))
    for start, size in enumerate(SIZES):
        chosen = slice(start, start + size) if size < 1000 else slice(None)
        assert same_bits(network(x[chosen]), expected[chosen]), f"{size} rows from row {chosen.start}"


def test_blocks_of_rows(target: str) -> None:
    """Large weights are gone through in blocks of rows; where a block ends changes nothing."""
    network = Network([dense(1, 300, 260, "relu"), dense(3, 260, 3)])
    found = network.compile(target=target)
    x = rows(5, 1000, 300)
    expected = one_by_one(found, x)
    assert same_bits(expected[:50], forward(network, x[:50]))
    for size in (1, 2, 3, 7, 47, 48, 49, 97, 1000):
        assert same_bits(found(x[:size]), expected[:size]), f"{size} rows"


@pytest.mark.parametrize("activation", COMPILED)
def test_threads(activation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "SHARED_CALL", 1)  # every batch is shared, down to two rows
    alone, shared = one(activation).compile(), one(activation).compile(threads=2)
    x = rows(5, 1000, 37)
    expected = alone(x)
    for size in SIZES:
        assert same_bits(shared(x[:size]), expected[:size])


def test_threads_on_a_batch_that_pays_for_them() -> None:
    network = Network([dense(1, 784, 50, "sigmoid"), dense(3, 50, 100, "sigmoid"), dense(5, 100, 10, "softmax")])
    x = rows(7, 1000, 784, 0.8)
    assert same_bits(network.compile(threads=2)(x), network.compile(threads=1)(x))


def test_pixels_as_uint8_or_as_the_same_float32(target: str) -> None:
    network = Network([dense(1, 100, 20, "sigmoid")], inputs=Input((100,), scale=1 / 255, shift=-0.3))
    found = network.compile(target=target)
    for size in (1, 2, 5, 130):
        raw = pixels(3, size, 100)
        expected = found(network.inputs[0].numbers(raw, np.dtype(np.float32)))
        assert same_bits(found(raw), expected)
        assert same_bits(found(raw.astype(np.int64)), expected)
        assert same_bits(found(raw[::-1]), expected[::-1])
        assert same_bits(found(raw, out=np.empty_like(expected)), expected)


def test_decisions(target: str) -> None:
    network = Network([dense(1, 37, 21, "tanh"), dense(3, 21, 9, "softmax")], labels=range(9))
    found = network.compile(target=target)
    x = rows(5, 130, 37)
    expected = found(x).argmax(axis=1)
    assert found.predict(x).tolist() == expected.tolist() == [found.predict(row) for row in x]


@pytest.mark.parametrize("activation", ["softmax", "log_softmax"])
@pytest.mark.parametrize("outputs", [*range(1, 41), 1000])
def test_softmax_of_every_width(outputs: int, activation: str) -> None:
    network = Network([dense(1, 9, outputs, activation)])
    x = rows(3, 7, 9)
    native = network.compile()
    expected = one_by_one(native, x)
    assert same_bits(native(x), expected)
    wide = Network([Dense(layer.weights.astype(np.float64), layer.bias, activation) for layer in network.layers])
    assert np.allclose(expected, wide(x.astype(np.float64)), rtol=3e-6, atol=1e-6 if activation != "softmax" else 0)


@pytest.mark.parametrize("activation", ["softmax", "log_softmax"])
@pytest.mark.parametrize("outputs", [1, 3, 15, 16, 17, 32, 40, 1000])
def test_softmax_on_every_target(outputs: int, activation: str, target: str) -> None:
    network = Network([dense(1, 9, outputs, activation)])
    x = rows(3, 7, 9)
    assert same_bits(network.compile(target=target)(x), network.compile()(x))


@pytest.mark.parametrize("name", NETWORKS)
def test_golden_bits(name: str, target: str, golden: Golden) -> None:
    """The same file for every processor; AArch64 is held to it in test_aarch64."""
    network, x = NETWORKS[name]
    found = network.compile(target=target)
    golden.check(f"{name}.txt", text(found(x)))
    assert same_bits(one_by_one(found, x), found(x))


# --- zero, NaN, infinity, denormal numbers ---


def test_a_sum_is_never_minus_zero(target: str) -> None:
    """Whether the bias is -0, the products are, or a sum underflowed from below."""
    weights = float32([[-0.0, 1, -(2.0**-100), 2.0**-100]])
    bias = float32([-0.0, -0.0, 0, -0.0])
    x = np.zeros((9, 20), np.float32)
    x[1], x[2], x[3], x[4] = -0.0, 1, 2.0**-100, -(2.0**-100)
    network = Network([Dense(np.repeat(weights, 20, axis=0), bias)])
    found = network.compile(target=target)
    for answer in (found(x), one_by_one(found, x)):
        assert not np.signbit(answer[answer == 0]).any()
        assert same_bits(answer, forward(network, x))


@pytest.mark.parametrize("activation", COMPILED)
def test_nan_stays_in_its_row_and_reaches_all_of_it(activation: str, target: str) -> None:
    found = one(activation).compile(target=target)
    x = rows(5, 14, 37)
    expected = found(x)
    for row, column in ((0, 0), (6, 18), (13, 36)):
        broken = x.copy()
        broken[row, column] = np.nan
        answer = found(broken)
        assert np.isnan(answer[row]).all()
        assert np.isnan(found(broken[row])).all()
        assert same_bits(np.delete(answer, row, axis=0), np.delete(expected, row, axis=0))


def test_nan_goes_through_limits(target: str) -> None:
    network = Network([dense(1, 20, 30, "relu"), Clip(0.0, 1.0), dense(3, 30, 5, "hard_sigmoid"), Clip(0.2, 0.8)])
    x = rows(5, 3, 20)
    x[1, 3] = np.nan
    assert np.isnan(network.compile(target=target)(x)).all(axis=1).tolist() == [False, True, False]


def test_infinity_is_computed_with(target: str) -> None:
    """As IEEE 754 says: ∞ · 0 and ∞ - ∞ are NaN, all else is infinite; too large a sum is infinite as well."""
    layer = Dense(float32([[1, -1, 0, 2.0**127]] * 20), float32([0, 0, 0, 1]))
    x = np.ones((12, 20), np.float32)
    x[1, 5] = np.inf
    x[4, 5] = -np.inf
    x[7, [3, 9]] = [np.inf, -np.inf]
    network = Network([layer])
    found = network.compile(target=target)
    for answer in (found(x), one_by_one(found, x)):
        assert same_bits(answer, forward(network, x))
        assert same_bits(answer[0], [20, -20, 0, np.inf])
        assert same_bits(answer[1], [np.inf, -np.inf, np.nan, np.inf])
        assert same_bits(answer[4], [-np.inf, np.inf, np.nan, np.nan])
        assert same_bits(answer[7], [np.nan, np.nan, np.nan, np.nan])


ELEMENTWISE = [name for name in COMPILED if ACTIVATIONS[name].elementwise]
FAR = (np.inf, -np.inf, np.nan, 0.0, 3e38, -3e38, 200.0, -200.0, 2.0**-126, -(2.0**-126))


@pytest.mark.parametrize("activation", ELEMENTWISE)
def test_far_out_as_the_definition_has_it(activation: str, target: str) -> None:
    """Infinite, NaN, zero with its sign, or a number within 1e-6 of it: as NumPy."""
    network = Network([Dense([[np.float32(1)]], None, activation)])
    x = float32(FAR)[:, np.newaxis]
    found, expected = network.compile(target=target)(x), network(x)
    assert np.allclose(found, expected, rtol=1e-6, atol=0, equal_nan=True)
    assert np.array_equal(np.signbit(found[expected == 0]), np.signbit(expected[expected == 0]))


@pytest.mark.parametrize("activation", ["softmax", "log_softmax"])
def test_softmax_far_out(activation: str, target: str) -> None:
    """A row with NaN, with +∞, or without a finite value is NaN; -∞ beside numbers is a probability of 0."""
    x = np.repeat(np.linspace(-1, 1, 20, dtype=np.float32)[np.newaxis], 7, axis=0)
    x[1, 18], x[2, 0], x[3, 18], x[4, 3], x[5] = np.nan, np.nan, np.inf, 3e38, -np.inf
    # A layer cannot pass -∞ on beside other numbers, because 0 · -∞ is NaN; its bias can.
    for row, wanted in zip(x, ACTIVATIONS[activation](x), strict=True):
        network = Network([Dense(np.zeros((1, 20), np.float32), row, activation)])
        answer = network.compile(target=target)(np.zeros((3, 1), np.float32))
        assert np.allclose(answer, wanted, rtol=1e-6, atol=1e-7, equal_nan=True)


def test_denormal_numbers_are_numbers(target: str) -> None:
    """As inputs, weights, products, sums and results; nothing is flushed to zero."""
    for x_scale, w_scale in ((2.0**-140, 1.0), (1.0, 2.0**-140), (2.0**-70, 2.0**-70), (2.0**-140, 2.0**20)):
        layer = Dense(values(1, 20, 30, most=w_scale), np.full(30, 2.0**-149, np.float32))
        x = values(3, 9, 20, most=x_scale)
        network = Network([layer])
        found = network.compile(target=target)(x)
        assert same_bits(found, forward(network, x))
        assert ((found != 0) & (np.abs(found) < 2.0**-118)).any()


def test_bits_see_what_equality_does_not() -> None:
    assert same_bits([np.nan], [-np.float32(np.nan)])
    assert bits([0.0]).tolist() == [0]
    assert bits([-0.0]).tolist() == [1 << 31]
