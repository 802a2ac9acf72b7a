"""The activations as machine code: how far from the truth, the same on every target, and what they do at the edges.

The truth is float64 (NumPy, SciPy); the measuring is that of benchmarks/accuracy.py, here on every 28,657th float.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

import accuracy
from compiler.oracle import same_bits
from glassnet import ACTIVATIONS
from glassnet.activations import Array
from glassnet.compiler import functions
from glassnet.compiler.parts import WITHOUT_KERNEL
from glassnet.network.arithmetic import BINARY, FUNCTIONS

STRIDE = 28_657  # a prime, so that every pattern of low bits comes
# Units in the last place, for normal and for denormal results.
LIMITS = dict.fromkeys(accuracy.SUBJECTS, (4.0, 2.0)) | {"gelu": (6.0, 3.0)}
EXACT = ("step", "relu", "identity")

ROOT = Path(__file__).parents[2]


def edges() -> Array:
    """Return where something begins or ends, and the floats around it."""
    largest, smallest = float(np.finfo(np.float32).max), 2.0**-126
    places = [0, 2.0**-149, smallest, 1e-8, 0.25, 0.5, 1, 3, 9, 10.5, 11, 13.5, 15.5, 20, 30, 60, 2.0**24, largest]
    places += [87.33, 88.03, 88.72, 90, 103.28, 103.97, 104, 105, 110, 112, 1000, np.log(2) / 2, 0.75 * np.log(2)]
    near = np.array(places, np.float32)
    with np.errstate(over="ignore"):  # the one after the largest is infinity
        near = np.concatenate([near, np.nextafter(near, np.float32(0)), np.nextafter(near, np.float32(np.inf))])
    return np.concatenate([near, -near, np.array([np.nan, -np.nan], np.float32)])


def test_every_elementwise_activation_has_its_code_and_its_measure() -> None:
    elementwise = {name for name, entry in ACTIVATIONS.items() if entry.elementwise}
    assert set(functions.ELEMENTWISE) == elementwise
    assert {*FUNCTIONS, *BINARY} - set(functions.ARITHMETIC) == WITHOUT_KERNEL
    assert set(ACTIVATIONS) - elementwise == {"softmax", "log_softmax"}  # kernels.emit_softmax
    assert set(accuracy.SUBJECTS) == set(functions.ELEMENTWISE) | {"exp", "log"}
    assert all(LIMITS[name][0] <= 4 for name in ("sigmoid", "tanh", "exp"))


@pytest.mark.parametrize("name", accuracy.SUBJECTS)
def test_errors_in_ulp(name: str) -> None:
    normal, denormal = accuracy.measure(name, itertools.chain(accuracy.floats(STRIDE), [edges()]))
    most = (0.0, 0.0) if name in EXACT else LIMITS[name]
    assert normal.ulp <= most[0], f"{normal.ulp:.2f} ulp at {normal.at!r}"
    assert denormal.ulp <= most[1], f"{denormal.ulp:.2f} ulp at {denormal.at!r}, where the result is denormal"


@pytest.mark.parametrize("name", accuracy.SUBJECTS)
def test_the_same_bits_on_every_target(name: str, target: str) -> None:
    for x in itertools.chain(accuracy.floats(8 * STRIDE), [edges()]):
        assert same_bits(accuracy.compiled(name, target)(x), accuracy.compiled(name)(x))


@pytest.mark.parametrize("name", functions.ELEMENTWISE)
def test_nan_and_the_signs_of_zero(name: str) -> None:
    x = np.array([np.nan, -np.nan, 0.0, -np.inf, np.inf], np.float32)
    found, expected = accuracy.compiled(name)(x), ACTIVATIONS[name](x)
    assert np.isnan(found[:2]).all()
    assert same_bits(found[2:], expected[2:].astype(np.float32))


@pytest.mark.parametrize("name", ["exp", "sigmoid"])  # 1 + e is 1 there
@pytest.mark.parametrize(("low", "high"), [(-87.5, -87.0), (-104.5, -86.0)])
def test_results_run_on_into_denormal_numbers(name: str, low: float, high: float) -> None:
    """No sudden zero: they fall step by step to the smallest number there is."""
    x = np.linspace(low, high, 4001, dtype=np.float32)
    found = accuracy.compiled(name)(x)
    assert (np.diff(found) >= 0).all()
    assert (accuracy.ulps(found, np.exp(x.astype(np.float64))) <= 1.5).all()


# --- the measuring can fail ---


def test_ulps_are_counted() -> None:
    found = np.array([1, 1, 1, 2.0**-149, 0, np.inf, np.inf, np.nan, np.nan, 1], np.float32)
    true = np.array([1, 1 + 2.0**-24, 1 - 2.0**-23, 0, 2.0**-150, np.inf, 1e300, np.nan, 1, np.nan])
    assert accuracy.ulps(found, true).tolist() == [0, 0.5, 2, 1, 0.5, 0, 0, 0, np.inf, np.inf]
    largest = float(np.finfo(np.float32).max)
    assert accuracy.ulps(np.array([np.inf], np.float32), np.array([largest])).tolist() == [1]


def test_a_worse_polynomial_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(functions, "EXPM1", functions.EXPM1[:-1])
    accuracy.compiled.cache_clear()
    try:
        normal, _ = accuracy.measure("exp", accuracy.floats(101 * STRIDE))
    finally:
        accuracy.compiled.cache_clear()
    assert normal.ulp > LIMITS["exp"][0]


# --- the document ---


def test_the_table_of_the_document_is_the_one_measured() -> None:
    measured = (ROOT / "benchmarks/results/accuracy.txt").read_text("utf-8")
    document = (ROOT / "docs/concepts/same-bits.md").read_text("utf-8")
    rows = [line for line in measured.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + len(accuracy.SUBJECTS)
    assert "\n".join(rows) in document
    for row in rows[2:]:
        name, normal, _, denormal, _ = (cell.strip() for cell in row.strip("|").split("|"))
        assert (float(normal), float(denormal)) <= (LIMITS[name][0], LIMITS[name][1])
