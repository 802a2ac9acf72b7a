"""Fuzz the reader of .safetensors files."""

from __future__ import annotations

from fuzzing import main, reading  # isort: skip  # it puts the tests on the path

from attacks import archives

if __name__ == "__main__":
    hostile = [
        content for name, content in archives.ATTACKS.items() if name.endswith("tensors") and len(content) < 4000
    ]
    main(reading("safetensors"), [archives.good_safetensors(), *hostile])
