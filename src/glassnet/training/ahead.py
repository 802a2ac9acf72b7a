"""Making things ahead of their turn, so that whoever uses them need not wait.

Threads, not processes: distorting a batch is a handful of calls into NumPy and OpenCV, which do their work without
Python's lock, and nothing must be copied or started anew.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Order = TypeVar("Order")
Made = TypeVar("Made")

# As many for each worker are made or being made: one in hand, one on the bench, and two for an uneven pace.
EACH = 4


def ahead(make: Callable[[Order], Made], orders: Iterable[Order], workers: int) -> Generator[Made, None, None]:
    """Give what ``make`` makes of each order, in the order of the orders, while ``workers`` threads make the next.

    Without workers each is made when it is asked for. An error in ``make`` is raised at its turn. Close it, and what
    has not been begun is left.
    """
    if not workers:
        yield from map(make, orders)
        return
    coming = iter(orders)
    with ThreadPoolExecutor(workers, thread_name_prefix="glassnet-ahead") as pool:
        pending: deque[Future[Made]] = deque()
        try:
            for order in itertools.islice(coming, EACH * workers):
                pending.append(pool.submit(make, order))
            while pending:
                made = pending.popleft().result()
                for order in itertools.islice(coming, 1):
                    pending.append(pool.submit(make, order))
                yield made
        finally:
            for future in pending:
                future.cancel()
