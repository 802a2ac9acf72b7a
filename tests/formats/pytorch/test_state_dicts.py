"""Checkpoints that PyTorch wrote, in both of its containers: the same answers, without PyTorch in the reader."""

from __future__ import annotations

import argparse
import io
import itertools
import os
import pathlib
import pickle
import subprocess
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glassnet
from glassnet.errors import OptionError, ParametersError, UnsafeFileError
from glassnet.formats import inspect

torch: Any = pytest.importorskip("torch", reason="PyTorch is in the interop extra")
nn: Any = torch.nn

CONTAINERS = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])


def saved(value: object, path: Path, zipped: bool = True) -> Path:
    torch.save(value, path, _use_new_zipfile_serialization=zipped)
    return path


def ready(net: Any, dtype: Any = torch.float32) -> Any:
    """Return the module with random parameters and statistics, as it answers."""
    torch.manual_seed(1)
    for parameter in net.parameters():
        parameter.data.normal_(std=0.5)
    for name, buffer in net.named_buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 2.0) if "var" in name else buffer.normal_()
    return net.to(dtype).eval()


def compare(network: glassnet.Network, net: Any, tolerance: float = 1e-5) -> None:
    """Compare with the module's own answers."""
    dtype = next(net.parameters()).dtype
    rows = np.random.default_rng(0).normal(size=(7, network.inputs[0].shape[0]))
    with torch.no_grad():
        expected = net(torch.tensor(rows).to(dtype)).double().numpy()
    np.testing.assert_allclose(network(rows.astype(network.dtype)), expected, rtol=tolerance, atol=tolerance)


def linear(*sizes: int, activation: Any = nn.ReLU, **options: Any) -> Any:
    layers: list[Any] = []
    for inputs, outputs in itertools.pairwise(sizes):
        layers += [nn.Linear(inputs, outputs, **options), activation()]
    return nn.Sequential(*layers[:-1])


class Policy(nn.Module):  # type: ignore[misc]
    """Two networks side by side, and how widely the first draws."""

    def __init__(self) -> None:
        super().__init__()
        self.log_std = nn.Parameter(torch.zeros(2))
        self.actor = linear(6, 8, 8, 2, activation=nn.Tanh)
        self.critic = linear(6, 8, 8, 1, activation=nn.Tanh)

    def forward(self, x: Any) -> Any:
        return self.actor(x)


class Named(nn.Module):  # type: ignore[misc]
    """Layers by words, registered in their order; their normalisations behind all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2, self.out = nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(6, 3)
        self.bn1, self.bn2 = nn.BatchNorm1d(6), nn.BatchNorm1d(6)

    def forward(self, x: Any) -> Any:
        return self.out(torch.relu(self.bn2(self.fc2(torch.relu(self.bn1(self.fc1(x)))))))


class Blocks(nn.Module):  # type: ignore[misc]
    """Twelve layers in a list of their own modules."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.ModuleDict({"linear": nn.Linear(5, 5)}) for _ in range(12)])

    def forward(self, x: Any) -> Any:
        for layer in self.layers[:-1]:
            x = torch.relu(layer["linear"](x))
        return self.layers[-1]["linear"](x)


