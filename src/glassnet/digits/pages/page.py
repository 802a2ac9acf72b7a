"""Making a page: laid out, written, composed, taken; with what stands on it."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from glassnet.digits.pages.camera import LIGHTS, SHOTS, seen, taken, view
from glassnet.digits.pages.ink import Digits, Hand
from glassnet.digits.pages.layout import LAYOUTS, Layout
from glassnet.digits.pages.marks import Marked, aside, stain
from glassnet.digits.pages.paper import FORMS, MARGINS, NIBS, PAPERS, PRINTS, RULES, Colour, Nib, lay, sheet
from glassnet.digits.pages.styles import KINDS, Look, PageStyle
from glassnet.digits.pages.truth import Ink, MadeDigit, MadeLine, MadeMark, MadePage, PageTruth
from glassnet.digits.pages.writing import Writer
from glassnet.digits.picture import Array
from glassnet.errors import OptionError

LEAST_CONTRAST = 70  # between ink and paper, in the colour that shows it best


def make_page(
    kind: str | PageStyle, generator: np.random.Generator, digits: Array | None = None, labels: Array | None = None
) -> MadePage:
    """Return a page of handwritten digits, and what stands on it.

    kind: a name in ``KINDS``, or a style of one's own. generator: all that is random comes from it, so that the same
    one makes the same page. digits, labels: pictures (n, 28, 28) of uint8, ink bright on 0, and what they are (n,), as
    MNIST has them; without them the project's own pen writes. Raises OptionError or ShapeError.

    >>> page = make_page("plain", np.random.default_rng(1))
    >>> page.picture.dtype, page.picture.shape[2], len(page.truth.digits) > 0
    (dtype('uint8'), 3, True)
    """
    if isinstance(kind, str) and kind not in KINDS:
        raise OptionError(f"no kind of page called {kind!r}", hint=f"one of {', '.join(KINDS)}")
    style = KINDS[kind] if isinstance(kind, str) else kind
    source = Digits(digits, labels)
    nib = NIBS[one_of(style.nibs, generator)]
    size = _size(style, generator)
    writer = Writer(source, _hand(style, nib, generator), generator)
    marked = generator.random() < style.marked
    separated = float(generator.uniform(0, 0.5)) if marked and generator.random() < 0.5 else 0.0
    layout = LAYOUTS[one_of(style.layouts, generator)](writer, size, separated)
    marks = (*layout.marks, *(_asides(layout, writer.hand, size, generator) if marked else ()))
    stains = tuple(stain(size[::-1], generator) for _ in range(int(marked and generator.random() < 0.3)))
    picture, truth = compose(style, nib, replace(layout, marks=marks), stains, writer.hand.height, size, generator)
    return MadePage(picture, truth, kind if isinstance(kind, str) else "")


def compose(
    look: Look,
    nib: Nib,
    layout: Layout,
    stains: tuple[Marked, ...],
    height: float,
    size: tuple[int, int],
    generator: np.random.Generator,
) -> tuple[Array, PageTruth]:
    """Return the picture of what is laid out on a page of a size (width, height), and its truth in the picture."""
    paper = PAPERS[one_of(look.papers, generator)]
    paper_colour = paper.colours[int(generator.integers(len(paper.colours)))]
    page, grain = sheet(paper, paper_colour, size, generator)
    for spot in stains:
        lay(page, _cover([spot.ink], size), (120, 84, 50), float(generator.uniform(0.05, 0.3)))
    _print(page, one_of(look.prints, generator), layout, height, generator)
    inks = [written.ink for line in layout.lines for written in line] + [mark.ink for mark in layout.marks]
    cover = _cover(inks, size)
    breaks = float(generator.uniform(*nib.breaks))
    left, top, width, tall = cv2.boundingRect(cover)
    part = np.s_[top : top + tall, left : left + width]
    cover[part] = cover[part] * np.clip(1 - breaks * (0.5 + 0.8 * grain[part]), 0, 1)
    lay(page, cover, _ink_colour(nib, paper_colour, generator), float(generator.uniform(*nib.cover)))

    shot = SHOTS[one_of(look.shots, generator)]
    homography = view(shot, size, size, _corners(inks), generator)
    picture = seen(cv2.merge([cv2.convertScaleAbs(plane) for plane in page]), homography, shot, generator)
    light = LIGHTS[one_of(look.lights, generator)](size, generator)
    return taken(picture, shot, light, generator), _truth(layout, stains, homography, size)


def one_of(names: tuple[str, ...], generator: np.random.Generator) -> str:
    """Return one of the names."""
    return names[int(generator.integers(len(names)))]


def _size(style: PageStyle, generator: np.random.Generator) -> tuple[int, int]:
    """Return the page's width and height: upright like a sheet, lying, or square like a slip."""
    longer = float(generator.uniform(*style.sides))
    shorter = max(
        float(style.sides[0]) * 0.8, longer * float(generator.choice([0.707, 0.75, generator.uniform(0.5, 1)]))
    )
    size = (round(shorter), round(max(shorter, longer)))
    return size if generator.random() < 0.6 else size[::-1]


