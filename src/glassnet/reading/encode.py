"""Pictures as files: what is cut out of a page, and the page itself for a report."""

from __future__ import annotations

import cv2
import numpy as np

from glassnet.reading.canvas import smaller
from glassnet.reading.page import Array, Box

SMALL = 10_000  # bytes: a PNG of it is small, too, and keeps each pixel
MARGIN = 0.2  # around what is cut out, of its longer side


def png(picture: Array) -> bytes:
    """Return a picture, (h, w) grey, (h, w, 3) red green blue or (h, w, 4) with alpha, as PNG."""
    return _encoded(".png", picture, [])


def jpeg(picture: Array, quality: int = 85) -> bytes:
    """Return a picture as JPEG; what is transparent becomes white."""
    if picture.ndim == 3 and picture.shape[2] == 4:
        alpha = picture[..., 3:] / np.float32(255)
        picture = np.rint(picture[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    return _encoded(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])


def _encoded(suffix: str, picture: Array, options: list[int]) -> bytes:
    if picture.ndim == 3:  # OpenCV's order is blue, green, red
        picture = picture[..., [2, 1, 0, *range(3, picture.shape[2])]]
    done, data = cv2.imencode(suffix, picture, options)
    assert done
    return bytes(data)


def image(picture: Array, most_side: int) -> bytes:
    """Return a picture for people to look at, no longer than ``most_side``: small ones as PNG, others as JPEG."""
    small = within(picture, most_side)
    return png(small) if small.size < SMALL else jpeg(small)


def within(picture: Array, most_side: int) -> Array:
    """Return a picture that is no longer than ``most_side``."""
    return smaller(picture, most_side / max(picture.shape[:2]))


def cropped(picture: Array, box: Box, margin: float = MARGIN) -> Array:
    """Return what is in a box, with a margin as far as the picture has one."""
    border = round(margin * max(box.width, box.height))
    height, width = picture.shape[:2]
    top, left = (min(max(at - border, 0), size - 1) for at, size in ((box.top, height), (box.left, width)))
    return picture[
        top : max(box.top + box.height + border, top + 1), left : max(box.left + box.width + border, left + 1)
    ]


def use_one_thread() -> None:
    """Keep OpenCV in this process to one thread, where several processes share the processors."""
    cv2.setNumThreads(1)
