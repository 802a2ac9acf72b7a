"""Figures: what they show, the same bytes each time, and errors before anything is written."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from glassnet.activations import ACTIVATIONS
from glassnet.errors import MissingFileError, MissingLibraryError, OptionError, ShapeError
from glassnet.network import Activate, Dense, Input, Network

pytest.importorskip("matplotlib", reason="drawing needs the extra 'plot'")

import matplotlib as mpl

from glassnet.plots import plot_activations, plot_history, plot_step_sigmoid, plot_trace

SIGNATURES = {".png": b"\x89PNG\r\n\x1a\n", ".svg": b"<?xml"}
PICTURE = np.random.default_rng(3).integers(0, 256, (28, 28), dtype=np.uint8)


def network(*sizes: int, output: str = "softmax") -> Network:
    random = np.random.default_rng(4)
    layers = [
        Dense(random.normal(size=(before, after)), random.normal(size=after), "relu")
        for before, after in itertools.pairwise(sizes[:-1])
    ]
    last = Dense(random.normal(size=sizes[-2:]), None, output)
    return Network([*layers, last], inputs=Input(sizes[:1], scale=1 / 255))


@pytest.mark.parametrize("suffix", SIGNATURES)
def test_the_same_bytes_each_time(tmp_path: Path, suffix: str) -> None:
    trace = network(784, 12, 10).trace(PICTURE)
    first, second = tmp_path / f"first{suffix}", tmp_path / f"second{suffix}"
    for path in (first, second):
        plot_trace(trace, PICTURE, path, labels=range(10))
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes().startswith(SIGNATURES[suffix])
    assert sorted(tmp_path.iterdir()) == [first, second]


def test_each_activation_has_its_panel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(mpl.rcParamsDefault, "svg.fonttype", "none")  # text as text, so that it can be found
    plot_activations(tmp_path / "all.svg")
    drawn = (tmp_path / "all.svg").read_text(encoding="utf-8")
    for entry in ACTIVATIONS.values():
        assert f">{entry.name}</text>" in drawn
        assert entry.formula.replace(">", "&gt;") in drawn
    plot_step_sigmoid(tmp_path / "two.svg")
    drawn = (tmp_path / "two.svg").read_text(encoding="utf-8")
    assert ">step</text>" in drawn
    assert ">sigmoid</text>" in drawn


def test_the_callers_settings_are_left_alone(tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    plot_step_sigmoid(tmp_path / "two.svg")
    assert dict(mpl.rcParams) == before


def test_pyplot_is_not_loaded(tmp_path: Path) -> None:
    code = f"""
import sys
from glassnet.plots import plot_step_sigmoid
plot_step_sigmoid({str(tmp_path / "two.svg")!r})
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("made", "labels"),
    [
        (network(784, 12, 10), [f"class {i}" for i in range(10)]),
        (network(784, 12, 30), None),
        (network(784, 5, 1, output="sigmoid"), ["no", "yes"]),
        (network(784, 1, output="identity"), None),
        (Network([Dense(np.zeros((784, 3))), Activate("softmax")]), range(3)),
    ],
    ids=["classes", "many classes", "one probability", "a value", "softmax on its own"],
)
def test_networks_of_many_kinds_are_drawn(tmp_path: Path, made: Network, labels: list[str] | None) -> None:
    plot_trace(made.trace(PICTURE), PICTURE, tmp_path / "out.svg", labels=labels)


def test_errors(tmp_path: Path) -> None:
    trace = network(784, 12, 10).trace(PICTURE)
    with pytest.raises(OptionError) as caught:
        plot_trace(trace, PICTURE, tmp_path / "out.gif")
    assert str(caught.value) == f"writing {tmp_path / 'out.gif'}: no figures of kind '.gif'\nhint: one of .svg, .png"
    with pytest.raises(MissingFileError, match=r"^writing .*x\.svg: there is no folder .*nowhere$"):
        plot_step_sigmoid(tmp_path / "nowhere" / "x.svg")
    batch = network(784, 12, 10).trace(PICTURE[np.newaxis])
    bare = Network([Activate("relu")], inputs=Input((784,))).trace(PICTURE)
    for unusable in (batch, bare):
        with pytest.raises(ShapeError, match=r"^drawing a trace needs one row through at least one dense layer$"):
            plot_trace(unusable, PICTURE, tmp_path / "out.svg")
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "glassnet.plots")
    monkeypatch.setitem(sys.modules, "matplotlib.style", None)
    with pytest.raises(MissingLibraryError) as caught:
        import glassnet.plots  # noqa: F401
    assert str(caught.value) == "drawing needs Matplotlib, which is not installed\nhint: pip install 'glassnet[plot]'"


def test_a_history_is_drawn(tmp_path: Path) -> None:
    rows = [
        {"epoch": n, "loss": 1 / n, "validation_loss": 2 / n, "accuracy": 1 - 0.1 / n, "validation_accuracy": None}
        for n in range(1, 6)
    ]
    plot_history(rows, tmp_path / "one.svg")
    plot_history(rows, tmp_path / "two.svg")
    text = (tmp_path / "one.svg").read_text()
    assert text == (tmp_path / "two.svg").read_text()
    assert ("<!-- held out -->" in text, text.count("<!-- training -->")) == (True, 2)
    with pytest.raises(ShapeError, match="drawing a history needs at least one epoch"):
        plot_history([], tmp_path / "none.svg")
