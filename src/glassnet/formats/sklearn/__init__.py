"""Estimators of scikit-learn as networks, from files and from live objects, without scikit-learn."""
