"""Figures of activations and of a network at work, as SVG or PNG; needs the extra ``plot``.

A figure is built without pyplot and under Matplotlib's default style, so that neither a window system nor the
caller's settings are touched and the same input gives the same file, byte for byte, on the same Matplotlib.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from glassnet.activations import ACTIVATIONS, Activation, Array
from glassnet.errors import MissingLibraryError, OptionError, ShapeError
from glassnet.files import replacing
from glassnet.network import Label, LayerTrace, Trace

try:
    import matplotlib.style
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
except ImportError as error:
    raise MissingLibraryError(
        "drawing needs Matplotlib, which is not installed", hint="pip install 'glassnet[plot]'"
    ) from error

__all__ = ["plot_activations", "plot_history", "plot_step_sigmoid", "plot_trace", "saved_figure"]

# Suffix → how Matplotlib writes it, without the date and version that would make each file different.
_WRITERS: Mapping[str, Mapping[str, Any]] = {
    ".svg": {"format": "svg", "metadata": {"Date": None, "Creator": None}},
    ".png": {"format": "png", "metadata": {"Software": None}, "dpi": 150},
}
_STYLE = {
    "svg.hashsalt": "glassnet",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#9a9a9a",
    "axes.titlesize": 10,
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
}
# Told apart by colour-blind readers; a dash, a side or a word always says the same.
BLUE, ORANGE, RED, GREY = "#0072b2", "#d55e00", "#b2182b", "#777777"


@contextmanager
def saved_figure(path: str | os.PathLike[str], width: float, height: float) -> Iterator[Figure]:
    """Give an empty figure of ``width`` × ``height`` inches and write it to ``path`` when the block ends.

    Raises OptionError for a suffix other than .svg and .png, MissingFileError where the folder does not exist.
    A file already there is replaced at once or not at all.
    """
    path = Path(path)
    writer = _WRITERS.get(path.suffix.lower())
    if writer is None:
        raise OptionError(f"writing {path}: no figures of kind {path.suffix!r}", hint=f"one of {', '.join(_WRITERS)}")
    with replacing(path) as file, matplotlib.style.context(_STYLE, after_reset=True):
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure
        figure.savefig(file, **writer)


# --- activations --------------------------------------------------------------------------------------------

_JUST_ABOVE_0 = 1e-9  # so that a jump is drawn as a jump
_X = np.sort(np.append(np.linspace(-6, 6, 241), _JUST_ABOVE_0))


def plot_step_sigmoid(path: str | os.PathLike[str]) -> None:
    """Draw the chapter's figure: the step and the sigmoid over one another."""
    with saved_figure(path, 6, 3.4) as figure:
        _step_and_sigmoid(figure.add_subplot())


def plot_activations(path: str | os.PathLike[str]) -> None:
    """Draw the step against the sigmoid, then each function of the table with its derivative."""
    columns = 4
    rows = -(-(1 + len(ACTIVATIONS)) // columns)
    with saved_figure(path, 3.3 * columns, 2.7 * rows) as figure:
        axes = iter(figure.subplots(rows, columns).flat)
        _step_and_sigmoid(next(axes))
        for entry in ACTIVATIONS.values():
            _function_and_derivative(next(axes), entry)
        for empty in axes:
            empty.set_axis_off()


def _step_and_sigmoid(axes: Axes) -> None:
    _cross(axes)
    axes.plot(_X, ACTIVATIONS["step"](_X), color=GREY, linestyle="--", label="step")
    axes.plot(_X, ACTIVATIONS["sigmoid"](_X), color=BLUE, linewidth=2, label="sigmoid")
    axes.set(ylim=(-0.1, 1.1), yticks=(0, 0.5, 1))
    axes.set_title("step and sigmoid", fontweight="bold", loc="left")
    axes.legend(frameon=False, fontsize=8, loc="center right")


def _function_and_derivative(axes: Axes, entry: Activation) -> None:
    _cross(axes)
    if entry.elementwise:
        value, slope, label = entry(_X), entry.derivative(_X), "h"
    else:
        pairs = np.stack([_X, np.zeros_like(_X)], axis=1)
        value, slope, label = entry(pairs)[:, 0], entry.derivative(pairs)[:, 0, 0], "h, first of [x, 0]"
    axes.plot(_X, value, color=BLUE, linewidth=2, label=label)
    axes.plot(_X, slope, color=ORANGE, linewidth=1.3, linestyle="--", label="h′")
    axes.set_title(entry.name, fontweight="bold", loc="left")
    given = "".join(f", {name} = {value:.3g}" for name, value in entry.parameters.items())
    axes.set_xlabel(f"{entry.formula}\nrange {entry.range}{given}", fontsize=8)
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, -3), min(high, 3))
    axes.legend(frameon=False, fontsize=7, loc="best")


def _cross(axes: Axes) -> None:
    axes.axhline(0, color="#dddddd", linewidth=0.8, zorder=0)
    axes.axvline(0, color="#dddddd", linewidth=0.8, zorder=0)


# --- a network at work --------------------------------------------------------------------------------------

_NEURONS = 3  # explained below each layer
_INPUTS = 6  # named for each of them
_ANSWERS = 10


