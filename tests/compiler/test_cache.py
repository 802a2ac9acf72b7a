"""The cache of object files: what comes from it, what is ignored and written anew, and when it changes."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from compiler.made import chain, identical, rows, small
from glassnet.compiler import machine
from glassnet.compiler.entry import HAS_ENTRY
from glassnet.network import Network


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where objects are kept, empty."""
    monkeypatch.setenv("GLASSNET_CACHE", str(tmp_path))
    return tmp_path / "objects"


def comes_from_cache(network: Network, **options: object) -> bool:
    fast = network.compile(**options)  # type: ignore[arg-type]
    assert identical(fast(rows(3)), small().compile(cache=False)(rows(3)))
    return fast.report().from_cache


def test_the_second_compile_comes_from_the_cache(folder: Path) -> None:
    assert not comes_from_cache(small())
    assert len(list(folder.iterdir())) == 1
    assert comes_from_cache(small())


def test_other_weights_use_the_same_code(folder: Path) -> None:
    small().compile()
    other = small().replace(steps=chain(20, 9, 3, seed=7).steps)
    assert other.compile().report().from_cache


def test_without_the_cache(folder: Path) -> None:
    small().compile()
    assert not comes_from_cache(small(), cache=False)
    small().replace(inputs=chain(20, 9, 3).inputs).compile(cache=False)
    assert len(list(folder.iterdir())) == 1


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "cut short": lambda content: content[:-1],
    "only the first line": lambda content: content[: len(machine.MAGIC)],
    "one bit": lambda content: content[:200] + bytes([content[200] ^ 1]) + content[201:],
    "digest": lambda content: content[:20] + bytes([content[20] ^ 1]) + content[21:],
    "longer": lambda content: content + b"\0",
    "foreign": lambda content: b"\x7fELF" + content[4:],
    "an older format": lambda content: content.replace(b"object 1", b"object 0"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_entry_is_ignored_and_written_anew(folder: Path, damage: str) -> None:
    small().compile()
    (entry,) = folder.iterdir()
    good = entry.read_bytes()
    entry.write_bytes(DAMAGE[damage](good))
    assert not comes_from_cache(small())
    assert entry.read_bytes() == good
    assert comes_from_cache(small())


def test_a_folder_in_the_place_of_an_entry(folder: Path) -> None:
    small().compile()
    (entry,) = folder.iterdir()
    entry.unlink()
    entry.mkdir()
    assert not comes_from_cache(small())
    assert list(folder.iterdir()) == [entry]


@pytest.mark.parametrize("where", ["a file", "/proc/self", "/dev/null/x"])
def test_a_cache_that_cannot_be_written_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    (tmp_path / "a file").touch()
    monkeypatch.setenv("GLASSNET_CACHE", str(tmp_path / where))
    assert not comes_from_cache(small())
    assert not comes_from_cache(small())


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("mode", [0o500, 0o000])
def test_a_folder_without_permission(folder: Path, mode: int) -> None:
    folder.mkdir()
    folder.chmod(mode)
    try:
        assert not comes_from_cache(small())
    finally:
        folder.chmod(0o700)


def test_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless(path: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("GLASSNET_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "expanduser", homeless)
    assert machine.cache_folder() is None
    assert not comes_from_cache(small())


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {"GLASSNET_CACHE": "/a"}, "/a/objects"),
        ("linux", {}, "~/.cache/glassnet/objects"),
        ("linux", {"XDG_CACHE_HOME": "/b"}, "/b/glassnet/objects"),
        ("darwin", {}, "~/Library/Caches/glassnet/objects"),
        ("win32", {"LOCALAPPDATA": "/c"}, "/c/glassnet/objects"),
    ],
)
def test_where_it_lies(
    platform: str, environment: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GLASSNET_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("glassnet.compiler.machine.sys.platform", platform)
    assert machine.cache_folder() == Path(expected).expanduser()


def test_the_oldest_entries_go_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for hidden in (4, 5, 6):
        chain(20, hidden, 3).compile()
    entries = list(folder.iterdir())
    left_over = folder / ".entry.o.12345678"  # of a process that was killed while it wrote
    left_over.write_bytes(b"x" * 1000)
    note = folder / "README"
    note.write_text("not ours")
    for age, entry in enumerate([*entries, left_over, note]):
        os.utime(entry, (1000 + age, 1000 + age))
    os.utime(left_over, (10, 10))
    sizes = [entry.stat().st_size for entry in entries]
    monkeypatch.setattr(machine, "CACHE_BYTES", sum(sizes) + 500)
    small().compile()  # about as large as the one that has to go for it
    remaining = set(folder.iterdir())
    assert not {left_over, entries[0]} & remaining
    assert {entries[2], note} <= remaining
    assert sum(entry.stat().st_size for entry in remaining - {note}) <= sum(sizes) + 500
    assert comes_from_cache(small())


def test_the_key_is_of_everything_the_code_depends_on(monkeypatch: pytest.MonkeyPatch) -> None:
    native = small().compile()._parts[0].native  # type: ignore[union-attr]
    plan, here = native.plan, native.machine
    key = machine._key(plan, here)
    assert key == machine._key(dataclasses.replace(plan), dataclasses.replace(here))
    others = {
        machine._key(dataclasses.replace(plan, few=plan.few + 1), here),
        machine._key(dataclasses.replace(plan, scale=0.5), here),
        machine._key(dataclasses.replace(plan, operations=plan.operations[:1]), here),
        machine._key(plan, machine.native_machine("sse")),
        machine._key(plan, dataclasses.replace(here, cpu="abacus")),
        machine._key(plan, dataclasses.replace(here, features=here.features + ",+wings")),
        machine._key(plan, dataclasses.replace(here, triple="aarch64-linux-gnu")),
        machine._key(plan, dataclasses.replace(here, native=False)),
    }
    elsewhere = {
        "_SOURCE": "edited",
        "HAS_ENTRY": not HAS_ENTRY,
        "llvmlite.__version__": "0",
        "platform.python_version": lambda: "4.0",
    }
    for name, value in elsewhere.items():
        with monkeypatch.context() as patch:
            patch.setattr(f"glassnet.compiler.machine.{name}", value)
            others.add(machine._key(plan, here))
    assert len(others | {key}) == 13


def test_several_processes_at_once(folder: Path) -> None:
    script = (
        "from compiler.made import small, rows\n"
        "for _ in range(5):\n"
        "    print(small().compile()(rows(3)).tobytes().hex())\n"
    )
    arguments = [sys.executable, "-c", script]
    tests = Path(__file__).parents[1]
    processes = [subprocess.Popen(arguments, cwd=tests, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    answers = {line for process in processes for line in process.communicate(timeout=60)[0].split()}
    assert [process.returncode for process in processes] == [0] * 4
    assert answers == {small().compile(cache=False)(rows(3)).tobytes().hex()}
    assert len(list(folder.iterdir())) == 1
    assert comes_from_cache(small())
