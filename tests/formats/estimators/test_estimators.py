"""Estimators as networks: the same answers and the same decisions as scikit-learn's own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trained

import glassnet
from glassnet.errors import ParametersError
from glassnet.formats.sklearn.table import ESTIMATORS, REFUSED


@pytest.mark.parametrize("name", trained.CASES)
def test_a_live_estimator(name: str) -> None:
    trained.check(glassnet.from_sklearn(trained.trained(name)), name)


@pytest.mark.parametrize("name", trained.CASES)
def test_what_is_read_can_be_saved_and_compiled(name: str, tmp_path: Path) -> None:
    network, x = glassnet.from_sklearn(trained.trained(name)), trained.asked(name)
    glassnet.save(network, tmp_path / "net.safetensors")
    again = glassnet.load(tmp_path / "net.safetensors")
    np.testing.assert_array_equal(again(x), network(x))
    assert again.labels == network.labels
    trained.check(network, name, network.compile(cache=False))


def kinds_in(value: object) -> set[str]:
    """Return the classes of an estimator and of those in it."""
    found = {type(value).__name__} if type(value).__module__.startswith("sklearn.") else set()
    inside = list(getattr(value, "__dict__", {}).values()) if found else []
    if isinstance(value, list | tuple):
        inside = list(value)
    return found.union(*(kinds_in(item) for item in inside)) if inside else found


# What is one row of the table with others, which are tried; old names; experimental.
ALIKE = {
    "ARDRegression", "BayesianRidge", "ElasticNetCV", "HalvingGridSearchCV", "HalvingRandomSearchCV", "Imputer", "Lars",
    "LarsCV", "LassoCV", "LassoLars", "LassoLarsCV", "LassoLarsIC", "MultiTaskElasticNet", "MultiTaskElasticNetCV",
    "MultiTaskLassoCV", "NuSVC", "OrthogonalMatchingPursuit", "OrthogonalMatchingPursuitCV",
    "PassiveAggressiveClassifier", "PassiveAggressiveRegressor", "QuantileRegressor", "TheilSenRegressor",
}  # fmt: skip


def test_every_row_of_the_table_is_tried() -> None:
    tried = set().union(*(kinds_in(trained.trained(name)) for name in trained.CASES))
    assert set(ESTIMATORS) - tried == ALIKE
    for kind in ALIKE:
        assert any(ESTIMATORS[kind] == ESTIMATORS[other] for other in tried & set(ESTIMATORS)), kind


def test_no_class_is_in_both_tables() -> None:
    assert not set(ESTIMATORS) & set(REFUSED)


def test_what_is_trained_on_float32_computes_in_float32() -> None:
    assert glassnet.from_sklearn(trained.trained("float32 mlp")).dtype == np.float32
    assert glassnet.from_sklearn(trained.trained("mlp relu, three classes")).dtype == np.float64


def test_labels_are_kept() -> None:
    def labels(name: str) -> Any:
        return glassnet.from_sklearn(trained.trained(name)).labels

    assert labels("mlp relu, three classes") == ("setosa", "versicolor", "꽃")
    assert labels("labels that are integers") == (-3, 2, 7)
    assert labels("labels that are floats") == (0, 1, 2)
    assert labels("labels that are bools") == (False, True)
    assert labels("several labels, mlp") is None
    assert labels("linear, one value") is None


def test_probabilities_that_are_all_zero_become_equal() -> None:
    model = trained.LogisticRegression(max_iter=500)
    several = trained.OneVsRestClassifier(model).fit(*trained.THREE)
    for estimator in several.estimators_:
        estimator.coef_[:] = 0
        estimator.intercept_[:] = -2000
    np.testing.assert_array_equal(glassnet.from_sklearn(several)(trained.X[:2]), np.full((2, 3), 1 / 3))


# --- what is refused ----------------------------------------------------------------------------------------


def refused(estimator: Any) -> ParametersError:
    with pytest.raises(ParametersError) as caught:
        glassnet.from_sklearn(estimator)
    assert caught.value.message.startswith("from_sklearn: ")
    return caught.value


def refusals() -> dict[str, Any]:
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.preprocessing import PolynomialFeatures

    scale, (x, y) = trained.StandardScaler(), trained.THREE
    model = trained.scaled(trained.LogisticRegression())
    return {
        "RandomForestClassifier: trees branch": RandomForestClassifier(2).fit(x, y),
        "KNeighborsClassifier: it compares a row": KNeighborsClassifier().fit(x, y),
        "GaussianNB: it is no layer": GaussianNB().fit(x, y),
        "SVC: its kernel 'rbf' compares a row with every support vector": trained.SVC().fit(x, y),
        "SVC: with more than two classes it lets every pair": trained.SVC(kernel="linear").fit(x, y),
        "PolynomialFeatures: its function": trained.make_pipeline(PolynomialFeatures(), model).fit(x, y),
        "ColumnTransformer: it works with columns": ColumnTransformer([("a", scale, [0])]).fit(x),
        "FunctionTransformer: holds a function": trained.make_pipeline(trained.FunctionTransformer(np.log1p)).fit(x),
        "SGDClassifier: its probabilities with loss='modified_huber'": trained.SGDClassifier(
            loss="modified_huber", random_state=0
        ).fit(x, y),
        "TransformedTargetRegressor: holds a function": trained.TransformedTargetRegressor(
            trained.Ridge(), func=np.log1p, inverse_func=np.expm1
        ).fit(x, np.exp(trained.ONE)),
        "SimpleImputer: adds a column": trained.SimpleImputer(add_indicator=True).fit(trained.GAPS),
        "SimpleImputer: 'statistics_' holds values that are not finite": trained.SimpleImputer(
            keep_empty_features=False
        ).fit(np.full((3, 2), [np.nan, 1.0])),
        "GridSearchCV: has no 'best_estimator_'": trained.GridSearchCV(
            model, {}, refit=False, cv=2
        ).fit(x, y),
        "MLPClassifier: has no 'coefs_', expected a fitted estimator": trained.MLPClassifier(),
        "StandardScaler: has no 'mean_'": trained.StandardScaler(),
        "LinearRegression: 'coef_' is csr_matrix, expected an array of numbers": sparse(),
    }  # fmt: skip


def sparse() -> Any:
    from scipy.sparse import csr_matrix

    model = trained.LinearRegression().fit(trained.X, trained.SEVERAL)
    model.coef_ = csr_matrix(model.coef_)
    return model


def test_what_cannot_be_expressed_is_refused_by_name() -> None:
    for words, estimator in refusals().items():
        assert words in refused(estimator).message


def test_other_objects_are_no_estimators() -> None:
    class MLPClassifier:
        coefs_ = ()

    for other in (MLPClassifier(), 5, None, trained.X, type("MyMLP", (trained.MLPClassifier,), {})()):
        assert "expected an estimator of scikit-learn, found" in refused(other).message


def test_attributes_that_lie_are_named() -> None:
    import copy

    def changed(name: str, **attributes: Any) -> str:
        estimator = copy.deepcopy(trained.trained(name))
        vars(estimator).update(attributes)
        return refused(estimator).message

    deep, flat = "mlp relu, three classes", "logistic, three classes"
    ones = np.ones
    for message, words in (
        (changed(deep, coefs_=[]), "'coefs_' is list, expected a list of arrays"),
        (changed(deep, coefs_=[ones((6, 7))]), "has 1 arrays in 'coefs_', but 3 in 'intercepts_'"),
        (changed(deep, intercepts_=[ones(7), ones(5), ones(4)]), "layer 3 has weights (5, 3) and bias (4,)"),
        (changed(deep, coefs_=[ones((6, 7)), ones((8, 5)), ones((5, 3))]), "expects 8 features, found 7"),
        (changed(deep, coefs_=["text"] * 3), "'coefs_'[0] is str, expected an array of numbers"),
        (changed(deep, coefs_=[np.array(["a"])] * 3), "'coefs_'[0] is an array of <U1, expected numbers"),
        (changed(deep, activation="swish"), "'activation' is 'swish', expected one of identity"),
        (changed(deep, out_activation_="identity"), "has 3 classes, but 3 outputs with identity"),
        (changed(deep, classes_=np.arange(2)), "has 2 classes, but 3 outputs with softmax"),
        (changed(deep, classes_=[np.arange(2)]), "'classes_' is list, expected one list of classes"),
        (changed(deep, classes_=np.array([0.5, 1, 2])), "a class is float, expected an integer or a text"),
        (changed(deep, classes_=np.array([1, 1, 2])), "a label is given twice"),
        (changed(deep, n_features_in_=9), "expects 6 features, found 9"),
        (changed(deep, n_features_in_=0), "'n_features_in_' is 0, expected 1 to"),
        (changed(flat, coef_=np.full((3, 6), np.nan)), "'coef_' holds values that are not finite"),
        (changed(flat, coef_=ones((3, 6, 1))), "'coef_' has shape (3, 6, 1), expected 1 or 2 axes"),
        (changed(flat, intercept_=ones(2)), "'intercept_' has shape (2,), expected (3,)"),
        (changed(flat, classes_=np.arange(2)), "has 2 classes, but 'coef_' has 3 outputs"),
        (changed(flat, multi_class="other"), "'multi_class' is 'other', expected ovr"),
        (changed("l2 transform", norm="l3"), "its norm is 'l3', expected l1, l2 or max"),
        (changed("standard transform", scale_=np.zeros(6)), "'scale_' holds a 0, and cannot be divided by"),
        (changed("the best columns transform", steps=5), "'steps' is int, expected a list of estimators"),
        (changed("the best columns transform", steps=[5]), "step 1 is not a name and an estimator"),
        (changed("the best columns transform", steps=[("a", 5)]), "step 'a' is int, expected an estimator"),
    ):
        assert words in message
        assert re.match(r"from_sklearn: (\w+: |its estimators|an estimator )", message)


def test_a_pipeline_in_itself_ends() -> None:
    pipeline = trained.make_pipeline(trained.StandardScaler()).fit(trained.X)
    pipeline.steps.append(("again", pipeline))
    assert "estimators nested more than 16 deep" in refused(pipeline).message


def test_what_answers_must_be_the_last() -> None:
    model = trained.trained("discriminant, three classes")
    pipeline = trained.Pipeline([("model", model), ("scale", trained.trained("standard transform"))])
    assert "StandardScaler: reads the answer of LinearDiscriminantAnalysis, which must be the last" in (
        refused(pipeline).message
    )
