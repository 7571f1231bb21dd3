"""What is pending for oneself is found again with its counts; what is suspect is left to be processed alone."""

from __future__ import annotations

import pytest

from core.connection import Connection
from core.keys import PipelineKeys
from core.takeover import GroupBatch, Takeover

GROUP = "g"


@pytest.fixture
def stream(keys: PipelineKeys) -> str:
    return keys.partition(0).records


def make_takeover(server: Connection, stream: str, consumer: str = "me") -> Takeover:
    return Takeover(
        server,
        (stream,),
        GROUP,
        consumer,
        takeover_idle_ms=60_000,
        read_bytes=2**20,
        poison_deliveries=3,
        poison_lone_deaths=2,
    )


def handed_out(server: Connection, stream: str, count: int, consumer: str = "me") -> list[bytes]:
    """New entries, pending for a consumer whose replies were lost."""
    server.call("XGROUP", "CREATE", stream, GROUP, "0", "MKSTREAM")
    ids = [bytes(server.call("XADD", stream, "*", "n", n)) for n in range(count)]
    server.call("XREADGROUP", "GROUP", GROUP, consumer, "COUNT", count, "STREAMS", stream, ">")
    return ids


def own(takeover: Takeover, stream: str) -> list[GroupBatch]:
    """All batches, in the order in which they are found."""
    batches = []
    batch, last = takeover.own_batch(stream, b"0")
    while last:
        batches.append(batch)
        batch, last = takeover.own_batch(stream, last)
    return batches


def test_own_entries_are_found_in_batches_and_keep_their_counts(server: Connection, stream: str) -> None:
    ids = handed_out(server, stream, 30)
    server.call("XCLAIM", stream, GROUP, "me", 0, ids[7], "IDLE", 50_000, "RETRYCOUNT", 2)
    for _ in range(2):  # looking back twice changes nothing
        batches = own(make_takeover(server, stream), stream)
        assert [entry.id for batch in batches for entry in batch.entries] == ids
        counts = {entry_id: count for batch in batches for entry_id, count in batch.deliveries.items()}
        assert counts == dict.fromkeys(ids, 1) | {ids[7]: 2}
        assert len(batches) > 1
    ((_, _, idle_ms, deliveries),) = server.call("XPENDING", stream, GROUP, ids[7], ids[7], 1)
    assert deliveries == 2
    assert idle_ms < 50_000


def test_entries_of_others_and_suspects_are_left_alone(server: Connection, stream: str) -> None:
    ids = handed_out(server, stream, 6)
    server.call("XCLAIM", stream, GROUP, "other", 0, ids[0], "JUSTID")
    server.call("XCLAIM", stream, GROUP, "me", 0, ids[1], "IDLE", 50_000, "RETRYCOUNT", 3)
    (batch,) = own(make_takeover(server, stream), stream)[:1]
    assert [entry.id for batch in own(make_takeover(server, stream), stream) for entry in batch.entries] == ids[2:]
    assert batch.poison is False
    ((_, _, idle_ms, _),) = server.call("XPENDING", stream, GROUP, ids[1], ids[1], 1)
    assert idle_ms >= 50_000


def test_with_nothing_pending_there_is_nothing_to_find(server: Connection, stream: str) -> None:
    server.call("XGROUP", "CREATE", stream, GROUP, "0", "MKSTREAM")
    server.call("XADD", stream, "*", "n", 1)
    assert own(make_takeover(server, stream), stream) == []
