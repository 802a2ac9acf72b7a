"""``glassnet train``; that a stopped run goes on is tested in ``test_process``."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import cv2
import numpy as np
import pytest

import glassnet
from cli.conftest import Run, drawn, in_terminal

FAST = ("--layers", "6", "--epochs", "3", "--batch-size", "8")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Folders of pictures: 20 ones, 20 sevens, each moved a little."""
    for digit in (1, 7):
        folder = tmp_path / "data" / str(digit)
        folder.mkdir(parents=True)
        for number in range(20):
            slanted = np.array([[1, 0.02 * number, 0], [0, 1, 0]])
            picture = cv2.warpAffine(drawn(digit), slanted, (60, 60), borderValue=255)
            cv2.imwrite(str(folder / f"{number}.png"), picture)
    return tmp_path / "data"


def test_a_network_and_its_history(run: Run, data: Path, tmp_path: Path) -> None:
    done = run("train", "--data", data, *FAST, "--output", "model.safetensors")
    assert done.returncode == 0
    network = glassnet.load(tmp_path / "model.safetensors")
    assert [layer.outputs for layer in network.layers] == [6, 10]
    assert [layer.activation.name for layer in network.layers] == ["relu", "softmax"]
    assert network.labels == tuple(range(10))
    assert network.inputs[0].scale == 1 / 255
    epochs = [json.loads(line) for line in (tmp_path / "model.history.jsonl").read_text().splitlines()]
    assert [epoch["epoch"] for epoch in epochs] == [1, 2, 3]
    best = min(epochs, key=lambda epoch: epoch["validation_loss"])
    assert done.stdout == (
        f"model.safetensors: epoch {best['epoch']} of 3, validation loss {best['validation_loss']:.4f}, "
        f"validation accuracy {100 * best['validation_accuracy']:.2f} %\n"
    )
    assert [line.split("  ")[0] for line in done.stderr.splitlines()] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "model.history.jsonl", "model.safetensors"]


RECIPE = """\
layers = [6]
epochs = 3
batch_size = 8
average = 0.5

[optimizer]
kind = "adamw"
rate = { kind = "one_cycle", peak = 0.01 }

[[augment]]
kind = "affine"
"""


def test_a_recipe_fills_a_folder(run: Run, data: Path, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(RECIPE)
    done = run("train", "recipe.toml", "--data", data, "--epochs", "2", "--workers", "1", "-o", "runs")
    assert (done.returncode, done.stdout[:22]) == (0, "runs/model.safetensors")
    made = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert made == ["curves.svg", "history.jsonl", "model.safetensors", "recipe.toml"]
    assert re.fullmatch(
        r"epoch 2/2  loss [\d.]+  accuracy [\d.]+ %  held out [\d.]+ %  [\d,]+ images/s", done.stderr.splitlines()[-1]
    )
    kept = tomllib.loads((tmp_path / "runs" / "recipe.toml").read_text())
    assert kept == {**tomllib.loads(RECIPE), "seed": 0, "epochs": 2, "workers": 1}
    assert len((tmp_path / "runs" / "history.jsonl").read_text().splitlines()) == 2
    assert "<svg" in (tmp_path / "runs" / "curves.svg").read_text()
    assert [layer.outputs for layer in glassnet.load(tmp_path / "runs" / "model.safetensors").layers] == [6, 10]
    again = run("train", "runs/recipe.toml", "--data", data, "--workers", "0", "-o", "again.safetensors")
    assert again.returncode == 0
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "runs" / "model.safetensors").read_bytes()


def test_a_teacher_is_found_from_the_run_folder_too(run: Run, data: Path, tmp_path: Path) -> None:
    (tmp_path / "recipes").mkdir()
    assert run("train", "-d", data, *FAST, "-o", "recipes/teacher.npz").returncode == 0
    (tmp_path / "recipes" / "student.toml").write_text(
        'layers = [4]\nepochs = 1\nloss = { kind = "distillation", teacher = "teacher.npz" }\n'
    )
    assert run("train", "recipes/student.toml", "-d", data, "-o", "student").returncode == 0
    assert run("train", "student/recipe.toml", "-d", data, "-o", "again").returncode == 0
    made = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("student", "again")]
    assert made[0] == made[1]


def test_pictures_that_cannot_be_read(run: Run, data: Path, tmp_path: Path) -> None:
    (data / "1" / "broken.png").write_bytes(b"no picture")
    done = run("train", "--data", data, *FAST, "-o", "model.npz")
    assert done.returncode == 1
    assert "error: reading " in done.stderr
    assert "broken.png" in done.stderr
    assert (tmp_path / "model.npz").exists(), "the rest is learned from"
    done = run("train", "--data", data, *FAST, "--strict", "-o", "strict.npz")
    assert (done.returncode, done.stdout) == (1, "")
    assert "error: 1 of the pictures cannot be read\n\nhint: without --strict" in done.stderr
    assert not (tmp_path / "strict.npz").exists()


