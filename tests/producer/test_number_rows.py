"""The fast way for plain records says what the slow way says, and leaves to it whatever is not plainly numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.number import parse_number
from producer.batcher import Batcher
from producer.number_rows import Forms
from producer.packed import MAX_CALL_BYTES
from producer.record import plain_fields
from tests.producer.packed_fields import fields_of

numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63) + 1, 2**63 - 1)
names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8).filter(lambda name: name[0] != "_")
record = st.dictionaries(names, numbers, min_size=1, max_size=6)
anything = st.none() | numbers | st.booleans() | st.floats() | st.text(max_size=5) | st.binary(max_size=5)
record_id = st.none() | st.binary(min_size=1, max_size=9)


def learned(*records: dict[str, Any]) -> Forms:
    forms = Forms()
    for one in records:
        forms.learn(one)
    return forms


@given(st.lists(st.tuples(record, record_id), min_size=1, max_size=30))
def test_rows_of_numbers_become_the_fields_that_the_slow_way_makes(
    records: list[tuple[dict[str, float], bytes | None]],
) -> None:
    forms = learned(*(features for features, _ in records))
    fast, slow = Batcher(None, 1 << 20), Batcher(None, 1 << 20)
    for features, one_id in records:
        row = forms.row(features, one_id is not None)
        assert row is not None
        fast.add_numbers(row, one_id)
        slow.add_plain(plain_fields(features, one_id, None, None))
    made, expected = fields_of(fast.seal()), fields_of(slow.seal())
    assert [fields[::2] for fields in made] == [fields[::2] for fields in expected]
    for fields, others, (features, one_id) in zip(made, expected, records, strict=True):
        count = len(features)
        values = [parse_number(value, "a") for value in fields[1 : 2 * count : 2]]
        np.testing.assert_array_equal(values, [float(value) for value in features.values()])
        np.testing.assert_array_equal(np.signbit(values), [np.signbit(float(v)) for v in features.values()])
        assert fields[2 * count :] == others[2 * count :] == ([] if one_id is None else [b"_id", one_id])


@given(st.dictionaries(names, anything, min_size=1, max_size=4))
def test_what_the_fast_way_takes_is_all_numbers(features: dict[str, Any]) -> None:
    row = learned(features).row(features, with_id=False)
    if row is not None:
        assert all(type(value) in {int, float} and np.isfinite(value) for value in features.values())


@pytest.mark.parametrize(
    "value", [None, True, float("nan"), float("inf"), "1", b"1", [], [1], (1, 2), {}, {"b": 1}, 10**400, object()]
)
def test_anything_else_is_left_to_the_slow_way(value: Any) -> None:
    features = {"a": 1.0, "b": value}
    assert learned(features).row(features, with_id=False) is None


def test_names_that_were_not_checked_are_left_to_the_slow_way() -> None:
    forms = learned({"a": 1})
    assert forms.row({"_n": 1}, with_id=False) is None
    assert forms.row({}, with_id=False) is None
    assert forms.row({"a": 1}, with_id=False) is not None


def test_records_keep_their_order_whichever_way_they_go() -> None:
    forms = learned({"a": 1}, {"b": 1})
    batcher = Batcher(None, 1 << 20)
    for number in range(20):
        features = {"a" if number % 5 else "b": number}
        row = None if number % 3 == 0 else forms.row(features, with_id=False)
        if row is None:
            batcher.add_plain(plain_fields(features, None, None, None))
        else:
            batcher.add_numbers(row, None)
    assert [int(fields[1]) for fields in fields_of(batcher.seal())] == list(range(20))


def test_wide_records_keep_to_the_bytes_of_a_call() -> None:
    wide = {f"feature-{number:04}": 0.1 + number for number in range(3_000)}
    forms = learned(wide)
    batcher = Batcher(None, 1 << 20)
    for _ in range(200):
        row = forms.row(wide, with_id=False)
        assert row is not None
        batcher.add_numbers(row, None)
    calls = batcher.seal()
    assert sum(call.records for call in calls) == 200
    assert max(call.size_bytes for call in calls) <= MAX_CALL_BYTES
