"""Rows to learn from: their order, their targets, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from glassnet import Dense, Input, Network
from glassnet.errors import DtypeError, GlassnetError, OptionError, ShapeError
from glassnet.network import Add
from glassnet.training import Rows, initialise

CLASSIFIER = initialise((4, 3), seed=0)
X = np.arange(40, dtype=np.float32).reshape(10, 4)
T = np.arange(10) % 3


def test_held_out_rows_are_no_longer_learned_from() -> None:
    rows, held_out = Rows.of(CLASSIFIER, X, T).split(0.3, seed=0)
    assert (len(rows), len(held_out)) == (7, 3)
    assert sorted([*rows.x[0][:, 0], *held_out.x[0][:, 0]]) == X[:, 0].tolist()
    with pytest.raises(OptionError, match=r"rows on both sides, found 0\.01 of 10 rows"):
        Rows.of(CLASSIFIER, X, T).split(0.01, seed=0)


def test_integers_stay_raw_and_pictures_become_rows() -> None:
    network = initialise((4, 2), seed=0).replace(inputs=Input((4,), scale=1 / 255))
    pictures = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)
    rows = Rows.of(network, pictures, [0, 1, 0])
    assert rows.x[0].dtype == np.uint8
    assert rows.x[0].shape == (3, 4)


def test_labels_become_rows_of_0_and_1() -> None:
    network = CLASSIFIER.replace(labels=("a", "b", "c"))
    np.testing.assert_array_equal(Rows.of(network, X[:2], ["c", "a"]).t, [[0, 0, 1], [1, 0, 0]])
    one = initialise((4, 1), output="sigmoid").replace(labels=("no", "yes"))
    np.testing.assert_array_equal(Rows.of(one, X[:2], ["yes", "no"]).t, [[1], [0]])


def test_targets_take_the_dtype_of_the_network() -> None:
    assert Rows.of(CLASSIFIER, X[:1], [[0.2, 0.3, 0.5]]).t.dtype == np.float32
    assert Rows.of(Network([Dense(np.eye(4))]), X[:1], X[:1]).t.dtype == np.float64


VALUES = initialise((4, 2), output="identity", seed=0)


@pytest.mark.parametrize(
    ("network", "x", "t", "kind", "message"),
    [
        (CLASSIFIER, X, [*T[:9], 7], OptionError, "t[9] is 7, expected one of [0, 1, 2]"),
        (CLASSIFIER, X, ["0"] * 10, OptionError, "t[0] is '0', expected one of [0, 1, 2]"),
        (CLASSIFIER, X, T[:9], ShapeError, "x has 10 rows, t has 9"),
        (CLASSIFIER, X, np.ones((10, 2)), ShapeError, "t has shape (10, 2), expected (rows, 3) as the network answers"),
        (CLASSIFIER, X[0], T[:1], ShapeError, "training needs a batch of rows, found one row of shape (4,)"),
        (CLASSIFIER, X[:0], T[:0], ShapeError, "training needs rows, found none"),
        (CLASSIFIER, X[:, :3], T, ShapeError, "input 'x': expected a row of shape (4,) or a batch"),
        (CLASSIFIER.replace(labels=None), X, T, ShapeError, "name the classes: network.replace(labels=…)"),
        (VALUES, X, [["a", "b"]] * 10, DtypeError, "t must be real numbers, found dtype <U1"),
        (VALUES, X, 1.0, ShapeError, "t has shape (), expected (rows, 2)"),
    ],
)
def test_what_is_refused(network: Network, x: Any, t: Any, kind: type[GlassnetError], message: str) -> None:
    with pytest.raises(kind) as caught:
        Rows.of(network, x, t)
    assert message in str(caught.value)


def test_several_inputs_are_a_tuple() -> None:
    network = Network([Add(sources=("x", "u"))], inputs=(Input((2,)), Input((2,), name="u")))
    rows = Rows.of(network, (np.ones((3, 2)), np.zeros((3, 2))), np.ones((3, 2)))
    assert [array.sum() for array in rows.x] == [6, 0]


def test_weights_are_one_for_each_row() -> None:
    rows = Rows.of(CLASSIFIER, X, T, np.arange(10))
    assert rows.weights is not None
    assert rows.weights.dtype == np.float32
    kept, held_out = rows.split(0.3, seed=0)
    assert kept.weights is not None
    assert held_out.weights is not None
    assert sorted([*kept.weights, *held_out.weights]) == list(range(10))


@pytest.mark.parametrize(
    ("weights", "kind", "message"),
    [
        ([1, 2], ShapeError, "weights have shape (2,), expected (10,): one for each row"),
        ([-1] * 10, OptionError, "weights must be finite, 0 or more, and not all 0"),
        ([0] * 10, OptionError, "weights must be finite, 0 or more, and not all 0"),
        ([np.nan] * 10, OptionError, "weights must be finite, 0 or more, and not all 0"),
        (["much"] * 10, DtypeError, "weights: expected real numbers"),
    ],
)
def test_weights_that_are_refused(weights: Any, kind: type[GlassnetError], message: str) -> None:
    with pytest.raises(kind) as caught:
        Rows.of(CLASSIFIER, X, T, weights)
    assert message in str(caught.value)
