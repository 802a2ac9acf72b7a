"""Fuzz the reader of PyTorch files: state_dicts in both containers, TorchScript, exported programs."""

from __future__ import annotations

from fuzzing import main, reading  # isort: skip  # it puts the tests on the path

from attacks import pytorch

if __name__ == "__main__":
    small = [content for content in pytorch.ATTACKS.values() if len(content) < 4000]
    main(reading("pytorch"), [*pytorch.GOOD.values(), *small])
