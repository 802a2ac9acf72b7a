"""Parameters on disk: files of several formats, read as data and never executed.

>>> import glassnet, tempfile
>>> network = glassnet.Network([glassnet.Dense([[1.0], [2.0]], [0.5], "relu")])
>>> with tempfile.TemporaryDirectory() as folder:
...     save(network, f"{folder}/net.npz")
...     load(f"{folder}/net.npz")([3, 4])
array([11.5])
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from glassnet.formats.contents import Contents, Global
from glassnet.formats.files import ArrayInfo, Inspection, inspect, load, save
from glassnet.formats.table import FORMATS, Format

if TYPE_CHECKING:
    from glassnet.formats.keras.live import from_keras
    from glassnet.formats.onnx import from_onnx
    from glassnet.formats.pytorch.live import from_torch
    from glassnet.formats.sklearn.live import from_sklearn

# Public name → the module it lives in; looked up at first use.
_LATER = {
    "from_keras": "glassnet.formats.keras.live",
    "from_onnx": "glassnet.formats.onnx",
    "from_sklearn": "glassnet.formats.sklearn.live",
    "from_torch": "glassnet.formats.pytorch.live",
}

__all__ = [
    "FORMATS",
    "ArrayInfo",
    "Contents",
    "Format",
    "Global",
    "Inspection",
    "from_keras",
    "from_onnx",
    "from_sklearn",
    "from_torch",
    "inspect",
    "load",
    "save",
]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'glassnet.formats' has no attribute {name!r}")
    return getattr(importlib.import_module(_LATER[name]), name)
