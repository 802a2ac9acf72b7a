"""The arrows between the rooms: who may import whom, and which library is known in which room.

Every import counts, at the top of a module, inside a function or only for type checkers.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import glassnet

PACKAGE = Path(glassnet.__file__).parent
BASE = {"activations", "errors", "files", "gaussian"}

# Room → the rooms it may know. Every room knows itself.
ARROWS: dict[str, set[str]] = {
    "errors": set(),
    "files": {"errors"},
    "gaussian": set(),
    "activations": {"errors", "gaussian"},
    "network": {"activations", "errors", "gaussian"},
    "compiler": {"network", *BASE},
    "formats": {"network", *BASE},
    "training": {"network", *BASE},
    "plots": {"network", *BASE},
    "benchmarking": {"network", *BASE},
    "datasets": {"errors", "files"},
    "digits": {"network", "formats", "datasets", "training", *BASE},
    "reading": {"network", "digits", *BASE},
    "cli": {
        "glassnet",
        "network",
        "compiler",
        "formats",
        "datasets",
        "training",
        "digits",
        "reading",
        "plots",
        "benchmarking",
        *BASE,
    },
    # The package itself: `import glassnet`, and the names it looks up when first used.
    "glassnet": {"network", "formats", "datasets", "training", "digits", "reading", *BASE},
}

# Arrows upwards, to be counted on one finger: `Network.compile` opens the compiler's door when it is called.
DOORS = {("network", "compiler")}

# Library → the rooms that may import it; NumPy is everywhere, anything else nowhere.
LIBRARIES: dict[str, set[str]] = {
    "numpy": set(ARROWS) - {"errors", "files"},
    "cv2": {"digits", "reading"},
    "h5py": {"formats"},
    "jax": {"benchmarking"},
    "llvmlite": {"compiler"},
    "matplotlib": {"plots", "digits"},  # digits: for the fonts it brings
    "PIL": {"digits"},
    "pyarrow": {"reading"},
    "pypdfium2": {"reading"},
    "google": {"formats"},  # protobuf, which onnx brings
    "onnx": {"benchmarking", "formats"},
    "onnxruntime": {"benchmarking"},
    "openvino": {"benchmarking"},
    "pooch": {"datasets"},
    "requests": {"datasets"},
    "rich": {"cli", "datasets"},
    "safetensors": {"formats", "training"},
    "joblib": {"formats"},
    "sklearn": {"benchmarking", "formats"},
    "skops": {"formats"},
    "threadpoolctl": {"training"},
    "torch": {"benchmarking", "formats"},
    "typer": {"cli"},
}
LOADED_LATER = set(LIBRARIES) - {"numpy"}


def room_of(module: Path) -> str:
    name = module.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return {"__init__": "glassnet", "__main__": "cli"}.get(name, name)


def imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Give the line and the dotted name of everything a module imports."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(level=0, module=str(module), names=names):
                yield from ((node.lineno, f"{module}.{alias.name}") for alias in names)
            case ast.ImportFrom():
                yield node.lineno, "." * node.level
            case ast.Call(func=ast.Attribute(attr="import_module"), args=[ast.Constant(value=str(name)), *_]):
                yield node.lineno, name


def faults(source: str, room: str) -> list[str]:
    found = []
    for line, name in imported(ast.parse(source)):
        top, *rest = name.split(".")
        if top == "glassnet":
            other = rest[0] if rest and rest[0] in ARROWS else "glassnet"
            if other != room and other not in ARROWS[room] and (room, other) not in DOORS:
                found.append(f"line {line}: {room} may not know {other} ({name})")
        elif not top:
            found.append(f"line {line}: a relative import; write it in full")
        elif top not in sys.stdlib_module_names and room not in LIBRARIES.get(top, set()):
            found.append(f"line {line}: {top} is not a library of {room}")
    return found


@pytest.mark.parametrize("module", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_arrows_hold(module: Path) -> None:
    room = room_of(module)
    assert room in ARROWS, f"the room {room} has no entry in ARROWS"
    assert faults(module.read_text(encoding="utf-8"), room) == []


def test_the_arrows_make_no_circle() -> None:
    left = dict(ARROWS)
    while free := [room for room, known in left.items() if not known & left.keys()]:
        for room in free:
            del left[room]
    assert not left


@pytest.mark.parametrize(
    ("room", "source", "fault"),
    [
        ("activations", "from glassnet.network import Dense", "line 1: activations may not know network"),
        ("network", "import numpy\nfrom glassnet import formats", "line 2: network may not know formats"),
        ("formats", "def late():\n    import glassnet.training.loop", "line 2: formats may not know training"),
        (
            "training",
            "if TYPE_CHECKING:\n    from glassnet.formats import load",
            "line 2: training may not know formats",
        ),
        ("digits", "from glassnet.cli import main", "line 1: digits may not know cli"),
        ("network", "from glassnet import Network", "line 1: network may not know glassnet"),
        ("formats", "importlib.import_module('glassnet.digits')", "line 1: formats may not know digits"),
        ("network", "from . import steps", "line 1: a relative import"),
        ("network", "import cv2", "line 1: cv2 is not a library of network"),
        ("digits", "from rich.console import Console", "line 1: rich is not a library of digits"),
        ("cli", "import torch", "line 1: torch is not a library of cli"),
        ("errors", "import numpy as np", "line 1: numpy is not a library of errors"),
    ],
)
def test_a_planted_fault_is_seen(room: str, source: str, fault: str) -> None:
    [found] = faults(source, room)
    assert found.startswith(fault)


def loaded_by(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_import_glassnet_loads_numpy_and_nothing_heavier() -> None:
    loaded = loaded_by("import glassnet")
    assert "numpy" in loaded
    assert not loaded & LOADED_LATER


def test_a_heavier_import_would_be_seen() -> None:
    assert "rich" in loaded_by("import rich")
