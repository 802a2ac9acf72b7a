"""What a picture file says of itself, read before a decoder is let near it.

A few bytes can declare a picture of gigabytes, so the size is read here and judged first. Two more things are
found on the way: the EXIF orientation, which OpenCV applies only where it drops alpha and 16 bits, and files that
were cut short, of which some decoders return the upper half as if it were the picture.

Specifications: PNG (W3C, third edition), JPEG (ITU-T T.81 annex B), TIFF 6.0 and EXIF 2.3 (the same directories),
BMP (BITMAPINFOHEADER), WebP (RFC 9649).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from glassnet.errors import PictureError


@dataclass(frozen=True)
class Header:
    """The size in pixels, the memory decoding takes, and the EXIF orientation still to be applied."""

    width: int
    height: int
    decoded_bytes: int
    orientation: int = 1


def read_header(data: bytes) -> Header:
    """Return what the file ``data`` says of itself; PictureError where it is of no known kind, or damaged."""
    for magic, kind, read in _KINDS:
        if data.startswith(magic):
            try:
                header = read(data)
            except (struct.error, IndexError):
                raise PictureError(f"the {kind} file is cut short: its header is not all there") from None
            if header.width < 1 or header.height < 1:
                raise PictureError(f"the {kind} file has no pixels: it is {header.width} × {header.height}")
            return header
    if not data:
        raise PictureError("the file is empty")
    raise PictureError(
        f"not a PNG, JPEG, BMP, TIFF or WebP file: it begins with {data[:8].hex(' ')}",
        hint="save the picture as PNG or JPEG",
    )


def _png(data: bytes) -> Header:
    width, height, depth, color = struct.unpack_from(">8xII BB", data, 8)
    channels = {0: 1, 2: 3, 3: 3}.get(color, 4)
    orientation = 1
    for kind, start, length in _png_chunks(data):
        if kind == b"tRNS":
            channels = 4
        elif kind == b"eXIf":
            orientation = _orientation(data[start : start + length])
    return Header(width, height, width * height * channels * (2 if depth == 16 else 1), orientation)


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Give (kind, start, length) of each chunk up to the last one, with their check sums compared."""
    view, place = memoryview(data), 8
    while True:
        if place + 12 > len(data):
            raise PictureError(f"the PNG file is cut short after {len(data):,} bytes")
        length, kind = struct.unpack_from(">I4s", data, place)
        end = place + 8 + length
        if end + 4 > len(data):
            raise PictureError(f"the PNG file is cut short after {len(data):,} bytes")
        if zlib.crc32(view[place + 4 : end]) != struct.unpack_from(">I", data, end)[0]:
            raise PictureError(f"the PNG file is damaged: a wrong check sum in the chunk at byte {place:,}")
        if kind == b"IEND":
            return
        yield kind, place + 8, length
        place = end + 4


def _jpeg(data: bytes) -> Header:
    width = height = components = 0
    orientation, place = 1, 2
    while True:
        if data[place] != 0xFF:
            raise PictureError(f"the JPEG file is damaged: no marker at byte {place:,}")
        marker = data[place + 1]
        if marker in _BARE_MARKERS:
            place += 1 if marker == 0xFF else 2  # 0xFF: padding
            continue
        if marker == 0xDA:  # start of scan: from here on pixels
            break
        (length,) = struct.unpack_from(">H", data, place + 2)
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width, components = struct.unpack_from(">HHB", data, place + 5)
        elif marker == 0xE1 and data[place + 4 : place + 10] == b"Exif\0\0":
            orientation = _orientation(data[place + 10 : place + 2 + length])
        place += 2 + length
    if data.find(b"\xff\xd9", place) < 0:
        raise PictureError(f"the JPEG file is cut short after {len(data):,} bytes")
    return Header(width, height, width * height * components, orientation)


_BARE_MARKERS = {0x01, *range(0xD0, 0xD8), 0xFF}  # nothing follows them


