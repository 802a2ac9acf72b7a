"""Training as a whole: it learns, it repeats itself bit by bit, it stops when it should, it says what went wrong."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from glassnet import Dense, Network
from glassnet.activations import Array
from glassnet.errors import DivergenceError, GlassnetError, GraphError, OptionError
from glassnet.network import Activate, Clip
from glassnet.training import (
    Adam,
    AdamW,
    CrossEntropy,
    Epoch,
    MeanSquaredError,
    Optimizer,
    Progress,
    Sgd,
    Training,
    initialise,
    json_lines,
    train,
)
from glassnet.training.loop import follow


def clouds(rows: int = 300, seed: int = 0) -> tuple[Array, Array]:
    """Return points around three centres that overlap a little, and which centre each belongs to."""
    generator = np.random.default_rng(seed)
    t = generator.integers(0, 3, rows)
    x = np.array([[0, 0], [2, 0], [0, 2]])[t] + 0.7 * generator.standard_normal((rows, 2))
    return x.astype(np.float32), t


def trained(**changed: Any) -> Training:
    x, t = clouds()
    options: dict[str, Any] = {
        "loss": CrossEntropy(),
        "optimizer": Adam(0.01),
        "epochs": 5,
        "batch_size": 32,
        "seed": 1,
    }
    network = changed.pop("network", initialise((2, 8, 3), hidden="tanh", seed=0))
    return train(network, changed.pop("x", x), changed.pop("t", t), **{**options, **changed})


def bits(training: Training) -> bytes:
    return b"".join(array.tobytes() for step in training.network.steps for array in step.arrays.values())


# --- it learns ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", [Sgd(0.1, 0.9), Adam(0.005), AdamW(0.005)], ids=lambda o: type(o).__name__)
def test_handwritten_digits(optimizer: Optimizer) -> None:
    from sklearn.datasets import load_digits

    pictures, labels = load_digits(return_X_y=True)
    x = (pictures / 16).astype(np.float32)
    order = np.random.default_rng(0).permutation(len(x))
    learned, unseen = order[400:], order[:400]
    start = initialise((64, 64, 10), seed=1)
    training = train(
        start, x[learned], labels[learned], loss=CrossEntropy(), optimizer=optimizer, epochs=30, batch_size=32
    )
    assert (training.network.predict(x[unseen]) == labels[unseen]).mean() >= 0.95
    assert training.history[-1].accuracy == pytest.approx(1, abs=0.01)


def test_the_sine() -> None:
    x = np.linspace(-np.pi, np.pi, 400, dtype=np.float32)[:, np.newaxis]
    start = initialise((1, 32, 1), hidden="tanh", output="identity", seed=0)
    training = train(start, x, np.sin(x), loss=MeanSquaredError(), optimizer=Adam(0.01), epochs=400, batch_size=50)
    assert np.abs(training.network(x) - np.sin(x)).max() < 0.1
    assert training.history[-1].accuracy is None


def test_the_diabetes_of_scikit_learn_as_well_as_its_own_linear_model() -> None:
    from sklearn.datasets import load_diabetes
    from sklearn.linear_model import LinearRegression

    x, t = load_diabetes(return_X_y=True, scaled=False)
    x, t = (x - x.mean(axis=0)) / x.std(axis=0), (t - t.mean()) / t.std()
    learned, unseen = slice(0, 350), slice(350, None)
    start = initialise((10, 16, 1), hidden="tanh", output="identity", seed=0)
    training = train(
        start, x[learned], t[learned], loss=MeanSquaredError(), optimizer=AdamW(0.003, weight_decay=0.1),
        epochs=200, batch_size=32, validation=0.2, patience=20,
    )  # fmt: skip
    linear = LinearRegression().fit(x[learned], t[learned]).predict(x[unseen])
    ours = training.network(x[unseen])[:, 0]
    assert ((ours - t[unseen]) ** 2).mean() < 1.1 * ((linear - t[unseen]) ** 2).mean()


def test_a_network_that_is_no_chain() -> None:
    start = Network(
        [
            *initialise((2, 8), hidden="tanh", output="tanh", seed=0).steps,
            Clip(-0.9, 0.9),
            Dense(np.zeros((8, 3), np.float32), sources=("clip1",)),
            Activate("softmax"),
        ],
        labels=range(3),
    )
    assert trained(network=start, epochs=20).history[-1].accuracy == pytest.approx(0.85, abs=0.05)


# --- it repeats itself --------------------------------------------------------------------------------------


def test_the_same_arguments_give_the_same_bits() -> None:
    one, two = trained(), trained()
    assert bits(one) == bits(two)
    assert one.history == two.history
    assert bits(trained(seed=2)) != bits(one)


def test_the_given_network_is_not_changed() -> None:
    start = initialise((2, 8, 3), seed=0)
    before = [array.copy() for step in start.steps for array in step.arrays.values()]
    trained(network=start)
    after = [array for step in start.steps for array in step.arrays.values()]
    assert all(np.array_equal(one, two) for one, two in zip(before, after, strict=True))


def test_a_trained_network_is_like_any_other() -> None:
    network = trained().network
    assert network.labels == (0, 1, 2)
    assert network.dtype == np.float32
    for layer in network.layers:
        assert layer.weights.base is None
        assert not layer.weights.flags.writeable


# --- what is decided after an epoch -------------------------------------------------------------------------


def test_the_epoch_with_the_lowest_validation_loss_is_kept() -> None:
    x, t = clouds(60)
    other_x, other_t = clouds(60, seed=1)
    training = trained(
        network=initialise((2, 64, 3), seed=0), x=x, t=t, validation=(other_x, other_t), epochs=40, optimizer=Adam(0.02)
    )
    losses = [epoch.validation_loss for epoch in training.history]
    best = int(np.argmin(losses))  # type: ignore[arg-type]
    assert best < len(losses) - 1, "a run that does not get worse proves nothing"
    probabilities = training.network(other_x)[np.arange(60), other_t]
    assert -np.log(probabilities).mean() == pytest.approx(losses[best], rel=1e-5)
    accuracy = (training.network.predict(other_x) == other_t).mean()
    assert accuracy == pytest.approx(training.history[best].validation_accuracy)


def test_patience_ends_a_run_that_gets_no_better() -> None:
    x, t = clouds(60)
    training = trained(
        network=initialise((2, 64, 3), seed=0), x=x, t=t, validation=clouds(60, seed=1), epochs=200,
        optimizer=Adam(0.02), patience=3,
    )  # fmt: skip
    losses = [epoch.validation_loss for epoch in training.history]
    assert len(losses) < 200
    assert len(losses) - 1 - int(np.argmin(losses)) == 3  # type: ignore[arg-type]


def test_without_validation_the_last_epoch_is_returned() -> None:
    x, t = clouds()
    training = trained()
    assert training.history[-1].validation_loss is None
    again = trained(network=training.network, epochs=1, optimizer=Sgd(1e-30))
    expected = -np.log(training.network(x)[np.arange(len(x)), t]).mean()
    assert again.history[0].loss == pytest.approx(expected, rel=1e-5)


def test_the_average_that_pytorch_would_keep() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    kept = torch.optim.swa_utils.AveragedModel(
        torch.nn.Linear(4, 1, bias=False), multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9)
    )
    average = np.zeros(4, np.float32)
    for count in range(1, 8):
        state = np.random.default_rng(count).standard_normal(4).astype(np.float32)
        model = torch.nn.Linear(4, 1, bias=False)
        model.weight.data = torch.tensor(state[np.newaxis])
        kept.update_parameters(model)
        follow(average, state, 0.9 if count > 1 else 0.0)
    np.testing.assert_allclose(average, kept.module.weight.detach().numpy()[0], rtol=1e-5)


def test_the_average_is_what_is_judged_and_returned() -> None:
    x, t = clouds()
    training = trained(average=0.99, validation=(x, t), epochs=8)
    best = min(training.history, key=lambda epoch: epoch.validation_loss or 0)
    probabilities = training.network(x)[np.arange(len(x)), t]
    assert -np.log(probabilities).mean() == pytest.approx(best.validation_loss, rel=1e-5)
    assert bits(training) != bits(trained(validation=(x, t), epochs=8))


# --- what it tells ------------------------------------------------------------------------------------------


def test_progress_is_told_after_each_batch() -> None:
    told: list[Progress] = []
    training = trained(epochs=2, batch_size=100, progress=told.append)
    assert [(p.epoch, p.epochs, p.batch, p.batches) for p in told] == [(e, 2, b, 3) for e in (1, 2) for b in (1, 2, 3)]
    assert (told[-1].loss, told[-1].accuracy) == (training.history[-1].loss, training.history[-1].accuracy)
    assert told[0].seconds_left > 0
    assert told[-1].seconds_left == 0
    assert told[-1].rows_per_second > 0


def test_history_as_json_lines() -> None:
    history = trained(epochs=2, validation=0.25).history
    lines = json_lines(history).splitlines()
    assert [Epoch(**json.loads(line)) for line in lines] == list(history)
    assert dataclasses.replace(history[0], seconds=7) == history[0]


# --- what is refused, and what went wrong -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "kind", "message"),
    [
        ({"epochs": 0}, OptionError, "epochs must be 1 or more, found 0"),
        ({"batch_size": 0}, OptionError, "batch_size must be 1 or more, found 0"),
        ({"seed": -1}, OptionError, "seed must be 0 or more, found -1"),
        ({"patience": 0, "validation": 0.5}, OptionError, "patience must be 1 or more, found 0"),
        ({"average": 1.0}, OptionError, "average must be at least 0 and below 1, found 1.0"),
        ({"average": "long"}, OptionError, "average must be at least 0 and below 1, found 'long'"),
        ({"workers": -1}, OptionError, "workers must be 0 or more, found -1"),
        ({"patience": 3}, OptionError, "patience needs validation rows to watch"),
        (
            {"network": initialise((2, 3), output="identity").replace(labels=range(3))},
            OptionError,
            "cross-entropy needs an output of softmax, log_softmax or a single sigmoid, found identity",
        ),
        (
            {"network": initialise((2, 4, 3), hidden="step")},
            OptionError,
            "dense1: the step function cannot be trained, because its slope is 0 everywhere",
        ),
        (
            {"network": Network([Dense(np.eye(2)), Dense(np.eye(2))], outputs=("dense1", "dense2"))},
            GraphError,
            "training needs a network with one output, found 2",
        ),
        (
            {"network": Network([Dense(np.eye(2)), Clip(0, 1, sources=("x",))]), "t": np.zeros((300, 2))},
            GraphError,
            "the output 'clip1' depends on no parameters, so there is nothing to train",
        ),
    ],
)
def test_what_is_refused(changed: dict[str, Any], kind: type[GlassnetError], message: str) -> None:
    with pytest.raises(kind) as caught:
        trained(**changed)
    assert message in str(caught.value)


def regression(**changed: Any) -> Training:
    x = np.linspace(-1, 1, 64, dtype=np.float32)[:, np.newaxis]
    options: dict[str, Any] = {"x": x, "t": 3 * x, "optimizer": Sgd(0.1), "loss": MeanSquaredError(), "batch_size": 16}
    return trained(**{"network": initialise((1, 8, 1), output="identity", seed=0), **options, **changed})


def test_a_rate_that_is_too_high_is_named() -> None:
    with pytest.raises(
        DivergenceError, match=r"epoch \d+, batch \d of 4: the loss is (inf|nan); likely the rate 1000"
    ) as caught:
        regression(optimizer=Sgd(1000))
    assert "try a tenth of it" in str(caught.value)


def test_a_last_update_that_breaks_the_parameters_is_noticed() -> None:
    with pytest.raises(DivergenceError, match="after epoch 1: a parameter is not finite"):
        regression(optimizer=Sgd(1e39), batch_size=64)


def test_the_row_that_is_not_finite_is_named() -> None:
    x = np.linspace(-1, 1, 64, dtype=np.float32)[:, np.newaxis]
    x[17] = np.nan
    with pytest.raises(DivergenceError, match="the loss is nan, because training row 17 holds NaN or infinity"):
        regression(x=x)
    with pytest.raises(DivergenceError, match="the validation loss is nan, because validation row 17 holds NaN or"):
        regression(validation=(x, x))
