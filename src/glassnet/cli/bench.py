"""``glassnet bench``: how fast a network is on this machine, beside the runtimes that are installed."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from glassnet.cli.errors import printable
from glassnet.cli.models import DEFAULT_MODEL, chosen_network
from glassnet.cli.output import print_json
from glassnet.cli.progress import Progress
from glassnet.errors import OptionError
from glassnet.network import Input
from glassnet.network.steps import Array

if TYPE_CHECKING:
    from glassnet.benchmarking import Comparison, Engine

ROUNDS, SECONDS = 15, 0.01
MOST_ROWS = 1_000_000
_OURS = "glassnet"
_DIGIT_SHAPES = ((784,), (28, 28), (1, 28, 28))
_PICTURES = 60  # a few ways of writing each digit; beyond, they come again


def bench(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A shipped model's name, or a file of parameters.")
    ] = DEFAULT_MODEL,
    rows: Annotated[
        str, typer.Option(metavar="SIZES", help="Rows given at a time, with commas between.")
    ] = "1,100,10000",
    threads: Annotated[int, typer.Option(min=1, metavar="N", help="Threads, and cores, for each engine.")] = 1,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False,
) -> None:
    """Time a network on this machine.

    glassnet, compiled and in NumPy, beside each runtime that is installed: ONNX Runtime, OpenVINO, PyTorch, JAX,
    scikit-learn. Each works in a process of its own, and they take turns. Prints the median time of a call, and how
    many times glassnet's it is. An engine that gives other answers is left out, and named.
    """
    from glassnet import benchmarking  # noqa: PLC0415  brings what starts processes

    sizes = _sizes(rows)
    network = chosen_network(model)
    engines = [engine for engine in benchmarking.ENGINES.values() if engine.installed]
    found: dict[int, Comparison] = {}
    with (
        benchmarking.Engines(engines, threads=threads) as processes,
        Progress("timing", len(engines) * (1 + len(sizes) * (ROUNDS + 1))) as progress,
    ):
        versions = processes.versions(progress=progress.advance)
        for size in sizes:
            given = tuple(rows_for(each, size) for each in network.inputs)
            found[size] = processes.compare(network, given, rounds=ROUNDS, seconds=SECONDS, progress=progress.advance)
    left_out = {name: why for each in found.values() for name, why in each.refused.items()}
    if json:
        print_json(
            {
                "model": model,
                "machine": benchmarking.machine(),
                "versions": versions,
                "threads": threads,
                "seconds": {size: each.medians for size, each in found.items()},
                "left_out": left_out,
            }
        )
        return
    print(f"{benchmarking.machine()}, {threads} thread{'s' * (threads > 1)}")
    print(f"{printable(model)}: {network.parameter_count:,} parameters; {', '.join(map(_kind, network.inputs))}\n")
    _print_table(found, engines, versions)
    for name, why in left_out.items():
        print(f"left out: {name}: {printable(why)}")


def _sizes(rows: str) -> list[int]:
    try:
        sizes = [int(size) for size in rows.split(",")]
    except ValueError:
        sizes = [0]
    if not all(1 <= size <= MOST_ROWS for size in sizes):
        raise OptionError(
            f"--rows: expected numbers from 1 to {MOST_ROWS:,}, with commas between, such as 1,100; found {rows!r}"
        )
    return list(dict.fromkeys(sizes))


def rows_for(given: Input, count: int) -> Array:
    """Return ``count`` rows like those an input is made for; how many of them are 0 decides on the speed.

    Pictures of handwritten digits where it reads such, uint8 where it scales what is raw, else random float32.
    """
    random = np.random.default_rng(0)
    if _reads_digits(given):
        from glassnet.digits import pen, prepare  # noqa: PLC0415  brings OpenCV

        ways = [(digit, way) for digit, several in pen.STROKES.items() for way in range(len(several))]
        chosen = [(*ways[number % len(ways)], number) for number in range(min(count, _PICTURES))]
        pictures = [prepare(pen.draw_digit(digit, way=way, seed=seed)) for digit, way, seed in chosen]
        return np.resize(np.stack(pictures), (count, *given.shape))
    if _is_raw(given):
        return random.integers(0, 256, (count, *given.shape), dtype=np.uint8)
    return random.standard_normal((count, *given.shape), dtype=np.float32)


def _reads_digits(given: Input) -> bool:
    return given.shape in _DIGIT_SHAPES and _is_raw(given)


def _is_raw(given: Input) -> bool:
    return (given.scale, given.shift) != (1, 0)


def _kind(given: Input) -> str:
    return "pictures of digits" if _reads_digits(given) else "random uint8" if _is_raw(given) else "random float32"


def _print_table(found: Mapping[int, Comparison], engines: Sequence[Engine], versions: Mapping[str, str]) -> None:
    from rich import box  # noqa: PLC0415  Rich takes 60 ms to import
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("median time of a call")
    for size in found:
        table.add_column(f"{size:,} row{'s' * (size > 1)}", justify="right", no_wrap=True)
        table.add_column("", justify="right", no_wrap=True)
    for engine in engines:
        cells = [cell for each in found.values() for cell in _cells(each.medians, engine.name)]
        if any(cells):
            name = f"{engine.name} {versions[engine.modules[0]]}"
            table.add_row(name, *cells, style="bold" if engine.name == _OURS else "")
    # A file or a pipe has no width to keep to.
    Console(width=None if sys.stdout.isatty() else 1000, highlight=False).print(table)


def _cells(medians: Mapping[str, float], engine: str) -> tuple[str, str]:
    """Return the time of an engine, and how many times glassnet's it is."""
    if engine not in medians:
        return "", ""
    ratio = "" if engine == _OURS or _OURS not in medians else f"{medians[engine] / medians[_OURS]:,.1f} ×"
    return _duration(medians[engine]), ratio


def _duration(seconds: float) -> str:
    """Return a time with three digits: 0.19 µs, 12.4 ms."""
    unit, size = next(((unit, size) for unit, size in (("s", 1.0), ("ms", 1e-3)) if seconds >= size), ("µs", 1e-6))
    value = seconds / size
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f} {unit}"
