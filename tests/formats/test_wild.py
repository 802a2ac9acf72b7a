"""Files as they are found in projects: what trainers of policies, courses and textbooks save, under their own names."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glassnet
from glassnet import load
from glassnet.activations import Array
from glassnet.errors import OptionError, ParametersError

torch: Any = pytest.importorskip("torch", reason="PyTorch is in the interop extra")
RANDOM = np.random.default_rng(11)


def linear(**sizes: tuple[int, int]) -> OrderedDict[str, Any]:
    """A state_dict of layers by name, ``__`` for a dot: (inputs, outputs)."""
    torch.manual_seed(len(sizes))
    state: OrderedDict[str, Any] = OrderedDict()
    for name, (inputs, outputs) in sizes.items():
        dotted = name.replace("__", ".")
        state[f"{dotted}.weight"], state[f"{dotted}.bias"] = torch.randn(outputs, inputs), torch.randn(outputs)
    return state


def answers(state: Mapping[str, Any], names: list[str], x: Array, hidden: Any = torch.tanh) -> Array:
    value = torch.tensor(x, dtype=torch.float32)
    for place, name in enumerate(names):
        value = torch.nn.functional.linear(value, state[f"{name}.weight"], state[f"{name}.bias"])
        value = hidden(value) if place < len(names) - 1 else value
    found: Array = value.numpy()
    return found


def saved(state: object, path: Path) -> Path:
    torch.save(state, path)
    return path


X = RANDOM.normal(size=(5, 8))
PPO = OrderedDict(
    log_std=torch.zeros(2),
    **linear(
        mlp_extractor__policy_net__0=(8, 16),
        mlp_extractor__policy_net__2=(16, 16),
        mlp_extractor__value_net__0=(8, 16),
        mlp_extractor__value_net__2=(16, 16),
        action_net=(16, 2),
        value_net=(16, 1),
    ),
)
POLICY = ["mlp_extractor.policy_net.0", "mlp_extractor.policy_net.2", "action_net"]


# --- stable-baselines3 --------------------------------------------------------------------------------------


def test_the_hint_names_parts_that_fit_behind_one_another(tmp_path: Path) -> None:
    path = saved(PPO, tmp_path / "policy.pth")
    with pytest.raises(
        ParametersError, match=r"mlp_extractor\.policy_net \(8-16-16\), .*action_net \(16-2\)"
    ) as caught:
        load(path, activation="tanh")
    assert caught.value.hint == (
        "pick one: part='mlp_extractor.policy_net', or several in their order: "
        "part=('mlp_extractor.policy_net', 'action_net')"
    )
    network = load(path, activation="tanh", part=("mlp_extractor.policy_net", "action_net"))
    np.testing.assert_allclose(network(X), answers(PPO, POLICY, X), rtol=1e-5, atol=1e-5)


def test_a_zip_of_a_whole_policy(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save(PPO, buffer)
    with zipfile.ZipFile(tmp_path / "best_model.zip", "w") as file:
        file.writestr("data", json.dumps({"policy_class": {":type:": "<class 'abc.ABCMeta'>"}}))
        file.writestr("pytorch_variables.pth", b"")
        file.writestr("policy.pth", buffer.getvalue())
        file.writestr("_stable_baselines3_version", "2.3.0")
    path = tmp_path / "best_model.zip"
    network = load(path, activation="tanh", part=("mlp_extractor.policy_net", "action_net"))
    np.testing.assert_allclose(network(X), answers(PPO, POLICY, X), rtol=1e-5, atol=1e-5)
    assert glassnet.formats.inspect(path).format == "pytorch"


def test_a_part_is_whole_words_before_it_is_a_beginning(tmp_path: Path) -> None:
    sizes = {
        f"{net}__q_net__{place}": size
        for net in ("q_net", "q_net_target")
        for place, size in ((0, (8, 4)), (2, (4, 3)))
    }
    state = linear(**sizes)
    network = load(saved(state, tmp_path / "dqn.pth"), activation="relu", part="q_net")
    expected = answers(state, ["q_net.q_net.0", "q_net.q_net.2"], X, torch.relu)
    np.testing.assert_allclose(network(X), expected, rtol=1e-5, atol=1e-5)


def test_of_networks_side_by_side_the_parts_of_one_are_named(tmp_path: Path) -> None:
    state = linear(
        actor__latent_pi__0=(8, 4),
        actor__mu=(4, 2),
        actor__log_std=(4, 2),
        critic__qf0__0=(10, 4),
        critic__qf0__2=(4, 1),
    )
    with pytest.raises(ParametersError, match="side by side: actor") as caught:
        load(saved(state, tmp_path / "sac.pth"), activation="relu")
    assert "part=('actor.latent_pi', 'actor.mu')" in caught.value.hint


# --- other trainers of policies -----------------------------------------------------------------------------


def test_a_part_within_one_of_the_dictionaries_of_a_checkpoint(tmp_path: Path) -> None:
    """rsl_rl, which keeps the moments of its inputs beside the model."""
    model = OrderedDict(
        std=torch.ones(2), **linear(actor__0=(8, 4), actor__2=(4, 2), critic__0=(8, 4), critic__2=(4, 1))
    )
    moments = {"_mean": torch.zeros(1, 8), "_var": torch.ones(1, 8)}
    checkpoint = {
        "model_state_dict": model,
        "optimizer_state_dict": {"state": {0: {"exp_avg": torch.zeros(4, 8)}}, "param_groups": []},
        "obs_norm_state_dict": moments,
        "iter": 1500,
    }
    path = saved(checkpoint, tmp_path / "model_1500.pt")
    for part in ("actor", "model_state_dict.actor"):
        found = load(path, activation="elu", part=part)(X)
        expected = answers(model, ["actor.0", "actor.2"], X, torch.nn.functional.elu)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    with pytest.raises(OptionError, match="part='actr': no layer's name begins so"):
        load(path, activation="elu", part="actr")


def test_how_widely_actions_are_drawn_is_no_layer(tmp_path: Path) -> None:
    """cleanrl's ``actor_logstd``, rl_games' ``sigma``."""
    state = linear(critic__0=(8, 4), critic__2=(4, 1), actor_mean__0=(8, 4), actor_mean__2=(4, 2))
    state["actor_logstd"], state["a2c.sigma"] = torch.zeros(1, 2), torch.zeros(2)
    with pytest.raises(ParametersError) as caught:
        load(saved(state, tmp_path / "agent.pth"), activation="tanh")
    assert caught.value.message.endswith("holds 2 groups of layers side by side: critic (8-4-1), actor_mean (8-4-2)")


def test_names_that_end_alike_but_for_an_underscore(tmp_path: Path) -> None:
    """A dueling network has two ways side by side, and is no chain."""
    state = linear(fc1=(8, 4), V_=(4, 4), V=(4, 1), A_=(4, 4), A=(4, 3))
    with pytest.raises(ParametersError, match=r"do not fit one behind the other: fc1 \(8-4\), V_ \(4-4\), V \(4-1\)"):
        load(saved(state, tmp_path / "qnetwork.pth"), activation="relu")
    network = load(tmp_path / "qnetwork.pth", activation="relu", part=("fc1", "A_", "A"))
    np.testing.assert_allclose(network(X), answers(state, ["fc1", "A_", "A"], X, torch.relu), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model._orig_mod."])
def test_names_below_a_wrapper(prefix: str, tmp_path: Path) -> None:
    state = linear(fc1=(8, 4), fc2=(4, 2))
    wrapped = {f"{prefix}{name}": tensor for name, tensor in state.items()}
    found = load(saved(wrapped, tmp_path / "net.pt"), activation="relu")(X)
    np.testing.assert_allclose(found, answers(state, ["fc1", "fc2"], X, torch.relu), rtol=1e-5, atol=1e-5)


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_a_script_with_memory_is_called_recurrent(tmp_path: Path) -> None:
    class Policy(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.memory, self.actor = torch.nn.LSTM(8, 4), torch.nn.Linear(4, 2)

        def forward(self, x):  # type: ignore[no-untyped-def]
            out, _ = self.memory(x.unsqueeze(0))
            return self.actor(out.squeeze(0))

    torch.jit.save(torch.jit.script(Policy()), tmp_path / "motion.pt")
    with pytest.raises(
        ParametersError, match=r"array 'memory\.weight_ih_l0' belongs to a recurrent or attention layer"
    ):
        load(tmp_path / "motion.pt")


# --- courses and textbooks ----------------------------------------------------------------------------------


def sigmoid(a: Array) -> Array:
    found: Array = 1 / (1 + np.exp(-a))
    return found


def test_lists_of_layers_of_different_sizes_in_json(tmp_path: Path) -> None:
    """Michael Nielsen's ``network2.py``: weights (outputs, inputs), biases as columns, sizes and the cost beside."""
    weights = [RANDOM.normal(size=(6, 8)), RANDOM.normal(size=(3, 6))]
    biases = [RANDOM.normal(size=(6, 1)), RANDOM.normal(size=(3, 1))]
    text = {"sizes": [8, 6, 3], "weights": [w.tolist() for w in weights], "biases": [b.tolist() for b in biases]}
    (tmp_path / "net.json").write_text(json.dumps({**text, "cost": "CrossEntropyCost"}))
    value = X.T
    for w, b in zip(weights, biases, strict=True):
        value = sigmoid(w @ value + b)
    found = load(tmp_path / "net.json", activation="sigmoid", output="sigmoid")(X)
    np.testing.assert_allclose(found, value.T, rtol=1e-12)


