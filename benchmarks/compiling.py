"""Time what surrounds the kernels: compiling, the way from Python, forms of input, two threads, doing nothing.

``python benchmarks/compiling.py`` prints the figures and keeps them in ``benchmarks/results/compiling.txt``. Names of
sections (compile, call, inputs, threads, idle) choose some of them, which are not kept. A call through cffi is timed
where cffi is installed.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import llvmlite
import numpy as np

import glassnet
from glassnet.activations import Array
from glassnet.benchmarking import machine
from glassnet.compiler.compiled import CompiledNetwork
from glassnet.compiler.kernels import PARAMETERS, emit_module
from glassnet.compiler.language import I64, POINTER, VOID, Function
from glassnet.compiler.machine import assemble, link
from glassnet.compiler.plan import aligned
from glassnet.network import Network
from measuring import in_turns, ratio
from networks import NETWORKS, rows_of
from peak import chains, floating_point_operations

RESULTS = Path(__file__).parent / "results" / "compiling.txt"
DIGITS = "digits 784-50-100-10 sigmoid"
TINY = "tiny 8-16-16-1 tanh"


def main() -> None:
    chosen = sys.argv[1:] or list(SECTIONS)
    versions = (f"llvmlite {llvmlite.__version__}", f"NumPy {np.__version__}", f"glassnet {glassnet.__version__}")
    lines = [machine(*versions)]
    print(lines[0])
    before = _billions()
    for name in chosen:
        for line in ("", *SECTIONS[name]()):
            lines.append(line)
            print(line, flush=True)
    lines += [
        "",
        f"the clock: {before:.0f} billion fused operations a second before all this, {_billions():.0f} after it",
    ]
    print(*lines[-2:], sep="\n")
    if chosen == list(SECTIONS):
        RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


# --- compile ------------------------------------------------------------------------------------------------

FRESH = """\
import time
from networks import NETWORKS
network = NETWORKS[{name!r}]
started = time.perf_counter()
import glassnet.compiler
imported = time.perf_counter()
network.compile(cache={cache})
first = time.perf_counter()
network.compile(cache={cache})
print(imported - started, first - imported, time.perf_counter() - first)
"""


def compiling(processes: int = 15) -> Iterator[str]:
    """Compile the digit network in fresh processes, with and without a cache that knows it."""
    yield f"compiling {DIGITS}, median of {processes} fresh processes taken in turns"
    with tempfile.TemporaryDirectory() as folder:
        figures: dict[bool, list[list[float]]] = {False: [], True: []}
        for _ in range(processes + 1):
            for cache, several in figures.items():
                several.append(_fresh(FRESH.format(name=DIGITS, cache=cache), GLASSNET_CACHE=folder))
    (load, first, again), (_, cached, cached_again) = (
        [statistics.median(figure) for figure in zip(*several[1:], strict=True)] for several in figures.values()
    )
    yield _line("loading llvmlite and the compiler, once a process", load)
    yield _line("compiling, the first time in a process", first, most=0.150)
    yield _line("compiling, again in the same process", again)
    yield _line("from the object cache, the first time in a process", cached, most=0.010)
    yield _line("from the object cache, again in the same process", cached_again)


def _fresh(code: str, **environment: str) -> list[float]:
    """Run code in a process of its own; it prints numbers."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=True,
    )
    return [float(number) for number in done.stdout.split()]


# --- call ---------------------------------------------------------------------------------------------------


def calling(rounds: int = 51, calls: int = 2000) -> Iterator[str]:
    """Time one row through each way from Python to the kernel."""
    yield f"one row from Python, median of {rounds} rounds of {calls:,} calls taken in turns; + what is over the kernel"
    for name in (TINY, DIGITS):
        buffers = Buffers(NETWORKS[name])
        ways = _ways_to_call(buffers)
        seconds = in_turns({way: _repeated(call, calls) for way, call in ways.items()}, rounds)
        kernel, *_ = (statistics.median(several) / calls for several in seconds.values())
        yield name
        for way, several in seconds.items():
            once = statistics.median(several) / calls
            over = "" if way == "the kernel alone" else f"{(once - kernel) * 1e9:>+10,.0f} ns"
            yield f"  {way:<58}{once * 1e6:>8.2f} µs{over}"


