"""``glassnet inspect``: what lies in a file of parameters, without running any of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from glassnet.cli.errors import BAD_INPUT, complain, printable
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
from glassnet.cli.output import print_json
from glassnet.network import Network

if TYPE_CHECKING:
    from glassnet.formats import Inspection


def inspect(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A file of parameters, of any origin.")],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False,
    activation: ActivationOption = None,
    hidden: HiddenOption = None,
    output: OutputOption = None,
    part: PartOption = None,
    orientation: OrientationOption = "",
    scale: ScaleOption = None,
    mean: MeanOption = None,
    std: StdOption = None,
    weights: WeightsOption = None,
) -> None:
    """Show what a file of parameters holds, and what it would do.

    Prints its format, its arrays, the network they make, what was folded or left out on the way, how raw inputs are
    scaled and, for a pickle, each global it asks for with its byte offset. The file is read as data; nothing in it is
    executed. The exit code is 1 where it would be refused.
    """
    from glassnet import formats  # noqa: PLC0415  brings safetensors, which the other commands go without

    options = given(
        activation=activation, hidden=hidden, output=output, part=part, orientation=orientation, scale=scale, mean=mean,
        std=std, weights=weights,
    )  # fmt: skip
    found = formats.inspect(file, **options)
    if json:
        print_json(_as_json(file, found))
    else:
        _print(file, found)
    if found.problem:
        complain(f"reading {file}: {found.problem}", hint=found.hint)
        raise typer.Exit(BAD_INPUT)


def _print(file: str, found: Inspection) -> None:
    print(f"{printable(file)}: {found.format}")
    if found.globals:
        print("\nglobals it asks for, none of them imported or called")
        for wanted in found.globals:
            print(f"  byte {wanted.offset:>8,}  {'allowed' if wanted.allowed else 'REFUSED'}  {printable(wanted.name)}")
    if found.arrays:
        print("\narrays")
        width = max(len(printable(array.name)) for array in found.arrays)
        for array in found.arrays:
            print(f"  {printable(array.name):<{width}}  {array.dtype!s:<8} {' × '.join(map(str, array.shape))}")
    if found.network is not None:
        print("\nnetwork", *map(printable, found.network.summary().splitlines()), sep="\n")
        for entry in found.network.inputs:
            if (entry.scale, entry.shift) != (1.0, 0.0):
                print(f"integers given as '{printable(entry.name)}' are raw: x · {entry.scale:g} + {entry.shift:g}")
    if found.notes:
        print("\nfolded, left out or left aside")
        for note in found.notes:
            print(f"  {printable(note)}")
    if found.assumed:
        print(f"assumed, because the file does not say: {found.assumed}")


def _as_json(file: str, found: Inspection) -> dict[str, Any]:
    return {
        "path": file,
        "format": found.format,
        "problem": found.problem or None,
        "hint": found.hint or None,
        "unsafe": found.unsafe,
        "globals": [{"name": w.name, "offset": w.offset, "allowed": w.allowed} for w in found.globals],
        "arrays": [{"name": a.name, "shape": a.shape, "dtype": str(a.dtype)} for a in found.arrays],
        "notes": found.notes,
        "assumed": found.assumed or None,
        "network": None if found.network is None else _network_as_json(found.network),
    }


def _network_as_json(network: Network) -> dict[str, Any]:
    return {
        "parameters": network.parameter_count,
        "dtype": str(network.dtype),
        "labels": network.labels,
        "inputs": [
            {"name": entry.name, "shape": entry.shape, "scale": entry.scale, "shift": entry.shift}
            for entry in network.inputs
        ],
        "outputs": [{"name": name, "shape": network.shapes[name]} for name in network.outputs],
        "steps": [
            {
                "name": step.name,
                "kind": step.KIND,
                "reads": sources,
                "shape": network.shapes[step.name],
                "activation": str(getattr(step, "activation", "")) or None,
                "parameters": sum(array.size for array in step.arrays.values()),
            }
            for step, sources in zip(network.steps, network.sources, strict=True)
        ],
    }
