"""Scans in a PDF: each page drawn as a picture (extra ``pdf``)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np

from glassnet.digits.picture import MOST_FILE_BYTES
from glassnet.errors import MissingFileError, MissingLibraryError, PictureError
from glassnet.reading.page import Array

Source: TypeAlias = str | os.PathLike[str] | bytes

DOTS_PER_INCH = 200  # a digit 4 mm high has 31 pixels
POINTS_PER_INCH = 72
MOST_PIXELS = 25_000_000
SIGNATURE = b"%PDF-"
SIGNED_WITHIN = 1024  # as readers of PDF take it: there may be something before


def is_pdf(source: Source) -> bool:
    """Return whether a file, or its bytes, is a PDF, whatever its name says.

    A pipe is none: what is looked at there is gone.
    """
    if isinstance(source, bytes):
        return SIGNATURE in source[:SIGNED_WITHIN]
    if not Path(source).is_file():
        return False
    try:
        with Path(source).open("rb") as file:
            return SIGNATURE in file.read(SIGNED_WITHIN)
    except OSError:
        return False


def count_pages(source: Source) -> int:
    """Return how many pages a PDF has. Raises PictureError where it cannot be read, MissingLibraryError without
    pypdfium2.
    """
    with _opened(source) as document:
        return len(document)


def read_pdf_page(source: Source, number: int) -> Array:
    """Return a page of a PDF, the first being 1, as (h, w, 3) red green blue; raises as ``count_pages`` does."""
    with _opened(source) as document:
        if not 1 <= number <= len(document):
            raise PictureError(f"reading {_name(source)}: there is no page {number}, it has {len(document)}")
        try:
            page = document[number - 1]
            width, height = page.get_size()
            scale = DOTS_PER_INCH / POINTS_PER_INCH
            scale *= min(1.0, (MOST_PIXELS / max(width * height * scale**2, 1.0)) ** 0.5)
            drawn = page.render(scale=scale, rev_byteorder=True).to_numpy()
        except _pdfium().PdfiumError as error:
            raise PictureError(f"reading {_name(source)}: page {number} cannot be drawn: {error}") from None
        return np.ascontiguousarray(drawn[..., :3] if drawn.ndim == 3 else drawn)


@contextlib.contextmanager
def _opened(source: Source) -> Iterator[Any]:
    pdfium = _pdfium()
    if isinstance(source, bytes):
        data = source
    else:
        try:
            with Path(source).open("rb") as file:
                data = file.read(MOST_FILE_BYTES + 1)
        except FileNotFoundError:
            raise MissingFileError(f"reading {source}: there is no such file") from None
    if len(data) > MOST_FILE_BYTES:
        raise PictureError(f"reading {_name(source)}: the file has more than {MOST_FILE_BYTES:,} bytes")
    try:
        document = pdfium.PdfDocument(data)
    except pdfium.PdfiumError as error:
        if "password" in str(error).lower():
            raise PictureError(
                f"reading {_name(source)}: the PDF is encrypted", hint="save it without a password first"
            ) from None
        raise PictureError(f"reading {_name(source)}: the PDF is damaged: {error}") from None
    try:
        yield document
    finally:
        document.close()


def _pdfium() -> ModuleType:
    try:
        import pypdfium2  # noqa: PLC0415  optional
    except ImportError:
        raise MissingLibraryError("reading a PDF needs pypdfium2", hint="pip install 'glassnet[pdf]'") from None
    module: ModuleType = pypdfium2
    return module


def _name(source: Source) -> str:
    return "the PDF" if isinstance(source, bytes) else str(source)
