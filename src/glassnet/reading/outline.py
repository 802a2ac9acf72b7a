"""A sheet on a table: where it ends, and how to see it straight from above; and how far rows lean.

Boxes are told in pixels of the picture as it was given, so each step that moves pixels is a matrix, and its inverse
brings boxes back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from glassnet.digits.picture import Array
from glassnet.reading.canvas import smaller
from glassnet.reading.inking import Ink

SURVEY_SIDE = 320
LEAST_PAGE, MOST_PAGE = 0.2, 0.995  # of the picture's area
# Of a picture of a sheet, in pixels and in shorter sides; others are cut from a sheet, a printed frame around them.
LEAST_SIDE, LONGEST = 300, 2.5
LEAST_STEP = 25  # of 255: how much brighter than the table a sheet is
LEAST_EDGE = 15  # and within a few pixels of its edge: a picture's corners darken slowly, as soft shadows do
BLURRED, CLOSE = 2, 5  # pixels of the small picture from the edge
MOSTLY, CORNERED = 0.85, 0.75  # of the picture's area: a sheet of which no corner is seen, or one
CORNERED_DARKER = 0.6  # of the sheet's brightness: what is beyond, where one corner is seen
FAR_DARKER, LESS_PALE = 0.35, 0.75  # of the sheet's brightness and paleness: no shadow
STRAIGHT = 0.95  # of what a sheet and its four corners cover together, what both cover
ODD_ANGLE = 22  # degrees that a sheet's corner may differ from a right angle, seen from the side
INSET = 0.006  # of the longer side: what is cut off at the edges, where a sheet throws shadow
STEEPEST = 12.0  # degrees
LEAST_TURN = 0.3


@dataclass(frozen=True, eq=False)
class Flat:
    """A picture of nothing but the sheet, seen straight from above. matrix: (3, 3), from the canvas to it."""

    colours: Array
    matrix: Array


def flat_of(colours: Array) -> Flat:
    """Return the sheet that lies on a darker table as if scanned; a picture that shows no table as it is."""
    sheet = sheet_of(colours)
    if sheet is None:
        return Flat(colours, np.eye(3))
    corners = sheet.corners
    if not sheet.whole:
        return Flat(_table_covered(colours, corners), np.eye(3))
    sides = [float(np.linalg.norm(corners[k] - corners[(k + 1) % 4])) for k in range(4)]
    wide, high = max(sides[0], sides[2]), max(sides[1], sides[3])
    inset = INSET * max(wide, high)
    target = np.array([[0, 0], [wide, 0], [wide, high], [0, high]], np.float32) - np.float32(inset)
    matrix = cv2.getPerspectiveTransform(corners.astype(np.float32), target)
    size = (max(1, round(wide - 2 * inset)), max(1, round(high - 2 * inset)))
    return Flat(cv2.warpPerspective(colours, matrix, size, borderMode=cv2.BORDER_REPLICATE), matrix)


def _table_covered(colours: Array, corners: Array) -> Array:
    """Return the picture with what lies beyond the sheet as bright as the sheet is near there."""
    height, width = colours.shape[:2]
    factor = min(1.0, SURVEY_SIDE / max(height, width))
    small = smaller(colours, factor)
    small = cv2.morphologyEx(small, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    beyond: Array = np.full(small.shape[:2], 1, np.uint8)
    cv2.fillConvexPoly(beyond, np.rint((corners + 0.5) * factor - 0.5).astype(np.int32), 0)
    beyond = cv2.dilate(beyond, np.ones((9, 9), np.uint8), borderValue=0)
    if beyond.all():
        return colours
    _, nearest = cv2.distanceTransformWithLabels(beyond, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    of = np.zeros((int(nearest.max()) + 1, 3), np.uint8)
    of[nearest[beyond == 0]] = small[beyond == 0]
    paper: Array = cv2.GaussianBlur(of[nearest], (0, 0), 3)
    covered = cv2.resize(paper, (width, height), interpolation=cv2.INTER_LINEAR)
    inside: Array = np.zeros((height, width), np.uint8)
    cv2.fillConvexPoly(inside, np.rint(corners).astype(np.int32), 255)
    reach = max(3, round(2 * INSET * max(height, width)) | 1)
    inside = cv2.erode(inside, np.ones((reach, reach), np.uint8), borderValue=255)
    return np.where(inside[..., np.newaxis] > 0, colours, covered)


@dataclass(frozen=True, eq=False)
class Sheet:
    """A sheet on a table. corners: (n, 2). whole: they are its four, clockwise from the left upper one.

    Otherwise the picture's edge cuts some of them off. share: of the picture's area. sure: what is beyond is no shadow.
    """

    corners: Array
    whole: bool
    share: float
    sure: bool


def sheet_of(colours: Array) -> Sheet | None:
    """Return the sheet on a table; None without a table.

    A shadow across a sheet leaves a part that looks like one: of all that do, whole ones count first, then large ones.
    """
    shorter, longer = sorted(colours.shape[:2])
    if shorter < LEAST_SIDE or longer > LONGEST * shorter:
        return None
    factor = min(1.0, SURVEY_SIDE / longer)
    small = smaller(colours, factor)
    # Paper is bright in its darkest colour too, wood is not; a table may be darker, or only more colourful.
    darkest, lightest = small.min(axis=2), small.max(axis=2)
    pale = cv2.divide(darkest, np.maximum(lightest, 24), scale=255)
    found: list[Sheet] = []
    for brightness in (pale, darkest, lightest):
        grey = cv2.GaussianBlur(_without_ink(brightness), (5, 5), 0)
        level, _ = cv2.threshold(grey, 0, 255, cv2.THRESH_OTSU)
        below = grey[grey <= level]
        # Where a shadow falls on the sheet, the split may lie between light and shadow: then split the dark again.
        lower = cv2.threshold(below.reshape(-1, 1), 0, 255, cv2.THRESH_OTSU)[0] if below.size else level
        # A shadow may be dark, but has much of the paper's colour.
        darker = LESS_PALE if brightness is pale else FAR_DARKER
        outlines = (_bright_polygon(grey, split, darker) for split in (level, lower))
        found += [sheet for sheet in outlines if sheet is not None]
    if not found:
        return None
    best = max(found, key=lambda sheet: (sheet.whole, sheet.sure, sheet.share))
    corners = best.corners
    if not best.whole:
        # What one brightness does not tell from the sheet, another one does.
        for sheet in found:
            if sheet.sure:
                share, both = cv2.intersectConvexConvex(corners.astype(np.float32), sheet.corners.astype(np.float32))
                corners = both[:, 0].astype(np.float64) if share > MOSTLY * grey.size else corners
    return replace(best, corners=(corners + 0.5) / factor - 0.5)


def _without_ink(brightness: Array) -> Array:
    """Return a small picture (h, w) without what is dark and narrow; a strip of table along the edge stays."""
    padded = cv2.copyMakeBorder(brightness, 7, 7, 7, 7, cv2.BORDER_CONSTANT, value=0)
    return cv2.morphologyEx(padded, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))[7:-7, 7:-7]


def _bright_polygon(grey: Array, split: float, darker: float) -> Sheet | None:
    """Return what is brighter than ``split`` in a picture (h, w) where it looks like a sheet.

    darker: how bright, for the sheet, what is beyond its edge may be at most, where none of its corners is seen.
    """
    bright = cv2.threshold(grey, split, 255, cv2.THRESH_BINARY)[1]
    count, labels, stats, _ = cv2.connectedComponentsWithStats(bright, connectivity=4)
    if count < 2:
        return None
    page = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    contours, _ = cv2.findContours((labels == page).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(contours, key=cv2.contourArea)
    share = cv2.contourArea(outline) / grey.size
    filled = np.zeros(grey.shape, np.uint8)
    cv2.drawContours(filled, [outline], -1, 255, -1)
    if not LEAST_PAGE < share < MOST_PAGE or filled.all():
        return None
    beyond = filled == 0
    inner, outer = float(np.median(grey[~beyond])), float(np.median(grey[beyond]))
    if inner - outer < LEAST_STEP or _step(grey, beyond) < LEAST_EDGE:
        return None
    hull = cv2.convexHull(outline)
    if cv2.contourArea(outline) < STRAIGHT * cv2.contourArea(hull):
        return None
    darkest = float(np.percentile(grey[beyond], 25))  # a narrow strip of table is mostly blur
    surely = share > MOSTLY and darkest < darker * inner
    return _polygon(hull, filled, share, surely, share > CORNERED and outer < CORNERED_DARKER * inner)


def _step(grey: Array, beyond: Array) -> float:
    """Return how much brighter than what is beyond (h, w) bool the rest is, close to the border between them."""
    inside, outside = (
        (far > BLURRED) & (far <= CLOSE)
        for far in (cv2.distanceTransform(part.view(np.uint8), cv2.DIST_C, 3) for part in (~beyond, beyond))
    )
    if not outside.any():  # a strip so narrow that all of it is blurred
        outside = beyond
    return float(np.median(grey[inside]) - np.median(grey[outside])) if inside.any() else 0.0


def _polygon(hull: Array, filled: Array, share: float, surely: bool, perhaps: bool) -> Sheet | None:
    """Return four corners where they describe the sheet, more where the picture's edge cuts some of them off.

    surely: what is beyond is no shadow. perhaps: it is none if the sheet has a square corner.
    """
    length = cv2.arcLength(hull, closed=True)
    for tolerance in (0.01, 0.02, 0.03, 0.05):
        corners = cv2.approxPolyDP(hull, tolerance * length, closed=True)[:, 0].astype(np.float64)
        if len(corners) > 8 or len(corners) < 4:
            continue
        drawn = np.zeros(filled.shape, np.uint8)
        cv2.fillConvexPoly(drawn, np.rint(corners).astype(np.int32), 255)
        both, either = np.count_nonzero(drawn & filled), np.count_nonzero(drawn | filled)
        if both < STRAIGHT * either:
            continue
        height, width = filled.shape
        last = np.array([width - 1, height - 1])
        at_edges = np.concatenate([corners < 2, corners > last - 2], axis=1)
        cut = (at_edges & np.roll(at_edges, -1, axis=0)).any()  # a side lies along an edge
        square = np.abs(_angles(corners) - 90) < ODD_ANGLE
        if len(corners) == 4 and square.all() and not cut:
            return Sheet(_clockwise(corners), True, share, surely)
        # A shadow seldom has a square corner.
        seen = surely or (perhaps and len(corners) < 8 and (square & ~at_edges.any(axis=1)).any())
        return Sheet(hull[:, 0].astype(np.float64), False, share, surely) if seen else None
    return None


def _angles(corners: Array) -> Array:
    """Return the angle at each corner (n, 2), in degrees."""
    before, after = np.roll(corners, 1, axis=0) - corners, np.roll(corners, -1, axis=0) - corners
    lengths = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    return np.rad2deg(np.arccos(np.clip((before * after).sum(axis=1) / np.maximum(lengths, 1e-9), -1, 1)))


def _clockwise(corners: Array) -> Array:
    """Return four corners in order: left upper, right upper, right lower, left lower."""
    middle = corners.mean(axis=0)
    angles = np.arctan2(corners[:, 1] - middle[1], corners[:, 0] - middle[0])
    ordered = corners[np.argsort(angles)]
    turns = [np.roll(ordered, -start, axis=0) for start in range(4)]
    # The first side runs to the right, the third one to the left.
    return max(turns, key=lambda turned: float(turned[1, 0] - turned[0, 0] + turned[2, 0] - turned[3, 0]))


def lean_of(ink: Ink) -> float:
    """Return by how many degrees rows and lines on the page fall to the right; 0 where nothing says so.

    Where rows are level, ink gathers in some rows of pixels and is missing in others: the sum of squares of the rows'
    ink is largest.
    """
    strength = ink.strength
    factor = min(1.0, 500 / max(strength.shape))
    inked = cv2.subtract(strength, np.full_like(strength, round(min(1.2 * ink.noise, 128))))
    small = smaller(inked, factor)
    # What is wider than two strokes is a blot, or the corner of a shadow.
    side = 2 * round(ink.stroke * factor) + 3
    small = cv2.subtract(small, cv2.morphologyEx(small, cv2.MORPH_OPEN, np.ones((side, side), np.uint8)))
    small = np.minimum(small, 128).astype(np.float32)
    if not small.any():
        return 0.0
    level = _gathered(small, 0.0)
    coarse = max(np.arange(-STEEPEST, STEEPEST + 0.1, 1.0), key=lambda angle: _gathered(small, angle))
    angles = coarse + np.arange(-0.8, 0.81, 0.2)
    values = [_gathered(small, angle) for angle in angles]
    best = int(np.argmax(values))
    return float(angles[best]) if values[best] > 1.08 * level and abs(angles[best]) >= LEAST_TURN else 0.0


def _gathered(small: Array, angle: float) -> float:
    height, width = small.shape
    slope = float(np.tan(np.deg2rad(angle)))
    reach = int(abs(slope) * width / 2) + 1
    shear = np.array([[1, 0, 0], [-slope, 1, reach + slope * width / 2]], np.float32)
    moved = cv2.warpAffine(small, shear, (width, height + 2 * reach), flags=cv2.INTER_NEAREST)
    sums = cv2.reduce(moved, 1, cv2.REDUCE_SUM).ravel()
    return float((sums.astype(np.float64) ** 2).sum())


def levelled(strength: Array, angle: float) -> tuple[Array, Array]:
    """Return the ink turned so that rows are level, and the matrix (3, 3) that did it."""
    height, width = strength.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.0)
    cosine, sine = abs(turn[0, 0]), abs(turn[0, 1])
    size = (round(width * cosine + height * sine), round(height * cosine + width * sine))
    turn[:, 2] += (size[0] - width) / 2, (size[1] - height) / 2
    return cv2.warpAffine(strength, turn, size), np.vstack([turn, [0, 0, 1]])


def brought_back(box: tuple[float, float, float, float], matrix: Array) -> tuple[float, float, float, float]:
    """Return left, top, right, bottom of what a box was before ``matrix`` moved it."""
    left, top, right, bottom = box
    corners = np.array([[[left, top], [right, top], [right, bottom], [left, bottom]]], np.float64)
    before = cv2.perspectiveTransform(corners, np.linalg.inv(matrix))[0]
    # The turned box's corners reach beyond the ink; what lies midway is nearer to its own box.
    centre = before.mean(axis=0)
    half = (np.ptp(before, axis=0) + np.abs(before[1] - before[0]) + np.abs(before[2] - before[1])) / 4
    return tuple(float(edge) for edge in (*(centre - half), *(centre + half)))  # type: ignore[return-value]
