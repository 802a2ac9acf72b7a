"""The room that times: engines agree with the definition, and one that does not is told apart."""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Callable

import numpy as np
import pytest

from glassnet import ACTIVATIONS, Dense, Input, Network
from glassnet.activations import Array
from glassnet.benchmarking import ENGINES, Engine, Engines, UnfitError, Worker
from glassnet.benchmarking.engines import Chain, Rows, Ways
from glassnet.compiler import CompiledNetwork
from glassnet.network import Activate, Add

GENERATOR = np.random.default_rng(0)
PIXELS = GENERATOR.integers(0, 256, (5, 6), dtype=np.uint8)
FLOATS = GENERATOR.normal(size=(5, 6)).astype(np.float32)


def network(hidden: str = "sigmoid", output: str = "softmax") -> Network:
    generator = np.random.default_rng(1)

    def dense(inputs: int, outputs: int, activation: str) -> Dense:
        weights = generator.normal(size=(inputs, outputs)).astype(np.float32)
        return Dense(weights, generator.normal(size=outputs).astype(np.float32), activation)

    return Network([dense(6, 4, hidden), dense(4, 3, output)], inputs=Input((6,), scale=1 / 255, shift=-0.5))


@pytest.mark.parametrize("engine", [engine for engine in ENGINES.values() if not engine.compiles_each_shape])
def test_engines_agree_with_the_definition(engine: Engine) -> None:
    """Every way of every engine, for every activation it knows."""
    if not engine.installed:
        pytest.skip(f"{engine.name} is not installed")
    known = set()
    for name, activation in ACTIVATIONS.items():
        given = network(name) if activation.elementwise else network(output=name)
        for x in (PIXELS, FLOATS):
            try:
                ways = list(engine.ways(given, (x,), 1))
            except UnfitError:
                continue
            known.add(name)
            for call in ways:
                answer = np.asarray(call(), np.float64).reshape(5, 3)
                np.testing.assert_allclose(answer, given(x), atol=1e-5)
    assert {"sigmoid", "relu", "softmax"} <= known


@pytest.mark.parametrize(
    "other",
    [
        Network([Dense(np.eye(6, dtype=np.float32)), Activate("relu")], inputs=Input((6,))),
        Network([Dense(np.eye(6))], inputs=Input((6,))),
        Network([Dense(np.eye(6, dtype=np.float32), name="a"), Add(sources=("a", "x"))], inputs=Input((6,), name="x")),
    ],
)
def test_runtimes_take_chains_of_dense_layers(other: Network) -> None:
    with pytest.raises(UnfitError, match="not a plain chain of dense layers"):
        Chain(other, (FLOATS,))


# --- engines for the tests, found by name in their processes ---


def quick(network: Network, x: Rows, threads: int) -> Ways:
    expected = network(*x)
    yield lambda: expected


def slow(network: Network, x: Rows, threads: int) -> Ways:
    expected = network(*x)

    def call() -> Array:
        time.sleep(0.005)
        return expected

    yield call


def slow_and_quick(network: Network, x: Rows, threads: int) -> Ways:
    yield from slow(network, x, threads)
    yield from quick(network, x, threads)


def wrong(network: Network, x: Rows, threads: int) -> Ways:
    yield lambda: network(*x) + np.float32(0.1)


def narrow(network: Network, x: Rows, threads: int) -> Ways:
    yield lambda: network(*x)[:, :1]


def unfit(network: Network, x: Rows, threads: int) -> Ways:
    raise UnfitError("it has no layers of that kind")


def broken(network: Network, x: Rows, threads: int) -> Ways:
    yield lambda: 1 / 0


def falling(network: Network, x: Rows, threads: int) -> Ways:
    yield lambda: os._exit(3)


def counting_threads(network: Network, x: Rows, threads: int) -> Ways:
    assert os.environ["OMP_NUM_THREADS"] == str(threads)
    assert len(os.sched_getaffinity(0)) == threads
    yield from quick(network, x, threads)


def engines(*ways: Callable[[Network, Rows, int], Ways]) -> list[Engine]:
    return [Engine(each.__name__, (), each) for each in ways]


def test_one_is_timed_and_the_others_are_refused_with_a_reason() -> None:
    with Engines(engines(quick, slow, slow_and_quick, wrong, narrow, unfit, broken, falling)) as processes:
        found = processes.compare(network(), (FLOATS,), rounds=2, seconds=0.001, leave_out=["unfit"])
        again = processes.compare(network("relu"), (PIXELS,), rounds=1, seconds=0.001)
    assert list(found.seconds) == list(again.seconds) == ["quick", "slow", "slow_and_quick"]
    assert found.medians["slow"] > 0.005 > found.medians["slow_and_quick"]
    assert len(found.seconds["quick"]) == 2
    assert again.refused == {
        "wrong": again.refused["wrong"],
        "narrow": "it gives 5 numbers, expected 15",
        "unfit": "it has no layers of that kind",
        "broken": "ZeroDivisionError: division by zero",
        "falling": "its process came to a sudden end",
    }
    assert again.refused["wrong"].startswith("its answers differ by 0.")
    assert "unfit" not in found.refused


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not let a process choose its cores")
@pytest.mark.parametrize("threads", range(1, 1 + min(2, os.cpu_count() or 1)))
def test_threads_are_set_before_a_library_is_loaded(threads: int) -> None:
    before = dict(os.environ)
    [engine] = engines(counting_threads)
    worker = Worker(engine, threads=threads)
    worker.prepare(network(), (FLOATS,), network()(FLOATS).ravel())
    assert worker.time(0.001) > 0
    worker.close()
    assert dict(os.environ) == before


def test_answers_that_are_not_finite_agree_where_they_are_the_same() -> None:
    overflowing = Network([Dense(np.full((6, 2), 3e38, np.float32))], inputs=Input((6,)))
    with Engines([ENGINES["glassnet in NumPy"]]) as processes, np.errstate(over="ignore", invalid="ignore"):
        found = processes.compare(overflowing, (FLOATS,), rounds=1, seconds=0.0)
    assert not found.refused


def test_rows_from_another_process_take_the_quick_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unpickled arrays have a dtype object of their own, equal to the usual one and not the same."""

    def slow_way(*_: object, **__: object) -> None:
        raise AssertionError("the call went through Python")

    monkeypatch.setattr(CompiledNetwork, "__call__", slow_way)
    call = network().compile()
    for x in (FLOATS, PIXELS):
        unpickled = pickle.loads(pickle.dumps(x))
        assert unpickled.dtype is not x.dtype
        assert np.array_equal(call(unpickled), call(x))
    with pytest.raises(AssertionError, match="through Python"):
        call(FLOATS.astype(">f4"))
