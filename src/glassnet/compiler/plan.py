"""The plan: what will be emitted for a chain of dense layers on a target, as data that can be printed and tested.

Nothing here knows LLVM. The machine code depends on the plan alone, never on the weights, which it reads from one
buffer that ``pack`` lays out: so one object file serves every network of the same shapes.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from glassnet.activations import Activation
from glassnet.compiler.chains import Link
from glassnet.compiler.targets import Target
from glassnet.network import Activate, Dense

# Rows of scratch and panels of weights start on cache lines of 64 bytes.
LINE = 16
# Weights beyond this many floats do not stay in a second-level cache beside the activations; a batch then goes
# through them in blocks of rows, so that they are read once for a block and not once for a tile.
CACHED_WEIGHTS = 64 * 1024
# Rows in a block: as many as there may be for large weights; else as many as keep both buffers in 32 KiB.
MOST_ROWS = 48
BUFFER_FLOATS = 4 * 1024
# A tile costs about as much as this many rows one by one.
FEW_ROWS = 2
# Chains of fused multiply-adds that must run side by side to hide their latency.
CHAINS = 8
# What turning one value from rows to columns costs, in multiplications of one lane.
TURNING = 2.5
# The share of a layer that is left when zeros of a hidden layer are skipped.
SPARED = 0.85
# Activations that give exact zeros often enough for the next layer to look for them.
SPARSE = frozenset({"relu", "step", "hard_sigmoid"})


@dataclass(frozen=True)
class Panel:
    """Neighbouring outputs computed together: the vector widths, and how often such a panel follows itself."""

    widths: tuple[int, ...]
    count: int = 1

    @property
    def width(self) -> int:
        """Outputs computed, padding included."""
        return sum(self.widths)


@dataclass(frozen=True)
class Limits:
    """An elementwise min(max(x, low), high)."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"clip({self.low:g}, {self.high:g})"


# What is applied to the sums of a layer, in order.
Epilogue: TypeAlias = tuple[Activation | Limits, ...]


@dataclass(frozen=True)
class Layer:
    """One dense layer of the plan.

    epilogue: what is applied to the sums, in order.

    searches: whether its input is looked through for zeros at run time.
    weights, bias: where the packed parameters start, in floats. input_stride, output_stride: of a row of scratch.
    """

    inputs: int
    outputs: int
    epilogue: Epilogue
    panels: tuple[Panel, ...]
    searches: bool
    bias: int
    weights: int
    input_stride: int
    output_stride: int

    @property
    def width(self) -> int:
        """Outputs computed, padding included."""
        return sum(panel.width * panel.count for panel in self.panels)

    def anywhere(self) -> Layer:
        """Return this layer with its parameters at the start: what its code depends on."""
        return dataclasses.replace(self, bias=0, weights=self.weights - self.bias)


@dataclass(frozen=True)
class Scratch:
    """Where things lie in scratch memory, in floats; the first buffer of rows is at the start, ``buffer`` long."""

    buffer: int
    lists: int
    columns: int
    answer: int
    end: int


