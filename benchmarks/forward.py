"""Time forward propagation beside the runtimes a user would pick instead: ``python benchmarks/forward.py``.

Needs the extra ``bench``, and MNIST as ``load_mnist`` finds it. The whole table takes about ten minutes, and is kept in
``benchmarks/results/forward.txt``. ``--quick`` takes a few rounds only; ``--network``, ``--rows`` and ``--engines``
take a part of it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from glassnet.benchmarking import ENGINES, Comparison, Engines, machine
from networks import NETWORKS, rows_of
from peak import PEAK, floating_point_operations

OURS = "glassnet"
ROWS = (1, 16, 100, 1000, 10_000)
ROUNDS, SECONDS = 31, 0.012
QUICK_ROUNDS = 5
# torch.compile takes seconds for every size of batch, so it is asked for these only.
ROWS_FOR_SLOW_COMPILERS = (1, 100, 10_000)
RESULTS = Path(__file__).parent / "results" / "forward.txt"

# (network, data) → the ratio to reach at each number of rows.
BARS = {
    ("digits 784-50-100-10 sigmoid", "uint8"): (6.0, 3.0, 2.2, 2.2, 2.5),
    ("digits 784-50-100-10 sigmoid", "mnist"): (5.0, 2.5, 1.7, 1.7, 1.7),
    ("digits 784-50-100-10 sigmoid", "random"): (2.5, 1.5, 1.2, 1.2, 1.2),
    ("784-800-800-10 relu", "mnist"): (1.5, 1.1, 1.1, 1.1, 1.1),
    ("control 48-512-256-128-12 elu", "random"): (1.5, 1.2, 1.1, 1.1, 1.1),
    ("tabular 100-256-256-1 relu", "random"): (2.0, 1.3, 1.1, 1.1, 1.1),
    ("tiny 8-16-16-1 tanh", "random"): (8.0, 5.0, 3.0, 2.0, 2.0),
    ("tower 512-1024-512-256-1 relu", "random"): (1.1, 1.05, 1.05, 1.05, 1.05),
}

EXPLANATION = """\
One thread on one core, a process for each engine, taken in turns: medians of {rounds} batches, each of as many calls as
fit into {milliseconds:.0f} ms. Every answer agrees with the NumPy definition to 1e-5 of the largest output.
ratio: the best peer's time / glassnet's. Peers: {peers};
of the ways to call a peer the fastest; torch.compile at {compiled} rows only.
data: mnist is 81 % zeros; uint8 is its pixels, converted inside a peer's graph or before it, whichever is faster.
peak: share of the most fused multiply-adds this core does, timed in turns too; relu skips zeros and counts them all.
"""


def main() -> None:
    options = parsed_options()
    rounds = QUICK_ROUNDS if options.quick else ROUNDS
    cells = [
        (name, data, rows, bar)
        for (name, data), bars in BARS.items()
        for rows, bar in zip(ROWS, bars, strict=True)
        if options.network in name and (not options.rows or rows in options.rows)
    ]
    engines = [ENGINES[OURS], PEAK, *(ENGINES[name] for name in options.engines)]
    lines = []
    missed = []
    with Engines(engines) as processes:
        versions = [f"{module} {version}" for module, version in sorted(processes.versions().items())]
        lines += [machine(*versions), explanation(rounds, options.engines), TITLES]
        print(*lines, sep="\n")
        table: list[tuple[str, str, int, Comparison]] = []
        for (name, data, rows, bar), found in measured(cells, processes, rounds):
            line, reached = described(name, data, rows, bar, found)
            table.append((name, data, rows, found))
            missed += [] if reached else [line]
            lines.append(line)
            print(line, flush=True)
    lines += ["", *everything(table), "", f"{len(cells) - len(missed)} of {len(cells)} cells reach their bar"]
    print(*lines[len(cells) + 3 :], sep="\n")
    if not (options.quick or options.network or options.rows) and set(options.engines) == set(peers()):
        RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


def parsed_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROUNDS} rounds instead of {ROUNDS}")
    parser.add_argument("--network", default="", metavar="PART", help="networks with this in their name")
    parser.add_argument("--rows", type=int, nargs="+", choices=ROWS, help="these sizes of batch")
    parser.add_argument("--engines", nargs="+", choices=peers(), default=peers(), help="these peers")
    return parser.parse_args()


def peers() -> list[str]:
    return [name for name, engine in ENGINES.items() if engine.installed and not name.startswith(OURS)]


def measured(
    cells: list[tuple[str, str, int, float]], processes: Engines, rounds: int
) -> Iterator[tuple[tuple[str, str, int, float], Comparison]]:
    """Give the times for each cell; where the rows are dense, those of the peak too."""
    slow = [name for name, engine in ENGINES.items() if engine.compiles_each_shape]
    started = time.monotonic()
    for number, (name, data, rows, bar) in enumerate(cells):
        print(f"{number}/{len(cells)}, {time.monotonic() - started:.0f} s: {name}, {rows} rows", file=sys.stderr)
        x = (rows_of(NETWORKS[name], data, rows),)
        left_out = [] if rows in ROWS_FOR_SLOW_COMPILERS else slow
        if data != "random":
            left_out = [*left_out, PEAK.name]
        found = processes.compare(NETWORKS[name], x, rounds=rounds, seconds=SECONDS, leave_out=left_out)
        yield (name, data, rows, bar), found


TITLES = (
    f"{'network':<31}{'data':<8}{'rows':>6}{'glassnet':>12}{'best peer':>12}  {'':<14}{'ratio':>6}{'bar':>6}"
    f"{'peak':>13}"
)


def explanation(rounds: int, chosen: list[str]) -> str:
    return EXPLANATION.format(
        rounds=rounds,
        milliseconds=SECONDS * 1e3,
        peers=", ".join(chosen),
        compiled=", ".join(f"{rows:,}" for rows in ROWS_FOR_SLOW_COMPILERS),
    )


def described(name: str, data: str, rows: int, bar: float, found: Comparison) -> tuple[str, bool]:
    """Return a line of the table, and whether the bar is reached."""
    medians = found.medians
    ours, peak = medians.pop(OURS), medians.pop(PEAK.name, None)
    best = min(medians, key=lambda peer: medians[peer])
    ratio = medians[best] / ours
    share = ""
    if peak is not None:
        operations = 2 * rows * sum(layer.weights.size for layer in NETWORKS[name].layers)
        share = f"{operations / ours / (floating_point_operations() / peak):.0%}"
    verdict = "ok" if ratio >= bar else "MISSED"
    times = f"{microseconds(ours):>9} µs{microseconds(medians[best]):>9} µs  {best:<14}"
    return f"{name:<31}{data:<8}{rows:>6,}{times}{ratio:>6.2f}{bar:>6.2f} {verdict:<6}{share:>6}".rstrip(), ratio >= bar


def everything(table: list[tuple[str, str, int, Comparison]]) -> Iterator[str]:
    """Give the medians of all engines."""
    names = [name for name in (OURS, *peers()) if any(name in found.seconds for *_, found in table)]
    yield f"{'µs a call':<45}" + "".join(f"{name:>15}" for name in names)
    for name, data, rows, found in table:
        medians = found.medians
        figures = (microseconds(medians[engine]) if engine in medians else "·" for engine in names)
        yield f"{name:<31}{data:<8}{rows:>6,}" + "".join(f"{figure:>15}" for figure in figures)
    yield from sorted({f"{engine}: {why}" for *_, found in table for engine, why in found.refused.items()})


def microseconds(seconds: float) -> str:
    value = seconds * 1e6
    return f"{value:,.{2 if value < 10 else 1 if value < 100 else 0}f}"


if __name__ == "__main__":
    main()
