"""Cutting a network into parts that one function computes each, and steps that stand alone."""

from __future__ import annotations

import pytest

from compiler.made import dense
from glassnet.activations import activation
from glassnet.compiler.parts import WITHOUT_KERNEL, Alone, cut
from glassnet.network import (
    Activate,
    Add,
    ArgMax,
    Binary,
    Clip,
    Concatenate,
    Input,
    Map,
    Network,
    Normalise,
    Reshape,
    ScaleShift,
    Slice,
    Step,
    Take,
)

SINE = "there is no kernel for sin yet"


def network(*steps: Step, outputs: tuple[str, ...] | None = None) -> Network:
    return Network(steps, inputs=Input((8,)), outputs=outputs)


def drawn(parts: tuple[Network | Alone, ...]) -> list[str]:
    """Return the parts as text: ``x → a b → b`` for steps that read x and answer b, ``alone c`` for a step."""
    lines = []
    for part in parts:
        if isinstance(part, Alone):
            lines.append(f"alone {part.step.name}")
        else:
            inputs, steps = (" ".join(each.name for each in some) for some in (part.inputs, part.steps))
            lines.append(f"{inputs} → {steps} → {' '.join(part.outputs)}")
    return lines


def layer(name: str, activation: str = "relu", *sources: str) -> Step:
    return dense(8, 8, activation, name=name, sources=sources)


def sine(name: str, *sources: str) -> Step:
    return Map("sin", name=name, sources=sources)


CASES: dict[str, tuple[Network, list[str]]] = {
    "one chain": (network(layer("a"), layer("b"), layer("c", "softmax")), ["x → a b c → c"]),
    "steps of all kinds": (
        network(layer("a", "softmax"), Clip(0, 1, name="clip"), layer("b"), Slice(0, 8, name="cut"), layer("c")),
        ["x → a clip b cut c → c"],
    ),
    "several answers, in their order": (
        network(layer("a"), layer("b"), layer("c"), outputs=("c", "a")),
        ["x → a b c → c a"],
    ),
    "a fork": (
        network(layer("a", "relu", "x"), layer("b", "relu", "x"), Concatenate(name="both", sources=("a", "b"))),
        ["x → a b both → both"],
    ),
    "one alone in the middle": (network(layer("a"), sine("s"), layer("b")), ["x → a → a", "alone s", "s → b → b"]),
    "one alone beside": (
        network(layer("a"), sine("s", "x"), layer("b", "relu", "a"), Add(name="sum", sources=("s", "b"))),
        ["x → a b → b", "alone s", "s b → sum → sum"],
    ),
    "alone one after the other": (
        network(sine("s"), sine("t"), layer("a"), sine("u", "x"), Add(name="sum", sources=("a", "u"))),
        ["alone s", "alone t", "alone u", "t u → a sum → sum"],
    ),
    "nothing but columns moved": (
        network(Slice(0, 4, name="cut"), sine("s"), dense(4, 2, name="a")),
        ["alone cut", "alone s", "s → a → a"],
    ),
    "an answer that is read again": (
        network(layer("a"), sine("s"), Add(name="sum", sources=("a", "s")), outputs=("sum", "a")),
        ["x → a → a", "alone s", "a s → sum → sum"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_cut(case: str) -> None:
    before, expected = CASES[case]
    assert drawn(cut(before)) == expected


REASONS: dict[str, tuple[Network, str]] = {
    "float64": (
        network(layer("a"), ScaleShift(name="scale")),
        "the network computes in float64, the kernels in float32",
    ),
    "a function": (network(sine("s")), SINE),
    "a kind of step": (network(ArgMax(name="most")), "there is no kernel for argmax yet"),
    "rows of a matrix": (
        Network([dense(8, 2, name="a")], inputs=Input((3, 8))),
        "it reads rows of shape (3, 8), not a plain row",
    ),
    "normalised rows of a matrix": (
        Network([Normalise(dense(1, 8).bias, name="n")], inputs=Input((3, 8))),
        "it reads rows of shape (3, 8), not a plain row",
    ),
    "rows that are spread": (
        Network([Binary("subtract", sources=("x", "y"))], inputs=[Input((3, 8)), Input((8,), "y")]),
        "it spreads rows of shape (8,) over rows of shape (3, 8)",
    ),
    "a parameter": (
        network(Activate(activation("celu", alpha=-1.0))),
        "there is no kernel for celu whose alpha is not above 0",
    ),
    "columns in disorder": (
        Network([Take(tuple(range(0, 200, 3)))], inputs=Input((200,))),
        "it takes rows apart into 67 pieces",
    ),
}


@pytest.mark.parametrize("case", REASONS)
def test_reasons(case: str) -> None:
    before, expected = REASONS[case]
    parts = cut(before)
    assert {part.reason for part in parts if isinstance(part, Alone)} == {expected}
    assert len(parts) == len(before.steps)


def test_a_reason_for_all() -> None:
    parts = cut(CASES["one chain"][0], "there is a reason")
    assert [part.reason for part in parts if isinstance(part, Alone)] == ["there is a reason"] * 3


def test_what_nobody_reads_is_left_out() -> None:
    before = network(layer("a"), sine("s"), layer("dead", "relu", "s"), Reshape((8,), name="end", sources=("a",)))
    assert drawn(cut(before)) == ["x → a end → end a", "alone s"]


def test_names_without_kernel_are_known() -> None:
    for name in WITHOUT_KERNEL:
        step: Step = Map(name) if name in ("log", "erf", "sin", "cos") else Binary(name, sources=("x", "x"))
        (part,) = cut(network(step))
        assert isinstance(part, Alone)
