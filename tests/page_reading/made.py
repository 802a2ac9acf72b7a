"""Pages made by hand, as the reader would give them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from glassnet.reading import NONE, Box, Digit, Line, Mark, Page

WIDTH, HEIGHT = 20, 30


def mark(probabilities: Mapping[Any, float], at: int = 0, row: int = 0) -> Digit:
    """Return a mark of these probabilities, the one number ``at`` of its row."""
    ranked = tuple(sorted(probabilities.items(), key=lambda pair: -pair[1]))
    box = Box(20 + at * (WIDTH + 10), 20 + row * (HEIGHT + 20), WIDTH, HEIGHT)
    prepared = np.zeros((28, 28), np.uint8)
    cv2.putText(prepared, str(ranked[0][0])[0], (6, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 255, 2)
    reason = "a letter" if ranked[0][0] == NONE else ""
    return Digit(box, ranked[0][0], ranked[0][1], ranked, prepared, reason)


def sure(digit: int | str, probability: float = 0.99) -> dict[Any, float]:
    """Return the probabilities of a mark that is ``digit``, the rest shared evenly by the others and none."""
    others = [label for label in (*range(10), NONE) if label != digit]
    return {digit: probability, **dict.fromkeys(others, (1 - probability) / 10)}


def line(*marks: int | Mapping[Any, float], row: int = 0, separators: Mapping[int, str] | None = None) -> Line:
    """Return a line of marks; an int is one that is sure. separators: before which mark → its kind."""
    digits = tuple(mark(sure(given) if isinstance(given, int) else given, at, row) for at, given in enumerate(marks))
    top = 20 + row * (HEIGHT + 20) + 15
    signs = tuple(Mark(Box(20 + at * (WIDTH + 10) - 7, top, 4, 3), kind) for at, kind in (separators or {}).items())
    return Line(digits, signs)


def page(*lines: Line, refused: Sequence[Digit] = ()) -> Page:
    """Return a page of these lines, large enough."""
    return Page(lines, (640, 480), tuple(refused))


def drawn(page: Page) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return a picture of the page, (height, width, 3), printed digits on white."""
    picture = np.full((page.size[1], page.size[0], 3), 255, np.uint8)
    for digit in (*(digit for line in page.lines for digit in line.digits), *page.refused):
        left, top, _, height = digit.box
        text = str(digit.label) if digit.is_digit else "#"
        cv2.putText(picture, text, (left, top + height - 4), cv2.FONT_HERSHEY_SIMPLEX, 1, (30, 30, 90), 2)
    return picture


def written_pdf(pages: Sequence[str], size: tuple[int, int] = (298, 420)) -> bytes:
    """Return a PDF whose pages are drawn by these commands, of a size in points."""
    kids = " ".join(f"{3 + 2 * page} 0 R" for page in range(len(pages)))
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>"]
    for page, drawing in enumerate(pages):
        objects += [
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {size[0]} {size[1]}] /Contents {4 + 2 * page} 0 R >>",
            f"<< /Length {len(drawing)} >>\nstream\n{drawing}\nendstream",
        ]
    content, places = b"%PDF-1.4\n", []
    for number, text in enumerate(objects, start=1):
        places.append(len(content))
        content += f"{number} 0 obj\n{text}\nendobj\n".encode()
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    count = len(objects) + 1
    return (
        content
        + (
            f"xref\n0 {count}\n0000000000 65535 f \n{table}"
            f"trailer\n<< /Size {count} /Root 1 0 R >>\nstartxref\n{len(content)}\n%%EOF\n"
        ).encode()
    )