def _bmp(data: bytes) -> Header:
    (size,) = struct.unpack_from("<I", data, 14)
    width, height, _, bits = struct.unpack_from("<HHHH" if size == 12 else "<iiHH", data, 18)
    return Header(width, abs(height), width * abs(height) * (4 if bits == 32 else 3))


def _tiff(data: bytes) -> Header:
    tags = _directory(data)
    channels = 3 if tags.get(_PHOTOMETRIC) == _PALETTE else tags.get(_SAMPLES, 1)
    depth = max(1, tags.get(_BITS, 1) // 8)
    width, height = tags.get(_WIDTH, 0), tags.get(_HEIGHT, 0)
    tile = tags.get(_TILE_WIDTH, 0) * tags.get(_TILE_HEIGHT, 0)
    copies = 2 if tags.get(_ORIENTATION, 1) > 4 else 1  # OpenCV turns these itself, into a second picture
    strip = width * min(height, tags.get(_STRIP_ROWS, height))
    buffer = max(strip, tile) * max(4, channels * depth)  # and reads each strip as red green blue alpha
    return Header(width, height, width * height * channels * depth * copies + buffer)


def _webp(data: bytes) -> Header:
    size, form, kind = struct.unpack_from("<4xI4s4s", data)
    if form != b"WEBP":
        raise PictureError(f"not a picture: a RIFF file of form {form!r}")
    if size + 8 > len(data):
        raise PictureError(f"the WebP file is cut short: {size + 8:,} bytes expected, found {len(data):,}")
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return _webp_header(width & 0x3FFF, height & 0x3FFF)
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return _webp_header((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    width = int.from_bytes(data[24:27], "little") + 1
    height = int.from_bytes(data[27:30], "little") + 1
    orientation, place = 1, 12
    while place + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, place)
        if kind == b"EXIF":
            orientation = _orientation(data[place + 8 : place + 8 + length].removeprefix(b"Exif\0\0"))
        place += 8 + length + length % 2
    return _webp_header(width, height, orientation)


def _webp_header(width: int, height: int, orientation: int = 1) -> Header:
    return Header(width, height, 4 * width * height, orientation)


_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _ORIENTATION, _SAMPLES, _STRIP_ROWS = 256, 257, 258, 262, 274, 277, 278
_TILE_WIDTH, _TILE_HEIGHT = 322, 323
_PALETTE = 3
# Field type → its format: every kind of integer that libtiff takes for a size, whatever the specification asks for.
_INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 16: "Q", 17: "q"}


def _orientation(exif: bytes) -> int:
    """Return the orientation, 1 to 8, that an EXIF block gives; 1, upright, where it gives none."""
    try:
        value = _directory(exif).get(_ORIENTATION, 1)
    except struct.error:
        return 1  # cameras write broken EXIF; the picture is still a picture
    return value if 1 <= value <= 8 else 1


def _directory(data: bytes) -> dict[int, int]:
    """Return tag → first value of the first directory of a TIFF structure, for tags that hold integers.

    Of a tag that stands there twice the first counts, as for libtiff.
    """
    order = "<" if data[:2] == b"II" else ">"
    (place,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, place)
    tags: dict[int, int] = {}
    for entry in range(place + 2, place + 2 + 12 * count, 12):
        tag, kind, length = struct.unpack_from(f"{order}HHI", data, entry)
        if kind not in _INTEGERS or tag in tags:
            continue
        form = order + _INTEGERS[kind]
        inside = length * struct.calcsize(form) <= 4
        at = entry + 8 if inside else struct.unpack_from(f"{order}I", data, entry + 8)[0]
        (tags[tag],) = struct.unpack_from(form, data, at)
    return tags


_KINDS: tuple[tuple[bytes, str, Callable[[bytes], Header]], ...] = (
    (b"\x89PNG\r\n\x1a\n", "PNG", _png),
    (b"\xff\xd8\xff", "JPEG", _jpeg),
    (b"BM", "BMP", _bmp),
    (b"II*\0", "TIFF", _tiff),
    (b"MM\0*", "TIFF", _tiff),
    (b"RIFF", "WebP", _webp),
)
