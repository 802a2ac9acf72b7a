"""Timing a network on this machine: glassnet's ways beside the runtimes that are installed.

The command ``glassnet bench`` and the scripts in ``benchmarks/`` both measure through this room: what a user sees at
home was measured as what the documents say.
"""

from glassnet.benchmarking.engines import ENGINES, Engine, UnfitError
from glassnet.benchmarking.machine import machine
from glassnet.benchmarking.processes import Comparison, Engines, Worker

__all__ = ["ENGINES", "Comparison", "Engine", "Engines", "UnfitError", "Worker", "machine"]
