"""The see-through view: what it says must be what the network computed."""

from __future__ import annotations

import re

import numpy as np
import pytest
from rich.console import Console

from glassnet import Dense, Input, Network
from glassnet.cli.view import explanation
from glassnet.network import Concatenate, ScaleShift


def small_network() -> Network:
    generator = np.random.default_rng(0)
    return Network(
        [
            Dense(generator.normal(0, 0.1, (784, 12)), generator.normal(0, 0.1, 12), "relu"),
            Dense(generator.normal(0, 0.5, (12, 10)), generator.normal(0, 0.1, 10), "softmax"),
        ],
        inputs=Input((784,), scale=1 / 255),
        labels=range(10),
    )


def picture() -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    pixels = np.zeros((28, 28), np.uint8)
    pixels[4:24, 12:16] = 255
    return pixels


def shown(network: Network, width: int = 80, color: str | None = None) -> str:
    console = Console(width=width, color_system=color, force_terminal=color is not None, highlight=False)  # type: ignore[arg-type]
    trace = network.trace(picture())
    probabilities = network(picture())
    with console.capture() as capture:
        for part in explanation(network, trace, picture(), probabilities, width=width, grey=color is not None):
            console.print(part)
    return capture.get()


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_it_fits_the_terminal(width: int) -> None:
    assert max(len(line) for line in shown(small_network(), width).splitlines()) <= width


def test_the_sum_of_the_winner_is_the_networks_own() -> None:
    network = small_network()
    last = network.trace(picture()).layers[-1]
    winner = int(last.a.argmax())
    text = shown(network).partition(f"Why {winner}?")[2]
    terms = re.findall(r"z1\[(\d+)\] +(\d\.\d{3}) × ([+-]\d\.\d{3}) +([+-]\d\.\d{3})", text)
    assert len(terms) == 10
    for index, x, w, product in terms:
        assert float(x) == pytest.approx(last.x[int(index)], abs=6e-4)
        assert float(w) == pytest.approx(last.layer.weights[int(index), winner], abs=6e-4)
        assert float(product) == pytest.approx(last.contributions(winner)[int(index)], abs=6e-4)
    sums = {name: float(value) for name, value in re.findall(r"^(.+?) +([+-]\d+\.\d{3})\s*$", text, re.MULTILINE)}
    assert sums["a = Σ w·x + b"] == pytest.approx(last.a[winner], abs=6e-4)
    assert sums["Σ w·x"] == pytest.approx(last.contributions(winner).sum(), abs=6e-4)
    assert sums["b"] == pytest.approx(last.layer.bias[winner], abs=6e-4)
    assert sum(float(term[3]) for term in terms) + sums["2 others"] == pytest.approx(sums["Σ w·x"], abs=0.01)
    assert sums["z = softmax(a)"] == pytest.approx(last.z[winner], abs=6e-4)


def test_a_pixel_is_named_by_its_row_and_column() -> None:
    network = small_network()
    first = network.trace(picture()).layers[0]
    text = shown(network, width=40)
    strongest = int(np.abs(first.z).argmax())
    named = re.findall(r"row +(\d+) col +(\d+) +(\d\.\d{3}) × ([+-]\d\.\d{3})", text)
    assert len(named) == 5
    for row, column, x, w in named:
        assert float(x) == picture()[int(row), int(column)] / 255
        assert float(w) == pytest.approx(first.layer.weights[28 * int(row) + int(column), strongest], abs=6e-4)


def test_a_wider_terminal_has_room_for_more_neurons() -> None:
    assert [shown(small_network(), width).count("a = Σ w·x + b") for width in (40, 80, 120)] == [2, 3, 4]


def test_large_numbers_fit_too() -> None:
    base = small_network()
    network = base.replace(
        inputs=Input((784,)), steps=[Dense(1e4 * base.layers[0].weights, None, "relu"), base.steps[1]]
    )
    assert max(len(line) for line in shown(network, 80).splitlines()) <= 80
    assert re.search(r"row +\d+ col +\d+ +255 × +([+-]\d+|[+-]\d\.\d+e\+\d\d) +[+-]\d\.\d+e\+05", shown(network, 80))


def test_every_layer_has_its_formula_and_its_silent_neurons_counted() -> None:
    network = small_network()
    text = shown(network)
    assert "layer 1   784 → 12   a1 = x·W1 + b1   z1 = relu(a1)" in text
    assert "layer 2   12 → 10   a2 = z1·W2 + b2   z2 = softmax(a2)" in text
    silent = int((network.trace(picture())["z1"] == 0).sum())
    assert f"{silent} of 12 are 0" in text


def test_without_colour_there_is_no_escape_and_nothing_is_lost() -> None:
    plain = shown(small_network())
    coloured = shown(small_network(), color="truecolor")
    assert "\033" not in plain
    assert "▀" not in plain
    assert "▀" in coloured
    words = re.compile(r"[\w+.-]{2,}")
    without_codes = re.sub(r"\033\[[\d;]*m", "", coloured)
    assert words.findall(plain) == words.findall(without_codes)


def test_steps_that_are_not_layers_stand_under_their_names() -> None:
    base = small_network()
    network = base.replace(
        steps=[
            ScaleShift(np.float32(2), name="twice"),
            *base.steps[:1],
            Concatenate(name="both", sources=("dense1", "dense1")),
            Dense(np.ones((24, 10)), None, "identity"),
        ],
        outputs=None,
    )
    text = shown(network)
    assert "a1 = twice·W1 + b1" in text
    assert "twice[" in text
    assert "a2 = both·W2 + b2" in text
    assert "softmax" not in text  # and nothing is said of how much more probable


def test_two_labels_for_one_output() -> None:
    network = Network([Dense(np.ones((784, 1)), [-1000.0], "sigmoid")], labels=("no", "yes"))
    console = Console(width=80, highlight=False)
    with console.capture() as capture:
        parts = explanation(network, network.trace(picture()), picture(), np.array([0.75, 0.25]), width=80, grey=False)
        for part in parts:
            console.print(part)
    assert "The network says no." in capture.get()
    assert "Why no?" in capture.get()
