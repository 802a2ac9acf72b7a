"""The training loop: epochs, batches, and what is decided after each epoch."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from glassnet.errors import DivergenceError, OptionError
from glassnet.network import Network
from glassnet.network.steps import Array
from glassnet.training.ahead import ahead
from glassnet.training.checkpoint import Checkpoint, digest
from glassnet.training.history import Epoch, Progress, Training
from glassnet.training.losses import Loss
from glassnet.training.objective import Objective
from glassnet.training.optimizers import Memory, Optimizer, blocks
from glassnet.training.options import BELOW_1, real, whole
from glassnet.training.rows import Given, Rows
from glassnet.training.schedules import Schedule
from glassnet.training.stream import Batch, Examples, Place, Source, Stream

Validation: TypeAlias = float | tuple[Given, npt.ArrayLike]


def train(
    network: Network,
    x: Given | Stream,
    t: npt.ArrayLike | None = None,
    *,
    loss: Loss,
    optimizer: Optimizer,
    epochs: int,
    batch_size: int = 128,
    seed: int = 0,
    average: float | None = None,
    validation: Validation | None = None,
    patience: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    workers: int = 0,
    progress: Callable[[Progress], None] | None = None,
) -> Training:
    """Return ``network`` with its parameters changed so that ``loss`` is small on the rows ``x`` and targets ``t``.

    x: a batch (or a tuple of batches, for several inputs), in any form that ``network(x)`` takes; integers stay raw. Or
    a stream of batches, which has its own targets.
    t: one label a row or a row of probabilities for a classifier; else rows of values.
    average: after each update the network that is judged and returned moves by 1 - average of the way to the one that
    learns (Polyak and Juditsky 1992): 0.999 is about the mean of the last thousand. None: it is the one that learns.
    validation: a share of the rows to hold out, or rows (x, t) of their own. With it, the parameters of the epoch
    with the lowest validation loss are returned, and training ends after ``patience`` epochs without a lower one;
    without it, those of the last epoch.
    checkpoint: a file written after each epoch. Where it exists already, training goes on from it, and the result
    has the same bits as if it had never stopped.
    workers: processes that make the batches ahead of their turn; 0: each is made at its turn. The rows are the same. A
    script that asks for them needs an ``if __name__ == "__main__":``, and the stream functions of a module.
    progress: called after each batch.

    Steps of training in the network (``Dropout``, ``BatchNorm``) are not in the one that is returned. The same
    arguments give the same bits, on the same machine with the same libraries, whatever the number of threads.
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
    patience, workers = None if patience is None else whole("patience", patience, 1), whole("workers", workers, 0)
    if patience is not None and validation is None:
        raise OptionError("patience needs validation rows to watch")
    if average is not None:
        real("average", average, BELOW_1)

    objective = Objective(network, loss)
    stream, held_out = _stream(network, x, t, validation, seed)
    make = _Make(network, loss, stream, batch_size)
    for rows in (make.source.rows, held_out):
        if rows is not None:
            loss.check(objective.activation, rows.t)
    first = make(Place(seed, 1, 0))
    loss.check(objective.activation, _Ready.of(first).batch.t)
    most_bytes = sum(0 if array is None else array.nbytes for array in first)
    run = _Run(
        objective, optimizer, optimizer.memory(objective.parameters), average, make.source, held_out, epochs,
        batch_size, seed, progress,
    )  # fmt: skip
    best = objective.state.copy()
    averaged: dict[str, Array] = {} if average is None else {"average": objective.state.copy()}
    arrays = {"parameters": objective.state, "best": best, **averaged, **run.memory}
    judged = averaged.get("average", objective.state)

    history: list[Epoch] = []
    file = None
    if checkpoint is not None:
        file = Checkpoint(Path(checkpoint), run.description(network))
        history = file.read(arrays)
    # One BLAS thread: how many there are would be in the last bits, and products of a batch this small only wait
    # for each other. What overflows is found where it matters: in the loss and in the parameters.
    with (
        threadpool_limits(1, user_api="blas"),
        np.errstate(over="ignore", invalid="ignore", divide="ignore"),
        contextlib.closing(ahead(make, run.places(len(history) + 1), workers, most_bytes)) as batches,
    ):
        while len(history) < epochs and not _stalled(history, patience):
            before = history[-1].validation_accuracy if history else None
            history.append(run.epoch(len(history) + 1, batches, judged, before))
            if held_out is None or _best(history) == history[-1].epoch:
                best[...] = judged
            if file is not None:
                file.write(arrays, history)
    return Training(objective.network(best), tuple(history))


