"""Time the loading of the digit network, 784-50-100-10, from a file of every format, and the memory a large file takes.

``python benchmarks/loading.py`` prints the figures and keeps them in ``benchmarks/results/loading.txt``. The files are
made by the tools that formats belong to, where these are installed, and read by fresh processes that have imported
glassnet and nothing else. A first time counts all that is loaded with it: the reader's modules, and its library.
"""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import glassnet
from glassnet.benchmarking import machine
from glassnet.network import Dense, Input, Network

RESULTS = Path(__file__).parent / "results" / "loading.txt"
MOST_SECONDS = 0.050
MOST_MEMORY = 1.2  # bytes for each byte of the file
LARGE_SIDE = 2900

FRESH = """\
import statistics, sys, time
import glassnet
def once():
    started = time.perf_counter()
    glassnet.load(sys.argv[1], **eval(sys.argv[2]))
    return time.perf_counter() - started
print(once(), statistics.median(once() for _ in range(15)))
"""
MEMORY = """\
import sys
from pathlib import Path
import glassnet
def kilobytes(key):
    return int(Path("/proc/self/status").read_text().split(key)[1].split()[0])
options = eval(sys.argv[3])
glassnet.load(sys.argv[1], **options)
before = kilobytes("VmRSS:")
network = glassnet.load(sys.argv[2], **options)
loaded = kilobytes("VmHWM:") - before
network([1.0] * network.inputs[0].shape[0])
print(loaded * 1024, (kilobytes("VmHWM:") - before) * 1024)
"""


def main() -> None:
    lines = [machine(f"NumPy {np.__version__}", f"glassnet {glassnet.__version__}")]
    print(lines[0])
    with tempfile.TemporaryDirectory() as folder:
        for section in (times, memory):
            for line in ("", *section(Path(folder))):
                lines.append(line)
                print(line, flush=True)
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


def times(folder: Path, processes: int = 15) -> Iterator[str]:
    """Load the digit network from every kind of file, in fresh processes taken in turns."""
    files = {what: folder / name for what, (name, _, _) in FILES.items() if _write(what, folder)}
    seconds: dict[str, list[list[float]]] = {what: [] for what in files}
    for _ in range(processes + 1):
        for what, path in files.items():
            seconds[what].append(_fresh(FRESH, path, repr(FILES[what][2])))
    yield f"loading the digit network, median of {processes} fresh processes taken in turns, files already in memory"
    yield f"{'':<34}{'the first time':>18}{'again':>12}"
    for what, several in seconds.items():
        first, again = (statistics.median(figure) for figure in zip(*several[1:], strict=True))
        verdict = "ok" if first <= MOST_SECONDS else "MISSED"
        yield (
            f"{what:<34}{first * 1e3:>15.1f} ms{again * 1e3:>9.1f} ms   (at most {MOST_SECONDS * 1e3:.0f}: {verdict})"
        )


def memory(folder: Path) -> Iterator[str]:
    """Load three layers of 2900 × 2900 and answer one row, and say how much memory it took at most."""
    side = LARGE_SIDE
    layers = [Dense(np.full((side, side), number / side, np.float32), None, "relu") for number in range(3)]
    large = Network(layers)
    yield "memory for a file of 100 MB, most of a fresh process beyond what the same reader needs for a small file"
    small = Network([Dense(np.ones((2, 2), np.float32), None, "relu")])
    for what, (suffix, write, options) in LARGE.items():
        paths = [folder / f"{name}.{suffix}" for name in ("small", "large")]
        for network, path in zip((small, large), paths, strict=True):
            write(network, path)
        size = paths[1].stat().st_size
        loaded, used = _fresh(MEMORY, *paths, repr(options))
        verdict = "ok" if used <= MOST_MEMORY * size else "MISSED"
        yield (
            f"{what:<34}{size / 1e6:>7.1f} MB{loaded / size:>7.2f} × loaded{used / size:>7.2f} × used once"
            f"   (at most {MOST_MEMORY}: {verdict})"
        )
        paths[1].unlink()


def _in_old_pickles(network: Network, path: Path) -> None:
    import torch  # noqa: PLC0415

    state = {f"{n}.weight": torch.tensor(layer.weights.T.copy()) for n, layer in enumerate(network.layers)}
    torch.save(state, path, _use_new_zipfile_serialization=False)


# What it is → the suffix, what writes it, what loading it is told.
LARGE: Mapping[str, tuple[str, Callable[[Network, Path], None], Mapping[str, str]]] = {
    **{f".{suffix} of glassnet": (suffix, glassnet.save, {}) for suffix in ("safetensors", "pt", "npz", "onnx")},
    ".pt, a state_dict of before 1.6": ("pth", _in_old_pickles, {"activation": "relu"}),
}


