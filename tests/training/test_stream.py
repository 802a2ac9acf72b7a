"""Streams: what an epoch shows, that a batch is decided by its place, and what is refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from glassnet import Input, Network
from glassnet.activations import Array
from glassnet.errors import DivergenceError, OptionError, ShapeError
from glassnet.training import (
    Adam,
    Answered,
    Batch,
    CrossEntropy,
    Distillation,
    Examples,
    Made,
    Mixed,
    Mixup,
    Place,
    Stream,
    initialise,
    train,
)

CLASSIFIER = initialise((4, 3), seed=0)
PIXELS = initialise((4, 3), seed=0).replace(inputs=Input((4,), scale=1 / 255))
X = np.arange(40, dtype=np.float32).reshape(10, 4)
T = np.arange(10) % 3


def shaken(x: Array, generator: np.random.Generator) -> Array:
    return x + generator.standard_normal(x.shape, dtype=np.float32)


def squares(count: int, generator: np.random.Generator) -> Array:
    return generator.integers(0, 256, (count, 2, 2), dtype=np.uint8)


PICTURES = squares(10, np.random.default_rng(0))
STREAMS: dict[str, tuple[Network, Stream]] = {
    "examples": (CLASSIFIER, Examples(X, T)),
    "weighted": (CLASSIFIER, Examples(X, T, weights=np.arange(10))),
    "changed": (CLASSIFIER, Examples(X, T, change=shaken)),
    "made": (PIXELS, Made(squares)),
    "mixed": (PIXELS, Mixed(Examples(PICTURES, T), Made(squares), 0.25)),
    "mixup": (PIXELS, Mixup(Examples(PICTURES, T, weights=np.arange(10)))),
    "answered": (PIXELS, Answered(Examples(PICTURES, T), initialise((4, 3), seed=7).replace(inputs=PIXELS.inputs))),
    "all": (PIXELS, Mixup(Mixed(Examples(PICTURES, T), Mixed(Made(squares), Examples(PICTURES, T), 0.5), 0.5), 0.3)),
}


def same(one: Batch, two: Batch) -> bool:
    def arrays(batch: Batch) -> list[Array]:
        return [*batch.x, batch.t, *([] if batch.weights is None else [batch.weights])]

    return all(np.array_equal(a, b) for a, b in zip(arrays(one), arrays(two), strict=True))


@pytest.mark.parametrize("name", STREAMS)
def test_a_batch_is_decided_by_its_place(name: str) -> None:
    network, stream = STREAMS[name]
    source, again = stream.source(network), stream.source(network)
    place = Place(5, 2, 1)
    batch = source.batch(4, place)
    for other in (Place(5, 2, 0), Place(5, 1, 1), Place(4, 2, 1)):
        assert not same(again.batch(4, other), batch), other
    assert same(again.batch(4, place), batch)
    assert source.description == again.description
    assert len(batch.t) == len(batch.x[0])
    np.testing.assert_allclose(batch.t.sum(axis=1), 1, rtol=1e-6)


def test_descriptions_tell_streams_apart() -> None:
    described = {stream.source(network).description for network, stream in STREAMS.values()}
    described.add(Mixup(STREAMS["mixup"][1], 0.4).source(PIXELS).description)
    assert len(described) == len(STREAMS) + 1


def shown(stream: Stream, size: int, seed: int, epoch: int) -> list[list[float]]:
    source = stream.source(CLASSIFIER)
    places = [Place(seed, epoch, number) for number in range(source.batches(size))]
    return [source.batch(size, place).x[0][:, 0].tolist() for place in places]


def test_an_epoch_shows_every_row_once_with_its_target_and_weight() -> None:
    source = Examples(X, T, weights=np.arange(10)).source(CLASSIFIER)
    seen: dict[float, tuple[int, float]] = {}
    for number in range(source.batches(4)):
        (x,), t, weights = source.batch(4, Place(1, 1, number))
        assert weights is not None
        for key, target, weight in zip(x[:, 0].tolist(), t.argmax(axis=1).tolist(), weights.tolist(), strict=True):
            seen[key] = (target, weight)
    assert seen == {float(X[row, 0]): (int(T[row]), float(row)) for row in range(10)}


def test_the_order_is_decided_by_seed_and_epoch() -> None:
    rows = Examples(X, T)
    assert [len(batch) for batch in shown(rows, 4, 1, 1)] == [4, 4, 2]
    assert shown(rows, 4, 1, 1) == shown(rows, 4, 1, 1)
    assert shown(rows, 4, 1, 1) != shown(rows, 4, 1, 2)
    assert shown(rows, 4, 1, 1) != shown(rows, 4, 2, 1)
    assert [len(batch) for batch in shown(rows, 128, 0, 1)] == [10]


def test_a_change_sees_what_was_given() -> None:
    shapes = []

    def seen(x: Array, generator: np.random.Generator) -> Array:
        shapes.append((x.shape, x.dtype))
        return 255 - x

    source = Examples(PICTURES, T, change=seen).source(PIXELS)
    batch = source.batch(4, Place(0, 1, 0))
    assert set(shapes) == {((2, 2, 2), PICTURES.dtype), ((4, 2, 2), PICTURES.dtype)}
    plain = Examples(PICTURES, T).source(PIXELS).batch(4, Place(0, 1, 0))
    np.testing.assert_array_equal(batch.x[0], 255 - plain.x[0])


def test_what_is_made_has_its_target() -> None:
    assert (Made(squares, 2).source(PIXELS).batch(3, Place(0, 1, 0)).t == [0, 0, 1]).all()
    np.testing.assert_allclose(Made(squares).source(PIXELS).batch(3, Place(0, 1, 0)).t, 1 / 3)
    np.testing.assert_allclose(Made(squares, [0.5, 0.5, 0]).source(PIXELS).batch(1, Place(0, 1, 0)).t, [[0.5, 0.5, 0]])


def test_a_share_of_each_batch_is_from_the_other() -> None:
    def zeros(count: int, generator: np.random.Generator) -> Array:
        return np.zeros((count, 4), np.float32)

    source = Mixed(Examples(1 + X, T), Made(zeros, [0, 0.5, 0.5]), 0.25).source(CLASSIFIER)
    assert source.batches(4) == 4
    batches = [source.batch(4, Place(0, 1, number)) for number in range(4)]
    assert [int((batch.x[0].sum(axis=1) == 0).sum()) for batch in batches] == [1, 1, 1, 1]
    assert sorted(row for batch in batches for row in batch.x[0][:, 0] if row) == (1 + X[:, 0]).tolist()
    for batch in batches:
        np.testing.assert_array_equal((batch.t == 0.5).any(axis=1), batch.x[0].sum(axis=1) == 0)


def test_examples_mixed_in_begin_anew_when_they_are_all_shown() -> None:
    source = Mixed(Examples(X, T), Examples(-1 - X[:2], T[:2]), 0.5).source(CLASSIFIER)
    batches = [source.batch(2, Place(0, 1, number)) for number in range(10)]
    others = [int(batch.x[0].min()) for batch in batches]
    assert sorted(others) == [-8] * 5 + [-4] * 5


def test_blended_rows_lie_between_two_and_so_do_their_targets() -> None:
    x = np.eye(10, dtype=np.float32)
    network = initialise((10, 10), seed=0)
    batch = Mixup(Examples(x, np.arange(10)), alpha=1.0).source(network).batch(10, Place(0, 1, 0))
    np.testing.assert_allclose(batch.x[0], batch.t, rtol=1e-6)
    np.testing.assert_allclose(batch.x[0].sum(axis=1), 1, rtol=1e-6)
    assert 5 < (batch.x[0] > 0).sum(axis=1).sum() - 10 <= 10
    raw = Mixup(Examples(PICTURES, T), alpha=1.0).source(PIXELS).batch(10, Place(0, 1, 0))
    assert raw.x[0].dtype == np.uint8
    assert not same(raw, Examples(PICTURES, T).source(PIXELS).batch(10, Place(0, 1, 0)))


def test_targets_are_what_a_teacher_answers() -> None:
    teacher = initialise((4, 3), seed=7)
    stream = Examples(X, T, change=shaken)
    batch = Answered(stream, teacher).source(CLASSIFIER).batch(4, Place(0, 1, 0))
    np.testing.assert_array_equal(batch.x[0], stream.source(CLASSIFIER).batch(4, Place(0, 1, 0)).x[0])
    np.testing.assert_allclose(batch.t, teacher(batch.x[0]), atol=1e-6)


def test_lambda_is_drawn_from_beta() -> None:
    rows = np.zeros((20_000, 1), np.float32)
    rows[10_000:] = 1
    network = initialise((1, 2), seed=0)
    batch = Mixup(Examples(rows, np.zeros(20_000, int)), alpha=0.2).source(network).batch(20_000, Place(0, 1, 0))
    blended = batch.x[0].ravel()
    # The variance of λa + (1 - λ)b, a and b fair bits: E[λ² + (1 - λ)²]/4, where E[λ²] = (α + 1)/(4α + 2).
    assert blended.var() == pytest.approx(2 * (1.2 / 2.8) / 4, rel=0.02)
    assert blended.mean() == pytest.approx(0.5, abs=0.01)


# --- trained on ---------------------------------------------------------------------------------------------


def clouds(rows: int = 300) -> tuple[Array, Array]:
    generator = np.random.default_rng(0)
    t = generator.integers(0, 3, rows)
    return (np.array([[0, 0], [2, 0], [0, 2]])[t] + 0.5 * generator.standard_normal((rows, 2))).astype(np.float32), t


def trained(stream: Stream, **changed: Any) -> Any:
    options: dict[str, Any] = {"loss": CrossEntropy(), "optimizer": Adam(0.01), "epochs": 6, "batch_size": 32}
    return train(initialise((2, 8, 3), hidden="tanh", seed=0), stream, **{**options, **changed})


def parameters(training: Any) -> Array:
    return np.concatenate([array.ravel() for step in training.network.steps for array in step.arrays.values()])


def test_rows_in_memory_are_a_stream() -> None:
    x, t = clouds()
    network = initialise((2, 8, 3), hidden="tanh", seed=0)
    plain = train(network, x, t, loss=CrossEntropy(), optimizer=Adam(0.01), epochs=6, batch_size=32)
    np.testing.assert_array_equal(parameters(trained(Examples(x, t))), parameters(plain))


@pytest.mark.parametrize("workers", [1, 2])
def test_the_same_bits_whoever_makes_the_batches(workers: int) -> None:
    x, t = clouds()
    teacher = initialise((2, 6, 3), seed=3)
    stream = Mixup(Examples(x, t, change=shaken))
    loss = Distillation(teacher, soft=0.5)
    np.testing.assert_array_equal(
        parameters(trained(stream, loss=loss, workers=workers)), parameters(trained(stream, loss=loss))
    )


def test_weights_count() -> None:
    x, t = clouds()
    only = trained(Examples(x, t, weights=t == 2), epochs=30).network
    assert (only.predict(x) == 2).mean() > 0.9
    none = trained(Examples(x, t, weights=np.arange(300) == 0), epochs=1)
    assert np.isfinite(none.history[0].loss), "batches of rows that do not count"


def test_a_student_learns_from_its_teacher_alone() -> None:
    x, t = clouds()
    teacher = trained(Examples(x, t), epochs=40).network
    student = trained(Examples(x, np.zeros(len(x), int)), loss=Distillation(teacher, soft=1.0), epochs=40).network
    assert (student.predict(x) == teacher.predict(x)).mean() > 0.97


def test_held_out_rows_of_a_stream_are_given() -> None:
    x, t = clouds()
    history = trained(Examples(x, t, change=shaken), validation=(x, t)).history
    assert all(epoch.validation_accuracy is not None for epoch in history)


def nothing_finite(x: Array, generator: np.random.Generator) -> Array:
    return np.full_like(x, np.nan)


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: trained(Examples(X[:, :2], T), t=T), OptionError, "a stream has its own targets; leave t out"),
        (lambda: trained(Examples(X[:, :2], T), validation=0.5), OptionError, "give rows: validation=(x, t)"),
        (
            lambda: train(CLASSIFIER, X, loss=CrossEntropy(), optimizer=Adam(), epochs=1),
            OptionError,
            "training needs targets t beside x, or a stream",
        ),
        (
            lambda: Examples(X, T, change=lambda x, generator: x[:1]).source(CLASSIFIER),
            ShapeError,
            "change made 1 rows of 2; as many must come out as go in",
        ),
        (
            lambda: Examples(X, T, change=lambda x, generator: x[:, :3]).source(CLASSIFIER),
            ShapeError,
            "input 'x': expected a row of shape (4,)",
        ),
        (lambda: Made(squares, 7).source(PIXELS), OptionError, "t[0] is 7, expected one of [0, 1, 2]"),
        (lambda: Made(squares).source(PIXELS.replace(labels=None)), OptionError, "this network has no labels"),
        (lambda: Mixed(Examples(X, T), Made(squares), 1.5), OptionError, "Mixed: share must be between 0 and 1"),
        (
            lambda: trained(Mixed(Examples(X[:, :2], T), Examples(X[:, :2], T), 0.001)),
            OptionError,
            "Mixed: a share of 0.001 of 32 rows leaves none of one kind",
        ),
        (
            lambda: Answered(Examples(X, T), initialise((4, 2))).source(CLASSIFIER),
            ShapeError,
            "Answered: the teacher answers rows of shape (2,), expected (3,)",
        ),
        (lambda: Mixup(Examples(X, T), 0), OptionError, "Mixup: alpha must be a number above 0, found 0"),
        (
            lambda: trained(Examples(X[:, :2], T, change=nothing_finite)),
            DivergenceError,
            "epoch 1, batch 1 of 1: the loss is nan, because the stream made a row that holds NaN or infinity",
        ),
    ],
)
def test_what_is_refused(make: Callable[[], object], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as caught:
        make()
    assert message in str(caught.value)


def test_places_are_data() -> None:
    place = Place(1, 2, 3)
    assert place.inside(4).path == (4,)
    assert dataclasses.replace(place) == place
    draws = {float(p.generator().random()) for p in (place, place.inside(1), place.inside(1).inside(1), Place(1, 2, 4))}
    assert len(draws) == 4
