"""Makers of picture files: odd ones that must be read, broken ones that must be refused.

Pillow writes the real files, so that OpenCV does not read its own writing.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image


def drawing() -> npt.NDArray[np.uint8]:
    """A red L, upright, on light paper: (60, 44, 3). Turned or mirrored, it looks different in all eight ways."""
    picture = np.full((60, 44, 3), 230, dtype=np.uint8)
    picture[8:50, 10:16] = 200, 20, 30
    picture[44:50, 10:34] = 200, 20, 30
    return picture


def saved(picture: Image.Image | npt.NDArray[Any], kind: str, **options: Any) -> bytes:
    """Return the bytes of a file of ``kind``, as Pillow writes it."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def oriented(kind: str, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[274] = orientation
    return saved(drawing(), kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))


def chunk(kind: bytes, content: bytes) -> bytes:
    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def png(width: int, height: int, pixels: bytes = b"", *, depth: int = 8, color: int = 0) -> bytes:
    """Return a PNG by hand, whose header may lie; ``pixels`` with the filter byte before each row."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


def bmp(width: int, height: int, pixels: bytes = b"") -> bytes:
    """Return a BMP of 24 bits by hand."""
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, len(pixels), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(pixels), 0, 0, 54) + info + pixels


def tiff(width: int, height: int, *more: tuple[int, int], kind: int = 4, count: int | None = None) -> bytes:
    """Return a TIFF of one grey strip that is not there.

    more: entries behind the usual ones, which may be there already. kind: the type of all entries. count: as many
    entries are declared.
    """
    entries = ((256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, height))
    body = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, value in (*entries, (279, width), *more))
    return b"II*\0" + struct.pack("<IH", 8, 9 + len(more) if count is None else count) + body + bytes(4)


def webp_claiming(width: int, height: int) -> bytes:
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + size
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _cut(data: bytes, share: float) -> bytes:
    return data[: int(len(data) * share)]


def _changed(data: bytes, place: int, new: bytes) -> bytes:
    return data[:place] + new + data[place + len(new) :]


PNG, JPEG, BMP, TIFF = (saved(drawing(), kind) for kind in ("PNG", "JPEG", "BMP", "TIFF"))
WEBP = saved(drawing(), "WEBP", lossless=True)
_SOF = JPEG.index(b"\xff\xc0")

# What is wrong → the maker of such a file, and words of the message.
BROKEN: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "the file is empty"),
    "text": (lambda: b"this is not a picture", "not a PNG, JPEG, BMP, TIFF or WebP file: it begins with 74 68"),
    "html": (lambda: b"<!doctype html><html></html>", "not a PNG, JPEG, BMP, TIFF or WebP file"),
    "zeros": (lambda: bytes(1000), "not a PNG, JPEG, BMP, TIFF or WebP file: it begins with 00 00"),
    "gif": (lambda: saved(drawing(), "GIF"), "it begins with 47 49 46 38"),
    "pdf": (lambda: b"%PDF-1.7\n", "not a PNG, JPEG, BMP, TIFF or WebP file"),
    "heic": (lambda: b"\0\0\0\x24ftypheic" + bytes(40), "not a PNG, JPEG, BMP, TIFF or WebP file"),
    "sound": (lambda: b"RIFF" + struct.pack("<I", 36) + b"WAVEfmt " + bytes(28), "not a picture: a RIFF file"),
    "png, signature only": (lambda: PNG[:8], "the PNG file is cut short: its header"),
    "png, header cut": (lambda: PNG[:20], "the PNG file is cut short: its header"),
    "png, half": (lambda: _cut(PNG, 0.5), "the PNG file is cut short after"),
    "png, end missing": (lambda: PNG[:-12], "the PNG file is cut short after"),
    "png, pixel damaged": (lambda: _changed(PNG, 60, b"\0\1\2"), "a wrong check sum in the chunk at byte 33"),
    "png, header damaged": (lambda: _changed(PNG, 19, b"\1"), "a wrong check sum in the chunk at byte 8"),
    "png, a row missing": (lambda: png(28, 28, bytes(29 * 27)), "its pixels cannot be decoded"),
    "png, no width": (lambda: png(0, 28), "the PNG file has no pixels: it is 0 × 28"),
    "png, no height": (lambda: png(28, 0), "the PNG file has no pixels: it is 28 × 0"),
    "png, wrong color": (lambda: png(28, 28, bytes(29 * 28), color=5), "its pixels cannot be decoded"),
    "png, 100 megapixels": (lambda: png(10_000, 10_000, bytes(10_001 * 10_000)), "100,000,000 bytes, expected at"),
    "png, 18 exapixels": (lambda: png(0xFFFFFFFF, 0xFFFFFFFF), "4,294,967,295 × 4,294,967,295 pixels would take"),
    "jpeg, magic only": (lambda: JPEG[:3], "the JPEG file is cut short: its header"),
    "jpeg, header cut": (lambda: JPEG[:100], "the JPEG file is cut short: its header"),
    "jpeg, half": (lambda: _cut(JPEG, 0.9), "the JPEG file is cut short after"),
    "jpeg, end missing": (lambda: JPEG[:-2], "the JPEG file is cut short after"),
    "jpeg, no marker": (lambda: _changed(JPEG, 20, b"\0\0"), "the JPEG file is damaged: no marker at byte 20"),
    "jpeg, no height": (lambda: _changed(JPEG, _SOF + 5, b"\0\0"), "the JPEG file has no pixels"),
    "jpeg, 4 gigapixels": (lambda: _changed(JPEG, _SOF + 5, b"\xff" * 4), "65,535 × 65,535 pixels would take"),
    "jpeg, tables missing": (lambda: JPEG[:2] + JPEG[_SOF:], "its pixels cannot be decoded"),
    "bmp, header cut": (lambda: BMP[:20], "the BMP file is cut short: its header"),
    "bmp, half": (lambda: _cut(BMP, 0.5), "its pixels cannot be decoded"),
    "bmp, no width": (lambda: bmp(0, 5), "the BMP file has no pixels"),
    "bmp, negative width": (lambda: bmp(-5, 5), "the BMP file has no pixels"),
    "bmp, huge": (lambda: bmp(2**31 - 1, -(2**31)), "2,147,483,647 × 2,147,483,648 pixels would take"),
    "tiff, header cut": (lambda: TIFF[:6], "the TIFF file is cut short: its header"),
    "tiff, directory cut": (lambda: tiff(5, 5, count=500), "the TIFF file is cut short: its header"),
    "tiff, pixels missing": (lambda: TIFF[:8] + TIFF[-200:], "the TIFF file"),
    "tiff, huge": (lambda: tiff(1 << 20, 1 << 20), "1,048,576 × 1,048,576 pixels would take"),
    "tiff, a second and smaller size": (lambda: tiff(1 << 20, 1 << 20, (256, 5), (257, 5)), "1,048,576 × 1,048,576"),
    "tiff, sizes of an odd type": (lambda: tiff(1 << 20, 1 << 20, kind=9), "1,048,576 × 1,048,576 pixels would take"),
    "tiff, a huge tile": (lambda: tiff(100, 100, (322, 1 << 14), (323, 1 << 14)), "would take 1,073,751,824 bytes"),
    "tiff, no width": (lambda: tiff(0, 5), "the TIFF file has no pixels"),
    "webp, header cut": (lambda: WEBP[:16], "the WebP file is cut short"),
    "webp, half": (lambda: _cut(WEBP, 0.5), "the WebP file is cut short"),
    "webp, no frame": (lambda: webp_claiming(50, 50), "its pixels cannot be decoded"),
    "webp, huge": (lambda: webp_claiming(1 << 24, 1 << 24), "16,777,216 × 16,777,216 pixels would take"),
}


def _alpha(ink: int, paper: int) -> npt.NDArray[np.uint8]:
    picture = np.full((*drawing().shape[:2], 4), paper, dtype=np.uint8)
    picture[..., 3] = 0
    picture[drawing()[..., 1] < 100] = ink, ink, ink, 255
    return picture


def _two_tone() -> Image.Image:
    return Image.fromarray(_grey()).convert("1", dither=Image.Dither.NONE)


def _grey() -> npt.NDArray[np.uint8]:
    return drawing()[..., 1]


# A way of writing the drawing → the file, and the channels that must come back.
ODD: dict[str, tuple[Callable[[], bytes], int]] = {
    "grey png": (lambda: saved(_grey(), "PNG"), 1),
    "1 bit png": (lambda: saved(_two_tone(), "PNG"), 1),
    "grey and alpha png": (lambda: saved(Image.fromarray(_grey()).convert("LA"), "PNG"), 4),
    "16 bit png": (lambda: saved(_grey().astype(np.uint16) * 257, "PNG"), 1),
    "palette png": (lambda: saved(Image.fromarray(drawing()).convert("P"), "PNG"), 3),
    "palette png with transparency": (lambda: saved(Image.fromarray(_grey()).convert("P"), "PNG", transparency=230), 4),
    "dark ink on transparent": (lambda: saved(_alpha(10, 0), "PNG"), 4),
    "light ink on transparent": (lambda: saved(_alpha(250, 0), "PNG"), 4),
    "alpha webp": (lambda: saved(_alpha(10, 255), "WEBP", lossless=True), 4),
    "alpha tiff": (lambda: saved(_alpha(10, 255), "TIFF"), 4),
    "grey jpeg": (lambda: saved(_grey(), "JPEG"), 1),
    "progressive jpeg": (lambda: saved(drawing(), "JPEG", progressive=True), 3),
    "cmyk jpeg": (lambda: saved(Image.fromarray(drawing()).convert("CMYK"), "JPEG"), 3),
    "jpeg with something behind": (lambda: JPEG + b"a film, say", 3),
    "1 bit tiff as faxes have it": (lambda: saved(_two_tone(), "TIFF", compression="group4"), 1),
    "16 bit tiff": (lambda: saved(_grey().astype(np.uint16) * 257, "TIFF"), 1),
    "floating tiff": (lambda: saved(_grey().astype(np.float32) / 255, "TIFF"), 1),
    "compressed tiff": (lambda: saved(drawing(), "TIFF", compression="tiff_lzw"), 3),
    "cmyk tiff": (lambda: saved(Image.fromarray(drawing()).convert("CMYK"), "TIFF"), 4),
    "palette bmp": (lambda: saved(Image.fromarray(drawing()).convert("P"), "BMP"), 3),
    "1 bit bmp": (lambda: saved(_two_tone(), "BMP"), 1),
    "lossy webp": (lambda: saved(drawing(), "WEBP"), 3),
}  # fmt: skip
