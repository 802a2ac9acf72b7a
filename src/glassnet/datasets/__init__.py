"""Data sets: the IDX format, and MNIST as the textbook loads it."""

from glassnet.datasets.idx import IDX_DTYPES, read_idx, write_idx
from glassnet.datasets.mnist import load_mnist, read_mnist

__all__ = ["IDX_DTYPES", "load_mnist", "read_idx", "read_mnist", "write_idx"]
