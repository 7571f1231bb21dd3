"""POST /alerts of real processes: killed between event and answer; a server that is away, hangs or forgets."""

from __future__ import annotations

import json
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

from bench.chaos.proxy import Proxy
from core.connection import Connection
from core.entry import entries_of, field_map
from core.keys import PipelineKeys
from core.model_file import ModelFile
from core.record_encoder import encode_block
from core.redis_registry import RedisRegistry
from tests.both_servers import both_servers
from tests.monitor.alerting import TOKEN, an_alert, notification, post_alerts
from tests.scorer.scorer_process import Scorer, get

Start = Callable[[str], Scorer]
BODY = notification([an_alert()])


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "alerts-token"
    path.write_text(TOKEN + "\n", encoding="utf-8")
    return path


@pytest.fixture
def start(pipeline: str, token_file: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts monitors on a server of a URL; all are ended."""
    with ExitStack() as stack:

        def started(url: str) -> Scorer:
            environment = {"STREAMGAUGE_REDIS_URL": url, "STREAMGAUGE_ALERTS_TOKEN_FILE": str(token_file)}
            process = Scorer(
                *("--pipeline", pipeline, "--retrain-cooldown-s", "0"),
                module="monitor",
                environment=environment,
                folder=tmp_path,
            )
            stack.callback(process.end, signal.SIGKILL)
            return process

        yield started


@pytest.fixture
def proxy(server_url: str) -> Iterator[Proxy]:
    made = Proxy(server_url)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def production(connection: Connection, keys: PipelineKeys, files: list[ModelFile]) -> None:
    RedisRegistry(connection, keys).promote("run0", files[0], 0, "first")


def events(connection: Connection, keys: PipelineKeys) -> list[dict[bytes, bytes]]:
    return [field_map(entry.fields) for entry in entries_of(connection.call("XRANGE", keys.retrain, "-", "+"))]


def send_and_wait_for_event(url: str, connection: Connection, keys: PipelineKeys) -> socket.socket:
    """Post without reading the answer; returns as soon as the event is there."""
    address = urlsplit(url)
    client = socket.create_connection((address.hostname, address.port))
    body = json.dumps(BODY)
    head = (
        "POST /alerts HTTP/1.1",
        "Host: monitor",
        f"Authorization: Bearer {TOKEN}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "",
        "",
    )  # fmt: skip  (a line each)
    client.sendall("\r\n".join(head).encode() + body.encode())
    assert connection.call("XREAD", "BLOCK", 20_000, "STREAMS", keys.retrain, "0-0")
    return client


@both_servers
def test_a_monitor_killed_as_soon_as_it_wrote_is_asked_again_and_writes_no_second_event(
    server_url: str, start: Start, connection: Connection, keys: PipelineKeys
) -> None:
    first = start(server_url).ready()
    with send_and_wait_for_event(first.url, connection, keys):
        first.end(signal.SIGKILL)
    second = start(server_url).ready()
    assert post_alerts(second.url, BODY)[1]["alerts"] == {"duplicate": 1}
    assert len(events(connection, keys)) == 1


@both_servers
def test_an_answer_of_the_server_that_is_lost_is_a_503_and_the_next_try_a_duplicate(
    start: Start, proxy: Proxy, connection: Connection, keys: PipelineKeys
) -> None:
    monitor = start(proxy.url).ready()
    proxy.cut_next(keys.alert("a1b2c3d4e5f60718", 4_000_000_000_000).encode(), b"written")
    status, answer = post_alerts(monitor.url, BODY)
    assert (status, list(answer), proxy.cuts) == (503, ["error"], 1)
    assert len(events(connection, keys)) == 1
    status, answer = post_alerts(monitor.url, BODY)
    assert (status, answer["alerts"]) == (200, {"duplicate": 1})
    assert len(events(connection, keys)) == 1


@both_servers
def test_with_no_server_the_sender_is_told_to_try_again(
    start: Start, proxy: Proxy, connection: Connection, keys: PipelineKeys
) -> None:
    monitor = start(proxy.url).ready()
    proxy.refuse()
    status, answer = post_alerts(monitor.url, BODY)
    assert (status, list(answer)) == (503, ["error"])
    assert events(connection, keys) == []
    proxy.accept()
    assert post_alerts(monitor.url, BODY)[1]["alerts"] == {"written": 1}
    assert monitor.metrics()["streamgauge_webhook_alerts_total:unavailable"] == 1


@both_servers
def test_before_its_first_server_a_monitor_answers_already(start: Start, proxy: Proxy) -> None:
    proxy.refuse()
    monitor = start(proxy.url)
    monitor.wait_for("listening")
    assert post_alerts(monitor.url, BODY)[0] == 503
    proxy.accept()
    monitor.ready()
    assert post_alerts(monitor.url, BODY)[1]["alerts"] == {"written": 1}


def test_a_server_that_hangs_leaves_threads_for_probes(start: Start, proxy: Proxy) -> None:
    monitor = start(f"{proxy.url}?socket_timeout=5").ready()
    proxy.hold()
    answers: list[int] = []
    posts = [threading.Thread(target=lambda: answers.append(post_alerts(monitor.url, BODY)[0])) for _ in range(6)]
    for post in posts:
        post.start()
    assert get(f"{monitor.url}/healthz", timeout_s=4)[0] == 200
    for post in posts:
        post.join()
    assert answers == [503] * 6
    proxy.let_go()


@both_servers
def test_what_the_server_forgot_is_asked_anew(
    server_url: str, start: Start, connection: Connection, keys: PipelineKeys, files: list[ModelFile]
) -> None:
    monitor = start(server_url).ready()
    assert post_alerts(monitor.url, BODY)[1]["alerts"] == {"written": 1}
    connection.call(
        "DEL", *connection.call("KEYS", f"sg:{{{keys.pipeline}*")
    )  # what FLUSHALL does to this pipeline
    assert post_alerts(monitor.url, BODY)[0] == 503  # there is no model
    RedisRegistry(connection, keys).promote("run0", files[0], 0, "again")
    assert post_alerts(monitor.url, BODY)[1]["alerts"] == {"written": 1}


@both_servers
@pytest.mark.parametrize("alert_first", [True, False])
def test_an_episode_has_one_event_whoever_asks_first_and_whoever_is_killed(
    server_url: str,
    start: Start,
    connection: Connection,
    keys: PipelineKeys,
    files: list[ModelFile],
    alert_first: bool,
) -> None:
    monitor = start(server_url).ready()
    if alert_first:
        with send_and_wait_for_event(monitor.url, connection, keys):
            monitor.end(signal.SIGKILL)
        monitor = start(server_url).ready()
    x = np.random.default_rng(1).normal(2.0, 1.0, (600, 3))
    connection.call("XADD", keys.partition(0).records, "*", *encode_block(x, files[0].model.schema))
    assert connection.call("XREAD", "BLOCK", 20_000, "STREAMS", keys.drift, "0-0")
    if not alert_first:
        monitor.end(signal.SIGKILL)
        monitor = start(server_url).ready()
    outcome = "duplicate" if alert_first else "coalesced"
    assert post_alerts(monitor.url, BODY)[1]["alerts"] == {outcome: 1}
    assert [event[b"reason"] for event in events(connection, keys)] == [b"alert" if alert_first else b"drift"]


def test_the_token_is_shown_nowhere(server_url: str, start: Start) -> None:
    monitor = start(server_url).ready()
    for token in (TOKEN, "wrong" * 5):
        post_alerts(monitor.url, BODY, token)
    shown = [get(monitor.url + path)[1].decode() for path in ("/metrics", "/healthz", "/readyz", "/nothing")]
    command = Path(f"/proc/{monitor.pid}/cmdline").read_text(encoding="utf-8")
    environment = Path(f"/proc/{monitor.pid}/environ").read_text(encoding="utf-8")
    monitor.end()
    assert monitor.log
    assert TOKEN not in "".join([*shown, *monitor.log, command, environment])
