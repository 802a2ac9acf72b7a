"""Files of named arrays from other tools: GGUF, MATLAB, JSON, folders; and the C header."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attacks import containers
from glassnet import Dense, Input, Network, load, save
from glassnet.activations import activation
from glassnet.errors import FileFormatError, ParametersError, UnsafeFileError
from glassnet.formats import inspect
from glassnet.network import Activate, Clip, ScaleShift


def some(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(shape).normal(size=shape).astype(np.float32)


ARRAYS = {"W1": some(4, 5), "b1": some(5), "W2": some(5, 3), "b2": some(3)}
EXPECTED = Network([Dense(ARRAYS["W1"], ARRAYS["b1"], "relu"), Dense(ARRAYS["W2"], ARRAYS["b2"])])
X = some(6, 4)
SAID: dict[str, Any] = {"activation": "relu", "output": "identity"}


# --- GGUF ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.float64])
def test_what_ggufs_own_library_writes(dtype: Any, tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf", reason="gguf is not installed")
    writer = gguf.GGUFWriter(tmp_path / "net.gguf", "mlp")
    writer.add_description("a small network")
    writer.add_array("sizes", [4, 5, 3])
    for number in (1, 2):
        writer.add_tensor(f"fc{number}.weight", np.ascontiguousarray(ARRAYS[f"W{number}"].T.astype(dtype)))
        writer.add_tensor(f"fc{number}.bias", ARRAYS[f"b{number}"].astype(dtype))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    tolerance = 2e-2 if dtype is np.float16 else 1e-5
    np.testing.assert_allclose(load(tmp_path / "net.gguf", **SAID)(X), EXPECTED(X), rtol=tolerance, atol=tolerance)
    assert {array.dtype for array in inspect(tmp_path / "net.gguf").arrays} == {np.dtype(dtype).name}


def test_bfloat16_and_quantised(tmp_path: Path) -> None:
    halves = (np.array([1.5, -2.0, 0.25, 3.0], "<f4").view("<u4") >> 16).astype("<u2")
    tensor = containers.tensor("fc.weight", (2, 2), containers.BFLOAT16)
    (tmp_path / "net.gguf").write_bytes(containers.gguf([tensor], halves.tobytes()))
    np.testing.assert_array_equal(
        load(tmp_path / "net.gguf", **SAID).layers[0].weights, np.array([[1.5, 0.25], [-2.0, 3.0]])
    )
    (tmp_path / "net.gguf").write_bytes(containers.ATTACKS["a quantised tensor.gguf"])
    with pytest.raises(FileFormatError, match="array 'a' is quantised as Q4_0, which is not read"):
        load(tmp_path / "net.gguf")


# --- MATLAB -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", [False, True])
def test_what_scipy_writes(packed: bool, tmp_path: Path) -> None:
    io = pytest.importorskip("scipy.io", reason="SciPy is not installed")
    io.savemat(tmp_path / "net.mat", {**ARRAYS, "note": "a text"}, do_compression=packed)
    np.testing.assert_allclose(load(tmp_path / "net.mat", **SAID)(X), EXPECTED(X), rtol=1e-6)
    assert inspect(tmp_path / "net.mat").notes == ("'note' is a text, and was left aside",)
    whole = {name: np.round(array * 9).astype(np.int16) for name, array in ARRAYS.items()}
    io.savemat(tmp_path / "net.mat", {name: array.astype(float) for name, array in whole.items()})
    np.testing.assert_array_equal(load(tmp_path / "net.mat", **SAID).layers[0].weights, whole["W1"])


def test_structs_and_cells_of_matlab(tmp_path: Path) -> None:
    io = pytest.importorskip("scipy.io", reason="SciPy is not installed")
    cells = {name: np.empty((1, 2), object) for name in "Wb"}
    for name, cell in cells.items():
        cell[0, 0], cell[0, 1] = ARRAYS[f"{name}1"], ARRAYS[f"{name}2"]
    io.savemat(tmp_path / "net.mat", cells)
    np.testing.assert_allclose(load(tmp_path / "net.mat", **SAID)(X), EXPECTED(X), rtol=1e-6)
    io.savemat(tmp_path / "net.mat", {"net": {"W": ARRAYS["W1"], "b": {"inner": ARRAYS["b1"]}}})
    assert {array.name for array in inspect(tmp_path / "net.mat").arrays} == {"net.W", "net.b.inner"}


def test_big_endian_and_kept_in_a_smaller_kind(tmp_path: Path) -> None:
    data = containers.mat(
        containers.element(
            14,
            containers.element(6, np.array([6, 0], "<u4").tobytes())
            + containers.element(5, np.array([1, 2], "<i4").tobytes())
            + containers.element(1, b"W1")
            + containers.element(2, bytes([3, 4])),  # doubles that are whole are kept as bytes
        )
    )
    (tmp_path / "net.mat").write_bytes(data)
    network = load(tmp_path / "net.mat", **SAID, orientation="inputs_outputs")
    np.testing.assert_array_equal(network.layers[0].weights, [[3.0, 4.0]])
    assert network.dtype == np.float64


def test_version_7_3_is_hdf5(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    path = tmp_path / "net.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, array in ARRAYS.items():
            made = file.create_dataset(name, data=np.atleast_2d(array).T, chunks=True, compression="gzip")
            made.attrs["MATLAB_class"] = np.bytes_("single")
        file.create_dataset("note", data=np.array([[97]], np.uint16)).attrs["MATLAB_class"] = np.bytes_("char")
        file.create_group("#refs#")
    data = bytearray(path.read_bytes())
    data[:128] = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    path.write_bytes(bytes(data))
    np.testing.assert_allclose(load(path, **SAID)(X), EXPECTED(X), rtol=1e-6)
    assert inspect(path).notes == ("'note' is no matrix of numbers, and was left aside",)


# --- JSON and folders ---------------------------------------------------------------------------------------


def test_a_dict_of_arrays_in_json(tmp_path: Path) -> None:
    (tmp_path / "net.json").write_text(json.dumps({name: array.tolist() for name, array in ARRAYS.items()}))
    np.testing.assert_allclose(load(tmp_path / "net.json", **SAID)(X), EXPECTED(X), rtol=1e-5)


@pytest.mark.parametrize("transposed", [False, True])
def test_a_list_of_layers_in_json(transposed: bool, tmp_path: Path) -> None:
    layers = [
        {
            "weights": (ARRAYS[f"W{n}"].T if transposed else ARRAYS[f"W{n}"]).tolist(),
            "bias": ARRAYS[f"b{n}"].tolist(),
            "activation": "relu" if n == 1 else "linear",
        }
        for n in (1, 2)
    ]
    (tmp_path / "net.json").write_text("\ufeff " + json.dumps({"layers": layers}))
    np.testing.assert_allclose(load(tmp_path / "net.json")(X), EXPECTED(X), rtol=1e-5)
    assert bool(inspect(tmp_path / "net.json").notes) == transposed


def test_a_folder_of_arrays(tmp_path: Path) -> None:
    folder = tmp_path / "net"
    folder.mkdir()
    for name, array in ARRAYS.items():
        np.save(folder / f"{name}.npy", array)
    (folder / "notes.md").write_text("trained on a Tuesday")
    np.testing.assert_array_equal(load(folder, **SAID)(X), EXPECTED(X))
    found = inspect(folder)
    assert (found.format, found.notes) == ("folder", ("left aside: notes.md",))
    (folder / "W2.csv").write_text("1,2\n")
    with pytest.raises(FileFormatError, match="two files are called 'W2'"):
        load(folder)
    (folder / "W2.csv").unlink()
    (folder / "W2.npy").unlink()
    (folder / "W2.npy").symlink_to("/etc/hostname")
    with pytest.raises(UnsafeFileError, match=r"W2\.npy is a link, which leads elsewhere"):
        load(folder)


@pytest.mark.parametrize("separator", [",", ";", " ", "\t", ", "])
def test_a_folder_of_csv(separator: str, tmp_path: Path) -> None:
    for name, array in ARRAYS.items():
        rows = np.atleast_2d(array)
        text = "\n".join(separator.join(f"{value:.9e}" for value in row) for row in rows)
        (tmp_path / f"{name}.csv").write_text(text + "\n")
    np.testing.assert_allclose(load(tmp_path, **SAID)(X), EXPECTED(X), rtol=1e-5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("w1,w2\n1,2\n", "not a table of numbers alone"),
        ("1,2\n3\n", r"its 2 rows are not equally long"),
        ("", r"its 0 rows are not equally long"),
        ("1,2e\n", "not a table of numbers: could not convert string to float: '2e'"),
        ("=cmd()", "not a table of numbers alone"),
    ],
)
def test_csv_that_is_no_table_of_numbers(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "W1.csv").write_text(text)
    with pytest.raises(FileFormatError, match=rf"W1\.csv: {message}"):
        load(tmp_path)


def test_json_says_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "net.json"
    path.write_text('{"layers": [{"weights": [[1, 2], [3, 4]]}]}')
    with pytest.raises(ParametersError, match=r"fit one another in both orders of axes: \(2, 2\)"):
        load(path)
    path.write_text("[1, 2]")
    with pytest.raises(ParametersError, match=r"its JSON is no object of arrays by name"):
        load(path)


# --- the C header -------------------------------------------------------------------------------------------

PROGRAM = r"""
#include <stdio.h>
#include "net.h"
int main(void) {
    double x[LAYER1_INPUTS], a[LAYER1_OUTPUTS];
    for (int i = 0; i < LAYER1_INPUTS; i++) x[i] = 0.25 * (i + 1);
    for (int j = 0; j < LAYER1_OUTPUTS; j++) {
        a[j] = b1[j];
        for (int i = 0; i < LAYER1_INPUTS; i++) a[j] += x[i] * W1[i][j];
        a[j] = a[j] > 0 ? a[j] : 0;
    }
    for (int j = 0; j < LAYER2_OUTPUTS; j++) {
        double z = b2[j];
        for (int i = 0; i < LAYER2_INPUTS; i++) z += a[i] * W2[i][j];
        printf("%.9g\n", z);
    }
    return NETWORK_LAYERS - 2;
}
"""


def compiled(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("gcc is not installed")
    command = [gcc, "-Wall", "-Wextra", "-Werror", "-std=c99", *options, "-o", "net", "main.c"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_header_compiles_and_computes(dtype: Any, tmp_path: Path) -> None:
    steps = [
        Dense(ARRAYS["W1"].astype(dtype), ARRAYS["b1"], "relu", name="*/ int x; /*"),
        Dense(ARRAYS["W2"], ARRAYS["b2"], name="int y;. */"),
        Activate("identity", sources=("int y;. */",)),
    ]
    network = Network(steps, inputs=Input((4,), "*/ int z; /*/", scale=1 / 255), labels=["a */", "b", "c"])
    save(network, tmp_path / "net.h")
    (tmp_path / "main.c").write_text(PROGRAM)
    done = compiled(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    run = subprocess.run([tmp_path / "net"], capture_output=True, text=True, check=True)
    expected = network(0.25 * np.arange(1, 5).astype(dtype))
    np.testing.assert_allclose([float(line) for line in run.stdout.split()], expected, rtol=1e-5)
    text = (tmp_path / "net.h").read_text()
    assert "raw integers x become x * 0.00392156862745098 + 0.0" in text
    assert "/* Layer 1: relu */" in text


def test_other_steps_have_their_arrays_in_it(tmp_path: Path) -> None:
    steps = [ScaleShift(some(2, 3), np.float32(0.5), name="scale"), Clip(0, 1), ScaleShift(some(3), some(3), name="W1")]
    save(Network(steps, inputs=Input((2, 3))), tmp_path / "net.h")
    text = (tmp_path / "net.h").read_text()
    for line in ("float scale_scale[2][3] = {", "float scale_shift[1] = {", "float W1_scale[3] = {", "2. clip1 = clip"):
        assert line in text
    (tmp_path / "main.c").write_text('#include "net.h"\nint main(void) { return 0; }\n')
    assert compiled(tmp_path).returncode == 0
    (tmp_path / "main.c").write_text('#include "net.h"\nint main(void) { return scale_scale; }\n')
    assert compiled(tmp_path).returncode != 0


def test_numbers_come_back_exactly(tmp_path: Path) -> None:
    weights = np.array([[1e-45, 3.4028235e38, -0.1, 1 / 3]], np.float32)
    save(Network([Dense(weights, None, activation("relu"))]), tmp_path / "net.h")
    lines = (tmp_path / "net.h").read_text().splitlines()
    row = lines[lines.index("static const float W1[1][4] = {") + 1]
    found = [np.float32(number.rstrip("f")) for number in row.strip(" {},").split(", ")]
    assert np.array_equal(np.array(found), weights[0])
