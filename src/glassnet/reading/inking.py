"""From colours to ink: what a pen has left on the paper, whatever the light and whichever of the two is brighter.

The picture is surveyed small: which colour the paper has and which the ink, whether ink is darker or lighter, how wide
strokes are. One brightness is then made of the three colours, the one that shows this ink best on this paper, and what
the paper would have without ink is found by a closing: the dark is filled up from the bright around it wherever it is
narrower than a stroke can be. Unlike an average, a closing follows the hard edge of a shadow.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import cv2
import numpy as np

from glassnet.digits.picture import Array
from glassnet.reading.canvas import smaller
from glassnet.reading.connected import connected

SURVEY_SIDE = 480
FIRST_SIDE = 5  # pixels of the small picture
WIDEST_STROKE = 0.22  # of the picture's shorter side: a digit in bold that fills it
FAINTEST = 0.045  # share of the paper's brightness that ink takes at least
FULL_QUANTILE = 0.90
LONG_LINE = 0.2  # of the picture's shorter side
THICKEST_LINE = 4  # pixels of the small picture
LEAST_LEFT = 0.1  # of the ink is no line, where digits are written between lines
STRONGEST = 2e-4  # of the picture's pixels: fewer may be stronger than what counts as the strongest ink
DARKEST_PAPER = 0.3  # of its usual brightness
# Of 255: where bare paper varies by more, the picture is smoothed, by more and more of a stroke's width, until little
# noise is left.
NOISY, QUIET = 16.0, 20.0
SECOND_DIFFERENCES = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
GRAINY, GRAIN = 0.1, 1.0  # of a small picture's contrast; by how many of its pixels it is smoothed where noise is more
SMOOTHED = (0.15, 0.25, 0.35, 0.5, 0.7)
# Of the steps in a picture, what strokes make at least, and what is enough to be all of them; and by how much more a
# wider square explains where strokes are covered.
SHARE_OF_STROKES, ENOUGH, LITTLE_MORE = 0.15, 0.85, 1.08
# Beside shadows the next square explains up to so many times as much, and, for each pixel of its side, no more than so
# many times what some wider one does; so tell the first squares, where one further on by so many lacks a share.
STEADILY_MORE, STEADY, THIN, FAR, STILL_LACKING = 1.25, 1.2, 3, 4, 0.9
MOST_OF_STEP = 2.0  # times the least step that counts
# Most of a page is paper, so dark ink is the likelier the brighter the usual pixel is: by a factor of e for so many
# levels above the neutral one, and by so many for its place between the darkest and the brightest there is.
NEUTRAL_PAPER, LIKELY_PAPER = 70, 50
LIKELY_USUAL = 4.0


@dataclass(frozen=True, eq=False)
class Survey:
    """What was found in the small picture.

    light: ink is lighter than paper. mix: (3,) shares of red, green, blue in the brightness to use, of the picture
    or, where ink is light, of its negative. stroke: the width of strokes in pixels of the large picture. clear: how
    many times as much speaks for this polarity as for the other. edges: whether what lies along the border is no ink.
    """

    light: bool
    mix: Array
    stroke: float
    clear: float
    edges: bool = True


@dataclass(frozen=True, eq=False)
class Ink:
    """strength: (h, w) uint8, 0 on paper, 255 under the pen. noise: what bare paper reaches. stroke: pixels.

    full: the share of the paper's light that ink of strength 255 takes.
    """

    strength: Array
    noise: float
    stroke: float
    full: float = 1.0


def survey(colours: Array, light: bool | None = None) -> Survey:
    """Return what colours and widths paper and ink have; light: the polarity, where it is known."""
    height, width = colours.shape[:2]
    factor = min(1.0, SURVEY_SIDE / max(height, width))
    small = _quiet(smaller(colours, factor))
    found, reach, clear = _polarity(small, light)
    if found:
        small = cv2.bitwise_not(small)
    paper = cv2.morphologyEx(small, cv2.MORPH_CLOSE, square(reach))
    taken = 1 - small.astype(np.float32) / np.maximum(paper, 1)
    # A channel in which the paper itself is dark has more noise than ink.
    light_of = np.median(paper.reshape(-1, 3), axis=0)
    most = np.where(light_of >= 0.45 * light_of.max(), taken, 0).max(axis=2)
    most[beside(most > FAINTEST, reach)] = 0
    strong = most > max(2 * FAINTEST, _otsu(most))
    if not strong.any():
        return Survey(found, np.full(3, 1 / 3, np.float32), 2.0 / factor, clear)
    ink_colour = np.maximum(taken[strong].mean(axis=0), 0)
    # Noise is much the same in all channels, so each counts by the light that ink takes from it.
    paper_colour = np.maximum(light_of, 8)
    mix = ink_colour * paper_colour
    mix = (mix / max(float(mix @ paper_colour), 1e-6) * float(paper_colour.max())).astype(np.float32)
    stroke = min(_stroke_width(_without_lines(strong), most), 0.7 * reach)
    return Survey(found, mix, max(stroke, 0.3 * reach) / factor, clear)


def _quiet(small: Array) -> Array:
    """Return a small picture smoothed, where it has much noise for its contrast: grains are narrower than strokes.

    The noise is what a mask of second differences leaves, which neither slopes nor edges do (Immerkær 1996).
    """
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    left = cv2.filter2D(grey.astype(np.float32), -1, SECOND_DIFFERENCES)
    noise = np.sqrt(np.pi / 2) / 6 * float(np.abs(left).mean())
    low, high = np.percentile(grey, (0.5, 99.5))
    return cv2.GaussianBlur(small, (0, 0), GRAIN) if noise > GRAINY * (high - low) else small


def _polarity(small: Array, light: bool | None) -> tuple[bool, int, float]:
    """Return whether ink is light, the side of the smallest square that covers its strokes, and how clear that is.

    Strokes have two edges. A closing by a square wide enough fills the dark between them, and so explains the steps
    seen there; one not wide enough leaves them, and the bright between strokes is wider still. What is wider than
    strokes, shadows and the sheet, needs squares wider still. So that polarity is right which explains the steps with
    the smaller square.
    """
    sides = [_odd(FIRST_SIDE)]
    while sides[-1] < WIDEST_STROKE * min(small.shape[:2]):
        sides.append(_odd(1.4 * sides[-1]))
    grey = _clearest(small)
    dark, bright = _explained(grey, sides), _explained(cv2.bitwise_not(grey), sides)
    low, middle, high = np.percentile(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), (0.5, 50, 99.5))
    usual = (middle - low) / max(high - low, 1)
    likely = float(np.exp(LIKELY_USUAL * (usual - 0.5) + (middle - NEUTRAL_PAPER) / LIKELY_PAPER))
    strokes = min(_plateau(dark, sides), _plateau(bright, sides))
    told = max(1e-6, dark[strokes], bright[strokes])
    number = next((n for n in range(len(sides)) if max(dark[n], bright[n]) >= 0.6 * told), 0)
    odds = likely * (dark[number] / told + 0.02) ** 2 / (bright[number] / told + 0.02) ** 2
    found = odds < 1 if light is None else light
    return found, sides[_plateau(bright if found else dark, sides)], max(odds, 1 / odds)


def _plateau(told: list[float], sides: list[int]) -> int:
    """Return the number of the smallest square that covers strokes, by what each one, of those sides, explains.

    Once strokes are covered, a wider square explains little more, until it covers the corners of shadows as well.
    """
    most = max(told)
    for number, (each, wider) in enumerate(itertools.pairwise(told)):
        covered = wider < LITTLE_MORE * each or _shadows_from(number, told, sides)
        if each >= ENOUGH * most or (each >= SHARE_OF_STROKES * most and covered):
            return number
    return len(told) - 1


def _shadows_from(number: int, told: list[float], sides: list[int]) -> bool:
    """Return whether what wider squares than that of a number explain is of shadows, as ``_plateau`` has them.

    A shadow's corner is covered the further the wider the square, and is far wider than strokes.
    """
    gained = np.diff(told) / np.diff(sides)
    steady = gained[number] <= STEADY * gained[number + 1 :].max(initial=0)
    little = told[number + 1] < STEADILY_MORE * told[number]
    return number < THIN and little and steady and told[min(number + FAR, len(told) - 1)] < STILL_LACKING * max(told)


def _clearest(small: Array) -> Array:
    """Return the channel, or the brightness, in which steps are largest: blue ink on yellow hardly shows in blue."""
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    channels = (grey, *cv2.split(small))
    steps = [cv2.morphologyEx(cv2.GaussianBlur(each, (3, 3), 0), cv2.MORPH_GRADIENT, square(3)) for each in channels]
    # The brightness is the least noisy of them, so another one must be clearly better.
    told = [float((each.astype(np.float32) ** 2).sum()) for each in steps]
    best = int(np.argmax(told))
    return channels[best] if told[best] > 1.3 * told[0] else grey


def _explained(grey: Array, sides: list[int]) -> list[float]:
    """Return how much of the steps in a small picture (h, w) the dark narrower than each side explains.

    No step counts for much more than the least that does: a shadow's edge may be far stronger than pencil.
    """
    grey = cv2.GaussianBlur(grey, (3, 3), 0)
    steps = cv2.morphologyEx(grey, cv2.MORPH_GRADIENT, square(3))
    height, width = grey.shape
    if min(height, width) > 60:  # where nothing is beyond, nothing explains
        steps[:2] = steps[height - 2 :] = 0
        steps[:, :2] = steps[:, width - 2 :] = 0
    least = min(max(6.0, 4.0 * float(np.median(steps))), 0.5 * float(steps.max()))
    weight = np.where(steps > least, np.minimum(steps, MOST_OF_STEP * least), 0).astype(np.float32) ** 2
    told = []
    for side in sides:
        black = cv2.morphologyEx(grey, cv2.MORPH_BLACKHAT, square(side))
        told.append(float(weight[cv2.dilate(black, square(3)) >= 0.7 * steps.astype(np.float32)].sum()))
    return told


def beside(dark: Array, stroke: float) -> Array:
    """Return the part of what is ``dark`` (h, w) that lies along the picture's border and is no stroke.

    A table below the sheet, a scanner's lid, the back of a book: long along the border, or large.
    """
    height, width = dark.shape
    parts = connected(dark.view(np.uint8), connectivity=4)
    edge = np.concatenate([parts.labels[0], parts.labels[-1], parts.labels[1:-1, 0], parts.labels[1:-1, -1]])
    contact = np.bincount(edge, minlength=len(parts))
    longer, shorter = np.maximum(parts.width, parts.height), np.minimum(parts.width, parts.height)
    along = (contact >= 0.6 * longer) & (longer >= 4 * shorter) & (longer > 0.05 * max(height, width))
    # Thicker than strokes: squared paper touches the border all around.
    opened = cv2.morphologyEx(dark.view(np.uint8), cv2.MORPH_OPEN, square(_odd(1.5 * stroke)))
    thick = np.bincount(parts.of, opened.reshape(-1)[parts.places], minlength=len(parts)) > 0.5 * parts.area
    large = (contact > 0.25 * (height + width)) & thick
    drop = along | (large & (longer > 0.1 * max(height, width)))
    drop[0] = False
    return parts.marked(drop)


def inked(colours: Array, found: Survey) -> Ink:
    """Return the ink on a picture (h, w, 3)."""
    picture = cv2.bitwise_not(colours) if found.light else colours
    grey = cv2.transform(picture, found.mix.reshape(1, 3))
    grey = grey.reshape(picture.shape[:2])
    ink = _inked(grey, found)
    for share in SMOOTHED if ink.noise > NOISY else ():
        smoothed = _inked(cv2.GaussianBlur(grey, (0, 0), share * found.stroke), found)
        ink = min(ink, smoothed, key=lambda each: each.noise)  # a fine grid is no noise
        if ink.noise <= QUIET:
            break
    return ink


def _inked(grey: Array, found: Survey) -> Ink:
    paper = paper_of(grey, found.stroke)
    # In the darkest shadow paper keeps some light; what has less is a table or a lid, and mostly noise.
    least = np.uint8(max(DARKEST_PAPER * float(np.median(paper[::4, ::4])), 1.0))
    taken = cv2.divide(cv2.subtract(paper, grey), np.maximum(paper, least), scale=255, dtype=cv2.CV_8U)
    floor, noise = _noise(taken)
    if found.edges:
        taken[beside(taken > floor + max(4 * noise, 255 * FAINTEST), found.stroke)] = round(floor)
    # Print may be stronger than the pen, or the pen than print: nothing may be clipped before they are told apart.
    full = max(_strongest(taken) - floor, 255 * FAINTEST, 4 * noise)
    gain = 255 / full
    strength = cv2.convertScaleAbs(cv2.subtract(taken, np.full_like(taken, round(floor))), alpha=gain)
    return Ink(strength, noise * gain, found.stroke, full / 255)


def paper_of(grey: Array, stroke: float) -> Array:
    """Return the brightness of the paper below the ink as well: (h, w) uint8."""
    reach = _odd(max(2.6 * stroke, 7.0))
    smooth = cv2.medianBlur(grey, 3)
    # What is far wider than a kernel of the processor's liking is found in a smaller picture.
    factor = max(1, reach // 24)
    if factor > 1:
        size = (-(-grey.shape[1] // factor), -(-grey.shape[0] // factor))
        smooth = cv2.resize(smooth, size, interpolation=cv2.INTER_AREA)
    closed = cv2.morphologyEx(smooth, cv2.MORPH_CLOSE, square(_odd(reach / factor)))
    if factor > 1:
        closed = cv2.resize(closed, grey.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return closed


def at_full_strength(ink: Ink) -> Ink:
    """Return the ink with the pen's usual strength at 255: what was stronger is 255 as well."""
    gain = 255 / max(_full(ink.strength, 3 * ink.noise), 4 * ink.noise, 255 * FAINTEST / ink.full)
    return Ink(cv2.convertScaleAbs(ink.strength, alpha=gain), gain * ink.noise, ink.stroke, ink.full / gain)


