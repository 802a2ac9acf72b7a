"""LLVM's back end: from a plan to an object file, and from an object file to code that can be called.

The only module that touches ``llvmlite.binding``. Objects are cached on disk under the hash of everything they
depend on: the plan, the processor and its features, the versions. An entry that is damaged or foreign is ignored
and written anew; an entry is written to a temporary file and renamed, so concurrent writers do not meet.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llvmlite
from llvmlite import binding as llvm

from glassnet.compiler.entry import HAS_ENTRY, emit_entry
from glassnet.compiler.kernels import emit_module
from glassnet.compiler.plan import Plan
from glassnet.compiler.targets import TARGETS, Target, choose_target
from glassnet.errors import OptionError
from glassnet.files import replacing

CACHE_BYTES = 64 << 20
MAGIC = b"glassnet object 1\n"


@dataclass(frozen=True)
class Machine:
    """A processor as LLVM names it, and the target whose tiles suit it."""

    target: Target
    triple: str
    cpu: str
    features: str
    native: bool = True

    @property
    def has_entry(self) -> bool:
        """Whether the way in from this Python is emitted beside the kernels."""
        return self.native and HAS_ENTRY

    def describe(self) -> str:
        """Return the processor and the target for people."""
        return f"{self.cpu or 'generic'} ({self.triple}), target {self.target.name}"


@functools.cache
def native_machine(target: str | None = None) -> Machine:
    """Return this computer, or this computer restricted to the features of a lesser target."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    present = llvm.get_host_cpu_features()
    chosen = choose_target(present) if target is None else TARGETS.get(target)
    if chosen is None:
        raise OptionError(f"unknown target {target!r}", hint=f"one of {', '.join(TARGETS)}")
    if missing := [name for name in chosen.requires if not present.get(name)]:
        raise OptionError(f"this processor cannot run target {chosen.name!r}: it lacks {', '.join(missing)}")
    restricted = {name: there and name not in chosen.without for name, there in present.items()}
    features = ",".join(f"{'+' if there else '-'}{name}" for name, there in sorted(restricted.items()))
    cpu = llvm.get_host_cpu_name() if chosen is choose_target(present) else ""
    return Machine(chosen, llvm.get_default_triple(), cpu, features)


def emit_ir(plan: Plan, *, entry: bool = True) -> str:
    """Return the LLVM IR of a plan; without ``entry``, only the kernels, which need no Python."""
    module = emit_module(plan)
    if entry:
        emit_entry(module, plan)
    return str(module)


def emit_assembly(plan: Plan, machine: Machine) -> str:
    """Return the assembly of a plan for a machine."""
    return _target_machine(machine).emit_assembly(_parsed(emit_ir(plan, entry=machine.has_entry), machine))


def emit_object(plan: Plan, machine: Machine) -> bytes:
    """Return the object file of a plan for a machine."""
    return assemble(emit_ir(plan, entry=machine.has_entry), machine)


def assemble(ir: str, machine: Machine) -> bytes:
    """Return the object file of LLVM IR for a machine."""
    return _target_machine(machine).emit_object(_parsed(ir, machine))


def _parsed(ir: str, machine: Machine) -> Any:
    module = llvm.parse_assembly(ir)
    module.triple = machine.triple
    return module


def _target_machine(machine: Machine) -> Any:
    target = llvm.Target.from_triple(machine.triple)
    return target.create_target_machine(cpu=machine.cpu, features=machine.features, opt=2, jit=machine.native)


@dataclass(frozen=True)
class Code:
    """Machine code in memory: the addresses of its functions, and what keeps it there."""

    addresses: Mapping[str, int]
    size: int
    from_cache: bool
    owner: object


def load_code(plan: Plan, machine: Machine, imports: Mapping[str, int], *, cache: bool = True) -> Code:
    """Return the code of a plan, from the cache where it is there; ``imports`` are addresses it may call."""
    folder = cache_folder() if cache else None
    path = folder / f"{_key(plan, machine)}.o" if folder else None
    image = _read(path) if path else None
    from_cache = image is not None
    if image is None:
        image = emit_object(plan, machine)
        if path:
            _write(path, image)
    names = ("forward", "call") if machine.has_entry else ("forward",)
    return link(image, machine, names, imports, from_cache=from_cache)


def link(
    image: bytes, machine: Machine, names: Sequence[str], imports: Mapping[str, int], *, from_cache: bool = False
) -> Code:
    """Load an object file into this process; ``names`` are the functions wanted of it."""
    builder = llvm.JITLibraryBuilder().add_object_img(image).add_current_process()
    for name, address in imports.items():
        builder.import_symbol(name, address)
    for name in names:
        builder.export_symbol(name)
    library = builder.link(llvm.create_lljit_compiler(_target_machine(machine)), "glassnet")
    return Code({name: library[name] for name in names}, len(image), from_cache, library)


# --- the cache ----------------------------------------------------------------------------------------------


def cache_folder() -> Path | None:
    """Return where objects are kept: ``GLASSNET_CACHE``, else in the user's cache folder; None without a home."""
    if given := os.environ.get("GLASSNET_CACHE"):
        return Path(given, "objects")
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        return Path(base, "glassnet", "objects").expanduser()
    except RuntimeError:
        return None


def _key(plan: Plan, machine: Machine) -> str:
    parts = (plan, machine, machine.has_entry, llvmlite.__version__, platform.python_version(), _SOURCE)
    return hashlib.sha256(repr(parts).encode()).hexdigest()


# The emitters themselves are part of the key: it changes with every version of glassnet, and with every edit of it.
_SOURCE = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))).hexdigest()


def _read(path: Path) -> bytes | None:
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, image = content[len(MAGIC) :][:32], content[len(MAGIC) + 32 :]
    if not content.startswith(MAGIC) or hashlib.sha256(image).digest() != digest:
        return None
    return image


def _write(path: Path, image: bytes) -> None:
    """Write an entry and drop the oldest ones beyond the cap; a cache that cannot be written is no error."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(MAGIC + hashlib.sha256(image).digest() + image)
        entries = sorted(path.parent.glob("*.o*"), key=lambda entry: entry.stat().st_mtime, reverse=True)
        total = 0
        for entry in entries:
            total += entry.stat().st_size
            if total > CACHE_BYTES:
                entry.unlink(missing_ok=True)
