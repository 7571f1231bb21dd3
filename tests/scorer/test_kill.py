"""kill -9 in mid-stream: nothing lost, nothing twice, no litter."""

from __future__ import annotations

import signal
from collections import Counter

import numpy as np
import pytest

from core.model_file import ModelFile
from core.record_encoder import encode_block
from tests.scorer.conftest import FEATURES, StartScorer
from tests.scorer.scorer_process import Scorer
from tests.scorer.streams import Streams

KILLS = 20
#: Entries pushed for each kill: enough for it to fall while they are being answered.
ENTRIES_PER_KILL = 1_500
BLOCK_ROWS = 16

Fields = list[str | bytes | int | float]


def _push(streams: Streams, model_file: ModelFile, seed: int) -> dict[bytes, int]:
    """Plain records, blocks (one row of each bad) and garbage in one pipeline; rows by entry id."""
    generator = np.random.default_rng(seed)
    model = model_file.model
    commands: list[tuple[str | bytes | int, ...]] = []
    rows = []
    for n in range(ENTRIES_PER_KILL):
        x = generator.normal(model.center, model.scale, (BLOCK_ROWS, len(FEATURES)))
        fields: list[str | bytes | int]
        if n % 3 == 0:
            x[n % BLOCK_ROWS, 0] = np.nan
            fields = list(encode_block(x, model.schema))
        elif n % 50 == 1:
            fields = ["garbage", seed]
        else:
            fields = [text for pair in zip(FEATURES, map(repr, x[0].tolist()), strict=True) for text in pair]
        commands.append(("XADD", streams.partition.records, "*", *fields))
        rows.append(BLOCK_ROWS if n % 3 == 0 else 1)
    return dict(zip(streams.connection.pipeline(commands), rows, strict=True))


@pytest.mark.usefixtures("production")
def test_twenty_kills_among_three_scorers_lose_nothing_double_nothing_and_leave_no_litter(
    start_scorer: StartScorer, server_url: str, pipeline: str, streams: Streams, model_file: ModelFile
) -> None:
    def start() -> Scorer:
        return start_scorer(
            "--redis-url", server_url, "--pipeline", pipeline, "--takeover-idle-ms", "250", "--read-bytes", "40000"
        )  # fmt: skip

    alive = [start() for _ in range(3)]
    alive[0].ready()
    alive[1].ready()
    pushed: dict[bytes, int] = {}
    bitten = 0
    for kill in range(KILLS):
        alive[-1].ready()  # three are running
        pushed |= _push(streams, model_file, kill)
        bitten += _stop_one_that_holds_entries(streams, alive)
        alive.pop(0).end(signal.SIGKILL)
        alive.append(start())
    streams.await_results(set(pushed))
    assert bitten >= KILLS // 2, "too few kills fell while a scorer held entries: the test proves nothing"
    expected = Counter({(entry_id, row): 1 for entry_id, rows in pushed.items() for row in range(rows)})
    assert streams.answered_rows() == expected
    assert streams.pending() == 0
    alive[-1].ready()
    _await_consumers(streams, alive)
    assert [scorer.end() for scorer in alive] == [0, 0, 0]
    assert streams.consumers() == []


def _stop_one_that_holds_entries(streams: Streams, alive: list[Scorer]) -> bool:
    """Stop a scorer that has read entries and not committed them; it is then the first of ``alive``."""
    for _ in range(200):
        alive[0].send(signal.SIGSTOP)
        holders = streams.connection.call("XPENDING", streams.partition.records, "scorers")[3] or ()
        if any(f"-{alive[0].pid}-".encode() in name for name, _ in holders):
            return True
        alive[0].send(signal.SIGCONT)
        alive.append(alive.pop(0))
    return False


def _await_consumers(streams: Streams, alive: list[Scorer]) -> None:
    """Wait until the group has just these; a blocking read on a stream that nobody writes is the clock."""
    for _ in range(100):
        if {int(name.split("-")[-2]) for name in streams.consumers()} == {scorer.pid for scorer in alive}:
            return
        streams.connection.call("XREAD", "BLOCK", 200, "STREAMS", streams.keys.drift, "$")
    states = [(scorer.pid, scorer.process.poll(), scorer.log[-3:]) for scorer in alive]
    clients = streams.connection.call("CLIENT", "LIST").decode()  # what each waits for, and since when
    pytest.fail(f"consumers {streams.consumers()}, scorers {states}, clients {clients}")
