"""What happened inside: every layer's ``a`` and ``z``, under the chapter's names.

The forward pass keeps only what the next step needs to know; this keeps everything, for people to look at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from glassnet.network.steps import Array, Dense

if TYPE_CHECKING:
    from glassnet.network.graph import Network


@dataclass(frozen=True, eq=False)
class LayerTrace:
    """One dense layer at work: what came in, the weighted sums, what went out."""

    number: int
    layer: Dense
    x: Array
    a: Array
    z: Array

    def contributions(self, neuron: int) -> Array:
        """Return w·x for every input of one neuron; with the bias they add up to its ``a``.

        Shape (inputs,) for one row, (rows, inputs) for a batch.
        """
        product: Array = self.x * self.layer.weights[:, neuron]
        return product


@dataclass(frozen=True, eq=False)
class Trace(Mapping[str, Array]):
    """Every value by name: ``x``, ``a1``, ``z1``, ``a2``, … and ``y`` for the output.

    A step that is not a dense layer stands under its own name. ``layers`` holds the dense layers in order.
    """

    named: Mapping[str, Array]
    layers: tuple[LayerTrace, ...]

    def __getitem__(self, name: str) -> Array:
        return self.named[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.named)

    def __len__(self) -> int:
        return len(self.named)

    def __str__(self) -> str:
        with np.printoptions(precision=4, threshold=12, suppress=True):
            lines = []
            for name, value in self.items():
                title = f"{name:>4} {value.shape!s:<12} "
                lines.append(title + str(value).replace("\n", "\n" + " " * len(title)))
            return "\n".join(lines)


def trace(network: Network, x: Sequence[npt.ArrayLike]) -> Trace:
    """Run ``network`` on one row or a batch and keep every value."""
    batches, single = network.batches(x)
    forward = network.forward(batches)
    row = 0 if single else slice(None)
    named: dict[str, Array] = {given.name: forward[given.name][row] for given in network.inputs}
    layers: list[LayerTrace] = []
    for step, sources in zip(network.steps, network.sources, strict=True):
        value = forward[step.name]
        name = step.name
        if isinstance(step, Dense):
            number = len(layers) + 1
            a = step.affine(forward[sources[0]])
            layers.append(LayerTrace(number, step, forward[sources[0]][row], a[row], value[row]))
            named[f"a{number}"] = a[row]
            name = f"z{number}"
        named["y" if network.outputs == (step.name,) else name] = value[row]
    return Trace(named, tuple(layers))
