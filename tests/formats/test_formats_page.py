"""The page of formats says what the table says, and what trials show."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glassnet import Dense, Network
from glassnet.formats import FORMATS

SCRIPT = Path(__file__).parents[2] / "docs" / "make_formats_reference.py"


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT))


def test_the_page_is_what_the_trials_show(made: dict[str, Any]) -> None:
    pytest.importorskip("h5py", reason="writing .keras needs h5py")
    pytest.importorskip("onnx", reason="reading and writing .onnx needs onnx")
    assert made["PAGE"].read_text("utf-8") == made["page"](), "run: python docs/make_formats_reference.py"


def test_every_format_is_on_it(made: dict[str, Any]) -> None:
    assert set(made["READ"]) == {*FORMATS, "folder"}


def test_a_trial_can_fail(made: dict[str, Any]) -> None:
    networks = {name: Network([Dense(np.ones((2, 3)), None, name)]) for name in ("gelu", "softmax", "tanh")}
    assert made["trial"](networks, ".npz") == "exact"
    assert made["trial"](networks, ".pkl") == "–; exact: softmax"
