"""Batches made ahead of their turn, so that the trainer need not wait for them.

In processes, not threads: a small network and a batch being distorted are both a string of short calls into NumPy, and
two threads of them take turns at Python's lock more than they work (measured: no gain at all for 784-50-100-10). Worker
w of n makes the batches w, w + n, w + 2n, …, each into a slot of memory shared with the trainer, which reads it there;
so the order of the batches, and what is in them, is the same whatever the number of workers.

    trainer                          worker
    "slot s is free"     ──────►     makes the next batch into slot s
    uses slot s          ◄──────     "slot s holds: shapes and dtypes" (or the error)

A worker whose trainer is gone finds its pipe closed, and ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import multiprocessing
import pickle
import signal
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, TypeAlias

import numpy as np
from threadpoolctl import threadpool_limits

from glassnet.errors import OptionError
from glassnet.network.steps import Array

# What is made for a place: some arrays, None where there is none.
Arrays: TypeAlias = tuple[Array | None, ...]
Make: TypeAlias = Callable[[Any], Arrays]

# Slots of each worker: enough for an uneven pace.
SLOTS = 8
_ALIGNED = 64

_ENDED = (
    "a process that makes batches came to a sudden end; a script that asks for workers needs "
    "`if __name__ == '__main__':` around what it does"
)


def ahead(make: Make, places: Iterable[Any], workers: int, most_bytes: int) -> Generator[Arrays, None, None]:
    """Give what ``make`` makes of each place, in their order, while ``workers`` processes make the next.

    Without workers each is made when it is asked for. With them the arrays hold until the next is asked for; make and
    places must be picklable. most_bytes: the size of the largest expected; what is larger is sent the slow way. An
    error in ``make`` is raised at its turn. Close it, and the processes end.
    """
    if not workers:
        yield from map(make, places)
        return
    room = most_bytes + 16 * _ALIGNED
    staff: list[_Worker] = []
    try:
        staff += (_Worker.started(make, list(places_of), room) for places_of in _dealt(places, workers))
        for worker in itertools.cycle(staff):
            arrays = worker.next()
            if arrays is None:
                return
            yield arrays
    finally:
        for worker in staff:
            worker.close()


def _dealt(places: Iterable[Any], workers: int) -> Iterator[Iterable[Any]]:
    """Give each worker's places."""
    for number, copy in enumerate(itertools.tee(places, workers)):
        yield itertools.islice(copy, number, None, workers)


@dataclass
class _Worker:
    process: Any
    pipe: Connection
    memory: Array
    room: int
    in_use: int | None = None

    @classmethod
    def started(cls, make: Make, places: list[Any], room: int) -> _Worker:
        """Start a process and let it fill all its slots."""
        context = multiprocessing.get_context("spawn")
        try:
            work = pickle.dumps((make, places))
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise OptionError(
                f"workers are given what they work with, but it cannot be pickled: {error}",
                hint="functions must be those of a module; or leave workers at 0",
            ) from None
        ours, theirs = context.Pipe()
        shared = context.RawArray(ctypes.c_ubyte, SLOTS * room)
        process = context.Process(target=_work, args=(theirs, shared, room), daemon=True)
        process.start()
        theirs.close()
        worker = cls(process, ours, np.frombuffer(memoryview(shared), np.uint8), room)
        try:
            ours.send_bytes(work)
            for slot in range(SLOTS):
                ours.send(slot)
        except OSError:
            worker.close()
            raise RuntimeError(_ENDED) from None
        return worker

    def next(self) -> Arrays | None:
        """Return the next arrays, None after the last; those before are given back."""
        try:
            if self.in_use is not None:
                self.pipe.send(self.in_use)
                self.in_use = None
            said = self.pipe.recv()
        except (EOFError, OSError):
            raise RuntimeError(_ENDED) from None
        if said is None:
            return None
        if isinstance(said, BaseException):
            raise said
        if isinstance(said, tuple):
            return said
        self.in_use = said["slot"]
        return tuple(
            None if part is None else np.ndarray(part[1], part[2], self.memory, said["slot"] * self.room + part[0])
            for part in said["parts"]
        )

    def close(self) -> None:
        """End the process."""
        self.pipe.close()
        self.process.join()
        self.process.close()


# --- in the worker --------------------------------------------------------------------------------------------------


def _work(pipe: Connection, shared: Any, room: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the trainer's to answer
    memory = np.frombuffer(shared, np.uint8)
    with contextlib.suppress(EOFError, OSError):  # the trainer is gone
        try:
            with threadpool_limits(1, user_api="blas"):
                make, places = pickle.loads(pipe.recv_bytes())  # noqa: S301  from the process that started this one
                for place in places:
                    _put(make(place), pipe, memory, room)
            pipe.send(None)
        except Exception as error:  # it is the trainer's to raise
            pipe.send(error)
        while True:
            pipe.recv()


def _put(arrays: Arrays, pipe: Connection, memory: Array, room: int) -> None:
    """Write arrays into the next free slot and say so; where they do not fit, send them."""
    slot: int = pipe.recv()
    parts: list[tuple[int, tuple[int, ...], str] | None] = []
    end = 0
    for array in arrays:
        if array is None:
            parts.append(None)
            continue
        start = -(-end // _ALIGNED) * _ALIGNED
        end = start + array.nbytes
        parts.append((start, array.shape, array.dtype.str))
    if end > room:
        pipe.send(tuple(arrays))
        return
    for array, part in zip(arrays, parts, strict=True):
        if array is not None and part is not None:
            np.ndarray(part[1], part[2], memory, slot * room + part[0])[...] = array
    pipe.send({"slot": slot, "parts": parts})