def plot_trace(
    trace: Trace, picture: Array, path: str | os.PathLike[str], *, labels: Sequence[Label] | None = None
) -> None:
    """Draw what a network made of one picture: the picture, each layer's outputs, the answers.

    trace: of one row. picture: what the network was shown, (height, width). labels: those of the network; 0, 1, …
    where left out. Below each layer stand its strongest neurons, with the inputs that pushed each up or down: all
    of them as a picture where the layer reads the pixels, else the strongest few as bars.
    """
    if not trace.layers or any(layer.z.ndim != 1 for layer in trace.layers):
        raise ShapeError("drawing a trace needs one row through at least one dense layer")
    columns = 1 + len(trace.layers)
    with saved_figure(path, 3 * columns, 7.5) as figure:
        grid = figure.add_gridspec(1 + _NEURONS, columns, height_ratios=(1.8,) + (1,) * _NEURONS)
        _shown(figure.add_subplot(grid[0, 0]), picture)
        _legend(figure.add_subplot(grid[1:, 0]))
        for column, layer in enumerate(trace.layers, start=1):
            last = column == len(trace.layers)
            names = [f"neuron {neuron}" for neuron in range(layer.layer.outputs)]
            if last and labels is not None:
                names = [str(label) for label in labels][-len(names) :]  # of two labels for one value, the second
            axes = figure.add_subplot(grid[0, column])
            if last:
                _answers(axes, trace.get("y", layer.z), names, layer)
            else:
                _outputs(axes, layer)
            for row, neuron in enumerate(_strongest(layer.z, _NEURONS), start=1):
                axes = figure.add_subplot(grid[row, column])
                _pushes(axes, layer.contributions(neuron), picture.shape)
                axes.set_title(f"{names[neuron]}: a = {layer.a[neuron]:.2f}, z = {layer.z[neuron]:.2f}", fontsize=8)


def _strongest(values: Array, count: int) -> list[int]:
    return [int(index) for index in np.argsort(-np.abs(values), kind="stable")[:count]]


def _shown(axes: Axes, picture: Array) -> None:
    axes.imshow(picture, cmap="gray")
    axes.set(xticks=(), yticks=())
    axes.set_title("what the network sees", fontweight="bold", loc="left")


def _legend(axes: Axes) -> None:
    axes.set_axis_off()
    text = (
        "Top row: what each layer answers.\n\n"
        "Below it: the layer's strongest\nneurons, and their inputs as w·x.\n\n"
        "Blue (to the right) pushes a up,\n"
        "red (to the left) pushes a down.\n\n"
        "a = Σ w·x + b,   z = h(a)"
    )
    axes.text(0, 1, text, va="top", fontsize=9, color="#444444", linespacing=1.5)


def _outputs(axes: Axes, layer: LayerTrace) -> None:
    axes.bar(range(len(layer.z)), layer.z, color=BLUE, width=1.0)
    axes.margins(x=0)
    axes.set(xlabel="neuron", ylabel="z")
    axes.set_title(f"layer {layer.number} · {layer.layer.activation}", fontweight="bold", loc="left")


def _answers(axes: Axes, values: Array, names: Sequence[str], layer: LayerTrace) -> None:
    chosen = sorted(_strongest(values, _ANSWERS))
    largest = int(np.argmax(values))
    bars = axes.barh(range(len(chosen)), values[chosen], color=[BLUE if i == largest else GREY for i in chosen])
    axes.bar_label(bars, labels=[f"{values[i]:.3f}" for i in chosen], padding=3, fontsize=8)
    axes.set_yticks(range(len(chosen)), [names[i] for i in chosen])
    axes.invert_yaxis()
    axes.margins(x=0.25)
    axes.set_title(f"layer {layer.number} · {layer.layer.activation}", fontweight="bold", loc="left")


def _pushes(axes: Axes, contributions: Array, picture_shape: tuple[int, ...]) -> None:
    if contributions.size == np.prod(picture_shape):
        limit = np.abs(contributions).max() or 1.0
        axes.imshow(contributions.reshape(picture_shape), cmap="RdBu", vmin=-limit, vmax=limit)
        axes.set(xticks=(), yticks=())
        axes.spines[:].set_visible(False)
        return
    chosen = _strongest(contributions, _INPUTS)
    colours = [BLUE if contributions[i] > 0 else RED for i in chosen]
    bars = axes.barh(range(len(chosen)), contributions[chosen], color=colours)
    axes.bar_label(bars, fmt="%+.2f", padding=3, fontsize=7)
    axes.axvline(0, color="#9a9a9a", linewidth=0.8)
    axes.set_yticks(range(len(chosen)), [f"from {i}" for i in chosen], fontsize=7)
    axes.set_xticks(())
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.invert_yaxis()
    axes.margins(x=0.3)


# --- a run of training --------------------------------------------------------------------------------------

# What is drawn → title, and the keys of the two curves: over the rows learned from, and over those held out.
_CURVES = {"loss": ("loss", "validation_loss"), "error": ("accuracy", "validation_accuracy")}


def plot_history(history: Sequence[Mapping[str, Any]], path: str | os.PathLike[str]) -> None:
    """Draw the loss and the share of errors after each epoch, on a logarithmic scale.

    history: one mapping an epoch, with the keys of the JSON lines that training writes; None where nothing is known.
    """
    if not history:
        raise ShapeError("drawing a history needs at least one epoch")
    with saved_figure(path, 7.5, 3) as figure:
        for axes, (title, keys) in zip(figure.subplots(1, 2), _CURVES.items(), strict=True):
            for key, name, style in zip(keys, ("training", "held out"), ((GREY, "--"), (BLUE, "-")), strict=True):
                known = [(row["epoch"], row[key]) for row in history if row[key] is not None]
                if known:
                    epochs, values = np.array(known, dtype=float).T
                    drawn = 1 - values if title == "error" else values
                    axes.plot(epochs, np.maximum(drawn, 1e-5), color=style[0], linestyle=style[1], label=name)
            axes.set_yscale("log")
            axes.set_xlabel("epoch")
            axes.set_title(title, fontweight="bold", loc="left")
            if axes.lines:
                axes.legend(frameon=False, fontsize=8)
