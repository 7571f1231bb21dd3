"""What earlier releases wrote is read and gone on from; what later ones will write is told apart."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from core.connection import Connection
from core.drift_window import DriftWindow, RetrainEvent
from core.entry import Entry, entries_of, field_map, parse_entry_id
from core.errors import RecordError
from core.fields import decode_fields
from core.keys import SCORERS, TRAINERS, PipelineKeys
from core.label_entry import decode_label_entry
from core.prediction import PredictionBlock, decode_prediction
from core.redis_registry import RedisRegistry
from core.rejection import Rejection, decode_rejection
from core.sample_block import decode_sample_block
from monitor.state import VERSION, decode_state
from tests.both_servers import both_servers
from tests.earlier_releases.record import CLASSES, FEATURES
from tests.earlier_releases.recording import RECORDED, RELEASES, Recording, recording
from tests.monitor.undisturbed import wait_until_level
from tests.scorer.scorer_process import Scorer
from tests.scorer.streams import Streams
from tests.servers import wait_until

Fields = list[bytes]
Read = Callable[[Entry], object]


def _label(entry: Entry) -> object:
    return decode_label_entry(entry, CLASSES)


#: Each stream that services write and services read, with its reader.
READERS: dict[str, Read] = {
    RECORDED.partition(0).predictions: decode_prediction,
    RECORDED.partition(0).rejected: decode_rejection,
    RECORDED.samples: decode_sample_block,
    RECORDED.drift: lambda entry: decode_fields(entry, DriftWindow),
    RECORDED.retrain: lambda entry: decode_fields(entry, RetrainEvent),
}
#: With those of streams that clients write.
ALL_READERS = READERS | {RECORDED.labels: _label, RECORDED.unmatched: decode_rejection}
#: Of the kinds of entries that a stream has, the field that one has and the others have not.
_KINDS = (b"_n", b"_rows", b"alarm", b"episode")
RECORDS = RECORDED.partition(0).records
RESULTS = (RECORDED.partition(0).predictions, RECORDED.partition(0).rejected)


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest) -> Recording:
    return recording(request.param)


@pytest.fixture
def start() -> Iterator[Callable[..., Scorer]]:
    """Starts services; those that still run at the end are killed."""
    started: list[Scorer] = []

    def start_one(*options: str, **more: Any) -> Scorer:
        started.append(Scorer(*options, **more))
        return started[-1]

    yield start_one
    for service in started:
        service.end(signal.SIGKILL)


def meaning(value: object) -> bytes:
    """A decoded entry as bytes, to compare those that hold arrays."""
    return msgspec.json.encode(value, enc_hook=lambda array: array.tolist())


def test_recordings_hold_every_kind_of_entry(release: Recording) -> None:
    for stream in ALL_READERS:
        assert release.entries(stream), stream
    kinds = {b"_n" in field_map(entry.fields) for entry in release.entries(RECORDED.partition(0).predictions)}
    assert kinds == {True, False}
    assert any(b"alarm" in field_map(entry.fields) for entry in release.entries(RECORDED.drift))


@pytest.mark.parametrize("stream", ALL_READERS)
def test_every_entry_of_an_earlier_release_is_read(release: Recording, stream: str) -> None:
    for entry in release.entries(stream):
        given = field_map(entry.fields)
        read = ALL_READERS[stream](entry)
        if stream == RECORDED.labels:
            assert (meaning(read).count(b"bad_field") == 1) == (given.get(b"y") == b"7")
        elif isinstance(read, Rejection):
            assert (read.record, read.reason) == (given[b"record"], given[b"reason"].decode())
        elif isinstance(read, DriftWindow):
            assert (read.window, read.state) == (int(given[b"window"]), given[b"state"].decode())
        assert meaning(read) != b"{}"


def test_what_an_earlier_release_predicted_its_models_say_today_to_the_bit(
    release: Recording, connection: Connection, keys: PipelineKeys
) -> None:
    release.replay(connection, keys)
    registry = RedisRegistry(connection, keys)
    records = {entry.id: field_map(entry.fields) for entry in release.entries(RECORDS)}
    compared = 0
    for entry in release.entries(RECORDED.partition(0).predictions):
        said = decode_prediction(entry)
        given = records[said.record]
        blocks = isinstance(said, PredictionBlock)
        x = (
            np.frombuffer(given[b"_x"], "<f8").reshape(-1, len(FEATURES))[said.rows]
            if isinstance(said, PredictionBlock)
            else np.array([[float(given[name.encode()]) for name in FEATURES]])
        )
        scores = registry.model(said.model).model.score(x)
        for row, prediction in enumerate(said.predictions() if isinstance(said, PredictionBlock) else [said]):
            assert prediction.logit == scores.logit[row]
            assert prediction.probability == scores.probability[row]
            assert prediction.predicted == scores.predicted[row]
            compared += 1
        assert blocks == (b"_n" in given)
    assert compared > 200
    assert [promotion.epoch for promotion in registry.history(10)] == [2, 1]


def test_a_monitors_state_of_an_earlier_release_goes_on(release: Recording) -> None:
    kept: Any = release.keys[RECORDED.monitor]
    stored = field_map(kept.fields)
    state = decode_state(stored[b"state"])
    assert (state.version, state.window) == (VERSION, int(stored[b"window"]))
    assert state.engine is not None
    assert state.positions[0].done.ms > 0


@both_servers
def test_todays_services_go_on_in_the_midst_of_an_earlier_releases_work(
    release: Recording,
    start: Callable[..., Scorer],
    connection: Connection,
    server_url: str,
    keys: PipelineKeys,
    tmp_path: Path,
) -> None:
    release.replay(connection, keys)
    assert connection.call("XPENDING", keys.partition(0).records, SCORERS)[0] == 2  # of a scorer that died
    later = _push_of_a_later_version(connection, keys)
    _start_all(start, server_url, keys, tmp_path)
    streams = Streams(connection, keys)
    newer = NewerThan(release, streams, keys)
    answered = Counter(row for stream in RESULTS for row in _rows(release.entries(stream)))
    pushed = Counter(_rows_of_records(streams.entries(keys.partition(0).records)))
    wait_until(lambda: len(newer.answered()) + len(answered) >= len(pushed), "answers")
    wait_until_level(connection, keys)
    wait_until(
        lambda: _is_level(connection, keys.retrain) and _is_level(connection, keys.labels), "a level trainer"
    )

    assert newer.answered() + answered == pushed  # what was answered before the upgrade is not answered again
    by_record = {rejection.record: rejection for rejection in streams.rejections()}
    assert by_record[later[0]].reason == "unknown_version"
    set_aside = [field_map(entry.fields) for entry in streams.entries(keys.unmatched)]
    assert {(each[b"record"], each[b"reason"]) for each in set_aside} >= {
        (later[1], b"unknown_version"),
        (later[2], b"unknown_version"),
    }
    windows = [int(field_map(entry.fields)[b"window"]) for entry in newer.entries(RECORDED.drift)]
    first = int(field_map(release.entries(RECORDED.drift)[-1].fields)[b"window"]) + 1
    assert windows
    assert windows == list(range(first, first + len(windows)))
    _check_that_earlier_readers_find_their_fields(release, newer)


@pytest.mark.parametrize("stream", READERS)
def test_an_entry_of_a_later_version_is_not_taken_for_one_of_ours(release: Recording, stream: str) -> None:
    entry = release.entries(stream)[0]
    assert entry.fields[:2] == [b"_v", b"1"]
    with pytest.raises((ValueError, RecordError), match="_v is '2'; this program knows version 1") as found:
        READERS[stream](entry._replace(fields=[b"_v", b"2", *entry.fields[2:]]))
    if isinstance(found.value, RecordError):
        assert found.value.reason == "unknown_version"


@pytest.mark.parametrize("stream", ALL_READERS)
def test_fields_that_a_later_release_adds_change_nothing(release: Recording, stream: str) -> None:
    read = ALL_READERS[stream]
    for entry in release.entries(stream):
        fault = stream == RECORDED.labels and field_map(entry.fields).get(b"y") == b"7"
        if not fault:  # whose whole entry is kept
            more = entry._replace(fields=[*entry.fields, b"_added", b"\xff", b"added", b"1"])
            assert meaning(read(more)) == meaning(read(entry))


def _start_all(start: Callable[..., Scorer], url: str, keys: PipelineKeys, folder: Path) -> None:
    shared = ("--redis-url", url, "--pipeline", keys.pipeline, "--miniflow", str(folder / "runs"))
    windows = ("--window-records", "50", "--window-min-records", "10", "--window-limit-s", "0.3")
    start(*shared, "--takeover-idle-ms", "300", folder=folder)
    start(*shared, *windows, module="monitor", folder=folder)
    start(*shared, "--takeover-idle-ms", "300", module="trainer", folder=folder)


def _push_of_a_later_version(connection: Connection, keys: PipelineKeys) -> tuple[bytes, bytes, bytes]:
    """A record, a label and a retrain event; behind the record one of ours, at which a window can end."""
    record = connection.call("XADD", keys.partition(0).records, "*", "_v", "2", "a", "1", "b", "2", "c", "3")
    connection.call("XADD", keys.partition(0).records, "*", "a", "0.5", "b", "0.25", "c", "0.125")
    label = connection.call("XADD", keys.labels, "*", "_v", "2", "id", "late-0", "y", "1")
    event = connection.call("XADD", keys.retrain, "*", "_v", "2", "reason", "manual")
    return record, label, event


class NewerThan:
    """What was written after a recording was put back; old rejections and windows are trimmed meanwhile."""

    def __init__(self, release: Recording, streams: Streams, keys: PipelineKeys) -> None:
        self._release, self._streams, self._keys = release, streams, keys

    def entries(self, stream: str) -> list[Entry]:
        """Of the stream that has this name in the recording."""
        last = parse_entry_id(self._release.entries(stream)[-1].id)
        name = stream.replace(RECORDED.pipeline, self._keys.pipeline, 1)
        return [entry for entry in self._streams.entries(name) if parse_entry_id(entry.id) > last]

    def answered(self) -> Counter[tuple[bytes, int]]:
        """How often each row was answered."""
        return Counter(row for stream in RESULTS for row in _rows(self.entries(stream)))


def _rows(results: list[Entry]) -> Iterator[tuple[bytes, int]]:
    """Each row that results answer: record and number."""
    for entry in results:
        fields = field_map(entry.fields)
        numbers = [int(fields.get(b"row", 0))]
        if b"_rows" in fields:
            numbers = np.frombuffer(fields[b"_rows"], "<i4").tolist()
        elif b"_n" in fields:
            numbers = list(range(int(fields[b"_n"])))
        yield from ((fields[b"record"], number) for number in numbers)


def _rows_of_records(records: list[Entry]) -> Iterator[tuple[bytes, int]]:
    for entry in records:
        yield from ((entry.id, row) for row in range(int(field_map(entry.fields).get(b"_n", 1))))


def _is_level(connection: Connection, stream: str) -> bool:
    groups: list[dict[bytes, Any]] = [field_map(group) for group in connection.call("XINFO", "GROUPS", stream)]
    (group,) = [group for group in groups if group[b"name"] == TRAINERS.encode()]
    newest = entries_of(connection.call("XREVRANGE", stream, "+", "-", "COUNT", 1))
    return bool(group[b"pending"] == 0 and group[b"last-delivered-id"] == newest[0].id)


def _check_that_earlier_readers_find_their_fields(release: Recording, newer: NewerThan) -> None:
    """What every entry of a kind had in the earlier release, every new one has: readers of it may still run."""
    compared = 0
    for stream in READERS:
        needed: dict[tuple[bool, ...], set[bytes]] = {}
        for entry in release.entries(stream):
            names = set(entry.fields[::2])
            needed[_kind(names)] = needed.get(_kind(names), names) & names
        for entry in newer.entries(stream):
            names = set(entry.fields[::2])
            if _kind(names) in needed and field_map(entry.fields)[b"_v"] == b"1":
                assert names >= needed[_kind(names)], stream
                compared += 1
    assert compared > 5


def _kind(names: set[bytes]) -> tuple[bool, ...]:
    return tuple(kind in names for kind in _KINDS)
