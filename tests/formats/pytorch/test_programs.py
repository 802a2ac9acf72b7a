"""Exported programs, TorchScript and live modules: the same answers as PyTorch's, and a name for what has no step."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glassnet
from glassnet import Network, from_torch
from glassnet.errors import OptionError, ParametersError

torch: Any = pytest.importorskip("torch", reason="PyTorch is in the interop extra")
nn: Any = torch.nn
F: Any = torch.nn.functional

# PyTorch warns that TorchScript has a successor; that is why its files are about.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:torch"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:torch"),
]


# TorchScript reads annotations and knows no Any, so the forwards have none.
class Residual(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 5), nn.Linear(5, 5), nn.Linear(10, 2)

    def forward(self, x):  # type: ignore[no-untyped-def]
        h = F.relu(self.a(x))
        g = h + F.gelu(self.b(h))
        return F.log_softmax(self.c(torch.cat([h, g], dim=1)), dim=1)


class Shapes(nn.Module):  # type: ignore[misc]
    """Views, parts, sums, and three answers."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(6, 6, bias=False)

    def forward(self, x):  # type: ignore[no-untyped-def]
        x = x.view(x.size(0), -1)
        x = torch.clamp((self.a(x) * 2.0 - 1) / 3.0, -1, 1)
        p, q = x.chunk(2, dim=1)
        x = x.view(-1, 6)
        return p.mean(dim=1, keepdim=True) - q**2, x[:, 2:4], x.tanh().unsqueeze(1).squeeze(1)


class Listed(nn.Module):  # type: ignore[misc]
    """Layers in a list, activations by hand, the input scaled by a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(6, 6) for _ in range(3)])
        self.register_buffer("mean", torch.ones(6))

    def forward(self, x):  # type: ignore[no-untyped-def]
        x = (x - self.mean) / 0.25
        for number, layer in enumerate(self.layers):
            x = layer(x)
            if number < 2:
                x = torch.sigmoid(x)
        return x


class Arithmetic(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(6, 4)

    def forward(self, x):  # type: ignore[no-untyped-def]
        y = self.a(x)
        z = torch.exp(-y) * y.abs() + 2.0 / (1.0 + y.square()) - torch.sqrt(y * y + 1e-3)
        low = torch.minimum(z, y)
        return torch.maximum(low, torch.rsqrt(y.pow(2) + 1.0)) + y.sin() - y.cos(), (1.0 - low).sum(dim=-1)


class Dueling(nn.Module):  # type: ignore[misc]
    """An advantage about its mean, beside a value."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.value, self.advantage = nn.Linear(6, 5), nn.Linear(5, 1), nn.Linear(5, 3)

    def forward(self, x):  # type: ignore[no-untyped-def]
        h = torch.relu(self.body(x))
        advantage = self.advantage(h)
        return self.value(h) + advantage - advantage.mean(dim=1, keepdim=True)


ACTIVATIONS = {
    str(module): module
    for module in (
        nn.ReLU(), nn.LeakyReLU(0.2), nn.ELU(0.7), nn.SELU(), nn.CELU(1.3), nn.GELU(), nn.GELU("tanh"), nn.SiLU(),
        nn.Mish(), nn.Sigmoid(), nn.LogSigmoid(), nn.Tanh(), nn.Tanhshrink(), nn.Softplus(), nn.Softplus(2.0),
        nn.Softsign(), nn.Hardtanh(-0.5, 0.8), nn.ReLU6(), nn.Hardsigmoid(), nn.Hardswish(), nn.Softmax(-1),
        nn.LogSoftmax(1), nn.Softmin(1), nn.PReLU(), nn.PReLU(4), nn.GLU(), nn.Dropout(0.3), nn.Identity(),
        nn.LayerNorm(4), nn.LayerNorm(4, elementwise_affine=False), nn.BatchNorm1d(4), nn.Flatten(),
        nn.BatchNorm1d(4, affine=False),
    )
}  # fmt: skip
NETS = {
    **{
        name: nn.Sequential(nn.Linear(6, 4), module, nn.Linear(2 if name.startswith("GLU") else 4, 3))
        for name, module in ACTIVATIONS.items()
    },
    **{kind.__name__: kind() for kind in (Residual, Shapes, Listed, Arithmetic, Dueling)},
}


