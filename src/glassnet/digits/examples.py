"""The project's example pictures: ``python -m glassnet.digits.examples FOLDER`` draws them again."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import cv2

from glassnet.digits.pen import Pen, Sheet, draw_digit, write_on


@dataclass(frozen=True)
class Example:
    """One example picture: its file name, the digit, and who wrote it how on what."""

    file: str
    digit: int
    pen: Pen
    sheet: Sheet
    way: int = 0
    height: int = 200
    seed: int = 0


_CREAM, _WHITE, _GREY = (246, 238, 219), (250, 250, 248), (205, 203, 198)
_BOARD, _CHALK = (36, 62, 52), (232, 236, 228)
_BLACK_INK, _BLUE_INK, _RED_INK, _PENCIL = (38, 34, 32), (34, 58, 152), (186, 38, 44), (112, 110, 108)

EXAMPLES = (
    Example("0-marker.png", 0, Pen(0.15, 0.05), Sheet(_BLACK_INK, _WHITE, size=(320, 320)), height=220, seed=1),
    Example("1-flag.png", 1, Pen(0.07, 0.10), Sheet(_BLUE_INK, _WHITE, 0.08, 0.004, (260, 340)), 1, 230, 2),
    Example("2-cream.jpg", 2, Pen(0.07, 0.12), Sheet(_BLACK_INK, _CREAM, 0.25, 0.010, (480, 400)), 0, 250, 3),
    Example("3-screen.png", 3, Pen(0.11), Sheet(size=(280, 280)), 0, 190, 4),
    Example("4-open.jpg", 4, Pen(0.06, 0.08), Sheet(_BLUE_INK, _CREAM, 0.18, 0.012, (420, 420)), 0, 240, 5),
    Example("5-turned.jpg", 5, Pen(0.08, 0.05, 9.0), Sheet(_BLACK_INK, _GREY, 0.35, 0.015, (500, 500)), 0, 280, 6),
    Example("6-red.png", 6, Pen(0.09, 0.10), Sheet(_RED_INK, _WHITE, size=(300, 360)), 0, 220, 7),
    Example("7-crossed.jpg", 7, Pen(0.07, 0.10), Sheet(_BLUE_INK, _CREAM, 0.22, 0.012, (460, 380)), 1, 230, 8),
    Example("8-chalk.jpg", 8, Pen(0.10, 0.08), Sheet(_CHALK, _BOARD, 0.3, 0.02, (400, 400)), 0, 240, 9),
    Example("9-pencil.jpg", 9, Pen(0.05, 0.06), Sheet(_PENCIL, _WHITE, 0.2, 0.012, (600, 450), (0.6, 0.5)), 0, 230, 10),
    Example("4-closed.png", 4, Pen(0.10), Sheet(_BLACK_INK, _WHITE, size=(64, 64)), 1, 40, 11),
    Example("7-small.png", 7, Pen(0.09, 0.05, -6.0), Sheet(size=(90, 60), place=(0.7, 0.5)), 0, 40, 12),
)  # fmt: skip


_ENCODING = {".jpg": [cv2.IMWRITE_JPEG_QUALITY, 85], ".png": [cv2.IMWRITE_PNG_COMPRESSION, 9]}


def write_example(example: Example, folder: Path) -> Path:
    """Write one example picture into ``folder`` and return its path."""
    ink = draw_digit(example.digit, example.pen, way=example.way, height=example.height, seed=example.seed)
    picture = write_on(ink, example.sheet, seed=example.seed)
    path = folder / example.file
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(path.suffix, bgr, _ENCODING[path.suffix])
    path.write_bytes(encoded.tobytes())
    return path


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m glassnet.digits.examples FOLDER")
    Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    for each in EXAMPLES:
        sys.stdout.write(f"{write_example(each, Path(sys.argv[1]))}\n")
