"""``glassnet convert``, and what the commands are told of a file that does not say it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import glassnet
from cli.conftest import Run
from glassnet.network import Activate, Binary, ScaleShift


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """Arrays named as PyTorch names them, which say neither activation nor scaling."""
    generator = np.random.default_rng(5)
    arrays = {
        "net.0.weight": generator.normal(size=(4, 3)).astype(np.float32),
        "net.0.bias": generator.normal(size=4).astype(np.float32),
        "net.2.weight": generator.normal(size=(2, 4)).astype(np.float32),
        "net.2.bias": generator.normal(size=2).astype(np.float32),
    }
    np.savez(tmp_path / "bare.npz", **arrays)  # type: ignore[arg-type]
    return tmp_path / "bare.npz"


def test_from_one_format_to_another(run: Run, small: Path, tmp_path: Path) -> None:
    done = run("convert", "small.npz", "small.safetensors")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("small.npz (npz) → small.safetensors (safetensors)\n<Network 784-6-10, 2 steps")
    x = np.random.default_rng(1).random((5, 784)).astype(np.float32)
    first, second = glassnet.load(small), glassnet.load(tmp_path / "small.safetensors")
    np.testing.assert_array_equal(first(x), second(x))
    assert (first.inputs, first.labels) == (second.inputs, second.labels)


def test_options_say_what_the_file_does_not(run: Run, bare: Path, tmp_path: Path) -> None:
    done = run("convert", "bare.npz", "out.safetensors")
    assert done.returncode == 1
    assert done.stderr.startswith("error: reading bare.npz: the file does not say its activations")
    assert "\n\nhint: say them: activation=" in done.stderr
    assert not (tmp_path / "out.safetensors").exists()
    options = ["--activation", "tanh", "--output", "softmax", "--scale", "1/255", "--mean", "0.1307", "--std", "0.3081"]
    done = run("convert", "bare.npz", "out.safetensors", *options)
    assert (done.returncode, done.stderr) == (0, "")
    found = glassnet.load(tmp_path / "out.safetensors")
    expected = glassnet.load(bare, activation="tanh", output="softmax", scale=1 / 255, mean=0.1307, std=0.3081)
    pixels = np.random.default_rng(2).integers(0, 256, (6, 3))
    np.testing.assert_array_equal(found(pixels), expected(pixels))
    report = json.loads(run("inspect", "bare.npz", "--json", *options).stdout)
    assert report["network"]["inputs"] == [{"name": "x", "shape": [3], "scale": 1 / 255, "shift": 0.0}]
    assert report["network"]["outputs"][0]["shape"] == [2]
    shown = run("inspect", "bare.npz", *options).stdout
    assert "integers given as 'x' are raw: x · 0.00392157 + 0\n" in shown
    several = run("convert", "bare.npz", "out.npz", *options[:4], "--mean", "1,2,3")
    assert several.returncode == 0
    steps = glassnet.load(tmp_path / "out.npz").steps
    np.testing.assert_allclose(steps[0].arrays["shift"], [-1, -2, -3])


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--scale", "half"], 2, "--scale half: expected a number such as 0.1307 or 1/255"),
        (["--scale", "1/0"], 2, "--scale 1/0: expected a number"),
        (["--scale", "1,2"], 2, "--scale 1,2: expected one number"),
        (["--orientation", "sideways"], 2, "orientation='sideways', expected one of"),
        (["--activation", "relu", "--hidden", "relu"], 2, "activation= and hidden= are the same"),
        (["--activation", "nothing"], 2, "unknown activation 'nothing'"),
        (["--weights", "bare.npz"], 2, "weights= cannot be used: a npz file has its arrays in it"),
    ],
)
def test_options_that_are_wrong(run: Run, bare: Path, options: list[str], code: int, message: str) -> None:
    for command in (["convert", "bare.npz", "out.npz"], ["inspect", "bare.npz"]):
        done = run(*command, *options)
        assert done.returncode == code
        assert message in done.stderr
        assert "Traceback" not in done.stderr


def test_formats_that_cannot_hold_it(run: Run, small: Path, tmp_path: Path) -> None:
    for target, message in (
        ("out.pkl", "writing out.pkl: a .pkl file holds the textbook's dict"),
        ("out.mat", "writing out.mat: MATLAB files are read, not written"),
        ("out.xyz", "writing out.xyz: no format has the suffix '.xyz'"),
    ):
        done = run("convert", small, target)
        assert done.returncode == 2
        assert done.stderr.startswith(f"error: {message}")
        assert not (tmp_path / target).exists()


def test_what_was_folded_is_shown(run: Run, tmp_path: Path) -> None:
    (tmp_path / "net.json").write_text('{"layers": [{"weights": [[1, 2, 3], [4, 5, 6]], "bias": [1, 2]}]}')
    note = "the weights have shape (outputs, inputs), and were transposed"
    assert f"note: {note}\n" in run("convert", "net.json", "net.npz").stdout
    assert f"folded, left out or left aside\n  {note}\n" in run("inspect", "net.json").stdout
    found = json.loads(run("inspect", "net.json", "--json").stdout)
    assert (found["notes"], found["unsafe"], found["assumed"]) == ([note], False, None)


# --- evaluate -----------------------------------------------------------------------------------------------


def scaled_for(folder: Path, scale: float, mean: float, std: float) -> Path:
    """A network that reads which tenth of the picture is lit, from inputs scaled in one way only."""
    dark, lit = -mean / std, (255 * scale - mean) / std
    rows = np.arange(784) * 10 // 784
    weights = np.zeros((784, 10), np.float32)
    weights[np.arange(784), rows] = 1 / (lit - dark)
    sums = glassnet.Dense(weights, -dark * weights.sum(axis=0), name="lit")  # about 78 where all is lit, else 0
    network = glassnet.Network(
        [
            sums,
            ScaleShift(np.float32(-1), np.float32(156), name="beyond"),
            Binary("minimum", sources=("lit", "beyond")),  # so that more than lit counts against it
            Activate("softmax"),
        ],
        labels=range(10),
    )
    glassnet.save(network, folder / "lit.npz")
    return folder / "lit.npz"


@pytest.fixture
def lit(tmp_path: Path) -> Path:
    """Files named as MNIST's: in each of 40 pictures, one tenth of the pixels is white."""
    folder = tmp_path / "lit"
    folder.mkdir()
    labels = np.arange(40, dtype=np.uint8) % 10
    pixels = np.where((np.arange(784) * 10 // 784)[None] == labels[:, None], 255, 0).astype(np.uint8)
    glassnet.datasets.write_idx(folder / "t10k-images-idx3-ubyte", pixels.reshape(-1, 28, 28))
    glassnet.datasets.write_idx(folder / "t10k-labels-idx1-ubyte", labels)
    return folder


@pytest.mark.parametrize(
    ("scaling", "formula", "options"),
    [
        ((1 / 255, 0, 1), "x / 255", "--scale 1/255"),
        ((1 / 255, 1, -1), "1 - x / 255", "--scale 1/255 --mean 1 --std=-1"),
    ],
)
def test_a_better_scaling_is_suggested(
    run: Run, lit: Path, tmp_path: Path, scaling: tuple[float, float, float], formula: str, options: str
) -> None:
    model = scaled_for(tmp_path, *scaling)
    done = run("evaluate", "-m", model, "-d", lit)
    assert done.returncode == 0
    assert done.stderr == (
        f"\nhint: with inputs of {formula} it is right on 100.0 % of the first 40 pictures; "
        f"say so when loading: {options}\n"
    )
    found = json.loads(run("evaluate", "-m", model, "-d", lit, "--json").stdout)
    assert found["accuracy"] < 0.2
    assert found["hint"] in done.stderr
    done = run("evaluate", "-m", model, "-d", lit, "--json", *options.split())
    assert json.loads(done.stdout)["accuracy"] == 1
    assert json.loads(done.stdout)["hint"] is None


def test_no_scaling_helps_a_network_that_knows_nothing(run: Run, lit: Path, small: Path) -> None:
    done = run("evaluate", "-m", small, "-d", lit)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_shipped_model_takes_no_options(run: Run, lit: Path) -> None:
    done = run("evaluate", "-d", lit, "--scale", "1")
    assert done.returncode == 2
    assert done.stderr.startswith("error: --scale cannot be used: the shipped model digits says all of itself")
