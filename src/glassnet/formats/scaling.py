"""How inputs are scaled, where a file does not say: (x · scale - mean) / std in front of a network.

What a number is multiplied by depends on whether it is raw, so ``scale`` goes into the network's ``Input``: integers
only. ``mean`` and ``std`` hold for raw and ready numbers alike, so they become a step.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import numpy.typing as npt

from glassnet.errors import GlassnetError, OptionError
from glassnet.network import Network, ScaleShift, Step
from glassnet.network.steps import Array, real_array

_NAME = "scaled_input"


def rescaled(network: Network, scale: float | None, mean: npt.ArrayLike | None, std: npt.ArrayLike | None) -> Network:
    """Return ``network`` with its only input scaled; what is None stays as it is.

    Raises OptionError for numbers that are not finite, a scale or std of 0, shapes that do not fit a row, and for a
    network of several inputs.
    """
    given = [name for name, value in (("scale", scale), ("mean", mean), ("std", std)) if value is not None]
    if not given:
        return network
    if len(network.inputs) > 1:
        names = ", ".join(entry.name for entry in network.inputs)
        raise OptionError(f"{given[0]}= cannot be used: the network has {len(network.inputs)} inputs ({names})")
    if scale is not None:
        if isinstance(scale, bool) or not isinstance(scale, int | float) or not math.isfinite(scale) or scale == 0:
            raise OptionError(f"scale={scale!r}, expected a finite number other than 0")
        entry = dataclasses.replace(network.inputs[0], scale=float(scale), shift=0.0)
        network = network.replace(inputs=(entry,))
    return network if mean is None and std is None else _normalised(network, mean, std)


def _normalised(network: Network, mean: npt.ArrayLike | None, std: npt.ArrayLike | None) -> Network:
    """Return the network behind a step (x - mean) / std."""
    shape, name = network.inputs[0].shape, network.inputs[0].name
    middle = _row(0.0 if mean is None else mean, "mean", shape)
    spread = _row(1.0 if std is None else std, "std", shape)
    if (spread == 0).any():
        raise OptionError("std= holds a 0, and nothing can be divided by it")
    if _NAME in network.shapes:
        raise OptionError("mean= and std= cannot be used: the network scales its input already")
    scale = (1 / spread).astype(network.dtype)
    shift = (-middle / spread).astype(network.dtype)
    steps: list[Step] = [ScaleShift(scale, shift, name=_NAME, sources=(name,))]
    for step, sources in zip(network.steps, network.sources, strict=True):
        behind = tuple(_NAME if source == name else source for source in sources)
        steps.append(step if behind == sources and step.sources else dataclasses.replace(step, sources=behind))
    return network.replace(steps=tuple(steps))


def _row(values: npt.ArrayLike, name: str, shape: tuple[int, ...]) -> Array:
    try:
        array = real_array(values, f"{name}=").astype(np.float64)
    except GlassnetError as error:
        raise OptionError(error.message) from None
    if array.size != 1 and array.shape != shape and array.size == math.prod(shape):
        array = array.reshape(shape)
    if (array.size != 1 and array.shape != shape) or not np.isfinite(array).all():
        raise OptionError(f"{name}= has shape {array.shape}, expected one finite number or {shape}")
    return array.reshape(()) if array.size == 1 else array
