"""The tree of errors: one root, a builtin beside each, a message and a hint that survive a trip to another process."""

from __future__ import annotations

import pickle
import re

import pytest

from glassnet import errors
from glassnet.errors import GlassnetError, OptionError

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, GlassnetError)]


@pytest.mark.parametrize("kind", KINDS)
def test_each_error(kind: type[GlassnetError]) -> None:
    error = kind("what happened", hint="what to do")
    assert (error.message, error.hint) == ("what happened", "what to do")
    assert str(error) == "what happened\nhint: what to do"
    assert str(kind("what happened")) == "what happened"
    assert kind.__doc__
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == str(error)


def test_the_drawn_tree_is_the_tree() -> None:
    drawn = re.findall(r"[├└]── (\w+) +(\w+Error)? ", errors.__doc__ or "")
    assert {name for name, _ in drawn} == {kind.__name__ for kind in KINDS if kind is not GlassnetError}
    for name, builtin in drawn:
        ancestors = [kind.__name__ for kind in getattr(errors, name).__mro__]
        assert (builtin or "FileFormatError") in ancestors


def test_they_are_caught_as_their_builtin() -> None:
    with pytest.raises(ValueError, match=r"^no such choice$"):
        raise OptionError("no such choice")
