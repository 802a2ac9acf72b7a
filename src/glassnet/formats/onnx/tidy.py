"""What an exporter took apart is put together again: a product, a sum and an activation are one dense layer."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from glassnet.activations import ACTIVATIONS
from glassnet.network import Activate, Cast, Clip, Dense, Map, Multiply, Network, ScaleShift, Step
from glassnet.network.algebra import merge_pairs


def tidy(network: Network) -> Network:
    """Return the same function with dense layers whole: bias, normalisation and activation in them, gelu as gelu."""
    network = merge_pairs(network, functools.partial(_scaled, network))
    network = _with_gelu(network)
    network = _with_gates(network)
    for _ in range(2):  # two scales may make one that does nothing
        network = merge_pairs(network, functools.partial(_scaled, network))
    network = _without_casts(network)
    return merge_pairs(network, _joined)


def _scaled(network: Network, first: Step, second: Step) -> Step | None:
    """Merge two scales, two limits, or a linear dense layer and the scale of its outputs."""
    if isinstance(first, Clip) and isinstance(second, Clip) and first.low <= second.high and second.low <= first.high:
        return Clip(max(first.low, second.low), min(first.high, second.high))
    if not isinstance(second, ScaleShift):
        return None
    if second.scale.ndim == second.shift.ndim == 0 and (float(second.scale), float(second.shift)) == (1.0, 0.0):
        return first
    if isinstance(first, ScaleShift) and {first.scale.size, first.shift.size, second.scale.size, second.shift.size} == {
        1
    }:
        if max(first.scale.ndim, first.shift.ndim, second.scale.ndim, second.shift.ndim) > 0:
            return None
        scale = first.scale.astype(np.float64) * second.scale
        shift = first.shift.astype(np.float64) * second.scale + second.shift
        return ScaleShift(scale.astype(network.dtype), shift.astype(network.dtype))
    if not (isinstance(first, Dense) and first.activation.name == "identity"):
        return None
    if max(second.scale.ndim, second.shift.ndim) > len(network.shapes[first.name]):
        return None
    ones = np.ones(first.outputs)
    try:
        scale, shift = (ones * part.reshape(part.shape[-1:]) for part in (second.scale, second.shift))
    except ValueError:
        return None
    if scale.shape != shift.shape or scale.shape != ones.shape:
        return None
    weights = first.weights if (scale == 1).all() else (first.weights * scale).astype(network.dtype)
    bias = first.bias * scale + shift
    return replace(first, weights=weights, bias=bias.astype(network.dtype))


def _joined(first: Step, second: Step) -> Step | None:
    """Take an activation into the linear dense layer before it."""
    if isinstance(first, Dense) and first.activation.name == "identity" and isinstance(second, Activate):
        return replace(first, activation=second.activation)
    return None


def _without_casts(network: Network) -> Network:
    """Drop the casts between steps to what the network computes in anyway."""
    renamed: dict[str, str] = {}
    kept: list[Step] = []
    for step, sources in zip(network.steps, network.sources, strict=True):
        reads = tuple(renamed.get(source, source) for source in sources)
        if isinstance(step, Cast) and step.dtype == network.dtype.name and step.name not in network.outputs:
            renamed[step.name] = reads[0]
        else:
            kept.append(replace(step, sources=reads))
    return network.replace(steps=kept) if kept else network


def _with_gates(network: Network) -> Network:
    """Write x · sigmoid(x) as silu, x · tanh(softplus(x)) as mish."""
    steps = {step.name: step for step in network.steps}
    sources = dict(zip(steps, network.sources, strict=True))

    def undone(name: str, activation: str) -> str:
        """Return what a value is an activation of; empty where it is none."""
        step = steps.get(name)
        if isinstance(step, Activate) and step.activation == ACTIVATIONS[activation]:
            return sources[name][0]
        return ""

    new: list[Step] = []
    for name, step in steps.items():
        new.append(replace(step, sources=sources[name]))
        if isinstance(step, Multiply) and len(sources[name]) == 2:
            for x, gate in (sources[name], sources[name][::-1]):
                if undone(gate, "sigmoid") == x:
                    new[-1] = Activate("silu", name=name, sources=(x,))
                elif undone(undone(gate, "tanh"), "softplus") == x:
                    new[-1] = Activate("mish", name=name, sources=(x,))
    return network.replace(steps=needed(new, network.outputs))


def needed(steps: Sequence[Step], outputs: Sequence[str]) -> list[Step]:
    """Return the steps that the outputs depend on, all of which name what they read."""
    wanted = set(outputs)
    kept: list[Step] = []
    for step in reversed(steps):
        if step.name in wanted:
            wanted.update(step.sources)
            kept.append(step)
    return kept[::-1]


def _with_gelu(network: Network) -> Network:
    """Write x · (1 + erf(x / √2)) / 2, in whichever order it was multiplied, as one gelu.

    What is read is x · s, s a scale by a half and a shift by a half after erf, or with the half at another place.
    """
    steps = {step.name: step for step in network.steps}
    sources = dict(zip(steps, network.sources, strict=True))
    readers = Counter(network.outputs)
    readers.update(source for reads in network.sources for source in reads)

    def scale_of(name: str) -> tuple[str, float, float]:
        """Return what a value is a scalar scale and shift of."""
        step = steps.get(name)
        if isinstance(step, ScaleShift) and step.scale.ndim == step.shift.ndim == 0 and readers[name] == 1:
            return sources[name][0], float(step.scale), float(step.shift)
        return name, 1.0, 0.0

    rewritten: dict[str, Step] = {}
    for name, step in steps.items():
        if not isinstance(step, Multiply) or len(sources[name]) != 2:
            continue
        for gate, other in (sources[name], sources[name][::-1]):
            inner, slope, shift = scale_of(gate)
            x, factor, nothing = scale_of(other)
            erf = steps.get(inner)
            if not (isinstance(erf, Map) and erf.function == "erf") or readers[inner] != 1 or nothing:
                continue
            root, inside, moved = scale_of(sources[inner][0])
            if root != x or moved or abs(inside - 0.5**0.5) > 1e-6 or abs(slope - shift) > 1e-6:
                continue
            total = 2 * factor * slope
            if abs(total - 1) < 1e-6:
                rewritten[name] = Activate("gelu", name=name, sources=(x,))
            else:
                rewritten[f"{name}."] = Activate("gelu", name=f"{name}.gelu", sources=(x,))
                rewritten[name] = ScaleShift(
                    np.array(total, network.dtype), np.array(0, network.dtype), name=name, sources=(f"{name}.gelu",)
                )
    if not rewritten:
        return network
    new: list[Step] = []
    for name, step in steps.items():
        new += [rewritten[f"{name}."]] if f"{name}." in rewritten else []
        new.append(rewritten.get(name, replace(step, sources=sources[name])))
    return network.replace(steps=needed(new, network.outputs))
