from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.drift_window import Alarm, DriftWindow, Reading, RetrainEvent
from core.entry import Entry
from core.errors import RecordError
from core.fields import decode_fields, encode_fields

FINITE = st.floats(allow_nan=False, allow_infinity=False)
COUNT = st.integers(0, 10**9)
TEXT = st.text() | st.sampled_from(["[1]", '{"a": 1}', "null", "None", "true", "12", "1e3", "[", "{"])
READINGS = st.builds(Reading, TEXT, FINITE, FINITE, st.booleans(), st.booleans())
ALARMS = st.builds(
    Alarm,
    detector=TEXT,
    statistic=FINITE,
    threshold=FINITE,
    effect=FINITE,
    shift=st.dictionaries(TEXT, FINITE),
    blame=st.lists(TEXT),
    record=TEXT,
    entry=TEXT,
    first=TEXT,
    since=TEXT,
    since_partition=COUNT,
    since_row=COUNT,
    records=COUNT,
    window=COUNT,
    model=TEXT,
    sentence=TEXT,
)
WINDOWS = st.builds(
    DriftWindow,
    window=COUNT,
    state=st.sampled_from(["insufficient", "ok", "drift", "recovering"]),
    detector=TEXT,
    score=FINITE,
    threshold=FINITE,
    n=COUNT,
    skipped=COUNT,
    first=TEXT,
    last=TEXT,
    first_entry=TEXT,
    last_entry=TEXT,
    model=TEXT,
    p_mean=FINITE,
    z=st.dictionaries(TEXT, FINITE),
    blame=st.lists(TEXT),
    constant_changed=st.dictionaries(TEXT, COUNT),
    episode=st.none() | COUNT,
    alarmed=st.lists(TEXT),
    alarm=st.none() | ALARMS,
    readings=st.lists(READINGS, max_size=3),
)
EVENTS = st.builds(
    RetrainEvent,
    reason=st.sampled_from(["drift", "scheduled", "manual", "label_drift"]),
    model=st.none() | TEXT,
    window=st.none() | COUNT,
    episode=st.none() | COUNT,
    since=st.none() | TEXT,
    since_partition=st.none() | COUNT,
    since_row=st.none() | COUNT,
    first=st.none() | TEXT,
    records=st.none() | COUNT,
    detector=st.none() | TEXT,
    statistic=st.none() | FINITE,
    score=st.none() | FINITE,
    threshold=st.none() | FINITE,
    effect=st.none() | FINITE,
    blame=st.none() | st.lists(TEXT),
    z=st.none() | st.dictionaries(TEXT, FINITE),
    sentence=st.none() | TEXT,
)


@given(WINDOWS)
def test_a_drift_window_reads_back_to_the_bit(window: DriftWindow) -> None:
    assert decode_fields(Entry(b"1-0", encode_fields(window)), DriftWindow) == window


@given(EVENTS)
def test_a_retrain_event_reads_back_whatever_its_ids_look_like(event: RetrainEvent) -> None:
    assert decode_fields(Entry(b"1-0", encode_fields(event)), RetrainEvent) == event


def test_values_are_plain_text_and_absent_ones_are_left_out() -> None:
    fields = encode_fields(RetrainEvent(reason="drift", score=0.1, window=3, blame=["Area"]))
    assert fields == [
        *(b"_v", b"1", b"reason", b"drift", b"window", b"3", b"score", b"0.1", b"blame", b'["Area"]'),
    ]


@pytest.mark.parametrize("name", [b"_v", b"reason", b"window", b"blame"])
def test_what_is_said_of_a_large_field_is_short(name: bytes) -> None:
    fields = {b"reason": b"drift", name: b"x" * 100_000}
    with pytest.raises(RecordError) as found:
        decode_fields(Entry(b"1-0", [text for pair in fields.items() for text in pair]), RetrainEvent)
    assert len(found.value.detail) < 300


def test_unknown_fields_are_ignored() -> None:
    entry = Entry(b"1-0", [b"reason", b"manual", b"_later", b"\xff", b"more", b"[", b"window", b"7"])
    assert decode_fields(entry, RetrainEvent) == RetrainEvent(reason="manual", window=7)


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [b"reason", b"boredom"],
        [b"reason", b"drift", b"window", b"many"],
        [b"reason", b"drift", b"z", b"[1]"],
        [b"reason", b"drift", b"blame", b"[1"],
        [b"reason", b"drift", b"first", b"\xff"],
    ],
)
def test_what_cannot_be_read_is_a_bad_field_that_names_the_entry(fields: list[bytes]) -> None:
    with pytest.raises(RecordError, match="entry 5-1 cannot be read") as caught:
        decode_fields(Entry(b"5-1", fields), RetrainEvent)
    assert caught.value.reason == "bad_field"
