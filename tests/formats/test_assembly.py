"""From named arrays to a network: the textbook's names, and an error that names the array for each mistake."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from glassnet import Network
from glassnet.errors import OptionError, ParametersError
from glassnet.formats.assembly import Choices, assemble, assembled
from glassnet.formats.contents import Contents


def arrays(**changes: Any) -> dict[str, Any]:
    shapes = {"W1": (4, 3), "b1": (3,), "W2": (3, 5), "b2": (5,), "W3": (5, 2), "b3": (2,)}
    found = {name: np.ones(shape) for name, shape in shapes.items()} | changes
    return {name: array for name, array in found.items() if array is not None}


def made(**changes: Any) -> Network:
    return assemble(Contents(arrays(**changes)), "sigmoid", "softmax")


def test_the_chapters_network() -> None:
    network = made()
    assert [str(layer.activation) for layer in network.layers] == ["sigmoid", "sigmoid", "softmax"]
    assert (network.inputs[0].shape, network.labels) == ((4,), None)
    assert network.outputs == ("dense3",)


def test_other_activations() -> None:
    network = assemble(Contents(arrays()), "relu", "identity")
    assert [str(layer.activation) for layer in network.layers] == ["relu", "relu", "identity"]
    with pytest.raises(OptionError, match="unknown activation 'sigmond'"):
        assemble(Contents(arrays()), "sigmond", "softmax")


def test_784_inputs_and_10_outputs_are_a_digit_network() -> None:
    network = assemble(Contents({"W1": np.ones((784, 10)), "b1": np.ones(10)}), "sigmoid", "softmax")
    assert network.labels == tuple(range(10))
    assert network.inputs[0].scale == 1 / 255


def test_any_order_and_any_case() -> None:
    backwards = {name.lower(): array for name, array in reversed(arrays().items())}
    assert len(assemble(Contents(backwards), "sigmoid", "softmax").layers) == 3


def test_a_bias_may_be_a_row() -> None:
    assert made(b2=np.ones((1, 5))).layers[1].bias.shape == (5,)


def test_twelve_layers_are_in_the_order_of_their_numbers() -> None:
    many = {f"W{n}": np.ones((n, n + 1)) for n in range(12, 0, -1)} | {f"b{n}": np.ones(n + 1) for n in range(1, 13)}
    assert [layer.outputs for layer in assemble(Contents(many), "relu", "relu").layers] == list(range(2, 14))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"W2": np.ones((10, 5))},
            "array 'W2' has shape (10, 5), expected (3, *) because layer 1 has 3 outputs",
        ),
        ({"b2": np.ones(4)}, "array 'b2' has shape (4,), expected (5,) because 'W2' has shape (3, 5)"),
        (
            {"W1": np.ones((4, 3, 1, 1))},
            "array 'W1' has shape (4, 3, 1, 1), as a convolution has; expected (outputs, inputs): dense layers only",
        ),
        ({"W1": np.ones(3)}, "array 'W1' has shape (3,), expected (*, *): (inputs, outputs)"),
        ({"b2": None}, "array 'b2' is missing: found 'W1', 'W2', 'W3', 'b1', 'b3'"),
        ({"W2": None, "b2": None}, "array 'W2' is missing: found 'W1', 'W3', 'b1', 'b3'"),
        ({"gamma": np.ones(3)}, "array 'gamma' is left over: expected only names such as W1, b1, W2, b2, …"),
        ({"W01": np.ones(3)}, "array 'W01' is left over: expected only names such as W1, b1, W2, b2, …"),
        ({"w1": np.ones((4, 3))}, "arrays 'W1' and 'w1' are both W1"),
        (
            {"W2": np.array([[1, 2, 3, 4, 5], [1, np.inf, 3, np.nan, 5], [1, 2, 3, 4, 5]])},
            "array 'W2' holds 2 value(s) that are not finite, the first inf at (1, 1)",
        ),
        (
            {"b3": np.array([1, np.nan], np.float16)},
            "array 'b3' holds 1 value(s) that are not finite, the first nan at (1,)",
        ),
    ],
)
def test_mistakes_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ParametersError) as caught:
        made(**changes)
    assert caught.value.message == message


def test_nothing_at_all() -> None:
    with pytest.raises(ParametersError, match="array 'W1' is missing: found no array at all"):
        assemble(Contents({}), "sigmoid", "softmax")


def test_weights_the_other_way_round_are_turned() -> None:
    turned = {name: array.T for name, array in arrays().items()}
    found = assembled(Contents(turned), Choices())
    assert [layer.weights.shape for layer in found.network.layers] == [(4, 3), (3, 5), (5, 2)]
    assert found.notes[0] == "the weights have shape (outputs, inputs), and were transposed"


def test_no_bias_anywhere_is_a_network_without() -> None:
    network = assemble(Contents({name: array for name, array in arrays().items() if name[0] == "W"}))
    assert not any(layer.bias.any() for layer in network.layers)


def test_a_gap_of_thousands_of_layers_takes_no_time() -> None:
    with pytest.raises(ParametersError, match="array 'W4' is missing"):
        made(W99999=np.ones((2, 2)))
