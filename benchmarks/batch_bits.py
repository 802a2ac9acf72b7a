"""Count whose answers for a row change with the batch it comes in: ``python benchmarks/batch_bits.py``.

Each engine computes 16 rows one by one; then the same rows at the front of larger batches, on one thread and on two.
"""

from __future__ import annotations

import importlib
import logging
import os

import numpy as np

from glassnet import Network
from glassnet.activations import Array
from glassnet.benchmarking.engines import ENGINES, Engine, UnfitError
from glassnet.benchmarking.machine import machine
from networks import NETWORKS, rows_of

ROWS = 16
SIZES = (16, 33, 100, 256, 1000)
THREADS = (1, 2)


def answer(engine: Engine, network: Network, x: Array, threads: int) -> Array:
    """Return an engine's answer, as float32."""
    call = next(engine.ways(network, (x,), threads))
    return np.array(call(), np.float32).reshape(len(x), -1)


def changed_rows(engine: Engine, network: Network, x: Array) -> tuple[int, float]:
    """Return how many of the rows have other bits in some batch than alone, and the largest difference."""
    alone = np.concatenate([answer(engine, network, x[k : k + 1], 1) for k in range(ROWS)])
    several = [answer(engine, network, x[:size], threads)[:ROWS] for size in SIZES for threads in THREADS]
    differ = np.any([(each.view(np.uint32) != alone.view(np.uint32)).any(axis=1) for each in several], axis=0)
    return int(differ.sum()), float(max(np.abs(each - alone).max() for each in several))


def main() -> None:
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    logging.disable(logging.WARNING)
    engines = [each for each in ENGINES.values() if each.installed and not each.compiles_each_shape]
    modules = sorted({each.modules[0] for each in engines})
    print(machine(*(f"{name} {importlib.import_module(name).__version__}" for name in modules)))
    print(f"of {ROWS} rows, how many answer otherwise in a batch of {SIZES} rows than alone; largest difference")
    for title, network in NETWORKS.items():
        x = rows_of(network, "random", max(SIZES))
        print(f"\n{title}")
        for engine in engines:
            try:
                count, most = changed_rows(engine, network, x)
            except UnfitError:
                continue
            print(f"{engine.name:<20} {count:>3}   {most:.1e}")


if __name__ == "__main__":
    main()
