"""Estimators trained on small data: dozens of kinds and options, each once, and what scikit-learn answers.

Imported by the tests beside it; they skip where scikit-learn is missing.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is the oracle")

from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import make_classification
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import SelectKBest, VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    ElasticNet,
    GammaRegressor,
    HuberRegressor,
    Lasso,
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    MultiTaskLasso,
    Perceptron,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    RidgeClassifierCV,
    RidgeCV,
    SGDClassifier,
    SGDRegressor,
    TweedieRegressor,
)
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import SVC, SVR, LinearSVC, LinearSVR, NuSVR

__all__ = [
    "CASES",
    "GAPS",
    "NAMES",
    "ONE",
    "SEVERAL",
    "SVC",
    "THREE",
    "FunctionTransformer",
    "GridSearchCV",
    "LinearRegression",
    "LogisticRegression",
    "MLPClassifier",
    "MaxAbsScaler",
    "OneVsRestClassifier",
    "Pipeline",
    "Ridge",
    "SGDClassifier",
    "SimpleImputer",
    "StandardScaler",
    "TransformedTargetRegressor",
    "X",
    "answers",
    "asked",
    "check",
    "make_pipeline",
    "scaled",
    "trained",
]

FEATURES = 6


def rows(classes: int) -> tuple[np.ndarray, np.ndarray]:
    x, y = make_classification(90, FEATURES, n_informative=4, n_classes=classes, random_state=classes)
    return x * np.arange(1, FEATURES + 1) + 3, y


TWO, THREE = rows(2), rows(3)
X = THREE[0]
SEVERAL = X @ np.random.default_rng(0).normal(size=(FEATURES, 2)) / 10
ONE = SEVERAL[:, 0]
GAPS = np.where(np.random.default_rng(1).random(X.shape) < 0.1, np.nan, X)
NAMES = np.array(["setosa", "versicolor", "꽃"])


@dataclass(frozen=True)
class Case:
    """An estimator that is not trained yet, and what it is trained on."""

    estimator: Any
    x: np.ndarray
    y: np.ndarray | None = None

    def trained(self) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            warnings.simplefilter("ignore", FutureWarning)
            return self.estimator.fit(self.x) if self.y is None else self.estimator.fit(self.x, self.y)


def mlp(kind: Callable[..., Any] = MLPClassifier, **options: Any) -> Any:
    return kind(**{"hidden_layer_sizes": (7, 5), "max_iter": 6, "random_state": 0, **options})


def scaled(*others: Any) -> Any:
    return make_pipeline(StandardScaler(), *others)


_LINEAR_CLASSIFIERS = {
    "logistic": LogisticRegression(max_iter=500),
    "logistic, liblinear": OneVsRestClassifier(LogisticRegression(solver="liblinear")),
    "logistic, no intercept": LogisticRegression(fit_intercept=False, max_iter=500),
    "logistic, cross-validated": LogisticRegressionCV(
        Cs=2, cv=2, l1_ratios=(0,), use_legacy_attributes=False, max_iter=500, scoring="accuracy"
    ),
    "sgd hinge": SGDClassifier(random_state=0),
    "sgd log_loss": scaled(SGDClassifier(loss="log_loss", random_state=0)),
    "sgd averaged": SGDClassifier(loss="squared_hinge", average=True, random_state=0),
    "perceptron": Perceptron(random_state=0),
    "linear svc": LinearSVC(random_state=0),
    "ridge classifier": RidgeClassifier(),
    "ridge classifier, cross-validated": RidgeClassifierCV(),
    "discriminant": LinearDiscriminantAnalysis(),
    "one against rest, svc": OneVsRestClassifier(LinearSVC(random_state=0)),
    "mlp relu": mlp(),
    "mlp tanh": mlp(activation="tanh", solver="lbfgs"),
    "mlp logistic": mlp(activation="logistic", solver="sgd", early_stopping=True),
    "mlp identity": mlp(activation="identity", hidden_layer_sizes=(3,)),
    "mlp without hidden layers": mlp(hidden_layer_sizes=()),
    "scaled mlp": scaled(mlp()),
    "search": GridSearchCV(
        Pipeline([("scale", StandardScaler()), ("model", LogisticRegression())]), {"model__C": [0.1, 1]}, cv=2
    ),
    "random search": RandomizedSearchCV(
        mlp(), {"alpha": [0.1, 0.2, 0.3]}, n_iter=2, cv=2, scoring="f1_macro", random_state=np.random.RandomState(0)
    ),
}
_REGRESSIONS = {
    "linear": LinearRegression(),
    "ridge": Ridge(alpha=0.3),
    "ridge, cross-validated": RidgeCV(),
    "lasso": Lasso(0.01),
    "elastic net": ElasticNet(0.01),
    "mlp": mlp(MLPRegressor),
    "mlp tanh": mlp(MLPRegressor, activation="tanh", solver="lbfgs"),
    "scaled target": TransformedTargetRegressor(LinearRegression(), transformer=StandardScaler()),
    "target in a range": TransformedTargetRegressor(mlp(MLPRegressor), transformer=MinMaxScaler()),
}
_OF_ONE = {
    "linear svr": LinearSVR(random_state=0),
    "svr": SVR(kernel="linear"),
    "nu svr": NuSVR(kernel="linear"),
    "sgd": scaled(SGDRegressor(random_state=0)),
    "huber": HuberRegressor(max_iter=500),
    "robust target": TransformedTargetRegressor(Ridge(), transformer=RobustScaler()),
    "largest target": TransformedTargetRegressor(Ridge(), transformer=MaxAbsScaler()),
    "plain target": TransformedTargetRegressor(Ridge()),
}
_POSITIVE = {
    "poisson": PoissonRegressor(max_iter=500),
    "gamma": GammaRegressor(max_iter=500),
    "tweedie": TweedieRegressor(power=1.5, max_iter=500),
    "normal tweedie": TweedieRegressor(max_iter=500),
    "poisson mlp": mlp(MLPRegressor, loss="poisson"),
}
_TRANSFORMS = {
    "standard": StandardScaler(),
    "standard without mean": StandardScaler(with_mean=False),
    "standard without deviation": StandardScaler(with_std=False),
    "range": MinMaxScaler((-1, 2)),
    "clipped range": MinMaxScaler(clip=True),
    "largest": MaxAbsScaler(),
    "robust": RobustScaler(),
    "robust without centre": RobustScaler(with_centering=False),
    "robust without scale": RobustScaler(with_scaling=False),
    "l2": Normalizer(),
    "l1": Normalizer("l1"),
    "max": Normalizer("max"),
    "binary": Binarizer(threshold=2.5),
    "components": PCA(3),
    "white components": PCA(3, whiten=True),
    "incremental components": IncrementalPCA(2),
    "singular vectors": TruncatedSVD(2, random_state=0),
    "no function": make_pipeline(FunctionTransformer(), StandardScaler()),
    "some columns": make_pipeline(VarianceThreshold(8.0), StandardScaler()),
    "the best columns": make_pipeline(SelectKBest(k=3), StandardScaler()),
    "all columns": make_pipeline(SelectKBest(k="all"), StandardScaler()),
    "nothing": make_pipeline("passthrough", StandardScaler(), None),
}


def _cases() -> dict[str, Case]:
    from sklearn.base import clone

    found = {}
    for name, estimator in _LINEAR_CLASSIFIERS.items():
        for classes, (x, y) in (("two", TWO), ("three", THREE)):
            found[f"{name}, {classes} classes"] = Case(clone(estimator), x, NAMES[y])
    for name, estimator in _REGRESSIONS.items():
        found[f"{name}, one value"] = Case(clone(estimator), X, ONE)
        found[f"{name}, two values"] = Case(clone(estimator), X, SEVERAL)
    found |= {f"{name} regression": Case(estimator, X, ONE) for name, estimator in _OF_ONE.items()}
    found |= {f"{name} regression": Case(estimator, X, np.exp(ONE)) for name, estimator in _POSITIVE.items()}
    found |= {f"{name} transform": Case(estimator, X, THREE[1]) for name, estimator in _TRANSFORMS.items()}
    for strategy in ("mean", "median", "most_frequent", "constant"):
        steps = SimpleImputer(strategy=strategy), StandardScaler(), LogisticRegression()
        found[f"gaps, {strategy}"] = Case(make_pipeline(*steps), GAPS, THREE[1])
    minus = SimpleImputer(missing_values=-1.0)
    found["gaps that are a number"] = Case(make_pipeline(minus, mlp()), np.where(np.isnan(GAPS), -1, GAPS), THREE[1])
    found["several targets, lasso"] = Case(MultiTaskLasso(0.01), X, SEVERAL)
    found["modified huber, two classes"] = Case(SGDClassifier(loss="modified_huber", random_state=0), *TWO)
    found["linear kernel, two classes"] = Case(SVC(kernel="linear"), *TWO)
    found["several labels, mlp"] = Case(mlp(), X, (SEVERAL.mean(axis=0) < SEVERAL).astype(int))
    found["several labels, ridge"] = Case(RidgeClassifier(), X, (SEVERAL.mean(axis=0) < SEVERAL).astype(int))
    found["several labels, one against rest"] = Case(
        OneVsRestClassifier(LogisticRegression(max_iter=500)), X, (SEVERAL.mean(axis=0) < SEVERAL).astype(int)
    )
    for kind, labels in {
        "integers": THREE[1] * 5 - 3,
        "floats": THREE[1] * 1.0,
        "objects": NAMES[THREE[1]].astype(object),
    }.items():
        found[f"labels that are {kind}"] = Case(mlp(), X, labels)
    found["labels that are bools"] = Case(mlp(), TWO[0], TWO[1] == 1)
    found["float32 mlp"] = Case(mlp(), X.astype(np.float32), THREE[1])
    found["float32 regression"] = Case(mlp(MLPRegressor), X.astype(np.float32), SEVERAL.astype(np.float32))
    return found


CASES: Mapping[str, Case] = _cases()


@functools.cache
def trained(name: str) -> Any:
    """Return the estimator of a case, trained; each is trained once."""
    return CASES[name].trained()


def asked(name: str) -> np.ndarray:
    """Return rows to ask about: those it was trained on, others, and a row of zeros."""
    x = CASES[name].x
    return np.vstack([x, 1.5 * x[::-1] - 2, np.zeros((1, x.shape[1]), x.dtype)]).astype(x.dtype)


def answers(estimator: Any, x: np.ndarray) -> np.ndarray:
    """Return scikit-learn's own answer in the shape a network's has: (rows, values)."""
    for method in ("predict_proba", "decision_function", "predict", "transform"):
        if hasattr(estimator, method):
            found = np.asarray(getattr(estimator, method)(x))
            if found.ndim == 2:
                return found
            return np.stack([-found, found], axis=1) if method == "decision_function" else found[:, np.newaxis]
    raise AssertionError(f"{estimator} answers nothing")


def check(network: Any, name: str, compiled: Any = None) -> None:
    """Check that a network, or its compiled form, answers what the estimator of a case does, and decides as it does."""
    estimator, x = trained(name), asked(name)
    answering = network if compiled is None else compiled
    expected, found = answers(estimator, x), answering(x)
    tolerance = 1e-12 if network.dtype == np.float64 else 1e-5
    assert found.shape == expected.shape
    largest = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * largest)
    if network.labels is not None:
        predicted = answering.predict(x)
        np.testing.assert_array_equal(predicted, estimator.predict(x))
