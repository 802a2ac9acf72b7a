"""Load, save, inspect: which format, at once or not at all, and errors that name the file."""

from __future__ import annotations

import errno
import importlib.util
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import glassnet
from attacks import archives, pickles
from glassnet import Dense, Network, load, save
from glassnet.errors import FileFormatError, MissingFileError, MissingLibraryError, OptionError, ParametersError
from glassnet.formats import FORMATS, inspect

# Formats whose library is there.
LIBRARIES = {"keras": "h5py", "onnx": "onnx"}
INSTALLED = [name for name in FORMATS if importlib.util.find_spec(LIBRARIES.get(name, "numpy"))]
NETWORK = Network([Dense([[1.0], [2.0]], [0.5], "softmax")])


READ = f"known: {', '.join(suffix for entry in FORMATS.values() if entry.reads for suffix in entry.suffixes)}"
TO_WRITE = f"known: {', '.join(suffix for entry in FORMATS.values() if entry.writes for suffix in entry.suffixes)}"
# joblib and skops hold perceptrons of scikit-learn and are tried in ``estimators``.
NARROW = ("joblib", "skops")
WRITTEN = [name for name in INSTALLED if FORMATS[name].reads and FORMATS[name].writes and name not in NARROW]


@pytest.mark.parametrize("name", WRITTEN)
def test_each_format_reads_what_it_writes(name: str, tmp_path: Path) -> None:
    for suffix in FORMATS[name].suffixes:
        path = tmp_path / f"net{suffix.upper()}"
        save(NETWORK, path)
        assert load(path)([3, 4]) == NETWORK([3, 4])
        assert load(str(path)).parameter_count == 3
        inspection = inspect(path)
        assert (inspection.format, inspection.problem) == (name, "")
        assert inspection.network is not None
        weights = {"pytorch": ("0.weight", (1, 2))}.get(name, ("W1", (2, 1)))
        assert (*weights, "float64") in {(array.name, array.shape, array.dtype) for array in inspection.arrays}
        assert len(inspection.arrays) == 2
        assert all(found.allowed for found in inspection.globals)


@pytest.mark.parametrize("name", WRITTEN)
def test_content_decides_before_the_suffix(name: str, tmp_path: Path) -> None:
    save(NETWORK, tmp_path / f"net{FORMATS[name].suffixes[0]}")
    for wrong in ("net.pkl", "net.npz", "net.safetensors", "net.bin", "net"):
        (tmp_path / f"net{FORMATS[name].suffixes[0]}").rename(tmp_path / "moving")
        (tmp_path / "moving").rename(tmp_path / wrong)
        assert load(tmp_path / wrong).parameter_count == 3
        assert inspect(tmp_path / wrong).format == name
        (tmp_path / wrong).rename(tmp_path / f"net{FORMATS[name].suffixes[0]}")


def test_a_pickle_in_text_is_known_by_its_suffix(tmp_path: Path) -> None:
    import pickle

    data = pickle.dumps(pickles.parameters(), 0)
    (tmp_path / "net.pkl").write_bytes(data)
    assert len(load(tmp_path / "net.pkl").layers) == 2
    (tmp_path / "net.dat").write_bytes(data)
    with pytest.raises(FileFormatError, match="neither its first bytes nor its suffix") as caught:
        load(tmp_path / "net.dat")
    assert caught.value.hint == READ
    assert inspect(tmp_path / "net.dat").format == "unknown"


def test_activations_are_taken_where_the_file_says_none(tmp_path: Path) -> None:
    (tmp_path / "net.npz").write_bytes(archives.good_npz())
    network = load(tmp_path / "net.npz", hidden="tanh", output="identity")
    assert [str(layer.activation) for layer in network.layers] == ["tanh", "identity"]
    save(network, tmp_path / "own.npz")
    assert [str(layer.activation) for layer in load(tmp_path / "own.npz").layers] == ["tanh", "identity"]
    with pytest.raises(OptionError, match=r"own\.npz: hidden= cannot be used: the file says itself which network"):
        load(tmp_path / "own.npz", hidden="step")


# --- what is not there, or is no file -----------------------------------------------------------------------


@pytest.mark.parametrize("function", [load, inspect])
def test_no_file(function: object, tmp_path: Path) -> None:
    assert callable(function)
    for path in (tmp_path / "none.pkl", tmp_path / "file" / "below.pkl"):
        (tmp_path / "file").touch()
        with pytest.raises(MissingFileError, match=r"^there is no file .*\.pkl$"):
            function(path)


def test_a_folder_and_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(FileFormatError, match=r"a folder without \.npy or \.csv files"):
        load(tmp_path / "folder.npz")
    os.mkfifo(tmp_path / "pipe.npz")
    with pytest.raises(FileFormatError, match="expected a file, found no regular file"):
        load(tmp_path / "pipe.npz")
    assert inspect(tmp_path / "pipe.npz").problem == "expected a file, found no regular file"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\x93NUMPY\x01\x00", r"this is one NumPy array \(\.npy\)"),
        (b"version https://git-lfs.github.com/spec/v1", "this is a Git LFS pointer"),
    ],
)
def test_what_is_given_by_mistake(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "sample_weight.pkl").write_bytes(content)
    with pytest.raises(FileFormatError, match=rf"^reading .*sample_weight\.pkl: {message}"):
        load(tmp_path / "sample_weight.pkl")


