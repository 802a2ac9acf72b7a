"""Recognising: what comes back, which networks will do, which models there are."""

from __future__ import annotations

from importlib import resources

import cv2
import numpy as np
import pytest

from glassnet import digits
from glassnet.digits.pen import draw_digit
from glassnet.errors import GraphError, OptionError, PictureError, ShapeError
from glassnet.network import Dense, Input, Network

FIRST_COLUMNS = np.zeros((784, 10), np.float32)
FIRST_COLUMNS[406:420, 4] = 1.0  # the middle row's right half, for 4


def network(inputs: Input, labels: tuple[int | str, ...] | None, outputs: int = 10) -> Network:
    return Network([Dense(FIRST_COLUMNS[:, :outputs], activation="softmax")], inputs=inputs, labels=labels)


def test_what_comes_back() -> None:
    picture = np.pad(draw_digit(4), 20)
    found = digits.recognise(picture, network(Input((784,), scale=1 / 255), tuple(range(10))))
    assert found.label == 4
    assert type(found.label) is int
    assert found.probabilities.shape == (10,)
    assert found.probability == pytest.approx(float(found.probabilities[4]))
    np.testing.assert_array_equal(found.prepared, digits.prepare(picture))


def test_a_compiled_network_does_as_well() -> None:
    picture = np.pad(draw_digit(4), 20)
    plain = network(Input((784,), scale=1 / 255), tuple("abcdefghij"))
    found, expected = (digits.recognise(picture, each) for each in (plain.compile(cache=False), plain))
    assert found.label == expected.label == "e"
    np.testing.assert_allclose(found.probabilities, expected.probabilities, rtol=1e-6)


def test_labels_may_be_words() -> None:
    named = network(Input((784,)), tuple("abcdefghij"))
    assert digits.recognise(np.pad(draw_digit(4), 20), named).label == "e"


def test_one_probability_for_two_labels() -> None:
    unlikely = Network([Dense(np.zeros((784, 1)), [-2.0], "sigmoid")], labels=("no", "yes"))
    found = digits.recognise(np.pad(draw_digit(4), 20), unlikely)
    assert found.label == "no"
    assert found.probability == pytest.approx(1 / (1 + np.exp(-2)))
    assert found.probabilities.sum() == pytest.approx(1)


def test_networks_that_will_not_do() -> None:
    picture = np.pad(draw_digit(4), 20)
    with pytest.raises(GraphError, match="the network answers values, expected one with labels"):
        digits.recognise(picture, network(Input((784,)), None))
    other = Network([Dense(np.ones((3, 2)))], labels=(0, 1))
    with pytest.raises(ShapeError, match=r"the network reads rows of shape \(3,\), expected \(784,\)"):
        digits.recognise(picture, other)


def test_a_picture_without_a_digit() -> None:
    with pytest.raises(PictureError, match="no ink found"):
        digits.recognise(np.zeros((28, 28)), network(Input((784,)), tuple(range(10))))


def test_every_model_named_is_shipped_and_no_other() -> None:
    folder = resources.files("glassnet.digits") / "models"
    shipped = {entry.name for entry in folder.iterdir() if entry.name.endswith(".safetensors")}
    assert shipped == {f"{name}.safetensors" for name in (*digits.MODELS, "borders")}  # borders: the page reader's own


@pytest.mark.parametrize("name", digits.MODELS)
def test_a_shipped_model_reads_28_by_28_pixels(name: str) -> None:
    model = digits.load_model(name)
    labels = (*range(10), "none") if name == "digits" else tuple(range(10))
    assert model.labels == labels
    assert model(np.zeros((28, 28), np.uint8)).shape == (len(labels),)
    assert digits.load_model(name) is model


def test_a_letter_is_none_and_a_digit_is_itself() -> None:
    letter = np.full((80, 80), 250, np.uint8)
    cv2.putText(letter, "W", (10, 60), cv2.FONT_HERSHEY_SIMPLEX, 2.0, 20, 4, cv2.LINE_AA)
    assert digits.recognise(letter).label == digits.NONE
    found = digits.recognise(np.pad(draw_digit(4), 20))
    assert (found.label, type(found.label)) == (4, int)


def test_a_model_that_is_not_shipped() -> None:
    with pytest.raises(OptionError, match="no shipped model 'letters'") as caught:
        digits.load_model("letters")
    assert caught.value.hint == f"choose one of: {', '.join(digits.MODELS)}"
