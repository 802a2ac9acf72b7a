"""scale=, mean=, std=: what inputs go through, for raw integers and for ready floats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glassnet
from glassnet import Dense, Input, Network
from glassnet.errors import OptionError
from glassnet.network import Add

PLAIN = Network([Dense(np.eye(3) * 2, [1.0, 2.0, 3.0], "relu"), Dense(np.ones((3, 2)))])
PIXELS = np.array([[0, 51, 255]], np.uint8)


def saved(network: Network, folder: Path) -> Path:
    glassnet.save(network, folder / "net.safetensors")
    return folder / "net.safetensors"


def test_pixels_and_ready_numbers_answer_alike(tmp_path: Path) -> None:
    network = glassnet.load(saved(PLAIN, tmp_path), scale=1 / 255, mean=0.1307, std=0.3081)
    expected = PLAIN((PIXELS / 255 - 0.1307) / 0.3081)
    np.testing.assert_allclose(network(PIXELS), expected, rtol=1e-12)
    np.testing.assert_allclose(network(PIXELS / 255), expected, rtol=1e-12)
    np.testing.assert_allclose(network.compile()(PIXELS), expected, rtol=1e-6)
    glassnet.save(network, tmp_path / "again.npz")
    np.testing.assert_array_equal(glassnet.load(tmp_path / "again.npz")(PIXELS), network(PIXELS))


def test_one_number_a_feature(tmp_path: Path) -> None:
    mean, std = np.array([1.0, 2.0, 3.0]), np.array([0.5, 1.0, 2.0])
    network = glassnet.load(saved(PLAIN, tmp_path), mean=mean, std=std)
    x = np.random.default_rng(0).normal(size=(5, 3))
    np.testing.assert_allclose(network(x), PLAIN((x - mean) / std), rtol=1e-12)
    np.testing.assert_allclose(glassnet.load(saved(PLAIN, tmp_path), mean=mean)(x), PLAIN(x - mean), rtol=1e-12)
    np.testing.assert_allclose(glassnet.load(saved(PLAIN, tmp_path), std=std)(x), PLAIN(x / std), rtol=1e-12)


def test_a_scale_takes_the_place_of_the_files(tmp_path: Path) -> None:
    network = PLAIN.replace(inputs=(Input((3,), scale=1 / 16, shift=1.0),))
    assert glassnet.load(saved(network, tmp_path)).inputs[0].scale == 1 / 16
    found = glassnet.load(saved(network, tmp_path), scale=1 / 255).inputs[0]
    assert (found.scale, found.shift) == (1 / 255, 0.0)


def test_every_reader_of_the_input_reads_it_scaled(tmp_path: Path) -> None:
    network = Network([Dense(np.eye(3), name="a"), Add(name="b", sources=("a", "x"))])
    x = np.random.default_rng(0).normal(size=(5, 3))
    np.testing.assert_allclose(glassnet.load(saved(network, tmp_path), mean=1.0)(x), network(x - 1), rtol=1e-12)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"scale": 0}, "scale=0, expected a finite number other than 0"),
        ({"scale": float("nan")}, "scale=nan, expected a finite number"),
        ({"scale": [1.0, 2.0]}, r"scale=\[1.0, 2.0\], expected a finite number"),
        ({"std": 0.0}, "std= holds a 0"),
        ({"mean": [1.0, 2.0]}, r"mean= has shape \(2,\), expected one finite number or \(3,\)"),
        ({"mean": np.inf}, "mean= has shape"),
        ({"mean": "0.5"}, "mean=: expected real numbers"),
    ],
)
def test_what_cannot_be_is_said(options: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=words):
        glassnet.load(saved(PLAIN, tmp_path), **options)


def test_not_twice_and_not_for_several_inputs(tmp_path: Path) -> None:
    scaled = glassnet.load(saved(PLAIN, tmp_path), mean=1.0)
    with pytest.raises(OptionError, match="the network scales its input already"):
        glassnet.load(saved(scaled, tmp_path), mean=1.0)
    two = Network([Add(sources=("a", "b"))], inputs=[Input((2,), name="a"), Input((2,), name="b")])
    with pytest.raises(OptionError, match=r"scale= cannot be used: the network has 2 inputs \(a, b\)"):
        glassnet.load(saved(two, tmp_path), scale=2.0)
