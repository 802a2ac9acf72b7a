"""``glassnet evaluate``."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

import glassnet
from cli.conftest import Run, drawn
from glassnet import digits


@pytest.fixture
def mnist(tmp_path: Path) -> Path:
    """Files named as MNIST's, with noise instead of digits: 30 test images, 20 training images."""
    folder = tmp_path / "mnist"
    folder.mkdir()
    generator = np.random.default_rng(2)
    for prefix, count in (("t10k", 30), ("train", 20)):
        images = generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = generator.integers(0, 10, count, dtype=np.uint8)
        glassnet.datasets.write_idx(folder / f"{prefix}-images-idx3-ubyte", images)
        glassnet.datasets.write_idx(folder / f"{prefix}-labels-idx1-ubyte.gz", labels)
    return folder


@pytest.mark.parametrize("part", ["test", "train"])
def test_the_counts(run: Run, mnist: Path, small: Path, part: str) -> None:
    found = json.loads(run("evaluate", "-m", small, "--data", mnist, "--part", part, "--json").stdout)
    x, t = glassnet.datasets.read_mnist(mnist, part)
    answers = glassnet.load(small).predict(x)
    confusion = np.array(found["confusion"])
    assert found["images"] == len(t)
    assert found["accuracy"] == np.mean(answers == t)
    assert found["errors"] == np.count_nonzero(answers != t)
    for digit, answer in np.ndindex(10, 10):
        assert confusion[digit, answer] == np.count_nonzero((t == digit) & (answers == answer))
    assert found["images_per_second"] > 0


def test_the_report(run: Run, mnist: Path, small: Path) -> None:
    done = run("evaluate", "-m", small, "-d", mnist, "--batch-size", "7")
    numbers = json.loads(run("evaluate", "-m", small, "-d", mnist, "--json", "--batch-size", "30").stdout)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == f"accuracy  {100 * numbers['accuracy']:.2f} %"
    assert lines[1] == f"errors    {numbers['errors']} of 30"
    assert lines[2] == f"calibration error  {100 * numbers['calibration_error']:.2f} %"
    assert lines[3].endswith("images/s, 7 at a time")
    assert len(lines) == 5 + 2 + 1 + 10
    counts = [int(count) for count in lines[8].replace("·", "0").split()[1:11]]
    assert counts == numbers["confusion"][0]


def test_folders_of_pictures(run: Run, small: Path, tmp_path: Path) -> None:
    for digit, count in ((1, 2), (7, 3)):
        (tmp_path / "data" / str(digit)).mkdir(parents=True)
        for number in range(count):
            cv2.imwrite(str(tmp_path / "data" / str(digit) / f"{number}.png"), drawn(digit))
    done = run("evaluate", "-m", small, "-d", "data", "--json")
    assert done.returncode == 0
    confusion = np.array(json.loads(done.stdout)["confusion"])
    assert confusion.sum(axis=1).tolist() == [0, 2, 0, 0, 0, 0, 0, 3, 0, 0]
    network = glassnet.load(small)
    assert confusion[7, network.predict(digits.prepare(drawn(7)))] == 3

    (tmp_path / "data" / "1" / "broken.png").write_bytes(b"?")
    done = run("evaluate", "-m", small, "-d", "data", "--json")
    assert done.returncode == 1
    assert done.stderr.startswith("error: reading data/1/broken.png: not a PNG")
    assert json.loads(done.stdout)["images"] == 5

    done = run("evaluate", "-m", small, "-d", "data", "--part", "test")
    assert done.returncode == 2
    assert done.stderr.startswith("error: data holds folders of pictures, which have no part 'test'")


def test_without_data_it_is_mnist(run: Run, mnist: Path, small: Path) -> None:
    done = run("evaluate", "-m", small, "--json", GLASSNET_DATA=str(mnist))
    assert json.loads(done.stdout)["images"] == 30


