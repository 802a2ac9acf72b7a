"""Networks as scikit-learn's multilayer perceptrons, for ``.joblib`` and ``.skops``; scikit-learn must be installed.

What MLPClassifier and MLPRegressor cannot be is refused: they know four activations, the same in every hidden layer,
and decide from softmax or, of two classes, from one sigmoid.
"""

from __future__ import annotations

import io
from itertools import pairwise
from typing import Any, NoReturn

import numpy as np

from glassnet.errors import MissingLibraryError, OptionError
from glassnet.network import Dense, Network

_HIDDEN = {"identity": "identity", "sigmoid": "logistic", "tanh": "tanh", "relu": "relu"}


def joblib_bytes(network: Network) -> bytes:
    """Return the network as a perceptron that ``joblib.load`` and ``pickle.load`` give back."""
    import joblib  # noqa: PLC0415  # comes with scikit-learn

    buffer = io.BytesIO()
    joblib.dump(_perceptron(network), buffer)
    return buffer.getvalue()


def skops_bytes(network: Network) -> bytes:
    """Return the network as a perceptron that ``skops.io.load`` gives back."""
    estimator = _perceptron(network)
    try:
        import skops.io  # noqa: PLC0415
    except ImportError:
        raise _missing("skops") from None
    content: bytes = skops.io.dumps(estimator)
    return content


def _missing(library: str) -> MissingLibraryError:
    return MissingLibraryError(
        f"writing this format needs {library}", hint="pip install 'glassnet[sklearn]'; or save it as .safetensors"
    )


def _perceptron(network: Network) -> Any:
    """Return a fitted MLPClassifier or MLPRegressor; raise OptionError for a network that is none."""
    layers = _layers(network)
    hidden = _hidden(layers[:-1])
    output = layers[-1].activation.name
    try:
        from sklearn.neural_network import MLPClassifier, MLPRegressor  # noqa: PLC0415
    except ImportError:
        raise _missing("scikit-learn") from None
    sizes = tuple(layer.outputs for layer in layers[:-1])
    if output == "identity" and network.labels is None:
        estimator = MLPRegressor(hidden_layer_sizes=sizes, activation=hidden)
        estimator.out_activation_ = "identity"
    else:
        estimator = MLPClassifier(hidden_layer_sizes=sizes, activation=hidden)
        estimator.classes_, estimator._label_binarizer = _classes(network, layers[-1])
        estimator.out_activation_ = "logistic" if output == "sigmoid" else output
    estimator.coefs_ = [np.array(layer.weights) for layer in layers]
    estimator.intercepts_ = [np.array(layer.bias) for layer in layers]
    estimator.n_features_in_ = layers[0].inputs
    estimator.n_outputs_ = layers[-1].outputs
    estimator.n_layers_ = len(layers) + 1
    estimator.n_iter_ = estimator.t_ = 0
    return estimator


def _layers(network: Network) -> tuple[Dense, ...]:
    """Return the dense layers of a chain, without the one that makes 1 - p and p of one probability p."""
    given = network.inputs[0]
    reads = (given.name, *(step.name for step in network.steps))
    for step, sources, before in zip(network.steps, network.sources, reads, strict=False):
        if not isinstance(step, Dense) or sources != (before,):
            _refuse(f"step '{step.name}' is not a dense layer that reads the value before it")
    if len(network.inputs) > 1 or len(given.shape) != 1 or network.outputs != reads[-1:]:
        _refuse("it must have one input, rows of numbers, and one output, the last layer's")
    if (given.scale, given.shift) != (1.0, 0.0):
        _refuse(f"raw integers are multiplied by {given.scale:g} first, and a perceptron takes numbers as they are")
    layers = network.layers
    if len(layers) > 1 and _makes_two_of_one(layers[-1]) and layers[-2].activation.name == "sigmoid":
        return layers[:-1]
    return layers


def _makes_two_of_one(layer: Dense) -> bool:
    return (
        layer.activation.name == "identity"
        and layer.weights.tolist() == [[-1.0, 1.0]]
        and layer.bias.tolist() == [1.0, 0.0]
    )


def _hidden(layers: tuple[Dense, ...]) -> str:
    """Return scikit-learn's name of the one activation that all hidden layers have."""
    for before, after in pairwise(layers):
        if before.activation != after.activation:
            _refuse(f"layer '{before.name}' has {before.activation}, but '{after.name}' {after.activation}")
    activation = layers[0].activation.name if layers else "identity"
    if activation not in _HIDDEN:
        _refuse(f"its hidden layers have {activation}, expected one of {', '.join(_HIDDEN)}")
    return _HIDDEN[activation]


def _classes(network: Network, last: Dense) -> tuple[Any, Any]:
    """Return the classes as an array, and the binarizer that decides between them."""
    from sklearn.preprocessing import LabelBinarizer  # noqa: PLC0415

    output = last.activation.name
    labels = network.labels
    if labels is None and output == "sigmoid" and last.outputs > 1:
        labels, kind = tuple(range(last.outputs)), "multilabel-indicator"
    elif labels is None or output not in ("softmax", "sigmoid") or (output == "sigmoid" and last.outputs > 1):
        _refuse(f"its last layer has {last.activation} and {'no' if labels is None else len(labels)} labels")
    else:
        kind = "binary" if output == "sigmoid" else "multiclass"
    if len({isinstance(label, str) for label in labels}) > 1:
        _refuse("its labels are integers and texts together")
    binarizer = LabelBinarizer()
    binarizer.classes_, binarizer.y_type_, binarizer.sparse_input_ = np.asarray(labels), kind, False
    return binarizer.classes_, binarizer


def _refuse(reason: str) -> NoReturn:
    raise OptionError(
        f"such a file holds an MLPClassifier or MLPRegressor, and the network is none: {reason}",
        hint="save it as .safetensors or .npz, which keep everything",
    )