# --- saving -------------------------------------------------------------------------------------------------


def test_a_suffix_that_no_format_has(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"^writing .*net\.bin: no format has the suffix '\.bin'") as caught:
        save(NETWORK, tmp_path / "net.bin")
    assert caught.value.hint == TO_WRITE
    assert ".mat" in READ
    assert ".mat" not in TO_WRITE


@pytest.mark.parametrize("name", [name for name, entry in FORMATS.items() if not entry.writes])
def test_what_is_read_and_not_written(name: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"^writing .*: .* read, not written") as caught:
        save(NETWORK, tmp_path / f"net{FORMATS[name].suffixes[0]}")
    assert caught.value.hint.startswith("save it as ")
    assert list(tmp_path.iterdir()) == []


def test_what_is_written_and_not_read(tmp_path: Path) -> None:
    save(NETWORK, tmp_path / "net.h")
    with pytest.raises(FileFormatError, match="this is a C header, which is written and not read"):
        load(tmp_path / "net.h")
    assert [name for name, entry in FORMATS.items() if not entry.reads] == ["c header"]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="there is no folder"):
        save(NETWORK, tmp_path / "none" / "net.npz")


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".pkl"])
def test_what_could_not_be_read_back_is_not_written(suffix: str, tmp_path: Path) -> None:
    with pytest.raises(ParametersError, match=r"^writing .*: array 'W1' holds 1 value\(s\) that are not finite"):
        save(Network([Dense([[np.nan]], [0.0], "softmax")]), tmp_path / f"net{suffix}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_failure_leaves_the_old_file(failing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "net.npz"
    save(NETWORK, path)
    before = path.read_bytes()

    def fail(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail) if failing == "fsync" else monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="No space left"):
        save(Network([Dense([[9.0]])]), path)
    assert [found.name for found in tmp_path.iterdir()] == ["net.npz"]
    assert path.read_bytes() == before


def test_permissions_and_links_stay(tmp_path: Path) -> None:
    path, link = tmp_path / "net.npz", tmp_path / "link.npz"
    save(NETWORK, path)
    assert stat.S_IMODE(path.stat().st_mode) & 0o600 == 0o600
    path.chmod(0o640)
    link.symlink_to(path)
    save(NETWORK, link)
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_the_same_network_gives_the_same_bytes(tmp_path: Path) -> None:
    for suffix in (".npz", ".safetensors", ".pkl"):
        save(NETWORK, tmp_path / f"one{suffix}")
        save(load(tmp_path / f"one{suffix}"), tmp_path / f"two{suffix}")
        assert (tmp_path / f"one{suffix}").read_bytes() == (tmp_path / f"two{suffix}").read_bytes()


def test_a_format_whose_library_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``save`` says which extra brings it, ``inspect`` says so as it says every other problem."""
    onnx = pytest.importorskip("onnx", reason="the onnx package is not installed")
    narrow = onnx.helper.make_tensor("W", onnx.TensorProto.INT4, [2, 1], [1, 2])
    tensors = [onnx.helper.make_tensor_value_info(name, 1, [1, 2]) for name in "xy"]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Relu", ["x"], ["y"])], "g", tensors[:1], tensors[1:], [narrow]
    )
    path = tmp_path / "net.onnx"
    path.write_bytes(onnx.helper.make_model(graph).SerializeToString())
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingLibraryError, match="this needs the onnx package, which is not installed") as caught:
        save(NETWORK, tmp_path / "new.onnx")
    assert caught.value.hint == "pip install 'glassnet[onnx]'"
    found = inspect(path)
    assert found.problem == "this needs the onnx package, which is not installed"
    assert found.hint == caught.value.hint


LOADED = """\
import sys, glassnet
glassnet.load(sys.argv[1])
print(*sorted(name for name in sys.modules if name.startswith("glassnet.formats.")))
"""


@pytest.mark.parametrize(("suffix", "reader"), [(".npz", "npz"), (".safetensors", "safetensors"), (".pt", "pytorch")])
def test_one_file_loads_one_reader(suffix: str, reader: str, tmp_path: Path) -> None:
    save(NETWORK, tmp_path / f"net{suffix}")
    command = [sys.executable, "-c", LOADED, str(tmp_path / f"net{suffix}")]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    readers = {"npz", "safetensors", "pytorch", "onnx", "keras", "sklearn", "matlab", "gguf", "hdf5", "plain_text"}
    assert {name.split(".")[2] for name in loaded} & readers == {reader}


def test_the_names_that_are_looked_up_later() -> None:
    with pytest.raises(AttributeError, match=r"^module 'glassnet.formats' has no attribute 'from_tensorflow'$"):
        glassnet.formats.from_tensorflow  # noqa: B018
