"""How the rate changes while a network learns: given to an optimizer in the place of a number.

``Adam(OneCycle(0.003))``. A schedule knows how many updates a run has, so that it ends when the run does: a rate that
rises gently and falls to next to nothing reaches in tens of epochs what a constant one does not reach in hundreds.
The conventions are those of PyTorch's schedulers of these names.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from glassnet.errors import OptionError
from glassnet.training.options import check


@dataclass(frozen=True)
class Schedule(abc.ABC):
    """The rate of each update of a run."""

    def __post_init__(self) -> None:
        check(self)

    @abc.abstractmethod
    def __call__(self, update: int, updates: int) -> float:
        """Return the rate of the update number ``update``, counted from 0, of ``updates``."""


@dataclass(frozen=True)
class Linear(Schedule):
    """From ``peak`` straight down to ``final``: peak + (final - peak)·k/n."""

    peak: float
    final: float = 0.0

    def __call__(self, update: int, updates: int) -> float:
        """Return the rate on the line."""
        return self.peak + (self.final - self.peak) * update / updates


@dataclass(frozen=True)
class Cosine(Schedule):
    """From ``peak`` to ``final`` along half a cosine: slowly, fast, slowly (Loshchilov and Hutter 2017)."""

    peak: float
    final: float = 0.0

    def __call__(self, update: int, updates: int) -> float:
        """Return final + (peak - final)·(1 + cos(π·k/n))/2."""
        return _between(self.peak, self.final, update / updates)


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up to ``peak`` during the share ``warm_up`` of the run, then down to next to nothing (Smith and Topin 2018).

    Both along half a cosine, from peak/25 and to peak/250,000, as PyTorch's OneCycleLR without cycled momentum.
    """

    peak: float
    warm_up: float = 0.3

    def __call__(self, update: int, updates: int) -> float:
        """Return the rate; the top is reached at the update warm_up·n - 1, counted from 0, the end at n - 1."""
        low, end = self.peak / 25, self.peak / 250_000
        top, last = self.warm_up * updates - 1, updates - 1
        if update <= top:
            return _between(low, self.peak, update / top if top else 1.0)
        return _between(self.peak, end, (update - top) / (last - top))


@dataclass(frozen=True)
class WarmUp(Schedule):
    """In the first ``share`` of the run from a hundredth of the rate up to the whole, in a line; after it ``then``.

    then: a rate, or a schedule, which begins when the warm-up ends.
    """

    then: float | Schedule
    share: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.then, Schedule) and not 0 < self.then < math.inf:
            raise OptionError(f"WarmUp: then must be a rate above 0 or a schedule, found {self.then!r}")

    def __call__(self, update: int, updates: int) -> float:
        """Return the rate: of the warm-up, or what the other schedule says."""
        warming = math.ceil(self.share * updates)
        left = max(1, updates - warming)
        if update < warming:
            return rate_at(self.then, 0, left) * (0.01 + 0.99 * update / warming)
        return rate_at(self.then, update - warming, left)


def rate_at(rate: float | Schedule, update: int, updates: int) -> float:
    """Return what ``rate`` is at an update, counted from 0, whether it changes or not."""
    return rate(update, updates) if isinstance(rate, Schedule) else rate


def _between(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


# The schedule's name in a recipe → its class.
SCHEDULES: Mapping[str, type[Schedule]] = MappingProxyType(
    {"linear": Linear, "cosine": Cosine, "one_cycle": OneCycle, "warm_up": WarmUp}
)
