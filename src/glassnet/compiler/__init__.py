"""The compiler: a network to machine code, the same bits on every processor.

    network → simplify → cut → lower → plan → kernels (LLVM IR) → machine → call

Each arrow is a pure function between two kinds of data, up to the last two; each stage is checked against the NumPy
definition. See ``docs/concepts/same-bits.md`` for what is promised.
"""

from glassnet.compiler.compiled import CompiledNetwork, Report

__all__ = ["CompiledNetwork", "Report"]
