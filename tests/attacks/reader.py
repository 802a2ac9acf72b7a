"""Reads every file of a folder and reports, one JSON object a line, how each ended and what Python did meanwhile.

Run as a program, in the folder where harm would be done: ``python -m attacks.reader FOLDER [with-pickle]``. With the
last argument Python's own reader is used, to show that the files are what they claim and that this program sees it.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import pickle
import pkgutil
import resource
import sys
from pathlib import Path
from typing import Any

import glassnet
from glassnet.formats import inspect


def main(folder: Path, with_pickle: bool) -> None:
    seen: list[str] = []
    current = folder

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        reads_it = event == "open" and str(arguments[0]) == str(current) and arguments[1] in ("rb", "r", None)
        # A program's text is parsed into a tree, which raises the event of a compilation; nothing is compiled. Where
        # that fails, Python looks for a file without a name, which cannot be.
        parses = (event == "compile" and arguments[1] == "") or (event == "open" and arguments[0] == "")
        if not (reads_it or parses) and event not in HARMLESS:
            seen.append(f"{event} {arguments[:1]!r:.80}")

    files = sorted(folder.iterdir())
    warm_up()
    sys.addaudithook(watch)
    for current in files:
        seen.clear()
        outcome: dict[str, Any] = {"file": current.name}
        try:
            if with_pickle:
                with contextlib.redirect_stdout(None):
                    pickle.loads(current.read_bytes())
            else:
                glassnet.load(current)
        except BaseException as error:
            outcome |= {"error": [kind.__name__ for kind in type(error).__mro__], "message": str(error)}
        events = list(seen)
        if not with_pickle:
            if current.stat().st_size < SMALL:
                outcome["problem"] = inspect(current).problem
            events = list(seen)
        outcome |= {"events": events, "peak": peak_kilobytes()}
        print(json.dumps(outcome), flush=True)


READERS = [found.name for found in pkgutil.walk_packages(glassnet.formats.__path__, "glassnet.formats.")]


def peak_kilobytes() -> int:
    """Return the most memory this process has had; on Linux ru_maxrss would begin with what its parent had."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024  # bytes, on macOS


# Raised by reading, whatever is read.
SMALL = 1 << 20  # what is large takes seconds, and inspect reads it as load does
HARMLESS = {"mmap.__new__", "sys._getframe", "builtins.id"}


def warm_up() -> None:
    """Import what is imported at first use, so that no import is seen later."""
    for codec in ("cp437", "raw-unicode-escape", "latin1", "utf-32-le", "utf-32-be"):
        "".encode(codec)
    for module in ("bz2", "lzma", *READERS):
        importlib.import_module(module)
    for suffix in ("pkl", "npz", "safetensors"):
        with contextlib.suppress(glassnet.GlassnetError):
            glassnet.load(f"no.{suffix}")
    with contextlib.suppress(ImportError):
        importlib.import_module("onnx")


if __name__ == "__main__":
    main(Path(sys.argv[1]), "with-pickle" in sys.argv)
