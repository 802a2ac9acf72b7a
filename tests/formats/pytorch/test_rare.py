"""What is rarer of PyTorch: quantised tensors, programs of before version 2.8, live modules of several inputs."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glassnet
from glassnet.errors import FileFormatError, OptionError, ParametersError, UnsafeFileError
from glassnet.formats import inspect

torch: Any = pytest.importorskip("torch", reason="PyTorch is in the interop extra")
nn: Any = torch.nn

pytestmark = pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning")

# --- quantised tensors --------------------------------------------------------------------------------------


def quantised(kind: str) -> Any:
    torch.manual_seed(0)
    weights = torch.randn(5, 4)
    match kind:
        case "per channel":
            return torch.quantize_per_channel(weights, torch.rand(5) + 0.1, torch.arange(5), 0, torch.qint8)
        case "per input":
            return torch.quantize_per_channel(weights, torch.rand(4) + 0.1, torch.arange(4), 1, torch.quint8)
        case _:
            return torch.quantize_per_tensor(weights, 0.05, 3, getattr(torch, kind))


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("kind", ["qint8", "quint8", "qint32", "per channel", "per input"])
def test_a_quantised_tensor_is_multiplied_out(kind: str, old: bool, tmp_path: Path) -> None:
    weights = quantised(kind)
    state = {"fc.weight": weights, "fc.bias": torch.zeros(5)}
    torch.save(state, tmp_path / "net.pt", _use_new_zipfile_serialization=not old)
    found = glassnet.load(tmp_path / "net.pt", activation="relu").layers[0].weights
    np.testing.assert_allclose(found, weights.dequantize().numpy().T, rtol=1e-6, atol=1e-7)
    assert "quantised, and multiplied out: fc.weight" in inspect(tmp_path / "net.pt").notes


@pytest.mark.filterwarnings("ignore")
def test_layers_that_compute_in_whole_numbers_are_refused(tmp_path: Path) -> None:
    net = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2)))
    torch.save(net.state_dict(), tmp_path / "net.pt")
    with pytest.raises(ParametersError, match=r"module '0' is a quantised layer, which rounds its rows") as caught:
        glassnet.load(tmp_path / "net.pt", activation="relu")
    assert caught.value.hint == "save the state_dict of the model from before it was quantised"


# --- programs of before version 2.8 -------------------------------------------------------------------------


class Net(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Linear(6, 3)

    def forward(self, x: Any) -> Any:
        return self.last(nn.functional.gelu(self.norm(self.first(x)), approximate="tanh")).softmax(-1)


def old_members() -> dict[str, bytes]:
    """What ``torch.export.save`` put into its zip until version 2.7."""
    from torch._export.serde.serialize import serialize

    rows = torch.export.Dim("rows")
    found = serialize(torch.export.export(Net().eval(), (torch.randn(3, 4),), dynamic_shapes=({0: rows},)))
    return {
        "serialized_exported_program.json": found.exported_program,
        "serialized_state_dict.pt": found.state_dict,
        "serialized_constants.pt": found.constants,
        "serialized_example_inputs.pt": found.example_inputs,
        "version": b"8.8",
    }


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    return buffer.getvalue()


def test_an_old_program(tmp_path: Path) -> None:
    (tmp_path / "net.pt2").write_bytes(zipped(old_members()))
    x = torch.randn(5, 4)
    theirs = torch.export.load(tmp_path / "net.pt2").module()(x).detach().numpy()
    np.testing.assert_allclose(glassnet.load(tmp_path / "net.pt2")(x.numpy()), theirs, rtol=1e-5, atol=1e-6)
    assert all(wanted.allowed for wanted in inspect(tmp_path / "net.pt2").globals)


def test_an_old_program_whose_parameters_are_none(tmp_path: Path) -> None:
    for content, error, problem in (
        (b"none", FileFormatError, r"its member 'serialized_state_dict.pt': a broken zip|: cut off"),
        (zipped({"archive/data.pkl": b"cos\nsystem\n(S'true'\ntR."}), UnsafeFileError, "asks for 'os.system'"),
        (zipped({"archive/data.pkl": b"]."}), FileFormatError, "holds list, expected arrays by name"),
        (zipped({"archive/data.pkl": b"}."}), FileFormatError, "array 'first.weight' is missing"),
    ):
        (tmp_path / "net.pt2").write_bytes(zipped({**old_members(), "serialized_state_dict.pt": content}))
        with pytest.raises((error, ParametersError), match=problem):
            glassnet.load(tmp_path / "net.pt2")
        assert inspect(tmp_path / "net.pt2").problem


# --- live modules of several inputs -------------------------------------------------------------------------


class Critic(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.state, self.action, self.last = nn.Linear(4, 5), nn.Linear(3, 5), nn.Linear(10, 1)

    def forward(self, state: Any, action: Any, scale: Any = 2.0) -> Any:
        joined = torch.cat([torch.relu(self.state(state)), torch.tanh(self.action(action))], dim=-1)
        return self.last(joined * scale)


def test_a_module_of_several_inputs() -> None:
    net, x, u = Critic(), torch.randn(6, 4), torch.randn(6, 3)
    network = glassnet.from_torch(net, features=(4, 3))
    assert [(given.name, given.shape) for given in network.inputs] == [("state", (4,)), ("action", (3,))]
    np.testing.assert_allclose(network(x.numpy(), u.numpy()), net(x, u).detach().numpy(), rtol=1e-5, atol=1e-6)


def test_several_inputs_of_which_nothing_is_said() -> None:
    with pytest.raises(
        ParametersError, match=r"forward reads 2 inputs \(state, action\), and does not say their sizes"
    ) as caught:
        glassnet.from_torch(Critic())
    assert caught.value.hint == "say them in this order: from_torch(module, features=(4, 3))"
    with pytest.raises(OptionError, match=r"features=\(4,\), and forward reads 2 inputs \(state, action\)"):
        glassnet.from_torch(Critic(), features=(4,))
    with pytest.raises(ParametersError, match=r"^from_torch: "):
        glassnet.from_torch(Critic(), features=(3, 4))
