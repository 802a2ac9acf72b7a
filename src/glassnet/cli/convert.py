"""``glassnet convert``: a network from one format of files to another."""

from __future__ import annotations

from typing import Annotated

import typer

from glassnet.cli.errors import printable
from glassnet.cli.loading import (
    ActivationOption,
    HiddenOption,
    MeanOption,
    OrientationOption,
    OutputOption,
    PartOption,
    ScaleOption,
    StdOption,
    WeightsOption,
    given,
)
from glassnet.errors import FileFormatError, UnsafeFileError


def convert(
    source: Annotated[str, typer.Argument(metavar="IN", help="A file of parameters, of any origin.")],
    target: Annotated[str, typer.Argument(metavar="OUT", help="The file to write; its suffix says the format.")],
    activation: ActivationOption = None,
    hidden: HiddenOption = None,
    output: OutputOption = None,
    part: PartOption = None,
    orientation: OrientationOption = "",
    scale: ScaleOption = None,
    mean: MeanOption = None,
    std: StdOption = None,
    weights: WeightsOption = None,
    half: Annotated[
        bool, typer.Option("--half", help="Round the parameters to half precision: half the size (.safetensors).")
    ] = False,
) -> None:
    """Write the network of one file as another.

    Prints both formats, the network, and what was folded or assumed on the way. Nothing in the file is executed, and
    OUT is replaced whole or not at all.
    """
    from glassnet import formats  # noqa: PLC0415  brings safetensors, which the other commands go without

    options = given(
        activation=activation, hidden=hidden, output=output, part=part, orientation=orientation, scale=scale, mean=mean,
        std=std, weights=weights,
    )  # fmt: skip
    found = formats.inspect(source, **options)
    if found.network is None:
        kind = UnsafeFileError if found.unsafe else FileFormatError
        raise kind(f"reading {source}: {found.problem}", hint=found.hint)
    formats.save(found.network, target, half=half)
    print(f"{printable(source)} ({found.format}) → {printable(target)} ({formats.inspect(target).format})")
    print(printable(repr(found.network)))
    for note in found.notes:
        print(f"note: {printable(note)}")
    if found.assumed:
        print(f"assumed, because the file does not say: {printable(found.assumed)}")
