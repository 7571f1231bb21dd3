"""Time is the server's: ages are differences of ids and of its clock, and never below nothing."""

from __future__ import annotations

import ast
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from core.connection import Connection
from core.keys import SCORERS, PipelineKeys
from core.redis_registry import RedisRegistry
from core.stream_lag import stream_lags
from tests.both_servers import both_servers
from tests.monitor.scenario import make_model
from tests.scorer.scorer_process import Scorer
from tests.scorer.streams import Streams
from tests.servers import wait_until

ROOT = Path(__file__).resolve().parents[2]
HOUR_MS = 3_600_000
#: What tells the time of this machine.
LOCAL_CLOCKS = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "date.today"}
#: Modules that may ask it, and why.
MAY_ASK = {
    "core/http.py",  # how long a client takes for its request
    "core/miniflow.py",  # when a run began, for people
    "core/open_telemetry.py",  # when a span began, by the clock that ends it
}


@pytest.fixture
def scorer(server_url: str, pipeline: str, connection: Connection, keys: PipelineKeys) -> Iterator[Scorer]:
    """One scorer, ready."""
    RedisRegistry(connection, keys).promote("run0", make_model(("a", "b"), 1), 0, "first")
    process = Scorer("--redis-url", server_url, "--pipeline", pipeline).ready()
    yield process
    process.end(signal.SIGKILL)


def latencies(scorer: Scorer) -> tuple[float, float]:
    """How many there are, and their sum in seconds."""
    metrics = scorer.metrics()
    name = "streamgauge_end_to_end_seconds"
    return metrics.get(f"{name}_count", 0.0), metrics.get(f"{name}_sum", 0.0)


def _counted(scorer: Scorer, count: int) -> bool:
    return latencies(scorer)[0] == count


@both_servers
def test_latency_is_that_of_the_servers_clock_and_never_negative(
    scorer: Scorer, connection: Connection, keys: PipelineKeys
) -> None:
    """An old id, one of now and one ahead of the clock, as it is after the clock went back."""
    streams, records = Streams(connection, keys), keys.partition(0).records
    now_ms = connection.now_ms()
    cases = (now_ms - HOUR_MS, 3_700.0), (now_ms, 60.0), (now_ms + HOUR_MS, 0.0)
    for count, (ms, highest_s) in enumerate(cases, start=1):
        _, before_s = latencies(scorer)
        streams.await_results({connection.call("XADD", records, f"{ms}-0", "a", "1", "b", "2")})
        wait_until(partial(_counted, scorer, count), "a result that is counted")
        seconds = latencies(scorer)[1] - before_s
        assert max(0, now_ms - ms) / 1000 <= seconds + 1e-6 <= highest_s + 1e-3
    written = [int(prediction.ts_ms) for prediction in streams.predictions()]
    assert now_ms <= min(written) <= max(written) <= connection.now_ms()


@both_servers
def test_the_age_of_what_is_open_is_never_negative(connection: Connection, keys: PipelineKeys) -> None:
    partition = keys.partition(0)
    connection.call("XGROUP", "CREATE", partition.records, SCORERS, "0", "MKSTREAM")
    connection.call("XADD", partition.records, f"{connection.now_ms() + HOUR_MS}-0", "a", 1)
    (unread,) = stream_lags(connection, (partition,))
    connection.call("XREADGROUP", "GROUP", SCORERS, "one", "STREAMS", partition.records, ">")
    (pending,) = stream_lags(connection, (partition,))
    assert (unread.lag_entries, unread.oldest_s) == (1, 0.0)
    assert (pending.pending_entries, pending.oldest_s) == (1, 0.0)


def test_no_service_asks_the_clock_of_its_own_machine() -> None:
    folders = ("core", "producer", "scorer", "monitor", "trainer")
    asking = set()
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and ast.unparse(node).removeprefix("datetime.") in LOCAL_CLOCKS:
                asking.add(str(path.relative_to(ROOT)))
    assert asking == MAY_ASK
