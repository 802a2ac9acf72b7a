"""Steps that exist while a network learns: dropout and batch normalisation, gone from the network that is returned.

They stand among the other steps of the network that is given to ``train``. What comes out has none of them: dropout
does nothing at rest, and a normalisation whose statistics are known is a scale and a shift, which ``fold`` takes into
the dense layer before it. So files, compiler and pages need not know them.

``LEARNING`` says what each does to a batch in training; at rest, ``apply`` does.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from glassnet.activations import Activation
from glassnet.errors import OptionError, ShapeError
from glassnet.network import Activate, Dense, Network, ScaleShift, Step
from glassnet.network.algebra import merge_pairs
from glassnet.network.steps import Array, Shape, frozen_parameters
from glassnet.training.options import check, whole


@dataclass(frozen=True, eq=False)
class Dropout(Step):
    """Each value is 0 with probability ``share``, else divided by 1 - share (Srivastava et al. 2014).

    So the mean of a value stays what it was, and at rest nothing happens.
    """

    share: float = 0.5

    KIND = "dropout"

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self)

    def output_shape(self, *shapes: Shape) -> Shape:
        """Return the shape that comes in."""
        return shapes[0]

    def apply(self, *values: Array) -> Array:
        """Return the values as they are."""
        return values[0]


@dataclass(frozen=True, eq=False, init=False)
class BatchNorm(Step):
    """Each value of a row, minus its mean and over its standard deviation, · scale + shift (Ioffe and Szegedy 2015).

    In training they are the mean and the variance of the batch, and ``mean`` and ``variance`` follow them, moving by
    the share ``follow`` of the difference at each batch; at rest they are used themselves. The conventions are those
    of PyTorch's BatchNorm1d: the variance over n inside, over n - 1 in what is kept; ``epsilon`` is added to it.
    """

    scale: Array
    shift: Array
    mean: Array
    variance: Array
    follow: float
    epsilon: float

    KIND = "batch_norm"

    def __init__(
        self,
        scale: npt.ArrayLike,
        shift: npt.ArrayLike,
        mean: npt.ArrayLike,
        variance: npt.ArrayLike,
        *,
        follow: float = 0.1,
        epsilon: float = 1e-5,
        name: str = "",
        sources: tuple[str, ...] = (),
    ) -> None:
        given = {"scale": scale, "shift": shift, "mean": mean, "variance": variance}
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "sources", sources)
        arrays = {key: frozen_parameters(value, f"{self.label}: {key}") for key, value in given.items()}
        shapes = {array.shape for array in arrays.values()}
        if len(shapes) > 1 or len(next(iter(shapes))) != 1:
            raise ShapeError(f"{self.label}: scale, shift, mean and variance must be vectors of one length: {shapes}")
        if not 0 < follow <= 1:
            raise OptionError(f"{self.label}: follow must be above 0 and at most 1, found {follow!r}")
        for key, value in {**arrays, "follow": follow, "epsilon": epsilon}.items():
            object.__setattr__(self, key, value)
        self.__post_init__()
        check(self)

    @classmethod
    def of(cls, size: int, **options: Any) -> BatchNorm:
        """Return a fresh one for rows of ``size`` values."""
        ones, zeros = np.ones(whole("size", size, 1), np.float32), np.zeros(size, np.float32)
        return cls(ones, zeros, zeros, ones, **options)

    def output_shape(self, *shapes: Shape) -> Shape:
        """Return the shape that comes in; raise ShapeError unless it is as long as the statistics."""
        if shapes[0] != self.scale.shape:
            raise ShapeError(f"{self.label}: normalises rows of shape {self.scale.shape}, found {shapes[0]}")
        return shapes[0]

    def apply(self, *values: Array) -> Array:
        """Return the values normalised with the statistics that are kept."""
        at_rest = self.at_rest()
        return values[0] * at_rest.scale + at_rest.shift

    def at_rest(self) -> ScaleShift:
        """Return the same as a scale and a shift."""
        scale = self.scale / np.sqrt(self.variance + self.scale.dtype.type(self.epsilon))
        return ScaleShift(scale, self.shift - self.mean * scale, name=self.name, sources=self.sources)


# What training adds to ``STEPS``.
TRAINING_STEPS: Mapping[str, type[Step]] = MappingProxyType({kind.KIND: kind for kind in (Dropout, BatchNorm)})

# Kind of step → those of its arrays that are measured, not learned.
MEASURED: Mapping[str, tuple[str, ...]] = MappingProxyType({"batch_norm": ("mean", "variance")})

# --- in training: (step, values, generator, where measured arrays are kept) → what comes out, what to remember -------


def _dropout(step: Any, x: Array, generator: np.random.Generator, measured: Mapping[str, Array]) -> tuple[Array, Any]:
    keep = generator.random(x.shape, dtype=np.float32) >= step.share
    factor = keep * x.dtype.type(1 / (1 - step.share))
    return x * factor, factor


def _batch_norm(
    step: Any, x: Array, generator: np.random.Generator, measured: Mapping[str, Array]
) -> tuple[Array, Any]:
    mean = x.mean(axis=0)
    normal = x - mean
    variance = np.einsum("ij,ij->j", normal, normal) / x.dtype.type(len(x))
    deviation = np.sqrt(variance + x.dtype.type(step.epsilon))
    normal /= deviation
    unbiased = variance * x.dtype.type(len(x) / max(1, len(x) - 1))
    for name, found in (("mean", mean), ("variance", unbiased)):
        measured[name][...] += x.dtype.type(step.follow) * (found - measured[name])
    return normal * step.scale + step.shift, (normal, deviation)


LEARNING: Mapping[str, Callable[[Any, Array, np.random.Generator, Mapping[str, Array]], tuple[Array, Any]]] = (
    MappingProxyType({"dropout": _dropout, "batch_norm": _batch_norm})
)

# --- and back: (step, what was remembered, slope at the output) → slope at the input, and into ``out`` ----------------


def _dropout_back(step: Any, factor: Any, slope: Array, out: Mapping[str, Array]) -> Array:
    return slope * factor


def _batch_norm_back(step: Any, remembered: Any, slope: Array, out: Mapping[str, Array]) -> Array:
    normal, deviation = remembered
    np.einsum("ij,ij->j", slope, normal, out=out["scale"])
    np.add.reduce(slope, axis=0, out=out["shift"])
    rows = slope.dtype.type(len(slope))
    return (slope - (out["shift"] + normal * out["scale"]) / rows) * (step.scale / deviation)


LEARNING_BACK: Mapping[str, Callable[[Any, Any, Array, Mapping[str, Array]], Array]] = MappingProxyType(
    {"dropout": _dropout_back, "batch_norm": _batch_norm_back}
)

# --- and afterwards -------------------------------------------------------------------------------------------------


def fold(network: Network) -> Network:
    """Return the function that ``network`` is at rest, without the steps of training.

    A batch normalisation goes into the dense layer before it where nothing else reads that, and the activation after
    it, too; elsewhere it becomes a ScaleShift. Products are taken in float64 and rounded once.
    """
    if not any(step.KIND in TRAINING_STEPS for step in network.steps):
        return network
    without = _without_dropout(network)
    normalised = {step.name for step in without.steps if isinstance(step, BatchNorm)}

    def merge(first: Step, second: Step) -> Step | None:
        if not (isinstance(first, Dense) and first.activation.name == "identity"):
            return None
        if isinstance(second, BatchNorm):
            return _into(first, second)
        if isinstance(second, Activate) and first.name in normalised:
            return _activated(first, second.activation)
        return None

    merged = merge_pairs(without, merge)
    steps = []
    before = merged.inputs[0].name
    for step in merged.steps:
        kept = step.at_rest() if isinstance(step, BatchNorm) else step
        steps.append(dataclasses.replace(kept, sources=() if kept.sources == (before,) else kept.sources))
        before = step.name
    return merged.replace(steps=steps)


def _without_dropout(network: Network) -> Network:
    instead: dict[str, str] = {}
    steps = []
    for step, sources in zip(network.steps, network.sources, strict=True):
        reads = tuple(instead.get(source, source) for source in sources)
        if isinstance(step, Dropout):
            instead[step.name] = reads[0]
        else:
            steps.append(dataclasses.replace(step, sources=reads))
    return network.replace(steps=steps, outputs=[instead.get(name, name) for name in network.outputs])


def _into(layer: Dense, norm: BatchNorm) -> Dense:
    scale = norm.scale / np.sqrt(norm.variance.astype(np.float64) + norm.epsilon)
    dtype = layer.weights.dtype
    bias = (layer.bias - norm.mean.astype(np.float64)) * scale + norm.shift
    return Dense((layer.weights * scale).astype(dtype), bias.astype(dtype))


def _activated(layer: Dense, h: Activation) -> Dense:
    return Dense(layer.weights, layer.bias, h)
