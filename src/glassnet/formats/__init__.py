"""Parameters on disk: files of several formats, read as data and never executed.

>>> import glassnet, tempfile
>>> network = glassnet.Network([glassnet.Dense([[1.0], [2.0]], [0.5], "relu")])
>>> with tempfile.TemporaryDirectory() as folder:
...     save(network, f"{folder}/net.npz")
...     load(f"{folder}/net.npz")([3, 4])
array([11.5])
"""

from glassnet.formats.contents import Contents, Global
from glassnet.formats.files import ArrayInfo, Inspection, inspect, load, save
from glassnet.formats.keras.live import from_keras
from glassnet.formats.onnx import from_onnx
from glassnet.formats.pytorch.live import from_torch
from glassnet.formats.sklearn.live import from_sklearn
from glassnet.formats.table import FORMATS, Format

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
