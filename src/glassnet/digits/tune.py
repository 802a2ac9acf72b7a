"""Fine-tuning: a network that reads digits learns a person's own hand, without forgetting everybody else's.

Half of each batch are the person's pictures with their labels. The other half are rehearsal: pictures of the original
task, or in their absence the person's own far distorted and non-digits, each with what the network answered before as
its target (Robins 1995; Li and Hoiem 2016). So what it learns anew must leave its old answers where they were.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from glassnet.activations import Array
from glassnet.digits.augment import Affine, Augmentation, Elastic, Noise, Stroke
from glassnet.digits.nondigits import NonDigits
from glassnet.errors import GraphError, OptionError
from glassnet.network import Network
from glassnet.training import (
    AdamW,
    Answered,
    CrossEntropy,
    Examples,
    Mixed,
    OneCycle,
    Progress,
    Stream,
    train,
)
from glassnet.training.history import Epoch
from glassnet.training.options import BETWEEN, POSITIVE, real, whole
from glassnet.training.rows import split

GENTLE = Augmentation((Affine(8, 0.08, 0.1, 1.0), Elastic(10), Stroke(0.1, 0.1)))
FAR = Augmentation((Affine(25, 0.25, 0.3, 3.0), Elastic(40), Stroke(0.3, 0.3), Noise(share=0.1)))
HELD_OUT = 0.2
FEWEST = 20
PICTURES_AN_EPOCH = 2000  # a few pictures are shown often, so that an epoch is worth its name


@dataclass(frozen=True)
class Reading:
    """How many of some pictures are read rightly, or as before."""

    right: int
    pictures: int

    def __str__(self) -> str:
        return f"{100 * self.right / self.pictures:.2f} % ({self.right:,} of {self.pictures:,})"


@dataclass(frozen=True, eq=False)
class Tuning:
    """The tuned network and what changed: on the person's pictures held out, and on the rehearsed task held out."""

    network: Network
    own_before: Reading
    own_after: Reading
    kept_before: Reading
    kept_after: Reading
    history: tuple[Epoch, ...]


def tune(
    network: Network,
    pictures: Array,
    labels: Array,
    *,
    original: tuple[Array, Array] | None = None,
    rate: float = 0.0005,
    keep: float = 0.5,
    epochs: int = 10,
    seed: int = 0,
    progress: Callable[[Progress], None] | None = None,
) -> Tuning:
    """Return ``network`` tuned to pictures (n, 28, 28) of uint8, as ``prepare`` makes them, and their labels.

    original: pictures and labels of what it was trained on. keep: the share of each batch that is rehearsal. A fifth of
    the pictures, drawn by the seed, is held out and only looked at before and after; of the original ones, too.
    Raises OptionError for too few pictures or labels that the network does not know, GraphError for a network that
    does not read 28 × 28 pixels.
    """
    if network.labels is None or int(np.prod(network.inputs[0].shape)) != 784:
        raise GraphError("tuning needs a network that reads 28 × 28 pixels and answers labels")
    if len(labels) < FEWEST:
        raise OptionError(f"tuning needs {FEWEST} pictures or more, found {len(labels)}")
    real("tune: keep", keep, BETWEEN)
    real("tune: rate", rate, POSITIVE)
    known, held_out = split(len(labels), HELD_OUT, whole("seed", seed, 0))
    own, shown = pictures[held_out], pictures[known]
    rehearsed, kept, answers = _rehearsal(network, shown, original, seed)
    often = -(-PICTURES_AN_EPOCH // len(shown))
    stream = Mixed(
        Examples(np.tile(shown, (often, 1, 1)), np.tile(labels[known], often), change=GENTLE),
        Answered(rehearsed, network),
        keep,
    )
    training = train(
        network,
        stream,
        loss=CrossEntropy(),
        optimizer=AdamW(OneCycle(rate)),
        epochs=epochs,
        seed=seed,
        average=0.98,
        progress=progress,
    )

    def reading(network: Network, pictures: Array, labels: Array) -> Reading:
        return Reading(int(np.count_nonzero(network.predict(pictures) == labels)), len(labels))

    return Tuning(
        training.network,
        own_before=reading(network, own, labels[held_out]),
        own_after=reading(training.network, own, labels[held_out]),
        kept_before=reading(network, kept, answers),
        kept_after=reading(training.network, kept, answers),
        history=training.history,
    )


def _rehearsal(
    network: Network, shown: Array, original: tuple[Array, Array] | None, seed: int
) -> tuple[Stream, Array, Array]:
    """Return what to rehearse, and pictures to judge by with the answers they should have."""
    if original is not None:
        pictures, labels = original
        rehearsed, kept = split(len(labels), HELD_OUT, seed)
        return _unlabelled(network, pictures[rehearsed], GENTLE), pictures[kept], labels[kept]
    generator = np.random.Generator(np.random.PCG64((seed, 1 << 33)))
    others = NonDigits()(len(shown), generator)
    pictures = np.concatenate([shown, others])
    kept = FAR(np.resize(shown, (max(500, len(shown)), *shown.shape[1:])), generator)
    return _unlabelled(network, pictures, FAR), kept, network.predict(kept)


def _unlabelled(network: Network, pictures: Array, change: Augmentation) -> Stream:
    """Return pictures as a stream whose targets are of no matter: they are answered by the network."""
    assert network.labels is not None
    return Examples(pictures, [network.labels[0]] * len(pictures), change=change)
