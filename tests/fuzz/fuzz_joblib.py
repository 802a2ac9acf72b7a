"""Fuzz the reader of joblib's files.

The first byte says how what follows is compressed before it is read, or that it is read as it is; else nothing that
grows in the search would ever be unpacked.
"""

from __future__ import annotations

from fuzzing import main, reading  # isort: skip  # it puts the tests on the path

import bz2
import contextlib
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator

from attacks import estimators

read = reading("joblib")
PACKINGS: tuple[Callable[[bytes], bytes], ...] = (
    bytes,
    bytes,
    zlib.compress,
    gzip.compress,
    bz2.compress,
    lzma.compress,
)


def target(data: bytes) -> None:
    """Read ``data`` as joblib's file."""
    read(PACKINGS[data[0] % len(PACKINGS)](data[1:]) if data else b"")


def seeds() -> Iterator[bytes]:
    """Give every small attack, a good file in each packing, and real ones where joblib is installed."""
    for number in range(len(PACKINGS)):
        yield bytes([number]) + estimators.good_joblib()
    yield from (b"\x00" + content for name, content in estimators.ATTACKS.items() if name.endswith(".joblib"))
    with contextlib.suppress(ImportError):
        yield from dumped()


def dumped() -> Iterator[bytes]:
    """Give what joblib makes of small estimators."""
    import joblib
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    x, y = [[0.0, 1.0], [1.0, 0.5], [2.0, 3.0], [0.5, 0.0]], ["a", "b", "a", "b"]
    for estimator in (LogisticRegression().fit(x, y), StandardScaler().fit(x)):
        for compress in (0, "zlib", "gzip", "bz2", "xz", "lzma"):
            buffer = io.BytesIO()
            joblib.dump(estimator, buffer, compress=compress)
            yield b"\x00" + buffer.getvalue()


if __name__ == "__main__":
    main(target, (seed for seed in seeds() if len(seed) < 20_000))
