"""Rows to learn from: what goes in, what should come out, and the order they are shown in.

The order of an epoch depends on the seed and the number of the epoch alone, so that a run that stopped between two
epochs goes on as if it had not, without a generator's state to keep.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from glassnet.errors import DtypeError, OptionError, ShapeError
from glassnet.network import Network
from glassnet.network.steps import Array, as_array

# What a network with one input, or with several, is trained on.
Given: TypeAlias = npt.ArrayLike | tuple[npt.ArrayLike, ...]


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows in memory: ``x`` one array for each input of the network, as it was given; ``t`` the targets."""

    x: tuple[Array, ...]
    t: Array

    @classmethod
    def of(cls, network: Network, x: Given, t: npt.ArrayLike) -> Rows:
        """Return checked rows for ``network``; raises ShapeError, DtypeError or OptionError.

        x: a batch, or a tuple of batches for a network with several inputs. Integers stay raw, as in ``network(x)``.
        t: for a classifier one label a row, or a row of probabilities; for values, rows of the output's shape.
        """
        batches, single = network.batches(x if isinstance(x, tuple) else (x,))
        if single:
            raise ShapeError(f"training needs a batch of rows, found one row of shape {batches[0].shape[1:]}")
        if not len(batches[0]):
            raise ShapeError("training needs rows, found none")
        targets = _targets(network, as_array(t, "t"))
        if len(targets) != len(batches[0]):
            raise ShapeError(f"x has {len(batches[0])} rows, t has {len(targets)}")
        return cls(tuple(batches), targets)

    def __len__(self) -> int:
        return len(self.t)

    def split(self, share: float, seed: int) -> tuple[Rows, Rows]:
        """Return the rows to learn from and a random ``share`` of them held out."""
        count = round(share * len(self))
        if not 0 < count < len(self):
            raise OptionError(f"validation must leave rows on both sides, found {share} of {len(self)} rows")
        order = _generator(seed, 0).permutation(len(self))
        kept, held_out = np.sort(order[count:]), np.sort(order[:count])
        return self._taken(kept), self._taken(held_out)

    def batches(self, size: int, seed: int, epoch: int) -> Iterator[tuple[Sequence[Array], Array]]:
        """Give the rows in batches, in the order of this epoch; the last batch may be smaller.

        The arrays are filled again for the next batch.
        """
        arrays = (*self.x, self.t)
        buffers = [np.empty((min(size, len(self)), *array.shape[1:]), array.dtype) for array in arrays]
        order = _generator(seed, epoch).permutation(len(self))
        for start in range(0, len(self), size):
            chosen = order[start : start + size]
            # mode="clip", because "raise" fills a copy of `out` first; the indices are ours and in range.
            *x, t = (
                np.take(array, chosen, axis=0, out=buffer[: len(chosen)], mode="clip")
                for array, buffer in zip(arrays, buffers, strict=True)
            )
            yield x, t

    def _taken(self, rows: Array) -> Rows:
        return Rows(tuple(array[rows] for array in self.x), self.t[rows])


def _generator(seed: int, epoch: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64((seed, epoch)))


def _targets(network: Network, t: Array) -> Array:
    """Return what the output should be, (rows, *row shape), from labels or from values."""
    shape = network.shapes[network.outputs[0]]
    if network.labels is not None and t.ndim == 1:
        matches = t[:, np.newaxis] == np.asarray(network.labels)
        unknown = ~matches.any(axis=1)
        if unknown.any():
            row = int(np.argmax(unknown))
            raise OptionError(f"t[{row}] is {t[row].item()!r}, expected one of {list(network.labels)}")
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
