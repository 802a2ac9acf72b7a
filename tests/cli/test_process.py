"""The command as a process: exit codes, stdout and stderr, pipes, signals, colours."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import glassnet
from cli.conftest import COMMAND, Run, in_terminal

HEAVY = {"cv2", "matplotlib", "pooch", "rich", "safetensors"}


# --- the command itself ---


def test_alone_it_shows_its_help(run: Run) -> None:
    done = run()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: glassnet [OPTIONS] COMMAND")
    assert done.stdout == run("--help").stdout == run("-h").stdout


def test_version(run: Run) -> None:
    done = run("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"glassnet {glassnet.__version__}\n", "")


def test_as_a_module(run: Run, environment: dict[str, str]) -> None:
    module = [sys.executable, "-m", "glassnet", "read"]
    done = subprocess.run(module, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (2, run("read").stderr)


@pytest.mark.parametrize(
    ("arguments", "error", "hint"),
    [
        (["reed"], "No such command 'reed'", "glassnet --help"),
        (["--colour"], "No such option: --colour", "glassnet --help"),
        (["read"], "Missing argument 'PICTURE'", "glassnet read --help"),
        (["read", "--jsn", "x"], "No such option: --jsn", "glassnet read --help"),
        (["explain", "a.png", "b.png"], "Got unexpected extra argument", "glassnet explain --help"),
        (["evaluate", "--batch-size", "0"], "Invalid value for '--batch-size'", "glassnet evaluate --help"),
        (["evaluate", "--part", "half"], "Invalid value for '--part'", "glassnet evaluate --help"),
        (["train"], "Missing option '--output'", "glassnet train --help"),
        (
            ["train", "-o", "m.npz", "--layers", "50;100"],
            "--layers: expected whole numbers of 1 or more with commas between",
            "",
        ),
        (
            ["train", "-o", "m.npz", "--layers", "50,0"],
            "--layers: expected whole numbers of 1 or more with commas between",
            "",
        ),
        (["train", "-o", "m.npz", "--optimizer", "best"], "unknown optimizer 'best'", "one of sgd, adam, adamw"),
        (["train", "-o", "m.npz", "--rate", "-1"], "Adam: rate must be a number above 0, found -1.0", ""),
        (["train", "-o", "m.npz", "--activation", "rely"], "unknown activation 'rely'", "one of step, sigmoid, relu"),
        (["plot", "pie"], "No such command 'pie'", "glassnet plot --help"),
        (["plot", "activations", "-o", "a.jpg"], "writing a.jpg: no figures of kind '.jpg'", "one of .svg, .png"),
    ],
)
def test_bad_usage(run: Run, arguments: list[str], error: str, hint: str) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    first, *rest = done.stderr.splitlines()
    assert first.startswith(f"error: {error}")
    assert "\n".join(rest).startswith(f"\nhint: {hint}" if hint else "")


def test_what_only_some_commands_need_is_loaded_by_them() -> None:
    code = (
        "import sys\nfrom glassnet.cli import main\nsys.argv = ['glassnet', *{!r}]\n"
        "try:\n    main()\nexcept SystemExit:\n    print(*sys.modules, file=sys.stderr)"
    )

    def loaded(*arguments: str) -> set[str]:
        command = [sys.executable, "-c", code.format(arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return HEAVY & {name.partition(".")[0] for name in done.stderr.split()}

    assert loaded("--version") == loaded("--help") == loaded("read", "--help") == set()
    assert "matplotlib" in loaded("plot", "activations", "-o", os.devnull + ".svg")


# --- what is read and written ---


def test_a_bad_picture_does_not_stop_the_others(run: Run, pictures: Path) -> None:
    done = run("read", "pictures/one.png", "pictures/notes.txt", "missing.png", "pictures/seven.png")
    assert done.returncode == 1
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["pictures/one.png", "pictures/seven.png"]
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert errors[0].startswith("error: reading pictures/notes.txt: not a PNG")
    assert errors[1:] == ["error: reading missing.png: there is no such file"]


@pytest.mark.parametrize("command", [["read", "x.png"], ["explain", "x.png"], ["evaluate"]])
def test_an_unknown_model(run: Run, command: list[str]) -> None:
    done = run(*command, "--model", "digts")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: no model is called digts, and there is no file of that name\n\nhint: shipped")
    assert "digits" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk(pictures: Path, environment: dict[str, str], unbuffered: str) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    buffered = {**environment, "PYTHONUNBUFFERED": unbuffered}  # Python writes at once, or when the command has ended
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [COMMAND, "read", pictures], stdout=full, stderr=subprocess.PIPE, text=True, env=buffered, check=False
        )
    assert (done.returncode, done.stderr) == (1, "error: No space left on device\n")


def test_nobody_reads(pictures: Path, environment: dict[str, str]) -> None:
    with subprocess.Popen(
        [COMMAND, "read", pictures], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


def test_head_takes_one_line(pictures: Path, environment: dict[str, str]) -> None:
    pipeline = f"'{COMMAND}' read '{pictures}' '{pictures}' | head -1"
    done = subprocess.run(["sh", "-c", pipeline], capture_output=True, text=True, env=environment, check=True)
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1


# --- signals ---


needs_interrupts = pytest.mark.skipif(
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN, reason="SIGINT is ignored here, and so in every child"
)


def interrupted(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Press Ctrl-C until the process ends: one that comes just before a blocking read is seen only after it."""
    try:
        for _ in range(60):
            process.send_signal(signal.SIGINT)
            try:
                out, err = process.communicate(timeout=1)
            except subprocess.TimeoutExpired:
                continue
            return process.returncode, out, err
        raise AssertionError("Ctrl-C did not end the process")
    finally:
        process.kill()


