"""``glassnet evaluate --hard``: the same digits distorted, and pictures that are no digits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import glassnet
from glassnet.cli.labelled import Labelled
from glassnet.cli.progress import Progress
from glassnet.network import Network

if TYPE_CHECKING:
    from glassnet.digits.judge import Judgement

# Of the digits as they are, at most so many may be refused; as much doubt refuses what is none.
FALSE_ALARMS = 0.01


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
    compiled, labels = network.compile(), network.labels or ()
    trials, unreadable, refused = {}, {}, {}
    doubt_at = glassnet.digits.doubt_at(labels, compiled(given.pictures.reshape(-1, 784)), FALSE_ALARMS)
    with Progress("trying", len(glassnet.digits.TRIALS) + len(glassnet.digits.NON_DIGITS)) as progress:
        for name in glassnet.digits.TRIALS:
            rows, unreadable[name] = glassnet.digits.rows_tried(given.pictures, name)
            trials[name] = glassnet.digits.judge(labels, compiled(rows), given.labels)
            progress.advance()
        for kind in glassnet.digits.NON_DIGITS:
            outputs = compiled(glassnet.digits.rows_of_non_digits(kind, given.pictures))
            refused[kind] = float((glassnet.digits.doubt(labels, outputs) > doubt_at).mean())
            progress.advance()
    return Tried(trials, unreadable, refused)


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
