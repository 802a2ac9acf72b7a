"""PyTorch's files, and live modules, as networks; only a live module needs PyTorch."""
