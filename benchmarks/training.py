"""Time a step of training beside PyTorch: ``python benchmarks/training.py`` (MNIST as ``load_mnist`` finds it).

A step: forward, cross-entropy, backward, AdamW; batches of 128 that lie ready as float32, relu, one thread, the loss
asked for at each step. PyTorch as it is, with its fused AdamW, and compiled: forward and loss, and with them the way
back, through ``torch.compile``, with the fused AdamW. Taken in turns, 20 steps each; kept in
``benchmarks/results/training.txt``. ``--quick`` takes fewer rounds and keeps nothing.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits

import glassnet
from glassnet import Input
from glassnet.activations import Array
from glassnet.benchmarking import machine
from glassnet.datasets import load_mnist
from glassnet.training import AdamW, CrossEntropy, Objective, initialise
from measuring import in_turns, ratio

BATCH, STEPS = 128, 20
ROUNDS, QUICK_ROUNDS = 41, 7
RATE = 0.001
RESULTS = Path(__file__).parent / "results" / "training.txt"

# Sizes → the ratio of steps a second to reach: beside PyTorch as it is, and beside it compiled.
BARS = {(784, 50, 100, 10): (1.5, 1.0), (784, 800, 800, 10): (1.1, 1.0)}


def ours(sizes: tuple[int, ...], batches: list[tuple[Array, Array]]) -> Callable[[], float]:
    network = initialise(sizes, seed=0).replace(inputs=Input((784,), scale=1 / 255))
    objective, optimizer = Objective(network, CrossEntropy()), AdamW(RATE)
    memory = optimizer.memory(objective.parameters)
    counter = itertools.count(1)

    def steps() -> float:
        for x, t in batches:
            loss = objective.differentiate([x], t).loss
            optimizer.update(objective.parameters, objective.gradient, memory, next(counter))
        return loss

    return steps


def pytorch(
    sizes: tuple[int, ...], batches: list[tuple[Array, Array]], *, fused: bool, compiled: bool
) -> Callable[[], float]:
    layers: list[torch.nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes):
        layers += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
    network, criterion = torch.nn.Sequential(*layers[:-1]), torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(network.parameters(), RATE, fused=fused)
    tensors = [(torch.tensor(x), torch.tensor(t.argmax(axis=1))) for x, t in batches]

    def loss_of(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return criterion(network(x), t)

    forward = torch.compile(loss_of, dynamic=False) if compiled else loss_of

    def steps() -> float:
        for x, t in tensors:
            optimizer.zero_grad()
            loss = forward(x, t)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            value = loss.item()
        return value

    return steps


def some_batches() -> Iterator[tuple[Array, Array]]:
    (images, labels), _ = load_mnist(normalize=False)
    x, t = images * np.float32(1 / 255), np.eye(10, dtype=np.float32)[labels]
    order = np.random.default_rng(0).permutation(len(x))
    for start in range(0, STEPS * BATCH, BATCH):
        rows = order[start : start + BATCH]
        yield x[rows], t[rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROUNDS} rounds instead of {ROUNDS}")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    torch.manual_seed(0)
    batches = list(some_batches())
    rounds = QUICK_ROUNDS if quick else ROUNDS
    lines = [
        machine(f"NumPy {np.__version__}", f"PyTorch {torch.__version__}", f"glassnet {glassnet.__version__}"),
        f"load average {os.getloadavg()[0]:.1f} at the start: what is above 1 took turns with the benchmark",
        f"one thread, batches of {BATCH}, AdamW: median of {rounds} rounds of {STEPS} steps taken in turns;",
        "ratio: glassnet's steps a second over the other's, the median over the rounds\n",
        f"{'':<20}{'':<18}{'steps/s':>9}{'ms a step':>11}{'ratio':>8}{'bar':>6}",
    ]
    for sizes, (bar, compiled_bar) in BARS.items():
        candidates = {
            "glassnet": ours(sizes, batches),
            "PyTorch": pytorch(sizes, batches, fused=False, compiled=False),
            "PyTorch, fused": pytorch(sizes, batches, fused=True, compiled=False),
            "PyTorch, compiled": pytorch(sizes, batches, fused=True, compiled=True),
        }
        bars = {"PyTorch": bar, "PyTorch, compiled": compiled_bar}
        with threadpool_limits(1):
            seconds = in_turns(candidates, rounds)
        for who in candidates:
            taken = statistics.median(seconds[who]) / STEPS
            line = f"{'-'.join(map(str, sizes)):<20}{who:<18}{1 / taken:>9,.0f}{1e3 * taken:>11.3f}"
            found = ratio(seconds[who], seconds["glassnet"])
            verdict = f"{bars[who]:>6.2f} {'ok' if found >= bars[who] else 'MISSED'}" if who in bars else ""
            lines.append(f"{line}{found:>8.2f}{verdict}")
            print(lines[-1], flush=True)
    if not quick:
        RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
