"""Time the distortions: ``python benchmarks/augment.py`` (MNIST as ``load_mnist`` finds it), images a second, one core.

Batches of 128, as training asks for them, and of 1,000. Kept in ``benchmarks/results/augment.txt``.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from threadpoolctl import threadpool_limits

from glassnet.activations import Array
from glassnet.benchmarking import machine
from glassnet.datasets import load_mnist
from glassnet.digits.augment import DISTORTIONS, Affine, Augmentation, Elastic
from measuring import in_turns

ROUNDS = 7
IMAGES = 8000
RESULTS = Path(__file__).parent / "results" / "augment.txt"


def main() -> None:
    (images, _), _ = load_mnist(normalize=False)
    pictures = images[:IMAGES].reshape(-1, 28, 28).copy()
    cv2.setNumThreads(1)
    steps: dict[str, Callable[[Array, np.random.Generator], Array]] = {
        name: distortion() for name, distortion in DISTORTIONS.items()
    }
    steps["affine + elastic"] = Augmentation((Affine(), Elastic()))
    steps["all"] = Augmentation(tuple(distortion() for distortion in DISTORTIONS.values()))

    def run(step: Callable[[Array, np.random.Generator], Array], size: int) -> Callable[[], object]:
        generator = np.random.default_rng(0)

        def all_batches() -> None:
            for start in range(0, IMAGES, size):
                step(pictures[start : start + size], generator)

        return all_batches

    with threadpool_limits(1):
        seconds = in_turns(
            {(name, size): run(step, size) for name, step in steps.items() for size in (128, 1000)}, ROUNDS
        )
    lines = [
        machine(f"NumPy {np.__version__}", f"OpenCV {cv2.__version__}"),
        f"images of 28 × 28 a second on one core, median of {ROUNDS} rounds of {IMAGES:,} images taken in turns\n",
        f"{'':<20}{'batches of 128':>16}{'of 1,000':>12}",
    ]
    for name in steps:
        figures = [IMAGES / statistics.median(seconds[name, size]) for size in (128, 1000)]
        lines.append(f"{name:<20}{figures[0]:>16,.0f}{figures[1]:>12,.0f}")
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(*lines, sep="\n")


if __name__ == "__main__":
    main()