def _stream(
    network: Network, x: Given | Stream, t: npt.ArrayLike | None, validation: Validation | None, seed: int
) -> tuple[Stream, Rows | None]:
    """Return where the batches come from, and the rows held out."""
    if isinstance(x, Stream):
        if t is not None:
            raise OptionError("a stream has its own targets; leave t out")
        if isinstance(validation, float):
            raise OptionError(
                f"a share of a stream cannot be held out, found validation={validation}",
                hint="give rows: validation=(x, t)",
            )
        return x, None if validation is None else Rows.of(network, *validation)
    if t is None:
        raise OptionError("training needs targets t beside x, or a stream")
    if isinstance(validation, tuple):
        return Examples(x, t), Rows.of(network, *validation)
    rows = Rows.of(network, x, t)
    kept, held_out = (rows, None) if validation is None else rows.split(validation, seed)
    return Examples(kept.x, kept.t), held_out


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


class _Ready(NamedTuple):
    """A batch, and what the loss compares its answers with (None: the targets themselves)."""

    batch: Batch
    targets: Array | None

    def flat(self) -> tuple[Array | None, ...]:
        """Return the arrays in a row."""
        return (*self.batch.x, self.batch.t, self.batch.weights, self.targets)

    @classmethod
    def of(cls, arrays: Sequence[Any]) -> _Ready:
        """Undo ``flat``."""
        *x, t, weights, targets = arrays
        return cls(Batch(tuple(x), t, weights), targets)


