"""Recipes: everything that decides how a digit network is trained, as a table that can be kept beside it.

    layers = [50, 100]              # hidden neurons; 784 before, 10 after
    activation = "relu"
    epochs = 30
    average = 0.999

    [loss]
    kind = "cross_entropy"
    smoothing = 0.05

    [optimizer]
    kind = "adamw"
    rate = { kind = "one_cycle", peak = 0.003 }

    [[augment]]
    kind = "affine"
    turn_degrees = 12

A ``kind`` is a name in the tables of losses, optimizers, schedules and distortions; the other keys beside it are that
choice's own options. What is left out has its default; a key that is not known is refused, with the nearest that is.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

from glassnet import formats
from glassnet.digits.augment import DISTORTIONS
from glassnet.digits.finish import restricted
from glassnet.digits.models import MODELS, load_model
from glassnet.digits.recipe import NotDigits, Recipe
from glassnet.errors import FileFormatError, MissingFileError, OptionError
from glassnet.network import Network
from glassnet.training import LOSSES, OPTIMIZERS, SCHEDULES, CrossEntropy, Distillation
from glassnet.training.options import BELOW_1, real, whole

Table: TypeAlias = Mapping[str, Any]


def read_table(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what a TOML file says; raises MissingFileError or FileFormatError."""
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        raise MissingFileError(f"reading {path}: there is no such file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FileFormatError(f"reading {path}: not a recipe in TOML: {error}") from None


def read_recipe(path: str | os.PathLike[str]) -> Recipe:
    """Return the recipe in a TOML file. A teacher is looked for beside the file."""
    return make_recipe(read_table(path), where=str(path), folder=Path(path).parent)


def make_recipe(table: Table, *, where: str = "recipe", folder: Path | None = None) -> Recipe:
    """Return the recipe that a table describes; raises OptionError, naming what in ``where`` it is about."""
    known = {entry.name for entry in dataclasses.fields(Recipe)}
    _refuse_unknown(table, known, where)
    chosen = dict(table)
    for name, choices in _CHOICES.items():
        if name in chosen:
            chosen[name] = _choice(chosen[name], choices, f"{where}: {name}", folder)
    if "augment" in chosen:
        steps = _typed(chosen["augment"], list, f"{where}: augment", "a list of tables: [[augment]]")
        chosen["augment"] = tuple(
            _choice(step, ("distortion", DISTORTIONS), f"{where}: augment", folder) for step in steps
        )
    if "not_digits" in chosen:
        options = _typed(chosen["not_digits"], dict, f"{where}: not_digits", "a table: [not_digits]")
        chosen["not_digits"] = _choice(
            {"kind": "not_digits", **options}, ("", {"not_digits": NotDigits}), f"{where}: not_digits", folder
        )
    if "layers" in chosen:
        layers = _typed(chosen["layers"], list, f"{where}: layers", "a list of numbers such as [50, 100]")
        chosen["layers"] = tuple(whole(f"{where}: layers", size, 1) for size in layers)
    for name, kind, what in _PLAIN:
        if name in chosen:
            _typed(chosen[name], kind, f"{where}: {name}", what)
    for name, least in (("members", 1), ("calibrate", 0), ("drawn", 0)):
        whole(f"{where}: {name}", chosen.get(name, least), least)
    for name in ("hold_out", "dropout"):
        real(f"{where}: {name}", chosen.get(name, 0.0), BELOW_1)
    recipe = Recipe(**chosen)
    if isinstance(recipe.loss, Distillation):
        teacher = restricted(recipe.loss.teacher, recipe.labels)
        recipe = dataclasses.replace(recipe, loss=dataclasses.replace(recipe.loss, teacher=teacher))
    return recipe


# Key of a recipe → what it must be, in Python and in words.
_PLAIN = (("activation", str, "a text"), ("normalise", bool, "true or false"), ("half", bool, "true or false"))
# Key of a recipe → what is chosen there, and from which table.
_CHOICES: Mapping[str, tuple[str, Mapping[str, type]]] = MappingProxyType(
    {"loss": ("loss", LOSSES), "optimizer": ("optimizer", OPTIMIZERS)}
)
# Option of a choice → the same, for options that are choices themselves.
_INNER: Mapping[str, tuple[str, Mapping[str, type]]] = MappingProxyType(
    {
        "rate": ("schedule", SCHEDULES),
        "then": ("schedule", SCHEDULES),
        "labels": ("loss", MappingProxyType({"cross_entropy": CrossEntropy})),
    }
)


def _choice(given: Any, choices: tuple[str, Mapping[str, type]], where: str, folder: Path | None) -> Any:
    """Return the object that a table with a ``kind`` describes."""
    what, table = choices
    options = dict(_typed(given, dict, where, f'a table with a kind: {{ kind = "{next(iter(table))}" }}'))
    name = options.pop("kind", None)
    if name not in table:
        found = f"unknown {what} {name!r}" if name is not None else f"{where}: a kind is missing"
        raise OptionError(found, hint=f"one of {', '.join(table)}")
    fields = {entry.name: entry for entry in dataclasses.fields(table[name]) if entry.init}
    _refuse_unknown(options, set(fields), f"{where} ({name})")
    for key, value in options.items():
        if key == "teacher":
            options[key] = _teacher(value, where, folder)
        elif isinstance(value, dict) and key in _INNER:
            options[key] = _choice(value, _INNER[key], f"{where}: {key}", folder)
        elif isinstance(value, list):
            options[key] = tuple(value)
    missing = [key for key, entry in fields.items() if key not in options and entry.default is dataclasses.MISSING]
    if missing:
        raise OptionError(f"{where} ({name}): {missing[0]!r} is missing")
    try:
        return table[name](**options)
    except TypeError as error:  # a text where numbers are compared
        raise OptionError(f"{where} ({name}): {error}") from None


def _teacher(given: Any, where: str, folder: Path | None) -> Network:
    name = _typed(given, str, f"{where}: teacher", "the name of a shipped model or a file")
    if name in MODELS:
        return load_model(name)
    place = (folder or Path()) / name
    if not place.exists():
        recipe = place.with_suffix(".toml")
        hint = f"its recipe makes it: glassnet train {recipe} -o {place}" if recipe.exists() else ""
        raise MissingFileError(f"{where}: teacher: there is no file {place}", hint=hint)
    return formats.load(place)


def _typed(value: Any, kind: type, where: str, what: str) -> Any:
    if not isinstance(value, kind):
        raise OptionError(f"{where}: expected {what}, found {value!r}")
    return value


def _refuse_unknown(table: Table, known: set[str], where: str) -> None:
    for key in table:
        if key not in known:
            [nearest] = difflib.get_close_matches(key, sorted(known), n=1, cutoff=0.0) or ["kind"]
            raise OptionError(
                f"{where}: there is no option {key!r}; the nearest is {nearest!r}",
                hint=f"known here: {', '.join(sorted(known))}",
            )


def toml(table: Table) -> str:
    """Return a table as TOML, in one line for each key; None is left out.

    >>> print(toml({"epochs": 3, "loss": {"kind": "cross_entropy"}, "augment": [{"kind": "blur"}]}), end="")
    epochs = 3
    loss = { kind = "cross_entropy" }
    augment = [{ kind = "blur" }]
    """
    return "".join(f"{key} = {_toml(value)}\n" for key, value in table.items() if value is not None)


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        inner = ", ".join(f"{key} = {_toml(item)}" for key, item in value.items() if item is not None)
        return f"{{ {inner} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    # JSON's texts are TOML's, but for the one character that TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f") if isinstance(value, str) else repr(value)
