"""What people give by mistake: each answer is an error of ours, never a bare Python one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glassnet import Dense, Network, save
from glassnet.errors import DtypeError, GlassnetError, GraphError, OptionError, ShapeError
from glassnet.training import Adam, CrossEntropy, initialise, train

EYE = np.eye(2)
NETWORK = Network([Dense(EYE, None, "softmax")], labels=range(2))
RAGGED: Any = [[1.0, 2.0], [3.0]]
# The type checker would not let the mistakes through.
dense: Any = Dense
made: Any = Network
network: Any = NETWORK
adam: Any = Adam
begin: Any = initialise


def trained(**changed: Any) -> None:
    options: dict[str, Any] = {"t": [0, 1], "loss": CrossEntropy(), "optimizer": Adam(), "epochs": 1, **changed}
    train(NETWORK, EYE, **options)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: dense(EYE, None, np.tanh), OptionError, r"unknown activation <ufunc 'tanh'>"),
        (lambda: made(Dense(EYE)), GraphError, r"expected a list of steps, found one Dense\nhint: .*\[Dense"),
        (lambda: made([(EYE, [0, 0])]), GraphError, r"step 1 is not a step: tuple\nhint: a layer is Dense"),
        (lambda: Dense(RAGGED), ShapeError, r"dense: weights: not an array: .*\nhint: the rows must have equal"),
        (lambda: Dense(EYE, RAGGED), ShapeError, r"dense: bias: not an array: "),
        (lambda: Dense(EYE)(RAGGED), ShapeError, r"dense: not an array: "),
        (lambda: Dense(EYE)(["a", "b"]), DtypeError, r"dense: expected real numbers, found dtype <U1"),
        (lambda: NETWORK(RAGGED), ShapeError, r"input 'x': not an array: "),
        (lambda: trained(t=RAGGED), ShapeError, r"t: not an array: "),
        (
            lambda: trained(loss="cross_entropy"),
            OptionError,
            r"loss must be .*'cross_entropy'\nhint: .*CrossEntropy\(\)",
        ),
        (lambda: trained(optimizer=Adam), OptionError, r"optimizer must be an Optimizer, .*\nhint: .*=Adam\(\)"),
        (
            lambda: trained(optimizer=adam("0.1")),
            OptionError,
            r"Adam: rate must be a number above 0 or a schedule, found '0.1'",
        ),
        (lambda: trained(epochs="5"), OptionError, r"epochs must be a whole number, found '5'"),
        (lambda: trained(epochs=1.5), OptionError, r"epochs must be a whole number, found 1.5"),
        (lambda: trained(validation=0.5, patience=1.5), OptionError, r"patience must be a whole number, found 1.5"),
        (lambda: begin("64,10"), ShapeError, r"sizes must be whole numbers .*, found '64,10'"),
        (lambda: begin(64), ShapeError, r"sizes must be whole numbers .*, found 64"),
        (lambda: network.compile(threads="2"), OptionError, r"threads must be a whole number, 1 or more, found '2'"),
    ],
)
def test_the_error_says_what_was_expected(make: Any, error: type[GlassnetError], message: str) -> None:
    with pytest.raises(error) as caught:
        make()
    assert re.match(message, str(caught.value))


def test_numbers_of_numpy_are_numbers() -> None:
    trained(epochs=np.int64(1), batch_size=np.int32(2), optimizer=adam(np.float32(0.1)))
    assert begin(np.array([4, 3]), seed=np.int64(1)).layers[0].inputs == 4


def test_only_a_network_is_saved(tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    swapped: Any = path, NETWORK
    with pytest.raises(OptionError, match=r"^saving: expected a Network, found \w*Path\nhint: save\(network, path\)$"):
        save(*swapped)
    compiled: Any = NETWORK.compile(cache=False)
    with pytest.raises(OptionError, match=r"found CompiledNetwork\nhint: it holds one: save\(….network, path\)$"):
        save(compiled, path)
    assert not path.exists()