@dataclass(frozen=True, eq=False)
class _Make:
    """What makes the batches of a run, here or in another process."""

    network: Network
    loss: Loss
    stream: Stream
    batch_size: int

    @functools.cached_property
    def source(self) -> Source:
        """The stream, checked."""
        return self.stream.source(self.network)

    def __call__(self, place: Place) -> tuple[Array | None, ...]:
        """Return the arrays of the batch of a place."""
        batch = self.source.batch(self.batch_size, place)
        targets = self.loss.targets(batch.x, batch.t)
        return _Ready(batch, None if targets is batch.t else targets).flat()

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the source, which is made of functions."""
        return {name: value for name, value in self.__dict__.items() if name != "source"}


@dataclass(frozen=True, eq=False)
class _Run:
    objective: Objective
    optimizer: Optimizer
    memory: Memory
    average: float | None
    source: Source
    held_out: Rows | None
    epochs: int
    batch_size: int
    seed: int
    progress: Callable[[Progress], None] | None

    def description(self, network: Network) -> dict[str, int | str | None]:
        """Return what decides the result, but for the number of epochs, which may be raised later.

        It is a part where the rate is a schedule, which ends with the run.
        """
        return {
            "network": digest(network.summary(), _settings(network), repr(network.inputs), self.objective.state),
            "rows": digest(self.source.description),
            "validation": None if self.held_out is None else digest(*self.held_out.x, self.held_out.t),
            "loss": self.objective.loss.describe(),
            "optimizer": repr(self.optimizer),
            "average": None if self.average is None else repr(self.average),
            "batch_size": self.batch_size,
            "seed": self.seed,
            "epochs": self.epochs if isinstance(self.optimizer.rate, Schedule) else None,
        }

    @functools.cached_property
    def batches(self) -> int:
        """How many batches make an epoch."""
        return self.source.batches(self.batch_size)

    def places(self, epoch: int) -> Iterator[Place]:
        """Give the places of all batches from the beginning of an epoch on."""
        for number in range(epoch, self.epochs + 1):
            for batch in range(self.batches):
                yield Place(self.seed, number, batch)

    def epoch(self, number: int, coming: Iterator[Sequence[Any]], judged: Array, before: float | None) -> Epoch:
        """Show every row once, move the parameters after each batch, and return the figures."""
        started = time.perf_counter()
        seen, total, hits = 0, 0.0, 0
        # Orders and batches draw from seeds of two and of four numbers or more, so this is none of theirs.
        generator = np.random.Generator(np.random.PCG64((self.seed, number, 1)))
        updates = self.epochs * self.batches
        for batch in range(1, self.batches + 1):
            (x, t, weights), targets = _Ready.of(next(coming))
            score = self.objective.differentiate(x, t, weights, targets=targets, generator=generator)
            if not math.isfinite(score.loss):
                raise self._diverged(f"epoch {number}, batch {batch} of {self.batches}: the loss is {score.loss}", x)
            count = (number - 1) * self.batches + batch
            self.optimizer.update(self.objective.parameters, self.objective.gradient, self.memory, count, updates)
            if self.average is not None:
                follow(judged, self.objective.state, self.average if count > 1 else 0.0)
            seen += len(t)
            total += score.loss * len(t)
            hits += score.hits or 0
            accuracy = None if score.hits is None else hits / seen
            if batch < self.batches:
                self._tell(number, batch, started, total / seen, accuracy, seen, before)
        if not np.isfinite(self.objective.state).all():
            raise self._diverged(f"after epoch {number}: a parameter is not finite", ())
        held_out = self._held_out_score(number, judged)
        self._tell(number, self.batches, started, total / seen, accuracy, seen, held_out[1])
        return Epoch(number, total / seen, held_out[0], accuracy, held_out[1], time.perf_counter() - started)

    def _tell(
        self,
        epoch: int,
        batch: int,
        started: float,
        loss: float,
        accuracy: float | None,
        seen: int,
        held_out: float | None,
    ) -> None:
        if self.progress is None:
            return
        pace = (time.perf_counter() - started) / batch
        left = pace * (self.batches * (self.epochs - epoch + 1) - batch)
        rows = seen / (pace * batch)
        self.progress(Progress(epoch, self.epochs, batch, self.batches, loss, accuracy, left, rows, held_out))

    def _held_out_score(self, number: int, judged: Array) -> tuple[float | None, float | None]:
        if self.held_out is None:
            return None, None
        score = self.objective.evaluate(self.held_out, judged)
        if not math.isfinite(score.loss):
            raise self._diverged(f"after epoch {number}: the validation loss is {score.loss}", ())
        return score.loss, None if score.hits is None else score.hits / len(self.held_out)

    def _diverged(self, what: str, x: Sequence[Array]) -> DivergenceError:
        """Return the error for numbers that are not finite any more, with the likely cause."""
        for name, rows in (("training", self.source.rows), ("validation", self.held_out)):
            for array in () if rows is None else (*rows.x, rows.t):
                finite = np.isfinite(array).reshape(len(array), -1).all(axis=1)
                if not finite.all():
                    return DivergenceError(f"{what}, because {name} row {np.argmin(finite)} holds NaN or infinity")
        if not all(np.isfinite(array).all() for array in x):
            return DivergenceError(f"{what}, because the stream made a row that holds NaN or infinity")
        rate = self.optimizer.rate
        return DivergenceError(
            f"{what}; likely the rate {rate if isinstance(rate, Schedule) else format(rate, 'g')} of "
            f"{type(self.optimizer).__name__} is too high",
            hint="try a tenth of it; scale inputs and targets to about 1",
        )


def follow(average: Array, state: Array, decay: float) -> None:
    """Move an average by 1 - decay of the way to ``state``: decay·average + (1 - decay)·state, in place."""
    for part in blocks(len(average)):
        average[part] *= average.dtype.type(decay)
        average[part] += state[part] * average.dtype.type(1 - decay)
