"""A progress bar on stderr, for people who wait: only in a terminal, and only after a second."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich import progress

SECONDS_UNTIL_SHOWN = 1.0
SECONDS_BETWEEN = 0.1


class Progress:
    """Counts up to ``total``; Rich, which takes 60 ms to import, is loaded once there is a bar to show.

    wanted: False where the results themselves appear in the terminal and show the progress.
    """

    def __init__(self, what: str, total: int, *, wanted: bool = True) -> None:
        self._what = what
        self._total = total
        self._done = 0
        self._due = time.monotonic() + SECONDS_UNTIL_SHOWN
        self._wanted = wanted and sys.stderr.isatty()
        self._bar: progress.Progress | None = None

    def advance(self, count: int = 1) -> None:
        """Say that ``count`` more are done."""
        self._done += count
        if not self._wanted or time.monotonic() < self._due:
            return
        if self._bar is None:
            self._bar = _started_bar(self._what, self._total)
        self._bar.update(self._bar.task_ids[0], completed=self._done, refresh=True)
        self._due = time.monotonic() + SECONDS_BETWEEN

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()


def _started_bar(what: str, total: int) -> progress.Progress:
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # stdout stays as it is: Rich would send what is printed there to its own console, on stderr. And no thread draws:
    # it would do so while stderr is kept from the decoders of pictures.
    console = Console(stderr=True)
    bar = Progress(*columns, console=console, transient=True, redirect_stdout=False, auto_refresh=False)
    bar.add_task(what, total=total)
    bar.start()
    return bar
