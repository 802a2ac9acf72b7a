"""The layer over LLVM's IR: operators, loops and branches, each emitted alone and run."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable

import numpy as np
import pytest
from llvmlite import ir

from compiler.oracle import same_bits
from glassnet.activations import Array
from glassnet.compiler.language import F32, I32, I64, POINTER, VOID, Function, Pointer, Value, vector
from glassnet.compiler.machine import assemble, link, native_machine

LANES = 8
X = np.array([0.0, -0.0, 1.5, -2.0, 3e38, -np.inf, np.nan, 2.0**-140], np.float32)


def run(body: Callable[[Function, Pointer, Pointer], None], x: Array, size: int = LANES) -> Array:
    """Emit ``void apply(x, y)`` with this body; run it, and return y."""
    module = ir.Module("language")
    f = Function(module, "apply", VOID, {"x": POINTER, "y": POINTER})
    body(f, *f.arguments)
    f.give()
    machine = native_machine()
    code = link(assemble(str(module), machine), machine, ("apply",), {})
    y = np.zeros(size, x.dtype)
    ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(code.addresses["apply"])(x.ctypes.data, y.ctypes.data)
    return y


def mapped(operation: Callable[[Value], Value]) -> Array:
    def body(f: Function, x: Pointer, y: Pointer) -> None:
        y.store(operation(x.load(vector(F32, LANES))))

    return run(body, X)


@pytest.mark.parametrize(
    "operation",
    [
        lambda x: x + 1.5,
        lambda x: x - 1.5,
        lambda x: 1.5 - x,
        lambda x: x * 3.0,
        lambda x: x / 3.0,
        lambda x: 3.0 / x,
        lambda x: -x,
        lambda x: x * x + x,
    ],
)
@pytest.mark.filterwarnings("ignore:.*encountered:RuntimeWarning")
def test_operators_are_those_of_numbers(operation: Callable[..., Value]) -> None:
    assert same_bits(mapped(operation), operation(X))


def test_comparisons_with_nan_are_false_and_it_differs_from_everything() -> None:
    def as_number(condition: Callable[[Value], Value]) -> Array:
        return mapped(lambda x: condition(x).choose(x.f.constant(x.kind, 1.0), 0.0))

    assert np.array_equal(as_number(lambda x: x < 1.0), X < 1)
    assert np.array_equal(as_number(lambda x: x <= 1.5), X <= 1.5)
    assert np.array_equal(as_number(lambda x: x > -2.0), X > -2)
    assert np.array_equal(as_number(lambda x: x >= -2.0), X >= -2)
    assert np.array_equal(as_number(lambda x: x.equals(0.0)), X == 0)
    assert np.array_equal(as_number(lambda x: x.differs(0.0)), X != 0)


def test_limits_keep_nan() -> None:
    assert same_bits(mapped(lambda x: x.at_least(-1.0).at_most(2.0)), np.clip(X, -1, 2))


def test_a_fused_multiply_add_rounds_once() -> None:
    x = np.full(LANES, 1 + 2.0**-12, np.float32)

    def body(f: Function, x: Pointer, y: Pointer) -> None:
        value = x.load(vector(F32, LANES))
        y.store(f.fma(value, value, -1.0))

    assert run(body, x).tolist() == [2.0**-11 + 2.0**-24] * LANES
    assert (x * x - np.float32(1)).tolist() == [2.0**-11] * LANES


def test_a_polynomial_is_evaluated_from_the_highest_power() -> None:
    assert np.allclose(mapped(lambda x: x.f.polynomial(x, (1.0, 2.0, 3.0)))[:4], [1, 1, 1 + 3 + 6.75, 1 - 4 + 12])


def test_bits_and_integers() -> None:
    magnitude = mapped(lambda x: (x.bits_as(I32) & 0x7FFFFFFF).bits_as(F32))
    assert same_bits(magnitude, np.abs(X))
    exponents = mapped(lambda x: ((x.bits_as(I32) >> 23) << 23).bits_as(F32))
    assert exponents[2:4].tolist() == [1.0, -2.0]


def test_lanes() -> None:
    turned = mapped(lambda x: x.lanes(range(LANES - 1, -1, -1)))
    assert same_bits(turned, X[::-1])
    assert same_bits(mapped(lambda x: x.lane(3).splat(LANES)), np.full(LANES, X[3]))


def test_a_loop_carries_its_values() -> None:
    def body(f: Function, x: Pointer, y: Pointer) -> None:
        with f.loop(20, start=2, step=3, carry=[f.i64(0), f.i64(1)]) as loop:
            count, product = loop.carry
            loop.carry = [count + 1, product * loop.index]
        y.at(I64, 0).store(loop.carry[0])
        y.at(I64, 1).store(loop.carry[1])
        with f.loop(0, carry=[f.i64(7)]) as never:
            never.carry = [f.i64(8)]
        y.at(I64, 2).store(never.carry[0])

    assert run(body, np.zeros(3, np.int64), 3).tolist() == [6, math.prod(range(2, 20, 3)), 7]


def test_branches() -> None:
    def body(f: Function, x: Pointer, y: Pointer) -> None:
        with f.loop(4) as loop:
            value = x.at(I64, loop.index).load(I64)
            with f.either(value > 10) as (large, small):
                with large:
                    y.at(I64, loop.index).store(f.i64(1))
                with small:
                    y.at(I64, loop.index).store(f.i64(2))
            with f.when(value.equals(0)):
                y.at(I64, loop.index).store(f.i64(3))

    assert run(body, np.array([11, 10, 0, -5], np.int64), 4).tolist() == [1, 2, 3, 2]


def test_compress_and_count() -> None:
    def body(f: Function, x: Pointer, y: Pointer) -> None:
        alive = x.load(vector(I64, LANES)).differs(0)
        numbers = f.lane_numbers(LANES).widen(I64)
        y.store(f.compress(numbers, alive))
        y.at(I64, LANES - 1).store(f.count(alive))

    x = np.array([0, 5, 0, 0, -1, 7, 0, 0], np.int64)
    found = run(body, x)
    assert found[:3].tolist() == [1, 4, 5]
    assert found[-1] == 3