def ready(net: Any, dtype: Any) -> Any:
    torch.manual_seed(1)
    for parameter in net.parameters():
        parameter.data.normal_(std=0.5)
    for name, buffer in net.named_buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 2.0) if "var" in name else buffer.normal_()
    return net.to(dtype).eval()


def exported(net: Any, x: Any, path: Path) -> Network:
    path = path / "net.pt2"
    torch.export.save(torch.export.export(net, (x,), dynamic_shapes=({0: torch.export.Dim("rows")},)), path)
    return glassnet.load(path)


def exported_for_so_many_rows(net: Any, x: Any, path: Path) -> Network:
    path = path / "net.pt2"
    torch.export.save(torch.export.export(net, (x,)), path)
    return glassnet.load(path)


def scripted(net: Any, x: Any, path: Path) -> Network:
    torch.jit.save(torch.jit.script(net), path / "net.pt")
    return glassnet.load(path / "net.pt")


def traced(net: Any, x: Any, path: Path) -> Network:
    torch.jit.save(torch.jit.trace(net, x), path / "net.pt")
    return glassnet.load(path / "net.pt")


def live(net: Any, x: Any, path: Path) -> Network:
    return from_torch(net)


WAYS = (exported, exported_for_so_many_rows, scripted, traced, live)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("name", NETS)
def test_the_same_answers(name: str, way: Callable[[Any, Any, Path], Network], tmp_path: Path) -> None:
    in_both = way in (live, traced)
    for dtype, tolerance in ((torch.float32, 1e-5), (torch.float64, 1e-12))[: 1 + in_both]:
        net = ready(NETS[name], dtype)
        x = torch.randn(7, 6, dtype=dtype)
        network = way(net, x, tmp_path)
        with torch.no_grad():
            expected = net(x)
        answer = network(x.numpy())
        for found, wanted in zip(*(y if isinstance(y, tuple) else (y,) for y in (answer, expected)), strict=True):
            np.testing.assert_allclose(found, wanted.numpy(), rtol=tolerance, atol=tolerance)
            assert found.dtype == wanted.numpy().dtype


def test_what_follows_a_layer_is_taken_into_it(tmp_path: Path) -> None:
    net = ready(
        nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Dropout(), nn.Linear(4, 2)), torch.float32
    )
    for way in WAYS:
        network = way(net, torch.ones(3, 6), tmp_path)
        assert [(step.name, str(step.activation)) for step in network.layers] == [
            ("dense1", "relu"),
            ("dense2", "identity"),
        ]
        assert len(network.steps) == 2


def test_a_row_without_a_batch(tmp_path: Path) -> None:
    net = ready(nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 2)), torch.float32)
    network = exported_for_so_many_rows(net, torch.ones(6), tmp_path)
    x = torch.randn(3, 6)
    np.testing.assert_allclose(network(x.numpy()), net(x).detach().numpy(), rtol=1e-5, atol=1e-6)


def test_several_inputs(tmp_path: Path) -> None:
    class Critic(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(5, 1)

        def forward(self, state, action):  # type: ignore[no-untyped-def]
            return self.a(torch.cat([state, action], dim=-1))

    net, x, u = ready(Critic(), torch.float32), torch.randn(4, 3), torch.randn(4, 2)
    torch.export.save(torch.export.export(net, (x, u)), tmp_path / "net.pt2")
    network = glassnet.load(tmp_path / "net.pt2")
    assert [entry.name for entry in network.inputs] == ["state", "action"]
    np.testing.assert_allclose(network(x.numpy(), u.numpy()), net(x, u).detach().numpy(), rtol=1e-5, atol=1e-6)
    torch.jit.save(torch.jit.script(net), tmp_path / "net.pt")
    with pytest.raises(ParametersError, match=r"forward reads 2 inputs \(state, action\)") as caught:
        glassnet.load(tmp_path / "net.pt")
    assert "torch.export.save" in caught.value.hint


def test_a_script_saved_while_it_trains(tmp_path: Path) -> None:
    net = ready(nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 2)), torch.float32)
    x = torch.randn(5, 6)
    expected = net(x).detach().numpy()
    np.testing.assert_allclose(scripted(net.train(), x, tmp_path)(x.numpy()), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (nn.Sequential(nn.Linear(6, 4), nn.RMSNorm(4)), "rms_norm"),
        (nn.Sequential(nn.Linear(6, 4), nn.Threshold(0.1, 0.0)), "threshold"),
        (nn.Sequential(nn.Linear(6, 4), nn.Softmax(0)), "works along the batch"),
    ],
)
def test_what_has_no_step_is_named(module: Any, words: str, tmp_path: Path) -> None:
    for way in (exported, scripted):
        with pytest.raises(ParametersError, match=words):
            way(module.eval(), torch.ones(3, 6), tmp_path)


