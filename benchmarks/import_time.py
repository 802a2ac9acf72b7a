"""Time ``import glassnet`` beside ``import numpy``, in fresh processes: ``python benchmarks/import_time.py``."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Callable

import numpy as np

import glassnet
from glassnet.benchmarking import machine
from measuring import in_turns, ratio

ROUNDS = 31


def fresh(statement: str) -> Callable[[], None]:
    def run() -> None:
        subprocess.run([sys.executable, "-c", statement], check=True)

    return run


def main() -> None:
    names = ("numpy", "glassnet")
    seconds = in_turns({name: fresh(f"import {name}") for name in (*names, "sys")}, ROUNDS)
    print(machine(f"NumPy {np.__version__}", f"glassnet {glassnet.__version__}"))
    print(f"a fresh process each, files already in memory, median of {ROUNDS} rounds taken in turns\n")
    for name in names:
        print(f"python -c 'import {name}'".ljust(30) + f"{statistics.median(seconds[name]) * 1e3:8.1f} ms")
    print("python alone".ljust(30) + f"{statistics.median(seconds['sys']) * 1e3:8.1f} ms")
    print(f"\nwhole processes, glassnet / numpy: {ratio(seconds['glassnet'], seconds['numpy']):.2f}")
    imports = {name: [t - start for t, start in zip(seconds[name], seconds["sys"], strict=True)] for name in names}
    print(f"imports alone, glassnet / numpy:   {ratio(imports['glassnet'], imports['numpy']):.2f}")


if __name__ == "__main__":
    main()
