"""The compiled network: the same calls as the network, answered by machine code.

A call takes one of two ways. ndarrays of float32 (or one of uint8), C-contiguous, go straight into the emitted C
function (see ``entry``), with such an ``out`` or without. Everything else comes here: other dtypes and memory layouts
are converted, large batches are shared out among threads, and steps without a kernel run in NumPy between the compiled
parts.
"""

from __future__ import annotations

import functools
import itertools
import math
import os
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from glassnet.compiler.parts import Alone, cut
from glassnet.compiler.plan import Plan, make_plan
from glassnet.compiler.program import lower
from glassnet.compiler.simplify import simplify
from glassnet.errors import DtypeError, OptionError, ShapeError
from glassnet.network import Input, Label, Network, label_array

try:
    from glassnet.compiler.machine import Machine, emit_assembly, emit_ir, native_machine
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


@dataclass(frozen=True)
class Report:
    """What became of a network when it was compiled.

    engine: "llvm" or "numpy". passes: the algebra that changed something. plans: of the compiled parts.
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
        where = f", {self.target}" if self.target else ""
        lines = [f"engine {self.engine}{where}; {1e3 * self.seconds:.1f} ms"]
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
        if not isinstance(threads, int) or threads < 1:
            raise OptionError(f"threads must be a whole number, 1 or more, found {threads!r}")
        started = time.perf_counter()
        self.network = network
        self.threads = threads
        self._options = {"threads": threads, "target": target, "cache": cache}
        self._simple, passes = simplify(network)
        machine = None if _WHY_NUMPY else native_machine(target)
        parts = cut(self._simple, _WHY_NUMPY)
        self._parts = tuple(_prepared(part, machine, cache) for part in parts)
        self._labels = None if network.labels is None else label_array(network.labels)
        self._decide = self._decide_slowly
        kernels = [part for part in self._parts if isinstance(part, _Kernel)]
        natives = [kernel.native for kernel in kernels]
        self._whole = kernels[0].native if _is_whole(self._simple, kernels) else None
        if self._whole and _is_plain(self._simple):
            # The instance gets a class of its own that carries the C function as ``__call__``: going through a
            # method written in Python costs 210 ns a call, through the class 65 ns.
            most = SHARED_CALL // self._whole.plan.multiplications if threads > 1 else sys.maxsize
            call = self._whole.entry(self.__call__, decide=False, most_rows=most)
            own = {"__call__": call, "__module__": __name__, "__doc__": self.__doc__}
            if len(network.outputs) == 1:
                self._decide = self._whole.entry(self._decide_slowly, decide=True, most_rows=most)
            self.__class__ = type("CompiledNetwork", (CompiledNetwork,), own)
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
        out: an array of the result's shape and dtype. Where it is C-contiguous the kernel writes into it; it may
        overlap ``x``, and is then written at the end.
        Raises ShapeError or DtypeError, naming the input, where something does not fit.
        """
        batches, single = self.network.batches(x)
        rows = len(batches[0])
        if out is None:
            results = [self._empty(name, rows) for name in self._simple.outputs]
            self._forward(batches, results)
            answers = tuple(result[0] if single else result for result in results)
            return answers[0] if len(answers) == 1 else answers
        target = self._target(out, rows, single)
        in_place = target.flags.c_contiguous and target.flags.aligned
        if in_place and not any(np.may_share_memory(target, batch) for batch in batches):
            self._forward(batches, [target])
        else:
            result = self._empty(self._simple.outputs[0], rows)
            self._forward(batches, [result])
            target[...] = result
        return out

    @property
    def inputs(self) -> tuple[Input, ...]:
        """What the network reads."""
        return self.network.inputs

    @property
    def labels(self) -> tuple[Label, ...] | None:
        """The classes of a classifier; None for values."""
        return self.network.labels

    def decide(self, output: Array) -> Array:
        """Return the label of the largest value of each row, as the network does."""
        return self.network.decide(output)

    def predict(self, *x: npt.ArrayLike) -> Any:
        """Return a label for each row of a classifier, the values themselves of a regressor."""
        return self(*x) if self._labels is None else self._labels[self._decide(*x)]

    def report(self) -> Report:
        """Return what became of the network: engine, plans, what was fused, what runs in NumPy and why."""
        return self._report

    @property
    def ir(self) -> str:
        """The LLVM IR of the compiled parts."""
        natives = [part.native for part in self._parts if isinstance(part, _Kernel)]
        return "\n".join(emit_ir(native.plan, entry=native.machine.has_entry) for native in natives)

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

    def _decide_slowly(self, *x: npt.ArrayLike) -> Array:
        """Return the index of the label of one row, or of each row of a batch."""
        batches, single = self.network.batches(x)
        rows = len(batches[0])
        if self._whole:
            indices = np.empty(rows, np.int64)
            self._share(self._whole, batches, [indices], decide=True)
        else:
            output = self._empty(self._simple.outputs[0], rows)
            self._forward(batches, [output])
            indices = output.argmax(axis=-1) if output.shape[-1] > 1 else (output[..., 0] > 0.5).astype(np.int64)
        return indices[0] if single else indices

    def _empty(self, name: str, rows: int) -> Array:
        """Return room for a value of ``rows`` rows."""
        return np.empty((rows, *self._simple.shapes[name]), self._simple.dtypes[name])

    def _target(self, out: object, rows: int, single: bool) -> Array:
        """Return ``out`` as the batch to write; raises what is wrong with it."""
        if len(self._simple.outputs) > 1:
            raise OptionError("out takes the result of a network with one output; this one has several")
        if not isinstance(out, np.ndarray):
            raise DtypeError(f"out must be an array, found {type(out).__name__}")
        name = self._simple.outputs[0]
        row_shape, dtype = self._simple.shapes[name], self._simple.dtypes[name]
        shape = row_shape if single else (rows, *row_shape)
        if out.dtype != dtype:
            raise DtypeError(f"out must have dtype {dtype}, found {out.dtype}")
        if out.shape != shape:
            raise ShapeError(f"out must have shape {shape}, found {out.shape}")
        if not out.flags.writeable:
            raise OptionError("out is read-only")
        plain = out.view(np.ndarray)
        return plain[np.newaxis] if single else plain

    def _forward(self, batches: Sequence[Array], results: Sequence[Array]) -> None:
        """Compute the outputs for batches in the shapes of the inputs."""
        simple = self._simple
        if self._whole:
            self._share(self._whole, batches, results)
            return
        for chunk in simple.chunks(len(batches[0])):
            values = {
                given.name: given.numbers(batch[chunk], simple.dtype)
                for given, batch in zip(simple.inputs, batches, strict=True)
            }
            for part in self._parts:
                values.update(part.apply(values, simple.dtype))
            for name, result in zip(simple.outputs, results, strict=True):
                result[chunk] = values[name]

    def _share(self, native: Native, x: Sequence[Array], y: Sequence[Array], *, decide: bool = False) -> None:
        """Run a batch, on several threads where it is large enough to pay for them."""
        rows = len(x[0])
        blocks = math.ceil(rows / native.plan.block_rows)
        shares = min(self.threads, blocks, 1 + rows * native.plan.multiplications // SHARED_CALL)
        if shares <= 1:
            self._run(native, x, y, decide)
            return
        bounds = [min(rows, blocks * share // shares * native.plan.block_rows) for share in range(shares + 1)]
        parts = [
            ([each[start:stop] for each in x], [each[start:stop] for each in y])
            for start, stop in itertools.pairwise(bounds)
        ]
        pool = _pool(self.threads - 1)
        waiting = [pool.submit(self._run, native, *part, decide) for part in parts[1:]]
        self._run(native, *parts[0], decide)
        for share in waiting:
            share.result()

    def _run(self, native: Native, x: Sequence[Array], y: Sequence[Array], decide: bool) -> None:
        """Run rows on this thread; what the kernel does not read as it lies is converted chunk by chunk."""
        kinds = (np.float32, np.uint8) if native.plan.is_direct else (np.float32,)
        if all(each.dtype in kinds and each.flags.c_contiguous and each.flags.aligned for each in x):
            native.run(x, y, decide=decide)
            return
        for chunk in self._simple.chunks(len(x[0])):
            numbers = [
                each[chunk] if each.dtype in kinds else given.numbers(each[chunk], self._simple.dtype)
                for given, each in zip(self._simple.inputs, x, strict=True)
            ]
            native.run([_ready(each) for each in numbers], [each[chunk] for each in y], decide=decide)


@dataclass(frozen=True)
class _Kernel:
    """A part with its code."""

    part: Network
    native: Native

    def apply(self, values: Mapping[str, Array], dtype: np.dtype[Any]) -> dict[str, Array]:
        """Return the values of the part's outputs, by name."""
        x = [_ready(values[given.name]) for given in self.part.inputs]
        y = {name: np.empty((len(x[0]), *self.part.shapes[name]), np.float32) for name in self.part.outputs}
        self.native.run(x, list(y.values()))
        return y


def _prepared(part: Network | Alone, machine: Machine | None, cache: bool) -> _Kernel | Alone:
    if isinstance(part, Alone):
        return part
    assert machine is not None  # without LLVM every part is a step alone
    program = lower(part)
    return _Kernel(part, Native(make_plan(program, machine.target), program, machine, cache=cache))


def _is_whole(network: Network, kernels: Sequence[_Kernel]) -> bool:
    """Return whether one kernel reads all inputs, gives all outputs, and is all there is."""
    if len(kernels) != 1:
        return False
    part = kernels[0].part
    return [given.name for given in part.inputs] == [given.name for given in network.inputs] and (
        part.outputs == network.outputs
    )


def _is_plain(network: Network) -> bool:
    """Return whether rows of inputs and outputs have no further shape."""
    shapes = [given.shape for given in network.inputs] + [network.shapes[name] for name in network.outputs]
    return all(len(shape) == 1 for shape in shapes)


def _restore(network: Network, options: Mapping[str, Any]) -> CompiledNetwork:
    return CompiledNetwork(network, **options)


def _ready(x: Array) -> Array:
    """Return ``x`` C-contiguous and aligned."""
    return np.require(x, requirements=["C", "A"])


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Return the threads that large batches are shared among; idle, they wait on a lock and cost nothing."""
    return ThreadPoolExecutor(threads, thread_name_prefix="glassnet")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # a child process has none of its parent's threads
