"""The same bits on AArch64: the object emitted for it, run under qemu-user by a small driver in C.

apt-get install qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross
"""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from llvmlite import binding as llvm

from compiler.golden import Golden
from compiler.networks import NETWORKS, text
from compiler.oracle import same_bits
from glassnet import Network
from glassnet.activations import Array
from glassnet.compiler.by_rows import UINT8
from glassnet.compiler.machine import Machine, emit_object
from glassnet.compiler.plan import make_plan, pack
from glassnet.compiler.program import lower
from glassnet.compiler.simplify import simplify
from glassnet.compiler.targets import TARGETS

DRIVER = Path(__file__).parent / "aarch64" / "driver.c"
LINKER, EMULATOR = "aarch64-linux-gnu-gcc", "qemu-aarch64"
NEON = Machine(TARGETS["neon"], "aarch64-unknown-linux-gnu", "generic", "+neon", native=False)

Run = Callable[[Network, Array], Array]


@pytest.fixture(scope="session")
def on_aarch64(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a function that answers as an AArch64 processor does."""
    for tool in (LINKER, EMULATOR):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    folder = tmp_path_factory.mktemp("aarch64")
    driver = folder / "driver.o"
    subprocess.run([LINKER, "-c", "-O1", "-Wall", "-Werror", DRIVER, "-o", driver], check=True)

    def run(network: Network, x: Array) -> Array:
        program = lower(simplify(network)[0])
        plan = make_plan(program, NEON.target)
        image, binary, data = (folder / name for name in ("network.o", "network", "data"))
        image.write_bytes(emit_object(plan, NEON))
        subprocess.run([LINKER, "-static", driver, image, "-lm", "-o", binary], check=True)
        parameters = pack(plan, program)
        y_bytes = 4 * len(x) * plan.outputs
        flags = UINT8 if x.dtype == np.uint8 else 0
        header = [parameters.nbytes, x.nbytes, y_bytes, 4 * plan.scratch_floats, len(x), flags]
        data.write_bytes(np.array(header, np.int64).tobytes() + parameters.tobytes() + x.tobytes())
        done = subprocess.run([EMULATOR, binary, data], check=True, capture_output=True)
        return np.frombuffer(done.stdout, np.float32).reshape(len(x), plan.outputs)

    return run


@pytest.mark.parametrize("name", NETWORKS)
def test_golden_bits(name: str, golden: Golden, on_aarch64: Run) -> None:
    network, x = NETWORKS[name]
    found = on_aarch64(network, x)
    assert same_bits(found, network.compile()(x))
    assert same_bits(on_aarch64(network, x[:1]), found[:1])
    golden.check(f"{name}.txt", text(found))


def test_non_finite_rows(on_aarch64: Run) -> None:
    network, x = NETWORKS["tanh"]
    x = x.copy()
    x[2, 3], x[7, 5], x[9, 5] = np.nan, np.inf, -np.inf
    found = on_aarch64(network, x)
    assert same_bits(found, network.compile()(x))
    assert np.isnan(found[2]).all()


def test_a_weight_that_differs_is_seen(on_aarch64: Run) -> None:
    """The control: one weight moved by one unit in the last place."""
    network, x = NETWORKS["identity"]
    first, last = network.layers
    weights = last.weights.copy()
    weights[7, 3] = np.nextafter(weights[7, 3], np.float32(9))
    changed = network.replace(steps=(first, dataclasses.replace(last, weights=weights)))
    assert not same_bits(on_aarch64(changed, x), network.compile()(x))


def test_a_golden_file_that_differs_or_is_missing_is_a_failure(tmp_path: Path) -> None:
    golden = Golden(tmp_path)
    with pytest.raises(AssertionError, match=r"bits\.txt is missing: .* --update-golden"):
        golden.check("bits.txt", "3f800000\n3f000000\n")
    Golden(tmp_path, update=True).check("bits.txt", "3f800000\n3f000000\n")
    golden.check("bits.txt", "3f800000\n3f000000\n")
    with pytest.raises(AssertionError, match=r"1 of 2 lines differ, the first:\nfound    3f000001\nexpected 3f000000"):
        golden.check("bits.txt", "3f800000\n3f000001\n")
    with pytest.raises(AssertionError, match="another number of lines"):
        golden.check("bits.txt", "3f800000\n")
