"""Numbers that count something: an option that is no whole number is refused, not rounded."""

from __future__ import annotations

import operator

from glassnet.errors import OptionError


def whole(name: str, value: int, least: int) -> int:
    """Return the option ``name`` as an int; raise OptionError unless it is a whole number of ``least`` or more."""
    try:
        number = operator.index(value)
    except TypeError:
        raise OptionError(f"{name} must be a whole number, found {value!r}") from None
    if number < least:
        raise OptionError(f"{name} must be {least} or more, found {number}")
    return number
