"""glassnet: a feed-forward neural network you can see through.

>>> import glassnet
>>> network = glassnet.Network([glassnet.Dense([[0.5], [0.5]], [-0.7], "step")])
>>> network([1, 1])
array([1.])

``import glassnet`` loads NumPy and nothing heavier; rooms with other libraries are loaded when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from glassnet import activations
from glassnet.activations import ACTIVATIONS, Activation
from glassnet.errors import GlassnetError
from glassnet.network import Dense, Input, Network, Trace

if TYPE_CHECKING:
    from glassnet import datasets, digits, formats, reading, training
    from glassnet.formats import from_keras, from_onnx, from_sklearn, from_torch, load, save
    from glassnet.reading import read

__version__ = "0.1.0"

# Public name → the room it lives in; looked up at first use.
_LATER = {
    "from_keras": "glassnet.formats",
    "from_onnx": "glassnet.formats",
    "from_sklearn": "glassnet.formats",
    "from_torch": "glassnet.formats",
    "load": "glassnet.formats",
    "read": "glassnet.reading",
    "save": "glassnet.formats",
    "datasets": "",
    "digits": "",
    "formats": "",
    "plots": "",
    "reading": "",
    "training": "",
}

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "Dense",
    "GlassnetError",
    "Input",
    "Network",
    "Trace",
    "activations",
    "datasets",
    "digits",
    "formats",
    "from_keras",
    "from_onnx",
    "from_sklearn",
    "from_torch",
    "load",
    "read",
    "reading",
    "save",
    "training",
]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'glassnet' has no attribute {name!r}")
    room = _LATER[name]
    return getattr(importlib.import_module(room), name) if room else importlib.import_module(f"glassnet.{name}")


def __dir__() -> list[str]:
    return sorted(__all__)
