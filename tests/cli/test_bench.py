"""``glassnet bench``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import glassnet
from cli.conftest import Run
from glassnet import Dense, Input, Network
from glassnet.benchmarking import ENGINES
from glassnet.cli import bench

INSTALLED = [name for name, engine in ENGINES.items() if engine.installed]


def saved(path: Path, activation: str) -> Path:
    generator = np.random.default_rng(0)
    weights = [generator.normal(size=shape).astype(np.float32) for shape in ((4, 3), (3, 2))]
    glassnet.save(Network([Dense(weights[0], None, activation), Dense(weights[1], None)], inputs=Input((4,))), path)
    return path


def test_every_engine_has_its_line(run: Run, tmp_path: Path) -> None:
    done = run("bench", saved(tmp_path / "net.npz", "tanh"), "--rows", "1,20")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert ", 1 thread" in lines[0]
    assert lines[1] == f"{tmp_path}/net.npz: 23 parameters; random float32"
    [titles] = [line.split() for line in lines if line.strip().startswith("median")]
    assert titles == ["median", "time", "of", "a", "call", "1", "row", "20", "rows"]
    shown = [name for name in INSTALLED if any(line.strip().startswith(f"{name} ") for line in lines)]
    left_out = [line.split(":")[1].strip() for line in lines if line.startswith("left out: ")]
    assert {*shown, *left_out} == set(INSTALLED)
    assert {"glassnet", "glassnet in NumPy", "NumPy"} <= set(shown)


def test_numbers_for_programs_and_engines_that_are_left_out(run: Run, small: Path) -> None:
    done = run("bench", small, "--rows", "3", "--json")  # in float64, which the runtimes here are not given
    found = json.loads(done.stdout)
    assert set(found) == {"model", "machine", "versions", "threads", "seconds", "left_out"}
    assert (found["model"], found["threads"]) == (str(small), 1)
    assert found["versions"]["numpy"] == np.__version__
    assert list(found["seconds"]) == ["3"]
    assert set(found["seconds"]["3"]) | set(found["left_out"]) == set(INSTALLED)
    assert all(0 < seconds < 1 for seconds in found["seconds"]["3"].values())
    assert found["left_out"]["NumPy"] == "the network is not a plain chain of dense layers in float32"


@pytest.mark.parametrize("rows", ["", "0", "1,,2", "many", "1000001"])
def test_sizes_that_are_none(run: Run, rows: str) -> None:
    done = run("bench", "--rows", rows)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: --rows: expected numbers from 1 to 1,000,000, with commas between")


def test_a_model_that_is_none(run: Run) -> None:
    done = run("bench", "nothing")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: no model is called nothing")


@pytest.mark.parametrize(
    ("given", "dtype", "zeros"),
    [
        (Input((784,), scale=1 / 255), np.uint8, (0.7, 0.9)),
        (Input((28, 28), scale=1 / 255), np.uint8, (0.7, 0.9)),
        (Input((30,), shift=-128), np.uint8, (0.0, 0.01)),
        (Input((784,)), np.float32, (0.0, 0.0)),
    ],
)
def test_rows_are_such_as_the_network_is_made_for(given: Input, dtype: type, zeros: tuple[float, float]) -> None:
    for count in (1, 75):
        rows = bench.rows_for(given, count)
        assert rows.shape == (count, *given.shape)
        assert rows.dtype == dtype
        assert zeros[0] <= np.mean(rows == 0) <= zeros[1]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(1.9e-7, "0.19 µs"), (9.996e-6, "10.0 µs"), (1.234e-4, "123 µs"), (0.0123, "12.3 ms"), (2.5, "2.50 s")],
)
def test_durations(seconds: float, shown: str) -> None:
    assert bench._duration(seconds) == shown
