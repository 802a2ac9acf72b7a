"""What several test modules share."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings

# Programs and helpers without tests, which need libraries that may be missing.
collect_ignore_glob = ["fuzz/fuzz*.py"] + ([] if find_spec("onnx") else ["onnxmodels/*.py"])


# How long an example takes says how busy the machine is; no test is about that.
settings.register_profile("glassnet", deadline=None)
settings.load_profile("glassnet")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew instead of comparing")


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder with ``mnist/`` and ``book/``; tests that need real MNIST skip where it is absent."""
    folder = Path(os.environ.get("GLASSNET_DATA") or "no-data-folder")
    if not (folder / "mnist").is_dir():
        pytest.skip("GLASSNET_DATA does not name a folder with mnist/ and book/")
    return folder
