"""The pictures a command is given: files, folders of them, ``-`` for standard input."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from glassnet.errors import PictureError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
DOCUMENTS = (*SUFFIXES, ".pdf")
STANDARD_INPUT = "-"


def paths_of(given: str, suffixes: tuple[str, ...] = SUFFIXES) -> list[str]:
    """Return ``given`` itself or, where it is a folder, the paths of what is named so in it, sorted.

    Raises PictureError for a folder without pictures.
    """
    if given == STANDARD_INPUT or not Path(given).is_dir():
        return [given]
    found = sorted(str(path) for path in Path(given).iterdir() if _is_named(path, suffixes))
    if not found:
        raise PictureError(f"no picture in the folder {given}", hint=f"pictures are files named {', '.join(suffixes)}")
    return found


def source_of(path: str) -> str | BinaryIO:
    """Return what ``glassnet.digits.read_picture`` reads for ``path``."""
    return sys.stdin.buffer if path == STANDARD_INPUT else path


@contextmanager
def quiet_decoders() -> Iterator[None]:
    """Keep libpng and its like from writing to stderr, which they do past Python; what matters is in our errors."""
    kept = os.dup(2)
    silence = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(silence, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(silence)
        os.close(kept)


def _is_named(path: Path, suffixes: tuple[str, ...]) -> bool:
    # Names that begin with a dot are what systems leave beside pictures: ._three.png, for one.
    return path.suffix.lower() in suffixes and not path.name.startswith(".")