@pytest.mark.parametrize("bias", [0.5, np.float64(0.5), np.array([[0.5]])])
def test_a_single_neuron_whose_bias_is_a_number(bias: Any, tmp_path: Path) -> None:
    weights = RANDOM.normal(size=(8, 1))
    (tmp_path / "net.pkl").write_bytes(pickle.dumps({"w": weights, "b": bias, "learning_rate": 0.01}))
    found = load(tmp_path / "net.pkl", activation="relu", output="sigmoid")(X)
    np.testing.assert_allclose(found, sigmoid(X @ weights + 0.5), rtol=1e-12)


def test_the_textbooks_convolutions_are_called_so(tmp_path: Path) -> None:
    (tmp_path / "params.pkl").write_bytes(pickle.dumps({"W1": np.ones((30, 1, 5, 5)), "b1": np.zeros(30)}))
    with pytest.raises(ParametersError, match=r"array 'W1' has shape \(30, 1, 5, 5\), as a convolution has"):
        load(tmp_path / "params.pkl")


# --- ONNX ---------------------------------------------------------------------------------------------------


def test_an_operator_that_is_not_read_comes_before_a_size_that_is_not_known(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="the onnx package is not installed")
    helper = onnx.helper
    tree = helper.make_node("TreeEnsembleClassifier", ["x"], ["label", "y"], domain="ai.onnx.ml")
    inputs = [helper.make_tensor_value_info("x", 1, [None, None])]
    outputs = [helper.make_tensor_value_info("y", 1, None)]
    (tmp_path / "net.onnx").write_bytes(
        helper.make_model(helper.make_graph([tree], "g", inputs, outputs)).SerializeToString()
    )
    with pytest.raises(ParametersError, match=r"is a TreeEnsembleClassifier of ai\.onnx\.ml") as caught:
        load(tmp_path / "net.onnx")
    assert caught.value.hint == "trees are not dense layers"
