"""The likeliest reading that fits."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from glassnet.errors import FileFormatError, GlassnetError, MissingFileError, OptionError
from glassnet.reading import NONE
from glassnet.reading.checks import CHECKS, SYMBOLS, follows
from glassnet.reading.fields import UNRULY, Field, _alternatives, read_choices, read_field
from page_reading.made import line, mark, sure

THREE_OR_EIGHT = {3: 0.6, 8: 0.39, NONE: 0.01}


def test_without_knowing_anything_it_is_the_line() -> None:
    read = line(1, 2, sure(NONE), 3, separators={1: "dash", 3: "point"})
    value = read_field(read, Field())
    assert (value.text, value.free_text, value.satisfied_freely) == ("1-2.3", "1-2.3", True)
    assert value.symbols == ("1", "2", "", "3")
    assert value.probability == pytest.approx(0.99**4, rel=1e-3)


def test_what_was_read_freely_stays_where_it_fits() -> None:
    # A letter by its shape, though the network's first choice among digits is likelier than that it is none.
    letter = {NONE: 0.45, 5: 0.55}
    refused = mark(letter, at=2)
    refused = type(refused)(refused.box, NONE, 0.45, refused.ranked, refused.prepared, "a letter")
    read = type(line(1))((*line(1, 2).digits, refused))
    assert read_field(read, Field(length=2)).text == "12"
    assert read_field(read, Field(length=3)).text == "125"


def test_a_check_digit_decides_between_two() -> None:
    # 7992739871_ of Luhn's patent literature ends in 3: 3 + 2 + 7 + 7 + 9 + 6 + 7 + 4 + 9 + 9 + 7 = 70.
    assert follows(CHECKS["luhn"], [7, 9, 9, 2, 7, 3, 9, 8, 7, 1, 3])
    value = read_field(line(7, 9, 9, 2, 7, THREE_OR_EIGHT, 9, 8, 7, 1, 2), Field(check="luhn"))
    # An 8 there is doubled to 16, whose digits add 7 instead of 6: the last digit is one less.
    assert (value.text, value.free_text, value.satisfied_freely) == ("79927898712", "79927398712", False)
    assert value.probability > 0.9


def test_a_value_that_had_to_be_forced_is_not_trusted() -> None:
    value = read_field(line(1, 2, 3), Field(choices=("456",)))
    assert (value.text, value.satisfied_freely) == ("456", False)
    assert value.probability < 0.01
    # p = 0.001³ with all that fits the same, over s + 0.01.
    assert value.probability == pytest.approx(1e-9 / (1e-9 + UNRULY), rel=1e-3)


def test_nothing_fits() -> None:
    value = read_field(line(1, 2, 3), Field(length=4))
    assert (value.text, value.probability, value.satisfied_freely) == (None, 0.0, False)
    assert value.symbols == ("1", "2", "3")
    assert read_field(line(), Field(length=1)).text is None


def test_a_doubtful_mark_is_left_out_and_a_refused_one_taken() -> None:
    smudge = {1: 0.6, NONE: 0.4}
    assert read_field(line(5, smudge, 7), Field(length=2)).text == "57"
    assert read_field(line(5, smudge, 7), Field(length=3)).text == "517"
    flag = {NONE: 0.7, 5: 0.2, 6: 0.1}
    assert read_field(line(5, flag, 7), Field()).text == "57"
    assert read_field(line(5, flag, 7), Field(length=3)).text == "557"


@pytest.mark.parametrize(
    ("check", "good"),
    [
        ("luhn", "79927398713"),
        ("luhn", "4111111111111111"),
        ("mod11", "0306406152"),
        ("mod11", "080442957X"),
        ("isbn", "0306406152"),
        ("isbn", "080442957X"),
        ("isbn", "9780306406157"),
        ("isbn", "9791090636071"),
        ("ean", "4006381333931"),
        ("ean", "73513537"),
        ("ean", "036000291452"),
    ],
)
def test_numbers_with_a_check_digit(check: str, good: str) -> None:
    digits = [SYMBOLS.index(sign) for sign in good]
    assert follows(CHECKS[check], digits)
    for place in range(len(digits)):  # every single wrong digit is found
        for wrong in set(range(10)) - {digits[place]}:
            assert not follows(CHECKS[check], [*digits[:place], wrong, *digits[place + 1 :]])


@pytest.mark.parametrize(
    ("check", "bad"),
    [
        ("isbn", "4006381333931"),  # an EAN that is no book
        ("isbn", "9770000000003"),
        ("isbn", "00"),
        ("ean", "0000000"),
        ("luhn", "X"),
        ("luhn", "0"),
        ("mod11", "0"),
        ("mod11", ""),
        ("mod11", "X80442957"),
    ],
)
def test_numbers_that_are_refused(check: str, bad: str) -> None:
    assert not follows(CHECKS[check], [SYMBOLS.index(sign) for sign in bad])


def test_the_letter_x_of_an_isbn() -> None:
    book = line(0, 8, 0, 4, 4, 2, 9, 5, 7, {NONE: 0.9, 8: 0.1}, separators={1: "dash", 9: "dash"})
    value = read_field(book, Field(check="isbn"))
    assert (value.text, value.free_text) == ("0-80442957-X", "0-80442957-")
    assert value.probability > 0.9


@pytest.mark.parametrize(
    ("bounds", "text"),
    [((0, 100), "35"), ((36, 100), "85"), ((0, 34), "31"), ((80, 90), "85"), ((350, 360), None), ((-9, -1), None)],
)
def test_a_range(bounds: tuple[int, int], text: str | None) -> None:
    value = read_field(line(THREE_OR_EIGHT, {5: 0.8, 1: 0.15, 9: 0.05}), Field(range=bounds, length=2))
    assert value.text == text


def test_a_range_counts_the_point_and_the_sign() -> None:
    fever = line(3, {1: 0.6, 7: 0.4}, {5: 0.9, NONE: 0.1}, separators={2: "comma"})
    assert read_field(fever, Field(range=(35, 42))).text == "37,5"
    assert read_field(fever, Field(range=(31, 31.25))).text == "31,"  # the mark behind the comma taken for none
    assert read_field(fever, Field(range=(371, 379))).text is None
    below = line(1, THREE_OR_EIGHT, separators={0: "dash"})
    assert read_field(below, Field(range=(-15, 0))).text == "-13"
    assert read_field(below, Field(range=(-30, -15))).text == "-18"
    thousands = line(1, 2, 3, 4, 5, 6, 7, separators={1: "comma", 4: "comma"})
    assert read_field(thousands, Field(range=(1_000_000, 2_000_000))).satisfied_freely


def test_a_choice_is_given_as_it_is_written() -> None:
    value = read_field(line(1, 2, THREE_OR_EIGHT, 4), Field(choices=("12-84", "12-94")))
    assert (value.text, value.satisfied_freely) == ("12-84", False)


def test_rules_together() -> None:
    either = {4: 0.3, 9: 0.4, 1: 0.3}
    value = read_field(
        line(either, either, either), Field(range=(400, 499), check="luhn", choices=("414", "491", "419"))
    )
    assert value.text == "414"  # 4 + 2·1 + 4 = 10; 491 sums to 14, 419 to 15


PROBABILITIES = st.lists(st.integers(1, 20), min_size=11, max_size=11).map(
    lambda parts: {label: part / sum(parts) for label, part in zip((*range(10), NONE), parts, strict=True)}
)
FIELDS = st.builds(
    Field,
    length=st.none() | st.integers(1, 4),
    range=st.none() | st.tuples(st.integers(0, 300), st.integers(300, 1200)),
    check=st.none() | st.sampled_from(["luhn", "mod11", "isbn", "ean"]),
    choices=st.just(())
    | st.lists(st.from_regex("[0-9]{1,3}", fullmatch=True), min_size=1, max_size=9, unique=True).map(tuple),
)


@settings(max_examples=60)
@given(st.lists(PROBABILITIES, max_size=3), FIELDS)
def test_no_other_reading_is_likelier(marks: list[dict[Any, float]], expected: Field) -> None:
    read = line(*marks)
    value = read_field(read, expected)
    best, total = 0.0, 0.0
    fitting = {}
    for chosen in itertools.product(*(_alternatives(found, expected.may_end_in_x) for found in read.digits)):
        digits = [digit for digit, _ in chosen if digit is not None]
        if follows(expected.rule(), digits):
            share = math.prod(probability for _, probability in chosen)
            best, total = max(best, share), total + share
            fitting[tuple("" if digit is None else SYMBOLS[digit] for digit, _ in chosen)] = share
    if not fitting:
        assert value.text is None
        return
    assert value.text is not None
    share = fitting[value.symbols]
    assert value.probability == pytest.approx(share / (total + UNRULY * (1 - total)), rel=1e-3)
    assert value.satisfied_freely or share == pytest.approx(best)
    assert value.satisfied_freely == (tuple(str(m.label) if m.is_digit else "" for m in read.digits) in fitting)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"length": 0}, "length must be 1 or more, found 0"),
        ({"range": (5, 1)}, r"range: the first number must not exceed the second, found 5-1"),
        ({"check": "crc"}, "unknown check 'crc'\nhint: there are: luhn, mod11, isbn, ean"),
        ({"choices": ("A1",)}, "choices: 'A1' is not a number\nhint: digits, with"),
        ({"choices": ("1-5", "15")}, "choices: '15' and '1-5' have the same digits"),
    ],
)
def test_fields_that_are_none(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=f"^{message}"):
        Field(**wrong)


def test_choices_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "rooms.csv"
    path.write_text("\ufeffroom,floor\n101,1\n 12-03 ,2\n\n101,1\n", encoding="utf-8")
    assert read_choices(path) == ("101", "12-03")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "there are no choices in it"),
        (b"room\n", "there are no choices in it"),
        (b"1\nzwei\n", "line 2: expected a number, found 'zwei'"),
        (b"\xff\xfe1", "not a CSV of choices: "),
    ],
)
def test_choices_that_are_none(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "rooms.csv"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=message):
        read_choices(path)


def test_choices_that_are_not_there(tmp_path: Path) -> None:
    error: type[GlassnetError] = MissingFileError
    with pytest.raises(error, match="there is no such file"):
        read_choices(tmp_path / "none.csv")
