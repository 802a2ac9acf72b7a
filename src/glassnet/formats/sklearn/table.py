"""The table of estimators: which become steps of a network and how, which cannot and why.

Classes are known by their last name, since modules have moved (``sklearn.preprocessing.data`` is now
``sklearn.preprocessing._data``); the library must be scikit-learn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from glassnet.errors import FileFormatError, GlassnetError, ParametersError
from glassnet.formats.contents import shown
from glassnet.formats.sklearn import compose, linear, neural, rows, transform
from glassnet.formats.sklearn.chain import Chain
from glassnet.formats.sklearn.estimator import Estimator
from glassnet.network import Network

_MOST_NESTED = 16
_MOST_FEATURES = 1 << 24


@dataclass(frozen=True)
class Row:
    """One kind of estimator: what adds its steps to a chain, and whether it answers, so that nothing may follow."""

    append: Callable[[Estimator, Chain], None]
    predicts: bool = True


def _rows(names: str, function: Callable[[Estimator, Chain], None], *, predicts: bool = True) -> dict[str, Row]:
    return {name: Row(function, predicts) for name in names.split()}


ESTIMATORS: Mapping[str, Row] = MappingProxyType(
    {
        **_rows("MLPClassifier MLPRegressor", neural.perceptrons),
        **_rows("LogisticRegression LogisticRegressionCV", linear.logistic),
        **_rows("SGDClassifier", linear.stochastic),
        **_rows("Perceptron PassiveAggressiveClassifier LinearSVC", linear.decision),
        **_rows("RidgeClassifier RidgeClassifierCV", linear.ridge_classifier),
        **_rows("LinearDiscriminantAnalysis", linear.discriminant),
        **_rows("SVC NuSVC SVR NuSVR", linear.support_vectors),
        **_rows(
            "LinearRegression Ridge RidgeCV Lasso LassoCV ElasticNet ElasticNetCV Lars LarsCV LassoLars LassoLarsCV "
            "LassoLarsIC OrthogonalMatchingPursuit OrthogonalMatchingPursuitCV BayesianRidge ARDRegression "
            "HuberRegressor TheilSenRegressor QuantileRegressor SGDRegressor PassiveAggressiveRegressor LinearSVR "
            "MultiTaskLasso MultiTaskLassoCV MultiTaskElasticNet MultiTaskElasticNetCV",
            linear.regression,
        ),
        **_rows("PoissonRegressor GammaRegressor", linear.log_regression),
        **_rows("TweedieRegressor", linear.tweedie),
        **_rows("StandardScaler", transform.standard_scaler, predicts=False),
        **_rows("MinMaxScaler", transform.min_max_scaler, predicts=False),
        **_rows("MaxAbsScaler", transform.max_abs_scaler, predicts=False),
        **_rows("RobustScaler", transform.robust_scaler, predicts=False),
        **_rows("Normalizer", rows.normalizer, predicts=False),
        **_rows("Binarizer", transform.binarizer, predicts=False),
        **_rows("SimpleImputer Imputer", transform.imputer, predicts=False),
        **_rows("FunctionTransformer", transform.function_transformer, predicts=False),
        **_rows("PCA IncrementalPCA", transform.principal_components, predicts=False),
        **_rows("TruncatedSVD", transform.singular_vectors, predicts=False),
        **_rows("VarianceThreshold", transform.variance_threshold, predicts=False),
        **_rows("SelectKBest", transform.select_best, predicts=False),
        **_rows("Pipeline", compose.pipeline, predicts=False),
        **_rows("GridSearchCV RandomizedSearchCV HalvingGridSearchCV HalvingRandomSearchCV", compose.search),
        **_rows("TransformedTargetRegressor", compose.scaled_target),
        **_rows("OneVsRestClassifier", compose.one_vs_rest),
    }
)

_TREES = "trees branch on one feature after the other, which is no layer of a network"
_NEIGHBOURS = "it compares a row with the rows it was trained on, which is no layer of a network"
_BAYES = "it is no layer of a network"
_SEVERAL = "it asks several models and joins their answers"
_CATEGORIES = "it works with columns that are no numbers, or each in its own way"
_TEXTS = "it reads texts, and a network reads numbers"
_CURVES = "its function of the features is no step that a network has"
_CLUSTERS = "it finds groups of rows, and no values or classes were trained"

# Class → why it cannot be a network. What is in neither table is refused as unknown.
REFUSED: Mapping[str, str] = MappingProxyType(
    {
        name: reason
        for reason, names in (
            (
                _TREES,
                "DecisionTreeClassifier DecisionTreeRegressor ExtraTreeClassifier ExtraTreeRegressor "
                "RandomForestClassifier RandomForestRegressor ExtraTreesClassifier ExtraTreesRegressor "
                "GradientBoostingClassifier GradientBoostingRegressor HistGradientBoostingClassifier "
                "HistGradientBoostingRegressor AdaBoostClassifier AdaBoostRegressor IsolationForest "
                "RandomTreesEmbedding Tree",
            ),
            (
                _NEIGHBOURS,
                "KNeighborsClassifier KNeighborsRegressor RadiusNeighborsClassifier RadiusNeighborsRegressor "
                "NearestNeighbors NearestCentroid LocalOutlierFactor KNNImputer KernelRidge KernelPCA "
                "GaussianProcessClassifier GaussianProcessRegressor OneClassSVM LabelPropagation LabelSpreading",
            ),
            (_BAYES, "GaussianNB BernoulliNB MultinomialNB ComplementNB CategoricalNB QuadraticDiscriminantAnalysis"),
            (
                _SEVERAL,
                "VotingClassifier VotingRegressor StackingClassifier StackingRegressor BaggingClassifier "
                "BaggingRegressor CalibratedClassifierCV OneVsOneClassifier OutputCodeClassifier ClassifierChain "
                "RegressorChain MultiOutputClassifier MultiOutputRegressor FeatureUnion RANSACRegressor",
            ),
            (
                _CATEGORIES,
                "ColumnTransformer OneHotEncoder OrdinalEncoder TargetEncoder LabelEncoder LabelBinarizer "
                "MultiLabelBinarizer KBinsDiscretizer DictVectorizer FeatureHasher",
            ),
            (_TEXTS, "CountVectorizer TfidfVectorizer TfidfTransformer HashingVectorizer"),
            (
                _CURVES,
                "PolynomialFeatures SplineTransformer PowerTransformer QuantileTransformer IterativeImputer Nystroem "
                "RBFSampler BernoulliRBM NMF FactorAnalysis FastICA SparsePCA IsotonicRegression PLSRegression",
            ),
            (_CLUSTERS, "KMeans MiniBatchKMeans DBSCAN AgglomerativeClustering MeanShift Birch GaussianMixture TSNE"),
        )
        for name in names.split()
    }
)


def append(estimator: Estimator, chain: Chain) -> None:
    """Append what an estimator comes to, and what those inside it do.

    Raises ParametersError, naming the one that cannot be a step.
    """
    if estimator.kind in REFUSED:
        estimator.refuse(REFUSED[estimator.kind])
    if estimator.kind not in ESTIMATORS:
        estimator.refuse("is not an estimator that glassnet knows", hint=f"known: {', '.join(ESTIMATORS)}")
    row = ESTIMATORS[estimator.kind]
    if chain.answered:
        estimator.refuse(f"reads the answer of {chain.answered}, which must be the last")
    if chain.depth == _MOST_NESTED:
        raise ParametersError(f"estimators nested more than {_MOST_NESTED} deep")
    if estimator.has("n_features_in_"):  # since 0.24
        chain.expect(_features(estimator))
    chain.depth += 1
    chain.visit()
    row.append(estimator, chain)
    chain.depth -= 1
    if row.predicts:
        chain.answered = estimator.kind


def _features(estimator: Estimator) -> int:
    count = estimator.choice("n_features_in_")
    if type(count) is not int or not 0 < count <= _MOST_FEATURES:
        estimator.refuse(f"'n_features_in_' is {shown(str(count))}, expected 1 to {_MOST_FEATURES:,}")
    return count


def network_of(estimator: Estimator) -> tuple[Network, tuple[str, ...]]:
    """Return the network that an estimator comes to, and what should be known of it.

    Raises ParametersError, naming the estimator, where it comes to none.
    """
    chain = Chain(append)
    try:
        append(estimator, chain)
        return chain.network(), tuple(chain.notes)
    except FileFormatError:
        raise
    except GlassnetError as error:
        raise ParametersError(f"its estimators do not fit together: {shown(error.message, 300)}") from error
