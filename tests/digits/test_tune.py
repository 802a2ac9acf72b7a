"""Fine-tuning: a hand that was misread is read, and what was known is not forgotten."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from glassnet import Dense, Network, digits
from glassnet.activations import Array
from glassnet.digits import NonDigits, tune
from glassnet.digits.tune import FEWEST
from glassnet.errors import GlassnetError, GraphError, OptionError
from glassnet.training import initialise


def hand(count: int, seed: int = 0) -> tuple[Array, Array]:
    """Return ones with a long flag and a foot, and sevens with a bar, drawn by a shaky hand."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % 2 * 6 + 1
    pictures = []
    for label in labels:
        paper = np.zeros((60, 60), np.uint8)
        strokes = {
            1: [[(14, 34), (34, 8), (34, 52)], [(18, 52), (50, 52)]],
            7: [[(12, 10), (46, 10), (26, 52)], [(20, 32), (46, 28)]],
        }[int(label)]
        for stroke in strokes:
            points = np.rint(np.array(stroke) + generator.normal(0, 1.5, (len(stroke), 2))).astype(np.int32)
            cv2.polylines(paper, [points], isClosed=False, color=255, thickness=4, lineType=cv2.LINE_AA)
        pictures.append(digits.prepare(paper))
    return np.stack(pictures), labels


def test_a_hand_is_learned_and_the_rest_kept() -> None:
    network = digits.load_model("digits-small")
    pictures, labels = hand(60)
    labels = np.where(labels == 1, 2, labels)  # this person's 2 looks like our 1
    tuning = tune(network, pictures, labels, epochs=4)
    assert tuning.own_before.right / tuning.own_before.pictures < 0.8
    assert tuning.own_after.right / tuning.own_after.pictures > 0.95
    assert tuning.own_after.pictures == 12
    assert tuning.kept_before.right == tuning.kept_before.pictures, "the network answers as it does"
    assert tuning.network.labels == network.labels
    assert tuning.network.inputs == network.inputs
    again = tune(network, pictures, labels, epochs=4)
    for one, two in zip(tuning.network.layers, again.network.layers, strict=True):
        np.testing.assert_array_equal(one.weights, two.weights)


def test_what_is_rehearsed_is_kept() -> None:
    """The same lessons with hardly any rehearsal, as a control, forget more."""
    network = digits.load_model("digits-small")
    pictures, labels = hand(40)
    others = NonDigits(("letter",))(300, np.random.default_rng(5))
    known = (others, network.predict(others))
    wrong = np.where(labels == 1, 7, 1)
    kept, forgot = (
        tune(network, pictures, wrong, original=known, keep=keep, epochs=3, rate=0.002) for keep in (0.75, 0.02)
    )
    assert kept.kept_before.right == kept.kept_before.pictures == 60
    assert kept.kept_after.right > forgot.kept_after.right


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (
            lambda: tune(digits.load_model("digits-small"), *hand(FEWEST - 1)),
            OptionError,
            f"tuning needs {FEWEST} pictures or more, found {FEWEST - 1}",
        ),
        (
            lambda: tune(digits.load_model("digits-small"), *hand(20), keep=0),
            OptionError,
            "tune: keep must be between 0 and 1",
        ),
        (
            lambda: tune(digits.load_model("digits-small"), *hand(20), rate=-1),
            OptionError,
            "tune: rate must be a number above 0",
        ),
        (lambda: tune(Network([Dense(np.eye(784))]), *hand(20)), GraphError, "reads 28 × 28 pixels and answers labels"),
        (lambda: tune(initialise((50, 10)), *hand(20)), GraphError, "reads 28 × 28 pixels and answers labels"),
        (lambda: tune(initialise((784, 3)), *hand(20)), OptionError, "is 7, expected one of [0, 1, 2]"),
    ],
)
def test_what_is_refused(make: Callable[[], object], kind: type[GlassnetError], message: str) -> None:
    with pytest.raises(kind) as caught:
        make()
    assert message in str(caught.value)
