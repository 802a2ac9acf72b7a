"""Fuzz the reader of pickles with estimators of scikit-learn in them."""

from __future__ import annotations

from fuzzing import main, reading  # isort: skip  # it puts the tests on the path

import contextlib
import pickle
from collections.abc import Iterator

from attacks import estimators, pickles


def seeds() -> Iterator[bytes]:
    """Give every small attack, a good file, and real estimators where scikit-learn is installed."""
    yield estimators.good_pickle()
    yield pickle.dumps(pickles.parameters())
    yield from (content for name, content in estimators.ATTACKS.items() if name.endswith(".pkl"))
    with contextlib.suppress(ImportError):
        yield from trained()


def trained() -> Iterator[bytes]:
    """Give pickles of small estimators, one of each kind of step."""
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.decomposition import PCA
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier, TweedieRegressor
    from sklearn.model_selection import GridSearchCV
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler, Normalizer, RobustScaler, StandardScaler
    from sklearn.svm import SVC

    x = [[0.0, 1.0], [1.0, 0.5], [2.0, 3.0], [0.5, 0.0], [3.0, 1.0], [1.5, 2.0]]
    y, values = [0, 1, 2, 0, 1, 2], [1.0, 2.0, 3.0, 1.5, 2.5, 0.5]
    small = {"hidden_layer_sizes": (2,), "solver": "lbfgs", "max_iter": 2000, "alpha": 1.0, "random_state": 0}
    for estimator in (
        MLPClassifier(**small).fit(x, y),
        make_pipeline(SimpleImputer(), StandardScaler(), PCA(2, whiten=True), LogisticRegression()).fit(x, y),
        make_pipeline(Normalizer("l1"), MinMaxScaler(clip=True), SGDClassifier(loss="log_loss")).fit(x, y),
        make_pipeline(RobustScaler(), RidgeClassifier()).fit(x, y),
        GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=2).fit(x, y),
        OneVsRestClassifier(LogisticRegression()).fit(x, ["a", "b", "c"] * 2),
        TransformedTargetRegressor(MLPRegressor(**small), transformer=StandardScaler()).fit(x, values),
        TweedieRegressor(power=1.5).fit(x, values),
        SVC(kernel="linear").fit(x, [0, 1] * 3),
    ):
        for protocol in (0, 2, 4):
            yield pickle.dumps(estimator, protocol)


if __name__ == "__main__":
    main(reading("pickle"), (seed for seed in seeds() if len(seed) < 20_000))
