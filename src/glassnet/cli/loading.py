"""The options by which a command is told what a file of parameters does not say; those of ``glassnet.load``."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Any

import typer

from glassnet.errors import OptionError


def _numbers(text: str, name: str) -> list[float]:
    try:
        return [float(Fraction(part)) if "/" in part else float(part) for part in text.split(",")]
    except (ValueError, ZeroDivisionError):
        raise OptionError(
            f"--{name} {text}: expected a number such as 0.1307 or 1/255, or several with commas"
        ) from None


ActivationOption = Annotated[
    str | None,
    typer.Option("--activation", metavar="NAME", help="The activation of hidden layers, where the file does not say."),
]
HiddenOption = Annotated[str | None, typer.Option("--hidden", metavar="NAME", help="The same as --activation.")]
OutputOption = Annotated[
    str | None,
    typer.Option("--output", metavar="NAME", help="The activation of the last layer, where the file does not say."),
]
PartOption = Annotated[
    list[str] | None,
    typer.Option("--part", metavar="NAME", help="How the names of the layers to take begin; may be given again."),
]
OrientationOption = Annotated[
    str, typer.Option("--orientation", metavar="WAY", help="outputs_inputs or inputs_outputs: how the weights lie.")
]
ScaleOption = Annotated[
    str | None, typer.Option("--scale", metavar="X", help="What raw integers are multiplied by, such as 1/255.")
]
MeanOption = Annotated[
    str | None,
    typer.Option(
        "--mean", metavar="X", help="What is subtracted from the scaled inputs; one number, or one a feature."
    ),
]
StdOption = Annotated[str | None, typer.Option("--std", metavar="X", help="What the inputs are divided by after that.")]
WeightsOption = Annotated[
    str | None, typer.Option("--weights", metavar="FILE", help="Where the arrays of a Keras model.json are.")
]


def given(
    *,
    activation: str | None = None,
    hidden: str | None = None,
    output: str | None = None,
    part: list[str] | None = None,
    orientation: str = "",
    scale: str | None = None,
    mean: str | None = None,
    std: str | None = None,
    weights: str | None = None,
) -> Any:
    """Return the options that were given, as ``glassnet.load`` takes them; raise OptionError for what is no number."""
    found: dict[str, Any] = {
        "activation": activation,
        "hidden": hidden,
        "output": output,
        "part": part or None,
        "orientation": orientation or None,
        "weights": weights,
    }
    for name, text in (("scale", scale), ("mean", mean), ("std", std)):
        if text is None:
            continue
        numbers = _numbers(text, name)
        if name == "scale" and len(numbers) > 1:
            raise OptionError(f"--scale {text}: expected one number")
        found[name] = numbers[0] if len(numbers) == 1 else numbers
    return {name: value for name, value in found.items() if value is not None}
