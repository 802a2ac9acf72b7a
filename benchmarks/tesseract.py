"""Tesseract, Debian's package, told to read digits only: for comparison with ``benchmarks/reading.py``."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import cv2

from glassnet.activations import Array
from scoring import Rectangle

# What its page segmentation modes take a picture for.
MODES = {6: "one block of text", 7: "one line", 11: "text here and there"}
_TOKENS = re.compile(
    r"class='ocr_(?P<line>line|caption|textfloat|header)'|"
    r"class='ocrx_cinfo' title='x_bboxes (?P<box>[\d ]+);[^']*'>(?P<digit>\d)<"
)


def version() -> str:
    """Return the program's name and version, or nothing where it is not installed."""
    path = shutil.which("tesseract")
    if path is None:
        return ""
    told = subprocess.run([path, "--version"], capture_output=True, text=True, check=True)
    return (told.stdout or told.stderr).splitlines()[0]


def read(picture: Array, mode: int) -> tuple[str, list[Rectangle]]:
    """Return what Tesseract reads on one core: the text, and a box for each digit."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.png"
        cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 1])
        command = [
            "tesseract", str(path), "stdout", "--psm", str(mode), "-c", "tessedit_char_whitelist=0123456789",
            "-c", "hocr_char_boxes=1", "hocr",
        ]  # fmt: skip
        environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}
        answer = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    return parse(answer)


def parse(hocr: str) -> tuple[str, list[Rectangle]]:
    """Return text and boxes from Tesseract's hOCR."""
    lines: list[str] = []
    boxes: list[Rectangle] = []
    for token in _TOKENS.finditer(hocr):
        if token["line"]:
            lines.append("")
            continue
        lines[-1] += token["digit"]
        left, top, right, bottom = map(float, token["box"].split())
        boxes.append((left, top, right - left, bottom - top))
    return "\n".join(lines), boxes
