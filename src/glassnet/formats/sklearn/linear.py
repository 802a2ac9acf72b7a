"""Estimators that are one matrix product, x·W + b, and what each makes of it.

``coef_`` has shape (outputs, inputs), or (inputs,) where there is one output. With two classes there is one output
d, in favour of the second class; the network then has two values, so that the larger one decides, as with any other
number of classes: the two probabilities, or -d and d where there are none. With more classes, probabilities are
softmax's, or each class's own sigmoid divided by their sum. Which one it is has changed over the versions.
"""

from __future__ import annotations

import numpy as np

from glassnet.formats.sklearn.chain import Chain, filled, pair
from glassnet.formats.sklearn.estimator import Estimator
from glassnet.formats.sklearn.rows import divided_by_sum
from glassnet.network import Clip, Map, ScaleShift
from glassnet.network.steps import Array

_SOFTMAX_IN_DISCRIMINANT = (0, 22)
_SOFTMAX_OF_TWO = (0, 20)


def layer(estimator: Estimator) -> tuple[Array, Array]:
    """Return weights (inputs, outputs) and bias (outputs,)."""
    weights = np.atleast_2d(estimator.array("coef_", 1, 2)).T
    bias = estimator.array("intercept_", 0, 1)
    if bias.size not in (1, weights.shape[1]):
        estimator.refuse(f"'intercept_' has shape {bias.shape}, expected ({weights.shape[1]},) as 'coef_' has it")
    return weights, filled(bias, weights.shape[1], np.result_type(weights, bias))


# --- regression ---------------------------------------------------------------------------------------------


def regression(estimator: Estimator, chain: Chain) -> None:
    """Append x·W + b: one value a target."""
    chain.dense(*layer(estimator))


def log_regression(estimator: Estimator, chain: Chain) -> None:
    """Append exp(x·W + b): counts and other positive values."""
    chain.dense(*layer(estimator))
    chain.add(Map("exp"))


def tweedie(estimator: Estimator, chain: Chain) -> None:
    """Append the regression with its link: by itself, the logarithm for a power above 0."""
    link = estimator.choice("link", "auto")
    if link == "auto":
        link = "log" if estimator.array("power", 0) > 0 else "identity"
    if link not in ("log", "identity"):
        estimator.refuse(f"its link is {link!r}, expected log or identity")
    (log_regression if link == "log" else regression)(estimator, chain)


# --- classes ------------------------------------------------------------------------------------------------


def decision(estimator: Estimator, chain: Chain) -> None:
    """Append the values of decision_function; with two classes, -d and d."""
    weights, bias = _scores(estimator, chain)
    if weights.shape[1] == 1:
        weights, bias = pair(weights, bias)
        chain.notes.append(f"{estimator.kind} has no probabilities: the two values are -d and d, d its decision value")
    chain.dense(weights, bias)


def logistic(estimator: Estimator, chain: Chain) -> None:
    """Append LogisticRegression: softmax, or one against the rest where its version and options say so."""
    binary = len(estimator.labels()) == 2
    way = estimator.choice("multi_class", "ovr" if binary else "multinomial")
    if way in ("auto", "deprecated"):
        way = "ovr" if binary or estimator.choice("solver") == "liblinear" else "multinomial"
    if way in ("ovr", "warn") or (binary and (0, 0) < estimator.version < _SOFTMAX_OF_TWO):
        one_against_rest(estimator, chain)
    elif way == "multinomial":
        softmax(estimator, chain)
    else:
        estimator.refuse(f"'multi_class' is {way!r}, expected ovr, multinomial or auto")


def softmax(estimator: Estimator, chain: Chain) -> None:
    """Append the softmax of x·W + b; of two classes, softmax of -d and d."""
    weights, bias = _scores(estimator, chain)
    chain.dense(*(pair(weights, bias) if weights.shape[1] == 1 else (weights, bias)), "softmax")


def one_against_rest(estimator: Estimator, chain: Chain) -> None:
    """Append sigmoid(x·W + b), divided by its sum; of two classes, 1 - p and p."""
    weights, bias = _scores(estimator, chain)
    chain.dense(weights, bias, "sigmoid")
    if weights.shape[1] == 1:
        both(chain, weights.dtype)
    else:
        divided_by_sum(chain, weights.shape[1])


