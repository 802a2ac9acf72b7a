"""Draws the forms of docs/guides/read.md: ``python examples/forms/draw.py`` writes them beside this file."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from glassnet.digits.pen import Pen, draw_digit

FOLDER = Path(__file__).parent
MM = 5  # pixels
MARKS = ((12, 12), (136, 12), (136, 93), (12, 93))  # of a sheet of A6, 148 × 105 mm
BOXES = {"student": (22, 30, 84, 14), "points": (22, 60, 34, 14), "room": (72, 60, 34, 14)}


def form(written: dict[str, str], seed: int) -> np.ndarray:
    """Return a sheet with these numbers in its boxes, (h, w, 3)."""
    random = np.random.default_rng(seed)
    paper = np.full((105 * MM, 148 * MM, 3), 248, np.uint8)
    for x, y in MARKS:
        cv2.rectangle(paper, (MM * x - 13, MM * y - 13), (MM * x + 13, MM * y + 13), (20, 20, 20), -1)
    for name, (left, top, width, height) in BOXES.items():
        cv2.putText(paper, name, (MM * left, MM * top - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (90, 90, 90), 1, cv2.LINE_AA)
        cv2.rectangle(paper, (MM * left, MM * top), (MM * (left + width), MM * (top + height)), (150, 150, 150), 1)
        x = MM * left + 14
        for sign in written.get(name, ""):
            pen = Pen(width=0.09, slant=float(random.uniform(0, 0.2)), tremor=0.012)
            ink = draw_digit(int(sign), pen, height=int(random.integers(40, 47)), seed=int(random.integers(1 << 30)))
            high, wide = ink.shape
            y = MM * top + (MM * height - high) // 2 + int(random.integers(-3, 4))
            cover = ink[..., np.newaxis] / 255
            part = paper[y : y + high, x : x + wide]
            part[:] = (part * (1 - cover) + np.array([40, 50, 130]) * cover).astype(np.uint8)
            x += wide + int(random.integers(9, 14))
    return paper


def photographed(sheet: np.ndarray, seed: int) -> np.ndarray:
    """Return the sheet on a table, seen from the side, in uneven light."""
    height, width = sheet.shape[:2]
    seen = np.array([[90, 70], [830, 110], [800, 640], [60, 560]], np.float32)
    there = cv2.getPerspectiveTransform(np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32), seen)
    table = np.full((700, 900, 3), (92, 70, 52), np.uint8)
    picture = cv2.warpPerspective(sheet, there, (900, 700), table, borderMode=cv2.BORDER_TRANSPARENT)
    light = np.linspace(1.0, 0.72, 900)[np.newaxis, :, np.newaxis]
    grain = np.random.default_rng(seed).normal(0, 3, picture.shape)
    return np.clip(picture * light + grain, 0, 255).astype(np.uint8)


if __name__ == "__main__":
    sheets = {
        "scan.jpg": form({"student": "20417358", "points": "87", "room": "104"}, 3),
        "photo.jpg": photographed(form({"student": "20538121", "points": "95"}, 4), 5),
    }
    for name, picture in sheets.items():
        cv2.imwrite(str(FOLDER / name), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
