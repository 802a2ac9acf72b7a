"""The commands put together, and the entry point."""

from __future__ import annotations

import os
import sys
from typing import Annotated, NoReturn

import typer

import glassnet
from glassnet.cli import bench, convert, evaluate, explain, inspect, ladder, plot, read, train, tune
from glassnet.cli.errors import BAD_INPUT, NOBODY_READS, ExitCodes, complain

app = typer.Typer(
    cls=ExitCodes,
    # Plain help: it pipes and it starts 0.1 s sooner than Rich's boxes.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"glassnet {glassnet.__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def glassnet_command(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Read handwritten digits with a neural network you can see through."""
    if context.invoked_subcommand is None:
        print(context.get_help())


for command in (
    read.read,
    explain.explain,
    evaluate.evaluate,
    ladder.models,
    train.train,
    tune.tune,
    inspect.inspect,
    convert.convert,
    bench.bench,
):
    app.command()(command)
app.add_typer(plot.app, name="plot")


def main() -> NoReturn:
    """Run the command line; the process ends with one of the exit codes listed in ``glassnet.cli.errors``."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    unwritten = False
    try:
        code = typer.main.get_command(app).main(prog_name="glassnet", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        code = NOBODY_READS
    except OSError as error:  # what was printed did not all fit on the disk
        complain(error.strerror or str(error))
        code, unwritten = BAD_INPUT, True
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        hint = f"{context.command_path} --help shows what it takes" if context else ""
        complain(error.format_message().rstrip("."), hint=hint)
        code = error.exit_code
    if unwritten or code == NOBODY_READS:  # Python flushes once more when it ends, and must not fail again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)
