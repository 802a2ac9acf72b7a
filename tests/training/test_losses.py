"""The losses: their values beside plain formulas, and what they refuse."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from glassnet import ACTIVATIONS, Network
from glassnet.activations import softmax
from glassnet.errors import OptionError
from glassnet.training import CrossEntropy, Distillation, MeanSquaredError, Objective, Rows, initialise

GENERATOR = np.random.default_rng(0)
A = GENERATOR.standard_normal((6, 4))
T = GENERATOR.dirichlet(np.ones(4), 6)
WEIGHTS = np.array([1.0, 2.0, 0.0, 0.5, 4.0, 1.0])


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


# --- beside PyTorch -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("class_weights", [None, (1.0, 2.0, 0.5, 3.0)])
def test_cross_entropy_as_pytorch_has_it(smoothing: float, class_weights: tuple[float, ...] | None) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    theirs = torch.nn.CrossEntropyLoss(
        label_smoothing=smoothing, weight=None if class_weights is None else torch.tensor(class_weights).double()
    )
    a = torch.tensor(A, requires_grad=True)
    loss = theirs(a, torch.tensor(T))
    loss.backward()
    outcome = CrossEntropy(smoothing, class_weights)(A, ACTIVATIONS["softmax"], T)
    assert outcome.loss == pytest.approx(loss.item(), rel=1e-12)
    np.testing.assert_allclose(outcome.slope, a.grad.numpy(), rtol=1e-10, atol=1e-14)


def test_weighted_rows_as_pytorch_would_sum_them() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    a, weights = torch.tensor(A, requires_grad=True), torch.tensor(WEIGHTS)
    each = torch.nn.functional.cross_entropy(a, torch.tensor(T), reduction="none")
    loss = (each * weights).sum() / weights.sum()
    loss.backward()
    outcome = CrossEntropy()(A, ACTIVATIONS["softmax"], T, WEIGHTS)
    assert outcome.loss == pytest.approx(loss.item(), rel=1e-12)
    np.testing.assert_allclose(outcome.slope, a.grad.numpy(), rtol=1e-10, atol=1e-14)
    squared = ((A - T) ** 2).mean(axis=1)
    outcome = MeanSquaredError()(A, ACTIVATIONS["identity"], T, WEIGHTS)
    assert outcome.loss == pytest.approx((squared * WEIGHTS).sum() / WEIGHTS.sum())


def test_one_sigmoid_with_class_weights_as_pytorch_has_it() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    theirs = torch.nn.BCEWithLogitsLoss(pos_weight=torch.tensor(3.0).double())
    a, t = A[:, :1], T[:, :1]
    expected = theirs(torch.tensor(a), torch.tensor(t)).item()
    assert CrossEntropy(class_weights=(1, 3))(a, ACTIVATIONS["sigmoid"], t).loss == pytest.approx(expected, rel=1e-12)


def test_distillation_as_pytorch_has_it() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    teacher = initialise((3, 5, 4), seed=4)
    x = GENERATOR.standard_normal((6, 3)).astype(np.float32)
    loss = Distillation(teacher, temperature=3, soft=0.7, labels=CrossEntropy(smoothing=0.1))
    outcome = loss(A, ACTIVATIONS["softmax"], loss.targets((x,), T), WEIGHTS)
    first, last = teacher.layers
    sums = torch.tensor(last.affine(first(x)).astype(np.float64))
    a, weights = torch.tensor(A, requires_grad=True), torch.tensor(WEIGHTS)
    functional = torch.nn.functional
    soft = functional.kl_div((a / 3).log_softmax(1), (sums / 3).log_softmax(1), reduction="none", log_target=True)
    hard = functional.cross_entropy(a, torch.tensor(T), reduction="none", label_smoothing=0.1)
    expected = ((0.7 * 9 * soft.sum(1) + 0.3 * hard) * weights).sum() / weights.sum()
    expected.backward()
    assert outcome.loss == pytest.approx(expected.item(), rel=1e-5)
    np.testing.assert_allclose(outcome.slope, a.grad.numpy(), rtol=1e-4, atol=1e-6)


def test_a_student_comes_to_answer_as_its_teacher() -> None:
    teacher = initialise((3, 5, 4), seed=4)
    x = GENERATOR.standard_normal((6, 3)).astype(np.float32)
    loss = Distillation(teacher, soft=1.0)
    t = loss.targets((x,), T)
    same = np.log(np.asarray(teacher(x), np.float64))
    outcome = loss(same, ACTIVATIONS["softmax"], t)
    assert outcome.loss == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(outcome.slope, 0, atol=1e-6)


def test_a_teacher_is_believed_where_it_is_right() -> None:
    teacher = initialise((3, 5, 4), seed=4)
    x = GENERATOR.standard_normal((50, 3)).astype(np.float32)
    t = np.eye(4)[GENERATOR.integers(4, size=50)]
    always, where_right = (Distillation(teacher, where_right=believed).targets((x,), t) for believed in (False, True))
    right = np.asarray(teacher(x)).argmax(axis=1) == t.argmax(axis=1)
    assert 0 < right.sum() < 50
    np.testing.assert_array_equal(where_right[right], always[right])
    np.testing.assert_array_equal(where_right[~right, 1], t[~right])
    np.testing.assert_array_equal(where_right[:, 0], t)


def test_held_out_rows_are_judged_by_their_labels() -> None:
    teacher = initialise((3, 5, 4), seed=4)
    assert CrossEntropy(0.1, (1, 2, 3, 4)).judge() == CrossEntropy()
    assert Distillation(teacher).judge() == CrossEntropy()
    assert Distillation(teacher).describe() != Distillation(initialise((3, 5, 4), seed=5)).describe()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CrossEntropy(1.0), "CrossEntropy: smoothing must be at least 0 and below 1, found 1.0"),
        (lambda: CrossEntropy(class_weights=(1, 0)), "CrossEntropy: class_weights must be numbers above 0"),
        (lambda: Distillation(initialise((3, 4)), temperature=0), "Distillation: temperature must be a number above 0"),
        (lambda: Distillation(initialise((3, 4)), soft=2), "Distillation: soft must be from 0 to 1, found 2"),
        (
            lambda: Distillation(initialise((3, 4)), where_right="yes"),  # type: ignore[arg-type]
            "Distillation: where_right must be true or false, found 'yes'",
        ),
        (lambda: Distillation("digits"), "Distillation: teacher must be a Network, found 'digits'"),  # type: ignore[arg-type]
        (
            lambda: CrossEntropy(class_weights=(1, 2)).check(ACTIVATIONS["softmax"], T),
            "CrossEntropy: 2 class_weights, expected 4",
        ),
        (
            lambda: Distillation(initialise((3, 5))).check(ACTIVATIONS["softmax"], T),
            "Distillation: the teacher answers rows of shape (5,), the network (4,)",
        ),
    ],
)
def test_options_that_do_not_fit(make: Callable[[], object], message: str) -> None:
    with pytest.raises(OptionError) as caught:
        make()
    assert message in str(caught.value)


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
