"""The recipe of the shipped model, in small: the same bytes each time; and the model it made."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from glassnet import digits, formats
from glassnet.activations import Array
from glassnet.datasets import load_mnist

RECIPE = Path(__file__).parents[2] / "recipes" / "digits.py"


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("recipe", RECIPE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROUNDS", 2)
    return module


def strokes(count: int) -> tuple[Array, Array]:
    """Return pictures of upright and level strokes, and which is which."""
    labels = np.arange(count) % 2
    pictures = np.zeros((count, 28, 28), np.uint8)
    pictures[labels == 0, 5:23, 13:15] = 255
    pictures[labels == 1, 13:15, 5:23] = 255
    return pictures, labels


def test_a_digit_is_written_another_time(recipe: ModuleType) -> None:
    pictures, _ = strokes(40)
    drawn = recipe.distorted(pictures, np.random.default_rng(0))
    assert drawn.shape == pictures.shape
    assert drawn.dtype == np.uint8
    assert len({picture.tobytes() for picture in drawn}) == 40
    ink = drawn.sum(axis=(1, 2)) / pictures.sum(axis=(1, 2))
    assert ink.min() > 0.3, "a thinner pen still writes"
    assert ink.max() < 3


def test_the_same_bytes_each_time(recipe: ModuleType, tmp_path: Path) -> None:
    pictures, labels = strokes(300)
    for name in ("one", "two"):
        formats.save(recipe.trained(pictures, labels), tmp_path / f"{name}.safetensors")
    assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "two.safetensors").read_bytes()
    assert (formats.load(tmp_path / "one.safetensors").predict(pictures) == labels).mean() > 0.9


def test_the_shipped_model_is_what_the_recipe_makes(recipe: ModuleType) -> None:
    network = digits.load_model("digits")
    assert recipe.MODEL.stat().st_size < 200_000
    assert [layer.weights.shape for layer in network.layers] == [(784, 50), (50, 100), (100, 10)]
    assert network.dtype == np.float32
    assert network.labels == tuple(range(10))
    assert network.inputs[0].scale == pytest.approx(1 / 255)


def test_the_shipped_model_reads_the_test_images(data_folder: Path) -> None:
    _, (images, labels) = load_mnist(normalize=False, folder=data_folder / "mnist")
    assert (digits.load_model("digits").predict(images) == labels).mean() >= 0.975
