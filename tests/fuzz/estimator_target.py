"""What the fuzz targets for scikit-learn's files share: the loop, and what may come out of a reader."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

TESTS = Path(__file__).parent.parent
sys.path.insert(0, str(TESTS))
SECONDS = 600
MOST_BYTES = 1 << 16
MOST_MEGABYTES = 1024
# A network of these sizes is tried on a row; larger ones would only slow the search.
MOST_FEATURES, MOST_STEPS = 1000, 100

try:
    import atheris
except ImportError:  # only the search needs it, not the findings
    atheris = None

with atheris.instrument_imports(include=["glassnet.formats"]) if atheris else contextlib.nullcontext():
    import glassnet
    from glassnet.formats.contents import Contents


def check(read: Callable[[], Contents]) -> None:
    """Read something: a network that answers comes out, or arrays, or an error of ours."""
    message, network = "", None
    try:
        network = read().network
    except glassnet.GlassnetError as error:
        message = error.message
    assert message.isprintable()
    if network is None or len(network.steps) > MOST_STEPS or network.inputs[0].shape[0] > MOST_FEATURES:
        return
    with np.errstate(all="ignore"):
        answer = network(np.ones((2, *network.inputs[0].shape)))
    assert answer.shape == (2, *network.shapes[network.outputs[0]])


def search(target: Callable[[bytes], None], seeds: Iterable[bytes]) -> None:
    """Run ``target`` on the seeds, then, for as many seconds as the command line says, on what grows from them."""
    seeds = [seed for seed in seeds if len(seed) <= MOST_BYTES]
    for seed in seeds:
        target(seed)
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    if atheris is None:
        print(f"{len(seeds)} seeds read; pip install atheris to search on from them", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds):
            Path(corpus, f"seed{number}").write_bytes(seed)
        atheris.Setup(
            [
                sys.argv[0],
                corpus,
                f"-max_total_time={seconds}",
                f"-max_len={MOST_BYTES}",
                f"-rss_limit_mb={MOST_MEGABYTES}",
                "-timeout=20",
                f"-artifact_prefix={Path(sys.argv[0]).stem}-",
            ],
            target,
        )
        atheris.Fuzz()