def until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@needs_interrupts
def test_ctrl_c_while_it_waits_for_a_picture(environment: dict[str, str], tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    held: list[int] = []

    def waits() -> bool:
        try:
            held.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:  # nobody has opened the other end yet
            return False
        return True

    with subprocess.Popen(
        [COMMAND, "read", pipe], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        until(waits, process)
        assert interrupted(process) == (130, "", "")
    os.close(*held)


@needs_interrupts
def test_ctrl_c_in_training_keeps_the_run(
    run: Run, pictures: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    for digit, name in (("1", "one.png"), ("7", "seven.png")):
        (tmp_path / "data" / digit).mkdir(parents=True)
        for copy in range(20):
            shutil.copy(pictures / name, tmp_path / "data" / digit / f"{copy}.png")
    options = ["--data", "data", "--layers", "5", "--batch-size", "4", "-o", "model.npz"]
    with subprocess.Popen(
        [COMMAND, "train", *options, "--epochs", "1000000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=tmp_path,
    ) as process:
        until((tmp_path / "model.checkpoint").exists, process)
        code, out, err = interrupted(process)
    assert (code, out) == (130, "")
    assert err.endswith(
        "error: stopped; model.checkpoint holds the run so far\n\nhint: the same command with --resume goes on\n"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "model.checkpoint", "pictures"]

    refused = run("train", *options)
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: model.checkpoint holds a run that was stopped\n\nhint: --resume")

    done = run("train", *options, "--epochs", "1", "--resume")
    assert done.returncode == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "model.history.jsonl", "model.npz", "pictures"]


# --- colours ---


def test_a_terminal_gets_greys_and_colours(pictures: Path, environment: dict[str, str]) -> None:
    written = in_terminal(["explain", pictures / "seven.png"], {**environment, "COLORTERM": "truecolor"})
    assert "\033[38;2;" in written
    assert "▀" in written


@pytest.mark.parametrize("changed", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colour_where_it_is_not_wanted(
    pictures: Path, environment: dict[str, str], changed: dict[str, str], run: Run
) -> None:
    written = in_terminal(["explain", pictures / "seven.png"], {**environment, **changed})
    assert not re.search("\033\\[[\\d;]*[34]\\d", written)
    assert "▀" not in written
    assert "█" in written


def test_the_word_error_is_coloured_in_terminals_only(environment: dict[str, str], run: Run) -> None:
    assert in_terminal(["read", "missing.png"], environment).startswith("\033[1;31merror:\033[0m reading missing.png")
    assert in_terminal(["read", "missing.png"], {**environment, "NO_COLOR": "1"}).startswith("error: reading")
    assert run("read", "missing.png").stderr.startswith("error: reading")
