"""Time the NumPy forward pass beside the chapter's own listing: ``python benchmarks/definition.py``.

Both compute 784-50-100-10 with sigmoid and softmax in float32, on one thread, from the same numbers. The listing
is run as it stands, its softmax over a whole batch included: one maximum and one sum for all rows, which is less
work than a softmax for each row, and only its largest values can be used.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits

import glassnet
from glassnet import Dense, Network
from glassnet.activations import Array
from glassnet.benchmarking import machine
from measuring import in_turns, ratio

ROUNDS = 51
ROWS = 10_000


# --- the chapter's listing ---


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def softmax(a: Array) -> Array:
    c = np.max(a)
    exp_a = np.exp(a - c)
    sum_exp_a = np.sum(exp_a)
    y: Array = exp_a / sum_exp_a
    return y


def predict(network: dict[str, Array], x: Array) -> Array:
    w1, w2, w3 = network["W1"], network["W2"], network["W3"]
    b1, b2, b3 = network["b1"], network["b2"], network["b3"]
    a1 = np.dot(x, w1) + b1
    z1 = sigmoid(a1)
    a2 = np.dot(z1, w2) + b2
    z2 = sigmoid(a2)
    a3 = np.dot(z2, w3) + b3
    return softmax(a3)


def main() -> None:
    generator = np.random.default_rng(0)
    sizes = (784, 50, 100, 10)
    parameters = {}
    for i, (inputs, outputs) in enumerate(itertools.pairwise(sizes), start=1):
        parameters[f"W{i}"] = (generator.standard_normal((inputs, outputs)) * 0.1).astype(np.float32)
        parameters[f"b{i}"] = (generator.standard_normal(outputs) * 0.1).astype(np.float32)
    network = Network(
        [
            Dense(parameters[f"W{i}"], parameters[f"b{i}"], h)
            for i, h in ((1, "sigmoid"), (2, "sigmoid"), (3, "softmax"))
        ]
    )
    ink = generator.random((ROWS, 784)) < 0.19  # MNIST's share of pixels that are not 0
    x = np.where(ink, generator.random((ROWS, 784)), 0).astype(np.float32)
    assert (network(x[:100]).argmax(axis=1) == predict(parameters, x[:100]).argmax(axis=1)).all()

    def listing(rows: Array) -> Array:
        return predict(parameters, rows)

    def run(answer: Callable[[Array], Array], size: int) -> Callable[[], None]:
        def every_row() -> None:
            for start in range(0, ROWS, size):
                answer(x[start : start + size])

        return every_row

    sizes_of_batches = (100, 1000, ROWS)
    candidates = {
        (who, size): run(answer, size)
        for size in sizes_of_batches
        for who, answer in (("glassnet", network), ("listing", listing))
    }
    with threadpool_limits(1):
        seconds = in_turns(candidates, ROUNDS)

    print(machine(f"NumPy {np.__version__}", f"glassnet {glassnet.__version__}"))
    print(f"one thread, {ROWS:,} rows given so many at a time; median of {ROUNDS} rounds taken in turns, µs per row;")
    print("ratio: the median over the rounds of glassnet / listing\n")
    print(f"{'rows at a time':>14}{'glassnet':>12}{'listing':>12}{'ratio':>8}")
    for size in sizes_of_batches:
        mine, theirs = seconds["glassnet", size], seconds["listing", size]
        figures = (statistics.median(several) / ROWS * 1e6 for several in (mine, theirs))
        print(f"{size:>14,}" + "".join(f"{figure:>12.3f}" for figure in figures) + f"{ratio(mine, theirs):>8.2f}")
    whole = seconds["glassnet", ROWS]
    print(f"\nglassnet, 10,000 at a time / 1,000 at a time: {ratio(whole, seconds['glassnet', 1000]):.2f}")
    print(
        f"glassnet, 10,000 at a time / the listing's best, 100 at a time: {ratio(whole, seconds['listing', 100]):.2f}"
    )


if __name__ == "__main__":
    main()
