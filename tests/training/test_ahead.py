"""Batches made ahead by other processes: the same, in order, no further than asked, and errors at their turn."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from glassnet.errors import OptionError
from glassnet.training.ahead import SLOTS, Arrays, ahead

BYTES = 8 * 100


def squares(number: int) -> Arrays:
    time.sleep(0.002 * (number % 3))
    return np.full(1 + number % 4, number**2), None, np.array([number], np.uint8)


def large(number: int) -> Arrays:
    return (np.full(number * 1000, number),)


def fails_at_3(number: int) -> Arrays:
    if number == 3:
        raise OptionError("no row 3", hint="begin at 4")
    return (np.array(number),)


def dies_at_3(number: int) -> Arrays:
    if number == 3:
        os._exit(1)
    return (np.array(number),)


def listed(number: int) -> Arrays:
    Path(os.environ["GLASSNET_TEST_MADE"]).joinpath(str(number)).touch()
    return (np.array(number),)


def children() -> int:
    return len(multiprocessing.active_children())


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_in_order_whoever_makes_them(workers: int) -> None:
    numbers = []
    for first, second, third in ahead(squares, range(40), workers, BYTES):
        assert second is None
        assert first is not None
        assert third is not None
        numbers.append(int(third[0]))
        np.testing.assert_array_equal(first, np.full(1 + numbers[-1] % 4, numbers[-1] ** 2))
        assert third.dtype == np.uint8
    assert numbers == list(range(40))
    assert children() == 0


def test_what_is_larger_than_expected_arrives_too() -> None:
    made = [arrays[0] for arrays in ahead(large, range(4), 1, BYTES)]
    assert [0 if array is None else int(array.sum()) for array in made] == [0, 1000, 4000, 9000]


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_comes_at_its_turn(workers: int) -> None:
    made = ahead(fails_at_3, range(9), workers, BYTES)
    assert [int(next(made)[0]) for _ in range(3)] == [0, 1, 2]  # type: ignore[arg-type]
    with pytest.raises(OptionError) as caught:
        next(made)
    assert (caught.value.message, caught.value.hint) == ("no row 3", "begin at 4")
    assert children() == 0


def test_a_process_that_dies_is_noticed() -> None:
    with pytest.raises(RuntimeError, match="a process that makes batches came to a sudden end"):
        list(ahead(dies_at_3, range(9), 1, BYTES))
    assert children() == 0


def test_no_further_ahead_than_there_are_slots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLASSNET_TEST_MADE", str(tmp_path))
    made = ahead(listed, range(1000), 1, BYTES)
    next(made)
    deadline = time.monotonic() + 30
    while len(list(tmp_path.iterdir())) < SLOTS:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.1)
    assert len(list(tmp_path.iterdir())) <= SLOTS + 1
    made.close()
    assert children() == 0


def test_what_cannot_be_sent_is_refused() -> None:
    with pytest.raises(OptionError, match="workers are given what they work with, but it cannot be pickled") as caught:
        next(ahead(lambda number: (np.array(number),), range(3), 1, BYTES))
    assert "leave workers at 0" in str(caught.value)


def test_a_script_that_would_start_itself_again_is_told(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import numpy as np\n"
        "from glassnet.training import *\n"
        "train(initialise((2, 3)), np.ones((50, 2)), np.zeros(50, int), loss=CrossEntropy(), optimizer=Adam(),\n"
        "      epochs=1, workers=1)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 1
    assert "needs `if __name__ == '__main__':` around what it does" in done.stderr
