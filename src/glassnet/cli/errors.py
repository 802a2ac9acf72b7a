"""How the command line speaks of what went wrong: on stderr, in one line, with a hint, without a traceback.

    0    done
    1    a bad input: a file, a picture, a model
    2    a bad command line: an unknown option, a value out of its range
    130  stopped by Ctrl-C (128 + SIGINT)
    141  whoever read our output has left (128 + SIGPIPE), as in ``glassnet read folder | head -1``

A fault of our own is none of these and keeps its traceback.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from glassnet.errors import GlassnetError, OptionError

BAD_INPUT = 1
BAD_USAGE = 2
STOPPED = 130
NOBODY_READS = 141

_HEADLINES = {False: "error: ", True: "\033[1;31merror:\033[0m "}


def complain(problem: Exception | str, *, hint: str = "", about: str = "") -> None:
    """Print ``error: …`` on stderr and, below an empty line, ``hint: …`` where there is one.

    about: the file it is about, which is named where the message does not name it itself.
    """
    if isinstance(problem, GlassnetError):
        message, hint = problem.message, problem.hint
    elif isinstance(problem, OSError) and problem.strerror:
        named = "" if problem.filename is None else f"{os.fsdecode(problem.filename)}: "
        message = f"{named}{problem.strerror}"
    else:
        message = str(problem)
    if about not in message:
        message = f"{about}: {message}"
    coloured = sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    print(_HEADLINES[coloured] + printable(message), file=sys.stderr)
    if hint:
        print(f"\nhint: {printable(hint)}", file=sys.stderr)


def printable(text: object) -> str:
    """Return ``text`` as one line that cannot steer the terminal: a file may be called anything."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


class ExitCodes(TyperGroup):
    """The commands, with every expected error turned into its message and exit code."""

    def invoke(self, ctx: Any) -> Any:  # Typer's public Context is narrower than what it promises to take
        """Run the chosen command."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise typer.Exit(NOBODY_READS) from None
        except OptionError as error:
            complain(error)
            raise typer.Exit(BAD_USAGE) from None
        except (GlassnetError, OSError) as error:
            complain(error)
            raise typer.Exit(BAD_INPUT) from None
        except MemoryError as error:
            complain(f"not enough memory: {error}" if str(error) else "not enough memory")
            raise typer.Exit(BAD_INPUT) from None
