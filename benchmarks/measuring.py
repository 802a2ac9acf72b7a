"""Timings taken in turns within one process; for engines in processes of their own see ``glassnet.benchmarking``."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

Candidate = TypeVar("Candidate", bound=Hashable)


def in_turns(candidates: Mapping[Candidate, Callable[[], object]], rounds: int) -> dict[Candidate, list[float]]:
    """Return the seconds of each candidate in each round, after one round that is not counted.

    In turns, so that what else the machine does falls on all of them alike.
    """
    seconds: dict[Candidate, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds + 1):
        for name, run in candidates.items():
            started = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - started)
    return {name: several[1:] for name, several in seconds.items()}


def ratio(mine: list[float], other: list[float]) -> float:
    """Return the median over the rounds of mine / other: below 1, mine is faster."""
    return statistics.median(one / two for one, two in zip(mine, other, strict=True))
