"""Time what the decisions on code generation weighed: tiles, the search for zeros, LLVM's optimisation passes.

``python benchmarks/codegen.py`` prints the figures of docs/decisions/0006 and 0007, and keeps them in
``benchmarks/results/codegen.txt``. Needs MNIST as ``load_mnist`` finds it, and a processor with AVX-512.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import llvmlite
import numpy as np
from llvmlite import binding as llvm

import glassnet
from glassnet.activations import Array
from glassnet.benchmarking import machine
from glassnet.compiler.by_rows import UINT8
from glassnet.compiler.machine import Machine, emit_assembly, emit_ir, emit_object, link, native_machine
from glassnet.compiler.native import Native, imports
from glassnet.compiler.plan import Layer, Plan, aligned, make_plan
from glassnet.compiler.program import Program, lower
from glassnet.compiler.simplify import simplify
from measuring import in_turns, ratio
from networks import NETWORKS, rows_of

RESULTS = Path(__file__).parent / "results" / "codegen.txt"
DIGITS = NETWORKS["digits 784-50-100-10 sigmoid"]
TILES = ((4, 4), (2, 4), (5, 4), (6, 4), (8, 3))
ROWS = (16, 100, 1000, 10_000)
ROUNDS = 31


def main() -> None:
    versions = (f"llvmlite {llvmlite.__version__}", f"NumPy {np.__version__}", f"glassnet {glassnet.__version__}")
    lines = [f"{machine(*versions)}, {native_machine().describe()}"]
    print(lines[0])
    for line in (*tiles(), *searching(), *passes()):
        lines.append(line)
        print(line, flush=True)
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


def program() -> Program:
    return lower(simplify(DIGITS)[0])


def planned(computer: Machine) -> Plan:
    return make_plan(program(), computer.target)


# --- tiles --------------------------------------------------------------------------------------------------


def tiles() -> Iterator[str]:
    """Time the digit network with tiles of other shapes: rows × registers of outputs."""
    yield f"\ntiles, digits 784-50-100-10, ns a row, median of {ROUNDS} rounds taken in turns"
    computer = native_machine()
    shaped = {
        (rows, vectors): dataclasses.replace(
            computer, target=dataclasses.replace(computer.target, rows=rows, vectors=vectors)
        )
        for rows, vectors in TILES
    }
    natives = {shape: Native(planned(each), program(), each, cache=False) for shape, each in shaped.items()}
    yield f"{'':<24}" + "".join(f"{f'{rows} × {vectors}':>10}" for rows, vectors in TILES)
    for data in ("random", "mnist", "uint8"):
        for count in ROWS:
            x = rows_of(DIGITS, data, count)
            answers = {shape: np.empty((count, 10), np.float32) for shape in TILES}
            calls = {
                shape: _repeated(_kernel(native, x, answers[shape]), 10_000 // count)
                for shape, native in natives.items()
            }
            seconds = in_turns(calls, ROUNDS)
            assert all(np.array_equal(answer, answers[TILES[0]]) for answer in answers.values())
            figures = (statistics.median(seconds[shape]) / (10_000 // count * count) * 1e9 for shape in TILES)
            yield f"{data:<10}{count:>9,} rows" + "".join(f"{figure:>10,.0f}" for figure in figures)
    spills = (_spills(emit_assembly(planned(each), each)) for each in shaped.values())
    yield f"{'spills and reloads':<24}" + "".join(f"{count:>10}" for count in spills)
    live = (_live(rows_of(DIGITS, "uint8", 10_000), rows) for rows, _ in TILES)
    yield f"{'live columns of MNIST':<24}" + "".join(f"{share:>10.1%}" for share in live)


def _kernel(native: Native, x: Array, y: Array) -> Callable[[], None]:
    """Return the kernel with all it works on, without the way through Python that ``run`` takes."""
    scratch = aligned(native.plan.scratch_floats)
    given = [array.ctypes.data for array in (native.parameters, x, y, scratch)]
    flags = UINT8 if x.dtype == np.uint8 else 0

    def call(owners: object = (native, x, y, scratch)) -> None:
        native.forward(*given[:3], len(x), given[3], flags)

    return call


def _repeated(call: Callable[[], object], times: int) -> Callable[[], None]:
    def run() -> None:
        for _ in range(times):
            call()

    return run


def _spills(assembly: str) -> int:
    """Return how many instructions move a 512-bit register to or from the stack, or compute with it there."""
    return len(re.findall(r"^.*\b\d*\(%r[sb]p\).*%zmm", assembly, re.MULTILINE)) + len(
        re.findall(r"^.*%zmm\d+, \d*\(%r[sb]p\)", assembly, re.MULTILINE)
    )


def _live(pixels: Array, rows: int) -> float:
    """Return the share of columns in which any of ``rows`` neighbouring rows is not zero."""
    whole = pixels[: len(pixels) // rows * rows].reshape(-1, rows, pixels.shape[1])
    return float(whole.any(axis=1).mean())


# --- the search for zeros -----------------------------------------------------------------------------------


def searching() -> Iterator[str]:
    """Time the digit network with and without the search for zeros, on rows with none and on MNIST."""
    yield f"\nthe search for zeros, digits 784-50-100-10, 1,000 rows, median of {ROUNDS} rounds taken in turns"
    computer = native_machine()
    plan = planned(computer)
    without = dataclasses.replace(
        plan,
        operations=tuple(
            dataclasses.replace(each, work=dataclasses.replace(each.work, searches=False))
            for each in plan.operations
            if isinstance(each.work, Layer)
        ),
    )
    natives = {name: Native(each, program(), computer, cache=False) for name, each in (("with", plan), ("", without))}
    for data in ("random", "mnist"):
        x = rows_of(DIGITS, data, 1000)
        calls = {
            name: _repeated(_kernel(native, x, np.empty((1000, 10), np.float32)), 10)
            for name, native in natives.items()
        }
        seconds = in_turns(calls, ROUNDS)
        found, plain = (statistics.median(several) / 10 * 1e6 for several in seconds.values())
        change = ratio(seconds["with"], seconds[""]) - 1
        yield f"{data:<10}{found:>8,.0f} µs with it{plain:>8,.0f} µs without: {change:+.1%}"


# --- passes -------------------------------------------------------------------------------------------------


def passes(rounds: int = 15) -> Iterator[str]:
    """Compile the digit network with LLVM's optimisation passes and without; time what comes out."""
    yield "\nLLVM's optimisation passes before code generation, digits 784-50-100-10"
    computer = native_machine()
    plan = planned(computer)
    native = Native(plan, program(), computer, cache=False)
    x = rows_of(DIGITS, "random", 1000)
    answers: dict[str, Array] = {}
    calls: dict[str, Callable[[], object]] = {}
    for name, level in (("none", None), ("O1", 1), ("O2", 2), ("O3", 3)):
        emit = (
            functools.partial(_optimised, plan, computer, level)
            if level
            else functools.partial(emit_object, plan, computer)
        )
        taken = []
        for _ in range(rounds):
            started = time.perf_counter()
            image = emit()
            taken.append(time.perf_counter() - started)
        other = Native(plan, program(), computer, cache=False)
        other.code = link(image, computer, ("forward",), imports())
        other.forward = type(native.forward)(other.code.addresses["forward"])
        answers[name] = np.empty((1000, 10), np.float32)
        calls[f"{name:<6}{statistics.median(taken) * 1e3:>8.1f} ms to compile"] = functools.partial(
            other.run, [x], [answers[name]]
        )
    for name, several in in_turns(calls, 2 * ROUNDS).items():
        yield f"{name}{statistics.median(several) * 1e6:>10,.0f} µs for 1,000 dense rows"
    same = all(np.array_equal(answer, answers["none"]) for answer in answers.values())
    yield f"the same bits from all: {'yes' if same else 'no'}"


def _optimised(plan: Plan, computer: Machine, level: int) -> bytes:
    module = llvm.parse_assembly(emit_ir(plan))
    module.triple = computer.triple
    target_machine = llvm.Target.from_triple(computer.triple).create_target_machine(
        cpu=computer.cpu, features=computer.features, opt=2, jit=True
    )
    builder = llvm.create_pass_builder(target_machine, llvm.create_pipeline_tuning_options(speed_level=level))
    builder.getModulePassManager().run(module, builder)
    image: bytes = target_machine.emit_object(module)
    return image


if __name__ == "__main__":
    main()
