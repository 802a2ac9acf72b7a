"""Without llvmlite NumPy answers through the same class, and says so; and who does not compile does not load it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def in_a_process(script: str) -> list[str]:
    """Run a script in a fresh process and return the lines it printed."""
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()


WITHOUT = """
import sys
sys.modules["llvmlite"] = None
import pickle
import numpy as np
from compiler.made import identical, pixels, rows, small
network = small()
fast = network.compile(threads=2)
for x in (rows(9), rows(1)[0], pixels(9), rows(9).tolist(), rows(0)):
    assert identical(fast(x), network(x))
    assert identical(fast.predict(x), network.predict(x))
out = np.empty((9, 3), np.float32)
assert fast(rows(9), out=out) is out and identical(out, network(rows(9)))
assert identical(pickle.loads(pickle.dumps(fast))(rows(9)), network(rows(9)))
assert fast.ir == fast.assembly == ""
print(fast)
print(str(fast.report()).partition("; ")[0])
print(*str(fast.report()).splitlines()[1:], sep="\\n")
"""


def test_numpy_answers_and_says_so() -> None:
    assert in_a_process(WITHOUT) == [
        "<CompiledNetwork of <Network 20-9-3, 2 steps, 219 parameters>, numpy, 2 thread(s)>",
        "engine numpy",
        "in NumPy: dense1, because llvmlite is not installed",
        "in NumPy: dense2, because llvmlite is not installed",
        "0 bytes of code, 0 bytes of parameters",
    ]


def test_another_missing_module_is_not_taken_for_llvmlite() -> None:
    script = (
        "import sys\n"
        "sys.modules['glassnet.compiler.language'] = None\n"
        "try:\n"
        "    import glassnet.compiler\n"
        "except ImportError as error:\n"
        "    print(error.name)\n"
    )
    assert in_a_process(script) == ["glassnet.compiler.language"]


def test_only_who_compiles_loads_llvmlite() -> None:
    script = (
        "import sys, glassnet\n"
        "network = glassnet.Network([glassnet.Dense([[1]])])\n"
        "network([1.0])\n"
        "print('llvmlite' in sys.modules)\n"
        "network.compile()\n"
        "print('llvmlite' in sys.modules)\n"
    )
    assert in_a_process(script) == ["False", "True"]
