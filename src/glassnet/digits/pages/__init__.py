"""Pages of handwritten digits made by the recipe, and what stands on them: to measure reading, to train, to test.

Real pages with their truth are few and belong to others. ``make_page`` makes as many as are wanted: digits written in
rows, columns, boxes, here and there, on many papers with many pens, in many lights, taken by a scanner or a phone.
Everything is drawn from ranges with the random numbers given, so that the same numbers make the same page.

The way of a page, a module each: ``ink`` makes digits, ``writing`` puts them side by side, ``layout`` says where,
``marks`` are what is no digit, ``paper`` is what they are written on, ``camera`` takes the picture, ``truth`` says what
stands on it; ``styles`` is the table of kinds, ``singles`` that of pictures of one digit.
"""

from glassnet.digits.pages.page import make_page
from glassnet.digits.pages.singles import SINGLES, SingleStyle, make_single
from glassnet.digits.pages.styles import KINDS, PageStyle
from glassnet.digits.pages.truth import Box, MadeDigit, MadeLine, MadeMark, MadePage, PageTruth

__all__ = [
    "KINDS",
    "SINGLES",
    "Box",
    "MadeDigit",
    "MadeLine",
    "MadeMark",
    "MadePage",
    "PageStyle",
    "PageTruth",
    "SingleStyle",
    "make_page",
    "make_single",
]