def _without_lines(strong: Array) -> Array:
    """Return what is inked (h, w) in a small picture, without long thin lines: print is thinner than the pen."""
    ink = strong.astype(np.uint8)
    thick = cv2.morphologyEx(ink, cv2.MORPH_CLOSE, square(3))
    length = _odd(LONG_LINE * min(strong.shape))
    lines = cv2.max(
        cv2.morphologyEx(thick, cv2.MORPH_OPEN, np.ones((1, length), np.uint8)),
        cv2.morphologyEx(thick, cv2.MORPH_OPEN, np.ones((length, 1), np.uint8)),
    )
    thin = lines > cv2.morphologyEx(lines, cv2.MORPH_OPEN, square(THICKEST_LINE + 1))
    left = strong & ~thin
    return left if np.count_nonzero(left) > LEAST_LEFT * np.count_nonzero(strong) else strong


def _stroke_width(strong: Array, strength: Array) -> float:
    """Return the width of the strokes in pixels: of the runs of ink along rows and columns, weighed by strength."""
    lengths, weights = [], []
    for mask, value in ((strong, strength), (strong.T, strength.T)):
        padded = np.pad(mask, ((0, 0), (1, 1))).astype(np.int8).ravel()
        edges = np.diff(padded)
        starts, ends = np.flatnonzero(edges > 0), np.flatnonzero(edges < 0)
        sums = np.concatenate([[0], np.cumsum(np.pad(value, ((0, 0), (1, 1))).ravel(), dtype=np.float64)])
        run = ends - starts
        lengths.append(run)
        weights.append(((sums[ends + 1] - sums[starts + 1]) / run) ** 2)
    length, weight = np.concatenate(lengths), np.concatenate(weights)
    order = np.argsort(length)
    cumulative = np.cumsum(weight[order])
    return float(length[order][np.searchsorted(cumulative, 0.7 * cumulative[-1])])