NETS: dict[str, tuple[Any, dict[str, Any]]] = {
    "a Sequential": (linear(5, 7, 3), {"activation": "relu"}),
    "two layers without an activation": (
        nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2)), {"activation": "relu"}
    ),
    "no bias": (linear(5, 7, 3, bias=False), {"activation": "relu"}),
    "softmax": (nn.Sequential(*linear(5, 7, 3), nn.Softmax(-1)), {"hidden": "relu", "output": "softmax"}),
    "one layer": (nn.Linear(4, 2), {"output": "identity"}),
    "all of one size": (linear(4, 4, 4), {"activation": "relu"}),
    "words": (Named(), {"activation": "relu"}),
    "twelve layers": (Blocks(), {"activation": "relu"}),
    "normalised before the activation": (
        nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2)), {"activation": "relu"}
    ),
    "normalised behind the activation": (
        nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 2)),
        {"activation": "tanh"},
    ),
    "normalised first and last": (
        nn.Sequential(nn.BatchNorm1d(5), nn.Linear(5, 2), nn.BatchNorm1d(2)), {"output": "identity"}
    ),
    "normalised without a scale": (
        nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4, affine=False), nn.ELU(), nn.Linear(4, 2)),
        {"activation": "elu"},
    ),
    "a layer normalisation": (
        nn.Sequential(nn.LayerNorm(5), nn.Linear(5, 4), nn.LayerNorm(4), nn.SiLU(), nn.Linear(4, 2)),
        {"activation": "silu"},
    ),
    "a layer normalisation behind": (
        nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.LayerNorm(4), nn.Linear(4, 2)), {"activation": "relu"}
    ),
    "learned slopes": (nn.Sequential(nn.Linear(5, 4), nn.PReLU(), nn.Linear(4, 2), nn.PReLU()), {}),
    "weights as length and direction": (
        nn.Sequential(
            nn.utils.parametrizations.weight_norm(nn.Linear(5, 4)), nn.ReLU(),
            nn.utils.parametrizations.weight_norm(nn.Linear(4, 2)),
        ),
        {"activation": "relu"},
    ),
}  # fmt: skip


@CONTAINERS
@pytest.mark.parametrize("name", NETS)
def test_the_same_answers(name: str, zipped: bool, tmp_path: Path) -> None:
    net, options = NETS[name]
    net = ready(net.float())
    compare(glassnet.load(saved(net.state_dict(), tmp_path / "net.pt", zipped), **options), net)


@pytest.mark.parametrize("name", NETS)
def test_the_same_answers_in_float64(name: str, tmp_path: Path) -> None:
    net, options = NETS[name]
    net = ready(net.double(), torch.float64)
    network = glassnet.load(saved(net.state_dict(), tmp_path / "net.pt"), **options)
    assert network.dtype == np.float64
    compare(network, net, 1e-12)


@CONTAINERS
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int8", "int16", "int32", "int64", "uint8"])
def test_every_dtype(dtype: str, zipped: bool, tmp_path: Path) -> None:
    weights = torch.tensor([[1.5, -2.0, 3.0], [4.0, 0.5, 6.0]]).abs().to(getattr(torch, dtype))
    state = {"fc.weight": weights, "fc.bias": torch.zeros(2).to(getattr(torch, dtype))}
    layer = glassnet.load(saved(state, tmp_path / "net.pt", zipped), output="identity").layers[0]
    np.testing.assert_array_equal(layer.weights, weights.double().numpy().T)
    assert layer.weights.dtype == (np.float32 if dtype in ("float16", "bfloat16") else np.float64)


@CONTAINERS
def test_shared_storages_and_strides(zipped: bool, tmp_path: Path) -> None:
    whole = torch.arange(60, dtype=torch.float32)
    state = {
        "0.weight": whole[4:24].view(5, 4).t(),
        "0.bias": whole[::15],
        "2.weight": whole[:16].view(4, 4),
        "2.bias": torch.ones(1).expand(4),
        "4.weight": whole[:16].view(4, 4),
    }
    layers = glassnet.load(saved(state, tmp_path / "net.pt", zipped), activation="relu").layers
    for number, layer in zip("024", layers, strict=True):
        np.testing.assert_array_equal(layer.weights, state[f"{number}.weight"].numpy().T)
    np.testing.assert_array_equal(layers[0].bias, state["0.bias"].numpy())
    np.testing.assert_array_equal(layers[1].bias, np.ones(4))


@CONTAINERS
def test_parameters_and_other_containers(zipped: bool, tmp_path: Path) -> None:
    net = ready(linear(3, 4, 2))
    parameters = dict(net.named_parameters())  # nn.Parameter: rebuilt by _rebuild_parameter
    with_attribute = nn.Parameter(parameters["0.bias"].data)
    with_attribute.note = "kept"
    for state in (parameters, {**parameters, "0.bias": with_attribute}, OrderedDict(reversed(parameters.items()))):
        compare(glassnet.load(saved(state, tmp_path / "net.pt", zipped), activation="relu"), net)


