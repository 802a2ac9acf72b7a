"""Fixtures of the compiler's tests: the targets this machine can run, golden files, object files kept to themselves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from compiler.golden import Golden
from glassnet.compiler.machine import native_machine
from glassnet.compiler.targets import TARGETS
from glassnet.errors import OptionError


def _runs(name: str) -> bool:
    try:
        native_machine(name)
    except OptionError:
        return False
    return True


@pytest.fixture(params=[name for name in TARGETS if _runs(name)])
def target(request: pytest.FixtureRequest) -> str:
    """The name of each target that this machine can run, by leaving features unused."""
    name: str = request.param
    return name


@pytest.fixture
def golden(pytestconfig: pytest.Config) -> Golden:
    """The golden files, written anew under ``--update-golden``."""
    return Golden(update=pytestconfig.getoption("update_golden"))


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GLASSNET_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
