"""Lines that were printed on the page, taken away, with the strokes that crossed them mended.

A printed line is thin, straight, level or upright, and long, or one of several pieces in one line. Handwriting has
level strokes too, but not so long, and never three of them in one line to a pixel. What a line takes from the light is
measured along it and taken away; what it covers wholly is joined from the pen's ink above and below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from glassnet.digits.picture import Array
from glassnet.reading.canvas import smaller
from glassnet.reading.connected import connected
from glassnet.reading.inking import Ink

ALONG = 21  # pixels over which a line is averaged
LEAST_PIECE = 5.0  # stroke widths that a piece of a line is long
LEAST_SUM = 0.10  # of the page's width that the pieces of a line cover
LEAST_STROKES = 16.0  # stroke widths that they cover
LEAST_HEIGHTS = 1.6  # and heights of digits: a 1 is no line
OFF = 1.6  # pixels a piece may lie off its line
ON = 0.6  # of a piece's columns that must lie on it
STEEPEST, FANNED = 0.06, 0.12  # pixels a line may rise in one, and may lean: from near by, uprights spread like a fan
GAP = 6  # pixels without ink that a line may have
UNBROKEN = 0.85  # of a line's columns have ink, the smaller gaps counted
DENSE = 0.7  # of a line, from its first piece to its last, that they cover
SAMPLES = 400  # columns in which a line that runs right across is looked for
ENTIRE = 0.9  # of such a line's length: what is shorter is but a part of it
SQUARED, MOST_OF_SIDE = 5, 0.7  # lines each way, across so much of the page
ALL_ALONG, MOST_FAINT = 0.97, 20.0  # of them have ink, of at least so much strength
LEAST_TAKEN = 30  # of 255: where a line takes less, nothing is broken
BESIDE = 2  # pixels on both sides of a line that may be left of it
SMALLEST_CELL = 40  # pixels of a small picture
# A piece so wide, for the page, is a digit only if it is not so many times wider than high, and parts the paper, each
# part so large a share of its box, in less than so many cells.
WIDEST, LONGER, LEAST_CELL, FEWEST_CELLS = 0.4, 2.5, 0.0003, 8
SHORT = 0.06  # of the sides of a piece's box: so much short of it lines may end
TALLEST = 12.0  # widths: what is higher is no digit
SMALL_SIDE, SMALL_INK = 800, 38  # pixels of a small picture's longer side; ink of 255 that counts in it
BLOCK = 6.0  # stroke widths along which a line's own strength is one number
# Times as strong as it usually is a line may be, and as other lines are: what is stronger is a pen's.
STRONGER, STRONGEST = 1.6, 2.5


@dataclass(frozen=True, eq=False)
class Rule:
    """A line: y at x is a polynomial, ``curve``, or runs through points (n, 2); from first to last column.

    thick: in pixels; strength: of 255. upright: the same with rows and columns exchanged.
    """

    curve: Array
    first: int
    last: int
    thick: float
    strength: float
    pieces: tuple[tuple[int, int], ...]
    upright: bool = False

    def at(self, x: Array) -> Array:
        """Return y at x."""
        return np.interp(x, *self.curve.T) if self.curve.ndim == 2 else np.polyval(self.curve, x)

    def rise(self) -> float:
        """Return by how many pixels it rises, or falls, in one, in its middle."""
        return abs(float(np.diff(self.at((self.first + self.last) / 2 + np.array([-0.5, 0.5])))[0]))


@dataclass(frozen=True, eq=False)
class Rough:
    """What is inked in a small picture. mask: (h, w) of 0 and 1; labels, stats: of its connected pieces.

    factor: pixels of the small picture for one of the page; stroke: the width of strokes, in its pixels.
    """

    mask: Array
    labels: Array
    stats: Array
    factor: float
    stroke: float

    def usual_height(self) -> float:
        """Return the height, in its pixels, of digits: half of what is no line is in pieces as high, or less."""
        width, high, area = self.stats[1:, 2:].T
        digits = width < WIDEST * self.mask.shape[1]
        for piece in np.flatnonzero(~digits).tolist():
            digits[piece] = width[piece] < LONGER * high[piece] and self._cells(piece + 1) < FEWEST_CELLS
        digits &= (high > self.stroke) & (high < TALLEST * width)  # no specks, no strips
        return height_of(high[digits], area[digits], 0.5) if digits.any() else 0.0

    def _cells(self, piece: int) -> int:
        """Return how many parts of the paper a piece of ink parts from one another; lines may end short of its box."""
        left, top, wide, high, _ = self.stats[piece].tolist()
        across, down = round(SHORT * wide), round(SHORT * high)
        inner = self.labels[top + down : top + high - down, left + across : left + wide - across]
        paper = (inner != piece).view(np.uint8)
        stats = cv2.connectedComponentsWithStats(paper, connectivity=4)[2]
        return int(np.count_nonzero(stats[1:, cv2.CC_STAT_AREA] >= max(SMALLEST_CELL, LEAST_CELL * wide * high)))


def height_of(high: Array, area: Array, share: float) -> float:
    """Return the height below which pieces (n,) have a share of the ink; large ones count by the root of their area."""
    order = np.argsort(high)
    cumulative = np.cumsum(np.sqrt(area[order]))
    return float(high[order][np.searchsorted(cumulative, share * cumulative[-1])])


def roughly(ink: Ink) -> Rough:
    """Return what is inked, seen small."""
    factor = min(1.0, SMALL_SIDE / max(ink.strength.shape))
    small = smaller(ink.strength, factor)
    mask = cv2.threshold(small, max(SMALL_INK, 2.0 * ink.noise), 1, cv2.THRESH_BINARY)[1]
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    return Rough(mask, labels, stats, factor, ink.stroke * factor)


def rules_of(ink: Ink) -> list[Rule]:
    """Return the lines printed on a page that lies straight."""
    turned = cv2.transpose(ink.strength)
    high, wide = ink.strength.shape
    lines, uprights = _lines(ink.strength, ink, STEEPEST), _lines(turned, ink, FANNED)
    rough = roughly(ink)
    least = max(LEAST_STROKES * ink.stroke, LEAST_HEIGHTS * rough.usual_height() / rough.factor)
    level, upright = _long(lines, max(least, LEAST_SUM * wide)), _long(uprights, max(least, LEAST_SUM * high))
    level = _alike([*level, *_across(ink.strength, level, ink)], wide)
    upright = _alike([*upright, *_across(turned, upright, ink)], high)
    if min(len(_entire(level, wide)), len(_entire(upright, high))) >= SQUARED:
        return [*level, *_upright(upright)]  # squared paper has no boxes with sides of their own
    straight = [line for line in uprights if line.rise() <= STEEPEST]
    short = [line for line in _ticks(straight, level, ink) if not any(_has(rule, line) for rule in upright)]
    return [*level, *_upright(upright), *_upright(short)]


def _entire(rules: Sequence[Rule], side: int) -> list[Rule]:
    return [rule for rule in rules if rule.last - rule.first >= MOST_OF_SIDE * side]


def _alike(rules: Sequence[Rule], side: int) -> list[Rule]:
    """Return the lines without short ones that are far stronger than many long ones: level strokes of digits."""
    entire = _entire(rules, side)
    if len(entire) < SQUARED:
        return list(rules)
    most = STRONGEST * float(np.median([rule.strength for rule in entire]))
    return [rule for rule in rules if rule in entire or rule.strength <= most]


def without_rules(ink: Ink, rules: Sequence[Rule]) -> Ink:
    """Return the ink without the lines."""
    strength = ink.strength.copy()
    for rule in rules:
        _wipe(strength.T if rule.upright else strength, rule, ink)
    return replace(ink, strength=strength)


def along(rules: Sequence[Rule], shape: tuple[int, ...]) -> Array:
    """Return where lines run, (h, w) of bool, with a little more on both sides."""
    band = np.zeros(shape, np.uint8)
    for rule in rules:
        x = np.linspace(rule.first, rule.last, max(2, (rule.last - rule.first) // 8))
        points = np.stack([x, rule.at(x)], axis=1)
        points = np.rint(points[:, ::-1] if rule.upright else points).astype(np.int32)
        cv2.polylines(band, [points], isClosed=False, color=1, thickness=round(rule.thick) + 2 * BESIDE)
    return band.view(bool)


def _has(rule: Rule, line: Rule) -> bool:
    """Return whether a line is a piece of a longer one: what is taken away twice is mended where nothing was broken."""
    middle = np.array((line.first + line.last) / 2)
    return (line.first, line.last) in rule.pieces and abs(float(rule.at(middle) - line.at(middle))) <= 2 * OFF


def _upright(rules: Sequence[Rule]) -> list[Rule]:
    return [
        Rule(rule.curve, rule.first, rule.last, rule.thick, rule.strength, rule.pieces, upright=True) for rule in rules
    ]


def _lines(strength: Array, ink: Ink, steepest: float) -> list[Rule]:
    """Return the straight level strokes, of any length from a few stroke widths on."""
    thickest = max(4, round(1.1 * ink.stroke))
    along = cv2.blur(strength, (ALONG, 1))
    thin = cv2.subtract(along, cv2.morphologyEx(along, cv2.MORPH_OPEN, np.ones((thickest + 2, 1), np.uint8)))
    least = max(14.0, 0.9 * ink.noise)
    mask = cv2.threshold(thin, least, 1, cv2.THRESH_BINARY)[1]
    length = max(12, round(LEAST_PIECE * ink.stroke))
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((1, 9), np.uint8))
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((1, max(9, length // 2)), np.uint8))
    parts = connected(mask)
    found = []
    for piece in np.flatnonzero((parts.width >= length) & (parts.area <= parts.width * (thickest + 2))).tolist():
        left, top, width, height = (int(each[piece]) for each in (parts.left, parts.top, parts.width, parts.height))
        part = parts.labels[top : top + height, left : left + width] == piece
        columns = part.sum(axis=0)
        x = np.flatnonzero(columns)
        y = (part * np.arange(height)[:, np.newaxis]).sum(axis=0)[x] / columns[x] + top
        x = x + left
        curve, on_it = _fitted(x, y, 2 if width > 20 * ink.stroke and width > 200 else 1)
        if on_it.mean() < ON or abs(np.polyval(np.polyder(curve), left + width / 2)) > steepest:
            continue
        thick = float(np.median(columns[x - left]))
        lines = _inked(strength, curve, int(x[on_it][0]), int(x[on_it][-1]) + 1, thick)
        found += [line for line in lines if line.last - line.first >= length]
    return found


def _inked(strength: Array, curve: Array, first: int, last: int, thick: float) -> list[Rule]:
    """Return the parts of a line that are inked without gaps."""
    x = np.arange(first, last)
    y = np.clip(np.rint(np.polyval(curve, x)).astype(int), 1, len(strength) - 2)
    on = np.maximum(np.maximum(strength[y - 1, x], strength[y, x]), strength[y + 1, x])
    usual = float(np.median(on))
    inked = np.flatnonzero(on > 0.45 * usual)
    if len(inked) < 2:
        return []
    parts = np.split(inked, np.flatnonzero(np.diff(inked) > GAP) + 1)
    parts = [part for part in parts if len(part) >= UNBROKEN * (part[-1] - part[0] + 1)]  # a row of digits is not
    ends = [(first + int(part[0]), first + int(part[-1]) + 1) for part in parts]
    return [Rule(curve, *end, thick, usual, (end,)) for end in ends]


def _fitted(x: Array, y: Array, degree: int) -> tuple[Array, Array]:
    """Return the curve through most of the points, and which (n,) lie on it: strokes that touch a line do not."""
    curve = np.polyfit(x, y, 1)
    for number, reach in enumerate((6.0, 3.0, OFF, OFF)):
        on_it = np.abs(y - np.polyval(curve, x)) <= max(reach, 0.0)
        if np.count_nonzero(on_it) < 0.4 * len(x):
            return curve, on_it
        curve = np.polyfit(x[on_it], y[on_it], degree if number >= 1 else 1)
    return curve, np.abs(y - np.polyval(curve, x)) <= OFF


def _long(lines: Sequence[Rule], least: float) -> list[Rule]:
    """Return the lines whose pieces are long together, at least so many pixels."""
    left = sorted(lines, key=lambda line: line.first - line.last)
    found = []
    while left:
        first, *left = left
        together, span = [first], (first.first, first.last)
        curve = first.curve
        rest = []
        for line in left:
            x = np.linspace(line.first, line.last, 5)
            away = max(0, line.first - span[1], span[0] - line.last)
            if float(np.abs(line.at(x) - np.polyval(curve, x)).max()) <= OFF + 0.004 * away:
                together.append(line)
                span = (min(span[0], line.first), max(span[1], line.last))
                curve = _through(together)
            else:
                rest.append(line)
        covered = sum(line.last - line.first for line in together)
        if covered >= max(least, DENSE * (span[1] - span[0])):
            left = rest
            weights = np.array([line.last - line.first for line in together], np.float64)
            found.append(
                Rule(
                    curve,
                    *span,
                    float(np.average([line.thick for line in together], weights=weights)),
                    float(np.average([line.strength for line in together], weights=weights)),
                    tuple((line.first, line.last) for line in together),
                )
            )
    return found


def _across(strength: Array, known: Sequence[Rule], ink: Ink) -> list[Rule]:
    """Return lines that run right across the page, though digits stand so close on them that hardly a piece is free.

    They are parallel to the longest one known, or level: there, all along, is ink.
    """
    longest = max(known, key=lambda rule: rule.last - rule.first, default=None)
    if longest is None:
        curve, first, last = np.zeros(2), 0, strength.shape[1]
    else:
        curve, first, last = longest.curve, longest.first, longest.last
    if last - first < LEAST_STROKES * ink.stroke:
        return []
    x = np.linspace(first + 2, last - 3, SAMPLES).astype(int)
    middle = (first + last) / 2
    falls = np.rint(np.polyval(curve, x) - np.polyval(curve, middle)).astype(int)
    y = np.arange(len(strength))
    seen = strength[np.clip(y[:, np.newaxis] + falls, 0, len(strength) - 1), x]
    entire = [rule for rule in known if rule.last - rule.first >= ENTIRE * (last - first)]
    inked = (seen > max(MOST_FAINT, 3.0 * ink.noise)).mean(axis=1) >= ALL_ALONG
    found: list[Rule] = []
    ends = np.flatnonzero(np.diff(np.pad(inked.astype(np.int8), 1)))
    for top, bottom in ends.reshape(-1, 2).tolist():
        thick, centre = bottom - top, (top + bottom - 1) / 2
        apart = min((abs(float(rule.at(np.array(middle))) - centre) for rule in entire), default=np.inf)
        if thick <= max(4.0, 1.1 * ink.stroke) and apart > thick + 4:
            here = curve.copy()
            here[-1] += centre - np.polyval(curve, middle)
            strongest = float(np.median(seen[top:bottom].max(axis=0)))
            found.append(Rule(here, first, last, thick, strongest, ((first, last),)))
    return found


def _through(lines: Sequence[Rule]) -> Array:
    x = np.concatenate([np.linspace(line.first, line.last, 20) for line in lines])
    y = np.concatenate([line.at(np.linspace(line.first, line.last, 20)) for line in lines])
    weights = np.concatenate([np.full(20, line.last - line.first, np.float64) for line in lines])
    return np.polyfit(x, y, max(len(line.curve) - 1 for line in lines), w=weights)


def _ticks(lines: Sequence[Rule], rules: Sequence[Rule], ink: Ink) -> list[Rule]:
    """Return the short upright lines that begin or end on a level one: sides of boxes, marks between them.

    They are alike: at least two of the same length on the same line.
    """
    found: list[Rule] = []
    for rule in rules:
        if rule.upright:
            continue
        touching = []
        for line in lines:
            x = float(np.mean(line.at(np.array([line.first, line.last]))))
            if not rule.first - 6 <= x <= rule.last + 6 or line in found:
                continue
            y = float(rule.at(np.array(x)))
            near = min(abs(line.first - y), abs(line.last - y))
            alike = 0.5 * rule.strength < line.strength < 1.6 * rule.strength + 20
            if near <= rule.thick / 2 + 4 and line.thick <= 1.3 * rule.thick + 2 and alike:
                touching.append(line)
        for line in touching:
            length = line.last - line.first
            same = [other for other in touching if abs(other.last - other.first - length) < 0.15 * length + 4]
            if len(same) >= 2:
                found.append(line)
    return found


def _wipe(strength: Array, rule: Rule, ink: Ink) -> None:
    """Take a line out of ``strength`` (h, w), in place, and join what it parted.

    Light passes the pen's ink and the line's one after the other, so what the line left of it says how much of it the
    pen took. Where both are as dark as each other, ink above and below is joined.
    """
    x = np.arange(max(0, rule.first - 4), min(strength.shape[1], rule.last + 4))
    half = int(np.ceil(rule.thick / 2 + 0.8))
    reach = half + 2
    y = rule.at(x)
    kept = (y >= reach + 1) & (y < len(strength) - reach - 2)
    x, y = x[kept], y[kept]
    if len(x) < 3:
        return
    middle = np.floor(y).astype(int)
    part = (y - middle).astype(np.float32)
    offsets = np.arange(-reach, reach + 2)[:, np.newaxis]
    rows, columns = middle + offsets, np.broadcast_to(x, (2 * reach + 2, len(x)))
    around = strength[rows, columns]
    on = cv2.dilate(around[reach - 1 : reach + 3].max(axis=0)[np.newaxis], np.ones((1, 9), np.uint8))[0]
    here = on > 0.4 * rule.strength  # between the boxes of a row there is no line
    if np.count_nonzero(here) < 3:
        return
    around, part, rows, columns = around[:, here], part[here], rows[:, here], columns[:, here]
    line = _profile(around, part, max(32, round(BLOCK * ink.stroke)))
    joined = _joined_across(around, reach - half, max(64.0, 3.5 * ink.noise), ink.stroke)
    band = around[reach - half : reach + half + 2].astype(np.float32)
    line = line[reach - half : reach + half + 2]
    left = (band - line) / np.maximum(1 - line * (ink.full / 255), 0.2)
    usual = 1.5 * float(np.median(np.abs(left))) + ink.noise
    left[left < 2.5 * usual] = 0
    mended = np.where(line.max(axis=0) > LEAST_TAKEN, np.minimum(joined, np.maximum(band, joined // 2)), 0)
    strength[rows[reach - half : reach + half + 2], columns[reach - half : reach + half + 2]] = np.clip(
        np.maximum(left, mended), 0, 255
    ).astype(np.uint8)


def _profile(around: Array, part: Array, block: int) -> Array:
    """Return how strong a line is by itself at each pixel of the strip (rows, n) around it.

    part: (n,) by how much the line's middle lies below the strip's middle row. Strokes cover less than half of what
    the median is taken of, several blocks.
    """
    count, columns = around.shape
    moved = around[:-1] * (1 - part) + around[1:] * part
    blocks = max(1, columns // block)
    width = columns // blocks
    medians = np.median(moved[:, : blocks * width].reshape(count - 1, blocks, width), axis=2)
    padded = np.pad(medians, ((0, 0), (2, 2)), mode="edge")
    medians = np.median(np.lib.stride_tricks.sliding_window_view(padded, 5, axis=1), axis=2)
    medians = np.minimum(medians, STRONGER * np.median(medians, axis=1, keepdims=True))
    centres = (np.arange(blocks) + 0.5) * width
    along = np.stack([np.interp(np.arange(columns), centres, row) for row in medians]).astype(np.float32)
    first, last = np.vstack([along, along[-1:]]), np.vstack([along[:1], along])
    return first * (1 - part) + last * part


def _joined_across(around: Array, edge: int, weak: float, stroke: float) -> Array:
    """Return the ink (rows, n) that joins what is above and below a strip's rows but ``edge`` at its top and bottom.

    Across what is thicker than strokes, only what is nearly upright is joined.
    """
    # One pixel beyond the line on both sides: ink there is a stroke's.
    above = np.maximum(around[edge - 1], around[edge - 2])
    below = np.maximum(around[-edge], around[1 - edge])
    height = len(around) - 2 * edge
    joined = np.zeros((height, around.shape[1]), np.uint8)
    for slant in (-1.0, -0.6, -0.3, 0.0, 0.3, 0.6, 1.0):
        if abs(slant) * height > max(8.0, 1.5 * stroke):
            continue
        for row in range(height):
            up, down = round(slant * (row + 1)), round(slant * (height - row))
            both = np.minimum(_moved(above, up), _moved(below, -down))
            np.maximum(joined[row], np.where(both > weak, both, 0), out=joined[row])
    return joined


def _moved(values: Array, by: int) -> Array:
    """Return values moved to the right, 0 coming in."""
    if by == 0:
        return values
    moved = np.zeros_like(values)
    if by > 0:
        moved[by:] = values[:-by]
    else:
        moved[:by] = values[-by:]
    return moved
