"""A run that was killed goes on with the same bits; a file that does not belong to it is refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glassnet.activations import Array
from glassnet.errors import FileFormatError, MissingFileError, OptionError
from glassnet.network import Clip
from glassnet.training import (
    Adam,
    AdamW,
    Cosine,
    CrossEntropy,
    Distillation,
    Examples,
    Mixup,
    OneCycle,
    Optimizer,
    Progress,
    Sgd,
    Training,
    WarmUp,
    initialise,
    train,
)

OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": Sgd(0.05),
    "momentum": Sgd(0.05, 0.9),
    "adam": Adam(),
    "adamw": AdamW(),
    "schedule": AdamW(OneCycle(0.02), clip=1.0),
}

ADAM = Adam(0.01)


def data() -> tuple[Array, Array]:
    generator = np.random.default_rng(0)
    x = generator.standard_normal((200, 6)).astype(np.float32)
    return x, (x[:, 0] * x[:, 1] > 0).astype(np.int64)


def run(checkpoint: Path | None, optimizer: Optimizer = ADAM, **changed: Any) -> Training:
    x, t = data()
    options: dict[str, Any] = {"epochs": 8, "batch_size": 16, "seed": 3, "validation": 0.2}
    start = initialise((6, 16, 2), hidden="tanh", seed=0)
    return train(
        changed.pop("network", start), x, t, loss=CrossEntropy(), optimizer=optimizer, checkpoint=checkpoint,
        **{**options, **changed},
    )  # fmt: skip


def bits(training: Training) -> bytes:
    return b"".join(array.tobytes() for step in training.network.steps for array in step.arrays.values())


def shaken(x: Array, generator: np.random.Generator) -> Array:
    return x + np.float32(0.1) * generator.standard_normal(x.shape, dtype=np.float32)


def everything(checkpoint: Path | None, **changed: Any) -> Training:
    """Run with all that uses chance or remembers something."""
    x, t = data()
    start = initialise((6, 16, 8, 2), seed=0, dropout=0.2, normalise=True)
    teacher = initialise((6, 8, 2), seed=1)
    return train(
        start, Mixup(Examples(x, t, change=shaken)), loss=Distillation(teacher), optimizer=AdamW(WarmUp(Cosine(0.01))),
        **{"epochs": 8, "batch_size": 16, "seed": 3, "average": 0.9, "validation": (x, t), "workers": 1, **changed},
        checkpoint=checkpoint,
    )  # fmt: skip


def killed_with_everything(path: str) -> None:
    def kill(progress: Progress) -> None:
        if (progress.epoch, progress.batch) == (5, 7):
            os.kill(os.getpid(), signal.SIGKILL)

    everything(Path(path), progress=kill)


def killed_in_the_middle(path: str, optimizer: str) -> None:
    """Run in a process of its own, which ends without a chance to say goodbye."""

    def kill(progress: Progress) -> None:
        if (progress.epoch, progress.batch) == (5, 7):
            os.kill(os.getpid(), signal.SIGKILL)

    run(Path(path), OPTIMIZERS[optimizer], progress=kill)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no kill -9")
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_killed_run_goes_on_with_the_same_bits(name: str, tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    code = f"import test_checkpoint; test_checkpoint.killed_in_the_middle({str(path)!r}, {name!r})"
    process = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent, check=False)
    assert process.returncode == -signal.SIGKILL

    begun: list[int] = []
    resumed = run(path, OPTIMIZERS[name], progress=lambda progress: begun.append(progress.epoch))
    through = run(None, OPTIMIZERS[name])

    assert begun[0] == 5, "the fifth epoch is run again, the four before it are not"
    assert bits(resumed) == bits(through)
    assert resumed.history == through.history


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no kill -9")
def test_all_that_uses_chance_goes_on_with_the_same_bits(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    code = f"import test_checkpoint; test_checkpoint.killed_with_everything({str(path)!r})"
    process = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent, check=False)
    assert process.returncode == -signal.SIGKILL
    resumed, through = everything(path), everything(None)
    assert bits(resumed) == bits(through)
    assert resumed.history == through.history
    assert bits(everything(None, average=None)) != bits(through)


def test_a_schedule_ends_with_its_run(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    run(path, OPTIMIZERS["schedule"], epochs=3)
    with pytest.raises(OptionError, match="is the checkpoint of another run: epochs 3, here 8"):
        run(path, OPTIMIZERS["schedule"], epochs=8)


def test_a_finished_run_is_not_run_again(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    first = run(path)
    told: list[Progress] = []
    again = run(path, progress=told.append)
    assert not told
    assert bits(again) == bits(first)
    assert [epoch.seconds for epoch in again.history] == [epoch.seconds for epoch in first.history]


def test_epochs_may_be_added(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    run(path, epochs=3)
    assert bits(run(path, epochs=8)) == bits(run(None, epochs=8))


def test_patience_counts_on_after_a_stop(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    through = run(None, Adam(0.05), patience=2, epochs=100)
    assert 3 < len(through.history) < 100
    run(path, Adam(0.05), patience=2, epochs=len(through.history) - 1)
    assert run(path, Adam(0.05), patience=2, epochs=100).history == through.history


def test_nothing_is_left_beside_the_file(tmp_path: Path) -> None:
    run(tmp_path / "run.npz", epochs=2)
    assert [path.name for path in tmp_path.iterdir()] == ["run.npz"]


def test_a_write_that_fails_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.npz"
    run(path, epochs=2)
    before = path.read_bytes()

    def full(file: Any, **arrays: Any) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space left"):
        run(path, epochs=3)
    assert path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["run.npz"]


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"seed": 4}, "seed 3, here 4"),
        ({"batch_size": 32}, "batch_size 16, here 32"),
        (
            {"optimizer": Sgd(0.1)},
            "optimizer Adam(rate=0.01, clip=None, beta1=0.9, beta2=0.999, epsilon=1e-08), here Sgd(rate=0.1,",
        ),
        ({"validation": 0.3}, "validation "),
        ({"network": initialise((6, 16, 2), hidden="tanh", seed=1)}, "network "),
        ({"network": initialise((6, 16, 2), hidden="relu", seed=0)}, "network "),
    ],
)
def test_the_checkpoint_of_another_run_is_refused(changed: dict[str, Any], name: str, tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    run(path, epochs=1)
    with pytest.raises(OptionError) as caught:
        run(path, **changed)
    assert f"{path} is the checkpoint of another run: " in str(caught.value)
    assert name in str(caught.value)


@pytest.mark.parametrize("kind", ["empty", "text", "half", "flipped", "npy", "other npz"])
def test_a_file_that_is_no_checkpoint_is_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    run(path, epochs=1)
    whole = path.read_bytes()
    middle = whole.index(b"parameters.npy") + 300  # among its numbers
    contents = {
        "empty": b"",
        "text": b"not a checkpoint at all",
        "half": whole[:middle],
        "flipped": whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :],
    }
    if kind == "npy":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    elif kind == "other npz":
        np.savez(path, weights=np.zeros(3))
    else:
        path.write_bytes(contents[kind])
    with pytest.raises(FileFormatError, match=r"reading .*run\.npz: not a checkpoint of a training run"):
        run(path)


def test_vectors_of_another_size_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    run(path, epochs=1)
    with np.load(path) as file:
        arrays = dict(file)
    arrays["best"] = arrays["best"][:1]
    np.savez(path, **arrays)
    with pytest.raises(FileFormatError, match=r"run\.npz: a broken checkpoint: expected .* found "):
        run(path)


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"writing .*run\.npz: there is no folder .*nowhere"):
        run(tmp_path / "nowhere" / "run.npz")


def test_a_network_that_differs_in_a_limit_is_another(tmp_path: Path) -> None:
    start = initialise((6, 16, 2), hidden="tanh", seed=0)
    first, last = start.layers
    path = tmp_path / "run.npz"
    run(path, epochs=1, network=start.replace(steps=[first, Clip(0, 1), last]))
    with pytest.raises(OptionError, match="is the checkpoint of another run: network "):
        run(path, network=start.replace(steps=[first, Clip(0, 9), last]))
