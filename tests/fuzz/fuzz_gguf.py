"""Fuzz the reader of .gguf files."""

from __future__ import annotations

from fuzzing import main, reading  # isort: skip  # it puts the tests on the path

from attacks import containers

if __name__ == "__main__":
    hostile = [content for name, content in containers.ATTACKS.items() if name.endswith(".gguf")]
    main(reading("gguf"), [*containers.GOOD["gguf"], *(content for content in hostile if len(content) < 20_000)])
