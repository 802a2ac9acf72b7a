"""The kinds of pages: a table of what each may be made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from glassnet.digits.pages.camera import LIGHTS, SHOTS
from glassnet.digits.pages.layout import LAYOUTS
from glassnet.digits.pages.paper import NIBS, PAPERS, PRINTS, Range
from glassnet.errors import OptionError


@dataclass(frozen=True)
class Look:
    """What a picture of paper may be made of; each choice as likely as the others, a name given twice twice as likely.

    Raises OptionError where a name is in no table or a number is out of its range.
    """

    papers: tuple[str, ...] = ("white", "white", "cream", "recycled")
    nibs: tuple[str, ...] = ("felt", "ballpoint", "gel", "pencil")
    prints: tuple[str, ...] = ("nothing",)
    lights: tuple[str, ...] = ("even", "gradient")
    shots: tuple[str, ...] = ("scan", "flat")

    def __post_init__(self) -> None:
        for field, known in _TABLES.items():
            if hasattr(self, field):
                _check_names(field, getattr(self, field), known)


@dataclass(frozen=True)
class PageStyle(Look):
    """What a page may be made of.

    heights: of the digits, in pixels of the flat page. sides: the page's, in pixels. touching: the share of digits that
    touch the one before in their number. marked: the share of pages with marks that are no digits.
    """

    layouts: tuple[str, ...] = ("one row", "rows", "rows", "columns", "scattered")
    heights: Range = (36.0, 100.0)
    sides: tuple[int, int] = (800, 1600)
    touching: float = 0.0
    marked: float = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in ("touching", "marked"):
            value = getattr(self, field)
            if not 0 <= value <= 1:
                raise OptionError(f"{field} must lie from 0 to 1, found {value}")
        if not 8 <= self.heights[0] <= self.heights[1]:
            raise OptionError(
                f"heights of digits must be two numbers of pixels, 8 or more, rising; found {self.heights}"
            )
        if not (8 * self.heights[1] <= self.sides[0] <= self.sides[1] <= 4000):
            raise OptionError(
                f"sides of a page must be two numbers of pixels, rising, from 8 digits' height "
                f"({8 * self.heights[1]:g}) to 4000; found {self.sides}"
            )


# Field of a style → the table its names are in.
_TABLES: Mapping[str, Iterable[str]] = MappingProxyType(
    {"papers": PAPERS, "nibs": NIBS, "prints": PRINTS, "lights": LIGHTS, "shots": SHOTS, "layouts": LAYOUTS}
)


def _check_names(field: str, names: tuple[str, ...], known: Iterable[str]) -> None:
    known = tuple(known)
    for name in names:
        if name not in known:
            raise OptionError(f"no {field} called {name!r}", hint=f"one of {', '.join(known)}")
    if not names:
        raise OptionError(f"{field} names nothing to choose from", hint=f"some of {', '.join(known)}")


_PAPER_KINDS = ("white", "white", "cream", "recycled")

KINDS: Mapping[str, PageStyle] = MappingProxyType(
    {
        "plain": PageStyle(),
        "lined": PageStyle(prints=("lined",), layouts=("rows", "rows", "one row", "columns")),
        "squared": PageStyle(prints=("squared",), layouts=("rows", "rows", "one row", "columns", "scattered")),
        "boxed": PageStyle(prints=("boxed",), layouts=("comb", "table")),
        "shadow": PageStyle(lights=("soft shadow", "hard shadow"), shots=("flat", "flat", "scan")),
        "phone": PageStyle(
            papers=(*_PAPER_KINDS, "card"),
            prints=("nothing", "nothing", "lined", "squared"),
            lights=("gradient", "gradient", "soft shadow", "hard shadow"),
            shots=("phone",),
            heights=(44.0, 110.0),
            sides=(1200, 1900),
            touching=0.02,
        ),
        "touching": PageStyle(touching=0.4, layouts=("one row", "rows", "rows", "columns")),
        "thin": PageStyle(nibs=("fine", "fine", "fine pencil", "faded")),
        "small": PageStyle(heights=(15.0, 26.0), nibs=("felt", "ballpoint", "gel", "pencil"), sides=(500, 1000)),
        "light_on_dark": PageStyle(papers=("board", "black", "screen"), nibs=("chalk", "white", "white felt")),
        "coloured": PageStyle(
            papers=("white", "cream", "card", "card"), nibs=("coloured", "coloured felt", "ballpoint")
        ),
    }
)
