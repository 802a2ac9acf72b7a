"""A live estimator as a network."""

from __future__ import annotations

import sys

from glassnet.errors import ParametersError
from glassnet.formats.pickle_rules import Budget
from glassnet.formats.sklearn.estimator import estimator_of
from glassnet.formats.sklearn.table import network_of
from glassnet.network import Network


def from_sklearn(estimator: object) -> Network:
    """Return the network that a fitted estimator of scikit-learn is, as ``load`` makes it of its file.

    Its output is predict_proba's, or decision_function's where there are no probabilities (of two classes, -d and d),
    or predict's of a regression; ``predict`` answers the same labels. Raises ParametersError, naming the estimator,
    for one that is no network or was not fitted.
    """
    found = estimator_of(estimator, Budget(sys.maxsize))
    if found is None:
        raise ParametersError(
            f"from_sklearn: expected an estimator of scikit-learn, found {type(estimator).__module__}."
            f"{type(estimator).__name__}"
        )
    try:
        return network_of(found)[0]
    except ParametersError as error:
        raise ParametersError(f"from_sklearn: {error.message}", hint=error.hint) from error