@CONTAINERS
def test_a_network_among_other_things(zipped: bool, tmp_path: Path) -> None:
    net = ready(linear(3, 4, 2))
    adam = torch.optim.Adam(net.parameters())
    net(torch.ones(1, 3)).sum().backward()
    adam.step()
    net.eval()
    around = {"epoch": 3, "loss": torch.tensor(0.5), "optimizer_state_dict": adam.state_dict(), "best": np.float64(1.5)}
    for key in ("state_dict", "model_state_dict", "model", "policy", "net"):
        compare(
            glassnet.load(saved({**around, key: net.state_dict()}, tmp_path / "a.pt", zipped), activation="relu"), net
        )
    deep = {"checkpoint": {"model": {"module." + key: value for key, value in net.state_dict().items()}}}
    compare(glassnet.load(saved(deep, tmp_path / "a.pt", zipped), activation="relu"), net)


def lightning(net: Any) -> dict[str, Any]:
    state = OrderedDict((f"model.net.{key}", value) for key, value in net.state_dict().items())
    adam = torch.optim.Adam(net.parameters())
    return {
        "epoch": 1,
        "global_step": 10,
        "pytorch-lightning_version": "2.5.0",
        "state_dict": state,
        "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 1}}}},
        "callbacks": {"ModelCheckpoint{'monitor': 'loss'}": {"best_model_score": torch.ones(1), "dirpath": "/x"}},
        "optimizer_states": [adam.state_dict()],
        "lr_schedulers": [],
        "hparams_name": "kwargs",
        "hyper_parameters": {
            "hidden": [4],
            "args": argparse.Namespace(lr=1e-3),
            "folder": pathlib.PurePosixPath("/data"),
        },
    }


@CONTAINERS
def test_a_lightning_checkpoint(zipped: bool, tmp_path: Path) -> None:
    net = ready(linear(3, 4, 2))
    path = saved(lightning(net), tmp_path / "epoch.ckpt", zipped)
    compare(glassnet.load(path, activation="relu"), net)
    assert all(wanted.allowed for wanted in inspect(path).globals)


def test_layers_whose_names_recall_an_optimizer_stay(tmp_path: Path) -> None:
    net = ready(nn.Sequential(OrderedDict(optimal=nn.Linear(3, 4), relu=nn.ReLU(), scaler=nn.Linear(4, 2))))
    compare(glassnet.load(saved(net.state_dict(), tmp_path / "net.pt"), activation="relu"), net)


def test_tensors_of_ones_own_may_be_the_other_way_round(tmp_path: Path) -> None:
    w1, w2 = torch.randn(3, 4), torch.randn(4, 2)
    path = saved({"w_in": w1, "b_in": torch.ones(4), "w_out": w2, "b_out": torch.ones(2)}, tmp_path / "net.pt")
    x = torch.randn(5, 3)
    expected = torch.relu(x @ w1 + 1) @ w2 + 1
    found = glassnet.load(path, activation="relu")(x.numpy())
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("device", ["cuda:0", "mps", "xla:1", "meta-like"])
def test_where_a_storage_was_does_not_matter(device: str, tmp_path: Path) -> None:
    net = ready(linear(3, 4, 2))
    path = saved(net.state_dict(), tmp_path / "net.pt")
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    tag = device.encode()
    written = b"X\x03\x00\x00\x00cpu"
    assert written in members["net/data.pkl"]
    members["net/data.pkl"] = members["net/data.pkl"].replace(written, b"X" + bytes([len(tag), 0, 0, 0]) + tag)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    compare(glassnet.load(path, activation="relu"), net)


