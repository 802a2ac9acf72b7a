"""Options are checked when they are given: a number out of its range is refused, not rounded."""

from __future__ import annotations

import dataclasses
import math
import operator
from collections.abc import Callable, Mapping
from numbers import Real
from types import MappingProxyType
from typing import Any, TypeAlias

from glassnet.errors import OptionError

# Whether a value is allowed, and what is, in words.
Bound: TypeAlias = tuple[Callable[[float], bool], str]

POSITIVE: Bound = (lambda value: 0 < value < math.inf, "a number above 0")
NOT_NEGATIVE: Bound = (lambda value: 0 <= value < math.inf, "0 or more")
BELOW_1: Bound = (lambda value: 0 <= value < 1, "at least 0 and below 1")
BETWEEN: Bound = (lambda value: 0 < value < 1, "between 0 and 1")
SHARE: Bound = (lambda value: 0 <= value <= 1, "from 0 to 1")

# Option → its bound, the same wherever it occurs.
_BOUNDS: Mapping[str, Bound] = MappingProxyType(
    {
        "alpha": POSITIVE,
        "beta1": BELOW_1,
        "beta2": BELOW_1,
        "clip": POSITIVE,
        "decay": BELOW_1,
        "epsilon": POSITIVE,
        "final": NOT_NEGATIVE,
        "momentum": BELOW_1,
        "peak": POSITIVE,
        "rate": POSITIVE,
        "share": BETWEEN,
        "smoothing": BELOW_1,
        "soft": SHARE,
        "start": POSITIVE,
        "temperature": POSITIVE,
        "warm_up": BETWEEN,
        "weight_decay": NOT_NEGATIVE,
    }
)


def check(choice: Any) -> None:
    """Raise OptionError where a number among the fields of a dataclass is out of its bounds.

    A field that may be something else than a number (None, a schedule) is left to its owner when it is.
    """
    for field in dataclasses.fields(choice):
        if field.name not in _BOUNDS:
            continue
        value = getattr(choice, field.name)
        if value is None and "None" in str(field.type):
            continue
        if not isinstance(value, Real) and "Schedule" in str(field.type):
            continue
        real(f"{type(choice).__name__}: {field.name}", value, _BOUNDS[field.name])


def real(name: str, value: Any, bound: Bound) -> None:
    """Raise OptionError unless the option ``name`` is a number within its bound."""
    fits, bounds = bound
    if isinstance(value, bool) or not (isinstance(value, Real) and fits(float(value))):
        raise OptionError(f"{name} must be {bounds}, found {value!r}")


def whole(name: str, value: int, least: int) -> int:
    """Return the option ``name`` as an int; raise OptionError unless it is a whole number of ``least`` or more."""
    try:
        number = operator.index(value)
    except TypeError:
        raise OptionError(f"{name} must be a whole number, found {value!r}") from None
    if number < least:
        raise OptionError(f"{name} must be {least} or more, found {number}")
    return number
