"""The networks that come with the package, as safetensors in the folder ``models``, and what was measured of them."""

from __future__ import annotations

import functools
import json
from importlib import resources
from typing import Any

from glassnet import formats
from glassnet.errors import OptionError
from glassnet.network import Network

# The default first; the others from the best to the smallest.
MODELS = ("digits", "digits-small", "digits-sigmoid", "digits-tiny")


@functools.cache
def load_model(name: str = "digits") -> Network:
    """Return a shipped network by name; it is read once. Raises OptionError for a name not in ``MODELS``."""
    if name not in MODELS:
        hint = f"choose one of: {', '.join(MODELS)}"
        if name in model_cards():
            hint = f"it is built by its recipe, recipes/{name}.toml; {hint}"
        raise OptionError(f"there is no shipped model {name!r}", hint=hint)
    return shipped(name)


def shipped(name: str) -> Network:
    """Return the network of this name in the folder, be it one that names digits or one that helps to read pages."""
    with resources.as_file(resources.files("glassnet.digits") / "models" / f"{name}.safetensors") as path:
        return formats.load(path)


@functools.cache
def model_cards() -> dict[str, Any]:
    """Return what was measured of each model, by name: those that are shipped, and those that their recipes build.

    The figures are those of docs/models/, where they are explained.
    """
    return dict(json.loads((resources.files("glassnet.digits") / "models" / "cards.json").read_text("utf-8")))
