"""Writes docs/reference/formats.md from the table of formats and from trials.

Run it as ``python docs/make_formats_reference.py``. What a format is read for is said in ``READ``, one entry a format;
the matrix of what is written is found by saving networks and loading them again.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from glassnet import ACTIVATIONS, Dense, GlassnetError, Input, Network, load, save
from glassnet.formats import FORMATS
from glassnet.formats.keras.activations import COMPOSED, DIRECT
from glassnet.formats.keras.layers import LAYERS
from glassnet.formats.keras.models import MODELS
from glassnet.formats.table import FOLDER
from glassnet.network import FUNCTIONS, Activate, Add, Clip, Concatenate, Map, Normalise, ScaleShift, Step
from glassnet.network.steps import Array

PAGE = Path(__file__).parent / "reference" / "formats.md"


@dataclass(frozen=True)
class Read:
    """What a format is read for; knows: what a file says by itself of the network it holds."""

    comes_from: str
    knows: str
    refused: str
    needs: str = "none"


READ: Mapping[str, Read] = {
    "safetensors": Read(
        "glassnet; any tool, as named tensors",
        "all of it in glassnet's own files; else names and shapes",
        "overlapping or missing bytes, 8-bit floats",
    ),
    "pytorch": Read(
        "`torch.save` of a state_dict, old and new; checkpoints, stable-baselines3's zips; `torch.export`; TorchScript",
        "names and shapes; a program knows its operations",
        "whole pickled modules, and every global that no tensor needs; layers that compute in whole numbers (quantised "
        "tensors are multiplied out)",
    ),
    "keras": Read(
        "Keras 3, and TensorFlow's Keras from 2.12",
        "layers, activations, the graph",
        "`Lambda`, custom layers, layers that are not dense (convolutions, recurrence, attention)",
        "none to read; h5py to write",
    ),
    "hdf5": Read(
        "`model.save('….h5')` of Keras 1, 2 and 3; weights alone; any HDF5 file of arrays",
        "as .keras, where `model_config` is in it; else names and shapes",
        "soft and external links, external and virtual storage, filters but deflate and shuffle, compounds, "
        "references, groups in a fractal heap (`libver='latest'`)",
    ),
    "gguf": Read(
        "GGUF 2 and 3, little-endian: F32, F16, BF16, F64, integers",
        "names and shapes",
        "quantised tensors, by their kind",
    ),
    "matlab": Read(
        "MATLAB 5 to 7.3, Octave, SciPy; structs and cells become `net.W`, `W1`, `W2`, …",
        "names and shapes",
        "complex numbers; texts, objects and sparse matrices are left aside",
    ),
    "joblib": Read(
        "`joblib.dump` of scikit-learn estimators, 0.18 and later, in every compression but lz4",
        "the estimator, its labels, the pipeline before it",
        "estimators that are no dense network (trees, kernels), by their names",
        "none to read; scikit-learn to write",
    ),
    "skops": Read(
        "`skops.io.dump` of scikit-learn estimators", "as joblib", "as joblib", "none to read; skops to write"
    ),
    "npz": Read(
        "glassnet; `numpy.savez`", "all of it in glassnet's own files; else names and shapes", "arrays of objects"
    ),
    "pickle": Read(
        "the textbook's dict; dicts and lists of arrays; scikit-learn estimators",
        "names and shapes",
        "every global that no array needs; nothing is executed",
    ),
    "json": Read(
        '`{"W1": …, "b1": …}`; `{"layers": [{"weights": …, "bias": …, "activation": …}]}`; with `weights=`, Keras\' '
        "model.json",
        "activations, where layers are listed",
        "texts of more than 16 MB; keys that stand twice; NaN",
    ),
    "onnx": Read(
        "exporters of PyTorch, TensorFlow, scikit-learn, …; opset 6 and later",
        "the whole graph",
        "operators that a dense feed-forward network does not need, by their names",
        "none to read, but for 8-bit floats and narrower types; onnx to write",
    ),
    "c header": Read("", "", "reading: it is written only"),
    "folder": Read("one `.npy` or `.csv` file an array: `W1.csv`, `b1.csv`, …", "names and shapes", "links"),
}


def _numbers(*shape: int, double: bool = False) -> Array:
    values = np.random.default_rng(shape).normal(size=shape)
    return values if double else values.astype(np.float32)


def _chain(**options: object) -> Network:
    steps = [Dense(_numbers(4, 5), _numbers(5), "relu"), Dense(_numbers(5, 3), _numbers(3), "softmax")]
    return Network(steps, **options)  # type: ignore[arg-type]


def _residual() -> Network:
    steps: list[Step] = [Dense(_numbers(4, 4), _numbers(4), "tanh", name="a"), Add(sources=("x", "a"), name="b")]
    return Network([*steps, Dense(_numbers(4, 2))])


def _heads() -> Network:
    steps = [Dense(_numbers(4, 5), None, "relu", name="a"), Dense(_numbers(5, 2), name="b", sources=("a",))]
    return Network([*steps, Dense(_numbers(5, 3), None, "softmax", name="c", sources=("a",))], outputs=["b", "c"])


def _inputs() -> Network:
    joined = Concatenate(sources=("x", "y"))
    return Network([joined, Dense(_numbers(7, 2))], inputs=[Input((4,), "x"), Input((3,), "y")])


def _activated(name: str) -> Network:
    return Network(
        [Dense(_numbers(4, 5), _numbers(5), name), Dense(_numbers(5, 3), _numbers(3), "softmax")], labels="abc"
    )


# What a network may have → networks that have it, by what tells them apart.
TRIALS: Mapping[str, Mapping[str, Network]] = {
    "the textbook's chain": {
        "": Network([Dense(_numbers(4, 5), None, "sigmoid"), Dense(_numbers(5, 3), None, "softmax")])
    },
    "other activations": {name: _activated(name) for name in ACTIVATIONS},
    "labels": {"": _chain(labels=["a", "b", "c"])},
    "input scaling": {"": _chain(inputs=Input((4,), scale=1 / 255))},
    "float64": {"": Network([Dense(_numbers(4, 3, double=True), None, "tanh")])},
    "scale and shift": {"": Network([ScaleShift(_numbers(4), _numbers(4)), Dense(_numbers(4, 2))], inputs=Input((4,)))},
    "normalisation": {"": Network([Dense(_numbers(4, 5)), Normalise(_numbers(5), _numbers(5)), Activate("gelu")])},
    "limits": {
        f"{low:g} to {high:g}": Network([Dense(_numbers(4, 5)), Clip(low, high)])
        for low, high in ((0, 6), (-1, 1), (-2, 2), (0.5, math.inf))
    },
    "functions": {name: Network([Dense(_numbers(4, 5), None, "sigmoid"), Map(name)]) for name in FUNCTIONS},
    "residual sum": {"": _residual()},
    "several outputs": {"": _heads()},
    "several inputs": {"": _inputs()},
}


def trial(networks: Mapping[str, Network], suffix: str) -> str:
    """Return how networks come back from a file, and where not all of them do alike, which ones do otherwise."""
    found: dict[str, list[str]] = {}
    for name, network in networks.items():
        found.setdefault(_trial(network, suffix), []).append(name)
    usual, *others = sorted(found, key=lambda how: -len(found[how]))
    return "; ".join((usual, *(f"{how}: {', '.join(found[how])}" for how in others)))


def _trial(network: Network, suffix: str) -> str:
    """Return whether a network comes back from a file: exactly, in its answers alone, or not at all."""
    x = [_numbers(6, *entry.shape).astype(network.dtype) for entry in network.inputs]
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/net{suffix}"
        try:
            save(network, path)
            again = load(path)
        except GlassnetError:
            return "–"
        before, after = (np.hstack([np.atleast_2d(part) for part in _listed(each(*x))]) for each in (network, again))
    if not np.array_equal(before, after, equal_nan=True):
        return "to rounding" if np.allclose(before, after, rtol=1e-5, atol=1e-6, equal_nan=True) else "–"
    same = (network.inputs, network.outputs, network.labels) == (again.inputs, again.outputs, again.labels)
    return "exact" if same else "answers"


def _listed(answers: object) -> list[Array]:
    return list(answers) if isinstance(answers, tuple) else [np.asarray(answers)]


def page() -> str:
    """Return the page as it should be."""
    lines = ["# Formats", "", INTRODUCTION]
    lines += ["## Read", "", "| format | suffixes | comes from | what a file says itself | refused | library |"]
    lines += ["|---|---|---|---|---|---|"]
    for entry in (*FORMATS.values(), FOLDER):
        if entry.reads:
            read, suffixes = READ[entry.name], ", ".join(f"`{suffix}`" for suffix in entry.suffixes) or "–"
            cells = (entry.name, suffixes, read.comes_from, read.knows, read.refused, read.needs)
            lines.append(f"| {' | '.join(cells)} |")
    lines += ["", WRITTEN, f"| | {' | '.join(TRIALS)} |", f"|---|{'---|' * len(TRIALS)}"]
    for entry in FORMATS.values():
        if entry.reads and entry.writes:
            suffix = entry.suffixes[0]
            found = " | ".join(trial(networks, suffix) for networks in TRIALS.values())
            lines.append(f"| `{suffix}` | {found} |")
    lines += ["", KERAS, "", f"Layers: {_names([*LAYERS, *MODELS])}.", ""]
    lines += [f"Activations: {_names([*DIRECT, *COMPOSED])}.", ""]
    return "\n".join(lines)


def _names(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(set(names), key=str.lower))


INTRODUCTION = """\
This page is written by `docs/make_formats_reference.py` from the table of formats and from trials.

