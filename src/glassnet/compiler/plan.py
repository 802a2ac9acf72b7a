"""The plan: what will be emitted for a chain of dense layers on a target, as data that can be printed and tested.

Nothing here knows LLVM. The machine code depends on the plan alone, never on the weights, which it reads from one
buffer that ``pack`` lays out: so one object file serves every network of the same shapes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Layer:
    """One dense layer of the plan.

    epilogue: what is applied to the sums, in order.

    searches: whether its input is looked through for zeros at run time.
    weights, bias: where the packed parameters start, in floats. input_stride, output_stride: of a row of scratch.
    """

    inputs: int
    outputs: int
    epilogue: tuple[Activation | Limits, ...]
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


@dataclass(frozen=True)
class Plan:
    """A chain of dense layers on a target.

    block_rows: rows that go through a layer before the next layer begins. few: batches of up to this many rows
    go row by row. scale, shift: how uint8 becomes float32.
    """

    target: Target
    layers: tuple[Layer, ...]
    block_rows: int
    few: int
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
    def parameter_floats(self) -> int:
        """Size of the packed parameters."""
        last = self.layers[-1]
        return last.weights + _padded(last.inputs * last.width)

    @property
    def buffer_floats(self) -> int:
        """Size of one of the two activation buffers, for a block."""
        return self.block_rows * max(max(layer.input_stride, layer.output_stride) for layer in self.layers)

    @property
    def live_columns(self) -> int:
        """Room for one list of live columns (whole vectors are written)."""
        return _padded(max((layer.inputs for layer in self.layers if layer.searches), default=0)) + LINE

    @property
    def lists(self) -> int:
        """Lists of live columns in a block, one a tile."""
        return self.block_rows // self.target.rows if any(layer.searches for layer in self.layers) else 0

    @property
    def scratch_floats(self) -> int:
        """Scratch memory one call needs: two buffers, the lists, their lengths."""
        return 2 * self.buffer_floats + self.lists * (self.live_columns + LINE) + LINE

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
        for number, layer in enumerate(self.layers, 1):
            panels = " + ".join(f"{panel.count} × [{' '.join(map(str, panel.widths))}]" for panel in layer.panels)
            zeros = ", skips zeros" if layer.searches else ""
            after = ", ".join(map(str, layer.epilogue)) or "identity"
            lines.append(f"layer {number}: {layer.inputs} → {layer.outputs} {after}, panels {panels}{zeros}")
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
    widest = max(max(layer.input_stride, layer.output_stride) for layer in planned)
    rows = MOST_ROWS if at > CACHED_WEIGHTS else min(MOST_ROWS, BUFFER_FLOATS // widest)
    return Plan(
        target=target,
        layers=tuple(planned),
        block_rows=max(1, rows // target.rows) * target.rows,
        few=FEW_ROWS,
        scale=scale,
        shift=shift,
    )


def _epilogue(link: Link) -> tuple[Activation | Limits, ...]:
    after = tuple(step.activation if isinstance(step, Activate) else Limits(step.low, step.high) for step in link.after)
    return tuple(each for each in (link.layer.activation, *after) if str(each) != "identity")


def _gives_zeros(layer: Layer) -> bool:
    return any(isinstance(each, Activation) and each.name in SPARSE for each in layer.epilogue)


def _is_finite(layer: Dense) -> bool:
    """Return whether zeros may be skipped: 0 · w is 0 for finite w only."""
    return bool(np.isfinite(layer.weights).all())


def pack(plan: Plan, links: Sequence[Link]) -> npt.NDArray[np.float32]:
    """Lay the parameters out as the plan says: for each layer the bias, then panel by panel ``(inputs, width)``.

    Padding is zero. A bias of -0 becomes +0, so that sums start the same whatever is skipped.
    """
    packed = aligned(plan.parameter_floats)
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
