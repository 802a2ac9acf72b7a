"""Writing a file at once or not at all, for every room that saves something."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from glassnet.errors import MissingFileError


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Give a file to write, which takes the place of ``path`` when the block ends well; else nothing changes.

    A device or a pipe is written to as it is: nothing can take its place. Raises MissingFileError where the folder
    does not exist.
    """
    target = Path(path).resolve()  # a link stays a link
    if target.exists() and not target.is_file():
        with target.open("wb") as file:
            yield file
        return
    temporary = target.with_name(f".{target.name}.{os.urandom(4).hex()}")
    try:
        try:
            file = temporary.open("xb")
        except FileNotFoundError:
            raise MissingFileError(f"writing {path}: there is no folder {target.parent}") from None
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
