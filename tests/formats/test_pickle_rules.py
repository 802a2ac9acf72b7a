"""The seam between the walk and the formats: calls, objects, persistent ids, several pickles, bytes in the middle."""

from __future__ import annotations

import collections
import pickle
import pickle as op
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any

import pytest

from attacks import pickles
from glassnet.errors import FileFormatError, UnsafeFileError
from glassnet.formats.pickle_arrays import ALLOWED, ARRAYS
from glassnet.formats.pickle_machine import Walk, walk
from glassnet.formats.pickle_rules import HOLE, Record, Rules, Source


class Model:
    def __init__(self) -> None:
        self.sizes = [2, 3]
        self.tags = {"a"}


def ours(name: str) -> type[Record] | None:
    return Record if name.startswith((f"{__name__}.", "pathlib.", "fractions.")) else None


OBJECTS = Rules(ALLOWED, objects=ours)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_an_object_is_a_record_of_its_class_and_state(protocol: int) -> None:
    found = walk(pickle.dumps(Model(), protocol), OBJECTS)
    assert found.problem is None
    assert isinstance(found.value, Record)
    assert found.value.name == f"{__name__}.Model"
    state = found.value.state
    assert state["sizes"] == [2, 3]
    if protocol >= 4:
        assert state["tags"] == ["a"]  # a set, as a list
    assert all(wanted.allowed for wanted in found.globals if wanted.name.startswith((__name__, "copy")))


def test_objects_made_by_calls_and_by_name() -> None:
    values = [PurePosixPath("a/b"), Fraction(1, 3)]
    found = walk(pickle.dumps(values, 4), OBJECTS)
    assert [(record.name.split(".")[0], record.arguments) for record in found.value] == [  # type: ignore[attr-defined]
        ("pathlib", ("a", "b")),
        ("fractions", ("1/3",) if isinstance(Fraction(1, 3).__reduce__()[1][0], str) else (1, 3)),
    ]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_without_a_rule_for_it_an_object_is_a_hole(protocol: int) -> None:
    found = walk(pickle.dumps([Model()], protocol), ARRAYS if protocol < 4 else Rules(ALLOWED, objects=lambda n: None))
    assert found.value == [HOLE]
    assert not all(wanted.allowed for wanted in found.globals)


def test_plain_rules_know_no_sets_and_no_helpers() -> None:
    assert isinstance(walk(pickle.dumps({1, 2}, 4)).problem, UnsafeFileError)
    [wanted, *_] = walk(pickle.dumps(Model(), 0)).globals
    assert (wanted.name, wanted.allowed) == ("copy_reg._reconstructor", False)


def test_items_and_entries_of_records() -> None:
    class_of = Rules(ALLOWED, objects=lambda name: Record if name.startswith("collections.") else None)
    found = walk(pickle.dumps(collections.deque([1, 2])), class_of).value
    assert isinstance(found, Record)
    assert found.items == [1, 2]
    counts = walk(pickle.dumps(collections.defaultdict(None, {"a": 1, 5: 2})), class_of).value
    assert isinstance(counts, Record)
    assert counts.entries == {"a": 1, 5: 2}


def test_persistent_ids_are_answered_by_the_rules() -> None:
    asked: list[object] = []

    def answer(identity: object) -> object:
        asked.append(identity)
        return len(asked)

    rules = Rules(ALLOWED, persistent=answer)
    assert walk(pickles.whole(op.PERSID + b"one\n"), rules).value == 1
    assert walk(pickles.whole(pickles.row(pickles.text("two")) + op.BINPERSID), rules).value == 2
    assert asked == ["one", ("two",)]


def test_pickles_may_follow_one_another() -> None:
    data = pickle.dumps([1]) + pickle.dumps({"a": 2}) + b"more"
    first = walk(data, whole=False)
    second = walk(data, start=first.end, whole=False)
    assert (first.value, second.value, data[second.end :]) == ([1], {"a": 2}, b"more")
    assert "bytes follow the end" in str(walk(data).problem)


class Wrapped(Record):
    """An object whose bytes, or whose pickle, follow it in the file."""

    found: Any = None

    def build(self, state: object, source: Source) -> None:
        assert isinstance(state, dict)
        self.found = source.nested() if "pickle" in state else bytes(source.take(state["size"]))


WRAPPED = Rules(ALLOWED, objects=lambda name: Wrapped if name == "m.Wrapped" else None)


def wrapped(state: dict[str, Any], content: bytes) -> bytes:
    made = pickles.named("m", "Wrapped") + op.EMPTY_TUPLE + op.NEWOBJ
    return made + pickle.dumps(state, 2)[2:-1] + op.BUILD + content


def read_wrapped(body: bytes) -> Walk:
    return walk(pickles.whole(body), WRAPPED)


def test_bytes_may_follow_a_build() -> None:
    found = read_wrapped(wrapped({"size": 3}, b"abc")).value
    assert isinstance(found, Wrapped)
    assert found.found == b"abc"
    problem = read_wrapped(wrapped({"size": 3000}, b"abc")).problem
    assert isinstance(problem, FileFormatError)
    assert "3,000 bytes expected" in problem.message


def test_a_pickle_may_follow_a_build() -> None:
    inner = pickle.dumps([1, [2]], 4)
    found = read_wrapped(pickles.row(wrapped({"pickle": 1}, inner), pickles.integer(5))).value
    assert isinstance(found, tuple)
    assert found[0].found == [1, [2]]
    assert found[1] == 5


def test_pickles_in_pickles_are_bounded() -> None:
    nested = pickle.dumps(1)
    for _ in range(9):
        nested = pickles.whole(wrapped({"pickle": 1}, nested))
    assert isinstance(walk(nested, WRAPPED).problem, UnsafeFileError)


def test_keys_that_share_their_hash_are_not_compared() -> None:
    modulus = (1 << 61) - 1
    keys = b"".join(pickles.integer(modulus * i) + op.NONE for i in range(1, 100_000))
    found = walk(pickles.whole(op.EMPTY_DICT + op.MARK + keys + op.SETITEMS))
    assert found.value == {HOLE: None}