def _hand(style: PageStyle, nib: Nib, generator: np.random.Generator) -> Hand:
    return Hand(
        height=float(np.exp(generator.uniform(*np.log(style.heights)))),
        stroke=None if nib.stroke is None else float(generator.uniform(*nib.stroke)),
        slant=float(generator.normal(0.04, 0.10)),
        stretch=float(np.exp(generator.normal(0, 0.08))),
        turn=float(generator.uniform(0.02, 0.10)),
        uneven=float(generator.uniform(0.02, 0.10)),
        spacing=float(generator.uniform(0.12, 0.40)),
        touching=style.touching,
    )


def _asides(layout: Layout, hand: Hand, size: tuple[int, int], generator: np.random.Generator) -> list[Marked]:
    taken_places = _cover([written.ink for line in layout.lines for written in line], size) > 0
    for mark in layout.marks:
        left, top, width, height = mark.ink.box
        taken_places[max(0, top) : top + height, max(0, left) : left + width] = True
    for left, top, width, height in layout.cells:
        taken_places[top : top + height, left : left + width] = True
    marks: list[Marked] = []
    for _ in range(int(generator.integers(1, 5))):
        found = aside(hand, taken_places, generator)
        if found is not None:
            left, top, width, height = found.ink.box
            taken_places[top : top + height, left : left + width] = True
            marks.append(found)
    return marks


def _cover(inks: list[Ink], size: tuple[int, int]) -> Array:
    """Return what several inks hide of a page: (h, w) of uint8."""
    cover = np.zeros((size[1], size[0]), np.uint8)
    for ink in inks:
        top, left = max(0, ink.top), max(0, ink.left)
        part = cover[top : ink.top + ink.cover.shape[0], left : ink.left + ink.cover.shape[1]]
        inked = ink.cover[top - ink.top :, left - ink.left :][: part.shape[0], : part.shape[1]]
        np.maximum(part, inked, out=part)
    return cover


def _print(page: list[Array], name: str, layout: Layout, height: float, generator: np.random.Generator) -> None:
    """Print lines, squares or boxes on the page, and on some lined pages a margin."""
    form = name in ("boxed", "frame")
    colours = FORMS if form else RULES
    thick = int(generator.integers(1, 4 if form else 3))
    cover = np.zeros_like(page[0], np.uint8)
    PRINTS[name](cover, layout, height, thick, generator)
    strength = float(generator.uniform(0.5, 1.0) if form else generator.uniform(0.35, 0.9))
    lay(page, cover, colours[int(generator.integers(len(colours)))], strength)
    if name in ("lined", "ledger") and generator.random() < 0.4:
        cover[:] = 0
        x = round(cover.shape[1] * float(generator.uniform(0.03, 0.14)))
        cover[:, x : x + thick] = 255
        lay(page, cover, MARGINS[int(generator.integers(len(MARGINS)))], strength)


def _ink_colour(nib: Nib, paper: Colour, generator: np.random.Generator) -> Colour:
    """Return a colour that can be seen on the paper."""
    visible = [colour for colour in nib.colours if max(map(_difference, colour, paper)) >= LEAST_CONTRAST]
    assert visible, f"a colour of {nib.colours} to be seen on {paper}"
    return visible[int(generator.integers(len(visible)))]


def _difference(one: int, other: int) -> int:
    return abs(one - other)


def _corners(inks: list[Ink]) -> Array:
    boxes = np.array([ink.box for ink in inks])
    low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    return np.concatenate([low, high, np.stack([low[:, 0], high[:, 1]], 1), np.stack([high[:, 0], low[:, 1]], 1)])


def _truth(layout: Layout, stains: tuple[Marked, ...], homography: Array, size: tuple[int, int]) -> PageTruth:
    lines = []
    for written in layout.lines:
        digits = []
        for digit in written:
            box = digit.ink.seen(homography, size)
            assert box is not None, "the camera to see every digit"
            digits.append(MadeDigit(digit.label, box, digit.touches))
        lines.append(MadeLine(tuple(digits)))
    marked = [(mark.kind, mark.ink.seen(homography, size)) for mark in (*layout.marks, *stains)]
    return PageTruth(tuple(lines), tuple(MadeMark(kind, box) for kind, box in marked if box is not None))
