"""The picture to work on: its colours, at a size at which digits are neither lost nor waste time.

A page of digits shows nothing more beyond two thousand pixels, and a drawing of twenty pixels has too few to cut and
measure in. Boxes are kept in pixels of the picture as it was given, so the scale stays beside the pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from glassnet.digits.picture import Array

MOST_SIDE = 2048
LEAST_SIDE = 160  # of the shorter side, as far as the longer one stays within ENLARGED_SIDE
ENLARGED_SIDE = 800
MOST_ENLARGED = 6.0


@dataclass(frozen=True, eq=False)
class Canvas:
    """colours: (h, w, 3) uint8, red green blue. scale: its pixels for one of the picture's. size: the picture's own."""

    colours: Array
    scale: float
    size: tuple[int, int]


def canvas_of(picture: Array, whole: tuple[int, int] | None = None, most_side: int = MOST_SIDE) -> Canvas:
    """Return a picture as ``read_picture`` gives it, opaque, in colours, at the size to work at.

    whole: its width and height, where it was decoded smaller.
    """
    height, width = picture.shape[:2]
    shorter, longer = min(height, width), max(height, width)
    scale = min(most_side / longer, 1.0)
    if shorter < LEAST_SIDE:
        scale = max(scale, min(LEAST_SIDE / shorter, ENLARGED_SIDE / longer, MOST_ENLARGED))
    if scale != 1.0:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        picture = smaller(picture, scale) if scale < 1 else cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)
    if picture.ndim == 2:
        picture = cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB)
    elif picture.shape[2] == 4:
        picture = opaque(picture)
    whole = whole or (width, height)
    return Canvas(picture, scale * width / whole[0], whole)


def smaller(picture: Array, factor: float) -> Array:
    """Return a picture with its sides multiplied by ``factor``, averaged over areas; as it is where that is 1 or more.

    Averages over two by two pixels are many times faster than others, so one that is much smaller begins with them.
    """
    if factor >= 1:
        return picture
    height, width = picture.shape[:2]
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    if factor <= 0.5 and min(height, width) > 1:
        even = picture[: height // 2 * 2, : width // 2 * 2]
        picture = cv2.resize(even, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def opaque(picture: Array) -> Array:
    """Return a transparent picture (h, w, 4) laid on paper: like its own border, or unlike its ink if that is clear."""
    colours, alpha = np.ascontiguousarray(picture[..., :3]), np.ascontiguousarray(picture[..., 3])
    edge = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    seen = edge[:, 3] > 127
    if seen.mean() > 0.5:
        paper = np.median(edge[seen, :3], axis=0)
    else:
        grey = cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY)
        paper = np.full(3, 255.0 if cv2.mean(grey, mask=(alpha > 127).astype(np.uint8))[0] < 128 else 0.0)
    cover = cv2.merge([alpha] * 3)
    below = np.empty_like(colours)
    below[:] = np.rint(paper).astype(np.uint8)
    return cv2.add(cv2.multiply(colours, cover, scale=1 / 255), cv2.multiply(below, 255 - cover, scale=1 / 255))
