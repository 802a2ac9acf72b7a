"""Models whose parts were exchanged for others: a network that runs, or an error of ours."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="the onnx package is not installed")

from glassnet import GlassnetError, from_onnx
from onnxmodels.mutations import exchanged, seeds

FOUND = sorted((Path(__file__).parents[1] / "fuzz" / "found").glob("*.onnx"))


def read(data: bytes) -> bool:
    """Tell whether ``data`` is read as a network."""
    try:
        network = from_onnx(data)
    except GlassnetError as error:
        assert error.message.splitlines()[0].isprintable()
        return False
    with np.errstate(all="ignore"):
        network(*(np.ones(given.shape) for given in network.inputs))
    return True


def test_parts_exchanged() -> None:
    originals = seeds()
    results = [read(exchanged(originals[i % len(originals)], random.Random(i))) for i in range(3000)]
    assert 0.05 < np.mean(results) < 0.9, "nearly all of one kind would test nothing"


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.name)
def test_what_fuzzing_found(path: Path) -> None:
    read(path.read_bytes())