@dataclass(frozen=True)
class Plan:
    """A chain of dense layers on a target.

    block_rows: rows that go through a layer before the next layer begins. few: batches of up to this many rows
    go row by row. turn: the first layer that is computed by columns, in groups of as many rows as a register has
    lanes. turns_dense: whether a block goes by columns from the first layer on if its input has no zeros to skip.
    scale, shift: how uint8 becomes float32.
    """

    target: Target
    layers: tuple[Layer, ...]
    block_rows: int
    few: int
    turn: int
    turns_dense: bool
    scale: float
    shift: float

    @property
    def inputs(self) -> int:
        """Values in a row that goes in."""
        return self.layers[0].inputs

    @property
    def outputs(self) -> int:
        """Values in a row that comes out."""
        return self.layers[-1].outputs

    @property
    def every_column(self) -> int:
        """Where the list of all columns starts, beside the packed parameters."""
        last = self.layers[-1]
        return last.weights + _padded(last.inputs * last.width)

    @property
    def parameter_floats(self) -> int:
        """Size of the packed parameters, with the list of all columns."""
        return self.every_column + max((_padded(layer.inputs) for layer in self.layers if layer.searches), default=0)

    @property
    def column_floats(self) -> int:
        """Size of one of the two buffers of columns, for a group."""
        if self.turn == len(self.layers) and not self.turns_dense:
            return 0
        layers = self.layers[0 if self.turns_dense else self.turn :]
        return self.target.lanes * max(max(layer.inputs, layer.outputs) for layer in layers)

    def scratch(self, rows: int, tile_rows: int) -> Scratch:
        """Return the layout of scratch memory for blocks of ``rows``."""
        buffer = rows * max(max(layer.input_stride, layer.output_stride) for layer in self.layers)
        searched = max((list_floats(layer.inputs) for layer in self.layers if layer.searches), default=0)
        columns = 2 * buffer + searched * (rows // tile_rows)
        answer = end = columns + (2 * self.column_floats if rows > 1 else 0)
        if answer > columns:
            end += max(self.target.lanes * max(self.outputs, 2), 2 * buffer // rows)
        return Scratch(buffer, 2 * buffer, columns, answer, end)

    @property
    def scratch_floats(self) -> int:
        """Scratch memory one call needs."""
        return self.scratch(self.block_rows, self.target.rows).end

    @property
    def few_scratch_floats(self) -> int:
        """Scratch memory a call with few rows needs."""
        return self.scratch(1, 1).end

    @property
    def multiplications(self) -> int:
        """Multiplications for one dense row, padding not counted."""
        return sum(layer.inputs * layer.outputs for layer in self.layers)

    def describe(self) -> str:
        """Return the plan as a table for people."""
        lines = [
            f"target {self.target.name}: tiles of {self.target.rows} rows × {self.target.vectors} vectors of "
            f"{self.target.lanes}; blocks of {self.block_rows} rows; up to {self.few} rows one by one"
        ]
        if self.turns_dense:
            lines[0] += "; all layers by columns where there are no zeros to skip"
        for number, layer in enumerate(self.layers, 1):
            panels = " + ".join(f"{panel.count} × [{' '.join(map(str, panel.widths))}]" for panel in layer.panels)
            zeros = ", skips zeros" if layer.searches and number <= self.turn else ""
            after = ", ".join(map(str, layer.epilogue)) or "identity"
            form = ", by columns" if number > self.turn else ""
            lines.append(f"layer {number}: {layer.inputs} → {layer.outputs} {after}, panels {panels}{zeros}{form}")
        return "\n".join(lines)


def make_plan(
    links: Sequence[Link],
    target: Target,
    *,
    scale: float = 1.0,
    shift: float = 0.0,
) -> Plan:
    """Plan the code for a chain of dense layers.

    scale, shift: how uint8 input becomes float32.
    """
    planned: list[Layer] = []
    at = 0
    for link in links:
        layer = link.layer
        panels = _panels(layer.outputs, target)
        width = sum(panel.width * panel.count for panel in panels)
        before = planned[-1] if planned else None
        planned.append(
            Layer(
                inputs=layer.inputs,
                outputs=layer.outputs,
                epilogue=_epilogue(link),
                panels=panels,
                searches=layer.inputs >= LINE and (before is None or _gives_zeros(before)) and _is_finite(layer),
                bias=at,
                weights=at + _padded(width),
                input_stride=before.output_stride if before else _stride(layer.inputs),
                output_stride=_stride(width),
            )
        )
        at = planned[-1].weights + _padded(layer.inputs * width)
    turn = _turn(planned, target, first=1 if planned[0].searches else 0)
    # Blocks are single groups then, which would read large weights too often.
    turns_dense = planned[0].searches and at <= CACHED_WEIGHTS and _turn(planned, target, first=0) == 0
    widest = max(max(layer.input_stride, layer.output_stride) for layer in planned)
    rows = MOST_ROWS if at > CACHED_WEIGHTS else min(MOST_ROWS, BUFFER_FLOATS // widest)
    unit = target.rows if turn == len(planned) and not turns_dense else target.lanes
    return Plan(
        target=target,
        layers=tuple(planned),
        block_rows=unit if turns_dense else max(1, rows // unit) * unit,
        few=FEW_ROWS,
        turn=turn,
        turns_dense=turns_dense,
        scale=scale,
        shift=shift,
    )


def _turn(layers: Sequence[Layer], target: Target, first: int) -> int:
    """Return the layer from which on to compute by columns, at the earliest ``first``; as many as there are: none.

    By rows a layer takes a multiplication for each register of outputs, padding included, and too few of them wait for
    each other; by columns one for each output. Turning a value costs as much as a few multiplications.
    """

    def cost(turn: int) -> float:
        by_rows = sum(
            max(
                target.lanes * sum(len(panel.widths) * panel.count for panel in layer.panels),
                target.lanes * CHAINS / target.rows,
            )
            * layer.inputs
            * (SPARED if layer.searches and number else 1)
            for number, layer in enumerate(layers[:turn])
        )
        if turn == len(layers):
            return by_rows
        turned = TURNING * (layers[turn].inputs + layers[-1].outputs)
        return by_rows + turned + sum(max(layer.outputs, CHAINS / 2) * layer.inputs for layer in layers[turn:])

    return min(range(len(layers), first - 1, -1), key=cost)


def list_floats(inputs: int) -> int:
    """Return the room for the live columns of a tile: a line for their number, then they, in whole vectors."""
    return 2 * LINE + _padded(inputs)


def _epilogue(link: Link) -> Epilogue:
    after = tuple(step.activation if isinstance(step, Activate) else Limits(step.low, step.high) for step in link.after)
    return tuple(each for each in (link.layer.activation, *after) if str(each) != "identity")


def _gives_zeros(layer: Layer) -> bool:
    return any(isinstance(each, Activation) and each.name in SPARSE for each in layer.epilogue)


def _is_finite(layer: Dense) -> bool:
    """Return whether zeros may be skipped: 0 · w is 0 for finite w only."""
    return bool(np.isfinite(layer.weights).all())


def pack(plan: Plan, links: Sequence[Link]) -> npt.NDArray[np.float32]:
    """Lay the parameters out as the plan says: for each layer the bias, then panel by panel ``(inputs, width)``.

    Behind them the numbers of all columns are listed, for layers that search. Padding is zero. A bias of -0 becomes
    +0, so that sums start the same whatever is skipped.
    """
    packed = aligned(plan.parameter_floats)
    columns = packed[plan.every_column :].view(np.int32)
    columns[:] = np.arange(columns.size)
    for layer, planned in zip((link.layer for link in links), plan.layers, strict=True):
        weights = np.zeros((layer.inputs, planned.width), np.float32)
        weights[:, : layer.outputs] = layer.weights
        packed[planned.bias : planned.bias + layer.outputs] = layer.bias + np.float32(0)
        column, at = 0, planned.weights
        for panel in planned.panels:
            for _ in range(panel.count):
                size = layer.inputs * panel.width
                packed[at : at + size].reshape(layer.inputs, panel.width)[:] = weights[:, column : column + panel.width]
                column, at = column + panel.width, at + size
    packed.flags.writeable = False
    return packed


def _panels(outputs: int, target: Target) -> tuple[Panel, ...]:
    full, rest = divmod(outputs, target.panel)
    panels = [Panel((target.lanes,) * target.vectors, full)] if full else []
    if rest:
        whole, tail = divmod(rest, target.lanes)
        widths = (target.lanes,) * whole
        if tail:
            widths += (min(width for width in (4, 8, 16) if width >= tail),)
        panels.append(Panel(widths))
    return tuple(panels)


def _padded(floats: int) -> int:
    return math.ceil(floats / LINE) * LINE


def _stride(floats: int) -> int:
    """Return the distance between rows: whole lines, and not a multiple of 4 KiB, where rows would share cache sets."""
    padded = _padded(floats)
    return padded + LINE if padded % 1024 == 0 else padded


def aligned(floats: int) -> npt.NDArray[np.float32]:
    """Return zeros that start on a cache line."""
    raw = np.zeros(floats + LINE, np.float32)
    start = -(raw.ctypes.data // 4) % LINE
    return raw[start : start + floats]
