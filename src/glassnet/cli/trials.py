"""``glassnet evaluate --hard``: the same digits distorted, and pictures that are no digits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

import glassnet
from glassnet.cli.labelled import Labelled
from glassnet.cli.progress import Progress
from glassnet.network import Network
from glassnet.network.steps import Array

if TYPE_CHECKING:
    from glassnet.digits.judge import Judgement

# Of the digits as they are, at most so many may be refused; as much doubt refuses what is none.
FALSE_ALARMS = 0.01
NON_DIGITS_EACH = 500
SEED = 7


@dataclass(frozen=True, eq=False)
class Tried:
    """What came of each trial; and of each kind of non-digit the share that is refused."""

    trials: Mapping[str, Judgement]
    unreadable: Mapping[str, int]
    refused: Mapping[str, float]

    def figures(self) -> dict[str, object]:
        """Return it as JSON says it."""
        return {
            "trials": {
                name: {"error": judgement.error, "calibration_error": judgement.calibration_error}
                for name, judgement in self.trials.items()
            },
            "not_digits_refused": dict(self.refused),
        }


def try_hard(network: Network, given: Labelled) -> Tried:
    """Put a network to the test on pictures (n, 28, 28) whose digits are known."""
    compiled = network.compile()
    labels = network.labels or ()
    trials, unreadable = {}, {}
    pictures = given.pictures.reshape(-1, 28, 28)
    with Progress("distorting", len(glassnet.digits.TRIALS) * len(pictures)) as progress:
        for name in glassnet.digits.TRIALS:
            prepared = np.zeros((len(pictures), 784), np.uint8)  # blank where nothing is left: none, or wrong
            lost = 0
            for number, picture in enumerate(glassnet.digits.tried(pictures, name)):
                progress.advance()
                if picture is None:
                    lost += 1
                else:
                    prepared[number] = picture.reshape(-1)
            trials[name] = glassnet.digits.judge(labels, compiled(prepared), given.labels)
            unreadable[name] = lost
    return Tried(trials, unreadable, _refused(network, pictures))


def _refused(network: Network, pictures: Array) -> dict[str, float]:
    compiled, labels = network.compile(), network.labels or ()
    doubt_at = glassnet.digits.doubt_at(labels, compiled(pictures), FALSE_ALARMS)
    shares = {}
    kinds = glassnet.digits.NON_DIGITS
    with Progress("drawing what is no digit", len(kinds)) as progress:
        for number, kind in enumerate(kinds):
            generator = np.random.Generator(np.random.PCG64((SEED, number, 1)))
            drawn = glassnet.digits.NonDigits((kind,), pictures)(NON_DIGITS_EACH, generator)
            shares[kind] = float((glassnet.digits.doubt(labels, compiled(drawn)) > doubt_at).mean())
            progress.advance()
    return shares


def print_trials(tried: Tried) -> None:
    """Print both tables."""
    print(f"\n{'distorted':<14}{'error':>8}{'calibration error':>20}")
    for name, judgement in tried.trials.items():
        error, off = f"{100 * judgement.error:.2f} %", f"{100 * judgement.calibration_error:.2f} %"
        lost = f"   {tried.unreadable[name]} without ink" if tried.unreadable[name] else ""
        print(f"{name:<14}{error:>8}{off:>20}{lost}")
    print(f"\n{'no digits':<14}refused, where {100 * FALSE_ALARMS:.0f} % of the digits are")
    for kind, share in tried.refused.items():
        print(f"{kind:<14}{100 * share:>6.1f} %")