def _repeated(call: Callable[[], object], calls: int) -> Callable[[], None]:
    if isinstance(call, Repeating):
        return functools.partial(call, calls)

    def run() -> None:
        for _ in range(calls):
            call()

    return run


class Buffers:
    """A compiled network with the memory of a call; whoever uses the addresses keeps this object."""

    def __init__(self, network: Network) -> None:
        self.fast = network.compile()
        assert self.fast._whole is not None, "the network is one chain"
        self.native = self.fast._whole
        self.x = rows_of(network, "random", 1)
        self.y = np.empty((1, self.native.plan.outputs), np.float32)
        self.scratch = aligned(self.native.plan.scratch_floats)
        parameters, x, y, scratch = (a.ctypes.data for a in (self.native.parameters, self.x, self.y, self.scratch))
        self.arguments = (parameters, x, y, 1, scratch, 0)


class Repeating:
    """The kernel, repeated in machine code."""

    def __init__(self, buffers: Buffers) -> None:
        module = emit_module(buffers.native.plan)
        f = Function(module, "repeat", VOID, {**PARAMETERS, "times": I64})
        *given, times = f.arguments
        with f.loop(times):
            f.call("forward", VOID, *given)
        f.give()
        machine = buffers.native.machine
        self._code = link(assemble(str(module), machine), machine, ("repeat",), {})
        kinds = [ctypes.c_void_p if kind is POINTER else ctypes.c_int64 for kind in (*PARAMETERS.values(), I64)]
        self._function = ctypes.CFUNCTYPE(None, *kinds)(self._code.addresses["repeat"])
        self._arguments = buffers.arguments

    def __call__(self, times: int = 1) -> None:
        self._function(*self._arguments, times)


def _ways_to_call(buffers: Buffers) -> Mapping[str, Callable[[], object]]:
    fast, native, x = buffers.fast, buffers.native, buffers.x
    entry = native.entry(CompiledNetwork.__call__, decide=False, most_rows=sys.maxsize)

    class WithMethod:
        def __call__(self, *given: Array, **options: Any) -> Any:
            return entry(*given, **options)

    ways: dict[str, Callable[[], object]] = {
        "the kernel alone": Repeating(buffers),
        "the emitted C function, which makes the result array": functools.partial(entry, x),
        "fast(x): a class of its own that carries the function": functools.partial(fast, x),
        "a method in Python that calls the function": functools.partial(WithMethod(), x),
        "through ctypes": _through_ctypes(buffers),
    }
    if importlib.util.find_spec("cffi"):
        ways["through cffi"] = _through_cffi(buffers)
    ways["the NumPy definition"] = functools.partial(fast.network, x)
    return ways


def _through_ctypes(buffers: Buffers) -> Callable[[], Array]:
    parameters, *_, scratch, flags = buffers.arguments
    forward, x, shape = buffers.native.forward, buffers.x, buffers.y.shape

    def call() -> Array:
        y = np.empty(shape, np.float32)
        forward(parameters, x.ctypes.data, y.ctypes.data, 1, scratch, flags)
        return y

    return call


def _through_cffi(buffers: Buffers) -> Callable[[], Array]:
    parameters, *_, scratch, flags = buffers.arguments
    ffi, x, shape = importlib.import_module("cffi").FFI(), buffers.x, buffers.y.shape
    kind = "void (*)(uintptr_t, float *, float *, int64_t, uintptr_t, int64_t)"
    forward, pointer = ffi.cast(kind, buffers.native.code.addresses["forward"]), ffi.typeof("float *")

    def call() -> Array:
        y = np.empty(shape, np.float32)
        forward(parameters, ffi.from_buffer(pointer, x), ffi.from_buffer(pointer, y), 1, scratch, flags)
        return y

    return call


# --- inputs -------------------------------------------------------------------------------------------------


def converting(rounds: int = 21) -> Iterator[str]:
    """Time the forms in which rows may be given."""
    fast = NETWORKS[DIGITS].compile()
    sizes = (1, 1000)
    yield f"forms of input, {DIGITS}, median of {rounds} rounds taken in turns: " + " and ".join(
        f"{rows:,} row{'s' * (rows > 1)}" for rows in sizes
    )
    times = {1: 1000, 1000: 10}
    seconds = {
        rows: in_turns({form: _repeated(call, times[rows]) for form, call in _forms(fast, rows).items()}, rounds)
        for rows in sizes
    }
    for form in seconds[1]:
        each = (statistics.median(seconds[rows][form]) / times[rows] for rows in sizes)
        yield f"  {form:<58}" + "".join(f"{once * 1e6:>12,.1f} µs" for once in each)


