"""The engines: how each runtime is made to compute a network, in its own best way.

An engine gives one or more *ways* to compute the same rows; the fastest on this machine is the one that counts. Where
the rows are uint8 pixels, one way converts them inside the runtime's own graph and another outside, with NumPy.
What can be made before the clock starts is made before: tensors, sessions, buffers for the answer.

The runtimes take chains of dense layers. Each is imported in its own function, in a process of its own.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from glassnet.activations import Activation
from glassnet.network import Dense, Network

Array: TypeAlias = npt.NDArray[Any]
Rows: TypeAlias = tuple[Array, ...]  # a batch for each input of the network
Call: TypeAlias = Callable[[], Any]  # computes the rows; gives one array, or several
Ways: TypeAlias = Iterator[Call]


class UnfitError(Exception):
    """A network that an engine cannot compute; the message says why."""


@dataclass(frozen=True)
class Engine:
    """A runtime: the modules it needs, its own first, and its ways to compute rows with a number of threads.

    compiles_each_shape: whether a batch of another size takes seconds before its first answer.
    """

    name: str
    modules: tuple[str, ...]
    ways: Callable[[Network, Rows, int], Ways]
    compiles_each_shape: bool = False

    @property
    def installed(self) -> bool:
        """Whether every module is there to be imported."""
        return all(importlib.util.find_spec(module) for module in self.modules)


# --- glassnet -----------------------------------------------------------------------------------------------


def compiled(network: Network, x: Rows, threads: int) -> Ways:
    """``network.compile()``."""
    yield functools.partial(network.compile(threads=threads), *x)


def definition(network: Network, x: Rows, threads: int) -> Ways:
    """The NumPy forward pass."""
    yield functools.partial(network, *x)


# --- NumPy and scikit-learn ---------------------------------------------------------------------------------


def numpy(network: Network, x: Rows, threads: int) -> Ways:
    """The formulas as one writes them, without glassnet's checks and chunks."""
    chain = Chain(network, x)
    layers = [(layer.weights, layer.bias, _bare(layer.activation)) for layer in chain.layers]

    def forward() -> Array:
        z = chain.floats()
        for weights, bias, activation in layers:
            a = z @ weights
            a += bias
            z = activation(a)
        return z

    yield forward


def _bare(activation: Activation) -> Callable[[Array], Array]:
    """Return an activation without the wrapper that lets it take scalars and integers."""
    return functools.partial(getattr(activation.function, "__wrapped__", activation.function), **activation.parameters)


