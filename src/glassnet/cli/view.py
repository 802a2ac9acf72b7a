"""The see-through view: one picture's way through a network, laid out for the width of the terminal.

Every number shown is one of the trace, rounded to three digits after the point (from 100 on to four in all), and
every sum is written out so that a reader can check it by hand. Neurons, rows and columns are counted from 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from glassnet.cli import blocks
from glassnet.cli.errors import printable
from glassnet.network import Dense, LayerTrace, Network, Trace
from glassnet.network.steps import Array

if TYPE_CHECKING:
    from glassnet.digits import Step

_NEURON_WIDTH = 38  # of the account of one hidden neuron; there are as many as stand side by side
_GAP = 3
_NEURON_INPUTS = 5
_WINNER_INPUTS = 10
_THUMBNAIL = 28
_LARGEST_EXPONENT = 700  # beyond, exp overflows


def explanation(
    network: Network, trace: Trace, picture: Array, probabilities: Array, *, width: int, grey: bool
) -> Iterator[RenderableType]:
    """Give the parts of the view, from the picture to the sum behind the winning output.

    trace: of one row. picture: as the network was shown it, (height, width) of uint8. grey: see ``blocks.picture``.
    """
    labels = [printable(label) for label in network.labels or range(len(probabilities))]
    yield _answer(picture, trace[network.inputs[0].name], probabilities, labels, width, grey)
    for layer, inputs in zip(trace.layers, _inputs(network, picture), strict=True):
        yield _heading(layer, inputs)
        if layer is trace.layers[-1]:
            yield _winner(layer, inputs, labels, probabilities, width)
        else:
            yield _hidden(layer, inputs, width)


def preparation(steps: Sequence[Step], *, width: int, grey: bool) -> RenderableType:
    """Lay out the steps from the picture as it was given to what the network is shown, side by side."""
    beside = max(1, (width + _GAP) // (_THUMBNAIL + _GAP))
    rows = Table.grid(padding=(0, _GAP, 0, 0))
    for _ in range(beside):
        rows.add_column(width=_THUMBNAIL)
    for start in range(0, len(steps), beside):
        row = list(enumerate(steps[start : start + beside], start=start + 1))
        rows.add_row(*(Text.assemble((f"{number}. {step.name}", "bold"), f"\n{step.what}") for number, step in row))
        rows.add_row(*(blocks.picture(blocks.thumbnail(step.picture, _THUMBNAIL), grey=grey) for _, step in row))
        rows.add_row("")
    return rows


# --- what the network sees, and what it says ----------------------------------------------------------------


def _answer(
    picture: Array, x: Array, probabilities: Array, labels: Sequence[str], width: int, grey: bool
) -> RenderableType:
    best = int(np.argmax(probabilities))
    length = max(1, min(40, width - picture.shape[1] - max(map(len, labels)) - 17))
    bars = Table.grid(padding=(0, 1))
    for index, (label, probability) in enumerate(zip(labels, probabilities, strict=True)):
        won = index == best
        bars.add_row(
            Text(f"{'▶' if won else ' '} {label}", "bold" if won else ""),
            blocks.bar(float(probability), length, blocks.UP if won else ""),
            Text(f"{100 * probability:6.2f} %", "bold" if won else ""),
        )
    beside = Table.grid(padding=(0, _GAP, 0, 0))
    said = Text.assemble("The network says ", (labels[best], "bold"), ".\n")
    beside.add_row(blocks.picture(picture, grey=grey), Group(said, bars))
    height, wide = picture.shape
    return Group(
        beside, Text(f"\nx: the {height} × {wide} pixels, as numbers from {_number(x.min())} to {_number(x.max())}\n")
    )


# --- the layers ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Inputs:
    """What a layer reads: its symbol in formulas and, where it is the picture itself, the picture's shape."""

    symbol: str
    picture_shape: tuple[int, ...] = ()

    def name(self, index: int) -> str:
        if not self.picture_shape:
            return f"{self.symbol}[{index}]"
        row, column = divmod(index, self.picture_shape[1])
        return f"row {row:2} col {column:2}"


def _inputs(network: Network, picture: Array) -> Iterator[_Inputs]:
    """Give what each dense layer reads, under the names of the trace."""
    symbols = {given.name: "x" for given in network.inputs}
    number = 0
    for step, sources in zip(network.steps, network.sources, strict=True):
        symbols[step.name] = printable(step.name)
        if isinstance(step, Dense):
            number += 1
            symbols[step.name] = f"z{number}"
            symbol = symbols[sources[0]]
            yield _Inputs(symbol, picture.shape if symbol == "x" and step.inputs == picture.size else ())


