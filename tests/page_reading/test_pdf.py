"""Scans in a PDF."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from glassnet.errors import MissingFileError, MissingLibraryError, PictureError
from glassnet.reading import count_pages, is_pdf, read_pdf_page
from page_reading.made import written_pdf

needs_pdfium = pytest.mark.skipif(find_spec("pypdfium2") is None, reason="pypdfium2 is not installed")

# A page of A6 with a black square, and a second one, empty. Written by hand: objects, their places, the trailer.
PAGES = written_pdf(["0 0 0 rg 30 30 72 72 re f", ""])
ENCRYPTED = PAGES.replace(b"/Root 1 0 R", b"/Root 1 0 R /Encrypt 99 0 R /ID [<00> <00>]").replace(
    b"xref\n",
    b"99 0 obj\n<< /Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s> >>\nendobj\nxref\n" % (b"11" * 32, b"22" * 32),
)


@needs_pdfium
def test_pages_are_drawn(tmp_path: Path) -> None:
    path = tmp_path / "scan.txt"
    path.write_bytes(PAGES)
    assert is_pdf(path)
    for source in (path, PAGES, str(path)):
        assert count_pages(source) == 2
        first = read_pdf_page(source, 1)
        assert first.shape == (round(420 * 200 / 72), round(298 * 200 / 72), 3)
        assert 0.04 < (first == 0).mean() < 0.05  # 72² of 298 · 420
        assert np.all(read_pdf_page(source, 2) == 255)


@needs_pdfium
def test_a_huge_page_is_drawn_smaller() -> None:
    huge = written_pdf(["0 0 0 rg 30 30 72 72 re f"], size=(14000, 14000))
    picture = read_pdf_page(huge, 1)
    assert picture.shape[0] * picture.shape[1] <= 25_100_000


@needs_pdfium
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (PAGES[: len(PAGES) // 3], "reading the PDF: the PDF is damaged: "),
        (b"%PDF-1.4\n", "reading the PDF: the PDF is damaged: "),
        (ENCRYPTED, "reading the PDF: the PDF is encrypted\nhint: save it without a password first"),
    ],
)
def test_pdfs_that_cannot_be_read(content: bytes, message: str) -> None:
    assert is_pdf(content)
    with pytest.raises(PictureError, match=f"^{message}"):
        count_pages(content)


@needs_pdfium
def test_pages_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="there is no page 3, it has 2"):
        read_pdf_page(PAGES, 3)
    with pytest.raises(PictureError, match="there is no page 0, it has 2"):
        read_pdf_page(PAGES, 0)
    with pytest.raises(MissingFileError, match="there is no such file"):
        count_pages(tmp_path / "scan.pdf")


def test_what_is_no_pdf(tmp_path: Path) -> None:
    (tmp_path / "scan.pdf").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert not is_pdf(tmp_path / "scan.pdf")
    assert not is_pdf(tmp_path / "none.pdf")
    assert not is_pdf(tmp_path)


def test_without_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypdfium2", None)
    with pytest.raises(
        MissingLibraryError, match=r"^reading a PDF needs pypdfium2\nhint: pip install 'glassnet\[pdf\]'$"
    ):
        count_pages(PAGES)