def scikit_learn(network: Network, x: Rows, threads: int) -> Ways:
    """``MLPClassifier`` or ``MLPRegressor`` with the weights set."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor  # noqa: PLC0415
    from sklearn.preprocessing import LabelBinarizer  # noqa: PLC0415

    chain = Chain(network, x)
    *hidden, last = (layer.activation.name for layer in chain.layers)
    known = {"sigmoid": "logistic", "relu": "relu", "tanh": "tanh", "identity": "identity"}
    if len(set(hidden)) != 1 or hidden[0] not in known or last not in ("softmax", "identity"):
        raise UnfitError(
            "it knows one of sigmoid, relu, tanh for all hidden layers, and softmax or identity after them"
        )
    model = (MLPClassifier if last == "softmax" else MLPRegressor)(activation=known[hidden[0]])
    model.coefs_ = [layer.weights for layer in chain.layers]
    model.intercepts_ = [layer.bias for layer in chain.layers]
    model.n_layers_ = len(chain.layers) + 1
    model.n_features_in_ = chain.layers[0].inputs
    model.n_outputs_ = chain.layers[-1].outputs
    model.out_activation_ = last
    if last == "softmax":
        model.classes_ = np.arange(model.n_outputs_)
        model._label_binarizer = LabelBinarizer().fit(model.classes_)
    predict = model.predict_proba if last == "softmax" else model.predict
    yield lambda: predict(chain.floats())


# --- PyTorch ------------------------------------------------------------------------------------------------


def torch_eager(network: Network, x: Rows, threads: int) -> Ways:
    """A module of linear layers, called as it is."""
    yield from _torch_ways(network, x, threads, lambda module: module)


def torch_compile(network: Network, x: Rows, threads: int) -> Ways:
    """The same module through ``torch.compile``, for this size of batch alone."""
    import torch  # noqa: PLC0415

    yield from _torch_ways(network, x, threads, functools.partial(torch.compile, dynamic=False))


def _torch_ways(network: Network, x: Rows, threads: int, made: Callable[[Any], Any]) -> Ways:
    import torch  # noqa: PLC0415
    from torch import nn  # noqa: PLC0415

    torch.set_num_threads(threads)
    chain = Chain(network, x)
    modules: list[nn.Module] = []
    for layer in chain.layers:
        linear = nn.Linear(layer.inputs, layer.outputs)
        linear.weight.data = torch.tensor(layer.weights.T.copy())
        linear.bias.data = torch.tensor(layer.bias)
        modules.append(linear)
        if layer.activation.name != "identity":
            kind, arguments = _spelled(_TORCH, layer.activation)
            modules.append(getattr(nn, kind)(**arguments))
    layers = nn.Sequential(*modules)

    class FromPixels(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = layers

        def forward(self, rows: Any) -> Any:
            return self.layers(rows.to(torch.float32) * chain.scale + chain.shift)

    whole, tensor = made((FromPixels() if chain.are_pixels else layers).eval()), torch.tensor(chain.rows)

    def forward() -> Array:
        with torch.inference_mode():
            return whole(tensor).numpy()

    yield forward
    if chain.are_pixels:
        plain = made(layers.eval())

        def forward_floats() -> Array:
            with torch.inference_mode():
                return plain(torch.from_numpy(chain.floats())).numpy()

        yield forward_floats


# --- ONNX: ONNX Runtime and OpenVINO ------------------------------------------------------------------------


def onnxruntime(network: Network, x: Rows, threads: int) -> Ways:
    """An ``InferenceSession`` on the processor: fed anew each call, or with input and output bound beforehand."""
    import onnxruntime as ort  # noqa: PLC0415

    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    chain = Chain(network, x)

    def session(pixels: bool) -> Any:
        return ort.InferenceSession(_onnx_model(chain, pixels), options, providers=["CPUExecutionProvider"])

    whole = session(chain.are_pixels)
    yield functools.partial(whole.run, None, {"x": chain.rows})
    binding = whole.io_binding()
    binding.bind_cpu_input("x", chain.rows)
    binding.bind_output(whole.get_outputs()[0].name)

    def bound() -> Any:
        whole.run_with_iobinding(binding)
        return binding.copy_outputs_to_cpu()

    yield bound
    if chain.are_pixels:
        plain = session(pixels=False)
        yield lambda: plain.run(None, {"x": chain.floats()})


def openvino(network: Network, x: Rows, threads: int) -> Ways:
    """An inference request for this size of batch, on tensors that share NumPy's memory."""
    import openvino as ov  # noqa: PLC0415

    core = ov.Core()
    chain = Chain(network, x)
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}

    def request(pixels: bool) -> Any:
        model = core.read_model(_onnx_model(chain, pixels))
        model.reshape(list(chain.rows.shape))
        return core.compile_model(model, "CPU", settings).create_infer_request()

    def infer(ready: Any, tensor: Any) -> Array:
        ready.set_input_tensor(tensor)
        ready.infer()
        return ready.get_output_tensor().data

    yield functools.partial(infer, request(chain.are_pixels), ov.Tensor(chain.rows, shared_memory=True))
    if chain.are_pixels:
        plain = request(pixels=False)
        yield lambda: infer(plain, ov.Tensor(chain.floats(), shared_memory=True))


