"""Digits drawn by the project's own pen, in MNIST's form: ways of writing that MNIST has few of.

MNIST was written in the United States. A 1 with a long up-stroke, as much of the world writes it, or one with a base, a
crossed 7, a 9 that ends in a hook, a 4 whose short stroke only touches: a network that has seen none of them takes the
1 for a 7. Some thousands, added to the pictures of a recipe and distorted like these, are enough to know them.
"""

from __future__ import annotations

import cv2
import numpy as np

from glassnet.digits.nondigits import framed
from glassnet.digits.pen import STROKES, Pen, draw_digit
from glassnet.digits.picture import Array
from glassnet.digits.prepare import SIDE

HEIGHT = 48  # pixels, before it is brought to MNIST's size
STRETCH = (0.75, 1.35)


def drawn_digits(count: int, generator: np.random.Generator) -> tuple[Array, Array]:
    """Return so many digits (count, 28, 28) of uint8, each digit as often and each way of writing it, and their labels.

    Pens, slants, widths and tremor are drawn at random.
    """
    pictures, labels = np.empty((count, SIDE, SIDE), np.uint8), np.arange(count) % len(STROKES)
    for row, label in enumerate(labels.tolist()):
        pen = Pen(
            width=float(generator.uniform(0.06, 0.19)),
            slant=float(generator.normal(0.05, 0.15)),
            turn=float(generator.normal(0, 4)),
            tremor=float(generator.uniform(0.005, 0.04)),
            pressure=float(generator.uniform(0, 0.4)),
        )
        way, seed = int(generator.integers(len(STROKES[label]))), int(generator.integers(2**31))
        ink = draw_digit(label, pen, way=way, height=HEIGHT, seed=seed)
        width = max(1, round(ink.shape[1] * float(generator.uniform(*STRETCH))))
        pictures[row] = framed(cv2.resize(ink, (width, ink.shape[0]), interpolation=cv2.INTER_AREA))
    return pictures, labels
