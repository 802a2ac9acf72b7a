"""The networks that come with the package, as safetensors in the folder ``models``."""

from __future__ import annotations

import functools
from importlib import resources

from glassnet import formats
from glassnet.errors import OptionError
from glassnet.network import Network

# One for now: 784-50-100-10, the sizes of the textbook's, trained by the recipe of this project.
MODELS = ("digits",)


@functools.cache
def load_model(name: str = "digits") -> Network:
    """Return a shipped network by name; it is read once. Raises OptionError for a name not in ``MODELS``."""
    if name not in MODELS:
        raise OptionError(f"there is no shipped model {name!r}", hint=f"choose one of: {', '.join(MODELS)}")
    with resources.as_file(resources.files("glassnet.digits") / "models" / f"{name}.safetensors") as path:
        return formats.load(path)
