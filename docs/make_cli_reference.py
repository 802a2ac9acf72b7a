"""Writes docs/reference/cli.md from what the commands say of themselves: ``python docs/make_cli_reference.py``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from typer.testing import CliRunner

from glassnet.cli import app

PAGE = Path(__file__).parent / "reference" / "cli.md"

INTRODUCTION = """\
# The command line

This page is written by `docs/make_cli_reference.py` from the help of the commands.

What was asked for goes to standard output; errors and progress go to standard error. An error is one line, `error: …`,
and where something can be done about it a second one below an empty line, `hint: …`. Nothing is said by colour alone,
and `NO_COLOR` is honoured. `python -m glassnet` is the same command.

| exit code | |
|---|---|
| 0 | done |
| 1 | a bad input: a file, a picture, a model |
| 2 | a bad command line: an unknown option, a value out of its range |
| 130 | stopped by Ctrl-C; no file is half-written |
| 141 | whoever read the output has left, as in `glassnet read folder \\| head -1` |

`GLASSNET_DATA` names a folder with MNIST's files, or with a folder `mnist` that holds them; without it they are
downloaded once into the user's cache.

`--json` prints one object on one line (`read`: one a picture). Numbers of the network are written with the digits that
tell them from their neighbours; NaN and infinity become `null`.
"""


def commands(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Give the words of a command, then those of the commands below it."""
    yield words
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, (*words, name))


def section(words: tuple[str, ...]) -> str:
    """Return one command's part of the page."""
    arguments = [*words[1:], "--help"]
    # Typer leaves two columns free: this is what a terminal of 100 shows.
    done = CliRunner().invoke(app, arguments, prog_name=words[0], terminal_width=98, catch_exceptions=False)
    return f"\n## {' '.join(words)}\n\n```console\n$ {' '.join(words)} --help\n{done.stdout}```\n"


def page() -> str:
    """Return the page as it should be."""
    return INTRODUCTION + "".join(section(words) for words in commands(typer.main.get_command(app), ("glassnet",)))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
