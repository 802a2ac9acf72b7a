"""Which network a command means by ``--model``: one that is shipped, by name, or a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import typer

import glassnet
from glassnet.errors import MissingFileError, OptionError
from glassnet.network import Network

ModelOption = Annotated[
    str, typer.Option("--model", "-m", metavar="NAME|FILE", help="A shipped model's name, or a file of parameters.")
]
DEFAULT_MODEL = "digits"


def chosen_network(model: str, options: Mapping[str, Any] = MappingProxyType({})) -> Network:
    """Return the shipped network called ``model``, else the one in the file of that path, loaded with ``options``.

    Raises MissingFileError where it is neither, OptionError for options given to a shipped one, and what
    ``glassnet.load`` raises for a file that is bad.
    """
    if model in glassnet.digits.MODELS:
        if options:
            raise OptionError(f"--{next(iter(options))} cannot be used: the shipped model {model} says all of itself")
        return glassnet.digits.load_model(model)
    if not Path(model).exists():
        raise MissingFileError(
            f"no model is called {model}, and there is no file of that name",
            hint=f"shipped models: {', '.join(glassnet.digits.MODELS)}; or give the path of a file of parameters",
        )
    return glassnet.load(model, **options)
