"""Windows after chaos beside those of a monitor that nobody disturbed, over the same records and promotions."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from bench.chaos.garbage import MARK
from bench.chaos.server import RawClient
from core.keys import MONITORS, PipelineKeys
from streamgauge.service_process import ServiceProcess

#: Entries of one read.
READ_ENTRIES = 2_000
#: Reasons for which a monitor asks for a retraining.
_DRIFTS = frozenset({b"drift", b"label_drift"})
Entry = tuple[bytes, list[bytes]]


def level(client: RawClient, keys: PipelineKeys, partitions: int) -> bool:
    """Whether every record is in a closed window, as the marker group says."""
    for number in range(partitions):
        stream = keys.partition(number).records
        info = _named(client.insist("XINFO", "STREAM", stream))
        groups = [_named(group) for group in client.insist("XINFO", "GROUPS", stream)]
        marked = [group[b"last-delivered-id"] for group in groups if group[b"name"] == MONITORS.encode()]
        if marked != [info[b"last-generated-id"]]:
            return False
    return True


def replay(
    client: RawClient,
    keys: PipelineKeys,
    partitions: int,
    options: dict[str, object],
    folder: Path,
    patience_s: float,
) -> PipelineKeys:
    """Let a monitor of its own read copies of all records, labels and promotions in peace; the copy's keys."""
    calm = PipelineKeys(keys.pipeline + "-calm")
    for name in ("config", "promotions", "models", "production"):
        client.insist("COPY", getattr(keys, name), getattr(calm, name), "REPLACE")
    streams = [(keys.partition(number).records, calm.partition(number).records) for number in range(partitions)]
    for stream, copied in [*streams, (keys.labels, calm.labels)]:
        client.insist("COPY", stream, copied, "REPLACE")
        for group in client.insist("XINFO", "GROUPS", copied):
            client.insist("XGROUP", "DESTROY", copied, _named(group)[b"name"])
    monitor = ServiceProcess(
        "monitor", {**options, "pipeline": calm.pipeline}, folder / "calm-monitor.log", shielded=True
    )
    monitor.start()
    try:
        deadline_s = time.monotonic() + patience_s
        while not (_marked(client, calm, partitions) and level(client, calm, partitions)):
            if time.monotonic() > deadline_s or not monitor.running():
                break
            time.sleep(0.1)
    finally:
        monitor.terminate()
        monitor.wait()
    return calm


def differences(client: RawClient, keys: PipelineKeys, calm: PipelineKeys) -> list[str]:
    """Where the two pipelines' windows, samples and drift events differ; the first few of each stream."""
    found: list[str] = []
    for name in ("drift", "samples", "retrain"):
        ours = list(_written(client, getattr(keys, name), name))
        theirs = list(_written(client, getattr(calm, name), name))
        if len(ours) != len(theirs):
            found.append(f"{name}: {len(ours)} entries, undisturbed {len(theirs)}")
        different = [(a, b) for a, b in zip(ours, theirs, strict=False) if a[1] != b[1]]
        for (entry_id, fields), (_, expected) in different[:3]:
            pairs = zip(fields[1::2], expected[1::2], fields[::2], strict=False)
            changed = [
                f"{field!r}: {_around(a, b)!r}, undisturbed {_around(b, a)!r}" for a, b, field in pairs if a != b
            ]
            found.append(f"{name} {entry_id.decode()}: {'; '.join(changed[:4]) or 'other fields'}")
    return found


def _around(text: bytes, other: bytes) -> bytes:
    """Where a value begins to differ from another one."""
    same = next((place for place, pair in enumerate(zip(text, other, strict=False)) if pair[0] != pair[1]), 0)
    return text[max(0, same - 40) : same + 40]


def count_windows(client: RawClient, keys: PipelineKeys) -> tuple[int, int, list[str]]:
    """Windows, the records that they say they hold or skipped, and gaps in their numbers."""
    windows = records = 0
    gaps: list[str] = []
    for entry_id, fields in _written(client, keys.drift, "drift"):
        named = dict(zip(fields[::2], fields[1::2], strict=True))
        windows += 1
        if int(named[b"window"]) != windows:
            gaps.append(f"drift {entry_id.decode()} is window {named[b'window'].decode()}, expected {windows}")
            windows = int(named[b"window"])
        records += int(named[b"n"]) + int(named[b"skipped"])
    return windows, records, gaps


def _written(client: RawClient, stream: str, name: str) -> Iterator[Entry]:
    """What a monitor wrote to a stream, garbage and what others asked left out."""
    for entry_id, fields in entries_of(client, stream):
        named = dict(zip(fields[::2], fields[1::2], strict=False))
        if MARK in named or (name == "retrain" and named.get(b"reason") not in _DRIFTS):
            continue
        yield entry_id, fields


def entries_of(client: RawClient, stream: str) -> Iterator[Entry]:
    """Every entry of a stream."""
    after = b"-"
    while True:
        entries = client.insist("XRANGE", stream, after, "+", "COUNT", READ_ENTRIES)
        yield from entries
        if len(entries) < READ_ENTRIES:
            return
        after = b"(" + entries[-1][0]


def _marked(client: RawClient, keys: PipelineKeys, partitions: int) -> bool:
    """Whether the marker groups are there."""
    return all(
        any(
            _named(group)[b"name"] == MONITORS.encode()
            for group in client.insist("XINFO", "GROUPS", keys.partition(number).records)
        )
        for number in range(partitions)
    )


def _named(flat: list[bytes]) -> dict[bytes, bytes]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
