"""Laying a photographed or scanned sheet straight: by the corners of the paper, or by four marks printed on it.

Corners stand in the order left upper, right upper, right lower, left lower, as seen; a sheet that lies upside down
stays so.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import cv2
import numpy as np

from glassnet.errors import PictureError
from glassnet.reading.encode import within
from glassnet.reading.page import Array

LOOKED_AT = 1000  # pixels: what is as large as a sheet or a mark is found at this size
LEAST_SHEET = 0.2  # of the picture
MOST_SHEET = 0.97  # more is no sheet on a table but the picture itself
MOST_SKEWED = 0.06  # how far the sides of a scan may be from those of the form
MOST_SIDE = 3000
CANDIDATES = 6  # a corner


def sheet_corners(picture: Array) -> Array | None:
    """Return the corners (4, 2) of the one sheet of paper on a darker ground; None where there is none to be seen."""
    small = within(_grey(picture), LOOKED_AT)
    _, light = cv2.threshold(cv2.GaussianBlur(small, (0, 0), 3), 0, 255, cv2.THRESH_OTSU)
    # What is written at the edge must not open the sheet.
    light = cv2.morphologyEx(light, cv2.MORPH_CLOSE, np.ones((15, 15), np.uint8))
    outlines, _ = cv2.findContours(light, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if not outlines:
        return None
    outline = max(outlines, key=cv2.contourArea)
    hull = cv2.convexHull(outline)
    if not LEAST_SHEET < cv2.contourArea(hull) / small.size < MOST_SHEET:
        return None
    for tolerance in (0.01, 0.02, 0.04):
        corners = cv2.approxPolyDP(hull, tolerance * cv2.arcLength(hull, closed=True), closed=True)
        if len(corners) == 4 and cv2.contourArea(corners) > 0.9 * cv2.contourArea(hull):
            corners = _sharpened(_ordered(corners.reshape(4, 2).astype(float)), outline.reshape(-1, 2))
            return (corners + 0.5) * (picture.shape[1] / small.shape[1])
    return None


def mark_centres(picture: Array) -> Array | None:
    """Return the centres (4, 2) of four dark squares or discs, the outermost of one size; None where there are none."""
    small = within(_grey(picture), LOOKED_AT)
    # Against the paper around: a shadow is dark, too.
    dark = cv2.adaptiveThreshold(small, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, 151, 25)
    count, _, stats, centres = cv2.connectedComponentsWithStats(dark)
    height, width = small.shape
    quarters: list[list[tuple[float, Array]]] = [[], [], [], []]
    for index in range(1, count):
        _, _, wide, high, area = stats[index]
        size = max(wide, high)
        if size < 0.006 * LOOKED_AT or size > 0.1 * LOOKED_AT or min(wide, high) < 0.6 * size:
            continue
        if area < 0.65 * wide * high:  # a disc fills 0.79 of its box
            continue
        x, y = centres[index]
        quarters[(3 if x < width / 2 else 2) if y > height / 2 else (0 if x < width / 2 else 1)].append(
            (float(area), centres[index])
        )
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], float)
    nearest = [
        sorted(found, key=lambda one: float(np.linalg.norm(one[1] - corner)) / one[0] ** 0.25)[:CANDIDATES]
        for found, corner in zip(quarters, corners, strict=True)
    ]

    def alike(four: Sequence[tuple[float, Array]]) -> float:
        sizes = [area for area, _ in four]
        return _area(np.array([centre for _, centre in four])) * min(sizes) / max(sizes)

    best = max(itertools.product(*nearest), key=alike, default=None)
    if best is None or min(area for area, _ in best) < 0.3 * max(area for area, _ in best):
        return None
    return np.array([centre for _, centre in best]) * (picture.shape[1] / small.shape[1])


def straight(picture: Array, seen: Array, meant: Array, size: tuple[float, float]) -> tuple[Array, Array]:
    """Return a sheet laid straight, as many pixels a unit as the picture has, and the (3, 3) way back.

    seen: four points in pixels of the picture. meant: where they are on the sheet, in its units. size: of the sheet.
    The way back leads from units of the sheet to pixels of the picture.
    """
    pixels = np.linalg.norm(seen - np.roll(seen, 1, axis=0), axis=1)
    units = np.linalg.norm(meant - np.roll(meant, 1, axis=0), axis=1)
    scale = min(float((pixels / units).max()), MOST_SIDE / max(size))
    there = cv2.getPerspectiveTransform(seen.astype(np.float32), (meant * scale).astype(np.float32))
    whole = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
    laid = cv2.warpPerspective(picture, there, whole, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return laid, np.linalg.inv(there) @ np.diag([scale, scale, 1.0])


def corners_of(picture: Array, size: tuple[float, float], marks: Array | None) -> tuple[Array, Array]:
    """Return four points as they are seen, and where they are on a sheet of this size, in its units.

    marks: the centres (4, 2) of the marks on the sheet; None: it is known by its corners, which are those of the
    picture where no sheet is seen in it. Raises PictureError where neither can be.
    """
    height, width = picture.shape[:2]
    if marks is not None:
        seen = mark_centres(picture)
        if seen is None:
            raise PictureError(
                "the four marks of the form are not found", hint="black squares or discs near the corners, all in view"
            )
        return seen, marks
    meant = np.array([[0, 0], [size[0], 0], [size[0], size[1]], [0, size[1]]], float)
    seen = sheet_corners(picture)
    if seen is None:
        if size[0] != size[1] and abs(width / height / (size[0] / size[1]) - 1) > MOST_SKEWED:
            raise PictureError(
                f"the corners of the form are not found, and the picture, {width} × {height}, has another shape "
                f"than its {size[0]:g} × {size[1]:g}",
                hint="lay it on a darker ground with all corners in view, or scan it whole",
            )
        seen = np.array([[0, 0], [width, 0], [width, height], [0, height]], float)
    return seen, meant


def _grey(picture: Array) -> Array:
    if picture.ndim == 2:
        return picture
    return cv2.cvtColor(picture, cv2.COLOR_RGBA2GRAY if picture.shape[2] == 4 else cv2.COLOR_RGB2GRAY)


def _ordered(corners: Array) -> Array:
    """Return four corners clockwise from the left upper one."""
    middle = corners.mean(axis=0)
    around = corners[np.argsort(np.arctan2(*(corners - middle).T[::-1]))]
    return np.roll(around, -int(np.argmin(around.sum(axis=1))), axis=0)


def _sharpened(corners: Array, outline: Array) -> Array:
    """Return where the lines along the sides meet: of the corners themselves, some are bent or blurred."""
    sides = []
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        along = (end - start) / max(float(np.linalg.norm(end - start)), 1.0)
        at = (outline - start) @ along / max(float(np.linalg.norm(end - start)), 1.0)
        aside = np.abs((outline - start) @ np.array([-along[1], along[0]]))
        near = outline[(at > 0.1) & (at < 0.9) & (aside < 0.02 * LOOKED_AT)]
        if len(near) < 2:
            return corners
        dx, dy, x, y = cv2.fitLine(near.astype(np.float32), cv2.DIST_HUBER, 0, 0.01, 0.01).ravel()
        sides.append(np.cross([x, y, 1.0], [x + dx, y + dy, 1.0]))
    met = np.array([np.cross(before, after) for before, after in zip(np.roll(sides, 1, axis=0), sides, strict=True)])
    if np.abs(met[:, 2]).min() < 1e-9:
        return corners
    met = met[:, :2] / met[:, 2:]
    return met if np.abs(met - corners).max() < 0.05 * LOOKED_AT else corners


def _area(corners: Array) -> float:
    return float(cv2.contourArea(corners.astype(np.float32)))
