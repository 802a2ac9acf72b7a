"""``glassnet inspect``, and hostile files given to the commands that load models."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import glassnet
from cli.conftest import Run

INPUT = {"name": "x", "shape": [3], "scale": 1.0, "shift": 0.0}


class Command:
    """What a pickle of this asks for when it is loaded: a file called ``executed``."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("executed"),)


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """Parameters as the textbook pickles them, in shapes of our own."""
    path = tmp_path / "weights.pkl"
    arrays = {"W1": np.ones((3, 4), np.float32), "b1": np.zeros(4), "W2": np.ones((4, 2)), "b2": np.zeros(2)}
    path.write_bytes(pickle.dumps(arrays, protocol=2))
    return path


def test_the_report(run: Run, book: Path) -> None:
    done = run("inspect", "weights.pkl")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("weights.pkl: pickle\n")
    assert "allowed" in done.stdout
    assert "  W1  float32  3 × 4\n" in done.stdout
    assert glassnet.load(book).summary() in done.stdout
    assert done.stdout.endswith(
        "assumed, because the file does not say: activations: sigmoid in hidden layers, softmax in the last\n"
    )


def test_json(run: Run, book: Path) -> None:
    found = json.loads(run("inspect", "weights.pkl", "--json").stdout)
    assert (found["path"], found["format"], found["problem"]) == ("weights.pkl", "pickle", None)
    assert all(wanted["allowed"] for wanted in found["globals"])
    assert {"name": "W1", "shape": [3, 4], "dtype": "float32"} in found["arrays"]
    network = found["network"]
    assert (network["parameters"], network["inputs"]) == (26, [INPUT])
    assert network["steps"][0] == {
        "name": "dense1",
        "kind": "dense",
        "reads": ["x"],
        "shape": [4],
        "activation": "sigmoid",
        "parameters": 16,
    }


def test_a_network_saved_by_glassnet(run: Run, small: Path) -> None:
    done = run("inspect", small)
    assert done.returncode == 0
    assert f"{small}: npz\n" in done.stdout
    assert "globals" not in done.stdout
    assert "assumed" not in done.stdout


def test_the_hint_is_shown(run: Run, tmp_path: Path) -> None:
    np.savez(tmp_path / "net.npz", **{"fc1.weight": np.ones((4, 3)), "fc2.weight": np.ones((2, 4))})  # type: ignore[arg-type]
    done = run("inspect", "net.npz")
    assert done.returncode == 1
    assert "\n\nhint: " in done.stderr


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_that_wants_to_run_something(run: Run, tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "hostile.pkl"
    path.write_bytes(pickle.dumps({"W1": Command()}, protocol))
    done = run("inspect", "hostile.pkl")
    assert done.returncode == 1
    assert "REFUSED" in done.stdout
    assert done.stderr.startswith("error: reading hostile.pkl: ")
    found = json.loads(run("inspect", "hostile.pkl", "--json").stdout)
    assert found["problem"]
    assert found["network"] is None
    refused = [wanted for wanted in found["globals"] if not wanted["allowed"]]
    assert refused[0]["offset"] > 0
    for command in (["read", "x.png"], ["evaluate"]):
        done = run(*command, "--model", "hostile.pkl")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("error: reading hostile.pkl: ")
        assert "Traceback" not in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["hostile.pkl"]


@pytest.mark.parametrize("name", ["missing.pkl", "."])
def test_nothing_to_inspect(run: Run, name: str) -> None:
    done = run("inspect", name)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


def test_a_name_that_steers_the_terminal(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"\033[2JW1": np.ones((2, 2))}))
    done = run("inspect", "a.pkl")
    assert done.returncode == 1
    assert "\033" not in done.stdout + done.stderr
    network = glassnet.Network(
        [glassnet.Dense(np.ones((784, 2)), None, "softmax", name="\033[2J")], labels=["\033", "b"]
    )
    glassnet.save(network, tmp_path / "b.npz")
    pen = np.full((60, 50), 255, np.uint8)
    pen[10:50, 20:26] = 0
    cv2.imwrite(str(tmp_path / "one.png"), pen)
    for command in (["inspect", "b.npz"], ["read", "one.png", "-m", "b.npz"], ["explain", "one.png", "-m", "b.npz"]):
        done = run(*command)
        assert done.returncode == (1 if command[0] == "read" else 0), "it is as sure of both labels: nothing is read"
        assert "\033" not in done.stdout + done.stderr
