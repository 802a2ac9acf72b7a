"""A C header: the weights as constant arrays, the shapes as macros, the activations in comments.

For those who write the loop themselves, on a microcontroller say. Weights lie row by row, ``W[inputs][outputs]``, as
in the chapter: ``a[j] = b[j] + Σ x[i] · W[i][j]``. It is written and not read again.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NoReturn

import numpy as np

from glassnet.errors import FileFormatError
from glassnet.formats.beginnings import C_HEADER
from glassnet.network import Dense, Input, Network, Step
from glassnet.network.steps import Array

_A_LINE = 8


def read(path: Path) -> NoReturn:
    """Raise FileFormatError: a C header is written, not read."""
    raise FileFormatError(
        "this is a C header, which is written and not read", hint="keep the network as .safetensors too"
    )


def write(network: Network) -> bytes:
    """Return the header: arrays of float, or of double where the network computes in float64."""
    lines = [C_HEADER, ""]
    lines += [
        f"   {_comment(entry.name)}: {_sizes(entry.shape)} values a row; raw integers x become {_scaling(entry)}"
        for entry in network.inputs
    ]
    for number, (step, sources) in enumerate(zip(network.steps, network.sources, strict=True), start=1):
        lines.append(_comment(f"   {number}. {step.name} = {_described(step)} of {', '.join(sources)}"))
    lines.append(_comment(f"   It answers {', '.join(network.outputs)}{_labels(network)}.") + " */")
    lines += ["", "#ifndef GLASSNET_NETWORK_H", "#define GLASSNET_NETWORK_H", ""]
    lines += [f"#define NETWORK_INPUTS {_count(network, network.inputs[0].name)}"]
    lines += [f"#define NETWORK_OUTPUTS {_count(network, network.outputs[0])}"]
    lines += [f"#define NETWORK_LAYERS {len(network.layers)}", ""]
    taken: set[str] = set()
    layer = 0
    for step in network.steps:
        if isinstance(step, Dense):
            layer += 1
            lines += [
                f"/* Layer {layer}: {_comment(str(step.activation))} */",
                f"#define LAYER{layer}_INPUTS {step.inputs}",
                f"#define LAYER{layer}_OUTPUTS {step.outputs}",
                *_array(f"W{layer}", step.weights, network),
                *_array(f"b{layer}", step.bias, network),
            ]
            continue
        for field, array in step.arrays.items():
            lines.append(f"/* {_comment(step.name)}: {_comment(_described(step))} */")
            lines += _array(_identifier(f"{step.name}_{field}", taken), array, network)
    lines += ["#endif", ""]
    return "\n".join(lines).encode()


def _array(name: str, array: Array, network: Network) -> list[str]:
    """Return a constant array of the shape of ``array``; each number is written so that it is read back exactly."""
    kind = "float" if network.dtype == np.float32 else "double"
    end = "f" if kind == "float" else ""
    shape = "".join(f"[{size}]" for size in array.shape) or "[1]"
    numbers = [_number(value, end) for value in array.astype(network.dtype).reshape(-1)]
    rows = [", ".join(numbers[at : at + _A_LINE]) for at in range(0, len(numbers), _A_LINE)]
    if array.ndim < 2:
        return [f"static const {kind} {name}{shape} = {{", *(f"    {row}," for row in rows), "};", ""]
    width = array.shape[-1]
    lines = [f"static const {kind} {name}{shape} = {'{' * (array.ndim - 1)}"]
    for at in range(0, len(numbers), width):
        row = numbers[at : at + width]
        lines.append("    {" + ", ".join(row) + "},")
    return [*lines, "}" * (array.ndim - 1) + ";", ""]


def _number(value: np.floating, end: str) -> str:
    text = np.format_float_scientific(value, unique=True, trim="0")
    return f"{text}{end}"


def _identifier(name: str, taken: set[str]) -> str:
    bare = re.sub(r"\W", "_", name, flags=re.ASCII)
    bare = bare if re.match(r"[A-Za-z]", bare) else f"step_{bare}"
    found, number = bare, 1
    while found in taken or re.fullmatch(r"[Wb]\d+", found):
        number += 1
        found = f"{bare}_{number}"
    taken.add(found)
    return found


def _comment(text: str) -> str:
    """Return text that cannot end a comment before its time, nor begin another."""
    return "".join(c if c.isprintable() and c != "\\" else "?" for c in text).replace("*/", "* /").replace("/*", "/ *")


def _described(step: Step) -> str:
    chosen = getattr(step, "activation", None)
    return f"{step.KIND} with {chosen}" if chosen is not None else step.KIND


def _sizes(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) or "1"


def _scaling(entry: Input) -> str:
    return f"x * {entry.scale!r} + {entry.shift!r}" if (entry.scale, entry.shift) != (1.0, 0.0) else "x"


def _count(network: Network, name: str) -> int:
    return int(np.prod(network.shapes[name], dtype=int))


def _labels(network: Network) -> str:
    return "" if network.labels is None else f", one of the labels {', '.join(map(str, network.labels))}"
