"""What training tells: each epoch's figures, where it is now, what came out of it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from glassnet.network import Network


@dataclass(frozen=True)
class Epoch:
    """One pass over the training rows.

    loss, accuracy: means over the epoch's batches, each taken before its update. validation_loss,
    validation_accuracy: over the rows held out, after the epoch. Accuracies are None for a regressor. Runs that
    differ in nothing but the seconds are equal.
    """

    epoch: int
    loss: float
    validation_loss: float | None
    accuracy: float | None
    validation_accuracy: float | None
    seconds: float = field(compare=False)


@dataclass(frozen=True)
class Progress:
    """Where a run is after a batch.

    loss, accuracy: of this epoch so far. seconds_left: if every epoch is run. validation_accuracy: of the last epoch
    that is over, this one after its last batch; None: unknown.
    """

    epoch: int
    epochs: int
    batch: int
    batches: int
    loss: float
    accuracy: float | None
    seconds_left: float
    rows_per_second: float
    validation_accuracy: float | None


@dataclass(frozen=True, eq=False)
class Training:
    """A trained network, and how it came about."""

    network: Network
    history: tuple[Epoch, ...]


def json_lines(history: Sequence[Epoch]) -> str:
    """Return one JSON object a line and epoch.

    >>> print(json_lines([Epoch(1, 0.5, None, 0.75, None, 0.1)]), end="")
    {"epoch": 1, "loss": 0.5, "validation_loss": null, "accuracy": 0.75, "validation_accuracy": null, "seconds": 0.1}
    """
    return "".join(json.dumps(dataclasses.asdict(epoch)) + "\n" for epoch in history)
