"""Time networks that are no chains beside ONNX Runtime: ``python benchmarks/graphs.py``.

A committee (the mean of four digit networks' probabilities), a residual network, and a policy with two heads. Both run
in this process, on one thread, taken in turns; ONNX Runtime is given the file that ``glassnet.save`` writes. The
figures are kept in ``benchmarks/results/graphs.txt``.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

import glassnet
from glassnet import Dense, Input, Network
from glassnet.activations import Array
from glassnet.benchmarking import machine
from glassnet.network import Activate, Add, Normalise, ScaleShift, Step
from measuring import in_turns, ratio

RESULTS = Path(__file__).parent / "results" / "graphs.txt"
ROWS = (1, 16, 100, 1000)
ROUNDS, SECONDS = 31, 0.02


def layer(generator: np.random.Generator, inputs: int, outputs: int, activation: str, **options: Any) -> Dense:
    """Return a dense layer of random parameters."""
    weights = generator.standard_normal((inputs, outputs)) * np.sqrt(1 / inputs)
    return Dense(weights.astype(np.float32), np.full(outputs, 0.1, np.float32), activation, **options)


def committee(members: int, *sizes: int) -> Network:
    """Return the mean of several networks' probabilities."""
    generator = np.random.default_rng(0)
    steps: list[Step] = []
    ends = []
    for member in range(members):
        source = "x"
        for number, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
            last = number == len(sizes) - 2
            name = f"member{member}_layer{number}"
            steps.append(layer(generator, inputs, outputs, "softmax" if last else "relu", name=name, sources=(source,)))
            source = name
        ends.append(source)
    mean = ScaleShift(np.float32(1 / members), np.float32(0))
    return Network([*steps, Add(sources=tuple(ends)), mean], inputs=Input((sizes[0],)))


def residual(inputs: int, width: int, blocks: int, outputs: int) -> Network:
    """Return blocks of normalisation and two layers, each added to what it reads."""
    generator = np.random.default_rng(0)
    steps: list[Step] = [layer(generator, inputs, width, "relu", name="sum0")]
    for block in range(blocks):
        steps += [
            Normalise(np.ones(width, np.float32), sources=(f"sum{block}",)),
            layer(generator, width, width, "relu"),
            layer(generator, width, width, "identity", name=f"branch{block}"),
            Add(sources=(f"sum{block}", f"branch{block}"), name=f"sum{block + 1}"),
        ]
    return Network([*steps, Activate("relu"), layer(generator, width, outputs, "identity")], inputs=Input((inputs,)))


def policy(inputs: int, *sizes: int) -> Network:
    """Return a trunk with two heads: a distribution over actions, and a value."""
    generator = np.random.default_rng(0)
    trunk = [
        layer(generator, before, after, "tanh", name=f"trunk{after}")
        for before, after in itertools.pairwise((inputs, *sizes))
    ]
    heads = [
        layer(generator, sizes[-1], 12, "softmax", name="action", sources=(trunk[-1].name,)),
        layer(generator, sizes[-1], 1, "identity", name="value", sources=(trunk[-1].name,)),
    ]
    return Network([*trunk, *heads], outputs=("action", "value"))


NETWORKS = {
    "committee of 4 × 784-100-50-10": committee(4, 784, 100, 50, 10),
    "residual 64-256, 4 blocks, 8": residual(64, 256, 4, 8),
    "policy 48-256-128, 12 and 1": policy(48, 256, 128),
}


def runtime(network: Network) -> Callable[[Array], list[Array]]:
    """Return ONNX Runtime's way to answer."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "network.onnx")
        glassnet.save(network, path)
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    [given] = session.get_inputs()
    return lambda x: session.run(None, {given.name: x})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = parser.parse_args().rounds
    versions = (f"onnxruntime {onnxruntime.__version__}", f"glassnet {glassnet.__version__}")
    lines = [
        machine(*versions),
        f"\nµs a call, medians of {rounds} rounds taken in turns; ratio: ONNX Runtime's time / glassnet's",
        f"{'network':<34}{'data':<8}{'rows':>6}{'glassnet':>12}{'onnxruntime':>14}{'ratio':>8}",
    ]
    print(*lines, sep="\n")
    for name, network in NETWORKS.items():
        fast, other = network.compile(), runtime(network)
        assert not fast.report().in_numpy
        for sparse, count in itertools.product((False, True) if "784" in name else (False,), ROWS):
            x = np.random.default_rng(1).random((count, *network.inputs[0].shape), dtype=np.float32)
            if sparse:  # as a digit is: a blank frame, and blanks within
                x.reshape(count, 28, 28)[:, :, [*range(6), *range(22, 28)]] = 0
                x[np.random.default_rng(2).random(x.shape) < 0.6] = 0
            answers = fast(x) if isinstance(fast(x), tuple) else (fast(x),)
            for found, expected in zip(answers, other(x), strict=True):
                assert np.allclose(found, expected, rtol=1e-4, atol=1e-4)
            calls: dict[str, Callable[[], object]] = {
                "ours": functools.partial(fast, x),
                "theirs": functools.partial(other, x),
            }
            once = {key: statistics.median(several) for key, several in in_turns(calls, 5).items()}
            times = {key: max(1, int(SECONDS / seconds)) for key, seconds in once.items()}
            seconds = in_turns({key: _repeated(call, times[key]) for key, call in calls.items()}, rounds)
            each = {key: [one / times[key] for one in several] for key, several in seconds.items()}
            ours, theirs = (statistics.median(each[key]) * 1e6 for key in ("ours", "theirs"))
            data = "sparse" if sparse else "random"
            faster = ratio(each["theirs"], each["ours"])
            lines.append(f"{name:<34}{data:<8}{count:>6,}{ours:>12,.1f}{theirs:>14,.1f}{faster:>8.2f}")
            print(lines[-1], flush=True)
    if rounds == ROUNDS:
        RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _repeated(call: Callable[[], object], times: int) -> Callable[[], None]:
    def run() -> None:
        for _ in range(times):
            call()

    return run


if __name__ == "__main__":
    main()
