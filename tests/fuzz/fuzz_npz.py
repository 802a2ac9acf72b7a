"""Fuzz the reader of .npz files."""

from __future__ import annotations

from fuzzing import main, reading  # isort: skip  # it puts the tests on the path

from attacks import archives

if __name__ == "__main__":
    hostile = [content for name, content in archives.ATTACKS.items() if name.endswith("npz") and len(content) < 4000]
    main(reading("npz"), [archives.good_npz(), *hostile])
