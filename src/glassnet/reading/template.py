"""A form: boxes with names on a sheet, and what is known of the number in each.

    page = [210, 297]                 # width and height, in any unit: here the millimetres of A4
    marks = [[15, 15], [195, 15], [195, 282], [15, 282]]    # left out: the sheet is known by its corners

    [fields.student]
    box = [30, 40, 80, 14]            # left, top, width, height, in the same unit
    length = 8
    check = "luhn"

    [fields.points]
    box = [150, 40, 40, 14]
    range = [0, 100]
    optional = true                   # may be left empty

``page = [1, 1]`` makes the numbers fractions of the sheet. TOML 1.0, read by tomllib.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from glassnet.errors import FileFormatError, GlassnetError, MissingFileError
from glassnet.reading.fields import Field, read_choices

COLUMNS = {"picture": str, "page": int}
KEYS = {"page", "marks", "fields"}
FIELD_KEYS = {"box", "length", "range", "check", "choices", "optional"}


@dataclass(frozen=True)
class Place:
    """A box of a form, in its unit, what is known of the number in it, and whether it may be empty."""

    box: tuple[float, ...]
    field: Field
    optional: bool = False


@dataclass(frozen=True)
class Template:
    """A form. size: its width and height. marks: the centres of its four marks, clockwise from the left upper one."""

    size: tuple[float, float]
    places: Mapping[str, Place]
    marks: tuple[tuple[float, float], ...] | None = None


def load_template(path: str | os.PathLike[str]) -> Template:
    """Return the form that a TOML file describes.

    Raises MissingFileError where there is no such file, FileFormatError naming the key that is wrong.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            content = tomllib.load(file)
    except FileNotFoundError:
        raise MissingFileError(f"reading {path}: there is no such file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FileFormatError(f"reading {path}: not TOML: {error}") from None
    try:
        return _template(content, path.parent)
    except _WrongKeyError as error:
        raise FileFormatError(f"reading {path}: {error.args[0]}", hint=error.args[1]) from None


class _WrongKeyError(Exception):
    """A key that is wrong, and a hint."""


def _template(content: Mapping[str, Any], folder: Path) -> Template:
    _known("", content, KEYS)
    width, height = _numbers("page", content.get("page"), 2)
    if not (width > 0 and height > 0):
        raise _WrongKeyError(f"page: width and height must be above 0, found {width:g} × {height:g}", "")
    marks = content.get("marks")
    if marks is not None:
        if not isinstance(marks, list) or len(marks) != 4:
            raise _WrongKeyError("marks: expected four points", "[[15, 15], [195, 15], [195, 282], [15, 282]]")
        marks = tuple(_numbers("marks", point, 2) for point in marks)
        if not _clockwise(marks):
            raise _WrongKeyError("marks: expected clockwise from the left upper one", "")
    places = content.get("fields")
    if not isinstance(places, dict) or not places:
        raise _WrongKeyError("there are no fields", "[fields.NAME] with box = [left, top, width, height] each")
    return Template(
        (width, height), {name: _place(name, places[name], (width, height), folder) for name in places}, marks
    )


def _place(name: str, given: Any, size: tuple[float, float], folder: Path) -> Place:
    key = f"fields.{name}"
    if name in COLUMNS or not isinstance(given, dict):
        raise _WrongKeyError(f"{key}: " + ("a column has this name" if name in COLUMNS else "expected a table"), "")
    _known(f"{key}: ", given, FIELD_KEYS)
    box = _numbers(f"{key}.box", given.get("box"), 4)
    left, top, width, height = box
    if min(left, top) < 0 or min(width, height) <= 0 or left + width > size[0] or top + height > size[1]:
        raise _WrongKeyError(
            f"{key}.box: {list(box)} does not lie on the page, {size[0]:g} × {size[1]:g}", "left, top, width, height"
        )
    length, check, choices = given.get("length"), given.get("check"), given.get("choices", ())
    bounds = _numbers(f"{key}.range", given["range"], 2) if "range" in given else None
    for part, value, kinds in (
        ("length", length, int),
        ("check", check, str),
        ("choices", choices, str | list | tuple),
    ):
        if value is not None and (not isinstance(value, kinds) or isinstance(value, bool)):
            raise _WrongKeyError(f"{key}.{part}: found {value!r}", 'length = 8, check = "luhn", choices = "rooms.csv"')
    optional = given.get("optional", False)
    if not isinstance(optional, bool):
        raise _WrongKeyError(f"{key}.optional: expected true or false, found {optional!r}", "")
    try:
        listed = read_choices(folder / choices) if isinstance(choices, str) else tuple(map(str, choices))
        return Place(box, Field(length, (bounds[0], bounds[1]) if bounds else None, check, listed), optional)
    except GlassnetError as error:
        raise _WrongKeyError(f"{key}: {error.message}", error.hint) from None


def _known(where: str, given: Mapping[str, Any], keys: set[str]) -> None:
    for key in given:
        if key not in keys:
            raise _WrongKeyError(f"{where}unknown key {key!r}", f"there are: {', '.join(sorted(keys))}")


def _numbers(key: str, given: Any, count: int) -> tuple[float, ...]:
    whole = isinstance(given, list) and len(given) == count
    if not whole or not all(
        isinstance(one, int | float) and not isinstance(one, bool) and isfinite(one) for one in given
    ):
        raise _WrongKeyError(f"{key}: expected {count} numbers, found {given!r}", "")
    return tuple(given)


def _clockwise(points: Sequence[tuple[float, ...]]) -> bool:
    (a, b, c, d) = points
    return a[0] < b[0] and d[0] < c[0] and a[1] < d[1] and b[1] < c[1]
