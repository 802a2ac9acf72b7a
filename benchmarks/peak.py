"""The most fused multiply-adds that one core does in a second: an engine that does nothing else.

As many independent chains as a tile of the compiler holds, all in registers; no load, no store.
"""

from __future__ import annotations

import ctypes

import numpy as np
from llvmlite import ir

from glassnet.benchmarking import Engine
from glassnet.benchmarking.engines import Array, Rows, Ways
from glassnet.compiler.language import F32, I64, POINTER, VOID, Function, vector
from glassnet.compiler.machine import assemble, link, native_machine
from glassnet.compiler.targets import Target
from glassnet.network import Network

TURNS = 20_000


def floating_point_operations() -> int:
    """Return how many one call does, a multiplication and an addition each."""
    target = native_machine().target
    return 2 * target.lanes * target.rows * target.vectors * TURNS


def emit(target: Target) -> str:
    """Return the IR of: for turn in TURNS: for each chain: acc = fma(x, y, acc)."""
    kind = vector(F32, target.lanes)
    f = Function(ir.Module("peak"), "peak", VOID, {"numbers": POINTER, "turns": I64})
    numbers, turns = f.arguments
    x, y = (numbers.at(kind, place).load(kind) for place in (0, 1))
    with f.loop(turns, carry=[numbers.at(kind, 2).load(kind)] * (target.rows * target.vectors)) as loop:
        loop.carry = [f.fma(x, y, total) for total in loop.carry]
    for total in loop.carry:
        numbers.store(total)
    f.give()
    return str(f.module)


def chains(network: Network, x: Rows, threads: int) -> Ways:
    """The chains, and what the definition answered before: an engine like the others, so that it takes its turn."""
    machine, answer = native_machine(), network(*x)
    code = link(assemble(emit(machine.target), machine), machine, ("peak",), {})
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(code.addresses["peak"])
    numbers = np.zeros((3, machine.target.lanes), np.float32)

    def call(owner: object = code) -> Array:
        function(numbers.ctypes.data, TURNS)
        return answer

    yield call


PEAK = Engine("fma peak", (), chains)
