"""What differs between processors, in one table; everything else is written on portable vector types.

The tile shape follows from the registers: ``rows × vectors`` accumulators, one register for each weight vector of
the panel, and one for the broadcast input where the instruction cannot take it from memory. So does what is computed
by columns: ``columns`` accumulators, one register for the input, one for the broadcast weight.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Part:
    """Neighbouring outputs that are computed together by columns, and how often such a part follows itself."""

    width: int
    count: int


@dataclass(frozen=True)
class Target:
    """A family of processors.

    lanes: float32 values in a register. rows, vectors: the tile, rows of the batch by registers of outputs.
    columns: outputs that are computed together by columns, at most. requires: the LLVM features a processor must
    have, all of them. without: those switched off to get this
    target on a better processor. scalef: whether x · 2ⁿ is one instruction.
    """

    name: str
    lanes: int
    rows: int
    vectors: int
    columns: int
    requires: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    scalef: bool = False

    @property
    def panel(self) -> int:
        """Outputs in a full panel."""
        return self.lanes * self.vectors

    def parts(self, outputs: int) -> tuple[Part, ...]:
        """Return how so many outputs of a panel are cut to be computed by columns: in equal parts where they can be."""
        fewest = math.ceil(outputs / self.columns)
        count = next((n for n in (fewest, fewest + 1) if outputs % n == 0), fewest)
        width, wider = divmod(outputs, count)
        parts = (Part(width + 1, wider), Part(width, count - wider))
        return tuple(part for part in parts if part.count)


_AVX512 = (
    "avx512f", "avx512vl", "avx512dq", "avx512bw", "avx512cd", "avx512vbmi", "avx512vbmi2", "avx512ifma", "avx512vnni",
    "avx512bf16", "avx512bitalg", "avx512vpopcntdq", "avx512fp16", "avx512vp2intersect",
)  # fmt: skip
_AVX = ("avx", "avx2", "fma", "fma4", "f16c", "xop", "vaes", "vpclmulqdq", "avxvnni", "gfni", *_AVX512)

TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        target.name: target
        for target in (
            # 32 registers: 4·4 sums + 4 weights + 1 input. More rows (6·4 = 24 sums) gained nothing when measured:
            # 16 chains hide the latency, LLVM spills none of them, and 4 rows share more zeros than 6 do.
            Target("avx512", lanes=16, rows=4, vectors=4, columns=16, requires=_AVX512[:4], scalef=True),
            # 16 registers: 4·3 sums + 3 weights + 1 input.
            Target("avx2", lanes=8, rows=4, vectors=3, columns=12, requires=("avx2", "fma"), without=_AVX512),
            # 32 registers: 4·6 sums + 6 weights + 1 for the inputs, which are taken by lane.
            Target("neon", lanes=4, rows=4, vectors=6, columns=16, requires=("neon",)),
            # 16 registers, and no fused multiply-add: the C library's fmaf answers, slowly and rightly.
            Target("sse", lanes=4, rows=2, vectors=2, columns=8, without=_AVX),
        )
    }
)


def choose_target(features: Mapping[str, bool]) -> Target:
    """Return the first target whose required features are all there."""
    return next(target for target in TARGETS.values() if all(features.get(name) for name in target.requires))
