"""From a picture to an answer: preparation, network, and what it answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from glassnet.digits.models import load_model
from glassnet.digits.picture import Array, Source
from glassnet.digits.prepare import SIDE, prepare
from glassnet.errors import GraphError, ShapeError
from glassnet.network import Input, Label


class Classifier(Protocol):
    """A ``Network``, or the same compiled."""

    @property
    def inputs(self) -> tuple[Input, ...]:
        """What it reads."""

    @property
    def labels(self) -> tuple[Label, ...] | None:
        """What it answers."""

    def __call__(self, *x: npt.ArrayLike) -> Any:
        """Return the probability of each label."""

    def decide(self, output: Array) -> Array:
        """Return the label for such probabilities."""


@dataclass(frozen=True, eq=False)
class Recognition:
    """What a network took a picture for: the label, its probability, those of all labels, and what it saw."""

    label: Label
    probability: float
    probabilities: Array
    prepared: Array


def recognise(picture: Source, network: Classifier | None = None) -> Recognition:
    """Return what ``network``, compiled or not, or the shipped one takes a picture of one digit for.

    picture: anything ``read_picture`` reads. Raises PictureError where it holds no ink, GraphError or ShapeError
    where the network is no classifier of 28 × 28 pixels.
    """
    network = load_model() if network is None else network
    _refuse_others(network)
    return recognise_prepared(prepare(picture), network)


def recognise_prepared(prepared: Array, network: Classifier) -> Recognition:
    """Return what ``network`` takes a digit for that is prepared already, (28, 28) as MNIST has it; raises as above."""
    _refuse_others(network)
    probabilities = network(prepared.reshape(network.inputs[0].shape))
    label = _plain(network.decide(probabilities))
    if probabilities.size == 1:  # the probability of the second of two labels
        probabilities = np.concatenate([1 - probabilities, probabilities])
    return Recognition(label, float(probabilities.max()), probabilities, prepared)


def _plain(label: Any) -> Label:
    """Return a label as Python's own integer or text."""
    return label.item() if isinstance(label, np.generic) else label


def _refuse_others(network: Classifier) -> None:
    if network.labels is None:
        raise GraphError("recognising a picture: the network answers values, expected one with labels")
    if len(network.inputs) != 1 or network.inputs[0].shape not in _ROWS:
        shapes = ", ".join(str(given.shape) for given in network.inputs)
        raise ShapeError(f"recognising a picture: the network reads rows of shape {shapes}, expected (784,)")


_ROWS = ((SIDE * SIDE,), (SIDE, SIDE), (1, SIDE, SIDE))
