"""Cutting a network into chains that have a kernel and steps that stand alone."""

from __future__ import annotations

import pytest

from compiler.made import dense
from glassnet.compiler.chains import Alone, Chain, cut
from glassnet.network import Activate, Add, Clip, Concatenate, Input, Network, ScaleShift, Slice, Step


def network(*steps: Step, outputs: tuple[str, ...] | None = None) -> Network:
    return Network(steps, inputs=Input((8,)), outputs=outputs)


def drawn(parts: tuple[Chain | Alone, ...]) -> list[str]:
    """Return the parts as text: ``x → a+clip, b`` for a chain, ``alone c`` for a step."""
    lines = []
    for part in parts:
        if isinstance(part, Alone):
            lines.append(f"alone {part.step.name}")
        else:
            links = ["+".join([link.layer.name, *(step.name for step in link.after)]) for link in part.links]
            assert part.name == part.links[-1].after[-1].name if part.links[-1].after else part.links[-1].layer.name
            lines.append(f"{part.source} → {', '.join(links)}")
    return lines


def layer(name: str, activation: str = "relu", *sources: str) -> Step:
    return dense(8, 8, activation, name=name, sources=sources)


CASES: dict[str, tuple[Network, list[str]]] = {
    "one chain": (network(layer("a"), layer("b"), layer("c", "softmax")), ["x → a, b, c"]),
    "what follows a layer joins it": (
        network(layer("a"), Clip(0, 1, name="clip"), Activate("tanh", name="bend"), layer("b")),
        ["x → a+clip+bend, b"],
    ),
    "softmax ends a chain": (network(layer("a", "softmax"), layer("b"), layer("c")), ["x → a", "a → b, c"]),
    "softmax that joins ends it, too": (
        network(layer("a"), Activate("log_softmax", name="log"), layer("b")),
        ["x → a+log", "log → b"],
    ),
    "nothing joins a softmax": (
        network(layer("a", "softmax"), Clip(0, 1, name="clip"), layer("b")),
        ["x → a", "alone clip", "clip → b"],
    ),
    "an elementwise step that leads": (
        network(Clip(0, 1, name="clip"), Activate("relu", name="bend"), layer("a")),
        ["alone clip", "alone bend", "bend → a"],
    ),
    "an answer in the middle": (
        network(layer("a"), layer("b"), layer("c"), outputs=("c", "a")),
        ["x → a", "a → b, c"],
    ),
    "an answer that would be joined": (
        network(layer("a"), Clip(0, 1, name="clip"), outputs=("a", "clip")),
        ["x → a", "alone clip"],
    ),
    "two readers": (
        network(layer("a"), layer("b"), Add(name="sum", sources=("a", "b")), layer("c")),
        ["x → a", "a → b", "alone sum", "sum → c"],
    ),
    "a fork": (
        network(layer("a", "relu", "x"), layer("b", "relu", "x"), Concatenate(name="both", sources=("a", "b"))),
        ["x → a", "x → b", "alone both"],
    ),
    "branches in turns": (
        network(
            layer("a1", "relu", "x"), layer("b1", "relu", "x"), layer("a2", "relu", "a1"), layer("b2", "relu", "b1"),
            Add(name="sum", sources=("a2", "b2")),
        ),
        ["x → a1", "x → b1", "a1 → a2", "b1 → b2", "alone sum"],
    ),
    "no kernel yet": (
        network(layer("a"), Slice(0, 8, name="cut"), ScaleShift(name="scale"), layer("b")),
        ["alone a", "alone cut", "alone scale", "alone b"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_cut(case: str) -> None:
    before, expected = CASES[case]
    parts = cut(before)
    assert drawn(parts) == expected
    steps = [part.step for part in parts if isinstance(part, Alone)]
    for part in parts:
        if isinstance(part, Chain):
            steps += [step for link in part.links for step in (link.layer, *link.after)]
    assert {step.name for step in steps} == {step.name for step in before.steps}
    assert len(steps) == len(before.steps)


def test_reasons() -> None:
    parts = cut(CASES["no kernel yet"][0])
    assert {part.reason for part in parts if isinstance(part, Alone)} == {
        "the network computes in float64, the kernels in float32"
    }
    parts = cut(CASES["one chain"][0], "there is a reason")
    assert [part.reason for part in parts if isinstance(part, Alone)] == ["there is a reason"] * 3
    matrix = Network([dense(8, 2, name="a")], inputs=Input((3, 8)))
    (part,) = cut(matrix)
    assert isinstance(part, Alone)
    assert part.reason == "it reads rows of shape (3, 8), not a plain row"
