"""From what a file holds to a network: the estimator in it, wherever it lies.

People save an estimator, or a dict or list with an estimator and what belongs to it; joblib also saves plain arrays.
"""

from __future__ import annotations

from collections.abc import Iterator

from glassnet.errors import ParametersError
from glassnet.formats.contents import Contents, Data, Global, shown
from glassnet.formats.description import describe
from glassnet.formats.pickle_machine import Walk, walk
from glassnet.formats.pickle_rules import Budget, Record
from glassnet.formats.sklearn import names
from glassnet.formats.sklearn.arrays import Wrapper
from glassnet.formats.sklearn.estimator import Estimator, estimator_of
from glassnet.formats.sklearn.names import concerns
from glassnet.formats.sklearn.table import network_of

__all__ = ["concerns", "contents_of", "globals_of", "walked"]

# Small integers may become numbers of eight bytes, and a layer may be copied once to lie as NumPy multiplies fastest.
_COPIES = 16
_FREE_BYTES = 1 << 16


def walked(data: Data) -> Walk:
    """Return what a pickle of scikit-learn's or joblib's holds.

    Raises UnsafeFileError, naming it, for what no estimator needs, ParametersError for what is no part of a network.
    """
    found = walk(data, names.RULES)
    names.check(found.globals)
    if found.problem is not None:
        raise found.problem
    return found


def globals_of(data: Data) -> tuple[Global, ...]:
    """Return every global that such a pickle names."""
    return walk(data, names.RULES).globals


def contents_of(value: object, size: int) -> Contents | None:
    """Return the network of the one estimator in ``value``; None where there is no estimator at all.

    size: of the file, which bounds what may be copied.
    """
    estimator, notes = _only_one(value, Budget(_FREE_BYTES + _COPIES * size))
    if estimator is None:
        return None
    network, more = network_of(estimator)
    return Contents(describe(network).arrays, network=network, notes=(*notes, *more))


def _only_one(value: object, budget: Budget) -> tuple[Estimator | None, tuple[str, ...]]:
    if isinstance(value, Record) and not isinstance(value, Wrapper):
        found = estimator_of(value, budget)
        if found is None:
            raise ParametersError(f"holds a {shown(value.name)}, expected an estimator of scikit-learn")
        return found, ()
    inside = {place: found for place, item in _items(value) if (found := estimator_of(item, budget))}
    if len(inside) > 1:
        listed = ", ".join(f"{place} ({found.kind})" for place, found in list(inside.items())[:6])
        raise ParametersError(
            f"holds several estimators, and does not say in which order they work: {shown(listed, 300)}",
            hint="save one: sklearn.pipeline.make_pipeline(scaler, model)",
        )
    for place, found in inside.items():
        return found, (f"taken from {place} of a {type(value).__name__}",)
    return None, ()


def _items(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        yield from ((f"'{shown(str(key))}'" if isinstance(key, str) else "?", item) for key, item in value.items())
    elif isinstance(value, list | tuple):
        yield from ((f"item {place}", item) for place, item in enumerate(value))
