"""Whole looks: what is missing is said, what is refused is told, and nothing that stands in a stream raises."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.connection import Connection
from core.entry import field_map
from core.errors import SettingsError
from core.fields import encode_fields
from core.keys import SCORERS
from core.model_file import ModelFile
from core.server_errors import CONNECTION_ERRORS
from core.settings import Settings
from monitor.live.numbers import LATEST_MS
from monitor.live.reader import LiveReader
from tests.both_servers import both_servers
from tests.monitor.live.written import RUN, Written, drift_window, drifting
from tests.monitor.scenario import make_model


def fields_of(flat: list[bytes]) -> dict[str, bytes]:
    """Fields by name."""
    return {name.decode(): value for name, value in field_map(flat).items()}


#: What a service writes into each stream, of which some fields are replaced.
WHOLE: tuple[dict[str, bytes], ...] = (
    fields_of(encode_fields(drift_window(1, **drifting(1, 1, sentence="a moved.")))),
    {
        "id": b"x",
        "record": b"1-1",
        "row": b"0",
        "pred": b"1",
        "p_class1": b".7",
        "logit": b"1",
        "bias": b"0",
        "contrib": b'{"a":1}',
    }
    | {"model": RUN.encode(), "ts": b"1"},
    {
        "_n": b"2",
        "record": b"1-1",
        "_pred": b"01",
        "_p": bytes(16),
        "_logit": bytes(16),
        "_contrib": bytes(32),
        "bias": b"0",
    }
    | {"model": RUN.encode(), "ts": b"1", "_ids": b"x\ny", "_rows": bytes(8)},
    {"reason": b"bad_field", "detail": b"d", "record": b"1-1", "id": b"x", "_rows": bytes(8)},
    {"run_id": RUN.encode(), "previous": b"", "epoch": b"1", "reason": b"r", "ts": b"1", "decision": b"{}"},
    {"run_id": b"x", "outcome": b"refused", "reason": b"r", "sentence": b"s", "event": b"", "ts": b"1"},
    {"reason": b"drift", "window": b"1", "sentence": b"s", "alert": b"a"},
    {"_n": b"2", "_x": bytes(32)},
)
NAMES = sorted({name for fields in WHOLE for name in fields} | {"p_raw", "_p_raw", "noise"})
VALUES = st.one_of(
    st.binary(max_size=64),
    st.integers().map(lambda number: str(number).encode()),
    st.floats().map(lambda number: repr(number).encode()),
    st.sampled_from(
        [
            b"ok",
            b"drift",
            b"insufficient",
            b"1",
            b"2",
            b"nan",
            b"inf",
            b"1e999",
            RUN.encode(),
            b'{"a":1e308,"b":-1e308}',
            b'{"a":"\xff"}',
            b'{"\\ud800":1}',
            b'{"own":{"rows":1,"figures":[{"name":"x","value":1e308}]}}',
            b'{"judged":{"candidate":{"rows":true,"log_loss":[1]},"candidate_intervals":{"log_loss":[null]}}}',
            b'{"sentence":"\\u0000</script>"}',
            b"<script>alert(1)</script>",
            "\u202edb\u2066\x1b[2J".encode(),
            b"9" * 400,
            np.full(4, np.nan).tobytes(),
        ]
    ),
)
CHANGES = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4)
#: Number of a whole entry, what of it is replaced, and whether it is whole at all.
Stray = list[tuple[int, dict[str, bytes], bool]]
ENTRIES = st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), CHANGES, st.booleans()), max_size=12)


@both_servers
def test_what_is_missing_is_said_with_the_command_that_is_next(
    connection: Connection, pipeline: str, model_file: ModelFile
) -> None:
    reader = LiveReader(connection, Settings(redis_url=connection.url, pipeline=pipeline))
    nothing = reader.read()
    assert nothing.waiting is not None
    assert "streamgauge up" in nothing.waiting
    assert (nothing.problem, nothing.model, nothing.flow.partitions) == (None, None, 0)
    written = Written(connection, pipeline)
    assert "streamgauge fit" in (written.look().waiting or "")
    written.promote(model_file)
    assert "python -m scorer" in (written.look().waiting or "")
    records = written.keys.partition(0).records
    connection.call("XGROUP", "CREATE", records, SCORERS, "0", "MKSTREAM")
    connection.call("XGROUP", "CREATECONSUMER", records, SCORERS, "one")
    assert "streamgauge produce" in (written.look().waiting or "")
    written.add(records, "a", "1")
    assert written.look().waiting is None


@both_servers
def test_scorers_that_all_left_are_missed(written: Written, model_file: ModelFile) -> None:
    written.promote(model_file)
    records = written.keys.partition(0).records
    written.add(records, "a", "1")
    written.connection.call("XGROUP", "CREATE", records, SCORERS, "0")
    written.connection.call("XGROUP", "CREATECONSUMER", records, SCORERS, "one")
    assert written.look().waiting is None
    written.connection.call("XGROUP", "DELCONSUMER", records, SCORERS, "one")
    assert (written.look().waiting or "").startswith("Every scorer has left. Next: python -m scorer")


@both_servers
def test_a_pipeline_that_the_server_lost_is_not_shown_on(written: Written, model_file: ModelFile) -> None:
    written.promote(model_file)
    written.add(written.keys.partition(0).records, "a", "1")
    written.add_window(1)
    written.add_plain(0.3)
    assert written.look().model is not None
    partition = written.keys.partition(0)
    keys = (written.keys.config, written.keys.drift, written.keys.production, partition.records)
    written.connection.call("DEL", *keys, partition.predictions)
    state = written.look()
    assert "Nothing has started" in (state.waiting or "")
    assert (state.model, state.drift.window, state.flow.partitions, state.predictions.newest) == (
        None,
        None,
        0,
        [],
    )


@both_servers
def test_a_key_of_another_type_is_a_problem_of_its_part_alone(written: Written, model_file: ModelFile) -> None:
    written.promote(model_file)
    written.add_window(1)
    written.add_plain(0.3)
    before = written.look()
    for key in (written.keys.drift, written.keys.partition(0).rejected):
        written.connection.call("DEL", key)
        written.connection.call("SET", key, "x")
    after = written.look()
    assert after.problem is not None
    assert "WRONGTYPE" in after.problem
    assert after.drift == before.drift
    assert after.flow == before.flow
    assert after.model == before.model


def test_a_damaged_pointer_is_a_problem_and_production_stays_as_it_was_known(
    written: Written, model_file: ModelFile
) -> None:
    written.promote(model_file)
    before = written.look()
    written.connection.call("HSET", written.keys.production, "epoch", "many")
    after = written.look()
    assert "is damaged" in (after.problem or "")
    assert after.model == before.model


def test_a_lost_server_and_settings_that_disagree_are_raised(written: Written, connection: Connection) -> None:
    other = Settings(redis_url=connection.url, pipeline=written.keys.pipeline, partitions=5)
    with pytest.raises(SettingsError, match="partitions"):
        LiveReader(connection, other).read()
    with Connection("redis://127.0.0.1:1/0") as nobody, pytest.raises(CONNECTION_ERRORS):
        LiveReader(nobody, written.settings).read()


@both_servers
def test_hostile_text_stays_text_of_bounded_length(written: Written) -> None:
    name = '<img src=x onerror="alert(1)">'
    written.promote(make_model((name, "b"), 1))
    written.add_window(1, z={name: 3.0, "b": 0.0}, first="\u202e" + "x" * 10_000)
    written.add_window(2, z={name: 3.0}, **drifting(2, 2, sentence=f"{name} \x00 moved " + "y" * 10_000))
    written.add_block([0.5], 2)
    written.add(written.keys.partition(0).rejected, "reason", "z" * 1_000_000, "detail", b"\x00" * 1_000_000)
    written.add(written.keys.retrain, "reason", "w" * 1_000_000, "sentence", "v" * 1_000_000)
    state = written.look()
    assert name in state.drift.heat.features
    assert name in state.drift.words
    assert {name, "b"} == {one.feature for one in state.predictions.newest[0].contributions}
    assert state.problem is None
    for text in texts_of(state):
        assert len(text) < 2_000
        assert text.isprintable()


def test_times_that_no_calendar_has_are_bounded_or_unknown(written: Written, model_file: ModelFile) -> None:
    latest = "18446744073709551615-0"
    written.promote(model_file)
    written.connection.call("HSET", written.keys.production, "updated_ts_ms", "9" * 15)
    written.add(written.keys.partition(0).rejected, "reason", "poison", entry_id=latest)
    written.add_plain(0.3, latest, ts="9" * 15)
    written.add_window(1, latest, last_entry=latest)
    state = written.look()
    assert state.model is not None
    assert state.drift.window is not None
    times = (state.model.since_ms, state.flow.rejected_newest[0].ts_ms, state.drift.window.ts_ms)
    assert times == (LATEST_MS,) * 3
    assert datetime.fromtimestamp(LATEST_MS / 1000, tz=UTC).year == 9999
    assert state.predictions.newest[0].ts_ms is None


def texts_of(value: object) -> Iterator[str]:
    """Every text in a state."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from (name, *texts_of(item))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from texts_of(item)
    elif hasattr(value, "__struct_fields__"):
        for field in value.__struct_fields__:
            yield from texts_of(getattr(value, field))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(ENTRIES, ENTRIES)
def test_nothing_that_stands_in_a_stream_raises_or_is_no_json(
    written: Written, model_file: ModelFile, first: Stray, second: Stray
) -> None:
    keys, partition = written.keys, written.keys.partition(0)
    streams = (
        *(keys.drift, partition.predictions, partition.predictions, partition.rejected),
        *(keys.promotions, keys.decisions, keys.retrain, partition.records),
    )
    for stream in {*streams}:
        written.connection.call("DEL", stream)
    reader = LiveReader(written.connection, written.settings)
    written.promote(model_file)
    for entries in (first, second):
        for number, changes, whole in entries:
            fields = (WHOLE[number] if whole else {"noise": b"x"}) | changes
            flat = [part for pair in fields.items() for part in pair]
            written.add(streams[number], *flat)
        written.reader = reader
        state = written.look()
        assert state.problem is None
    assert all(text.isprintable() for text in texts_of(state))