def test_options_that_a_program_has_no_use_for(tmp_path: Path) -> None:
    exported(ready(Residual(), torch.float32), torch.ones(3, 6), tmp_path)
    with pytest.raises(OptionError, match="hidden= cannot be used: the file says itself which network it holds"):
        glassnet.load(tmp_path / "net.pt2", activation="relu")
    scaled = glassnet.load(tmp_path / "net.pt2", mean=1.0, std=2.0)
    x = np.random.default_rng(0).normal(size=(3, 6)).astype(np.float32)
    plain = glassnet.load(tmp_path / "net.pt2")
    np.testing.assert_allclose(scaled(x), plain((x - 1) / 2), rtol=1e-5, atol=1e-6)


def test_pytorch_is_not_imported(tmp_path: Path) -> None:
    net = ready(Residual(), torch.float32)
    exported(net, torch.ones(3, 6), tmp_path)
    scripted(net, torch.ones(3, 6), tmp_path)
    code = "import sys, glassnet; glassnet.load('net.pt2'), glassnet.load('net.pt'); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout == "False\n"


# --- live modules -------------------------------------------------------------------------------------------


def test_a_live_module_stays_as_it_is() -> None:
    net = nn.Sequential(nn.Linear(6, 4), nn.Dropout(), nn.BatchNorm1d(4)).train()
    net[1].eval()
    network = from_torch(net)
    assert [part.training for part in net] == [True, False, True]
    before = network(np.ones(6))
    net[0].weight.data.zero_()
    np.testing.assert_array_equal(network(np.ones(6)), before)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_live_module_in_half_precision(dtype: str) -> None:
    net = nn.Linear(2, 2).to(getattr(torch, dtype))
    np.testing.assert_array_equal(from_torch(net).layers[0].weights, net.weight.detach().float().numpy().T)


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (nn.Sequential(nn.Conv1d(1, 2, 3)), "module '0' is a Conv1d, which has no step here"),
        (nn.Sequential(nn.Linear(2, 3), nn.LSTM(3, 3)), "module '1' is a LSTM, which has no step here"),
        (nn.Sequential(nn.Linear(2, 3), nn.Softmax(0)), "module '1', a Softmax: .*works along the batch"),
        (nn.Bilinear(2, 2, 2), r"forward reads 2 inputs \(input1, input2\), and does not say their sizes"),
    ],
)
def test_a_live_module_that_has_no_step_is_named(module: Any, words: str) -> None:
    with pytest.raises(ParametersError, match=f"^from_torch: {words}"):
        from_torch(module)


def test_a_live_module_that_cannot_be_followed() -> None:
    class Branching(nn.Module):  # type: ignore[misc]
        def forward(self, x):  # type: ignore[no-untyped-def]
            return x if x.sum() > 0 else -x

    with pytest.raises(ParametersError, match=r"torch\.fx cannot follow Branching") as caught:
        from_torch(Branching())
    assert "torch.export.save" in caught.value.hint


def test_what_is_no_module() -> None:
    things: tuple[Any, ...] = (5, nn.Linear, {"0.weight": torch.ones(1)})
    for thing in things:
        with pytest.raises(OptionError, match=r"from_torch: expected a torch\.nn\.Module, found"):
            from_torch(thing)
