"""The training loop: epochs, batches, and what is decided after each epoch."""

from __future__ import annotations

import dataclasses
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from glassnet.errors import DivergenceError, OptionError
from glassnet.network import Network
from glassnet.training.checkpoint import Checkpoint, digest
from glassnet.training.history import Epoch, Progress, Training
from glassnet.training.losses import Loss
from glassnet.training.objective import Objective
from glassnet.training.optimizers import Memory, Optimizer
from glassnet.training.options import whole
from glassnet.training.rows import Given, Rows

Validation: TypeAlias = float | tuple[Given, npt.ArrayLike]


def train(
    network: Network,
    x: Given,
    t: npt.ArrayLike,
    *,
    loss: Loss,
    optimizer: Optimizer,
    epochs: int,
    batch_size: int = 128,
    seed: int = 0,
    validation: Validation | None = None,
    patience: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Training:
    """Return ``network`` with its parameters changed so that ``loss`` is small on the rows ``x`` and targets ``t``.

    x: a batch (or a tuple of batches, for several inputs), in any form that ``network(x)`` takes; integers stay raw.
    t: one label a row or a row of probabilities for a classifier; else rows of values.
    validation: a share of the rows to hold out, or rows (x, t) of their own. With it, the parameters of the epoch
    with the lowest validation loss are returned, and training ends after ``patience`` epochs without a lower one;
    without it, those of the last epoch.
    checkpoint: a file written after each epoch. Where it exists already, training goes on from it, and the result
    has the same bits as if it had never stopped.
    progress: called after each batch.

    The same arguments give the same bits, on the same machine with the same libraries, whatever the number of threads.
    Raises OptionError, ShapeError, DtypeError or GraphError for what cannot be trained, DivergenceError where the
    loss or a parameter stops being finite, FileFormatError for a broken checkpoint.

    >>> from glassnet.training import CrossEntropy, Sgd, initialise
    >>> start = initialise((2, 8, 2), hidden="tanh", seed=0)
    >>> x, t = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
    >>> trained = train(start, x, t, loss=CrossEntropy(), optimizer=Sgd(0.5, 0.9), epochs=100, batch_size=4)
    >>> trained.network.predict(x)
    array([0, 1, 1, 0])
    """
    if not isinstance(loss, Loss):
        raise OptionError(f"loss must be a Loss, found {loss!r}", hint="for instance loss=CrossEntropy()")
    if not isinstance(optimizer, Optimizer):
        raise OptionError(f"optimizer must be an Optimizer, found {optimizer!r}", hint="for instance optimizer=Adam()")
    epochs, batch_size, seed = whole("epochs", epochs, 1), whole("batch_size", batch_size, 1), whole("seed", seed, 0)
    patience = None if patience is None else whole("patience", patience, 1)
    if patience is not None and validation is None:
        raise OptionError("patience needs validation rows to watch")

    objective = Objective(network, loss)
    rows, held_out = _rows(network, x, t, validation, seed)
    for part in (rows, held_out):
        if part is not None:
            loss.check(objective.activation, part.t)
    memory = optimizer.memory(objective.parameters)
    best = objective.parameters.copy()
    arrays = {"parameters": objective.parameters, "best": best, **memory}
    run = _Run(objective, optimizer, memory, rows, held_out, epochs, batch_size, seed, progress)

    history: list[Epoch] = []
    file = None
    if checkpoint is not None:
        file = Checkpoint(Path(checkpoint), run.description(network))
        history = file.read(arrays)
    # One BLAS thread: how many there are would be in the last bits, and products of a batch this small only wait
    # for each other. What overflows is found where it matters: in the loss and in the parameters.
    with threadpool_limits(1, user_api="blas"), np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        while len(history) < epochs and not _stalled(history, patience):
            history.append(run.epoch(len(history) + 1))
            if held_out is None or _best(history) == history[-1].epoch:
                best[...] = objective.parameters
            if file is not None:
                file.write(arrays, history)
    return Training(objective.network(best), tuple(history))


def _rows(
    network: Network, x: Given, t: npt.ArrayLike, validation: Validation | None, seed: int
) -> tuple[Rows, Rows | None]:
    rows = Rows.of(network, x, t)
    if isinstance(validation, tuple):
        return rows, Rows.of(network, *validation)
    return (rows, None) if validation is None else rows.split(validation, seed)


def _best(history: Sequence[Epoch]) -> int:
    """Return the number of the epoch with the lowest validation loss, the first of equals."""
    return min(history, key=lambda epoch: epoch.validation_loss or 0.0).epoch


def _stalled(history: Sequence[Epoch], patience: int | None) -> bool:
    return patience is not None and bool(history) and len(history) - _best(history) >= patience


def _settings(network: Network) -> str:
    """Return what is set of each step and not learned: limits, columns, activations with their parameters."""
    steps = [
        {field.name: getattr(step, field.name) for field in dataclasses.fields(step) if field.name not in step.arrays}
        for step in network.steps
    ]
    return repr(steps)


@dataclass(frozen=True, eq=False)
class _Run:
    objective: Objective
    optimizer: Optimizer
    memory: Memory
    rows: Rows
    held_out: Rows | None
    epochs: int
    batch_size: int
    seed: int
    progress: Callable[[Progress], None] | None

    def description(self, network: Network) -> dict[str, int | str | None]:
        """Return what decides the result, but for the number of epochs, which may be raised later."""
        return {
            "network": digest(network.summary(), _settings(network), repr(network.inputs), self.objective.parameters),
            "rows": digest(*self.rows.x, self.rows.t),
            "validation": None if self.held_out is None else digest(*self.held_out.x, self.held_out.t),
            "loss": repr(self.objective.loss),
            "optimizer": repr(self.optimizer),
            "batch_size": self.batch_size,
            "seed": self.seed,
        }

    def epoch(self, number: int) -> Epoch:
        """Show every row once, move the parameters after each batch, and return the figures."""
        started = time.perf_counter()
        batches = -(-len(self.rows) // self.batch_size)
        seen, total, hits = 0, 0.0, 0
        for batch, (x, t) in enumerate(self.rows.batches(self.batch_size, self.seed, number), start=1):
            score = self.objective.differentiate(x, t)
            if not math.isfinite(score.loss):
                raise self._diverged(f"epoch {number}, batch {batch} of {batches}: the loss is {score.loss}")
            self.optimizer.update(
                self.objective.parameters, self.objective.gradient, self.memory, (number - 1) * batches + batch
            )
            seen += len(t)
            total += score.loss * len(t)
            hits += score.hits or 0
            accuracy = None if score.hits is None else hits / seen
            if self.progress is not None:
                pace = (time.perf_counter() - started) / batch
                left = pace * (batches * (self.epochs - number + 1) - batch)
                self.progress(Progress(number, self.epochs, batch, batches, total / seen, accuracy, left))
        if not np.isfinite(self.objective.parameters).all():
            raise self._diverged(f"after epoch {number}: a parameter is not finite")
        held_out = self._held_out_score(number)
        return Epoch(number, total / seen, held_out[0], accuracy, held_out[1], time.perf_counter() - started)

    def _held_out_score(self, number: int) -> tuple[float | None, float | None]:
        if self.held_out is None:
            return None, None
        score = self.objective.evaluate(self.held_out)
        if not math.isfinite(score.loss):
            raise self._diverged(f"after epoch {number}: the validation loss is {score.loss}")
        return score.loss, None if score.hits is None else score.hits / len(self.held_out)

    def _diverged(self, what: str) -> DivergenceError:
        """Return the error for numbers that are not finite any more, with the likely cause."""
        for name, rows in (("training", self.rows), ("validation", self.held_out)):
            for array in () if rows is None else (*rows.x, rows.t):
                finite = np.isfinite(array).reshape(len(array), -1).all(axis=1)
                if not finite.all():
                    return DivergenceError(f"{what}, because {name} row {np.argmin(finite)} holds NaN or infinity")
        return DivergenceError(
            f"{what}; likely the rate {self.optimizer.rate:g} of {type(self.optimizer).__name__} is too high",
            hint="try a tenth of it; scale inputs and targets to about 1",
        )
