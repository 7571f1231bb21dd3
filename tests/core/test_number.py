"""The number grammar of the wire: stricter than ``float()``, equal to it where both accept."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.errors import RecordError
from core.number import (
    all_decimal,
    json_texts,
    parse_json_numbers,
    parse_number,
    shortest,
    shortest_texts,
    shown,
)

_DIGITS = st.text("0123456789", min_size=1, max_size=25)
_MANTISSA = st.one_of(
    _DIGITS,
    _DIGITS.map("{}.".format),
    _DIGITS.map(".{}".format),
    st.tuples(_DIGITS, _DIGITS).map(".".join),
)
_SIGN = st.sampled_from(["", "+", "-"])
_EXPONENT = st.one_of(
    st.just(""),
    st.builds("{}{}{}".format, st.sampled_from("eE"), _SIGN, st.text("0123456789", min_size=1, max_size=4)),
)
_GRAMMATICAL = st.builds("{}{}{}".format, _SIGN, _MANTISSA, _EXPONENT).map(str.encode)
_HOSTILE = st.one_of(
    st.binary(max_size=8),
    st.text("0123456789+-.eE \n\t_xnaif", max_size=8).map(str.encode),
    _GRAMMATICAL,
    st.floats().map(repr).map(str.encode),
)

NOT_A_NUMBER = [
    b"1_000", b" 12 ", b"12 ", b" 12", b"12\n", b"\n12", b"1\n2", "١٢".encode(), "１２".encode(), b"0x1",
    b"", b"1e", b"e1", b".", b"+", b"-", b"+-1", b"--1", b"1e+", b".e1", b"1.2.3", b"1,5", b"1e1.5",
    b"\x00", b"1\x00", b"\xff", b"nan(1)", b"infinit", b"NaN ", b"in", b"true", b"None", b"1d0", b"1j",
]  # fmt: skip
NOT_FINITE = [
    b"nan", b"NaN", b"-nan", b"+NAN", b"inf", b"-Inf", b"+INF", b"infinity", b"-Infinity", b"1e999", b"-1e999",
    b"1" * 400, b"1e400000000000000000000",
]  # fmt: skip


def _reason(value: bytes) -> str:
    with pytest.raises(RecordError) as caught:
        parse_number(value, "Area")
    assert "Area" in str(caught.value)
    return caught.value.reason


@pytest.mark.parametrize("value", NOT_A_NUMBER)
def test_text_outside_the_grammar_is_not_a_number(value: bytes) -> None:
    assert _reason(value) == "not_a_number"


@pytest.mark.parametrize("value", NOT_FINITE)
def test_what_float64_cannot_hold_is_not_finite(value: bytes) -> None:
    assert _reason(value) == "not_finite"


@given(_GRAMMATICAL)
@example(b"5.")
@example(b".5")
@example(b"-0")
@example(b"1e-400")
def test_every_text_of_the_grammar_is_what_float_reads(value: bytes) -> None:
    expected = float(value)
    if math.isfinite(expected):
        number = parse_number(value, "a")
        assert (number, math.copysign(1, number)) == (expected, math.copysign(1, expected))
    else:
        assert _reason(value) == "not_finite"


@given(_HOSTILE)
def test_whatever_is_accepted_equals_float(value: bytes) -> None:
    try:
        number = parse_number(value, "a")
    except RecordError as error:
        assert error.reason in {"not_a_number", "not_finite"}  # noqa: PT017  (both outcomes are looked at)
    else:
        assert number == float(value)
        assert value == value.strip()


@given(st.lists(_HOSTILE, max_size=6))
@example([b"1\n2"])
@example([b"1\n"])
@example([b"1", b""])
@example([b"", b"1\n2"])
@example([b"1\n2", b""])
@example([b""])
def test_the_fast_path_accepts_exactly_what_the_slow_path_calls_decimal(values: list[bytes]) -> None:
    def decimal(value: bytes) -> bool:
        try:
            parse_number(value, "a")
        except RecordError as error:
            return "beyond the range" in error.detail
        return True

    assert all_decimal(values) == all(map(decimal, values))


@pytest.mark.parametrize(
    "value",
    [
        b"1" * 100_000,
        b"1." + b"3" * 100_000,
        b"0." + b"0" * 100_000 + b"1",
        b"1e" + b"0" * 100_000 + b"1",
        b"1" * 100_000 + b"x",
        b"." + b"1" * 100_000 + b"e",
        b"+" * 100_000,
    ],
)
def test_a_hostile_string_of_100_kb_takes_no_time(value: bytes) -> None:
    started = time.process_time()
    all_decimal([value] * 10)
    for _ in range(10):
        try:
            parse_number(value, "a")
        except RecordError as error:
            assert len(error.detail) < 150  # noqa: PT017  (some of these are numbers)
    assert time.process_time() - started < 1.0


@given(st.floats())
def test_the_shortest_text_reads_back_to_the_same_float64(number: float) -> None:
    text = shortest(number)
    assert repr(float(text)) == repr(number)
    if math.isfinite(number):
        assert repr(parse_number(text.encode(), "a")) == repr(number)


def test_messages_show_odd_bytes_printable_and_cut() -> None:
    assert shown(b"a\nb") == "'a\\nb'"
    assert shown(b"\xff") == "'\\\\xff'"
    assert shown(b"x" * 41) == "'" + "x" * 40 + "'..."


@given(st.lists(_GRAMMATICAL | _HOSTILE, min_size=1, max_size=5))
@example([b"-0"])
@example([b"1", b"-0", b"2"])
@example([b"1e-0"])
@example([b"1,2"])
@example([b" 1"])
@example([b"9007199254740993", b"0.1", b"5e-324", b"1.7976931348623157e308"])
def test_numbers_as_json_writes_them_read_to_the_same_bits_or_not_at_all(values: list[bytes]) -> None:
    numbers = parse_json_numbers(values)
    if numbers is not None:
        assert all_decimal(values)
        assert [number.hex() for number in numbers] == [float(value).hex() for value in values]


def test_ordinary_numbers_are_read_together() -> None:
    values = [b"87524", b"-442.24", b"0.8197", b"1e5", b"2.5E-7"]
    assert parse_json_numbers(values) == [87524.0, -442.24, 0.8197, 1e5, 2.5e-7]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=6))
@example([0.0, -0.0, 1e-4, 9.999999999999999e-5, 1e16, 9999999999999998.0, 1e-5, -1e22, 5e-324])
def test_many_texts_are_those_of_each(numbers: list[float]) -> None:
    assert shortest_texts(np.array(numbers)) == [shortest(number) for number in numbers]
    assert [float(text).hex() for text in json_texts(np.array(numbers))] == [number.hex() for number in numbers]
