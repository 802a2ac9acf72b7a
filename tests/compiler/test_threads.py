"""Threads: calls from many at once, batches shared among some, and none that exists or spins for nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from compiler.made import chain, dense, identical, pixels, rows
from glassnet.compiler import compiled
from glassnet.network import Input, Network

TESTS = Path(__file__).parents[1]


def test_eight_threads_call_one_network() -> None:
    fast = chain(20, 50, 3, labels=range(3), inputs=Input((20,), scale=1 / 255)).compile(threads=2)
    work = [
        make(count, seed=seed) for seed, count in enumerate((1, 3, 50, 700)) for make in (rows, pixels) for _ in "ab"
    ]
    expected = [(fast(x), fast.predict(x)) for x in work]

    def turn(start: int) -> bool:
        for i in range(300):
            k = (start + i) % len(work)
            if not (identical(fast(work[k]), expected[k][0]) and identical(fast.predict(work[k]), expected[k][1])):
                return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(turn, range(8)))


def test_eight_threads_compile_at_once() -> None:
    networks = [chain(20, 5 + k % 4, 3, seed=k) for k in range(16)]
    x = rows(9)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda network: network.compile()(x), networks))
    for network, y in zip(networks, found, strict=True):
        np.testing.assert_allclose(y, network(x), rtol=1e-4, atol=1e-5)


def test_others_run_during_a_large_batch() -> None:
    """The GIL is released: a thread that needs it gets on while the kernel works."""
    fast = chain(500, 500, 500, 500, hidden="relu", output="identity").compile()
    x = rows(4000, 500)
    fast(x[:10])
    turns: list[float] = []
    done = threading.Event()

    def other() -> None:
        while not done.is_set():
            turns.append(time.perf_counter())
            time.sleep(0.001)

    thread = threading.Thread(target=other)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(10)  # no turn by taking the GIL away
    try:
        thread.start()
        started = time.perf_counter()
        fast(x)
        ended = time.perf_counter()
    finally:
        done.set()
        thread.join()
        sys.setswitchinterval(interval)
    assert sum(started < turn < ended for turn in turns) >= 3


def test_shares_of_every_size_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "SHARED_CALL", 1)
    network = Network([dense(20, 50, "relu"), dense(50, 3, "softmax")], inputs=Input((20,), scale=0.5), labels=range(3))
    alone, shared = network.compile(), network.compile(threads=3)
    block = alone.report().plans[0].block_rows
    for count in (0, 1, 2, block - 1, block, block + 1, 2 * block, 2 * block + 1, 3 * block - 1, 10 * block + 5):
        for x in (rows(count), pixels(count), rows(count).astype(np.float64)):
            assert identical(shared(x), alone(x))
            assert identical(shared.predict(x), alone.predict(x))


def in_a_process(script: str) -> str:
    """Run a script in a fresh process and return what it printed."""
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=TESTS,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


THREADS = """
import threading
from compiler.made import chain, rows
fast = chain(100, 100, 100).compile(threads=2)
fast(rows(100, 100))
print(threading.active_count())
fast(rows(2000, 100))
print(threading.active_count(), sorted(t.name for t in threading.enumerate())[1])
"""


def test_a_thread_comes_with_the_first_large_batch() -> None:
    assert in_a_process(THREADS) == "1\n2 glassnet_0\n"


IDLE = """
import time
from compiler.made import chain, rows
held = [chain(100, 50 + k % 5, 10, seed=k).compile(threads=2) for k in range(100)]
for fast in held:
    fast(rows(2000, 100))
before = time.process_time()
time.sleep(1)
print(time.process_time() - before)
"""


def test_a_hundred_networks_at_rest_take_no_time() -> None:
    assert float(in_a_process(IDLE)) < 0.005


FORK = """
import os, signal
from compiler.made import chain, identical, rows
fast = chain(100, 100, 100).compile(threads=2)
x = rows(2000, 100)
expected = fast(x)
child = os.fork()
if not child:
    signal.alarm(20)
    os._exit(0 if identical(fast(x), expected) else 1)
print(os.waitpid(child, 0)[1])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_has_threads_of_its_own() -> None:
    """Its parent's do not exist there; waiting for one would take for ever."""
    assert in_a_process(FORK) == "0\n"


SMALL_STACK = """
import threading
from compiler.made import chain, identical, rows
networks = [chain(784, 50, 100, 10), chain(20, 9, 3)]
for network in networks:
    fast, x, found = network.compile(), rows(64, network.inputs[0].shape[0]), []
    expected = fast(x)
    threading.stack_size(128 * 1024)
    thread = threading.Thread(target=lambda: found.append(fast(x)))
    thread.start()
    thread.join()
    print(identical(found[0], expected))
"""


def test_a_thread_with_a_small_stack() -> None:
    """The digit network needs 220 KB of scratch memory for 64 rows: more than such a stack has."""
    assert in_a_process(SMALL_STACK) == "True\nTrue\n"