def test_a_folder_with_neither(run: Run, small: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    done = run("evaluate", "-m", small, "-d", "empty")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: reading MNIST: no t10k-images-idx3-ubyte")
    assert done.stderr.endswith("or folders named 0 to 9 of pictures\n")
    assert run("evaluate", "-m", small, "-d", "missing").stderr == "error: there is no folder missing\n"
    assert run("evaluate", "-m", small, "-d", "file").stderr == "error: file is a file, expected a folder\n"


@pytest.mark.parametrize(
    ("labels", "message"),
    [(None, "it answers values, not labels, so there is nothing to count"), (["a", "b"], "expected digits")],
)
def test_networks_that_read_no_digits(
    run: Run, mnist: Path, tmp_path: Path, labels: list[str] | None, message: str
) -> None:
    network = glassnet.Network([glassnet.Dense(np.zeros((784, 2)), None, "softmax")], labels=labels)
    glassnet.save(network, tmp_path / "other.npz")
    done = run("evaluate", "-m", "other.npz", "-d", mnist)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: evaluating other.npz: ")
    assert message in done.stderr


@pytest.mark.parametrize("batch_size", [1, 100, 10000])
def test_the_textbooks_parameters(run: Run, data_folder: Path, batch_size: int) -> None:
    model, data = data_folder / "book" / "sample_weight.pkl", data_folder / "mnist"
    done = run("evaluate", "--model", model, "--data", data, "--json", "--batch-size", str(batch_size))
    assert (done.returncode, done.stderr) == (0, "")
    assert '"accuracy": 0.9352,' in done.stdout


def test_a_network_that_answers_none(run: Run, mnist: Path, tmp_path: Path) -> None:
    weights = np.random.default_rng(5).standard_normal((784, 11)).astype(np.float32)
    x, _ = glassnet.datasets.read_mnist(mnist, "test")
    first = int((x.reshape(30, 784) @ weights).argmax(axis=1)[0])
    labels = (*range(first), "none", *range(first, 10))
    network = glassnet.Network([glassnet.Dense(weights, None, "softmax")], labels=labels)
    glassnet.save(network, tmp_path / "eleven.npz")
    done = run("evaluate", "-m", "eleven.npz", "-d", mnist)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(run("evaluate", "-m", "eleven.npz", "-d", mnist, "--json").stdout)
    assert np.array(found["confusion"]).shape == (10, 11)
    assert np.array(found["confusion"])[:, 10].sum() == found["refused"] > 0
    assert found["calibration_error"] > 0.1
    assert f"of 30, {found['refused']} of them called none" in done.stdout
    assert done.stdout.splitlines()[7].split()[-2:] == ["none", "right"]


def test_on_harder_pictures(run: Run, mnist: Path, small: Path) -> None:
    done = run("evaluate", "-m", small, "-d", mnist, "--hard")
    found = json.loads(run("evaluate", "-m", small, "-d", mnist, "--hard", "--json").stdout)
    assert set(found["trials"]) == set(digits.TRIALS)
    assert set(found["not_digits_refused"]) == set(digits.NON_DIGITS)
    for name, trial in found["trials"].items():
        assert f"{name:<14}{100 * trial['error']:>6.2f} %" in done.stdout


def test_every_shipped_model(run: Run, mnist: Path) -> None:
    done = run("evaluate", "-m", "all", "-d", mnist)
    assert [line.split()[0] for line in done.stdout.splitlines()[1:-2]] == list(digits.MODELS)
    lines = run("evaluate", "-m", "all", "-d", mnist, "--json").stdout.splitlines()
    assert [json.loads(line)["model"] for line in lines] == list(digits.MODELS)
    done = run("evaluate", "-m", "all", "-d", mnist, "--hard")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: --model all takes no --hard")


def test_the_shipped_model(run: Run, data_folder: Path) -> None:
    done = run("evaluate", "--model", "digits", "--data", data_folder / "mnist", "--json")
    assert json.loads(done.stdout)["accuracy"] >= 0.975
