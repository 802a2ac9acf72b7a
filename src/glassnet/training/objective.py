"""The loss of a network as a function of its parameters: the one thing an optimizer needs to know.

All parameters lie in one vector. The network that is evaluated reads views of it, so that changing the vector
changes the network, and copying it keeps a state.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from glassnet.activations import ACTIVATIONS, Activation
from glassnet.errors import GraphError, OptionError
from glassnet.network import Activate, Network, Step
from glassnet.network.steps import Array
from glassnet.training.backward import ARRAY_GRADIENTS, BACKWARD, differentiable, unfold, without_slope
from glassnet.training.losses import Loss
from glassnet.training.rows import Rows


class Score(NamedTuple):
    """The mean loss over some rows, and for a classifier how many of them it got right."""

    loss: float
    hits: int | None


class Objective:
    """A network's loss, and its slope at the parameters as they are.

    parameters: the vector; write into it to move. gradient: where ``differentiate`` leaves the slope, in the same
    order: step by step, each step's arrays in the order of its fields.
    """

    def __init__(self, network: Network, loss: Loss) -> None:
        """Raise GraphError or OptionError where ``network`` cannot be trained."""
        body, self.activation = _without_head(unfold(network))
        _check(network, body, self.activation)
        self.loss = loss
        self.parameters = _vector(network)
        self.gradient = np.zeros_like(self.parameters)
        self._original = network
        window = self.parameters.view()
        window.flags.writeable = False  # arrays that nobody can write through them are taken without a copy
        self._body = _with_parameters(body, window)
        self._slopes = {step.name: arrays for step, arrays in _views(self._body, self.gradient)}
        self._wanted = differentiable(self._body)

    def network(self, parameters: Array) -> Network:
        """Return the network with a copy of ``parameters`` in it."""
        return _with_parameters(self._original, parameters)

    def differentiate(self, x: Sequence[Array], t: Array) -> Score:
        """Return the score of one batch, and leave the slope of its loss in ``gradient``."""
        values = self._body.forward(x)
        (answer,) = self._body.outputs
        outcome = self.loss(values[answer], self.activation, t)
        self._propagate(values, {answer: outcome.slope})
        return Score(outcome.loss, self._hits(outcome.answer, t))

    def evaluate(self, rows: Rows) -> Score:
        """Return the score over all ``rows``."""
        outcome = self.loss(self._body(*rows.x), self.activation, rows.t)
        return Score(outcome.loss, self._hits(outcome.answer, rows.t))

    def _propagate(self, values: Mapping[str, Array], slopes: dict[str, Array]) -> None:
        for step, sources in zip(reversed(self._body.steps), reversed(self._body.sources), strict=True):
            slope = slopes.pop(step.name, None)
            if slope is None:
                continue
            inputs = tuple(values[source] for source in sources)
            if step.arrays:
                ARRAY_GRADIENTS[step.KIND](step, inputs, slope, self._slopes[step.name])
            if self._wanted.isdisjoint(sources):
                continue
            parts = BACKWARD[step.KIND](step, inputs, values[step.name], slope)
            for source, part in zip(sources, parts, strict=True):
                if source in self._wanted:
                    slopes[source] = slopes[source] + part if source in slopes else part

    def _hits(self, answer: Array, t: Array) -> int | None:
        if self._original.labels is None:
            return None
        if t.shape[-1] == 1:
            return int(np.count_nonzero((answer > 0.5) == (t > 0.5)))
        return int(np.count_nonzero(answer.argmax(axis=-1) == t.argmax(axis=-1)))


def _check(network: Network, body: Network, h: Activation) -> None:
    if len(network.outputs) != 1:
        raise GraphError(f"training needs a network with one output, found {len(network.outputs)}")
    if differentiable(body).isdisjoint(body.outputs):
        raise GraphError(f"the output {network.outputs[0]!r} depends on no parameters, so there is nothing to train")
    wanted = differentiable(body)
    for step in (*body.steps, Activate(h, name=network.outputs[0])):
        if step.name in wanted and (what := without_slope(step)):
            smooth = "the sigmoid is its smooth form" if what == "the step function" else ""
            raise OptionError(f"{step.name}: {what} cannot be trained, because its slope is 0 everywhere", hint=smooth)


def _without_head(network: Network) -> tuple[Network, Activation]:
    """Return an unfolded ``network`` without its output activation, which the loss looks after, and the latter."""
    last = network.steps[-1]
    if isinstance(last, Activate) and network.outputs == (last.name,) and len(network.steps) > 1:
        steps, outputs = network.steps[:-1], network.sources[-1]
        return network.replace(steps=steps, outputs=outputs, labels=None), last.activation
    return network, ACTIVATIONS["identity"]


def _vector(network: Network) -> Array:
    return np.concatenate(
        [array.ravel() for step in network.steps for array in step.arrays.values()], dtype=network.dtype
    )


def _views(network: Network, vector: Array) -> Iterator[tuple[Step, dict[str, Any]]]:
    """Give each step with parameters and their places in ``vector``."""
    start = 0
    for step in network.steps:
        places = {}
        for name, array in step.arrays.items():
            places[name] = vector[start : start + array.size].reshape(array.shape)
            start += array.size
        yield step, places


def _with_parameters(network: Network, vector: Array) -> Network:
    return network.replace(steps=[dataclasses.replace(step, **arrays) for step, arrays in _views(network, vector)])