def _noise(taken: Array) -> tuple[float, float]:
    """Return the level of bare paper and how far paper varies, from the commonest values."""
    counts = np.bincount(taken[::2, ::2].ravel(), minlength=256)
    cumulative = np.cumsum(counts)
    median = float(np.searchsorted(cumulative, 0.5 * cumulative[-1]))
    low = float(np.searchsorted(cumulative, 0.16 * cumulative[-1]))
    return median, max(1.0, median - low)


def _strongest(taken: Array) -> float:
    """Return the strength that no more than STRONGEST of the pixels exceed."""
    cumulative = np.cumsum(_counts(taken)[::-1])
    return 255.0 - float(np.searchsorted(cumulative, max(8.0, STRONGEST * cumulative[-1])))


def _counts(taken: Array) -> Array:
    """Return how many pixels have each value: (256,)."""
    return cv2.calcHist([taken], [0], None, [256], [0, 256]).ravel().astype(np.float64)


def _full(taken: Array, above: float) -> float:
    """Return what a fully inked pixel has."""
    counts = _counts(taken)
    counts[: min(255, round(above) + 1)] = 0
    if not counts.any():
        return 0.0
    levels = np.arange(256)
    # Otsu's split of what is not paper, then a high quantile of the stronger part.
    weight, mass = np.cumsum(counts), np.cumsum(counts * levels)
    between = (mass[-1] * weight - mass * weight[-1]) ** 2 / np.maximum(weight * (weight[-1] - weight), 1e-9)
    split = int(between[:-1].argmax())
    upper = np.cumsum(np.where(levels > split, counts, 0))
    return float(np.searchsorted(upper, FULL_QUANTILE * upper[-1])) if upper[-1] else float(levels[counts > 0][-1])


def _otsu(values: Array) -> float:
    eight = np.clip(values * 255, 0, 255).astype(np.uint8)
    return cv2.threshold(eight, 0, 255, cv2.THRESH_OTSU)[0] / 255


def square(side: int) -> Array:
    """Return a square to dilate or erode with."""
    return np.ones((side, side), np.uint8)


def _odd(value: float) -> int:
    return max(3, round(value) | 1)
