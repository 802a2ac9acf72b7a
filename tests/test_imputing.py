"""The step that fills gaps: values, shapes, files, slopes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from glassnet import Dense, Input, Network, load, save
from glassnet.errors import ShapeError
from glassnet.network import Impute, ScaleShift
from glassnet.training.backward import ARRAY_GRADIENTS, BACKWARD

GAP = float("nan")
ROWS = np.array([[1.0, GAP, 3.0], [GAP, GAP, 0.0], [4.0, 5.0, 6.0]])


def test_gaps_are_filled_by_column() -> None:
    np.testing.assert_array_equal(Impute([7, 8, 9])(ROWS), [[1, 8, 3], [7, 8, 0], [4, 5, 6]])
    np.testing.assert_array_equal(Impute([7, 8, 9], missing=0)(ROWS), [[1, GAP, 3], [GAP, GAP, 9], [4, 5, 6]])
    single = np.array([[0.1]], dtype=np.float32)
    assert Impute(np.ones(1, np.float32), missing=0.1)(single) == 1  # 0.1 as the network computes in


def test_it_is_a_step_like_others(tmp_path: Path) -> None:
    steps = [Impute([7, 8, 9]), ScaleShift(2.0), Dense(np.ones((3, 1)))]
    network = Network(steps, inputs=Input((3,)))
    np.testing.assert_array_equal(network(ROWS), [[24], [30], [30]])
    for suffix in ("npz", "safetensors"):
        for missing in (GAP, -1.0):
            save(network.replace(steps=[Impute([7, 8, 9], missing), *network.steps[1:]]), tmp_path / f"net.{suffix}")
            step = load(tmp_path / f"net.{suffix}").steps[0]
            assert isinstance(step, Impute)
            np.testing.assert_array_equal([*step.values, step.missing], [7, 8, 9, missing])


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(ShapeError, match=r"impute: values must have shape \(columns,\), found \(1, 2\)"):
        Impute([[1, 2]])
    with pytest.raises(ShapeError, match=r"impute1: expects 3 columns, found rows of shape \(2,\)"):
        Network([Impute([1, 2, 3])], inputs=Input((2,)))


def test_slopes() -> None:
    step, slope = Impute([7.0, 8.0, 9.0]), np.arange(9.0).reshape(3, 3)
    (inward,) = BACKWARD["impute"](step, (ROWS,), step.apply(ROWS), slope)
    np.testing.assert_array_equal(inward, [[0, 0, 2], [0, 0, 5], [6, 7, 8]])
    out = {"values": np.empty(3)}
    ARRAY_GRADIENTS["impute"](step, (ROWS,), slope, out)
    np.testing.assert_array_equal(out["values"], [3, 1 + 4, 0])