def both(chain: Chain, dtype: np.dtype[np.floating]) -> None:
    """Append what makes 1 - p and p of one probability p."""
    chain.dense(np.array([[-1, 1]], dtype), np.array([1, 0], dtype))


def discriminant(estimator: Estimator, chain: Chain) -> None:
    """Append LinearDiscriminantAnalysis; before 0.22 its probabilities were those of one against the rest."""
    binary = len(estimator.labels()) == 2
    old = (0, 0) < estimator.version < _SOFTMAX_IN_DISCRIMINANT
    (one_against_rest if binary or old else softmax)(estimator, chain)


def stochastic(estimator: Estimator, chain: Chain) -> None:
    """Append SGDClassifier: which loss it had decides whether it has probabilities."""
    loss = estimator.choice("loss", "hinge")
    if loss in ("log", "log_loss"):
        one_against_rest(estimator, chain)
    elif loss == "modified_huber":
        _modified_huber(estimator, chain)
    else:
        decision(estimator, chain)


def _modified_huber(estimator: Estimator, chain: Chain) -> None:
    """Append p = (clip(d, -1, 1) + 1) / 2 of two classes (Zhang 2002)."""
    weights, bias = _scores(estimator, chain)
    if weights.shape[1] > 1:
        estimator.refuse(
            "its probabilities with loss='modified_huber' and more than two classes are no steps that a network has",
            hint="train it with loss='log_loss' or loss='hinge'",
        )
    chain.dense(weights, bias)
    chain.add(Clip(-1.0, 1.0))
    half = np.full(1, 0.5, weights.dtype)
    chain.add(ScaleShift(half, half))
    both(chain, weights.dtype)


def ridge_classifier(estimator: Estimator, chain: Chain) -> None:
    """Append RidgeClassifier, whose classes lie in its LabelBinarizer."""
    binarizer = estimator.inner("_label_binarizer")
    if str(binarizer.choice("y_type_", "")).startswith("multilabel"):
        chain.dense(*layer(estimator))
        chain.notes.append("RidgeClassifier with several labels a row: a label is given where its value is above 0")
        return
    decision(
        Estimator(
            estimator.kind,
            {**estimator.attributes, "classes_": binarizer.value("classes_")},
            estimator.budget,
            estimator.version,
        ),
        chain,
    )


def _scores(estimator: Estimator, chain: Chain) -> tuple[Array, Array]:
    """Return the layer, and give the chain its classes."""
    weights, bias = layer(estimator)
    labels = estimator.labels()
    if len(labels) != (2 if weights.shape[1] == 1 else weights.shape[1]):
        estimator.refuse(f"has {len(labels)} classes, but 'coef_' has {weights.shape[1]} outputs")
    chain.labels = labels
    return weights, bias


# --- support vectors ----------------------------------------------------------------------------------------


def support_vectors(estimator: Estimator, chain: Chain) -> None:
    """Append SVC, NuSVC, SVR or NuSVR with a linear kernel: x·(support vectors · dual coefficients) + b."""
    kernel = estimator.choice("kernel", "rbf")
    if kernel != "linear":
        estimator.refuse(
            f"its kernel {kernel!r} compares a row with every support vector, which is no layer of a network",
            hint="a linear kernel can be read; or train an MLP",
        )
    regresses = estimator.kind.endswith("SVR")
    if not regresses and estimator.choice("probability", False) not in (False, "deprecated"):
        estimator.refuse(
            "its probabilities come from a second model, which may contradict its own decision",
            hint="train it with probability=False",
        )
    if not regresses and len(estimator.labels()) != 2:
        estimator.refuse(
            "with more than two classes it lets every pair of them vote, which is no layer of a network",
            hint="LinearSVC has one value for each class",
        )
    vectors, dual = estimator.array("support_vectors_", 2), estimator.array("dual_coef_", 2)
    if dual.shape != (1, len(vectors)):
        estimator.refuse(f"'dual_coef_' has shape {dual.shape}, expected (1, {len(vectors)})")
    weights, bias = (dual @ vectors).T, estimator.array("intercept_", 1)
    if bias.size != 1:
        estimator.refuse(f"'intercept_' has shape {bias.shape}, expected (1,)")
    if regresses:
        chain.dense(weights, bias)
        return
    chain.labels = estimator.labels()
    chain.dense(*pair(weights, bias))
    chain.notes.append(f"{estimator.kind}: the two values are -d and d, d its decision value")
