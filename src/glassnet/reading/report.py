"""A page on which a person sees what was read, the doubtful digits first, and corrects it.

One HTML file that needs nothing else: the pictures are in it, and its policy forbids the network. What was corrected or
confirmed is downloaded as ``corrections.zip``, whose folders 0 to 9 ``glassnet tune --data`` takes, with the
corrected lines as CSV. ``report.html`` is the page, in which two places are filled here.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from glassnet.files import replacing
from glassnet.reading.encode import png
from glassnet.reading.page import SEPARATORS, Array, Digit, Line
from glassnet.reading.review import Sheet, confidences, threshold_for

# The pictures of a report together, before they are written as text, which takes a third more.
MOST_BYTES = 40_000_000
MOST_SIDE, LEAST_SIDE = 2000, 300
BYTES_A_PIXEL = 0.15  # of a JPEG of paper
RANKED = 3


def side_for(count: int) -> int:
    """Return how long the sides of so many pictures may be, so that a report of them stays a file one can open."""
    return int(min(max((MOST_BYTES / max(count, 1) / BYTES_A_PIXEL) ** 0.5, LEAST_SIDE), MOST_SIDE))


def write_report(path: str | os.PathLike[str], sheets: Sequence[Sheet], error_rate: float) -> None:
    """Write the page, whole or not at all; each sheet should bring its picture.

    error_rate: the share of wrong digits wanted among those that a person need not look at.
    """
    with replacing(path) as file:
        file.write(report(sheets, error_rate).encode())


def report(sheets: Sequence[Sheet], error_rate: float) -> str:
    """Return the page."""
    sure = [confidences(sheet) for sheet in sheets]
    threshold = threshold_for(error_rate, [one for sheet in sure for line in sheet for one in line])
    content = [_sheet(sheet, of_sheet, threshold) for sheet, of_sheet in zip(sheets, sure, strict=True)]
    data = json.dumps(content, ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c")
    named = sheets[0].path if len(sheets) == 1 else f"{len(sheets)} pictures"
    filled = {
        "{{title}}": html.escape(named.encode("utf-8", "backslashreplace").decode()),
        "{{id}}": hashlib.sha256(data.encode()).hexdigest()[:16],
        "{{data}}": data,
    }
    page = files("glassnet.reading").joinpath("report.html").read_text(encoding="utf-8")
    for place, text in filled.items():
        page = page.replace(place, text)
    return page


def _sheet(sheet: Sheet, sure: list[list[float]], threshold: float) -> dict[str, Any]:
    lines = []
    for number, (line, value, of_line) in enumerate(zip(sheet.page.lines, sheet.values, sure, strict=True)):
        marks = [
            _mark(digit, symbol, confidence, value.text is None or confidence < threshold)
            for digit, symbol, confidence in zip(line.digits, value.symbols, of_line, strict=True)
        ]
        lines.append({"name": sheet.fields[number] if sheet.fields else "", "marks": marks, "parts": _parts(line)})
    return {
        "path": sheet.path.encode("utf-8", "backslashreplace").decode(),
        "page": sheet.number,
        "size": sheet.page.size,
        "image": _data_uri(sheet.picture),
        "lines": lines,
        "refused": [_mark(digit, "", digit.probability, False) for digit in sheet.page.refused],
    }


def _mark(digit: Digit, symbol: str, confidence: float, doubtful: bool) -> dict[str, Any]:
    return {
        "box": digit.box,
        "value": symbol,
        "confidence": round(confidence, 4),
        "doubtful": doubtful,
        "ranked": [(str(label), round(probability, 4)) for label, probability in digit.ranked[:RANKED]],
        "reason": digit.reason,
        "prepared": _data_uri(_prepared(digit.prepared)),
    }


def _prepared(pixels: Array) -> bytes:
    """Return what the network saw as PNG: black on white, as people write, and as it is prepared again when tuning."""
    return png(255 - pixels.reshape(28, 28))


def _parts(line: Line) -> list[int | str]:
    """Return the line from left to right: the number of a mark among its marks, or a separator."""
    parts: list[tuple[float, int | str]] = []
    for number, digit in enumerate(line.digits):
        parts.append((digit.box.left + digit.box.width / 2, number))
    for mark in line.marks:
        parts.append((mark.box.left + mark.box.width / 2, SEPARATORS.get(mark.kind, "")))
    return [part for _, part in sorted(parts, key=lambda part: part[0])]


def _data_uri(data: bytes) -> str:
    kind = "png" if data.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}" if data else ""
