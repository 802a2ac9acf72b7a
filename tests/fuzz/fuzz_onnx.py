"""Fuzzing the ONNX reader: ``python tests/fuzz/fuzz_onnx.py [seconds]``; a network or an error of ours, nothing else.

Half of the inputs are bytes that atheris makes of valid models; the other half are models whose parts were exchanged,
so that they parse and the operators are reached. What is found lies in ``tests/fuzz/found``.
"""

from __future__ import annotations

import random
import sys
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["glassnet"]):
    import glassnet

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

from onnxmodels.mutations import exchanged, seeds

SEEDS = seeds()


def one(data: bytes) -> None:
    """Read what ``data`` is, and a model that it tells how to change."""
    for model in (data, exchanged(SEEDS[len(data) % len(SEEDS)], random.Random(data))):
        try:
            network = glassnet.from_onnx(model)
        except glassnet.GlassnetError:
            continue
        network(*(np.ones(given.shape) for given in network.inputs))


def mutate(data: bytes, most: int, seed: int) -> bytes:
    return bytes(atheris.Mutate(data, most))


def main() -> None:
    seconds = sys.argv[1] if len(sys.argv) > 1 else "60"
    here = Path(__file__).parent
    corpus = here / "corpus"
    corpus.mkdir(exist_ok=True)
    (here / "found").mkdir(exist_ok=True)
    for number, data in enumerate(SEEDS):
        (corpus / f"seed{number}").write_bytes(data)
    warnings.simplefilter("error")
    options = [
        f"-max_total_time={seconds}",
        f"-artifact_prefix={here / 'found'}/",
        "-rss_limit_mb=1500",
        "-max_len=4096",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
