"""Fuzz the reader of .mat files."""

from __future__ import annotations

from fuzzing import main, reading  # isort: skip  # it puts the tests on the path

from attacks import containers

if __name__ == "__main__":
    hostile = [content for name, content in containers.ATTACKS.items() if name.endswith(".mat")]
    main(reading("matlab"), [*containers.GOOD["mat"], *(content for content in hostile if len(content) < 20_000)])
