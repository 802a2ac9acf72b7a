"""What is written without PyTorch, PyTorch loads with weights_only=True and a Sequential takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glassnet
from glassnet import Dense, Input, Network
from glassnet.errors import OptionError
from glassnet.formats import inspect
from glassnet.network import Activate, Add, Reshape, ScaleShift

RANDOM = np.random.default_rng(0)


def dense(inputs: int, outputs: int, activation: Any = "identity", dtype: Any = np.float32) -> Dense:
    return Dense(
        RANDOM.normal(size=(inputs, outputs)).astype(dtype), RANDOM.normal(size=outputs).astype(dtype), activation
    )


NETWORKS = {
    "two layers": Network([dense(5, 4, "relu"), dense(4, 3)]),
    "float64": Network([dense(5, 4, "tanh", np.float64), dense(4, 3, "softmax", np.float64)]),
    "labels and a scale": Network(
        [dense(5, 4, "gelu"), dense(4, 2, "softmax")], inputs=Input((5,), scale=1 / 255), labels=("고양이", "dog")
    ),
    "normalised": Network(
        [ScaleShift(np.float32(2.0), np.ones(5, np.float32)), dense(5, 4), Activate("silu"), dense(4, 2)],
        inputs=Input((5,)),
    ),
    "a picture": Network([Reshape((6,)), dense(6, 2)], inputs=Input((2, 3))),
}


def sequential(torch: Any, network: Network) -> Any:
    """Return the torch module that the written names are meant for."""
    nn = torch.nn
    kinds = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU, "silu": nn.SiLU, "softmax": lambda: nn.Softmax(-1)}
    modules: list[Any] = []
    for step, sources in zip(network.steps, network.sources, strict=True):
        if isinstance(step, Dense):
            modules.append(nn.Linear(step.inputs, step.outputs))
        elif isinstance(step, ScaleShift):
            modules.append(nn.BatchNorm1d(network.shapes[sources[0]][0]))
        elif isinstance(step, Reshape):
            modules.append(nn.Flatten())
        name = getattr(getattr(step, "activation", None), "name", "identity")
        if name != "identity":
            modules.append(kinds[name]())
    return nn.Sequential(*modules).to(torch.float64 if network.dtype == np.float64 else torch.float32).eval()


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("mapped", [True, False])
def test_pytorch_takes_it(name: str, mapped: bool, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is in the interop extra")
    network, path = NETWORKS[name], tmp_path / "net.pt"
    glassnet.save(network, path)
    module = sequential(torch, network)
    state = torch.load(path, weights_only=True, mmap=mapped)
    assert all(tensor.is_contiguous() for tensor in state.values())
    module.load_state_dict(state, strict=True)
    x = RANDOM.normal(size=(7, *network.inputs[0].shape)).astype(network.dtype)
    with torch.no_grad():
        np.testing.assert_allclose(network(x), module(torch.tensor(x)).numpy(), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_way_back_is_exact(name: str, tmp_path: Path) -> None:
    network, path = NETWORKS[name], tmp_path / "net.pt"
    glassnet.save(network, path)
    again = glassnet.load(path)
    assert (again.inputs, again.outputs, again.labels) == (network.inputs, network.outputs, network.labels)
    assert [(step.KIND, step.name) for step in again.steps] == [(step.KIND, step.name) for step in network.steps]
    for step, other in zip(network.steps, again.steps, strict=True):
        for field, array in step.arrays.items():
            np.testing.assert_array_equal(np.broadcast_to(array, other.arrays[field].shape), other.arrays[field])
            assert array.dtype == other.arrays[field].dtype
    assert inspect(path).problem == ""
    glassnet.save(again, tmp_path / "twice.pt")
    assert (tmp_path / "twice.pt").read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (Network([dense(3, 3), Add(sources=("dense1", "x"))]), "step 'add1' is not such a module"),
        (Network([dense(3, 3, "relu"), dense(3, 2)], outputs=("dense1", "dense2")), "its only output is the last step"),
        (Network([dense(3, 3), dense(3, 2)], outputs="dense1"), "its only output is the last step, 'dense2'"),
        (
            Network([ScaleShift(2.0)], inputs=Input((2, 3))),
            r"a BatchNorm1d of \(features,\) only: step 'scale_shift1'",
        ),
        (Network([Activate("relu")], inputs=Input((2,))), "no step of the network has parameters"),
    ],
)  # fmt: skip
def test_what_a_sequential_cannot_be_is_said(network: Network, words: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=words):
        glassnet.save(network, tmp_path / "net.pt")
    assert not list(tmp_path.iterdir())


def test_storages_are_aligned_as_pytorch_aligns_them(tmp_path: Path) -> None:
    import zipfile

    path = tmp_path / "net.pt"
    glassnet.save(NETWORKS["two layers"], path)
    data = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        for info in archive.infolist():
            length = int.from_bytes(data[info.header_offset + 28 : info.header_offset + 30], "little")
            assert (info.header_offset + 30 + len(info.filename) + length) % 64 == 0
