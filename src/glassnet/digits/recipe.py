"""Recipes: everything that decides how a digit network is trained; ``recipe_toml`` reads them from files."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from glassnet.activations import Array
from glassnet.digits.augment import Augmentation, Distortion
from glassnet.digits.drawn import drawn_digits
from glassnet.digits.finish import calibrated, centred, expecting
from glassnet.digits.nondigits import NONE, NonDigits
from glassnet.errors import OptionError, ShapeError
from glassnet.network import Input, Label, Network, committee
from glassnet.training import (
    Adam,
    CrossEntropy,
    Epoch,
    Examples,
    Loss,
    Mixed,
    Mixup,
    Optimizer,
    Progress,
    Stream,
    Training,
    initialise,
    train,
)
from glassnet.training.options import BETWEEN, check, real, whole
from glassnet.training.rows import split
from glassnet.training.stream import Change

SIDE = 28
PIXELS = SIDE * SIDE
CLASSES = 10


@dataclass(frozen=True)
class NotDigits:
    """What is mixed in that is no digit: ``share`` of each batch.

    kinds: names in ``NON_DIGITS``; left out, all that need no other library. count: how many are drawn at the start;
    they are distorted as the digits are, anew in each epoch. answer: what the network is to say to it: "none", an
    eleventh answer of its own; or "unsure", every digit as likely. expected: the share of what the network will be
    shown that is no digit, where it is another one than in training; "none" is made as much less likely.
    """

    share: float = 0.1
    kinds: tuple[str, ...] = ()
    count: int = 20_000
    answer: str = NONE
    expected: float | None = None

    def __post_init__(self) -> None:
        check(self)
        whole("NotDigits: count", self.count, 1)
        if self.expected is not None:
            real("NotDigits: expected", self.expected, BETWEEN)
        if self.answer not in (NONE, "unsure"):
            raise OptionError(f'NotDigits: answer must be "{NONE}" or "unsure", found {self.answer!r}')

    def stream(self, digits: Array, seed: int, change: Change | None) -> Stream:
        """Return the stream of them; some are made of ``digits``."""
        generator = np.random.Generator(np.random.PCG64((seed, 1 << 32)))
        pictures = NonDigits(self.kinds, digits)(self.count, generator)
        if self.answer == NONE:
            return Examples(pictures, [NONE] * self.count, change=change)
        return Examples(pictures, np.full((self.count, CLASSES), 1 / CLASSES), change=change)


@dataclass(frozen=True)
class Recipe:
    """How to train a network that reads digits.

    layers: neurons of each hidden layer. dropout, normalise: of the hidden layers, as in ``initialise``. augment: what
    is done to the pictures, anew in each epoch. drawn: so many digits of the project's own pen are added to the
    pictures. not_digits: what is mixed in. mixup: the alpha of ``Mixup``. average,
    epochs, batch_size, seed, patience, workers: as in ``train``. hold_out: the share of the pictures by which the best
    epoch is chosen; 0: none, and the last epoch is kept. members: so many networks, with seeds two apart, answer
    together. calibrate: so many of the last pictures are not trained on; the probabilities are fitted to them,
    as they are and distorted. half: to be saved in half precision.
    """

    layers: tuple[int, ...] = (50, 100)
    activation: str = "relu"
    dropout: float = 0.0
    normalise: bool = False
    loss: Loss = field(default_factory=CrossEntropy)
    optimizer: Optimizer = field(default_factory=Adam)
    average: float | None = None
    augment: tuple[Distortion, ...] = ()
    drawn: int = 0
    not_digits: NotDigits | None = None
    mixup: float | None = None
    epochs: int = 20
    batch_size: int = 128
    seed: int = 0
    hold_out: float = 0.1
    patience: int | None = None
    workers: int = 0
    members: int = 1
    calibrate: int = 0
    half: bool = False

    @property
    def labels(self) -> tuple[Label, ...]:
        """What the network answers."""
        digits: tuple[Label, ...] = tuple(range(CLASSES))
        return (*digits, NONE) if self.not_digits is not None and self.not_digits.answer == NONE else digits

    @property
    def change(self) -> Change | None:
        """What is done to the pictures of a batch."""
        return Augmentation(self.augment) if self.augment else None

    def start(self) -> Network:
        """Return the network, or the first member, before training, reading raw pixels."""
        network = initialise(
            (PIXELS, *self.layers, len(self.labels)),
            hidden=self.activation,
            seed=self.seed,
            dropout=self.dropout,
            normalise=self.normalise,
        )
        return network.replace(inputs=Input((PIXELS,), scale=1 / 255), labels=self.labels)

    def train(
        self,
        pictures: Array,
        labels: Array,
        *,
        checkpoint: str | os.PathLike[str] | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> Training:
        """Return the network trained on pictures (n, 28, 28) of uint8, as ``prepare`` makes them, and its history.

        With members the history is theirs, one after the other, and so are the checkpoints; see ``checkpoints``.
        """
        if self.calibrate >= len(labels):
            raise ShapeError(f"calibrate: {self.calibrate} pictures are to be kept, and there are {len(labels)}")
        count = len(labels) - self.calibrate
        known, kept = (pictures[:count], labels[:count]), (pictures[count:], labels[count:])
        trained = [
            member._train_one(*known, checkpoint=place, progress=progress and _nth(number, self.members, progress))
            for number, (member, place) in enumerate(zip(self._each(), self.checkpoints(checkpoint), strict=True))
        ]
        networks = [centred(training.network) for training in trained]
        network = networks[0] if len(networks) == 1 else committee(networks)
        if self.calibrate:
            network = calibrated(network, *self._with_distorted(*kept))
        if NONE in self.labels and self.not_digits and self.not_digits.expected:
            network = expecting(network, NONE, self.not_digits.expected, trained_with=self.not_digits.share)
        return Training(network, tuple(_one_after_the_other(trained)))

    def checkpoints(self, path: str | os.PathLike[str] | None) -> list[Path | None]:
        """Return where the checkpoint of each member is kept: at ``path``, with the member's number where it is one."""
        if path is None:
            return [None] * self.members
        place = Path(path)
        return [
            place if self.members == 1 else place.with_name(f"{place.stem}-{number + 1}{place.suffix}")
            for number in range(self.members)
        ]

    def _each(self) -> Iterator[Recipe]:
        for number in range(self.members):
            yield dataclasses.replace(self, seed=self.seed + 2 * number)

    def _with_distorted(self, pictures: Array, labels: Array) -> tuple[Array, Array]:
        """Return pictures and, where the recipe distorts any, the same distorted."""
        if self.change is None:
            return pictures, labels
        distorted = self.change(pictures.reshape(-1, SIDE, SIDE), np.random.Generator(np.random.PCG64((self.seed, 2))))
        return np.concatenate([pictures.reshape(distorted.shape), distorted]), np.concatenate([labels, labels])

    def _train_one(
        self,
        pictures: Array,
        labels: Array,
        *,
        checkpoint: Path | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> Training:
        """Return one member, trained on all the pictures, as ``train`` leaves it."""
        validation = None
        if self.hold_out:
            kept, held_out = split(len(labels), self.hold_out, self.seed)
            validation = (pictures[held_out], labels[held_out])
            pictures, labels = pictures[kept], labels[kept]
        if self.drawn:
            more, known = drawn_digits(self.drawn, np.random.Generator(np.random.PCG64((self.seed, 3))))
            pictures = np.concatenate([pictures, more.reshape(-1, *pictures.shape[1:])])
            labels = np.concatenate([labels, known])
        stream: Stream = Examples(pictures, labels, change=self.change)
        if self.not_digits is not None:
            others = self.not_digits.stream(pictures, self.seed, self.change)
            stream = Mixed(stream, others, self.not_digits.share)
        return train(
            self.start(),
            stream if self.mixup is None else Mixup(stream, self.mixup),
            loss=self.loss,
            optimizer=self.optimizer,
            epochs=self.epochs,
            batch_size=self.batch_size,
            seed=self.seed,
            average=self.average,
            validation=validation,
            patience=self.patience,
            checkpoint=checkpoint,
            workers=self.workers,
            progress=progress,
        )


def _nth(member: int, members: int, progress: Callable[[Progress], None]) -> Callable[[Progress], None]:
    """Return what a member's training is to tell, for all of them to look like one run."""

    def tell(now: Progress) -> None:
        pace = now.seconds_left / max(1, now.batches * (now.epochs - now.epoch + 1) - now.batch)
        others = pace * now.batches * now.epochs * (members - member - 1)
        progress(
            dataclasses.replace(
                now,
                epoch=now.epoch + member * now.epochs,
                epochs=now.epochs * members,
                seconds_left=now.seconds_left + others,
            )
        )

    return tell


def _one_after_the_other(trained: list[Training]) -> Iterator[Epoch]:
    before = 0
    for training in trained:
        for epoch in training.history:
            yield dataclasses.replace(epoch, epoch=before + epoch.epoch)
        before += len(training.history)
