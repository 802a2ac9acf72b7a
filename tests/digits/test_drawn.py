"""Digits of the project's own pen: in MNIST's form, each digit in each way of writing it, read as what they are."""

from __future__ import annotations

import numpy as np

from glassnet import digits
from glassnet.digits import Recipe
from glassnet.digits.drawn import drawn_digits


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def test_they_have_the_form_of_mnist() -> None:
    pictures, labels = drawn_digits(40, generator())
    assert pictures.shape == (40, 28, 28)
    assert pictures.dtype == np.uint8
    assert np.bincount(labels).tolist() == [4] * 10
    for picture in pictures:
        rows, columns = (np.flatnonzero(picture.any(axis=axis)) for axis in (1, 0))
        assert max(np.ptp(rows), np.ptp(columns)) + 1 == 20
        mass = picture.sum(dtype=float)
        centre = [float(picture.sum(axis=1 - axis) @ np.arange(28)) / mass for axis in (0, 1)]
        np.testing.assert_allclose(centre, 14, atol=1.01)


def test_a_seed_draws_the_same_and_another_seed_others() -> None:
    (first, _), (again, _), (other, _) = (drawn_digits(10, generator(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any(axis=(1, 2)).all()


def test_the_shipped_network_reads_them() -> None:
    pictures, labels = drawn_digits(500, generator(5))
    answers = digits.load_model("digits").predict(pictures.reshape(-1, 784))
    assert np.mean([answer == label for answer, label in zip(answers, labels, strict=True)]) > 0.98


def test_a_recipe_learns_them_beside_its_own() -> None:
    pictures, labels = np.zeros((20, 28, 28), np.uint8), np.arange(20) % 10
    recipe = Recipe((30,), drawn=1500, epochs=12, hold_out=0)
    network = recipe.train(pictures, labels).network
    drawn, known = drawn_digits(200, generator(9))
    assert float(np.mean(network.predict(drawn.reshape(-1, 784)) == known)) > 0.9
