"""Search for skops files that break the reader: python tests/fuzz/fuzz_skops.py [seconds].

The first byte says what the rest is: the whole file, its description beside good arrays, or an array beside a good
description; else the search would never get past the zip's own checks.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from estimator_target import check, search

from attacks import estimators
from attacks.archives import npy, zipped
from glassnet.formats.sklearn import skops

FOLDER = tempfile.TemporaryDirectory()
FILE = Path(FOLDER.name, "net.skops")


def target(data: bytes) -> None:
    """Read ``data`` as a skops file, or as a part of one."""
    kind, content = data[:1], data[1:]
    if kind == b"d":
        content = zipped({**estimators.ARRAYS, "schema.json": content})
    elif kind == b"a":
        content = estimators.skops(estimators.regression(), {**estimators.ARRAYS, "11111.npy": content})
    FILE.write_bytes(content)
    check(lambda: skops.read(FILE))


def seeds() -> Iterator[bytes]:
    """Give every small attack, a good file and its parts, and real ones where skops is installed."""
    schema = json.dumps({**estimators.regression(), "protocol": 2}).encode()
    yield b"f" + estimators.good_skops()
    yield b"d" + schema
    yield b"a" + npy(estimators.np.ones((1, 2)))
    for name, content in estimators.ATTACKS.items():
        if name.endswith(".skops"):
            yield b"f" + content
            with contextlib.suppress(Exception):
                yield b"d" + description(content)
    with contextlib.suppress(ImportError):
        yield from dumped()


def description(content: bytes) -> bytes:
    """Return the description in a skops file."""
    FILE.write_bytes(content)
    return bytes(skops.Archive.of(FILE).read("schema.json"))


def dumped() -> Iterator[bytes]:
    """Give what skops makes of a small estimator, whole and as its description."""
    import skops.io as library
    from sklearn.linear_model import LogisticRegression

    content = library.dumps(LogisticRegression().fit([[0.0], [1.0], [2.0]], ["a", "b", "a"]))
    yield b"f" + content
    yield b"d" + description(content)


if __name__ == "__main__":
    search(target, seeds())
