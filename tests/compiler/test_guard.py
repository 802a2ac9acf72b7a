"""The kernels read and write what is theirs, to the byte: guard pages on both sides of every buffer."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from compiler.graphs import GRAPHS, as_tuple, rows_for
from compiler.made import chain, dense, identical, pixels, rows
from glassnet.compiler import CompiledNetwork
from glassnet.compiler.native import Native
from glassnet.network import Activate, Clip, Input, Network

if sys.platform == "win32":
    pytest.skip("pages are protected with mprotect", allow_module_level=True)

from compiler import guard

ROWS = (1, 2, 3, 4, 5, 7, 47, 48, 49, 97)
NETWORKS = {
    "1-1": chain(1, 1),
    "3-2": chain(3, 2),
    "15-15": chain(15, 15, output="relu"),
    "16-16-16": chain(16, 16, 16, hidden="relu", output="tanh"),
    "17-33-1": chain(17, 33, 1, hidden="relu", output="sigmoid"),
    "31-64-5": chain(31, 64, 5, hidden="step", output="log_softmax"),
    "50-130-21": chain(50, 130, 21, hidden="relu", output="softmax"),
    "100-65-66-67": chain(100, 65, 66, 67, hidden="gelu", output="identity"),
    "784-10": chain(784, 10),
    "300-260-3, in blocks": chain(300, 260, 3, hidden="relu"),
    "limits": Network([dense(21, 37), Clip(0, 1), Activate("silu"), dense(37, 19), Clip(-1, 1)]),
}


def kernel(fast: CompiledNetwork) -> Native:
    (part,) = fast._parts
    native: Native = part.native  # type: ignore[union-attr]
    return native


@pytest.mark.parametrize("at_end", [True, False], ids=["flush with the end", "flush with the start"])
@pytest.mark.parametrize("name", NETWORKS)
def test_nothing_beyond_is_touched(name: str, target: str, at_end: bool) -> None:
    network = NETWORKS[name]
    network = network.replace(inputs=(Input(network.inputs[0].shape, scale=1 / 255),))
    fast = network.compile(target=target)
    native = kernel(fast)
    width = native.plan.inputs
    for count in ROWS:
        sparse = rows(count, width)
        sparse[:, ::3] = 0
        for x in (rows(count, width), sparse, np.zeros((count, width), np.float32), pixels(count, width)):
            assert identical(guard.run(native, [x], at_end=at_end)[0], fast(x))
        (found,) = guard.run(native, [x], at_end=at_end, decide=True)
        assert identical(found, fast._decide_slowly(x))


@pytest.mark.parametrize("at_end", [True, False], ids=["flush with the end", "flush with the start"])
@pytest.mark.parametrize("name", GRAPHS)
def test_nothing_beyond_is_touched_by_graphs(name: str, target: str, at_end: bool) -> None:
    """Several inputs and answers, and passes, which go over a row in whole vectors."""
    fast = GRAPHS[name].compile(target=target)
    native = kernel(fast)
    for count in ROWS:
        dense_rows = rows_for(fast.network, count)
        sparse = [each * (np.arange(each.shape[1]) % 3 == 0).astype(np.float32) for each in dense_rows]
        for x in (dense_rows, sparse):
            for found, expected in zip(guard.run(native, x, at_end=at_end), as_tuple(fast(*x)), strict=True):
                assert identical(found.reshape(expected.shape), expected)


# --- the control: these die ---

CONTROL = """
import ctypes, sys
import numpy as np
from compiler import guard
from compiler.made import chain, rows
room = guard.Guarded(100, at_end=%(at_end)s)
ctypes.string_at(room.address, 100)
ctypes.memset(room.address, 1, 100)
native = chain(20, 9, 3).compile()._parts[0].native
guard.run(native, [rows(5)], at_end=%(at_end)s)
print("alive", flush=True)
%(fault)s
print("unharmed", flush=True)
"""
FAULTS = {
    "reads one byte beyond": (True, "ctypes.string_at(room.address + 100, 1)"),
    "writes one byte beyond": (True, "ctypes.memset(room.address + 100, 1, 1)"),
    "reads one byte before": (False, "ctypes.string_at(room.address - 1, 1)"),
    "writes one byte before": (False, "ctypes.memset(room.address - 1, 1, 1)"),
    "a kernel told of one row too many": (True, "guard.run(native, [rows(5)], at_end=True, too_many=1)"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_one_beyond_is_a_fault(fault: str) -> None:
    at_end, code = FAULTS[fault]
    script = CONTROL % {"at_end": at_end, "fault": code}
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False
    )
    assert run.stdout == "alive\n"
    assert run.returncode in (-signal.SIGSEGV, -signal.SIGBUS)