def _onnx_model(chain: Chain, pixels: bool) -> bytes:
    """Return the chain as an ONNX model of any number of rows, uint8 ``pixels`` or float32."""
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415

    nodes: list[Any] = []
    constants: list[Any] = []
    value = "x"

    def then(operator: str, *further: tuple[str, Array], **attributes: Any) -> None:
        nonlocal value
        constants.extend(numpy_helper.from_array(array, name) for name, array in further)
        result = f"v{len(nodes)}"
        nodes.append(helper.make_node(operator, [value, *(name for name, _ in further)], [result], **attributes))
        value = result

    if pixels:
        then("Cast", to=TensorProto.FLOAT)
        then("Mul", ("scale", np.array(chain.scale, np.float32)))
        if chain.shift:
            then("Add", ("shift", np.array(chain.shift, np.float32)))
    for number, layer in enumerate(chain.layers):
        then("Gemm", (f"W{number}", layer.weights), (f"b{number}", layer.bias))
        if layer.activation.name != "identity":
            operator, attributes = _spelled(_ONNX, layer.activation)
            then(operator, **attributes)
    kind = TensorProto.UINT8 if pixels else TensorProto.FLOAT
    given = helper.make_tensor_value_info("x", kind, ["rows", chain.layers[0].inputs])
    answer = helper.make_tensor_value_info(value, TensorProto.FLOAT, ["rows", chain.layers[-1].outputs])
    graph = helper.make_graph(nodes, "network", [given], [answer], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    return bytes(model.SerializeToString())


# --- JAX ----------------------------------------------------------------------------------------------------


def jax(network: Network, x: Rows, threads: int) -> Ways:
    """``jax.jit`` with the weights as constants, on rows that are already JAX's."""
    import jax  # noqa: PLC0415
    import jax.numpy as jnp  # noqa: PLC0415

    chain = Chain(network, x)
    layers = []
    for layer in chain.layers:
        name, arguments = _spelled(_JAX, layer.activation)
        activation = functools.partial(getattr(jax.nn, name), **arguments)
        layers.append((jnp.asarray(layer.weights), jnp.asarray(layer.bias), activation))

    def forward(z: Any) -> Any:
        if z.dtype == np.uint8:
            z = z.astype(jnp.float32) * np.float32(chain.scale) + np.float32(chain.shift)
        for weights, bias, activation in layers:
            z = activation(jnp.dot(z, weights) + bias)
        return z

    whole, given = jax.jit(forward), jax.device_put(chain.rows)
    yield lambda: np.asarray(whole(given))
    if chain.are_pixels:
        yield lambda: np.asarray(whole(chain.floats()))


# --- what they share ----------------------------------------------------------------------------------------


class Chain:
    """A network as the runtimes take it, dense layers one after the other, and the rows it is given.

    Raises UnfitError where it is something else.
    """

    def __init__(self, network: Network, x: Rows) -> None:
        before = network.inputs[0].name
        for step, sources in zip(network.steps, network.sources, strict=True):
            if not isinstance(step, Dense) or sources != (before,):
                raise UnfitError("the network is not a plain chain of dense layers")
            before = step.name
        if network.outputs != (before,) or network.dtype != np.float32:
            raise UnfitError("the network is not a plain chain of dense layers in float32")
        self.layers: tuple[Dense, ...] = network.layers
        self.scale, self.shift = float(network.inputs[0].scale), float(network.inputs[0].shift)
        self.rows = x[0].reshape(len(x[0]), -1)
        self.are_pixels = self.rows.dtype == np.uint8

    def floats(self) -> Array:
        """Return the rows as float32; pixels are converted each time, as a caller would have to."""
        if not self.are_pixels:
            return self.rows
        numbers: Array = self.rows * np.float32(self.scale)
        return numbers + np.float32(self.shift) if self.shift else numbers


# Activation → its name in a runtime, and its arguments there: a parameter of ours by name, or the value itself.
_Spelling: TypeAlias = Mapping[str, tuple[str, Mapping[str, Any]]]
_TORCH: _Spelling = {
    "sigmoid": ("Sigmoid", {}), "relu": ("ReLU", {}), "tanh": ("Tanh", {}), "selu": ("SELU", {}), "silu": ("SiLU", {}),
    "softplus": ("Softplus", {}), "gelu": ("GELU", {}), "gelu_tanh": ("GELU", {"approximate": "tanh"}),
    "leaky_relu": ("LeakyReLU", {"negative_slope": "slope"}), "elu": ("ELU", {"alpha": "alpha"}),
    "softmax": ("Softmax", {"dim": -1}), "log_softmax": ("LogSoftmax", {"dim": -1}),
}  # fmt: skip
_ONNX: _Spelling = {
    "sigmoid": ("Sigmoid", {}), "relu": ("Relu", {}), "tanh": ("Tanh", {}), "selu": ("Selu", {}),
    "softplus": ("Softplus", {}), "gelu": ("Gelu", {}), "gelu_tanh": ("Gelu", {"approximate": "tanh"}),
    "leaky_relu": ("LeakyRelu", {"alpha": "slope"}), "elu": ("Elu", {"alpha": "alpha"}),
    "hard_sigmoid": ("HardSigmoid", {"alpha": "slope", "beta": "offset"}),
    "softmax": ("Softmax", {}), "log_softmax": ("LogSoftmax", {}),
}  # fmt: skip
_JAX: _Spelling = {
    "identity": ("identity", {}), "sigmoid": ("sigmoid", {}), "relu": ("relu", {}), "tanh": ("tanh", {}),
    "selu": ("selu", {}), "silu": ("silu", {}), "softplus": ("softplus", {}),
    "gelu": ("gelu", {"approximate": False}), "gelu_tanh": ("gelu", {"approximate": True}),
    "leaky_relu": ("leaky_relu", {"negative_slope": "slope"}), "elu": ("elu", {"alpha": "alpha"}),
    "softmax": ("softmax", {}), "log_softmax": ("log_softmax", {}),
}  # fmt: skip


def _spelled(spelling: _Spelling, activation: Activation) -> tuple[str, dict[str, Any]]:
    """Return an activation's name in a runtime and its arguments there; raises UnfitError where it has none."""
    if activation.name not in spelling:
        raise UnfitError(f"it has no {activation.name}")
    name, arguments = spelling[activation.name]
    return name, {argument: activation.parameters.get(value, value) for argument, value in arguments.items()}


def _table(engines: Sequence[Engine]) -> Mapping[str, Engine]:
    return MappingProxyType({engine.name: engine for engine in engines})


ENGINES = _table(
    [
        Engine("glassnet", ("glassnet",), compiled),
        Engine("glassnet in NumPy", ("numpy",), definition),
        Engine("NumPy", ("numpy",), numpy),
        Engine("onnxruntime", ("onnxruntime", "onnx"), onnxruntime),
        Engine("openvino", ("openvino", "onnx"), openvino),
        Engine("torch eager", ("torch",), torch_eager),
        Engine("torch.compile", ("torch",), torch_compile, compiles_each_shape=True),
        Engine("jax.jit", ("jax",), jax),
        Engine("scikit-learn", ("sklearn",), scikit_learn),
    ]
)
