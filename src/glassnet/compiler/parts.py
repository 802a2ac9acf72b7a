"""Cutting a network into parts: what one function computes, a network by itself, and single steps that NumPy runs."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from glassnet.compiler.program import arranged
from glassnet.network import (
    Activate,
    Add,
    Binary,
    Clip,
    Concatenate,
    Constant,
    Dense,
    Input,
    Map,
    Multiply,
    Network,
    Normalise,
    PRelu,
    Reduce,
    Reshape,
    ScaleShift,
    Select,
    Slice,
    Step,
    Take,
    Transpose,
)
from glassnet.network.steps import Shape

Array = npt.NDArray[Any]

# Functions of ``Map`` and ``Binary`` that are not in ``functions.ARITHMETIC``; named here, since that needs llvmlite.
WITHOUT_KERNEL = frozenset({"log", "erf", "sin", "cos", "power", "mod"})
# The steps that only move columns.
ARRANGING = (Reshape, Slice, Concatenate, Take, Transpose)
# Into how many pieces a step may take rows apart; each is copied by code of its own.
MOST_PIECES = 64


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


def cut(network: Network, no_kernels: str = "") -> tuple[Network | Alone, ...]:
    """Return the parts of a network, in order; with a reason for ``no_kernels``, every step alone.

    A step that has a kernel joins the first part that comes after everything it reads, so that there are as few parts
    as can be: one where every step has a kernel.
    """
    turn = {given.name: 0 for given in network.inputs}
    compiled: dict[int, list[Step]] = {}
    alone: dict[int, list[Alone]] = {}
    without: set[str] = set()
    for step, sources in zip(network.steps, network.sources, strict=True):
        # A part runs before the steps that are alone in its turn.
        turn[step.name] = max(turn[source] + (source in without) for source in sources)
        if reason := no_kernels or _no_kernel(network, step, sources):
            turn[step.name] = max(turn[source] for source in sources)
            without.add(step.name)
            alone.setdefault(turn[step.name], []).append(Alone(step, sources, reason))
        else:
            compiled.setdefault(turn[step.name], []).append(dataclasses.replace(step, sources=sources))
    parts: list[Network | Alone] = []
    for number in sorted({*compiled, *alone}):
        steps = compiled.get(number, [])
        if all(isinstance(step, ARRANGING) for step in steps):
            parts += (Alone(step, step.sources, "nothing is calculated beside it") for step in steps)
        else:
            parts += _part(network, steps)
        parts += alone.get(number, ())
    return tuple(parts)


def _part(network: Network, steps: list[Step]) -> list[Network]:
    """Return some steps as a network that reads what they read and answers what is read elsewhere, or nothing."""
    inside = {step.name for step in steps}
    given = {each.name: each for each in network.inputs}
    read = dict.fromkeys(source for step in steps for source in step.sources if source not in inside)
    elsewhere = {
        source
        for step, sources in zip(network.steps, network.sources, strict=True)
        for source in sources
        if step.name not in inside
    }
    # In the order of the network's own, so that one part that is all there is answers as the network does.
    names = dict.fromkeys((*network.outputs, *(step.name for step in steps)))
    outputs = [name for name in names if name in inside and (name in network.outputs or name in elsewhere)]
    inputs = [name for name in dict.fromkeys((*given, *read)) if name in read]
    ready = [given.get(name) or Input(network.shapes[name], name) for name in inputs]
    return [Network(steps, inputs=ready, outputs=outputs)] if outputs else []


def _no_kernel(network: Network, step: Step, sources: tuple[str, ...]) -> str:
    """Return why a step has no kernel; nothing where it has one."""
    if network.dtype != np.float32:
        return f"the network computes in {network.dtype}, the kernels in float32"
    shapes = [network.shapes[source] for source in sources]
    shape = network.shapes[step.name]
    match step:
        case Dense() | Activate():
            h = step.activation
            if h.name == "celu" and not h.parameters["alpha"] > 0:
                return "there is no kernel for celu whose alpha is not above 0"
            return _no_plain_row(shapes[0]) if isinstance(step, Dense) or not h.elementwise else ""
        case Normalise() | Reduce():
            return _no_plain_row(shapes[0])
        case Constant():
            return ""
        case Add() | Multiply() | Select() | ScaleShift() | PRelu() | Clip():
            return _no_broadcast(shape, shapes)
        case Map() | Binary():
            missing = step.function in WITHOUT_KERNEL
            return f"there is no kernel for {step.function} yet" if missing else _no_broadcast(shape, shapes)
        case _ if isinstance(step, ARRANGING):
            pieces = len(arranged(step, shapes))
            return f"it takes rows apart into {pieces} pieces" if pieces > MOST_PIECES else ""
        case _:
            return f"there is no kernel for {step.KIND} yet"


def _no_plain_row(shape: Shape) -> str:
    return "" if len(shape) == 1 else f"it reads rows of shape {shape}, not a plain row"


def _no_broadcast(shape: Shape, shapes: list[Shape]) -> str:
    """Return what is wrong with rows that are neither of the result's shape nor single values."""
    wrong = next((each for each in shapes if each != shape and math.prod(each) != 1), None)
    return "" if wrong is None else f"it spreads rows of shape {wrong} over rows of shape {shape}"
