"""A committee: several networks as one, which answers with the mean of their outputs.

Networks that were trained apart are wrong about different rows; the mean of their probabilities is wrong about fewer
(Hansen and Salamon 1990, https://doi.org/10.1109/34.58871).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from glassnet.errors import GraphError
from glassnet.network.steps import Add, ScaleShift, Step

if TYPE_CHECKING:
    from glassnet.network.graph import Network


def committee(members: Sequence[Network]) -> Network:
    """Return one network that answers with the mean of what ``members`` answer.

    The steps of member 1 are called as they were with ``_1`` behind, and so on; then come ``sum`` and ``mean``.
    Raises GraphError unless all read the same inputs, have one output of the same row shape, and the same labels.
    """
    if not members:
        raise GraphError("a committee needs members")
    first = members[0]
    for number, member in enumerate(members, start=1):
        for what, mine, expected in (
            ("inputs", member.inputs, first.inputs),
            ("labels", member.labels, first.labels),
            ("outputs of row shape", _answers(member), _answers(first)),
        ):
            if mine != expected:
                raise GraphError(f"member {number} of the committee has {what} {mine}, the first {expected}")
        if len(member.outputs) != 1:
            raise GraphError(f"member {number} of the committee has {len(member.outputs)} outputs, expected one")
    steps = [step for number, member in enumerate(members, start=1) for step in _renamed(member, number)]
    total = Add(name="sum", sources=tuple(f"{member.outputs[0]}_{i}" for i, member in enumerate(members, start=1)))
    mean = ScaleShift(np.array(1 / len(members), first.dtype), np.array(0, first.dtype), name="mean")
    return first.replace(steps=(*steps, total, mean), outputs=("mean",))


def _answers(network: Network) -> list[tuple[int, ...]]:
    return [network.shapes[name] for name in network.outputs]


def _renamed(member: Network, number: int) -> Iterator[Step]:
    given = {entry.name for entry in member.inputs}
    for step, sources in zip(member.steps, member.sources, strict=True):
        reads = tuple(source if source in given else f"{source}_{number}" for source in sources)
        yield dataclasses.replace(step, name=f"{step.name}_{number}", sources=reads)
