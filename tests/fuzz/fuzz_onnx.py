"""Fuzz the ONNX reader: bytes made of valid models, and models with parts exchanged, which reach the operators."""

from __future__ import annotations

import contextlib
import random

from fuzzing import main, reading  # isort: skip  # it puts the tests on the path

import numpy as np

import glassnet
from onnxmodels.mutations import exchanged, seeds

SEEDS = seeds()
READ = reading("onnx")


def target(data: bytes) -> None:
    """Read what ``data`` are, and a model that they tell how to change."""
    READ(data)
    changed = exchanged(SEEDS[len(data) % len(SEEDS)], random.Random(data))
    with contextlib.suppress(glassnet.GlassnetError), np.errstate(all="ignore"):
        network = glassnet.from_onnx(changed)
        network(*(np.ones(given.shape) for given in network.inputs))


if __name__ == "__main__":
    main(target, SEEDS)
