"""A network as a table that fits a terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glassnet.network.graph import Network

_HEADER = ("step", "kind", "reads", "row shape", "activation", "parameters")


def summary(network: Network) -> str:
    """Return a table of the steps with shapes, activations and parameter counts."""
    rows = [(given.name, "input", "", _shape(given.shape), "", "") for given in network.inputs]
    for step, sources in zip(network.steps, network.sources, strict=True):
        count = sum(array.size for array in step.arrays.values())
        chosen = str(getattr(step, "activation", ""))
        rows.append((step.name, step.KIND, ", ".join(sources), _shape(network.shapes[step.name]), chosen, f"{count:,}"))
    widths = [max(len(row[column]) for row in (_HEADER, *rows)) for column in range(len(_HEADER))]
    lines = [_line(_HEADER, widths), _line(tuple("─" * width for width in widths), widths)]
    lines += [_line(row, widths) for row in rows]
    answers = f"one of {list(network.labels)}" if network.labels else "values"
    multiplications = sum(math.prod(layer.weights.shape) for layer in network.layers)
    lines.append(
        f"{network.parameter_count:,} parameters in {network.dtype}, {multiplications:,} multiplications a row; "
        f"answers {answers}"
    )
    return "\n".join(lines)


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    *texts, count = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return "  ".join((*texts, count.strip().rjust(widths[-1]))).rstrip()


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(str(size) for size in shape)
