"""Search for files of joblib that break the reader: python tests/fuzz/fuzz_joblib.py [seconds].

The first byte says how what follows is compressed before it is read, or that it is read as it is; else nothing that
grows in the search would ever be unpacked.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator

from estimator_target import check, search

from attacks import estimators
from glassnet.formats.pickle import of_data
from glassnet.formats.sklearn.packing import recognises, unpacked

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
    content = PACKINGS[data[0] % len(PACKINGS)](data[1:]) if data else b""
    check(lambda: of_data(unpacked(content) if recognises(content[:8]) else content))


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
    search(target, seeds())
