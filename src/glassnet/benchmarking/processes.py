"""Engines at work, each in a process of its own, timed in turns.

A process of its own, because runtimes set up their threads when they are loaded, some of them spin, and one that
falls must not take the others with it. In turns, because the machine does other things too: what slows one round down
slows it for all.
"""

from __future__ import annotations

import contextlib
import importlib
import math
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TypeVar

import numpy as np

from glassnet.benchmarking.engines import Array, Call, Engine, Rows, UnfitError
from glassnet.network import Network

Answer = TypeVar("Answer")

# Relative to the largest output: what float32 sums in another order may differ by, and no more.
AGREEMENT = 1e-5


@dataclass(frozen=True)
class Comparison:
    """What came of one network and one batch.

    seconds: engine → the time of one call, for each round. refused: engine → why it is not among them.
    """

    seconds: Mapping[str, tuple[float, ...]]
    refused: Mapping[str, str]

    @property
    def medians(self) -> dict[str, float]:
        """The median seconds of one call."""
        return {name: statistics.median(several) for name, several in self.seconds.items()}


class Engines:
    """The processes of several engines, each on the same cores; close it, or use it as a context."""

    def __init__(self, engines: Iterable[Engine], *, threads: int = 1) -> None:
        self._workers = {engine.name: Worker(engine, threads=threads) for engine in engines}

    def versions(self, progress: Callable[[], object] = lambda: None) -> dict[str, str]:
        """Return the versions of the libraries behind the engines, by module. progress: called before each engine."""
        found: dict[str, str] = {}
        for worker in self._workers.values():
            progress()
            found |= worker.versions()
        return found

    def compare(
        self,
        network: Network,
        x: Rows,
        *,
        rounds: int,
        seconds: float,
        leave_out: Iterable[str] = (),
        progress: Callable[[], object] = lambda: None,
    ) -> Comparison:
        """Time one call of each engine, in ``rounds`` rounds of as many calls as fit into ``seconds``.

        An engine whose answers differ from those of the definition is refused. progress: called before each turn of
        an engine, one to be made ready and one a round.
        """
        expected = _flat(network(*x))
        ready, refused = {}, {}
        for name, worker in self._workers.items():
            if name in leave_out:
                continue
            progress()
            try:
                worker.prepare(network, x, expected)
            except UnfitError as error:
                refused[name] = str(error)
            else:
                ready[name] = worker
        taken: dict[str, list[float]] = {name: [] for name in ready}
        for _ in range(rounds):
            for name, worker in ready.items():
                progress()
                taken[name].append(worker.time(seconds))
        return Comparison({name: tuple(several) for name, several in taken.items()}, refused)

    def close(self) -> None:
        """End the processes."""
        for worker in self._workers.values():
            worker.close()

    def __enter__(self) -> Engines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Worker:
    """One engine in a process of its own, which starts with the first request."""

    def __init__(self, engine: Engine, *, threads: int = 1) -> None:
        self._engine = engine
        self._threads = threads
        self._pool = ProcessPoolExecutor(
            1, mp_context=multiprocessing.get_context("spawn"), initializer=_settle, initargs=(_last_cores(threads),)
        )

    def versions(self) -> dict[str, str]:
        """Return the version of each module of the engine."""
        return self._ask(_versions, self._engine)

    def prepare(self, network: Network, x: Rows, expected: Array | None = None) -> None:
        """Make the engine ready to compute these rows, and compare its answer with the ``expected`` one.

        Raises UnfitError where it cannot, whatever the reason.
        """
        self._ask(_prepare, self._engine, network, x, self._threads, expected)

    def time(self, seconds: float) -> float:
        """Return the seconds of one call: the mean of as many as fit into ``seconds``, of one at least."""
        return self._ask(_time, seconds)

    def close(self) -> None:
        """End the process."""
        self._pool.shutdown()

    def _ask(self, question: Callable[..., Answer], *arguments: object) -> Answer:
        with _environment(self._threads):
            try:
                return self._pool.submit(question, *arguments).result()
            except BrokenExecutor:
                raise UnfitError("its process came to a sudden end") from None


@contextlib.contextmanager
def _environment(threads: int) -> Iterator[None]:
    """Set what the libraries read when they are loaded, for processes started meanwhile."""
    wanted = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    if threads == 1:
        wanted["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    kept = dict(os.environ)
    os.environ.update(wanted)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(kept)


def _last_cores(count: int) -> set[int]:
    """Return the cores to stay on: the last ones, as systems like to work on the first; empty: cannot be chosen."""
    return set(sorted(os.sched_getaffinity(0))[-count:]) if hasattr(os, "sched_getaffinity") else set()


def _flat(answer: Any) -> Array:
    """Return the numbers of one array or several, in one row."""
    parts = answer if isinstance(answer, tuple | list) else (answer,)
    return np.concatenate([np.asarray(part, np.float64).ravel() for part in parts])


# --- in the engine's process --------------------------------------------------------------------------------


@dataclass
class _Ready:
    """What the process was last asked to prepare: a call, and the seconds it takes."""

    call: Call
    once: float


_ready: _Ready | None = None


def _settle(cores: set[int]) -> None:
    """Stay on the cores, and say nothing: what an engine prints is not for the one who waits for a table."""
    if cores:
        os.sched_setaffinity(0, cores)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


def _versions(engine: Engine) -> dict[str, str]:
    return {module: importlib.import_module(module).__version__.partition("-")[0] for module in engine.modules}


def _prepare(engine: Engine, network: Network, x: Rows, threads: int, expected: Array | None) -> None:
    global _ready  # noqa: PLW0603  # the process is there for this one thing
    _ready = None
    candidates = []
    try:
        for call in engine.ways(network, x, threads):
            _check(call(), expected)
            candidates.append(_Ready(call, _fastest(call)))
    except UnfitError:
        raise
    except Exception as error:
        raise UnfitError(f"{type(error).__name__}: {error}".partition("\n")[0]) from None
    _ready = min(candidates, key=lambda candidate: candidate.once)


def _check(answer: Any, expected: Array | None) -> None:
    if expected is None:
        return
    found = _flat(answer)
    if found.shape != expected.shape:
        raise UnfitError(f"it gives {found.size} numbers, expected {expected.size}")
    scale = np.abs(expected[np.isfinite(expected)]).max(initial=0.0) or 1.0
    if not np.isclose(found, expected, rtol=0, atol=AGREEMENT * scale, equal_nan=True).all():
        raise UnfitError(f"its answers differ by {np.nanmax(np.abs(found - expected)) / scale:.1g} of the largest")


def _fastest(call: Call, seconds: float = 0.05, most: int = 1000) -> float:
    """Return the seconds of the fastest of a few calls."""
    best, until = math.inf, time.perf_counter() + seconds
    for _ in range(most):
        started = time.perf_counter()
        call()
        stopped = time.perf_counter()
        best = min(best, stopped - started)
        if stopped > until:
            break
    return best


def _time(seconds: float) -> float:
    assert _ready is not None, "prepare comes before time"
    call, count = _ready.call, max(1, int(seconds / _ready.once))
    if count > 1:
        call()  # the caches hold what the others did
    started = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - started) / count
