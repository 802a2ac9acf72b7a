"""`__all__` says what is public, and says it truly."""

from __future__ import annotations

import importlib
import types
from pathlib import Path

import pytest

import glassnet

PACKAGE = Path(glassnet.__file__).parent
ROOMS = ["glassnet", *sorted(f"glassnet.{init.parent.name}" for init in PACKAGE.glob("*/__init__.py"))]


def public_names(module: types.ModuleType) -> set[str]:
    """Return the names without an underscore that a module defines or brings from its own submodules."""
    names = {name for name in vars(module) if not name.startswith("_")} - {"TYPE_CHECKING"}
    return {
        name
        for name in names
        if not isinstance(getattr(module, name), types.ModuleType)
        and getattr(getattr(module, name), "__module__", module.__name__).startswith(module.__name__)
    }


@pytest.mark.parametrize("name", ROOMS)
def test_every_name_is_there_once(name: str) -> None:
    module = importlib.import_module(name)
    assert len(module.__all__) == len(set(module.__all__))
    for public in module.__all__:
        assert getattr(module, public) is not None


@pytest.mark.parametrize("name", ROOMS)
def test_nothing_public_is_left_out(name: str) -> None:
    module = importlib.import_module(name)
    assert public_names(module) <= set(module.__all__)


def test_a_name_left_out_would_be_seen() -> None:
    module = types.ModuleType("room")
    vars(module).update(__all__=["told"], told=1, forgotten=2, _private=3, path=Path)
    assert public_names(module) - set(module.__all__) == {"forgotten"}


def test_dir_and_unknown_names() -> None:
    assert dir(glassnet) == sorted(glassnet.__all__)
    with pytest.raises(AttributeError, match=r"^module 'glassnet' has no attribute 'lode'$"):
        glassnet.lode  # noqa: B018
