"""``glassnet plot``: figures, as SVG or PNG; needs the extra ``plot``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()

Output = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where to draw: a .svg or .png file.")]


@app.callback(invoke_without_command=True)
def plot(context: typer.Context) -> None:
    """Draw figures, as SVG or PNG.

    Needs Matplotlib: pip install 'glassnet[plot]'.
    """
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command()
def activations(output: Output) -> None:
    """Draw every activation function.

    The step against the sigmoid comes first, then each function with its derivative.
    """
    from glassnet import plots  # noqa: PLC0415  Matplotlib takes a second to import

    plots.plot_activations(output)


@app.command()
def step_sigmoid(output: Output) -> None:
    """Draw the step against the sigmoid."""
    from glassnet import plots  # noqa: PLC0415

    plots.plot_step_sigmoid(output)
