"""Rows to learn from, checked against the network: what goes in, what should come out, how much each counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from glassnet.errors import DtypeError, OptionError, ShapeError
from glassnet.network import Network, label_array
from glassnet.network.steps import Array, as_array, real_array

# What a network with one input, or with several, is trained on.
Given: TypeAlias = npt.ArrayLike | tuple[npt.ArrayLike, ...]


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows in memory: ``x`` one array for each input of the network, as it was given; ``t`` the targets.

    weights: how much each row counts, (rows,); None: all alike.
    """

    x: tuple[Array, ...]
    t: Array
    weights: Array | None = None

    @classmethod
    def of(cls, network: Network, x: Given, t: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> Rows:
        """Return checked rows for ``network``; raises ShapeError, DtypeError or OptionError.

        x: a batch, or a tuple of batches for a network with several inputs. Integers stay raw, as in ``network(x)``.
        t: for a classifier one label a row, or a row of probabilities; for values, rows of the output's shape.
        weights: numbers of 0 or more, not all 0.
        """
        batches, single = network.batches(x if isinstance(x, tuple) else (x,))
        if single:
            raise ShapeError(f"training needs a batch of rows, found one row of shape {batches[0].shape[1:]}")
        if not len(batches[0]):
            raise ShapeError("training needs rows, found none")
        if isinstance(t, list | tuple) and any(isinstance(label, str) for label in t):
            t = label_array(t)
        targets = targets_of(network, as_array(t, "t"))
        if len(targets) != len(batches[0]):
            raise ShapeError(f"x has {len(batches[0])} rows, t has {len(targets)}")
        return cls(tuple(batches), targets, None if weights is None else _weights(weights, len(targets), network))

    def __len__(self) -> int:
        return len(self.t)

    def split(self, share: float, seed: int) -> tuple[Rows, Rows]:
        """Return the rows to learn from and a random ``share`` of them held out."""
        kept, held_out = split(len(self), share, seed)
        return self.take(kept), self.take(held_out)

    def take(self, rows: Array) -> Rows:
        """Return some of the rows, by their numbers."""
        weights = None if self.weights is None else self.weights[rows]
        return Rows(tuple(array[rows] for array in self.x), self.t[rows], weights)


def split(count: int, share: float, seed: int) -> tuple[Array, Array]:
    """Return the numbers of the rows to learn from and those of a random ``share`` held out, in order."""
    held_out = round(share * count)
    if not 0 < held_out < count:
        raise OptionError(f"validation must leave rows on both sides, found {share} of {count} rows")
    order = np.random.Generator(np.random.PCG64((seed, 0))).permutation(count)
    return np.sort(order[held_out:]), np.sort(order[:held_out])


def targets_of(network: Network, t: Array) -> Array:
    """Return what the output should be, (rows, *row shape), from labels or from values."""
    shape = network.shapes[network.outputs[0]]
    if network.labels is not None and t.ndim == 1:
        matches = t[:, np.newaxis] == label_array(network.labels)
        unknown = ~matches.any(axis=1)
        if unknown.any():
            row = int(np.argmax(unknown))
            raise OptionError(f"t[{row}] is {t[row : row + 1].tolist()[0]!r}, expected one of {list(network.labels)}")
        return matches[:, -shape[0] :].astype(network.dtype)  # a single output is the second label's probability
    if t.dtype.kind not in "biuf":
        raise DtypeError(f"t must be real numbers, found dtype {t.dtype}")
    if t.ndim == 1 and shape == (1,):
        t = t[:, np.newaxis]
    if t.shape[1:] != shape or t.ndim == 0:
        raise ShapeError(
            f"t has shape {t.shape}, expected (rows, {', '.join(map(str, shape))}) as the network answers",
            hint="" if network.labels else "to give one label a row, name the classes: network.replace(labels=…)",
        )
    return t.astype(network.dtype)


def _weights(weights: npt.ArrayLike, rows: int, network: Network) -> Array:
    array = real_array(weights, "weights")
    if array.shape != (rows,):
        raise ShapeError(f"weights have shape {array.shape}, expected ({rows},): one for each row")
    if not (np.isfinite(array).all() and (array >= 0).all() and array.any()):
        raise OptionError("weights must be finite, 0 or more, and not all 0")
    return array.astype(network.dtype)
