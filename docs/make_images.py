"""Draw the pictures of the documents: ``python docs/make_images.py`` writes docs/images/*.svg."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from glassnet import Dense, Network, digits
from glassnet.activations import Array
from glassnet.digits.augment import DISTORTIONS, Augmentation, Distortion
from glassnet.plots import BLUE, GREY, ORANGE, plot_activations, plot_step_sigmoid, plot_trace, saved_figure

DOCS = Path(__file__).parent
IMAGES = DOCS / "images"
PICTURES = (".png", ".jpg")
CORNERS = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])

AND = Dense([[0.5], [0.5]], [-0.7], "step")
NAND = Dense([[-0.5], [-0.5]], [0.7], "step")
OR = Dense([[0.5], [0.5]], [-0.2], "step")
XOR = Network([Dense([[-0.5, 0.5], [-0.5, 0.5]], [0.7, -0.2], "step"), AND])
GATES: dict[str, Dense | Network] = {"AND": AND, "NAND": NAND, "OR": OR, "XOR": XOR}

THREE_LAYERS = Network(
    [
        Dense([[0.1, 0.3, 0.5], [0.2, 0.4, 0.6]], [0.1, 0.2, 0.3], "sigmoid"),
        Dense([[0.1, 0.4], [0.2, 0.5], [0.3, 0.6]], [0.1, 0.2], "sigmoid"),
        Dense([[0.1, 0.3], [0.2, 0.4]], [0.1, 0.2]),
    ]
)


def gates(path: Path) -> None:
    """Draw where each gate says 1: one straight edge for a neuron, a band between two for XOR."""
    with saved_figure(path, 9, 2.7) as figure:
        for axes, (name, gate) in zip(figure.subplots(1, len(GATES)), GATES.items(), strict=True):
            side = np.linspace(-0.5, 1.5, 21)
            plane = np.stack(np.meshgrid(side, side), axis=-1)
            lines = gate.layers[0] if isinstance(gate, Network) else gate
            least = lines.affine(plane.reshape(-1, 2)).min(axis=1).reshape(plane.shape[:2])  # > 0: all lines say yes
            axes.contourf(side, side, least, levels=[0, 9], colors=[BLUE], alpha=0.15)
            axes.contour(side, side, least, levels=[0], colors=[BLUE], linewidths=1)
            for corner, value in zip(CORNERS, gate(CORNERS).ravel(), strict=True):
                axes.plot(*corner, "o", markersize=9, markeredgecolor=BLUE, color=BLUE if value else "white")
            axes.set(xticks=(0, 1), yticks=(0, 1), xlabel="x₁", ylabel="x₂", aspect="equal")
            axes.set_title(name, fontweight="bold", loc="left")


def three_layers(path: Path) -> None:
    """Draw the chapter's network with its weights on the lines and its numbers in the neurons."""
    trace = THREE_LAYERS.trace([1.0, 0.5])
    columns = [trace[name] for name in ("x", "z1", "z2", "y")]
    with saved_figure(path, 8.5, 4.2) as figure:
        axes = figure.add_subplot()
        axes.set_axis_off()
        axes.set(xlim=(-0.45, 3.6), ylim=(-1.9, 1.9))
        for column, layer in enumerate(THREE_LAYERS.layers):
            _lines(axes, column, layer)
        for column, values in enumerate(columns):
            for value, height in zip(values, _heights(len(values)), strict=True):
                axes.plot(column, height, "o", markersize=42, color="white", markeredgecolor=BLUE, markeredgewidth=1.5)
                axes.text(column, height, f"{value:.4g}", ha="center", va="center", fontsize=9)
        titles = ("x", "z1 = sigmoid(a1)", "z2 = sigmoid(a2)", "y = a3")
        for column, title in enumerate(titles):
            axes.text(column, 1.75, title, ha="center", color=GREY, fontsize=10)


def _heights(count: int) -> Array:
    return 1.1 * (np.arange(count) - (count - 1) / 2)[::-1]


def _lines(axes: Axes, column: int, layer: Dense) -> None:
    ends = _heights(layer.outputs)
    for i, start in enumerate(_heights(layer.inputs)):
        for j, end in enumerate(ends):
            weight = layer.weights[i, j]
            axes.plot([column, column + 1], [start, end], color=BLUE, alpha=0.35, linewidth=5 * weight, zorder=1)
            along = 0.3 + 0.12 * j
            axes.text(
                column + along, start + along * (end - start), f"{weight:g}", ha="center", va="center", fontsize=7.5,
                zorder=2, bbox={"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none"},
            )  # fmt: skip
    for end, bias in zip(ends, layer.bias, strict=True):
        axes.text(column + 1, end - 0.42, f"b {bias:g}", ha="center", va="center", fontsize=7.5, color=ORANGE)


def digit(path: Path) -> None:
    """Draw what the shipped network makes of one of the example pictures."""
    network = digits.load_model("digits-small")
    prepared = digits.prepare(DOCS.parent / "examples" / "digits" / "7-crossed.jpg")
    plot_trace(network.trace(prepared), prepared, path, labels=network.labels)


def augment(path: Path) -> None:
    """Draw what each distortion makes of example pictures, and all of them in turn."""
    examples = DOCS.parent / "examples" / "digits"
    pictures = np.stack([digits.prepare(file) for file in sorted(examples.iterdir()) if file.suffix in PICTURES])
    shown = np.resize(pictures, (14, *pictures.shape[1:]))
    rows: dict[str, Array] = {"as prepared": shown}
    steps = tuple(kind() for kind in DISTORTIONS.values())
    for name, step in [*zip(DISTORTIONS, steps, strict=True), ("all in turn", Augmentation(steps))]:
        everywhere = replace(step, share=1.0) if hasattr(step, "share") and isinstance(step, Distortion) else step
        rows[name] = everywhere(shown, np.random.default_rng(1))
    with saved_figure(path, 7.5, 4.6) as figure:
        for axes, (name, row) in zip(figure.subplots(len(rows), 1), rows.items(), strict=True):
            axes.imshow(
                np.hstack([np.pad(picture, ((0, 0), (0, 2))) for picture in row]),
                cmap="gray_r",
                vmax=255,
                interpolation="none",
            )
            axes.set(xticks=(), yticks=())
            axes.spines[:].set_visible(False)
            axes.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=8)


IMAGE_MAKERS: dict[str, Callable[[Path], None]] = {
    "step-sigmoid.svg": plot_step_sigmoid,
    "activations.svg": plot_activations,
    "gates.svg": gates,
    "three-layers.svg": three_layers,
    "digit.svg": digit,
    "augment.svg": augment,
}

if __name__ == "__main__":
    for name, make in IMAGE_MAKERS.items():
        make(IMAGES / name)
