"""The loss of a network as a function of its parameters: the one thing an optimizer needs to know.

All parameters lie in one vector. The network that is evaluated reads views of it, so that changing the vector
changes the network, and copying it keeps a state.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from glassnet.activations import ACTIVATIONS, Activation
from glassnet.errors import GraphError, OptionError
from glassnet.network import Activate, Network, Step
from glassnet.network.steps import Array
from glassnet.training.backward import ARRAY_GRADIENTS, BACKWARD, differentiable, unfold, without_slope
from glassnet.training.losses import Loss
from glassnet.training.regularisers import LEARNING, LEARNING_BACK, MEASURED, fold
from glassnet.training.rows import Rows


class Score(NamedTuple):
    """The mean loss over some rows, and for a classifier how many of them it got right."""

    loss: float
    hits: int | None


class Objective:
    """A network's loss, and its slope at the parameters as they are.

    state: the vector that is the network: first ``parameters``, which are learned (write into them to move), then what
    is measured on the way, the statistics of batch normalisations. gradient: where ``differentiate`` leaves the slope,
    in the same order as the parameters: step by step, each step's arrays in the order of its fields.
    """

    def __init__(self, network: Network, loss: Loss) -> None:
        """Raise GraphError or OptionError where ``network`` cannot be trained."""
        body, self.activation = _without_head(unfold(network))
        _check(network, body, self.activation)
        self.loss = loss
        self._original = network
        places, learned, size = _places(network)
        self.state = np.empty(size, network.dtype)
        for step in network.steps:
            for name, array in step.arrays.items():
                _view(self.state, places[step.name, name], array.shape)[...] = array
        self.parameters = self.state[:learned]
        self.gradient = np.zeros_like(self.parameters)
        self._places = places
        window = self.state.view()
        window.flags.writeable = False  # arrays that nobody can write through them are taken without a copy
        body_places = _unfolded_places(network, places)
        self._body = _with_state(body, window, body_places)
        self._slopes: dict[str, dict[str, Array]] = {}
        self._measured: dict[str, dict[str, Array]] = {}
        for step in self._body.steps:
            for name, array in step.arrays.items():
                measures = name in MEASURED.get(step.KIND, ())
                kept, vector = (self._measured, self.state) if measures else (self._slopes, self.gradient)
                kept.setdefault(step.name, {})[name] = _view(vector, body_places[step.name, name], array.shape)
        self._wanted = differentiable(self._body)

    def network(self, state: Array) -> Network:
        """Return the network with a copy of ``state`` in it, without the steps of training."""
        return fold(_with_state(self._original, state, self._places))

    def differentiate(
        self,
        x: Sequence[Array],
        t: Array,
        weights: Array | None = None,
        *,
        targets: Array | None = None,
        generator: np.random.Generator | None = None,
    ) -> Score:
        """Return the score of one batch, and leave the slope of its loss in ``gradient``.

        targets: what the loss makes of ``t``, where that is known already. generator: for the steps that use chance.
        """
        values, remembered = self._forward(x, generator)
        (answer,) = self._body.outputs
        targets = self.loss.targets(tuple(x), t) if targets is None else targets
        outcome = self.loss(values[answer], self.activation, targets, weights)
        self._propagate(values, remembered, {answer: outcome.slope})
        return Score(outcome.loss, self._hits(outcome.answer, t))

    def evaluate(self, rows: Rows, state: Array | None = None) -> Score:
        """Return the score over all ``rows`` of the network at rest, as it would be returned; judged by its labels."""
        body, h = _without_head(unfold(self.network(self.state if state is None else state)))
        outcome = self.loss.judge()(body(*rows.x), h, rows.t, rows.weights)
        return Score(outcome.loss, self._hits(outcome.answer, rows.t))

    def _forward(
        self, x: Sequence[Array], generator: np.random.Generator | None
    ) -> tuple[dict[str, Array], dict[str, Any]]:
        """Return every value, and what the steps of training remember for the way back."""
        body, dtype = self._body, self._body.dtype
        values = {given.name: given.numbers(batch, dtype) for given, batch in zip(body.inputs, x, strict=True)}
        remembered = {}
        for step, sources in zip(body.steps, body.sources, strict=True):
            learning = LEARNING.get(step.KIND)
            if learning is None:
                value = step.apply(*(values[source] for source in sources)).astype(dtype, copy=False)
            else:
                generator = generator or np.random.Generator(np.random.PCG64(0))
                measured = self._measured.get(step.name, {})
                value, remembered[step.name] = learning(step, values[sources[0]], generator, measured)
            values[step.name] = value
        return values, remembered

    def _propagate(self, values: Mapping[str, Array], remembered: Mapping[str, Any], slopes: dict[str, Array]) -> None:
        for step, sources in zip(reversed(self._body.steps), reversed(self._body.sources), strict=True):
            slope = slopes.pop(step.name, None)
            if slope is None:
                continue
            if step.KIND in LEARNING_BACK:
                out = self._slopes.get(step.name, {})
                parts: tuple[Array, ...] = (LEARNING_BACK[step.KIND](step, remembered[step.name], slope, out),)
            else:
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
        if step.name in wanted and step.KIND not in LEARNING_BACK and (what := without_slope(step)):
            smooth = "the sigmoid is its smooth form" if what == "the step function" else ""
            raise OptionError(f"{step.name}: {what} cannot be trained, because its slope is 0 everywhere", hint=smooth)


def _without_head(network: Network) -> tuple[Network, Activation]:
    """Return an unfolded ``network`` without its output activation, which the loss looks after, and the latter."""
    last = network.steps[-1]
    if isinstance(last, Activate) and network.outputs == (last.name,) and len(network.steps) > 1:
        steps, outputs = network.steps[:-1], network.sources[-1]
        return network.replace(steps=steps, outputs=outputs, labels=None), last.activation
    return network, ACTIVATIONS["identity"]


def _places(network: Network) -> tuple[dict[tuple[str, str], int], int, int]:
    """Return where in the state each array begins, how many numbers are learned, how many there are."""
    arrays = [(step, name) for step in network.steps for name in step.arrays]
    learned = [(step, name) for step, name in arrays if name not in MEASURED.get(step.KIND, ())]
    measured = [(step, name) for step, name in arrays if name in MEASURED.get(step.KIND, ())]
    sizes = [step.arrays[name].size for step, name in (*learned, *measured)]
    ends = [0, *itertools.accumulate(sizes)]
    places = {(step.name, name): start for (step, name), start in zip((*learned, *measured), ends, strict=False)}
    return places, ends[len(learned)], ends[-1]


def _view(vector: Array, start: int, shape: tuple[int, ...]) -> Array:
    return vector[start : start + math.prod(shape)].reshape(shape)


def _unfolded_places(network: Network, places: Mapping[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    """Return the places by the names that steps have after ``unfold``."""
    split = {step.name for step in network.layers if step.activation.name != "identity"}
    return {(f"{step}.a" if step in split else step, name): place for (step, name), place in places.items()}


def _with_state(network: Network, state: Array, places: Mapping[tuple[str, str], int]) -> Network:
    steps: list[Step] = []
    for step in network.steps:
        arrays: dict[str, Any] = {
            name: _view(state, places[step.name, name], array.shape) for name, array in step.arrays.items()
        }
        steps.append(dataclasses.replace(step, **arrays) if arrays else step)
    return network.replace(steps=steps)
