"""Pictures and bars made of characters, for a terminal.

Colour repeats what the characters say and never says it alone: without colour a picture is drawn in shades, and a
map of pushes has other signs for up and down.
"""

from __future__ import annotations

import math

import numpy as np
from rich.text import Text

from glassnet.network.steps import Array

UP, DOWN = "cyan", "red"  # told apart by colour-blind readers, and legible on dark and light
_SHADES = " ░▒▓█"
_EIGHTHS_UP = " ▁▂▃▄▅▆▇█"
_EIGHTHS_RIGHT = " ▏▎▍▌▋▊▉█"
_FAINT, _STRONG = 0.1, 0.4  # shares of the strongest push at which its sign begins to show, and grows bold


def picture(pixels: Array, *, grey: bool) -> Text:
    """Draw uint8 ``pixels`` (height, width), one character for two rows of one column.

    grey: the terminal has enough colours for two greys in each character; otherwise four shades of their mean.
    """
    upper, lower = _row_pairs(pixels)
    text = Text()
    for row_of_pairs in zip(upper, lower, strict=True):
        for above, below in zip(*row_of_pairs, strict=True):
            if grey:
                text.append("▀", f"rgb({above},{above},{above}) on rgb({below},{below},{below})")
            else:
                text.append(_SHADES[round((int(above) + int(below)) / 510 * (len(_SHADES) - 1))])
        text.append("\n")
    text.right_crop()
    return text


LUMINANCE = (0.299, 0.587, 0.114)  # of red, green, blue (ITU-R BT.601)


def thumbnail(pixels: Array, side: int) -> Array:
    """Return ``pixels``, grey, with at most ``side`` of them along each side, each the mean of those it stands for."""
    if pixels.ndim == 3:
        pixels = pixels[..., :3] @ np.array(LUMINANCE)
    factor = max(1, math.ceil(max(pixels.shape) / side))
    height, width = (math.ceil(size / factor) for size in pixels.shape)
    margins = [(0, factor * new - old) for new, old in zip((height, width), pixels.shape, strict=True)]
    cells = np.pad(pixels, margins, mode="edge").reshape(height, factor, width, factor)
    return np.rint(cells.mean(axis=(1, 3))).astype(np.uint8)


def pushes(contributions: Array) -> Text:
    """Draw w·x of every pixel (height, width): + pushes a up, − pushes it down, bold where it pushes hard."""
    upper, lower = _row_pairs(contributions)
    both = upper + lower
    largest = np.abs(both).max() or 1.0
    text = Text()
    for row in both / largest:
        for share in row:
            if abs(share) < _FAINT:
                text.append("·", "dim")
            elif share > 0:
                text.append("╋" if share > _STRONG else "+", UP)
            else:
                text.append("━" if share < -_STRONG else "-", DOWN)
        text.append("\n")
    text.right_crop()
    return text


def columns(values: Array, width: int) -> list[Text]:
    """Draw ``values`` as columns on one zero line, in groups of ten, in as few lines of ``width`` as hold them.

    Each line of columns is two characters high, and one more below zero where a value is negative.
    """
    groups = math.ceil(len(values) / 10)
    length = 10 * math.ceil(groups / math.ceil(groups / max(1, (width + 1) // 11)))
    largest = np.abs(values).max() or 1.0
    lines = []
    for start in range(0, len(values), length):
        part = values[start : start + length] / largest
        above = [max(0, round(16 * value)) for value in part]
        lines.append(_grouped(Text("".join(_EIGHTHS_UP[max(0, height - 8)] for height in above), UP)))
        lines.append(_grouped(Text("".join(_EIGHTHS_UP[min(8, height)] for height in above), UP)))
        if (values < 0).any():
            lines.append(_grouped(Text("".join(_hanging(value) for value in part), DOWN)))
        labels = "".join(f"{start + first:<11}" for first in range(0, len(part), 10))
        lines.append(Text(labels.rstrip(), "dim"))
    return lines


def bar(share: float, width: int, style: str = UP) -> Text:
    """Draw ``share``, 0 to 1, as a bar to the right in ``width`` characters."""
    eighths = round(8 * width * share) if math.isfinite(share) else 0
    full, rest = divmod(eighths, 8)
    return Text(("█" * full + _EIGHTHS_RIGHT[rest].strip()).ljust(width), style)


def balance(share: float, width: int) -> Text:
    """Draw ``share``, -1 to 1, as a bar to the right or to the left of a middle line, in ``width`` characters."""
    half = (width - 1) // 2
    if share >= 0:
        return Text(" " * half + "│").append_text(bar(share, half))
    halves = round(2 * half * -share)
    left = ("▐" if halves % 2 else "") + "█" * (halves // 2)
    return Text(left.rjust(half), DOWN).append("│" + " " * half, "default")


def _row_pairs(rows: Array) -> tuple[Array, Array]:
    if len(rows) % 2:
        rows = np.vstack([rows, np.zeros_like(rows[:1])])
    return rows[::2], rows[1::2]


def _grouped(line: Text) -> Text:
    return Text(" ").join(line.divide(range(10, len(line), 10)))


def _hanging(value: float) -> str:
    return " " if value > -1 / 16 else "▔" if value > -0.3 else "▀" if value > -0.75 else "█"
