"""PyTorch's files, and live modules, as networks; only a live module needs PyTorch."""

from glassnet.formats.pytorch.live import from_torch
from glassnet.formats.pytorch.reading import globals_of, read, recognises
from glassnet.formats.pytorch.writing import write

__all__ = ["from_torch", "globals_of", "read", "recognises", "write"]
