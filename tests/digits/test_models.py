"""The shipped models: their recipes, their cards, what they read."""

from __future__ import annotations

import hashlib
import runpy
from pathlib import Path

import numpy as np
import pytest

from glassnet import digits
from glassnet.datasets import load_mnist

ROOT = Path(__file__).parents[2]
FILES = ROOT / "src" / "glassnet" / "digits" / "models"
SCRIPT = ROOT / "docs" / "make_models.py"
# Limits of the ladder: bytes, errors of 10,000.
LIMITS = {
    "digits": (3_000_000, 45),
    "digits-small": (200_000, 100),
    "digits-sigmoid": (200_000, 140),
    "digits-tiny": (60_000, 300),
}


@pytest.mark.parametrize("name", digits.MODELS)
def test_a_model_is_what_its_recipe_describes(name: str) -> None:
    network = digits.load_model(name)
    if name == "digits":  # its teacher is not shipped
        assert (ROOT / "recipes" / f"{name}.toml").exists()
    else:
        recipe = digits.read_recipe(ROOT / "recipes" / f"{name}.toml")
        assert [layer.outputs for layer in network.layers] == [*recipe.layers, len(recipe.labels)]
        assert {layer.activation.name for layer in network.layers[:-1]} == {recipe.activation}
        assert network.labels == recipe.labels
    assert network.dtype == np.float32
    assert network.inputs[0].scale == pytest.approx(1 / 255)


@pytest.mark.parametrize("name", digits.MODELS)
def test_a_card_is_about_the_file_that_is_shipped(name: str) -> None:
    content = (FILES / f"{name}.safetensors").read_bytes()
    card = digits.model_cards()[name]
    assert card["sha256"] == hashlib.sha256(content).hexdigest(), "run: python docs/make_models.py"
    assert card["bytes"] == len(content) <= LIMITS[name][0]


def test_the_pages_are_made_from_the_cards() -> None:
    pytest.importorskip("sklearn", reason="the script takes load_digits from scikit-learn")
    made = runpy.run_path(str(SCRIPT))
    for name, card in digits.model_cards().items():
        written = (made["PAGES"] / f"{name}.md").read_text("utf-8")
        assert written == made["page"](name, card), "run: python docs/make_models.py --pages"


@pytest.mark.parametrize("name", digits.MODELS)
def test_a_model_reads_the_test_images(name: str, data_folder: Path) -> None:
    _, (images, labels) = load_mnist(normalize=False, folder=data_folder / "mnist")
    errors = int((digits.load_model(name).compile().predict(images) != labels).sum())
    assert abs(errors - digits.model_cards()[name]["errors"]) <= 2, "the card says otherwise"
    assert errors <= LIMITS[name][1]
