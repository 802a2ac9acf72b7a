"""The losses: their values beside plain formulas, and what they refuse."""

from __future__ import annotations

import math

import numpy as np
import pytest

from glassnet import ACTIVATIONS, Network
from glassnet.activations import softmax
from glassnet.errors import OptionError
from glassnet.training import CrossEntropy, MeanSquaredError, Objective, Rows, initialise


def test_cross_entropy_is_the_mean_of_minus_log_probability_of_the_right_class() -> None:
    a = np.array([[0.3, 2.9, 4.0], [1.0, 0.0, -1.0]])
    t = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    outcome = CrossEntropy()(a, ACTIVATIONS["softmax"], t)
    assert outcome.loss == pytest.approx(-(math.log(0.73659691) + math.log(softmax(a)[1, 0])) / 2)
    np.testing.assert_allclose(outcome.answer, softmax(a))
    np.testing.assert_allclose(outcome.slope, (softmax(a) - t) / 2)


@pytest.mark.parametrize("h", ["softmax", "log_softmax"])
def test_cross_entropy_is_finite_where_the_probability_is_0(h: str) -> None:
    a, t = np.array([[1000.0, -1000.0]], dtype=np.float32), np.array([[0.0, 1.0]], dtype=np.float32)
    outcome = CrossEntropy()(a, ACTIVATIONS[h], t)
    assert outcome.loss == 2000
    np.testing.assert_array_equal(outcome.slope, [[1, -1]])


@pytest.mark.parametrize(("a", "t", "loss"), [(1000.0, 0.0, 1000.0), (-1000.0, 1.0, 1000.0), (0.0, 1.0, math.log(2))])
def test_binary_cross_entropy_does_not_overflow(a: float, t: float, loss: float) -> None:
    outcome = CrossEntropy()(np.array([[a]]), ACTIVATIONS["sigmoid"], np.array([[t]]))
    assert outcome.loss == pytest.approx(loss)


def test_mean_squared_error_is_the_mean_over_rows_and_values() -> None:
    outcome = MeanSquaredError()(np.array([[1.0, 2.0]]), ACTIVATIONS["identity"], np.array([[0.0, 4.0]]))
    assert outcome.loss == 2.5
    np.testing.assert_array_equal(outcome.slope, [[1.0, -2.0]])


@pytest.mark.parametrize(("output", "size"), [("identity", 3), ("relu", 3), ("sigmoid", 3), ("tanh", 1)])
def test_cross_entropy_refuses_an_output_that_is_no_distribution(output: str, size: int) -> None:
    h = Objective(initialise((2, size), output=output, seed=0), CrossEntropy()).activation
    with pytest.raises(
        OptionError, match=f"needs an output of softmax, log_softmax or a single sigmoid, found {output}"
    ):
        CrossEntropy().check(h, np.full((1, size), 1 / size))


@pytest.mark.parametrize(
    ("output", "t"),
    [("softmax", [[0.7, 0.7]]), ("softmax", [[1.5, -0.5]]), ("softmax", [[np.nan, 1]]), ("sigmoid", [[1.5]])],
)
def test_cross_entropy_refuses_targets_that_are_no_probabilities(output: str, t: list[list[float]]) -> None:
    with pytest.raises(OptionError, match="targets that are probabilities, found"):
        CrossEntropy().check(ACTIVATIONS[output], np.array(t))


# --- targets and hits ---------------------------------------------------------------------------------------


def hits(network: Network, x: object, t: object) -> int | None:
    rows = Rows.of(network, x, t)  # type: ignore[arg-type]
    return Objective(network, CrossEntropy()).evaluate(rows).hits


def test_hits_agree_with_predict() -> None:
    network = initialise((3, 4), seed=0).replace(labels=("a", "b", "c", "d"))
    x = np.random.default_rng(0).standard_normal((10, 3))
    t = network.predict(x)
    assert hits(network, x, t) == 10
    t[:3] = ["b" if label == "a" else "a" for label in t[:3]]
    assert hits(network, x, t) == 7


def test_hits_of_a_single_probability_agree_with_predict() -> None:
    network = initialise((3, 1), output="sigmoid", seed=0).replace(labels=("no", "yes"))
    x = np.random.default_rng(0).standard_normal((10, 3))
    t = network.predict(x)
    assert set(t) == {"no", "yes"}
    assert hits(network, x, t) == 10


def test_values_have_no_hits() -> None:
    network = initialise((3, 4), seed=0).replace(labels=None)
    assert hits(network, np.ones((1, 3)), [[1, 0, 0, 0]]) is None
