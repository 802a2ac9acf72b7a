"""Recipes: everything that decides how a digit network is trained, as a table that can be kept beside it.

    layers = [50, 100]              # hidden neurons; 784 before, 10 after
    activation = "relu"
    epochs = 30
    average = 0.999

    [loss]
    kind = "cross_entropy"
    smoothing = 0.05

    [optimizer]
    kind = "adamw"
    rate = { kind = "one_cycle", peak = 0.003 }

    [[augment]]
    kind = "affine"
    turn_degrees = 12

A ``kind`` is a name in the tables of losses, optimizers, schedules and distortions; the other keys beside it are that
choice's own options. What is left out has its default; a key that is not known is refused, with the nearest that is.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

from glassnet import formats
from glassnet.activations import Array
from glassnet.digits.augment import DISTORTIONS, Augmentation, Distortion
from glassnet.digits.models import MODELS, load_model
from glassnet.digits.nondigits import NonDigits
from glassnet.errors import FileFormatError, MissingFileError, OptionError
from glassnet.network import Input, Label, Network
from glassnet.training import (
    LOSSES,
    OPTIMIZERS,
    SCHEDULES,
    Adam,
    CrossEntropy,
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
from glassnet.training.options import BELOW_1, check, real, whole
from glassnet.training.rows import split
from glassnet.training.stream import Change

Table: TypeAlias = Mapping[str, Any]

PIXELS = 784
CLASSES = 10
NONE = "none"  # the label of what is no digit


@dataclass(frozen=True)
class NotDigits:
    """What is mixed in that is no digit: ``share`` of each batch.

    answer: what the network is to say to it: "none", an eleventh answer of its own; or "unsure", every digit as likely.
    kinds: names in ``NON_DIGITS``; left out, all that need no other library. count: how many are drawn at the start;
    they are distorted as the digits are, anew in each epoch.
    """

    answer: str = "none"
    share: float = 0.1
    kinds: tuple[str, ...] = ()
    count: int = 20_000

    def __post_init__(self) -> None:
        check(self)
        whole("NotDigits: count", self.count, 1)
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
    is done to the pictures, anew in each epoch. not_digits: what is mixed in. mixup: the alpha of ``Mixup``. average,
    epochs, batch_size, seed, patience, workers: as in ``train``. hold_out: the share of the pictures by which the best
    epoch is chosen; 0: none, and the last epoch is kept.
    """

    layers: tuple[int, ...] = (50, 100)
    activation: str = "relu"
    dropout: float = 0.0
    normalise: bool = False
    loss: Loss = field(default_factory=CrossEntropy)
    optimizer: Optimizer = field(default_factory=Adam)
    average: float | None = None
    augment: tuple[Distortion, ...] = ()
    not_digits: NotDigits | None = None
    mixup: float | None = None
    epochs: int = 20
    batch_size: int = 128
    seed: int = 0
    hold_out: float = 0.1
    patience: int | None = None
    workers: int = 0

    @property
    def labels(self) -> tuple[Label, ...]:
        """What the network answers."""
        digits: tuple[Label, ...] = tuple(range(CLASSES))
        return (*digits, NONE) if self.not_digits is not None and self.not_digits.answer == NONE else digits

    def start(self) -> Network:
        """Return the network before training, reading raw pixels."""
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
        """Return the network trained on pictures (n, 28, 28) of uint8, as ``prepare`` makes them, and its history."""
        validation = None
        if self.hold_out:
            kept, held_out = split(len(labels), self.hold_out, self.seed)
            validation = (pictures[held_out], labels[held_out])
            pictures, labels = pictures[kept], labels[kept]
        change = Augmentation(self.augment) if self.augment else None
        stream: Stream = Examples(pictures, labels, change=change)
        if self.not_digits is not None:
            others = self.not_digits.stream(pictures, self.seed, change)
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