A file is known by its first bytes, and only where no format claims those by its suffix. It is read as data: nothing in
it is imported or executed, no other file is opened, sizes are compared with the length of the file before memory is
taken, and what is compressed may grow to 50 times its size at most. What is refused is refused by name. Of a file that
says names and shapes alone, the activations are asked for: `load(path, activation="relu", output="softmax")`.

A file loads its own reader and nothing else: in a fresh process that has imported glassnet, the digit network is loaded
from every format within 50 ms, and one of 100 MB (safetensors, npz, PyTorch, ONNX) takes 1.2 times its size in memory
(`benchmarks/loading.py`, its output in `benchmarks/results/loading.txt`).

Only the textbook's names, W1, b1, W2, …, mean its network unless told otherwise: sigmoid inside, softmax at the end.
Whether weights have shape (inputs, outputs) or (outputs, inputs) their neighbours say, or a bias that is a row or a
column; where both fit, as with square weights alone, it is asked for: `orientation="outputs_inputs"`.

A `state_dict`, like every file of named arrays, does not say how its layers are connected: they are taken as a chain,
in the order of their names or the only one in which they fit, and `inspect` shows it. A network with skip connections
would be read as another one where its shapes allow that; it comes by ONNX, `torch.export`, TorchScript, `from_torch`
or Keras.
"""

WRITTEN = """\
## Written

`save(network, path)` and `glassnet convert IN OUT` write these. *exact*: the same bits come back, with labels, names of
inputs and outputs, and input scaling; *answers*: the same answers alone; –: the format has no place for it, and saving
says so, by the name of the step. Where not all of a kind do alike, those that do otherwise are named. A `.h` holds the
weights as C arrays and is not read again.
"""

KERAS = """\
## Keras

Models are chains (`Sequential`) or graphs (functional), also within one another; layers may be shared. A batch
normalisation becomes a scale and a shift, what works only while training is left out. `hard_sigmoid` has the slope of
the version that wrote the file, 1/5 before Keras 3 and 1/6 since. `from_keras(model)` reads a model in memory."""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
