"""What a monitor wrote under faults, beside what one writes that nobody disturbs."""

from __future__ import annotations

from core.connection import Connection
from core.entry import entries_of, field_map, streams_of
from core.keys import PipelineKeys
from core.settings import Settings
from monitor.state import WHOLE, decode_state
from tests.monitor.driver import Driver

#: A window that never comes counts as a failure after this.
WAIT_MS = 20_000
#: Reasons for which a monitor asks for a retraining.
_DRIFTS = (b"drift", b"label_drift")


def next_windows(connection: Connection, keys: PipelineKeys, last: bytes) -> bytes:
    """Wait for windows behind ``last``; the id of the newest."""
    reply = connection.call("XREAD", "BLOCK", WAIT_MS, "STREAMS", keys.drift, last)
    assert reply, "no window came"
    return streams_of(reply)[keys.drift.encode()][-1].id


def wait_until_level(connection: Connection, keys: PipelineKeys, last: bytes = b"0-0") -> None:
    """Wait until the windows hold every record: the last one closes by the time limit."""
    newest = connection.call("XREVRANGE", keys.partition(0).records, "+", "-", "COUNT", 1)[0][0].decode()
    while True:
        entries = entries_of(connection.call("XREVRANGE", keys.drift, "+", "-", "COUNT", 1))
        if entries and field_map(entries[0].fields)[b"last_entry"].decode() == newest:
            state = decode_state(connection.call("HGET", keys.monitor, "state"))
            if state.positions[0].row == WHOLE:
                return
            last = entries[0].id
        last = next_windows(connection, keys, last)


def windows_of(connection: Connection, keys: PipelineKeys) -> dict[str, list[list[bytes]]]:
    """Fields of what a monitor wrote; entry ids differ between pipelines, and others ask for retraining too."""
    written = {
        name: [entry.fields for entry in entries_of(connection.call("XRANGE", key, "-", "+"))]
        for name, key in (("drift", keys.drift), ("samples", keys.samples), ("retrain", keys.retrain))
    }
    written["retrain"] = [fields for fields in written["retrain"] if field_map(fields)[b"reason"] in _DRIFTS]
    return written


def assert_undisturbed(connection: Connection, keys: PipelineKeys, settings: Settings, records: int) -> None:
    """The windows are those of a monitor that read the same ``records`` under the same ids in peace."""
    calm = PipelineKeys(keys.pipeline + "-calm")
    _copy(connection, keys, calm)
    for _ in Driver(connection, calm, settings).live():
        pass
    expected = windows_of(connection, calm)
    assert windows_of(connection, keys) == expected
    windows = [field_map(fields) for fields in expected["drift"]]
    assert [int(window[b"window"]) for window in windows] == list(range(1, len(windows) + 1))
    samples = [field_map(fields) for fields in expected["samples"]]
    assert sum(int(sample[b"_n"]) for sample in samples) == records
    assert expected["retrain"]


def _copy(connection: Connection, source: PipelineKeys, target: PipelineKeys) -> None:
    """The same inputs under the same ids."""
    for stream, copied in (
        (source.partition(0).records, target.partition(0).records),
        (source.labels, target.labels),
        (source.promotions, target.promotions),
    ):
        for entry in entries_of(connection.call("XRANGE", stream, "-", "+")):
            connection.call("XADD", copied, entry.id, *entry.fields)
    for hash_key, copied in ((source.models, target.models), (source.production, target.production)):
        connection.call("HSET", copied, *connection.call("HGETALL", hash_key))
