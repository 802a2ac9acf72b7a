"""Pictures read by several processes; apart from ``sheets.py``, since to load this takes time and most do without."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

import glassnet
from glassnet.cli.sheets import Outcome, Source, Wanted, outcome
from glassnet.errors import GlassnetError

TOGETHER = 8  # pictures sent to a process at once


def outcomes_by_processes(sources: Sequence[Source], wanted: Wanted, jobs: int) -> Iterator[Outcome]:
    """Give what became of each, in order. Raises GlassnetError where a process dies."""
    together = max(1, min(TOGETHER, len(sources) // (4 * jobs)))
    # Spawned, not forked: OpenCV's threads would not come along.
    pool = ProcessPoolExecutor(min(jobs, len(sources)), get_context("spawn"), _begin, (wanted,))
    try:
        yield from pool.map(_outcome, sources, chunksize=together)
    except BrokenProcessPool:
        raise GlassnetError(
            "a process that reads pictures came to a sudden end", hint="too little memory? --jobs 1 reads in this one"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


_orders: list[Wanted] = []  # of this process


def _begin(wanted: Wanted) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    glassnet.reading.use_one_thread()
    _orders.append(wanted)


def _outcome(source: Source) -> Outcome:
    return outcome(source, _orders[0])