def test_a_big_endian_archive(tmp_path: Path) -> None:
    weights = np.arange(6, dtype=">f4").reshape(2, 3)
    path = saved({"fc.weight": torch.zeros(2, 3), "fc.bias": torch.zeros(2)}, tmp_path / "net.pt")
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members |= {"net/byteorder": b"big", "net/data/0": weights.tobytes()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    np.testing.assert_array_equal(glassnet.load(path, output="identity").layers[0].weights, weights.T)


def test_compressed_and_without_checksums(tmp_path: Path) -> None:
    net = ready(linear(3, 4, 2))
    path = saved(net.state_dict(), tmp_path / "net.pt")
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "deflated.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    compare(glassnet.load(tmp_path / "deflated.pt", activation="relu"), net)
    torch.serialization.set_crc32_options(False)
    try:
        compare(glassnet.load(saved(net.state_dict(), path), activation="relu"), net)
    finally:
        torch.serialization.set_crc32_options(True)


@pytest.mark.parametrize("protocol", range(2, 6))
def test_tensors_in_a_plain_pickle(protocol: int, tmp_path: Path) -> None:
    net = ready(linear(3, 4, 2))
    (tmp_path / "net.pkl").write_bytes(pickle.dumps({"epoch": 1, "model": net.state_dict()}, protocol))
    compare(glassnet.load(tmp_path / "net.pkl", activation="relu"), net)
    hostile = pickle.dumps({"a": net.state_dict(), "b": os.system}, protocol)
    (tmp_path / "net.pkl").write_bytes(hostile)
    with pytest.raises(UnsafeFileError, match=r"asks for '(posix|nt)\.system', which no parameters need"):
        glassnet.load(tmp_path / "net.pkl", activation="relu")


# --- what has to be said ------------------------------------------------------------------------------------


@CONTAINERS
def test_activations_are_asked_for(zipped: bool, tmp_path: Path) -> None:
    path = saved(linear(784, 50, 10).state_dict(), tmp_path / "net.pt", zipped)
    with pytest.raises(ParametersError) as caught:
        glassnet.load(path)
    assert caught.value.message.endswith(
        "the file does not say its activations: found 2 layer(s), 0 (784 → 50), 2 (50 → 10)"
    )
    assert "activation='relu'" in caught.value.hint
    network = glassnet.load(path, activation="relu")
    assert (network.inputs[0].scale, network.labels) == (1 / 255, tuple(range(10)))


@CONTAINERS
def test_one_network_of_two_is_picked(zipped: bool, tmp_path: Path) -> None:
    net = ready(Policy())
    path = saved({"policy": net.state_dict()}, tmp_path / "policy.pt", zipped)
    with pytest.raises(ParametersError) as caught:
        glassnet.load(path, activation="tanh")
    assert "holds 2 groups of layers side by side: actor (6-8-8-2), critic (6-8-8-1)" in caught.value.message
    assert caught.value.hint == "pick one: part='actor'"
    compare(glassnet.load(path, activation="tanh", part="actor"), net)
    compare(glassnet.load(path, activation="tanh", part="critic"), net.critic)
    with pytest.raises(
        OptionError, match=r"part='acter': no layer's name begins so\nhint: there are: 'actor', 'critic'"
    ):
        glassnet.load(path, activation="tanh", part="acter")


def test_parts_in_their_order(tmp_path: Path) -> None:
    policy, value = linear(6, 8, 8, activation=nn.Tanh), linear(6, 8, 8, activation=nn.Tanh)
    action, state_value = nn.Linear(8, 2), nn.Linear(8, 1)
    state = {
        "log_std": torch.zeros(2),
        **{f"mlp_extractor.policy_net.{key}": tensor for key, tensor in policy.state_dict().items()},
        **{f"mlp_extractor.value_net.{key}": tensor for key, tensor in value.state_dict().items()},
        **{f"action_net.{key}": tensor for key, tensor in action.state_dict().items()},
        **{f"value_net.{key}": tensor for key, tensor in state_value.state_dict().items()},
    }
    path = saved(state, tmp_path / "policy.pth")
    with pytest.raises(ParametersError, match="do not fit one behind the other") as caught:
        glassnet.load(path, activation="tanh")
    assert "part=" in caught.value.hint
    network = glassnet.load(path, activation="tanh", part=("mlp_extractor.policy_net", "action_net"))
    compare(network, nn.Sequential(policy, nn.Tanh(), action))


def test_dictionaries_side_by_side(tmp_path: Path) -> None:
    generator, discriminator = linear(4, 8, 6), linear(6, 8, 1)  # they fit one behind the other, too
    state = {"generator": generator.state_dict(), "discriminator": discriminator.state_dict()}
    path = saved(state, tmp_path / "gan.pt")
    with pytest.raises(ParametersError, match=r"generator \(4-8-6\), discriminator \(6-8-1\)"):
        glassnet.load(path, activation="relu")
    compare(glassnet.load(path, activation="relu", part="discriminator"), discriminator)


def test_whole_modules_are_refused(tmp_path: Path) -> None:
    for zipped in (True, False):
        path = saved(linear(3, 4, 2), tmp_path / "net.pt", zipped)
        with pytest.raises(UnsafeFileError) as caught:
            glassnet.load(path)
        assert "a whole module, pickled: it asks for the class 'torch.nn.modules." in caught.value.message
        assert "torch.save(model.state_dict(), path)" in caught.value.hint


def test_classes_beside_the_tensors_are_left_aside(tmp_path: Path) -> None:
    net = ready(linear(3, 4, 2))
    path = saved({"state_dict": net.state_dict(), "policy": Policy}, tmp_path / "net.pt")
    compare(glassnet.load(path, activation="relu"), net)
    assert f"left aside, since only code could make them: '{__name__}.Policy'" in _notes(path)


def _notes(path: Path) -> str:
    from glassnet.formats.assembly import Choices, assembled
    from glassnet.formats.table import format_of

    return "; ".join(assembled(format_of(path).read(path), Choices("relu")).notes)


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (nn.Sequential(nn.Conv1d(1, 2, 3)), r"'0\.weight' has shape \(2, 1, 3\), as a convolution has"),
        (nn.LSTM(3, 4), "'weight_ih_l0' belongs to a recurrent or attention layer"),
        (nn.MultiheadAttention(4, 2), "'in_proj_weight' belongs to a recurrent or attention layer"),
    ],
)
def test_what_is_not_dense_is_named(module: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(ParametersError, match=words):
        glassnet.load(saved(module.state_dict(), tmp_path / "net.pt"), activation="relu")


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    for tensor, words in (
        (torch.zeros(2, 3, dtype=torch.complex64), "dtype 'torch.ComplexFloatStorage', expected one of float16"),
        (torch.zeros(2, 3).to(torch.float8_e4m3fn), "'fc.weight'.*float8_e4m3fn"),
        (torch.zeros(2, 3).to_sparse(), "_rebuild_sparse_tensor"),
    ):
        with pytest.raises(glassnet.GlassnetError, match=words):
            glassnet.load(saved({"fc.weight": tensor}, tmp_path / "net.pt"), output="identity")


def test_pytorch_is_not_imported(tmp_path: Path) -> None:
    path = saved(linear(3, 4, 2).state_dict(), tmp_path / "net.pt")
    code = f"import sys, glassnet; glassnet.load({str(path)!r}, activation='relu'); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_storage_is_a_view_of_a_large_file(tmp_path: Path) -> None:
    weights = torch.ones(2048, 2050)
    path = saved({"fc.weight": weights, "fc.bias": torch.zeros(2048)}, tmp_path / "net.pt")
    from glassnet.formats.pytorch import reading

    base: Any = reading.read(path).arrays["fc.weight"]
    while isinstance(base, np.ndarray):
        base = base.base
    assert isinstance(base, memoryview)
    assert type(base.obj).__name__ == "mmap"


def test_the_file_may_come_from_a_buffer_of_any_name(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save(linear(3, 4, 2).state_dict(), buffer)
    (tmp_path / "pytorch_model.bin").write_bytes(buffer.getvalue())
    assert glassnet.load(tmp_path / "pytorch_model.bin", activation="relu").parameter_count == 26
