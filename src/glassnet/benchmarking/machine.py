"""The machine in words, to stand above every table of timings."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def machine(*versions: str) -> str:
    """Return the processor, its cores, the system and the versions that matter, on one line."""
    cpuinfo = Path("/proc/cpuinfo")
    named = [line for line in cpuinfo.read_text().splitlines() if "model name" in line] if cpuinfo.exists() else []
    processor = named[0].split(":")[1].strip() if named else platform.processor() or platform.machine()
    parts = (processor, f"{os.cpu_count()} cores", platform.system(), f"Python {platform.python_version()}", *versions)
    return ", ".join(parts)
