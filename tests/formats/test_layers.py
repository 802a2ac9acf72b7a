"""Arrays under any tool's names become layers where the shapes decide, and a question where they do not."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

import glassnet
from glassnet.errors import OptionError, ParametersError
from glassnet.formats.assembly import Choices, assembled
from glassnet.formats.contents import Contents
from glassnet.formats.names import modules_of

RANDOM = np.random.default_rng(0)
W = [RANDOM.normal(size=shape).astype(np.float32) for shape in ((4, 7), (7, 5), (5, 3))]
B = [RANDOM.normal(size=size).astype(np.float32) for size in (7, 5, 3)]
T = [np.ascontiguousarray(weights.T) for weights in W]
WORDS = ("first", "second", "third")


def numbered(*forms: str, weights: list[Any] = W) -> dict[str, Any]:
    arrays: dict[str, Any] = {}
    for number, (w, b) in enumerate(zip(weights, B, strict=True), start=1):
        arrays |= {form.format(number): array for form, array in zip(forms, (w, b), strict=True)}
    return arrays


FORMS: dict[str, Any] = {
    "W1, b1": numbered("W{}", "b{}"),
    "W1, b1 turned": numbered("W{}", "b{}", weights=T),
    "weights_1": numbered("weights_{}", "biases_{}"),
    "weight1 turned": numbered("weight{}", "bias{}", weights=T),
    "layer1_W": numbered("layer{}_W", "layer{}_b"),
    "dense/kernel:0": numbered("dense_{}/kernel:0", "dense_{}/bias:0"),
    "fc1.weight": numbered("fc{}.weight", "fc{}.bias", weights=T),
    "fc1.weight, the other way round": numbered("fc{}.weight", "fc{}.bias"),
    "Flax": {"params": {f"Dense_{n}": {"kernel": w, "bias": b} for n, (w, b) in enumerate(zip(W, B, strict=True))}},
    "coefs_": {"coefs_": W, "intercepts_": B},
    "columns, and what was tuned": {
        "sizes": [4, 7, 5, 3], "weights": T, "biases": [b.reshape(-1, 1) for b in B], "cost": "CrossEntropyCost"
    },
    "lists of lists": {"weights": [w.tolist() for w in W], "biases": [b.tolist() for b in B]},
    "all weights, all biases": [W, B],
    "pairs": list(zip(W, B, strict=True)),
    "in turns": [array for pair in zip(W, B, strict=True) for array in pair],
    "one tuple": (*W, *B),
    "by number": dict(enumerate([array for pair in zip(W, B, strict=True) for array in pair])),
    "a dict a layer": {f"layer{n}": {"W": w, "b": b} for n, (w, b) in enumerate(zip(W, B, strict=True))},
    "words": {f"{word}_weights": w for word, w in zip(WORDS, W, strict=True)}
    | {f"{word}_bias": b for word, b in zip(WORDS, B, strict=True)},
    "W_in": {"W_in": W[0], "b_in": B[0], "W_h": W[1], "b_h": B[1], "W_out": W[2], "b_out": B[2], "lr": 0.1},
    "sorted by letters": {
        "end.weight": T[2], "end.bias": B[2], "first.weight": T[0], "first.bias": B[0], "mid.weight": T[1],
        "mid.bias": B[1],
    },
    "Theta": {f"Theta{n}": np.hstack([b[:, None], t]) for n, (t, b) in enumerate(zip(T, B, strict=True), start=1)},
}  # fmt: skip


def expected(x: Any) -> Any:
    for number, (weights, bias) in enumerate(zip(W, B, strict=True)):
        x = x @ weights + bias
        x = np.maximum(x, 0) if number < 2 else x
    return x


@pytest.mark.parametrize("name", FORMS)
def test_one_network_under_many_names(name: str, tmp_path: Path) -> None:
    path = tmp_path / "net.pkl"
    path.write_bytes(pickle.dumps(FORMS[name]))
    x = RANDOM.normal(size=(6, 4)).astype(np.float32)
    network = glassnet.load(path, activation="relu", output="identity")
    np.testing.assert_allclose(network(x), expected(x), rtol=1e-5, atol=1e-6)


def test_the_same_names_in_npz_and_safetensors(tmp_path: Path) -> None:
    np.savez(tmp_path / "places.npz", *FORMS["in turns"])
    np.savez(tmp_path / "names.npz", **FORMS["fc1.weight"])
    safetensors.numpy.save_file(FORMS["sorted by letters"], tmp_path / "sorted.safetensors")
    x = RANDOM.normal(size=(6, 4)).astype(np.float32)
    for path in tmp_path.iterdir():
        np.testing.assert_allclose(glassnet.load(path, hidden="relu")(x), expected(x), rtol=1e-5, atol=1e-6)


def made(arrays: dict[str, Any], **choices: Any) -> Any:
    return assembled(Contents(arrays), Choices("relu", **choices))


def test_what_was_taken_for_granted_is_said() -> None:
    notes = made(FORMS["sorted by letters"]).notes
    assert notes == (
        "layers one behind the other, in this order: first, mid, end",
        "no activation after the last layer, since output= was not given",
    )


def test_numbers_are_put_in_order_and_words_kept() -> None:
    names = ["b.10.weight", "b.2.weight", "a.weight", "b.2.bias", "c.0.x.weight", "c.0.w.bias"]
    modules, aside = modules_of(dict.fromkeys([*names, "log_std", "steps.num_batches_tracked"], np.ones(1)))
    assert [module.name for module in modules] == ["b.2", "b.10", "a", "c.0.x", "c.0.w"]
    assert aside == ["log_std", "steps.num_batches_tracked"]


SQUARE = {f"{name}.weight": np.arange(16.0).reshape(4, 4) for name in ("fc1", "fc2")}


def test_squares_have_two_ways_and_the_way_is_asked_for() -> None:
    with pytest.raises(ParametersError, match=r"both ways.*: fc1 \(4 → 4\), fc2 \(4 → 4\)") as caught:
        made(SQUARE)
    assert caught.value.hint.startswith("say which: orientation='outputs_inputs' as PyTorch has it")
    for way, weights in (("outputs_inputs", SQUARE["fc1.weight"].T), ("inputs_outputs", SQUARE["fc1.weight"])):
        np.testing.assert_array_equal(made(SQUARE, orientation=way).network.layers[0].weights, weights)
    with pytest.raises(OptionError, match="orientation='upside_down', expected one of 'outputs_inputs', "):
        Choices(orientation="upside_down")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fc2.weight": np.ones((5, 8))}, r"do not fit one behind the other: fc1 \(4-7\), fc2 \(8-5\), fc3 \(5-3\)"),
        ({"fc2.bias": np.ones(6)}, "do not fit one behind the other"),
        ({"gamma_": np.ones(3)}, "array 'gamma_' has shape"),
        ({"table": np.ones((3, 2))}, "array 'table' is left over: its name does not say what it is"),
        ({"fc9.bias": np.ones(3)}, "array 'fc9.bias' has no weights beside it"),
        ({"conv.weight": np.ones((3, 2, 3, 3))}, r"array 'conv\.weight' has shape \(3, 2, 3, 3\), as a convolution"),
        ({"rnn.weight_hh_l0": np.ones((3, 2))}, "belongs to a recurrent or attention layer"),
        ({"fc1.w": np.ones((3, 2))}, "arrays 'fc1.weight' and 'fc1.w' are both the weight of one layer"),
        ({"norm.weight": np.ones(9), "norm.bias": np.ones(9)}, "has 9 values, expected 3 because of its place"),
        (
            {"bn.running_mean": np.ones(3), "bn.running_var": -np.ones(3)},
            "array 'bn.running_var' holds a variance below 0",
        ),
        ({"act.weight": np.ones(1)}, "it cannot be told which layers 'act' follows"),
        ({"fc1.weight": np.full((7, 4), np.nan, np.float32)}, "not finite"),
    ],
)
def test_mistakes_are_named(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ParametersError, match=words):
        made({**FORMS["fc1.weight"], **changes})


def test_activations_may_be_said_in_part() -> None:
    with pytest.raises(ParametersError, match="the file does not say its activations: found 3 layer") as caught:
        assembled(Contents(FORMS["fc1.weight"]), Choices())
    assert "output='softmax'" in caught.value.hint
    with pytest.raises(ParametersError, match="does not say the activation behind 'fc1'"):
        assembled(Contents(FORMS["fc1.weight"]), Choices(output="softmax"))
    one = {"fc.weight": np.ones((2, 3)), "fc.bias": np.ones(2)}
    assert assembled(Contents(one), Choices(output="sigmoid")).network.layers[0].activation.name == "sigmoid"
    with pytest.raises(ParametersError, match="found 1 layer"):
        assembled(Contents(one), Choices())


def test_activation_and_hidden_are_one_option(tmp_path: Path) -> None:
    np.savez(tmp_path / "net.npz", **FORMS["W1, b1"])
    assert glassnet.load(tmp_path / "net.npz", activation="tanh").layers[0].activation.name == "tanh"
    with pytest.raises(OptionError, match="activation= and hidden= are the same"):
        glassnet.load(tmp_path / "net.npz", activation="tanh", hidden="relu")
    with pytest.raises(OptionError, match="part= cannot be used: the file's arrays are W1, b1"):
        glassnet.load(tmp_path / "net.npz", part="W1")