def _fresh(code: str, *arguments: object) -> list[float]:
    """Run code in a process of its own; it prints numbers."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    # Installed packages come compiled; a source tree is compiled once, by the round that does not count.
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(CACHE)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return [float(number) for number in done.stdout.split()]


CACHE = Path(tempfile.gettempdir()) / "glassnet-bytecode"

# --- the files ----------------------------------------------------------------------------------------------

_RANDOM = np.random.default_rng(0)
ARRAYS: Mapping[str, Any] = {
    f"{letter}{number}": _RANDOM.normal(0, 0.1, shape).astype(np.float32)
    for number, (inputs, outputs) in enumerate(((784, 50), (50, 100), (100, 10)), start=1)
    for letter, shape in (("W", (inputs, outputs)), ("b", (outputs,)))
}


def _network(activation: str = "sigmoid", **options: Any) -> Network:
    steps = [
        Dense(ARRAYS[f"W{number}"], ARRAYS[f"b{number}"], "softmax" if number == 3 else activation)
        for number in (1, 2, 3)
    ]
    return Network(steps, labels=range(10), **options)


def _ours(path: Path) -> None:
    glassnet.save(_network(inputs=Input((784,), scale=1 / 255)), path)


def _estimator(path: Path) -> None:
    glassnet.save(_network("relu"), path)


def _textbook(path: Path) -> None:
    import pickle  # noqa: PLC0415

    path.write_bytes(pickle.dumps(dict(ARRAYS)))


def _plain_npz(path: Path) -> None:
    np.savez(path, **ARRAYS)


def _json(path: Path) -> None:
    path.write_text(json.dumps({name: array.tolist() for name, array in ARRAYS.items()}))


def _folder(path: Path) -> None:
    path.mkdir()
    for name, array in ARRAYS.items():
        np.save(path / f"{name}.npy", array)


def _module() -> Any:
    import torch  # noqa: PLC0415

    linear = torch.nn.Linear
    return torch.nn.Sequential(
        linear(784, 50), torch.nn.ReLU(), linear(50, 100), torch.nn.ReLU(), linear(100, 10)
    ).eval()


def _state_dict(path: Path) -> None:
    import torch  # noqa: PLC0415

    torch.save(_module().state_dict(), path)


def _legacy(path: Path) -> None:
    import torch  # noqa: PLC0415

    torch.save(_module().state_dict(), path, _use_new_zipfile_serialization=False)


def _torchscript(path: Path) -> None:
    import torch  # noqa: PLC0415

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced: Any = torch.jit.trace  # untyped
        torch.jit.save(traced(_module(), torch.zeros(1, 784)), path)


def _exported(path: Path) -> None:
    import torch  # noqa: PLC0415

    torch.export.save(torch.export.export(_module(), (torch.zeros(1, 784),)), path)


def _onnx(path: Path) -> None:
    import torch  # noqa: PLC0415

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(_module(), (torch.zeros(1, 784),), path, dynamo=False, dynamic_axes={"input.1": {0: "rows"}})


def _keras(path: Path) -> None:
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras  # noqa: PLC0415

    sizes = ((50, "relu"), (100, "relu"), (10, "softmax"))
    layers = [keras.Input((784,)), *(keras.layers.Dense(units, activation=name) for units, name in sizes)]
    keras.Sequential(layers).save(path)


def _matlab(path: Path) -> None:
    import scipy.io  # noqa: PLC0415

    scipy.io.savemat(path, dict(ARRAYS), do_compression=True)


def _gguf(path: Path) -> None:
    import gguf  # noqa: PLC0415

    writer = gguf.GGUFWriter(path, "glassnet")
    for name, array in ARRAYS.items():
        writer.add_tensor(name, array)
    for write in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file):
        write()
    writer.close()


# What it is → the file, what makes it, what loading it is told; and the libraries that making takes.
FILES: Mapping[str, tuple[str, Callable[[Path], None], Mapping[str, str]]] = {
    ".safetensors of glassnet": ("net.safetensors", _ours, {}),
    ".npz of glassnet": ("net.npz", _ours, {}),
    ".npz of NumPy": ("plain.npz", _plain_npz, {}),
    ".pkl of the textbook": ("book.pkl", _textbook, {}),
    ".pt of glassnet": ("net.pt", _ours, {}),
    ".pt, a state_dict": ("state.pt", _state_dict, {"activation": "relu"}),
    ".pt, a state_dict of before 1.6": ("legacy.pt", _legacy, {"activation": "relu"}),
    ".pt, TorchScript": ("script.pt", _torchscript, {}),
    ".pt2, torch.export": ("exported.pt2", _exported, {}),
    ".onnx of glassnet": ("net.onnx", _ours, {}),
    ".onnx of PyTorch": ("torch.onnx", _onnx, {}),
    ".keras of glassnet": ("net.keras", _ours, {}),
    ".keras of Keras 3": ("keras.keras", _keras, {}),
    ".h5 of Keras 3": ("keras.h5", _keras, {}),
    ".joblib of scikit-learn": ("net.joblib", _estimator, {}),
    ".skops of scikit-learn": ("net.skops", _estimator, {}),
    ".mat of SciPy": ("net.mat", _matlab, {}),
    ".gguf": ("net.gguf", _gguf, {}),
    ".json of arrays": ("net.json", _json, {}),
    "a folder of .npy": ("folder", _folder, {}),
}
LIBRARIES: Mapping[Callable[[Path], None], tuple[str, ...]] = {
    **dict.fromkeys((_state_dict, _legacy, _torchscript, _exported, _onnx), ("torch",)),
    _keras: ("keras", "torch"),
    _estimator: ("sklearn", "skops"),
    _matlab: ("scipy",),
    _gguf: ("gguf",),
}


def _write(what: str, folder: Path) -> bool:
    """Make a file; False where a library that it takes is not installed."""
    name, make, _ = FILES[what]
    if missing := [library for library in LIBRARIES.get(make, ()) if not importlib.util.find_spec(library)]:
        print(f"{what}: left out, since {', '.join(missing)} is not installed", file=sys.stderr)
        return False
    make(folder / name)
    return True


if __name__ == "__main__":
    main()
