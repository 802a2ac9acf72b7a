"""Estimators of scikit-learn as networks, from files and from live objects, without scikit-learn."""

from glassnet.formats.sklearn.live import from_sklearn

__all__ = ["from_sklearn"]
