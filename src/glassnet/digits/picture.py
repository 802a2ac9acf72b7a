"""Reading a picture: any common file, or an array, becomes an array of uint8 with its colours and its alpha.

OpenCV decodes. Around it: the size is judged before decoding (``header.py``), the EXIF orientation is applied, 16
bits become 8, and colours stand in the order red, green, blue, as everywhere outside OpenCV.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from glassnet.digits.header import read_header
from glassnet.errors import MissingFileError, PictureError

Array: TypeAlias = npt.NDArray[Any]
Source: TypeAlias = str | os.PathLike[str] | bytes | BinaryIO | npt.ArrayLike

# A colour picture of 26 megapixels, a grey one of 80. Decoding and turning takes up to three times as much.
MOST_DECODED_BYTES = 80_000_000
MOST_FILE_BYTES = 100_000_000

_JPEG = b"\xff\xd8\xff"
# By what the sides are divided → what tells OpenCV so. The orientation is applied here, as for all files.
_REDUCED: Mapping[int, int] = MappingProxyType(
    {
        2: cv2.IMREAD_REDUCED_COLOR_2 | cv2.IMREAD_IGNORE_ORIENTATION,
        4: cv2.IMREAD_REDUCED_COLOR_4 | cv2.IMREAD_IGNORE_ORIENTATION,
        8: cv2.IMREAD_REDUCED_COLOR_8 | cv2.IMREAD_IGNORE_ORIENTATION,
    }
)

# EXIF orientation → the picture upright.
_UPRIGHT: Mapping[int, Callable[[Array], Array]] = MappingProxyType(
    {
        1: lambda p: p,
        2: lambda p: p[:, ::-1],
        3: lambda p: p[::-1, ::-1],
        4: lambda p: p[::-1],
        5: lambda p: p.swapaxes(0, 1),
        6: lambda p: p.swapaxes(0, 1)[:, ::-1],
        7: lambda p: p[::-1, ::-1].swapaxes(0, 1),
        8: lambda p: p.swapaxes(0, 1)[::-1],
    }
)


def read_picture(source: Source) -> Array:
    """Return a picture as uint8: (h, w) grey, (h, w, 3) red green blue, or (h, w, 4) with alpha.

    source: a path, the bytes of a file, an open binary file, or an array. Files: PNG, JPEG, BMP, TIFF, WebP, upright
    as their EXIF says. Arrays: of one to four channels, two being grey and alpha; bool, integers up to 255, uint16, or
    floats from 0 to 1 or to 255. Raises PictureError, or MissingFileError where nothing lies at the path.
    """
    return read_reduced(source, None)[0]


def read_reduced(source: Source, least_side: int | None) -> tuple[Array, tuple[int, int]]:
    """Return what ``read_picture`` does, of a large JPEG at a half, a quarter or an eighth, and its width and height.

    least_side: what its longer side keeps at least, in pixels; None, all of it. A JPEG is made of squares of 8 × 8
    pixels, so a smaller one is decoded in less time and memory. Width and height are those of the whole picture.
    """
    if isinstance(source, str | os.PathLike):
        name, data = str(source), _file_content(Path(source))
    elif isinstance(source, bytes | bytearray | memoryview):
        name, data = "the picture", bytes(source)
    elif hasattr(source, "read"):
        name, data = str(getattr(source, "name", "the picture")), source.read(MOST_FILE_BYTES + 1)
    else:
        picture = _checked_array(_as_array(source))
        return picture, (picture.shape[1], picture.shape[0])
    try:
        return _decoded(data, least_side)
    except PictureError as error:
        raise PictureError(f"reading {name}: {error.message}", hint=error.hint) from None


def _file_content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MOST_FILE_BYTES + 1)
    except FileNotFoundError:
        raise MissingFileError(f"reading {path}: there is no such file") from None
    except OSError as error:
        raise PictureError(f"reading {path}: {error.strerror or error}") from None


def _decoded(data: bytes, least_side: int | None) -> tuple[Array, tuple[int, int]]:
    if len(data) > MOST_FILE_BYTES:
        raise PictureError(f"the file has more than {MOST_FILE_BYTES:,} bytes", hint="shrink it, or crop it")
    header = read_header(data)
    if header.decoded_bytes > MOST_DECODED_BYTES:
        raise PictureError(
            f"{header.width:,} × {header.height:,} pixels would take {header.decoded_bytes:,} bytes, expected at most "
            f"{MOST_DECODED_BYTES:,}",
            hint="shrink it, or crop it to the digit",
        )
    divisor = 1
    if least_side is not None and data.startswith(_JPEG):
        divisor = next((by for by in (8, 4, 2) if max(header.width, header.height) >= by * least_side), 1)
    picture = _decode(data, _REDUCED.get(divisor, cv2.IMREAD_UNCHANGED))
    if picture is None:
        raise PictureError("the file is damaged: its pixels cannot be decoded")
    picture = _eight_bits(picture)
    if picture.ndim == 3:  # from OpenCV's order, in place: a second copy would double the memory
        blue = picture[..., 0].copy()
        picture[..., 0] = picture[..., 2]
        picture[..., 2] = blue
    size = (header.width, header.height)
    return np.ascontiguousarray(_UPRIGHT[header.orientation](picture)), size if header.orientation < 5 else size[::-1]


def _decode(data: bytes, how: int) -> Array | None:
    logging = cv2.utils.logging if hasattr(cv2.utils, "logging") else cv2  # the former since OpenCV 5
    level = logging.getLogLevel()
    logging.setLogLevel(0)  # what it would print is told by our error
    try:
        decoded: Array | None = cv2.imdecode(np.frombuffer(data, np.uint8), how)
    except cv2.error:
        return None
    finally:
        logging.setLogLevel(level)
    return decoded


def _as_array(source: npt.ArrayLike) -> Array:
    try:
        return np.asarray(source)
    except ValueError as error:  # rows of different lengths
        raise PictureError(f"a picture that is not an array: {error}") from None


def _checked_array(array: Array) -> Array:
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.ndim not in (2, 3) or not 1 <= channels <= 4 or array.size == 0:
        raise PictureError(
            f"a picture has shape (height, width) or (height, width, 1 to 4 channels), found {array.shape}",
            hint="a row of 784 pixels: reshape(28, 28)" if array.size == 784 else "",
        )
    array = _eight_bits(array)
    if channels == 2:
        return np.dstack([array[..., :1]] * 3 + [array[..., 1:]])
    return np.ascontiguousarray(array[..., 0] if array.ndim == 3 and channels == 1 else array)


def _eight_bits(picture: Array) -> Array:
    """Return any real pixels as uint8: floats up to 1 are spread to 255, integers above 255 are of 16 bits."""
    kind = picture.dtype.kind
    if picture.dtype == np.uint8:
        return picture
    if kind not in "biuf":
        raise PictureError(f"pixels must be real numbers, found dtype {picture.dtype}")
    low, high = picture.min(), picture.max()
    most = 65535 if picture.dtype == np.uint16 else 255
    if not (low >= 0 and high <= most):  # also where one of them is NaN
        raise PictureError(f"pixels must lie between 0 and {most}, found {low:g} to {high:g}")
    scale = 255 if kind in "bf" and high <= 1 else 1 / 257 if high > 255 else 1
    if picture.dtype not in (np.float32, np.uint16):  # OpenCV reads these two, and not all of the others
        picture = picture.astype(np.float32)
    return cv2.convertScaleAbs(np.ascontiguousarray(picture), alpha=scale)
