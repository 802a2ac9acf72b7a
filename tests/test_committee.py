"""Committees and labels of mixed kind: the mean of the members by hand, and what does not belong together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from glassnet.errors import GraphError
from glassnet.network import Dense, Input, Network, committee, label_array
from glassnet.training import CrossEntropy, Sgd, train


def member(seed: int, **changes: Any) -> Network:
    generator = np.random.default_rng(seed)
    steps = [
        Dense(generator.standard_normal((5, 4), dtype=np.float32), np.zeros(4, np.float32), "relu"),
        Dense(generator.standard_normal((4, 3), dtype=np.float32), np.ones(3, np.float32), "softmax"),
    ]
    network = Network(steps, inputs=Input((5,), scale=0.5), labels=(0, 1, "none"))
    return network.replace(**changes)


def test_the_mean_of_the_members() -> None:
    members = [member(seed) for seed in range(3)]
    together = committee(members)
    x = np.random.default_rng(9).integers(0, 9, (20, 5))
    expected = np.mean([one(x) for one in members], axis=0)
    np.testing.assert_allclose(together(x), expected, atol=1e-6)
    np.testing.assert_allclose(together.compile(cache=False)(x), expected, atol=1e-6)
    assert together.labels == (0, 1, "none")
    assert together.dtype == np.float32
    names = ("dense1_1", "dense2_1", "dense1_2", "dense2_2", "dense1_3", "dense2_3", "sum", "mean")
    assert tuple(step.name for step in together.steps) == names


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (member(2, inputs=Input((5,))), "member 2 of the committee has inputs"),
        (member(2, labels=(0, 1, 2)), "member 2 of the committee has labels"),
    ],
)
def test_what_does_not_belong_together(other: Network, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        committee([member(1), other])


def test_nobody_and_different_answers() -> None:
    with pytest.raises(GraphError, match="a committee needs members"):
        committee([])
    values = member(1, labels=None)
    with pytest.raises(GraphError, match="member 2 of the committee has outputs of row shape"):
        committee([values, values.replace(outputs=("dense1",))])


def test_each_label_stays_as_it_is() -> None:
    assert label_array([0, 1]).dtype.kind == "i"
    assert label_array(["a", "b"]).dtype.kind == "U"
    assert label_array([3, "none"]).tolist() == [3, "none"]


def test_a_network_with_labels_of_both_kinds() -> None:
    network = Network([Dense(np.eye(3), activation="softmax")], labels=(0, 1, "none"))
    for each in (network, network.compile(cache=False)):
        answers = each.predict(np.eye(3))
        assert answers.tolist() == [0, 1, "none"]
        assert (answers == np.array([0, 1, 2])).tolist() == [True, True, False]
        assert each.predict(np.eye(3)[2]) == "none"


def test_targets_of_both_kinds() -> None:
    network = Network([Dense(np.zeros((3, 3)), activation="softmax")], labels=(0, 1, "none"))
    trained = train(
        network, np.eye(3), label_array([0, 1, "none"]), loss=CrossEntropy(), optimizer=Sgd(1.0), epochs=20
    ).network
    assert trained.predict(np.eye(3)).tolist() == [0, 1, "none"]
