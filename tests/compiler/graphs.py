"""Networks that are no chains: with several inputs and answers, sums of earlier values, values side by side."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from compiler.made import dense, rows
from glassnet.activations import Array
from glassnet.network import (
    Activate,
    Add,
    Binary,
    Clip,
    Concatenate,
    Constant,
    Input,
    Map,
    Multiply,
    Network,
    Normalise,
    PRelu,
    Reduce,
    Reshape,
    ScaleShift,
    Select,
    Slice,
    Step,
    Take,
    Transpose,
)

FLOAT = np.float32


def vector(width: int, seed: int = 1) -> Array:
    """Return random float32 parameters."""
    return rows(1, width, seed)[0]


def committee(*sizes: int, members: int) -> Network:
    """Return the mean of several networks' probabilities."""
    steps: list[Step] = []
    ends = []
    for member in range(members):
        source = "x"
        for number, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
            name = f"m{member}l{number}"
            activation = "softmax" if number == len(sizes) - 2 else "relu"
            steps.append(dense(inputs, outputs, activation, seed=10 * member, name=name, sources=(source,)))
            source = name
        ends.append(source)
    mean = ScaleShift(FLOAT(1 / members), FLOAT(0), name="mean")
    return Network([*steps, Add(sources=tuple(ends)), mean], inputs=Input(sizes[:1], scale=1 / 255))


def residual(inputs: int, width: int, blocks: int, outputs: int, *, normalised: bool = False) -> Network:
    """Return a network of blocks that add to what they read, normalised before each where asked."""
    steps: list[Step] = [dense(inputs, width, "relu", name="stem")]
    source = "stem"
    for block in range(blocks):
        if normalised:
            steps.append(Normalise(vector(width, block), vector(width, block + 9), sources=(source,)))
        first = dense(
            width, width, "gelu" if normalised else "relu", seed=block, sources=() if normalised else (source,)
        )
        steps += [first, dense(width, width, seed=block + 50, name=f"branch{block}")]
        steps.append(Add(sources=(source, f"branch{block}"), name=f"sum{block}"))
        source = f"sum{block}"
        if not normalised:
            source = f"out{block}"
            steps.append(Activate("relu", name=source))
    return Network([*steps, dense(width, outputs, "softmax", sources=(source,))], inputs=Input((inputs,)))


def towers() -> Network:
    """Return two inputs, a tower for each, and what both make side by side."""
    steps = [
        dense(20, 16, "relu", name="a1", sources=("x",)),
        dense(16, 9, "tanh", name="a2"),
        dense(7, 5, "elu", name="b", sources=("y",)),
        Concatenate(sources=("a2", "b", "y"), name="both"),
        dense(21, 8, "mish"),
        dense(8, 1, "sigmoid"),
    ]
    return Network(steps, inputs=[Input((20,)), Input((7,), "y")])


def policy() -> Network:
    """Return a trunk with three heads: a distribution, a value, a limited action."""
    steps = [
        dense(30, 33, "elu", name="t1"),
        dense(33, 17, "elu", name="t2"),
        dense(17, 6, "softmax", name="choice", sources=("t2",)),
        dense(17, 1, name="value", sources=("t2",)),
        dense(17, 4, "tanh", sources=("t2",)),
        ScaleShift(vector(4), vector(4, 2)),
        Clip(-1, 1, name="action"),
    ]
    return Network(steps, inputs=Input((30,)), outputs=("choice", "value", "action"))


def gates() -> Network:
    """Return gates: products, choices, limits by other values, functions of one number."""
    steps = [
        dense(18, 11, "sigmoid", name="gate", sources=("x",)),
        dense(18, 11, "hard_swish", name="value", sources=("x",)),
        Multiply(sources=("gate", "value"), name="product"),
        Activate("softsign", name="bent"),
        PRelu(vector(11), name="learned", sources=("value",)),
        Binary("maximum", sources=("learned", "bent"), name="most"),
        Binary("greater", sources=("gate", "bent"), name="above"),
        Select(sources=("above", "most", "product"), name="chosen"),
        Map("abs", sources=("most",), name="size"),
        Reduce("mean", sources=("size",), name="mean"),
        Binary("divide", sources=("chosen", "mean"), name="scaled"),
        Constant(vector(11, 5), name="fixed", sources=("x",)),
        Binary("subtract", sources=("scaled", "fixed")),
        dense(11, 3, "log_softmax"),
    ]
    return Network(steps, inputs=Input((18,), scale=1 / 255))


def arrangements() -> Network:
    """Return rows taken apart and put together, in every way there is."""
    steps = [
        Reshape((4, 6), name="matrix", sources=("x",)),
        Transpose((1, 0), name="turned"),
        Reshape((24,), name="flat"),
        dense(24, 10, "celu", name="a"),
        Slice(2, 9, name="middle", sources=("a",)),
        Take((4, 0, 1, 2, 0), name="taken", sources=("a",)),
        Concatenate(sources=("taken", "middle", "a"), name="all"),
        Activate("softmax", name="shares", sources=("middle",)),
        Concatenate(sources=("x", "shares"), name="again"),
        dense(31, 5, "relu", name="b"),
        dense(22, 6, "tanh", name="c", sources=("all",)),
        Concatenate(sources=("c", "b", "middle"), name="end"),
        Reshape((2, 9), name="last"),
    ]
    return Network(steps, inputs=Input((24,)), outputs=("last", "taken", "all"))


def connected(inputs: int, width: int, layers: int) -> Network:
    """Return layers that read the input and all layers before, so that each stands in several arrangements."""
    steps: list[Step] = []
    before: tuple[str, ...] = ("x",)
    for number in range(layers):
        steps.append(Concatenate(sources=before, name=f"all{number}"))
        read = inputs + width * number
        steps.append(dense(read, width, "relu", seed=number, name=f"layer{number}"))
        before = (*before, f"layer{number}")
    last = Concatenate(sources=before[::-1], name="every")
    return Network([*steps, last, dense(inputs + width * layers, 3, "softmax")], inputs=Input((inputs,)))


GRAPHS: Mapping[str, Network] = MappingProxyType(
    {
        "committee": committee(40, 20, 12, 5, members=4),
        "residual": residual(20, 33, 2, 4),
        "normalised": residual(20, 19, 2, 4, normalised=True),
        "towers": towers(),
        "policy": policy(),
        "gates": gates(),
        "arrangements": arrangements(),
        "connected": connected(6, 5, 4),
    }
)


def rows_for(network: Network, count: int, seed: int = 1) -> list[Array]:
    """Return random rows for each input of a network."""
    return [rows(count, given.shape[0], seed + number) for number, given in enumerate(network.inputs)]


def as_tuple(answer: Array | tuple[Array, ...]) -> tuple[Array, ...]:
    """Return the answers of a network, one or several."""
    return answer if isinstance(answer, tuple) else (answer,)