def read_table(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what a TOML file says; raises MissingFileError or FileFormatError."""
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        raise MissingFileError(f"reading {path}: there is no such file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FileFormatError(f"reading {path}: not a recipe in TOML: {error}") from None


def read_recipe(path: str | os.PathLike[str]) -> Recipe:
    """Return the recipe in a TOML file. A teacher is looked for beside the file."""
    return make_recipe(read_table(path), where=str(path), folder=Path(path).parent)


def make_recipe(table: Table, *, where: str = "recipe", folder: Path | None = None) -> Recipe:
    """Return the recipe that a table describes; raises OptionError, naming what in ``where`` it is about."""
    known = {entry.name for entry in dataclasses.fields(Recipe)}
    _refuse_unknown(table, known, where)
    chosen = dict(table)
    for name, choices in _CHOICES.items():
        if name in chosen:
            chosen[name] = _choice(chosen[name], choices, f"{where}: {name}", folder)
    if "augment" in chosen:
        steps = _typed(chosen["augment"], list, f"{where}: augment", "a list of tables: [[augment]]")
        chosen["augment"] = tuple(
            _choice(step, ("distortion", DISTORTIONS), f"{where}: augment", folder) for step in steps
        )
    if "not_digits" in chosen:
        options = _typed(chosen["not_digits"], dict, f"{where}: not_digits", "a table: [not_digits]")
        chosen["not_digits"] = _choice(
            {"kind": "not_digits", **options}, ("", {"not_digits": NotDigits}), f"{where}: not_digits", folder
        )
    if "layers" in chosen:
        layers = _typed(chosen["layers"], list, f"{where}: layers", "a list of numbers such as [50, 100]")
        chosen["layers"] = tuple(whole(f"{where}: layers", size, 1) for size in layers)
    for name, kind, what in (("activation", str, "a text"), ("normalise", bool, "true or false")):
        if name in chosen:
            _typed(chosen[name], kind, f"{where}: {name}", what)
    for name in ("hold_out", "dropout"):
        real(f"{where}: {name}", chosen.get(name, 0.0), BELOW_1)
    return Recipe(**chosen)


# Key of a recipe → what is chosen there, and from which table.
_CHOICES: Mapping[str, tuple[str, Mapping[str, type]]] = MappingProxyType(
    {"loss": ("loss", LOSSES), "optimizer": ("optimizer", OPTIMIZERS)}
)
# Option of a choice → the same, for options that are choices themselves.
_INNER: Mapping[str, tuple[str, Mapping[str, type]]] = MappingProxyType(
    {
        "rate": ("schedule", SCHEDULES),
        "then": ("schedule", SCHEDULES),
        "labels": ("loss", MappingProxyType({"cross_entropy": CrossEntropy})),
    }
)


def _choice(given: Any, choices: tuple[str, Mapping[str, type]], where: str, folder: Path | None) -> Any:
    """Return the object that a table with a ``kind`` describes."""
    what, table = choices
    options = dict(_typed(given, dict, where, f'a table with a kind: {{ kind = "{next(iter(table))}" }}'))
    name = options.pop("kind", None)
    if name not in table:
        found = f"unknown {what} {name!r}" if name is not None else f"{where}: a kind is missing"
        raise OptionError(found, hint=f"one of {', '.join(table)}")
    fields = {entry.name: entry for entry in dataclasses.fields(table[name]) if entry.init}
    _refuse_unknown(options, set(fields), f"{where} ({name})")
    for key, value in options.items():
        if key == "teacher":
            options[key] = _teacher(value, where, folder)
        elif isinstance(value, dict) and key in _INNER:
            options[key] = _choice(value, _INNER[key], f"{where}: {key}", folder)
        elif isinstance(value, list):
            options[key] = tuple(value)
    missing = [key for key, entry in fields.items() if key not in options and entry.default is dataclasses.MISSING]
    if missing:
        raise OptionError(f"{where} ({name}): {missing[0]!r} is missing")
    try:
        return table[name](**options)
    except TypeError as error:  # a text where numbers are compared
        raise OptionError(f"{where} ({name}): {error}") from None


def _teacher(given: Any, where: str, folder: Path | None) -> Network:
    name = _typed(given, str, f"{where}: teacher", "the name of a shipped model or a file")
    return load_model(name) if name in MODELS else formats.load((folder or Path()) / name)


def _typed(value: Any, kind: type, where: str, what: str) -> Any:
    if not isinstance(value, kind):
        raise OptionError(f"{where}: expected {what}, found {value!r}")
    return value


def _refuse_unknown(table: Table, known: set[str], where: str) -> None:
    for key in table:
        if key not in known:
            [nearest] = difflib.get_close_matches(key, sorted(known), n=1, cutoff=0.0) or ["kind"]
            raise OptionError(
                f"{where}: there is no option {key!r}; the nearest is {nearest!r}",
                hint=f"known here: {', '.join(sorted(known))}",
            )


def toml(table: Table) -> str:
    """Return a table as TOML, in one line for each key; None is left out.

    >>> print(toml({"epochs": 3, "loss": {"kind": "cross_entropy"}, "augment": [{"kind": "blur"}]}), end="")
    epochs = 3
    loss = { kind = "cross_entropy" }
    augment = [{ kind = "blur" }]
    """
    return "".join(f"{key} = {_toml(value)}\n" for key, value in table.items() if value is not None)


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        inner = ", ".join(f"{key} = {_toml(item)}" for key, item in value.items() if item is not None)
        return f"{{ {inner} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    # JSON's texts are TOML's, but for the one character that TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f") if isinstance(value, str) else repr(value)
