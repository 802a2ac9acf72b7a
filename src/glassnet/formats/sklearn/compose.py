"""Estimators that hold estimators: pipelines, searches over options, scaled targets, one model for each class."""

from __future__ import annotations

import numpy as np

from glassnet.formats.contents import shown
from glassnet.formats.sklearn.chain import Chain
from glassnet.formats.sklearn.estimator import Estimator
from glassnet.formats.sklearn.linear import decision, layer, one_against_rest
from glassnet.formats.sklearn.transform import INVERSE


def pipeline(estimator: Estimator, chain: Chain) -> None:
    """Append the steps one after the other; None and 'passthrough' are no step."""
    steps = estimator.value("steps")
    if not isinstance(steps, list | tuple) or not steps:
        estimator.refuse(f"'steps' is {type(steps).__name__}, expected a list of estimators")
    for number, entry in enumerate(steps, start=1):
        chain.visit()
        match entry:
            case (str() | bytes() as name, inner):
                pass
            case _:
                estimator.refuse(f"step {number} is not a name and an estimator")
        if inner is None or inner in ("passthrough", b"passthrough"):
            continue
        what = shown(name if isinstance(name, str) else str(name, "latin1"))
        chain.append(estimator.nested(inner, f"step '{what}'"))


def search(estimator: Estimator, chain: Chain) -> None:
    """Append the best estimator that a search found."""
    if not estimator.has("best_estimator_"):
        estimator.refuse("has no 'best_estimator_'", hint="search with refit=True, and call fit before it is saved")
    best = estimator.inner("best_estimator_")
    chain.append(best)
    chain.notes.append(f"{estimator.kind}: the best of its estimators, a {best.kind}")


def scaled_target(estimator: Estimator, chain: Chain) -> None:
    """Append the regression, and what undoes the scaling of its target."""
    if estimator.has("func") or estimator.has("inverse_func"):
        estimator.refuse("holds a function, which is code and no data", hint="give it a transformer instead")
    chain.append(estimator.inner("regressor_"))
    scaler = estimator.inner("transformer_")
    if scaler.kind not in INVERSE:
        estimator.refuse(f"its target is transformed by {scaler.kind}, expected one of {', '.join(INVERSE)}")
    INVERSE[scaler.kind](scaler, chain)


_WITH_PROBABILITIES = ("LogisticRegression", "LogisticRegressionCV")
_WITHOUT = ("LinearSVC", "Perceptron", "PassiveAggressiveClassifier")


def one_vs_rest(estimator: Estimator, chain: Chain) -> None:
    """Append linear models, one for each class, as one layer."""
    values = estimator.value("estimators_")
    if not isinstance(values, list | tuple) or not values:
        estimator.refuse(f"'estimators_' is {type(values).__name__}, expected a list of estimators")
    for _ in values:
        chain.visit()
    models = [estimator.nested(value, f"'estimators_'[{i}]") for i, value in enumerate(values)]
    kinds = {model.kind for model in models}
    if len(kinds) > 1 or not kinds <= {*_WITH_PROBABILITIES, *_WITHOUT}:
        estimator.refuse(
            f"holds {', '.join(sorted(kinds))}, expected one of {', '.join((*_WITH_PROBABILITIES, *_WITHOUT))}"
        )
    layers = [layer(model) for model in models]
    if {weights.shape for weights, _ in layers} != {(len(layers[0][0]), 1)}:
        estimator.refuse("its estimators do not have one output each")
    binarizer = estimator.inner("label_binarizer_")
    joined = Estimator(
        estimator.kind,
        {
            "coef_": np.hstack([weights for weights, _ in layers]).T,
            "intercept_": np.concatenate([bias for _, bias in layers]),
            "classes_": binarizer.value("classes_"),
        },
        estimator.budget,
    )
    probable = kinds <= set(_WITH_PROBABILITIES)
    if str(binarizer.choice("y_type_", "")).startswith("multilabel"):
        chain.dense(*layer(joined), "sigmoid" if probable else "identity")
        limit = "1/2" if probable else "0"
        chain.notes.append(
            f"several labels a row, {list(joined.labels())}: each is given where its value is above {limit}"
        )
    else:
        (one_against_rest if probable else decision)(joined, chain)