def test_a_recipe_with_a_slip(run: Run, data: Path, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text("epohcs = 3\n")
    done = run("train", "recipe.toml", "--data", data, "-o", "model.npz")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: recipe.toml: there is no option 'epohcs'; the nearest is 'epochs'\n\nhint: ")


def test_the_same_seed_gives_the_same_bytes(run: Run, data: Path, tmp_path: Path) -> None:
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert run("train", "-d", data, *FAST, "--seed", seed, "-o", f"{name}.safetensors").returncode == 0
    a, b, c = ((tmp_path / f"{name}.safetensors").read_bytes() for name in "abc")
    assert a == b != c


def test_its_options(run: Run, data: Path, tmp_path: Path) -> None:
    options = ("--layers", "", "--optimizer", "sgd", "--rate", "0.01", "--validation", "0", "--history", "run.jsonl")
    done = run("train", "-d", data, *FAST, *options, "-o", "model.npz")
    [last] = [json.loads(line) for line in (tmp_path / "run.jsonl").read_text().splitlines()][-1:]
    assert (done.returncode, done.stdout) == (
        0,
        f"model.npz: epochs: 3, training loss {last['loss']:.4f}, accuracy {100 * last['accuracy']:.2f} %\n",
    )
    assert [layer.outputs for layer in glassnet.load(tmp_path / "model.npz").layers] == [10]
    done = run("train", "-d", data, *FAST, "--activation", "tanh", "--layers", "4,3", "-o", "model.npz")
    assert done.returncode == 0
    network = glassnet.load(tmp_path / "model.npz")
    assert [(layer.outputs, layer.activation.name) for layer in network.layers] == [
        (4, "tanh"),
        (3, "tanh"),
        (10, "softmax"),
    ]


def test_the_history_takes_the_place_of_nothing_else(run: Run, data: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.npz"
    other.write_bytes(b"a network of hours")
    for history in ("model.npz", "./model.npz", "model.checkpoint", "other.npz"):
        done = run("train", "-d", data, *FAST, "-o", "model.npz", "--history", history)
        assert done.returncode == 2
        assert done.stderr.startswith("error: --history: ")
    assert other.read_bytes() == b"a network of hours"
    for _ in range(2):  # a history may be written anew
        assert run("train", "-d", data, *FAST, "-o", "model.npz", "--history", "run.jsonl").returncode == 0


def test_more_memory_than_there_is(run: Run, data: Path) -> None:
    done = run("train", "-d", data, "-o", "model.npz", "--layers", "10000000000")
    assert done.returncode == 1
    assert done.stderr.startswith("error: not enough memory: ")


@pytest.mark.parametrize(
    ("options", "code", "error"),
    [
        (["-o", "nowhere/model.npz"], 1, "writing nowhere/model.npz: there is no folder nowhere"),
        (["-o", "model.npz", "--history", "nowhere/a"], 1, "writing nowhere/a: there is no folder nowhere"),
        (["-o", "nowhere/run"], 1, "writing nowhere/run: there is no folder nowhere"),
        (["missing.toml", "-o", "model.npz"], 1, "reading missing.toml: there is no such file"),
        (["-o", "model.onyx"], 2, "no format has the suffix '.onyx'"),
        (["-o", "model.npz", "--resume"], 1, "nothing to resume: there is no model.checkpoint"),
        (["-o", "model.npz", "--patience", "2", "--validation", "0"], 2, "patience needs validation rows to watch"),
        (["-o", "model.npz", "--optimizer", "sgd", "--rate", "1e30"], 1, "epoch "),
    ],
)
def test_what_cannot_be_done(run: Run, data: Path, tmp_path: Path, options: list[str], code: int, error: str) -> None:
    done = run("train", "-d", data, *FAST, *options)
    assert (done.returncode, done.stdout) == (code, "")
    assert "Traceback" not in done.stderr
    assert any(line.startswith(f"error: {error}") for line in done.stderr.splitlines())
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_bar_in_a_terminal(data: Path, environment: dict[str, str], tmp_path: Path) -> None:
    written = in_terminal(["train", "-d", data, *FAST, "-o", tmp_path / "model.npz"], environment, width=100)
    assert "3/3" in written
    assert "loss" in written
    assert "left" in written
    assert written.rstrip().endswith("%")
