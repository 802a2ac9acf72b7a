"""The compiled network: the same calls as the network, answered by machine code.

A call takes one of two ways. One ndarray of float32 or uint8, C-contiguous, goes straight into the emitted C
function (see ``entry``). Everything else comes here: other dtypes and memory layouts are converted first, ``out=``
is checked, large batches are shared out among threads, and steps without a kernel run in NumPy between the
compiled parts.
"""

from __future__ import annotations

import functools
import itertools
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from glassnet.compiler.chains import Alone, Chain, cut
from glassnet.compiler.plan import Plan, make_plan
from glassnet.compiler.simplify import simplify
from glassnet.errors import DtypeError, OptionError, ShapeError
from glassnet.network import Input, Network

try:
    from glassnet.compiler.machine import emit_assembly, emit_ir, native_machine
    from glassnet.compiler.native import Native
except ImportError as missing:  # in a browser, say: NumPy answers, and the report gives this as the reason
    if (missing.name or "").partition(".")[0] != "llvmlite":
        raise
    _WHY_NUMPY = "llvmlite is not installed"
else:
    _WHY_NUMPY = ""

Array = npt.NDArray[Any]

# Below this many multiplications a thread costs more than it saves (about 100 µs of work).
SHARED_CALL = 5 << 20
# Rows given to the parts of a mixed network at a time.
CHUNK_ROWS = 1024


@dataclass(frozen=True)
class Report:
    """What became of a network when it was compiled.

    engine: "llvm" or "numpy". passes: the algebra that changed something. plans: of the compiled chains.
    in_numpy: the steps without a kernel, each with the reason. code_bytes, parameter_bytes: sizes.
    seconds: the time it took. from_cache: whether every object came from the cache.
    """

    engine: str
    target: str
    passes: tuple[str, ...]
    plans: tuple[Plan, ...]
    in_numpy: tuple[tuple[str, str], ...]
    code_bytes: int
    parameter_bytes: int
    seconds: float
    from_cache: bool

    def __str__(self) -> str:
        lines = [f"engine {self.engine}, {self.target}; {1e3 * self.seconds:.1f} ms"]
        if self.from_cache:
            lines[0] += ", from the cache"
        if self.passes:
            lines.append(f"algebra: {', '.join(self.passes)}")
        lines += [plan.describe() for plan in self.plans]
        lines += [f"in NumPy: {name}, because {reason}" for name, reason in self.in_numpy]
        lines.append(f"{self.code_bytes:,} bytes of code, {self.parameter_bytes:,} bytes of parameters")
        return "\n".join(lines)


