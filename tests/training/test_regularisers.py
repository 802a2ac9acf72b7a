"""Dropout and batch normalisation: beside PyTorch, beside central differences, and folded away."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from glassnet import Dense, Network
from glassnet.activations import Array
from glassnet.errors import OptionError, ShapeError
from glassnet.network import STEPS, Activate, Add, ScaleShift
from glassnet.training import (
    LEARNING,
    TRAINING_STEPS,
    Adam,
    BatchNorm,
    CrossEntropy,
    Dropout,
    MeanSquaredError,
    Objective,
    Rows,
    fold,
    initialise,
    train,
)
from glassnet.training.regularisers import LEARNING_BACK


def random(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def norm(size: int, seed: int = 3, **options: Any) -> BatchNorm:
    generator = np.random.default_rng(seed)
    return BatchNorm(
        generator.uniform(0.5, 2, size),
        generator.standard_normal(size),
        generator.standard_normal(size),
        generator.uniform(0.5, 2, size),
        **options,
    )


def network(*between: Any) -> Network:
    return Network([Dense(random(3, 4, seed=1), random(4, seed=5)), *between, Dense(random(4, 2, seed=2))])


def test_every_step_of_training_has_its_ways() -> None:
    assert set(TRAINING_STEPS) == set(LEARNING) == set(LEARNING_BACK)
    assert not set(TRAINING_STEPS) & set(STEPS)


# --- slopes -------------------------------------------------------------------------------------------------


def differences(objective: Objective, rows: Rows, width: float = 1e-6) -> Array:
    """Return central differences of the loss in training, with the same random numbers for each."""
    kept, slopes = objective.state.copy(), np.empty_like(objective.parameters)
    for i in range(len(slopes)):
        losses = []
        for step in (width, -width):
            objective.state[:] = kept
            objective.parameters[i] += step
            losses.append(objective.differentiate(rows.x, rows.t, generator=np.random.default_rng(7)).loss)
        slopes[i] = (losses[0] - losses[1]) / (2 * width)
    objective.state[:] = kept
    return slopes


@pytest.mark.parametrize(
    "between",
    [
        [Dropout(0.5)],
        [norm(4)],
        [norm(4, epsilon=0.1), Activate("tanh"), Dropout(0.3)],
        [norm(4), Dropout(0.3), Dense(random(4, 4, seed=6)), norm(4, seed=8)],
    ],
    ids=lambda steps: "-".join(step.KIND for step in steps),
)
def test_slopes(between: list[Any]) -> None:
    objective = Objective(network(*between), MeanSquaredError())
    rows = Rows.of(objective.network(objective.state), random(6, 3), random(6, 2, seed=9))
    expected = differences(objective, rows)
    objective.differentiate(rows.x, rows.t, generator=np.random.default_rng(7))
    assert np.abs(expected).max() > 1e-2, "a check that could not fail"
    np.testing.assert_allclose(objective.gradient, expected, rtol=1e-5, atol=1e-7)


def test_a_wrong_slope_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {**LEARNING_BACK, "dropout": lambda step, factor, slope, out: slope}
    monkeypatch.setattr("glassnet.training.objective.LEARNING_BACK", wrong)
    with pytest.raises(AssertionError):
        test_slopes([Dropout(0.5)])


# --- beside PyTorch -----------------------------------------------------------------------------------------


def test_batch_normalisation_as_pytorch_does_it() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    ours = norm(4, follow=0.2, epsilon=1e-3)
    theirs = torch.nn.BatchNorm1d(4, eps=1e-3, momentum=0.2, dtype=torch.float64)
    for name, array in zip(("weight", "bias", "running_mean", "running_var"), ours.arrays.values(), strict=True):
        getattr(theirs, name).data = torch.tensor(array)
    start = Network([Dense(np.eye(4)), ours])
    objective = Objective(start, MeanSquaredError())
    for seed in range(3):
        x, t = random(7, 4, seed=seed), random(7, 4, seed=seed + 10)
        theirs.zero_grad()
        loss = torch.nn.functional.mse_loss(theirs(torch.tensor(x)), torch.tensor(t))
        loss.backward()
        score = objective.differentiate([x], t)
        assert score.loss == pytest.approx(loss.item(), rel=1e-12)
        np.testing.assert_allclose(objective.gradient[20:24], theirs.weight.grad.numpy(), rtol=1e-10)
        np.testing.assert_allclose(objective.gradient[24:], theirs.bias.grad.numpy(), rtol=1e-10)
    np.testing.assert_allclose(objective.state[28:32], theirs.running_mean.numpy(), rtol=1e-12)
    np.testing.assert_allclose(objective.state[32:], theirs.running_var.numpy(), rtol=1e-12)
    x = random(5, 4, seed=20)
    at_rest = theirs.eval()(torch.tensor(x)).detach().numpy()
    np.testing.assert_allclose(objective.network(objective.state)(x), at_rest, rtol=1e-12)


def test_dropout_keeps_its_share_and_the_mean() -> None:
    x = np.ones((400, 500), np.float32)
    value, factor = LEARNING["dropout"](Dropout(0.3), x, np.random.default_rng(0), {})
    assert set(np.unique(value)) == {np.float32(0), np.float32(1 / 0.7)}
    assert (value == 0).mean() == pytest.approx(0.3, abs=0.005)
    assert value.mean() == pytest.approx(1, abs=0.01)
    assert (value == factor).all()


# --- afterwards ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "kinds"),
    [
        ([Dense(random(3, 4)), norm(4), Activate("relu"), Dropout(0.2), Dense(random(4, 2))], ["dense", "dense"]),
        ([Dense(random(3, 4), activation="relu"), norm(4), Dense(random(4, 2))], ["dense", "scale_shift", "dense"]),
        ([Dense(random(3, 4)), Dropout(0.5), norm(4)], ["dense"]),
        ([norm(3), Dense(random(3, 2))], ["scale_shift", "dense"]),
        ([Dense(random(3, 4)), Activate("tanh"), Dropout(0.5)], ["dense", "activate"]),
    ],
)
def test_folding_changes_no_answer(steps: list[Any], kinds: list[str]) -> None:
    given = Network(steps, inputs=Network([Dense(np.eye(3))]).inputs)
    folded = fold(given)
    assert [step.KIND for step in folded.steps] == kinds
    assert all(step.sources == () for step in folded.steps)
    np.testing.assert_allclose(folded(random(9, 3)), given(random(9, 3)), rtol=1e-12)


def test_a_sum_that_others_read_stays() -> None:
    given = Network(
        [
            Dense(random(3, 3), name="a"),
            norm(3, name="n"),
            Dropout(0.5, name="d"),
            Add(sources=("a", "d"), name="y"),
        ]
    )
    folded = fold(given)
    assert [(step.KIND, step.sources) for step in folded.steps] == [
        ("dense", ()), ("scale_shift", ()), ("add", ("a", "n")),
    ]  # fmt: skip
    np.testing.assert_allclose(folded(random(9, 3)), given(random(9, 3)), rtol=1e-12)


def test_a_network_without_them_is_left_as_it_is() -> None:
    start = initialise((3, 4, 2))
    assert fold(start) is start


def test_what_is_trained_with_them_is_a_plain_network() -> None:
    x = random(200, 6).astype(np.float32)
    t = (x[:, 0] * x[:, 1] > 0).astype(int)
    start = initialise((6, 32, 16, 2), seed=0, dropout=0.1, normalise=True)
    assert [step.KIND for step in start.steps] == [*["dense", "batch_norm", "activate", "dropout"] * 2, "dense"]
    trained = train(start, x, t, loss=CrossEntropy(), optimizer=Adam(0.01), epochs=40, batch_size=20, validation=(x, t))
    network = trained.network
    assert [(step.KIND, step.name) for step in network.steps] == [("dense", f"dense{n}") for n in (1, 2, 3)]
    assert [layer.activation.name for layer in network.layers] == ["relu", "relu", "softmax"]
    best = min(trained.history, key=lambda epoch: epoch.validation_loss or 0)
    assert (network.predict(x) == t).mean() == pytest.approx(best.validation_accuracy)
    assert best.validation_accuracy is not None
    assert best.validation_accuracy > 0.9
    np.testing.assert_allclose(network.compile()(x), network(x), atol=1e-5)


def test_scale_shift_of_one_at_rest() -> None:
    found = norm(4).at_rest()
    assert isinstance(found, ScaleShift)
    np.testing.assert_allclose(found.apply(random(5, 4)), norm(4).apply(random(5, 4)))


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: Dropout(1.0), OptionError, "Dropout: share must be between 0 and 1, found 1.0"),
        (lambda: BatchNorm.of(3, follow=0), OptionError, "batch_norm: follow must be above 0 and at most 1, found 0"),
        (lambda: BatchNorm.of(3, epsilon=0), OptionError, "BatchNorm: epsilon must be a number above 0, found 0"),
        (lambda: BatchNorm([1.0], [1.0, 2.0], [1.0], [1.0]), ShapeError, "must be vectors of one length"),
        (lambda: network(BatchNorm.of(3)), ShapeError, "batch_norm1: normalises rows of shape (3,), found (4,)"),
    ],
)
def test_what_is_refused(make: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as caught:
        make()
    assert message in str(caught.value)
