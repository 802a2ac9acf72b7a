"""What PyTorch's two exporters and skl2onnx write, against the answers of the frameworks themselves."""

from __future__ import annotations

import copy
import functools
import io
import logging
import warnings
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="the onnx package is not installed")

from glassnet import Network, from_onnx
from glassnet.activations import Array
from onnxmodels.made import random

X = random(7, 6)


def assert_close(network: Network, x: Array, expected: Any, tolerance: float = 1e-5) -> None:
    found = network(x)
    for mine, theirs in zip(found if isinstance(found, tuple) else (found,), expected, strict=True):
        assert mine.shape == theirs.shape
        np.testing.assert_allclose(mine, theirs, rtol=tolerance, atol=tolerance)


# --- PyTorch ----------------------------------------------------------------------------------------------------


@functools.cache
def modules() -> dict[str, Any]:
    """Networks of many layers and options; made with fixed random numbers."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from torch import nn

    class Normalised(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.norm, self.last = nn.Linear(6, 8), nn.LayerNorm(8), nn.Linear(8, 3)

        def forward(self, x: Any) -> Any:
            return self.last(nn.functional.gelu(self.norm(self.first(x))))

    class Policy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = nn.Linear(6, 6), nn.Linear(12, 4)
            self.register_buffer("mean", torch.randn(6))
            self.register_buffer("deviation", torch.rand(6) + 0.5)

        def forward(self, x: Any) -> Any:
            x = torch.clamp((x - self.mean) / self.deviation, -5, 5)
            residual = x + torch.tanh(self.body(x))
            mean, logarithm = self.head(torch.cat([residual, x], -1)).chunk(2, -1)
            return torch.tanh(mean), torch.clamp(logarithm, -20, 2).exp()

    class Shapes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(6, 4)

        def forward(self, x: Any) -> Any:
            y = self.layer(x.view(x.size(0), -1))
            return y.reshape(y.shape[0], 2, 2).softmax(-1).transpose(1, 2), torch.argmax(y, 1), y[:, 1:3].sum(1)

    torch.manual_seed(0)
    several: list[Any] = [
        nn.Hardswish(), nn.Mish(), nn.ELU(0.5), nn.SELU(), nn.CELU(0.7), nn.PReLU(6), nn.PReLU(), nn.Softplus(),
        nn.Softsign(), nn.Hardsigmoid(), nn.LeakyReLU(0.2), nn.GELU("tanh"), nn.GELU(), nn.Hardtanh(), nn.ReLU6(),
        nn.SiLU(), nn.LogSigmoid(), nn.Tanhshrink(), nn.Softmax(-1), nn.LogSoftmax(-1), nn.Dropout(), nn.Identity(),
    ]  # fmt: skip
    return {
        "plain": nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3, bias=False), nn.Softmax(-1)),
        "batch norm": nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.SiLU(), nn.Linear(8, 3), nn.Sigmoid()),
        "activations": nn.Sequential(*(layer for h in several for layer in (nn.Linear(6, 6), h))),
        "layer norm": Normalised(),
        "policy": Policy(),
        "shapes": Shapes(),
    }


NAMES = ["plain", "batch norm", "activations", "layer norm", "policy", "shapes"]


def exported(module: Any, x: Any, dynamo: bool, any_rows: bool) -> bytes:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    options: dict[str, Any] = {}
    if any_rows and dynamo:
        options["dynamic_shapes"] = ({0: torch.export.Dim("rows")},)
    elif any_rows:
        options["dynamic_axes"] = {"x": {0: "rows"}}
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if dynamo:
                program = torch.onnx.export(module, (x,), input_names=["x"], dynamo=True, verbose=False, **options)
                data: bytes = program.model_proto.SerializeToString()
                return data
            buffer = io.BytesIO()
            torch.onnx.export(module, (x,), buffer, input_names=["x"], dynamo=False, **options)
            return buffer.getvalue()
    finally:
        logging.disable(logging.NOTSET)


@pytest.mark.parametrize("any_rows", [False, True], ids=["fixed", "any rows"])
@pytest.mark.parametrize("dynamo", [False, True], ids=["script", "dynamo"])
@pytest.mark.parametrize("name", NAMES)
def test_torch(name: str, dynamo: bool, any_rows: bool) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    if dynamo:
        pytest.importorskip("onnxscript", reason="PyTorch's newer exporter needs onnxscript")
    module = modules()[name].eval()
    network = from_onnx(exported(module, torch.tensor(X), dynamo, any_rows))
    with torch.no_grad():
        expected = module(torch.tensor(X))
        other = module(torch.tensor(X[:2] * 2))
    as_tuple = expected if isinstance(expected, tuple) else (expected,)
    assert_close(network, X, [part.numpy() for part in as_tuple])
    if any_rows or name != "shapes":  # a shape of a fixed batch may be a number in the graph
        assert_close(network, X[:2] * 2, [part.numpy() for part in (other if isinstance(other, tuple) else (other,))])


def test_torch_in_double() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    module = copy.deepcopy(modules()["plain"]).double().eval()
    x = torch.tensor(X, dtype=torch.float64)
    network = from_onnx(exported(module, x, dynamo=False, any_rows=True))
    assert network.dtype == np.float64
    with torch.no_grad():
        assert_close(network, x.numpy(), [module(x).numpy()], 1e-12)


# --- scikit-learn -----------------------------------------------------------------------------------------------


@functools.cache
def estimators() -> dict[str, Any]:
    pytest.importorskip("skl2onnx", reason="skl2onnx is not installed")
    from sklearn.decomposition import PCA
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LinearRegression, LogisticRegression, Perceptron, Ridge
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, Normalizer, RobustScaler, StandardScaler

    three = (X.sum(1) > 0).astype(int) + (X[:, 0] > 0.5)
    three[:3] = 0, 1, 2
    names, two, values = np.array(["cat", "dog", "emu"])[three], (X[:, 1] > 0).astype(int), X @ X[0]

    def mlp(**options: Any) -> Any:
        return MLPClassifier(hidden_layer_sizes=(5,), max_iter=20, random_state=0, **options)

    made = {
        "three classes": (mlp(), three),
        "two classes": (mlp(activation="tanh"), two),
        "names": (mlp(activation="logistic"), names),
        "gaps between labels": (mlp(), 3 * three + 5),
        "regression": (MLPRegressor(hidden_layer_sizes=(5, 4), max_iter=20, random_state=0), values),
        "standardised": (make_pipeline(StandardScaler(), mlp()), three),
        "min max and PCA": (make_pipeline(MinMaxScaler(), PCA(3), mlp()), names),
        "imputed and normalised": (make_pipeline(SimpleImputer(), Normalizer(), mlp()), three),
        "normalised by sums": (make_pipeline(Normalizer("l1"), mlp()), two),
        "logistic": (LogisticRegression(), three),
        "logistic of two": (make_pipeline(RobustScaler(), LogisticRegression()), two),
        "linear": (LinearRegression(), values),
        "perceptron": (Perceptron(), three),
        "ridge": (make_pipeline(MaxAbsScaler(), Ridge()), values),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 20 rounds do not converge
        return {name: estimator.fit(X, target) for name, (estimator, target) in made.items()}


ESTIMATORS = [
    "three classes", "two classes", "names", "gaps between labels", "regression", "standardised", "min max and PCA",
    "imputed and normalised", "normalised by sums", "logistic", "logistic of two", "linear", "perceptron", "ridge",
]  # fmt: skip


@pytest.mark.parametrize("zipmap", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_scikit_learn(name: str, dtype: Any, zipmap: bool) -> None:
    estimator = estimators()[name]
    from skl2onnx import to_onnx

    classifies = hasattr(estimator, "classes_")
    x = X.astype(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options = {id(estimator): {"zipmap": zipmap}} if classifies else None
        data = to_onnx(estimator, x[:1], options=options).SerializeToString()
    network = from_onnx(data)
    # What the exporter itself keeps of MinMaxScaler has only the digits of float32.
    rounded = name == "min max and PCA" or np.float32 in (dtype, network.dtype)
    tolerance = 1e-5 if rounded else 1e-12
    if classifies:
        np.testing.assert_array_equal(network.predict(x), estimator.predict(x))
        if hasattr(estimator, "predict_proba"):
            assert_close(network, x, [estimator.predict_proba(x)], tolerance)
    else:
        assert_close(network, x, [estimator.predict(x).reshape(-1, 1)], tolerance)


def test_the_lists_name_everything() -> None:
    assert set(modules()) == set(NAMES)
    assert set(estimators()) == set(ESTIMATORS)
