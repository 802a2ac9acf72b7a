"""Where a run stands after an epoch, in one file, so that a run that was killed goes on with the same bits.

An ``.npz`` of plain arrays and one JSON text: the vectors (parameters, the best so far, what the optimizer
remembers), the history, and a description of the run. A file of another run is refused, because going on from it
would give a result that neither run has. No generator's state is needed (see ``rows``).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from glassnet.errors import FileFormatError, OptionError
from glassnet.files import replacing
from glassnet.network.steps import Array
from glassnet.training.history import Epoch

# What a run is made of: name → a number, a text, or the digest of arrays.
Description: TypeAlias = Mapping[str, int | str | None]

_ABOUT = "glassnet checkpoint 1"


@dataclass(frozen=True)
class Checkpoint:
    """The file of one run."""

    path: Path
    run: Description

    def write(self, arrays: Mapping[str, Array], history: Sequence[Epoch]) -> None:
        """Replace the file, at once or not at all."""
        about = {"run": dict(self.run), "history": [dataclasses.asdict(epoch) for epoch in history]}
        with replacing(self.path) as file:
            contents = {_ABOUT: np.array(json.dumps(about)), **arrays}
            np.savez(file, **contents)  # type: ignore[arg-type]  # NumPy 2.0 would keep allow_pickle as an array

    def read(self, arrays: Mapping[str, Array]) -> list[Epoch]:
        """Fill ``arrays`` from the file and return the history; without a file, leave them and return no epochs.

        Raises FileFormatError for a file that is no checkpoint, OptionError for one of another run.
        """
        if not self.path.exists():
            return []
        try:
            with self.path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                kept = dict(archive)
            about = json.loads(str(kept.pop(_ABOUT)))
            run, history = dict(about["run"]), [Epoch(**epoch) for epoch in about["history"]]
        except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise FileFormatError(f"reading {self.path}: not a checkpoint of a training run: {error}") from error
        self._compare(run)
        expected = {name: (array.shape, array.dtype) for name, array in arrays.items()}
        found = {name: (array.shape, array.dtype) for name, array in kept.items()}
        if found != expected:
            raise FileFormatError(f"reading {self.path}: a broken checkpoint: expected {expected}, found {found}")
        for name, array in arrays.items():
            array[...] = kept[name]
        return history

    def _compare(self, other: Description) -> None:
        differences = [
            f"{name} {other.get(name)}, here {mine}" for name, mine in self.run.items() if other.get(name) != mine
        ]
        if differences:
            raise OptionError(
                f"{self.path} is the checkpoint of another run: {'; '.join(differences)}",
                hint="give the options it was made with, another path, or delete it",
            )


def digest(*parts: Array | str) -> str:
    """Return a short name for the content of arrays and texts."""
    state = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            state.update(part.encode())
        else:
            state.update(f"{part.dtype.str}{part.shape}".encode())
            state.update(np.ascontiguousarray(part).reshape(-1).view(np.uint8).data)
    return state.hexdigest()[:16]
