"""Streams: where training gets its batches from, when it is more than the same rows in another order.

A stream says, for any batch of a run, which rows it holds, from the seed, the epoch and the number of the batch alone.
So batches can be made ahead of their turn, by any number of threads, in any order, and a run that stopped between two
epochs goes on as if it had not, without a generator's state to keep.

    Examples      rows in memory, each once an epoch, changed by a function of your own (distortions of pictures)
    Made          rows that a function makes from nothing
    Mixed         a share of each batch from another stream
    Mixup         rows blended in pairs, and their targets with them
    Answered      rows with the answers of a network as their targets
"""

from __future__ import annotations

import abc
import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from glassnet.errors import OptionError, ShapeError
from glassnet.network import Label, Network
from glassnet.network.steps import Array
from glassnet.training.checkpoint import digest
from glassnet.training.options import check
from glassnet.training.rows import Given, Rows, targets_of

# A batch of inputs as they were given, and random numbers → the batch to show instead.
Change: TypeAlias = Callable[[Any, np.random.Generator], Any]


class Batch(NamedTuple):
    """Some rows: one array for each input, the targets, and how much each row counts (None: all alike)."""

    x: tuple[Array, ...]
    t: Array
    weights: Array | None


@dataclass(frozen=True)
class Place:
    """Where a batch stands: in which run (by its seed), in which epoch, counted from 1, and there from 0.

    path: the way through the streams that a stream is made of, for each of them to have random numbers of its own.
    """

    seed: int
    epoch: int
    number: int
    path: tuple[int, ...] = ()

    def inside(self, part: int) -> Place:
        """Return the same place in a stream that is a part of another."""
        return replace(self, path=(*self.path, part))

    def generator(self) -> np.random.Generator:
        """Return random numbers for this batch."""
        # NumPy fills a short seed with zeros: the last number must not be one.
        return _generator(self.seed, self.epoch, self.number + 1, *self.path, 1)

    def order(self, rows: int) -> Array:
        """Return the order of this epoch."""
        return _order(rows, self.seed, self.epoch, *((1 << 31, *self.path) if self.path else ()))