def _heading(layer: LayerTrace, inputs: _Inputs) -> RenderableType:
    n = layer.number
    formula = f"a{n} = {inputs.symbol}·W{n} + b{n}   z{n} = {layer.layer.activation}(a{n})"
    title = Text.assemble((f"layer {n}", "bold"), f"   {layer.layer.inputs} → {layer.layer.outputs}   {formula}")
    return Group(Rule(title, align="left", style="dim"), "")


def _hidden(layer: LayerTrace, inputs: _Inputs, width: int) -> RenderableType:
    count = max(1, (width + _GAP) // (_NEURON_WIDTH + _GAP))
    accounts = Table.grid(padding=(0, _GAP, 0, 0))
    accounts.add_row(*(_account(layer, neuron, inputs) for neuron in _strongest(layer.z, count)))
    zeros = int((layer.z == 0).sum())
    silent = f"; {zeros} of {len(layer.z)} are 0" if zeros else ""
    span = f"from {_number(layer.z.min())} to {_number(layer.z.max())}"
    return Group(
        Text(f"z{layer.number}: {len(layer.z)} neurons, {span}{silent}\n"),
        *blocks.columns(layer.z, width),
        Text("\nThe strongest neurons, and what pushes them up (+) and down (-):\n"),
        accounts,
        "",
    )


def _account(layer: LayerTrace, neuron: int, inputs: _Inputs) -> RenderableType:
    """Tell how one neuron came to its a and z."""
    parts: list[RenderableType] = [Text(f"neuron {neuron}", "bold")]
    if inputs.picture_shape:
        parts.append(blocks.pushes(layer.contributions(neuron).reshape(inputs.picture_shape)))
    return Group(*parts, *(line for line, _ in _sum(layer, neuron, inputs, _NEURON_INPUTS)))


def _winner(
    layer: LayerTrace, inputs: _Inputs, labels: Sequence[str], probabilities: Array, width: int
) -> RenderableType:
    """Tell the sum behind the answer, and how far the next answer is."""
    best, *others = (int(index) for index in np.argsort(-probabilities, kind="stable"))
    neuron = min(best, layer.layer.outputs - 1)  # two labels may share one output
    largest = np.abs(layer.contributions(neuron)).max() or 1.0
    rows = Table.grid(padding=(0, 2))
    for line, push in _sum(layer, neuron, inputs, _WINNER_INPUTS):
        bar = "" if push is None else blocks.balance(push / largest, min(60, width - _NEURON_WIDTH - 2))
        rows.add_row(line, bar)
    parts: list[RenderableType] = [
        Text.assemble("Why ", (labels[best], "bold"), "? The inputs of its neuron, the strongest first:\n"),
        rows,
    ]
    if layer.layer.activation.name == "softmax" and others:
        parts.append(_distance(layer.a[best], layer.a[others[0]], labels[best], labels[others[0]]))
    return Group(*parts)


def _distance(best: float, second: float, label: str, next_label: str) -> Text:
    """Tell what softmax makes of the lead in ``a``."""
    ahead = float(best - second)
    times = f"exp({_number(ahead)})" + (f" = {math.exp(ahead):,.4g}" if ahead < _LARGEST_EXPONENT else "")
    return Text(
        f"\n{next_label} comes next: its a = {_number(second)} is {_number(ahead)} less, so softmax makes {label} "
        f"{times} times as probable.\n"
    )


def _sum(layer: LayerTrace, neuron: int, inputs: _Inputs, count: int) -> Iterator[tuple[Text, float | None]]:
    """Give the lines of a = Σ w·x + b: the ``count`` strongest inputs, each with its w·x too, then rest and sums."""
    pushes = layer.contributions(neuron)
    order = _strongest(pushes, len(pushes))
    for index in order[:count]:
        x, w = _number(layer.x[index]), _number(layer.layer.weights[index, neuron], "+")
        yield _line(f"{inputs.name(index):<13} {x:>6} × {w:>6}", pushes[index]), float(pushes[index])
    rest = order[count:]
    if rest:
        yield _line(f"{len(rest)} others", pushes[rest].sum()), None
    yield _line("Σ w·x", pushes.sum()), None
    yield _line("b", layer.layer.bias[neuron]), None
    yield _line("a = Σ w·x + b", layer.a[neuron], "bold"), None
    yield _line(f"z = {layer.layer.activation.name}(a)", layer.z[neuron], "bold"), None


def _line(what: str, value: float, style: str = "") -> Text:
    return Text(f"{what:<29} {_number(value, '+'):>8}", style)


def _number(value: float, sign: str = "-") -> str:
    return f"{value:{sign}.3f}" if abs(value) < 100 else f"{value:{sign}.4g}"


def _strongest(values: Array, count: int) -> list[int]:
    """Return the indices of the values furthest from 0, the furthest first."""
    return [int(index) for index in np.argsort(-np.abs(values), kind="stable")[:count]]
