"""Fuzz the reader of skops files.

The first byte says what the rest is: the whole file, its description beside good arrays, or an array beside a good
description; else the search would never get past the zip's own checks.
"""

from __future__ import annotations

from fuzzing import main, reading  # isort: skip  # it puts the tests on the path

import contextlib
import io
import json
import zipfile
from collections.abc import Iterator

import numpy as np

from attacks import estimators
from attacks.archives import npy, zipped

read = reading("skops")


def target(data: bytes) -> None:
    """Read ``data`` as a skops file, or as a part of one."""
    kind, content = data[:1], data[1:]
    if kind == b"d":
        content = zipped({**estimators.ARRAYS, "schema.json": content})
    elif kind == b"a":
        content = estimators.skops(estimators.regression(), {**estimators.ARRAYS, "11111.npy": content})
    read(content)


def seeds() -> Iterator[bytes]:
    """Give every small attack, a good file and its parts, and real ones where skops is installed."""
    schema = json.dumps({**estimators.regression(), "protocol": 2}).encode()
    yield b"f" + estimators.good_skops()
    yield b"d" + schema
    yield b"a" + npy(np.ones((1, 2)))
    for name, content in estimators.ATTACKS.items():
        if name.endswith(".skops"):
            yield b"f" + content
            with contextlib.suppress(Exception):
                yield b"d" + description(content)
    with contextlib.suppress(ImportError):
        yield from dumped()


def description(content: bytes) -> bytes:
    """Return the description in a skops file."""
    return zipfile.ZipFile(io.BytesIO(content)).read("schema.json")


def dumped() -> Iterator[bytes]:
    """Give what skops makes of a small estimator, whole and as its description."""
    import skops.io
    from sklearn.linear_model import LogisticRegression

    content = skops.io.dumps(LogisticRegression().fit([[0.0], [1.0], [2.0]], ["a", "b", "a"]))
    yield b"f" + content
    yield b"d" + description(content)


if __name__ == "__main__":
    main(target, (seed for seed in seeds() if len(seed) < 20_000))
