"""Connected parts of what is marked in a picture, in time that goes with the ink, not with the paper.

OpenCV numbers the parts quickly. Its statistics of them look at each pixel of the picture once more: where a few
hundredths of it are ink, that takes four times as long as looking at the ink.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from glassnet.digits.picture import Array


@dataclass(frozen=True, eq=False)
class Connected:
    """Parts numbered from 1 on; 0 stands for what is not marked, and its numbers mean nothing.

    labels: (h, w) int32. places, of: (marked,) where the marked pixels are, counted row by row, and of which part.
    left, top, width, height: (parts,) of each one's box, in pixels; area: how many it has.
    """

    labels: Array
    places: Array
    of: Array
    left: Array
    top: Array
    width: Array
    height: Array
    area: Array

    def __len__(self) -> int:
        return len(self.area)

    def marked(self, chosen: Array) -> Array:
        """Return which pixels (h, w) are of parts that are chosen, (parts,) of bool."""
        picture = np.zeros(self.labels.shape, bool)
        picture.reshape(-1)[self.places[chosen[self.of]]] = True
        return picture


def connected(mask: Array, connectivity: int = 8) -> Connected:
    """Return the connected parts of what is 1 in a mask (h, w) of 0 and 1, uint8; connectivity: 4 or 8."""
    count, labels = cv2.connectedComponents(mask, connectivity=connectivity)
    places = np.flatnonzero(mask.view(bool))
    of = np.asarray(labels.reshape(-1)[places], np.int32)
    y, x = np.divmod(places.astype(np.int32), np.int32(labels.shape[1]))
    left, right = np.full(count, labels.shape[1], np.int32), np.zeros(count, np.int32)
    np.minimum.at(left, of, x)
    np.maximum.at(right, of, x + 1)
    top, bottom = np.zeros(count, np.int32), np.zeros(count, np.int32)
    top[of[::-1]], bottom[of] = y[::-1], y + 1  # rows come in order, so the last one written is the outermost
    area = np.bincount(of, minlength=count)
    return Connected(labels, places, of, left, top, right - left, bottom - top, area)