class CompiledNetwork:
    """A network as machine code. Made by ``Network.compile``; the same calls, the same forms of input.

    Safe to call from several threads at once, and picklable: it is compiled again, or read from the cache, on
    arrival. ``network`` is the network it was made from.
    """

    def __init__(self, network: Network, *, threads: int = 1, target: str | None = None, cache: bool = True) -> None:
        if threads < 1:
            raise OptionError(f"threads must be 1 or more, found {threads}")
        started = time.perf_counter()
        self.network = network
        self.threads = threads
        self._options = {"threads": threads, "target": target, "cache": cache}
        self._simple, passes = simplify(network)
        self._parts = tuple(_prepared(part, self._simple, target, cache) for part in cut(self._simple, _WHY_NUMPY))
        self._labels = None if network.labels is None else np.asarray(network.labels)
        self._decide = self._decide_slowly
        natives = [part.native for part in self._parts if isinstance(part, _Kernel)]
        self._whole = natives[0] if len(self._parts) == len(natives) == 1 else None
        if self._whole:
            # The instance gets a class of its own that carries the C function as ``__call__``: going through a
            # method written in Python costs 210 ns a call, through the class 65 ns.
            most = SHARED_CALL // self._whole.plan.multiplications if threads > 1 else sys.maxsize
            call = self._whole.entry(self._call_slowly, decide=False, most_rows=most)
            self.__class__ = type("CompiledNetwork", (CompiledNetwork,), {"__call__": call, "__module__": __name__})
            self._decide = self._whole.entry(self._decide_slowly, decide=True, most_rows=most)
        self._report = Report(
            engine="llvm" if natives else "numpy",
            target=natives[0].machine.describe() if natives else "",
            passes=passes,
            plans=tuple(native.plan for native in natives),
            in_numpy=tuple((part.step.name, part.reason) for part in self._parts if isinstance(part, Alone)),
            code_bytes=sum(native.code.size for native in natives),
            parameter_bytes=sum(native.parameters.nbytes for native in natives),
            seconds=time.perf_counter() - started,
            from_cache=bool(natives) and all(native.code.from_cache for native in natives),
        )

    def __call__(self, *x: npt.ArrayLike, out: Array | None = None) -> Any:
        """Return the output for one row or a batch, as the network does; into ``out`` where it is given.

        float32 and uint8 arrays that are C-contiguous are read as they lie. Others are converted first: about
        0.2 ns a value from float64, and one copy where the memory is not contiguous.
        out: float32 of the result's shape. It may overlap ``x``.
        Raises ShapeError or DtypeError, naming the input, where something does not fit.
        """
        return self._call_slowly(*x, out=out)

    def predict(self, *x: npt.ArrayLike) -> Any:
        """Return a label for each row of a classifier, the values themselves of a regressor."""
        return self(*x) if self._labels is None else self._labels[self._decide(*x)]

    def report(self) -> Report:
        """Return what became of the network: engine, plans, what was fused, what runs in NumPy and why."""
        return self._report

    @property
    def ir(self) -> str:
        """The LLVM IR of the compiled parts."""
        return "\n".join(emit_ir(part.native.plan) for part in self._parts if isinstance(part, _Kernel))

    @property
    def assembly(self) -> str:
        """The assembly of the compiled parts."""
        natives = [part.native for part in self._parts if isinstance(part, _Kernel)]
        return "\n".join(emit_assembly(native.plan, native.machine) for native in natives)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.network, self._options)

    def __repr__(self) -> str:
        return f"<CompiledNetwork of {self.network!r}, {self._report.engine}, {self.threads} thread(s)>"

    # --- the slow way, which knows all cases ---

    def _call_slowly(self, *x: npt.ArrayLike, out: Array | None = None) -> Any:
        batches, single = self.network.batches(x)
        if out is not None and len(self.network.outputs) > 1:
            raise OptionError("out= takes the result of a network with one output; this one has several")
        answers = self._forward(batches)
        if out is None:
            given = tuple(answer[0] if single else answer for answer in answers)
            return given[0] if len(given) == 1 else given
        answer = answers[0][0] if single else answers[0]
        _check_out(out, answer)
        out[...] = answer
        return out

    def _decide_slowly(self, *x: npt.ArrayLike) -> Array:
        batches, single = self.network.batches(x)
        if self._whole:
            indices = np.empty(len(batches[0]), np.int64)
            self._share(self._whole, _ready(batches[0], self.network.inputs[0]), indices, decide=True)
        else:
            output = self._forward(batches)[0]
            indices = output.argmax(axis=-1) if output.shape[-1] > 1 else (output[..., 0] > 0.5).astype(np.int64)
        return indices[0] if single else indices

    def _forward(self, batches: Sequence[Array]) -> tuple[Array, ...]:
        """Return the outputs for batches in the shapes of the inputs."""
        rows = len(batches[0])
        simple = self._simple
        results = tuple(np.empty((rows, *simple.shapes[name]), simple.dtype) for name in simple.outputs)
        if self._whole:
            self._share(self._whole, _ready(batches[0], self.network.inputs[0]), results[0])
            return results
        for start in range(0, rows, CHUNK_ROWS):
            chunk = slice(start, start + CHUNK_ROWS)
            values = {
                given.name: given.numbers(batch[chunk], simple.dtype)
                for given, batch in zip(simple.inputs, batches, strict=True)
            }
            for part in self._parts:
                values.update(part.apply(values, simple.dtype))
            for name, result in zip(simple.outputs, results, strict=True):
                result[chunk] = values[name]
        return results

    def _share(self, native: Native, x: Array, y: Array, *, decide: bool = False) -> None:
        """Run a batch, on several threads where it is large enough to pay for them."""
        work = len(x) * native.plan.multiplications
        shares = min(self.threads, 1 + work // SHARED_CALL)
        if shares == 1:
            native.run(x, y, decide=decide)
            return
        step = native.plan.block_rows
        bounds = [len(x) * share // shares // step * step for share in range(shares)] + [len(x)]
        pool = _pool(self.threads)
        waiting = [
            pool.submit(native.run, x[start:stop], y[start:stop], decide=decide)
            for start, stop in itertools.pairwise(bounds[1:])
        ]
        native.run(x[: bounds[1]], y[: bounds[1]], decide=decide)
        for share in waiting:
            share.result()


@dataclass(frozen=True)
class _Kernel:
    """A chain with its code."""

    chain: Chain
    native: Native

    def apply(self, values: Mapping[str, Array], dtype: np.dtype[Any]) -> dict[str, Array]:
        x = values[self.chain.source]
        y = np.empty((len(x), self.native.plan.outputs), np.float32)
        self.native.run(np.ascontiguousarray(x), y)
        return {self.chain.name: y}


def _prepared(part: Chain | Alone, network: Network, target: str | None, cache: bool) -> _Kernel | Alone:
    if isinstance(part, Alone):
        return part
    given = next((given for given in network.inputs if given.name == part.source), None)
    machine = native_machine(target)
    plan = make_plan(
        part.links, machine.target, scale=given.scale if given else 1.0, shift=given.shift if given else 0.0
    )
    return _Kernel(part, Native(plan, part.links, machine, cache=cache))


def _restore(network: Network, options: Mapping[str, Any]) -> CompiledNetwork:
    return CompiledNetwork(network, **options)


def _ready(x: Array, given: Input) -> Array:
    """Return ``x`` as the kernels read it: C-contiguous, aligned, float32 or uint8; other integers scaled already."""
    return np.require(x if x.dtype == np.uint8 else given.numbers(x, np.dtype(np.float32)), None, ["C", "A"])


def _check_out(out: object, answer: Array) -> None:
    if not isinstance(out, np.ndarray):
        raise DtypeError(f"out must be an array, found {type(out).__name__}")
    if out.dtype != answer.dtype:
        raise DtypeError(f"out must have dtype {answer.dtype}, found {out.dtype}")
    if out.shape != answer.shape:
        raise ShapeError(f"out must have shape {answer.shape}, found {out.shape}")
    if not out.flags.writeable:
        raise OptionError("out is read-only")


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Return the threads that large batches are shared among; idle, they wait on a lock and cost nothing."""
    return ThreadPoolExecutor(threads, thread_name_prefix="glassnet")
