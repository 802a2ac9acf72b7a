"""Cutting a network into parts: chains of dense layers that have a kernel, and single steps that NumPy runs."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from glassnet.network import Activate, Clip, Dense, Network, Step

Array = npt.NDArray[Any]

# Elementwise activations that are not among ``functions.ELEMENTWISE``; named here, since that needs llvmlite.
WITHOUT_KERNEL = frozenset({"celu", "hard_swish", "mish", "softsign"})


@dataclass(frozen=True)
class Link:
    """A dense layer and the elementwise steps that are applied to its outputs while they are in registers."""

    layer: Dense
    after: tuple[Activate | Clip, ...] = ()

    @property
    def is_elementwise(self) -> bool:
        """Whether every output depends on its own sum alone, so that another layer may follow."""
        return self.layer.activation.elementwise and all(
            step.activation.elementwise for step in self.after if isinstance(step, Activate)
        )


@dataclass(frozen=True)
class Chain:
    """Dense layers one after the other: reads one value, gives one value."""

    source: str
    name: str
    links: tuple[Link, ...]


@dataclass(frozen=True)
class Alone:
    """A step without a kernel, and why it has none."""

    step: Step
    sources: tuple[str, ...]
    reason: str

    def apply(self, values: Mapping[str, Array], dtype: np.dtype[Any]) -> dict[str, Array]:
        """Return the step's value, by name."""
        result = self.step.apply(*(values[source] for source in self.sources))
        return {self.step.name: result.astype(dtype, copy=False)}


def cut(network: Network, no_kernels: str = "") -> tuple[Chain | Alone, ...]:
    """Return the parts of a network, in order; with a reason for ``no_kernels``, every step alone."""
    readers = Counter(network.outputs)
    readers.update(source for sources in network.sources for source in sources)
    parts: list[Chain | Alone] = []
    for step, sources in zip(network.steps, network.sources, strict=True):
        reason = no_kernels or _no_kernel(network, step, sources)
        before = parts[-1] if parts else None
        continues = isinstance(before, Chain) and sources == (before.name,) and readers[before.name] == 1
        if isinstance(before, Chain) and continues and isinstance(step, Activate | Clip) and not reason:
            last = before.links[-1]
            if last.is_elementwise:
                links = (*before.links[:-1], dataclasses.replace(last, after=(*last.after, step)))
                parts[-1] = Chain(before.source, step.name, links)
                continue
        if reason or not isinstance(step, Dense):
            parts.append(Alone(step, sources, reason or "an elementwise step that follows no dense layer"))
        elif isinstance(before, Chain) and continues and before.links[-1].is_elementwise:
            parts[-1] = Chain(before.source, step.name, (*before.links, Link(step)))
        else:
            parts.append(Chain(sources[0], step.name, (Link(step),)))
    return tuple(parts)


def _no_kernel(network: Network, step: Step, sources: tuple[str, ...]) -> str:
    if network.dtype != np.float32:
        return f"the network computes in {network.dtype}, the kernels in float32"
    h = step.activation if isinstance(step, Dense | Activate) else None
    if h is not None and h.elementwise and h.name in WITHOUT_KERNEL:
        return f"there is no kernel for {h.name} yet"
    if isinstance(step, Dense):
        shape = network.shapes[sources[0]]
        return "" if len(shape) == 1 else f"it reads rows of shape {shape}, not a plain row"
    return "" if isinstance(step, Activate | Clip) else f"there is no kernel for {step.KIND} yet"
