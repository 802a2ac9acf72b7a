"""What ``glassnet read`` prints of a picture: its lines as people read them, or one JSON object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glassnet.cli.errors import printable
from glassnet.cli.sheets import Outcome

if TYPE_CHECKING:
    from glassnet.reading import Digit, Sheet

RANKED = 3  # labels of a mark, the likeliest


def rows(outcome: Outcome, width: int) -> list[str]:
    """Return a row for each line of a picture: its path, ``width`` columns wide, the digits, how sure they are."""
    assert outcome.sheet is not None
    values = outcome.sheet.values
    texts = [printable(value.free_text if value.text is None else value.text) for value in values]
    longest = max(map(len, texts), default=0)
    name = printable(outcome.source.name)
    return [
        f"{name:<{width}}  {text:<{longest}}  {value.probability:6.1%}".replace("%", " %")
        for text, value in zip(texts, values, strict=True)
    ]


def as_object(sheet: Sheet, page: int, threshold: float | None) -> dict[str, Any]:
    """Return all of a picture as JSON has it. page: of a PDF, else 0. threshold: from which on nothing needs review."""
    from glassnet.reading import confidences  # noqa: PLC0415  brings OpenCV

    lines = []
    for number, (line, value, sure) in enumerate(zip(sheet.page.lines, sheet.values, confidences(sheet), strict=True)):
        digits = [
            {"value": symbol, "confidence": confidence, **_mark(digit)}
            | ({} if threshold is None else {"needs_review": value.text is None or confidence < threshold})
            for digit, symbol, confidence in zip(line.digits, value.symbols, sure, strict=True)
        ]
        found: dict[str, Any] = {"field": sheet.fields[number]} if sheet.fields else {}
        found |= {
            "text": value.text,
            "probability": value.probability,
            "free_text": value.free_text,
            "satisfied_freely": value.satisfied_freely,
            "digits": digits,
            "marks": [{"kind": mark.kind, "box": mark.box} for mark in line.marks],
        }
        lines.append(found)
    return {
        "path": sheet.path,
        **({"page": page} if page else {}),
        "size": sheet.page.size,
        "turned": sheet.page.turned,
        "text": "\n".join(value.free_text if value.text is None else value.text for value in sheet.values),
        "lines": lines,
        "refused": [_mark(digit) for digit in sheet.page.refused],
    }


def _mark(digit: Digit) -> dict[str, Any]:
    return {
        "label": digit.label,
        "probability": digit.probability,
        "ranked": {str(label): probability for label, probability in digit.ranked[:RANKED]},
        "box": digit.box,
        **({"reason": digit.reason} if digit.reason else {}),
    }