def _forms(fast: CompiledNetwork, rows: int) -> dict[str, Callable[[], object]]:
    pixels = rows_of(fast.network, "uint8", rows)
    x = rows_of(fast.network, "mnist", rows)
    doubled = np.repeat(x, 2, axis=0)
    given: dict[str, Any] = {
        "float32, C-contiguous": x,
        "uint8": pixels,
        "float32, as 28 × 28": x.reshape(rows, 28, 28),
        "float32, every second row of a larger array": doubled[::2],
        "float32, Fortran order": np.asfortranarray(x),
        "float16": x.astype(np.float16),
        "float64": x.astype(np.float64),
        "int64 pixels": pixels.astype(np.int64),
        "a list of lists": x.tolist(),
    }
    calls: dict[str, Callable[[], object]] = {form: functools.partial(fast, each) for form, each in given.items()}
    calls["float32, into out="] = functools.partial(fast, x, out=fast(x))
    return calls


# --- threads ------------------------------------------------------------------------------------------------


def sharing(rounds: int = 31, rows: int = 10_000) -> Iterator[str]:
    """Time large batches on one thread and on two."""
    yield f"{rows:,} rows on two threads, median of {rounds} rounds taken in turns"
    for data in ("random", "uint8"):
        network = NETWORKS[DIGITS]
        x = rows_of(network, data, rows)
        calls = {threads: functools.partial(network.compile(threads=threads), x) for threads in (1, 2)}
        assert np.array_equal(calls[1](), calls[2]())
        seconds = in_turns(calls, rounds)
        one, two = (statistics.median(seconds[threads]) * 1e3 for threads in (1, 2))
        gain = ratio(seconds[1], seconds[2])
        verdict = "ok" if gain >= 1.8 else "MISSED"
        yield f"{DIGITS}, {data:<7}{one:>8.2f} ms{two:>8.2f} ms{gain:>8.2f} × (at least 1.80: {verdict})"


# --- idle ---------------------------------------------------------------------------------------------------

HOLDING = """\
import threading, time
import numpy as np
from networks import NETWORKS, rows_of
network = NETWORKS[{name!r}]
x = rows_of(network, "random", 2000)
held = [network.compile(threads=2) for _ in range({count})]
for fast in held:
    fast(x)
used = time.process_time()
time.sleep({seconds})
print(time.process_time() - used, threading.active_count())
"""


def idling(count: int = 100, seconds: float = 10) -> Iterator[str]:
    """Measure the processor time of a process that holds compiled networks, all of them used, and sleeps."""
    used, threads = _fresh(HOLDING.format(name=DIGITS, count=count, seconds=seconds))
    share = used / seconds
    verdict = "ok" if f"{share:.1%}" == "0.0%" else "MISSED"
    yield (
        f"a process that holds {count} compiled networks, all of them called on two threads, asleep for {seconds} s: "
        f"{share:.4%} of a core, {threads:.0f} Python threads (0.0 %: {verdict})"
    )


# ------------------------------------------------------------------------------------------------------------


def _billions() -> float:
    """Return the fused multiply-adds of one core, counted as two: lower where the machine does other things, too."""
    network = NETWORKS[TINY]
    [call] = chains(network, (rows_of(network, "random", 1),), 1)
    [seconds] = in_turns({"peak": call}, 1000).values()
    return floating_point_operations() / statistics.median(seconds) / 1e9


def _line(what: str, seconds: float, most: float | None = None) -> str:
    bar = "" if most is None else f" (at most {most * 1e3:.0f}: {'ok' if seconds <= most else 'MISSED'})"
    return f"{what:<58}{seconds * 1e3:>8.1f} ms{bar}"


SECTIONS: Mapping[str, Callable[[], Iterator[str]]] = {
    "compile": compiling,
    "call": calling,
    "inputs": converting,
    "threads": sharing,
    "idle": idling,
}


if __name__ == "__main__":
    main()
