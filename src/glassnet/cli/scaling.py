"""Which scaling of pictures a network expects, found by trying the usual ones on pictures whose digits are known.

A file of weights does not say what its network was trained on, and the wrong scaling makes a good network guess.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glassnet.network import Network
from glassnet.network.steps import Array

# As many pictures tell 10 % from 90 % beyond doubt.
_SAMPLE = 1_000
# A network that guesses is right once in as many times as it has labels; below twice that it is worth a look.
_CHANCE = 2
_GOOD = 0.5


@dataclass(frozen=True)
class Scaling:
    """One usual way to make inputs of pixels x: in words, and as the options that bring it about."""

    formula: str
    options: str
    scale: float
    mean: float = 0.0
    std: float = 1.0

    def __call__(self, pixels: Array) -> Array:
        """Return ready numbers, in float32."""
        return ((pixels.astype(np.float32) * self.scale - self.mean) / self.std).astype(np.float32)


SCALINGS = (
    Scaling("x", "--scale 1", 1.0),
    Scaling("x / 255", "--scale 1/255", 1 / 255),
    Scaling("(x / 255 - 0.1307) / 0.3081", "--scale 1/255 --mean 0.1307 --std 0.3081", 1 / 255, 0.1307, 0.3081),
    Scaling("1 - x / 255", "--scale 1/255 --mean 1 --std=-1", 1 / 255, 1.0, -1.0),
)


@dataclass(frozen=True)
class Suggestion:
    """A scaling that is better, and how often the network is right with it on how many pictures."""

    scaling: Scaling
    accuracy: float
    pictures: int

    def __str__(self) -> str:
        return (
            f"with inputs of {self.scaling.formula} it is right on {100 * self.accuracy:.1f} % of the first "
            f"{self.pictures:,} pictures; say so when loading: {self.scaling.options}"
        )


def looks_like_chance(network: Network, accuracy: float) -> bool:
    """Tell whether an accuracy is hardly better than guessing."""
    return accuracy < min(_GOOD, _CHANCE / len(network.labels or "?"))


def suggested(network: Network, pictures: Array, labels: Array) -> Suggestion | None:
    """Return the usual scaling under which the network is right on most of a sample, if there is one.

    Floating-point inputs are taken as they are, so each scaling is tried without changing the network.
    """
    sample, known = pictures[:_SAMPLE], labels[:_SAMPLE].astype(str)
    rows, _ = network.inputs[0].batch(sample)
    rights = [float(np.mean(network.predict(scaling(rows)).astype(str) == known)) for scaling in SCALINGS]
    best = int(np.argmax(rights))
    return Suggestion(SCALINGS[best], rights[best], len(sample)) if rights[best] >= _GOOD else None
