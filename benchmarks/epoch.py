"""Time an epoch of MNIST beside PyTorch: ``python benchmarks/epoch.py`` (MNIST as ``load_mnist`` finds it).

784-50-100-10 with relu, batches of 128 in a new order, cross-entropy, float32, one thread, and the running loss
asked for at each batch. Each side takes its data as it is quickest for it: glassnet raw bytes, PyTorch float32
tensors that it indexes, without a DataLoader. PyTorch is timed with its plain optimizers and with its fused ones.
Kept in ``benchmarks/results/epoch.txt``.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable

import numpy as np
import torch
from threadpoolctl import threadpool_limits

import glassnet
from glassnet import Input
from glassnet.activations import Array
from glassnet.benchmarking import machine
from glassnet.datasets import load_mnist
from glassnet.training import Adam, CrossEntropy, Optimizer, Sgd, initialise, train
from measuring import in_turns, ratio

ROUNDS = 11
SIZES = (784, 50, 100, 10)
BATCH = 128


def ours(images: Array, labels: Array, optimizer: Optimizer) -> Callable[[], float]:
    start = initialise(SIZES, seed=0).replace(inputs=Input((784,), scale=1 / 255))

    def epoch() -> float:
        training = train(start, images, labels, loss=CrossEntropy(), optimizer=optimizer, epochs=1, batch_size=BATCH)
        return training.history[0].loss

    return epoch


def pytorch(images: Array, labels: Array, make: Callable[..., torch.optim.Optimizer]) -> Callable[[], float]:
    x, t = torch.tensor(images).float() / 255, torch.tensor(labels).long()
    layers: list[torch.nn.Module] = []
    for inputs, outputs in itertools.pairwise(SIZES):
        layers += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
    network = torch.nn.Sequential(*layers[:-1])
    optimizer, loss = make(network.parameters()), torch.nn.CrossEntropyLoss()

    def epoch() -> float:
        order = torch.randperm(len(x))
        total = 0.0
        for start in range(0, len(x), BATCH):
            rows = order[start : start + BATCH]
            optimizer.zero_grad()
            value = loss(network(x[rows]), t[rows])
            value.backward()
            optimizer.step()
            total += value.item() * len(rows)
        return total / len(x)

    return epoch


def main() -> None:
    (images, labels), _ = load_mnist(normalize=False)
    torch.set_num_threads(1)
    torch.manual_seed(0)

    def sgd(fused: bool) -> Callable[[], float]:
        return pytorch(images, labels, lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, fused=fused))

    def adam(fused: bool) -> Callable[[], float]:
        return pytorch(images, labels, lambda p: torch.optim.Adam(p, 0.001, fused=fused))

    candidates = {
        ("SGD with momentum", "glassnet"): ours(images, labels, Sgd(0.1, 0.9)),
        ("SGD with momentum", "PyTorch"): sgd(fused=False),
        ("SGD with momentum", "PyTorch, fused"): sgd(fused=True),
        ("Adam", "glassnet"): ours(images, labels, Adam(0.001)),
        ("Adam", "PyTorch"): adam(fused=False),
        ("Adam", "PyTorch, fused"): adam(fused=True),
    }
    with threadpool_limits(1):
        seconds = in_turns(candidates, ROUNDS)
    versions = (f"NumPy {np.__version__}", f"PyTorch {torch.__version__}", f"glassnet {glassnet.__version__}")
    print(machine(*versions))
    print(f"one thread, one epoch of {len(images):,} rows, median of {ROUNDS} rounds taken in turns;")
    print("ratio: the median over the rounds of glassnet / the other\n")
    for method, who in candidates:
        mine, theirs = seconds[method, "glassnet"], seconds[method, who]
        print(f"{method:<20}{who:<18}{statistics.median(theirs):>8.3f} s{ratio(mine, theirs):>8.2f}")


if __name__ == "__main__":
    main()
