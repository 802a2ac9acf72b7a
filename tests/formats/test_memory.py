"""What a large file takes in memory: a fresh process loads it and says how much more than before it needed at most."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

import glassnet
from glassnet import Dense, Network
from glassnet.formats import mapped

STATUS = Path("/proc/self/status")
PROGRAM = """
import sys, glassnet
from pathlib import Path
def kilobytes(key):
    return int(Path("/proc/self/status").read_text().split(key)[1].split()[0])
glassnet.formats
path, activation = sys.argv[1:]
before = kilobytes("VmRSS:")
network = glassnet.load(path, **({"activation": activation} if activation else {}))
print((kilobytes("VmHWM:") - before) * 1024, network([1.0] * network.inputs[0].shape[0]).sum())
"""


def most_bytes(path: Path, activation: str = "") -> int:
    command = [sys.executable, "-c", PROGRAM, str(path), activation]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout.split()[0])


@pytest.mark.skipif(not STATUS.exists(), reason="reads what Linux says of a process")
@pytest.mark.parametrize("way", ["ours", "PyTorch's", "PyTorch's zip", "PyTorch's old pickles", "ONNX"])
def test_a_file_of_100_megabytes(way: str, tmp_path: Path) -> None:
    side = 2900
    weights = [np.full((side, side), number / side, np.float32) for number in range(3)]
    if way == "PyTorch's":
        arrays = {f"fc{n}.{what}": array for n, w in enumerate(weights) for what, array in (("weight", w),)}
        arrays["fc0.weight"] = arrays["fc0.weight"][:, :-1].copy()
        path = tmp_path / "net.safetensors"
        safetensors.numpy.save_file(arrays, path)
    elif way == "PyTorch's old pickles":
        torch = pytest.importorskip("torch", reason="PyTorch is not installed")
        path = tmp_path / "net.pt"
        state = {f"fc{number}.weight": torch.from_numpy(w) for number, w in enumerate(weights)}
        torch.save(state, path, _use_new_zipfile_serialization=False)
    else:
        if way == "ONNX":
            pytest.importorskip("onnx", reason="the onnx package is not installed")
        path = tmp_path / {"ours": "net.safetensors", "ONNX": "net.onnx"}.get(way, "net.pt")
        glassnet.save(Network([Dense(w, activation="relu") for w in weights]), path)
    size = path.stat().st_size
    assert size > 100_000_000
    assert most_bytes(path, "relu" if way in ("PyTorch's", "PyTorch's old pickles") else "") < 1.2 * size


def test_a_copy_where_numbers_begin_anywhere() -> None:
    data = np.random.default_rng(0).bytes(1 + 4 * 2_000_000)
    array = np.frombuffer(data, np.float32, offset=1).reshape(1000, 2000)
    found = mapped.aligned(array)
    assert not array.flags.aligned
    assert found.flags.aligned
    assert not found.flags.writeable
    assert found.tobytes() == data[1:]
    assert mapped.aligned(found) is found


@pytest.mark.parametrize("shape", [(5000, 700), (3, 5), (1, 2_000_000)])
def test_the_transpose_in_blocks(shape: tuple[int, int]) -> None:
    array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    found = mapped.turned(array)
    np.testing.assert_array_equal(found, array.T)
    assert found.flags.c_contiguous
    assert not found.flags.writeable
    assert sum(len(block) for block in mapped.blocks(array)) == len(array)