def _generator(*seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


@functools.lru_cache(maxsize=8)
def _order(rows: int, *seed: int) -> Array:
    return _generator(*seed).permutation(rows)


@dataclass(frozen=True, eq=False)
class Source:
    """A stream checked against a network.

    batches: how many make an epoch, from their size. batch: makes one. description: differs where the rows do.
    rows: those in memory it is made from, if it is.
    """

    batches: Callable[[int], int]
    batch: Callable[[int, Place], Batch]
    description: str
    rows: Rows | None = None


class Stream(abc.ABC):
    """A source of batches for any network that its rows fit."""

    @abc.abstractmethod
    def source(self, network: Network) -> Source:
        """Return it for ``network``; raise ShapeError, DtypeError or OptionError where its rows do not fit."""


@dataclass(frozen=True, eq=False)
class Examples(Stream):
    """Rows in memory, each shown once an epoch, in an order that changes.

    x, t: as in ``train``. weights: how much each row counts; left out, all alike. change: what is done to each batch of
    x before it is shown, with x in the shape it was given, and a generator of random numbers; the same count of rows
    must come out.
    """

    x: Given
    t: npt.ArrayLike
    weights: npt.ArrayLike | None = None
    change: Change | None = None

    def source(self, network: Network) -> Source:
        """Check the rows, and the change with the first of them."""
        rows = Rows.of(network, self.x, self.t, self.weights)
        several = isinstance(self.x, tuple)
        given = tuple(np.asarray(array) for array in (self.x if isinstance(self.x, tuple) else (self.x,)))
        shown = given if self.change is not None else rows.x

        def batch(size: int, place: Place) -> Batch:
            start = place.number % batches(size) * size
            chosen = place.order(len(rows))[start : start + size]
            x = tuple(np.take(array, chosen, axis=0) for array in shown)
            if self.change is not None:
                x = _changed(network, self.change, x if several else x[0], place, len(chosen))
            weights = None if rows.weights is None else rows.weights[chosen]
            return Batch(x, rows.t[chosen], weights)

        def batches(size: int) -> int:
            return -(-len(rows) // size)

        parts = (*rows.x, rows.t, *(() if rows.weights is None else (rows.weights,)))
        source = Source(batches, batch, f"{digest(*parts)}{_named(self.change)}", rows)
        if self.change is not None:
            batch(2, Place(0, 0, 0))
        return source


def _changed(network: Network, change: Change, x: Any, place: Place, count: int) -> tuple[Array, ...]:
    changed = change(x, place.generator())
    x, _ = network.batches(changed if isinstance(changed, tuple) else (changed,))
    if len(x[0]) != count:
        raise ShapeError(f"change made {len(x[0])} rows of {count}; as many must come out as go in")
    return tuple(x)


@dataclass(frozen=True, eq=False)
class Made(Stream):
    """Rows without end that a function makes: ``make(count, generator)`` returns a batch of x.

    target: the label of all of them, or a row of probabilities or values; None: every class is as likely, which
    teaches a network not to be sure. rows: how many make an epoch; of no matter where they are mixed into another
    stream.
    """

    make: Callable[[int, np.random.Generator], Any]
    target: Label | npt.ArrayLike | None = None
    rows: int = 1000

    def source(self, network: Network) -> Source:
        """Check the target, and what is made with two rows of it."""
        shape = network.shapes[network.outputs[0]]
        if self.target is None:
            if network.labels is None:
                raise OptionError("Made: without a target every class is as likely, but this network has no labels")
            target = np.full((1, *shape), 1 / max(2, shape[-1]), network.dtype)
        else:
            target = targets_of(network, np.asarray([self.target]))

        def batch(size: int, place: Place) -> Batch:
            x = _changed(network, self.make, size, place, size)
            return Batch(x, np.repeat(target, size, axis=0), None)

        batch(2, Place(0, 0, 0))
        return Source(lambda size: -(-self.rows // size), batch, f"{_named(self.make)} {target.tolist()} {self.rows}")


@dataclass(frozen=True, eq=False)
class Mixed(Stream):
    """Batches of which so large a ``share`` of the rows is from ``other``, the rest from ``main``.

    An epoch shows each row of ``main`` once, and of ``other`` as many as it takes.
    """

    main: Stream
    other: Stream
    share: float

    def __post_init__(self) -> None:
        check(self)

    def source(self, network: Network) -> Source:
        """Check both."""
        main, other = self.main.source(network), self.other.source(network)

        def sizes(size: int) -> tuple[int, int]:
            others = round(size * self.share)
            if not 0 < others < size:
                raise OptionError(f"Mixed: a share of {self.share} of {size} rows leaves none of one kind")
            return size - others, others

        def batch(size: int, place: Place) -> Batch:
            ours, others = sizes(size)
            # The orders of `main` are those it has alone.
            parts = (main.batch(ours, place), other.batch(others, place.inside(2)))
            x = tuple(np.concatenate(arrays) for arrays in zip(*(part.x for part in parts), strict=True))
            weights = None
            if any(part.weights is not None for part in parts):
                weights = np.concatenate(
                    [np.ones(len(part.t), part.t.dtype) if part.weights is None else part.weights for part in parts]
                )
            return Batch(x, np.concatenate([part.t for part in parts]), weights)

        return Source(
            lambda size: main.batches(sizes(size)[0]),
            batch,
            f"({main.description}, {other.description}, {self.share})",
            main.rows,
        )


@dataclass(frozen=True, eq=False)
class Mixup(Stream):
    """Rows blended with other rows of their batch: λ·x + (1 - λ)·x', targets and weights likewise (Zhang et al. 2018).

    λ is drawn for each row from Beta(alpha, alpha): mostly near 0 and 1 for a small alpha. Integers, raw numbers, are
    blended and rounded.
    """

    stream: Stream
    alpha: float = 0.2

    def __post_init__(self) -> None:
        check(self)

    def source(self, network: Network) -> Source:
        """Check the stream."""
        inner = self.stream.source(network)

        def batch(size: int, place: Place) -> Batch:
            x, t, weights = inner.batch(size, place)
            generator = place.inside(3).generator()
            shares = generator.beta(self.alpha, self.alpha, len(t)).astype(t.dtype)
            partners = generator.permutation(len(t))
            return Batch(
                tuple(_blended(array, shares, partners) for array in x),
                _blended(t, shares, partners),
                None if weights is None else _blended(weights, shares, partners),
            )

        return Source(inner.batches, batch, f"mixup {self.alpha} of {inner.description}", inner.rows)


@dataclass(frozen=True, eq=False)
class Answered(Stream):
    """The rows of another stream, with what ``teacher`` answers to them in the place of their targets."""

    stream: Stream
    teacher: Network

    def source(self, network: Network) -> Source:
        """Check the stream, and that the teacher answers as ``network`` does."""
        inner = self.stream.source(network)
        answers, expected = self.teacher.shapes[self.teacher.outputs[0]], network.shapes[network.outputs[0]]
        if answers != expected:
            raise ShapeError(f"Answered: the teacher answers rows of shape {answers}, expected {expected}")
        compiled = self.teacher.compile()

        def batch(size: int, place: Place) -> Batch:
            x, t, weights = inner.batch(size, place)
            return Batch(x, np.asarray(compiled(*x), t.dtype), weights)

        arrays = [array for step in self.teacher.steps for array in step.arrays.values()]
        teacher = digest(self.teacher.summary(), *arrays)
        return Source(inner.batches, batch, f"{inner.description} answered by {teacher}", inner.rows)


def _blended(values: Array, shares: Array, partners: Array) -> Array:
    shares = shares.reshape(-1, *(1,) * (values.ndim - 1))
    blended = shares * values + (1 - shares) * values[partners]
    return (np.rint(blended) if values.dtype.kind in "biu" else blended).astype(values.dtype)


def _named(function: object) -> str:
    """Return a function's name, or all that is set of an object that can be called."""
    return "" if function is None else f" {getattr(function, '__qualname__', None) or repr(function)}"
