"""What the fuzz targets share: any bytes at all become a network or an error of ours.

A target is a program, ``python tests/fuzz/fuzz_torch.py [seconds]``, which needs atheris. It makes its seeds anew,
writes each input to a file, and reads that as a user would, with and without options. Anything else than a network or
a GlassnetError, more than 1 GB, or more than a minute for one input ends the run with a report and a file
``crash-…``.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import pkgutil
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import atheris

sys.path.insert(0, str(Path(__file__).parent.parent))
with atheris.instrument_imports(include=["glassnet"]):
    import glassnet
    from glassnet import formats
    from glassnet.formats import assembly, table

    for _found in pkgutil.walk_packages(formats.__path__, "glassnet.formats."):
        importlib.import_module(_found.name)  # what is loaded later would not be instrumented

# What a user may say of a file; the first is to say nothing.
OPTIONS: tuple[dict[str, Any], ...] = ({}, {"hidden": "relu", "output": "softmax"}, {"hidden": "relu", "part": ("a",)})
_MEGABYTES, _SECONDS_EACH = 1024, 60


def reading(format: str) -> Callable[[bytes], None]:
    """Return a target that reads its bytes with one format's own reader and makes a network of what it finds."""
    path = Path(tempfile.mkdtemp(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)) / "input"

    def target(data: bytes) -> None:
        path.write_bytes(data)
        entry = table.FORMATS[format]
        with contextlib.suppress(glassnet.GlassnetError):
            contents = entry.read(path)
            for options in OPTIONS:
                with contextlib.suppress(glassnet.GlassnetError):
                    network = assembly.assembled(contents, assembly.Choices(**options)).network
                    assert network.parameter_count >= 0
        assert formats.inspect(path).problem.isprintable()

    return target


def main(target: Callable[[bytes], None], seeds: Iterable[bytes]) -> None:
    """Run ``target`` on the seeds and on what atheris makes of them, for as many seconds as the command line says."""
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 600
    corpus = Path(tempfile.mkdtemp())
    for number, seed in enumerate(seeds):
        (corpus / f"seed{number}").write_bytes(seed)
    limits = [
        f"-max_total_time={seconds}",
        f"-rss_limit_mb={_MEGABYTES}",
        f"-timeout={_SECONDS_EACH}",
        "-max_len=20000",
    ]
    atheris.Setup([sys.argv[0], *limits, "-print_final_stats=1", str(corpus)], target)
    try:
        atheris.Fuzz()
    finally:
        shutil.rmtree(corpus, ignore_errors=True)
