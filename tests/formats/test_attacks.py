"""Hostile and broken files: our error, nothing executed, memory under a cap.

They are read in one fresh process (``attacks.reader``), which sees every import, call of the system and opened file.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import glassnet
from attacks import CANARY, archives, containers, estimators, keras_files, models, pickles, pytorch

TESTS = Path(__file__).parent.parent
PACKAGE = Path(glassnet.__file__).parent.parent
FILES = {f"{name}.pkl": content for name, content in pickles.ATTACKS.items()} | archives.ATTACKS | pytorch.ATTACKS
FILES |= keras_files.ATTACKS | containers.ATTACKS | models.ATTACKS | estimators.ATTACKS
MOST_MEGABYTES = 300

Outcomes = dict[str, dict[str, Any]]


def read_all(folder: Path, files: Mapping[str, bytes], *options: str) -> Outcomes:
    """Read ``files`` in a fresh process, whose working folder is ``folder / "here"``."""
    (folder / "files").mkdir()
    (folder / "here").mkdir()
    for name, content in files.items():
        (folder / "files" / name).write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "attacks.reader", str(folder / "files"), *options],
        cwd=folder / "here",
        env={**os.environ, "PYTHONPATH": f"{TESTS}{os.pathsep}{PACKAGE}"},
        capture_output=True,
        check=True,
        timeout=300,
    )
    assert not done.stderr
    outcomes = [json.loads(line) for line in done.stdout.splitlines() if line.startswith(b"{")]
    return {outcome["file"]: outcome for outcome in outcomes}


@pytest.fixture(scope="session")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("attacks")


@pytest.fixture(scope="session")
def outcomes(here: Path) -> Outcomes:
    return read_all(here, FILES)


def test_there_are_enough() -> None:
    assert len(pickles.CODE) >= 40
    assert len(pickles.ATTACKS) - len(pickles.CODE) >= 100
    assert len(archives.ATTACKS) >= 80
    assert len(estimators.CODE) >= 80
    assert len(estimators.ATTACKS) - len(estimators.CODE) >= 200
    assert len(containers.ATTACKS) >= 90
    assert len(keras_files.ATTACKS) >= (160 if find_spec("h5py") else 0)
    assert len(pytorch.CODE_IN_PYTORCH) >= 60
    assert len(pytorch.ATTACKS) - len(pytorch.CODE_IN_PYTORCH) >= 160


@pytest.mark.parametrize("name", FILES)
def test_refused_without_executing_anything(name: str, outcomes: Outcomes) -> None:
    outcome = outcomes[name]
    assert "FileFormatError" in outcome.get("error", ["loaded"])
    assert outcome["events"] == []
    first_line = outcome["message"].splitlines()[0]
    assert first_line.startswith("reading ")
    assert len(first_line) < 600
    assert first_line.isprintable()
    if outcome.get("problem") is not None:
        assert first_line.endswith(outcome["problem"])


def test_no_harm_and_little_memory(here: Path, outcomes: Outcomes) -> None:
    assert list((here / "here").iterdir()) == []
    assert max(outcome["peak"] for outcome in outcomes.values()) < MOST_MEGABYTES * 1024


@pytest.mark.parametrize("name", pickles.CODE)
def test_what_asks_for_code_is_called_unsafe(name: str, outcomes: Outcomes) -> None:
    harmless_to_walk = {"the second of two pickles", "BUILD on a function"}
    in_another_codec = {"codecs.encode in another codec", "codecs.encode in a module"}
    expected = "FileFormatError" if name in harmless_to_walk | in_another_codec else "UnsafeFileError"
    assert outcomes[f"{name}.pkl"]["error"][0] == expected


@pytest.mark.parametrize("name", estimators.CODE)
def test_what_asks_for_code_among_attributes_is_called_unsafe(name: str, outcomes: Outcomes) -> None:
    lenient = "ParametersError" if name == "sklearn.externals.joblib.memory.Memory.pkl" else "FileFormatError"
    harmless_to_walk = name.startswith(
        ("codecs.encode in a", "BUILD on a function", "the second", "a second", "sklearn.ext")
    )
    assert outcomes[name]["error"][0] == (lenient if harmless_to_walk else "UnsafeFileError")


@pytest.mark.parametrize("name", pytorch.CODE_IN_PYTORCH)
def test_what_asks_for_code_in_a_pytorch_file_is_called_unsafe(name: str, outcomes: Outcomes) -> None:
    expected = "FileFormatError" if name.startswith("codecs.encode in a") else "UnsafeFileError"
    assert outcomes[name]["error"][0] == expected


def test_the_same_files_do_harm_when_pickle_reads_them(tmp_path: Path) -> None:
    names = ("os.system by GLOBAL", "builtins.eval", "memo rebound to os.system")
    outcomes = read_all(tmp_path, {name: pickles.ATTACKS[name] for name in names}, "with-pickle")
    assert [path.name for path in (tmp_path / "here").iterdir()] == [CANARY]
    for outcome in outcomes.values():
        assert any(event.startswith(("os.system", "exec", "compile", "open")) for event in outcome["events"])


def test_a_good_file_among_them_would_be_seen(tmp_path: Path) -> None:
    good = {
        "good.pkl": pickle.dumps(pickles.parameters()),
        "good.npz": archives.good_npz(),
        "good.safetensors": archives.good_safetensors(),
        **estimators.GOOD,
        "good.pt": pytorch.script("    return torch.relu(torch.linear(x, self.w))\n"),
        "good.pt2": pytorch.exported(pytorch.program()),
    }
    for outcome in read_all(tmp_path, good).values():
        assert "error" not in outcome
        assert (outcome["events"], outcome["problem"]) == ([], "")
