"""Any bytes at all: a network, or an error of ours."""

from __future__ import annotations

import contextlib
import importlib.util
import pickle
import tempfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attacks import archives, containers, estimators, keras_files, pickles, pytorch
from glassnet import Dense, GlassnetError, Network, load, save
from glassnet.formats import FORMATS, inspect


def own_file(suffix: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"net{suffix}"
        save(Network([Dense([[1.0, 2.0]], [0.5, 0.25], "tanh")]), path)
        return path.read_bytes()


FORMAT_OF = {"mat": "matlab"}
SEEDS = [
    *(("pickle", pickle.dumps(pickles.parameters(), protocol)) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)),
    ("pickle", estimators.good_pickle()),
    ("joblib", estimators.good_joblib()),
    ("joblib", zlib.compress(estimators.good_pickle())),
    ("skops", estimators.good_skops()),
    ("npz", archives.good_npz()),
    ("npz", own_file(".npz")),
    *(("pytorch", content) for content in pytorch.GOOD.values()),
    ("pytorch", own_file(".pt")),
    ("safetensors", archives.good_safetensors()),
    ("safetensors", own_file(".safetensors")),
    *((FORMAT_OF.get(suffix, suffix), data) for suffix, files in containers.GOOD.items() for data in files),
]
if keras_files.ATTACKS:
    SEEDS += [("keras", keras_files.good_keras()), ("hdf5", keras_files.good_hdf5())]
if importlib.util.find_spec("onnx"):
    from onnxmodels.made import mlp

    SEEDS += [("onnx", mlp()), ("onnx", own_file(".onnx"))]


def read(format: str, data: bytes) -> None:
    """Read ``data`` with one format's own reader and through the front door; only our errors may come out."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"net{FORMATS[format].suffixes[0]}"
        path.write_bytes(data)
        for function in (FORMATS[format].read, load):
            with contextlib.suppress(GlassnetError):
                assert function(path) is not None
        assert (inspect(path).problem or "none").isprintable()


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, bytes]:
    format, data = draw(st.sampled_from(SEEDS))
    changed = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(changed)))
        end = min(len(changed), at + draw(st.integers(0, 8)))
        changed[at:end] = draw(st.binary(max_size=8))
    return format, bytes(changed)


@settings(max_examples=600)
@given(mutated())
def test_a_file_with_a_few_bytes_changed(case: tuple[str, bytes]) -> None:
    read(*case)


@settings(max_examples=200)
@given(st.sampled_from(sorted(FORMATS)), st.binary(max_size=200))
def test_any_bytes(format: str, data: bytes) -> None:
    read(format, data)


@pytest.mark.parametrize(("format", "data"), SEEDS)
def test_every_cut(format: str, data: bytes) -> None:
    read(format, data)
    for length in range(0, len(data), max(1, len(data) // 60)):
        read(format, data[:length])
