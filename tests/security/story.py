"""A pipeline's life, each service under its own ACL user: everything that it may ever have to do to a server."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from core.connection import Connection
from core.entry import Entry, entries_of, field_map
from core.errors import BacklogFull, StreamError
from core.keys import MONITORS, SCORERS, PipelineKeys, shadow_group
from core.label_entry import block_fields
from core.redis_registry import RedisRegistry
from core.settings import Settings
from core.shadow_registry import ShadowRegistry
from monitor.live.reader import LiveReader
from producer.client import Producer
from streamgauge.app import app
from streamgauge.predictions import Predictions
from streamgauge.service_process import ServiceProcess
from tests.monitor.alerting import TOKEN, an_alert, notification, post_alerts
from tests.scorer.scorer_process import get
from tests.security.acl_users import ADMIN
from tests.security.command_record import CommandRecord
from trainer.attempt import FIELD

PIPELINE, PASSWORD = "wine", "correct-horse"
#: How long a step of the story may take on a busy machine.
PATIENCE_MS = 40_000
SETTINGS = {
    "pipeline": PIPELINE,
    "alerts_token": TOKEN,
    "window_records": 100,
    "window_min_records": 50,
    "retrain_cooldown_s": 0,
    "min_labelled_rows": 60,
    "takeover_idle_ms": 1_000,
    "trim_every_ms": 200,
    "http_port": 0,
}


def until(true: Callable[[], bool]) -> None:
    """Ask again and again until it is true."""
    deadline_s = time.monotonic() + PATIENCE_MS / 1000
    while not true():
        assert time.monotonic() < deadline_s, "it never became true"
        time.sleep(0.02)


#: In one step, or a waiting scorer would be first.
_ADD_AND_TAKE = """
redis.call('XADD', KEYS[1], '*', 'a', '1', 'b', '2', '_id', 'held')
return #redis.call('XREADGROUP', 'GROUP', ARGV[1], 'ghost', 'COUNT', 1, 'STREAMS', KEYS[1], '>')
"""


def draw(rows: int, seed: int, shift: float = 0.0) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Rows (n, 2) whose class hangs on the first feature, which moved by ``shift``; and their classes."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(rows, 2))
    y = (x[:, 0] + generator.normal(0, 0.3, rows) > 0).astype(float)
    return x + np.array([shift, 0.0]), y


@dataclass
class Story:
    """The stage: one server whose default user is off."""

    port: int
    folder: Path
    record: CommandRecord
    ids: Iterator[int] = field(default_factory=lambda: iter(range(1_000_000)))

    def __post_init__(self) -> None:
        self.admin = Connection(self.url(ADMIN))
        self.keys = PipelineKeys(PIPELINE)
        self.partition = self.keys.partition(0)

    def url(self, user: str) -> str:
        """The server as one user reaches it."""
        return f"redis://{user}:{PASSWORD}@127.0.0.1:{self.port}/0"

    def command(self, user: str, *arguments: str) -> Result:
        """Run ``streamgauge ...`` under a user, in this process."""
        options = {"redis_url": self.url(user), "pipeline": PIPELINE, "miniflow": str(self.folder / "miniflow")}
        environment = {f"STREAMGAUGE_{name.upper()}": value for name, value in options.items()}
        with self.record.short_lived(user):
            return CliRunner().invoke(app, list(arguments), env=environment)

    def production_run(self) -> str:
        """What is in production."""
        return bytes(self.admin.call("HGET", self.keys.production, "run_id")).decode()

    def options(self, user: str) -> dict[str, object]:
        """A service's settings."""
        return {**SETTINGS, "redis_url": self.url(user), "miniflow": str(self.folder / "miniflow")}

    def service(self, stack: ExitStack, module: str, number: int = 1) -> ServiceProcess:
        """A service as a process under its user, started; it ends with ``stack``."""
        options = self.options(module)
        process = ServiceProcess(module, options, self.folder / f"{module}-{number}.log", shielded=True)
        stack.callback(process.wait)
        stack.callback(process.terminate)
        with self.first_to_start():
            process.start()
        return process

    @contextmanager
    def first_to_start(self) -> Iterator[None]:
        """What starts here finds the config incomplete, and completes it."""
        self.admin.call("HDEL", self.keys.config, "version")
        yield
        until(lambda: bool(self.admin.call("HEXISTS", self.keys.config, "version")))

    def entries(self, stream: str) -> list[Entry]:
        return entries_of(self.admin.call("XRANGE", stream, "-", "+"))

    def next_entry(self, stream: str, after: bytes) -> Entry:
        """The first entry behind ``after``, waited for."""
        for _ in range(PATIENCE_MS // 2_000):
            reply = self.admin.call("XREAD", "COUNT", 1, "BLOCK", 2_000, "STREAMS", stream, after)
            if reply:
                return entries_of(reply[0][1])[0]
        raise AssertionError(f"nothing came to {stream} behind {after!r}: {self.logs()}")

    def answered(self, record_id: bytes) -> dict[bytes, bytes]:
        """The result of a record, waited for."""
        after = b"0-0"
        while True:
            entry = self.next_entry(self.partition.predictions, after)
            fields = field_map(entry.fields)
            if fields.get(b"id") == record_id:
                return fields
            after = entry.id

    def logs(self) -> str:
        """What the services said."""
        return "\n".join(path.read_text() for path in sorted(self.folder.glob("*.log")))

    def denials(self) -> list[str]:
        """What the server refused to somebody."""
        log = [field_map(entry) for entry in self.admin.call("ACL", "LOG")]
        return [(each[b"username"] + b": " + each[b"reason"] + b" " + each[b"object"]).decode() for each in log]


def play(story: Story) -> None:
    """From the first model to an orderly stop."""
    prepare(story)
    with ExitStack() as stack:
        trainer, monitor = story.service(stack, "trainer"), story.service(stack, "monitor")
        scorers = [story.service(stack, "scorer", number) for number in (1, 2)]
        services = [trainer, monitor, *scorers]
        for service in services:
            service.wait_for("ready")
        with Producer(story.url("producer"), PIPELINE, block=True, linger_ms=0) as producer:
            score(story, producer)
            leave_pending(story, monitor.http)
            take_over(story)
            retrain(story, producer)
            shadow(story)
            lose_group(story, producer)
            lose_stream(story, producer)
        operate(story)
        alert(monitor.http)
        look_at_the_page(monitor.http)
        look_from_outside(story)
        for service in services:
            service.terminate()
        assert [service.wait() for service in services] == [0] * len(services), story.logs()
    read_results(story)
    watch(story)
    exhaust(story)


def prepare(story: Story) -> None:
    """The first model, an old label, and a producer that is alone with a full backlog."""
    x, y = draw(300, 1)
    csv = story.folder / "train.csv"
    rows = [f"{a!r},{b!r},{'yes' if label else 'no'}" for (a, b), label in zip(x.tolist(), y, strict=True)]
    csv.write_text("a,b,good\n" + "\n".join(rows) + "\n")
    for arguments in (("partitions", "create", "--partitions", "1"), ("fit", str(csv), "--label", "good")):
        done = story.command("operator", *arguments)
        assert done.exit_code == 0, done.output
    story.admin.call("XADD", story.keys.labels, "1-1", "id", "long-ago", "y", "1")
    story.admin.call("HSET", story.keys.models, "stray", "x")
    records = story.partition.records
    ids = [story.admin.call("XADD", records, "*", "a", "0.5", "b", "1") for _ in range(3)]
    for group in (SCORERS, MONITORS):
        story.admin.call("XGROUP", "CREATE", records, group, ids[1])  # in mid-stream: the server knows no lag
    with (
        story.record.short_lived("producer"),
        story.first_to_start(),
        Producer(story.url("producer"), PIPELINE, linger_ms=0, max_backlog_entries=1, on_full="raise") as hurried,
    ):
        hurried.send({"a": 1, "b": 2})
        with pytest.raises(BacklogFull):
            hurried.send({"a": 1, "b": 2})
        for group in (SCORERS, MONITORS):
            story.admin.call("XGROUP", "DESTROY", records, group)
        story.admin.call("DEL", records)
        hurried.flush()
    story.admin.call("DEL", records)


def score(story: Story, producer: Producer) -> None:
    """Records in both forms, one that cannot be scored, a label later."""
    x, y = draw(100, 2)
    producer.send_rows(x, labels=y)
    producer.send({"a": 1.0, "b": 2.0}, id="one")
    producer.send({"a": "many", "b": 2.0}, id="bad")
    producer.flush()
    story.admin.call("XADD", story.partition.records, "*", "a", "1", "b", "2", "_id", "plain")
    assert story.answered(b"plain")[b"pred"] == b"1"
    story.next_entry(story.partition.rejected, b"0-0")
    story.next_entry(story.keys.drift, b"0-0")
    producer.send_label("plain", 1)
    producer.flush()


def leave_pending(story: Story, monitor_url: str) -> None:
    """Another group holds an entry; the monitor shows it."""
    records = story.partition.records
    story.admin.call("XGROUP", "CREATE", records, "others", "0")
    story.admin.call("XREADGROUP", "GROUP", "others", "slow", "COUNT", 1, "STREAMS", records, ">")
    wanted = 'streamgauge_stream_pending_entries{group="others",partition="0",pipeline="wine"} 1.0'
    until(lambda: wanted in get(monitor_url + "/metrics")[1].decode())


def take_over(story: Story) -> None:
    """What a dead worker holds is answered by another, and the dead one is cleared away."""
    records = story.partition.records
    assert story.admin.call("EVAL", _ADD_AND_TAKE, 1, records, SCORERS) == 1
    story.answered(b"held")


def retrain(story: Story, producer: Producer) -> None:
    """A drift without labels, then the labels: the trainer promotes, and the scorers use its model."""
    (first,) = story.entries(story.keys.promotions)
    x, y = draw(200, 3, shift=3.0)
    ids = [f"drifted-{next(story.ids)}" for _ in range(200)]
    producer.send_rows(x, ids=ids)
    story.next_entry(story.keys.retrain, b"0-0")
    until(lambda: bool(story.admin.call("HEXISTS", story.keys.production, FIELD)))  # tried in vain
    # at once: an attempt on the first few would use up an attempt and leave too few rows for the next
    labels = [(record_id.encode(), float(label)) for record_id, label in zip(ids, y, strict=True)]
    story.admin.call("XADD", story.keys.labels, "*", *block_fields(labels))
    promoted = field_map(story.next_entry(story.keys.promotions, first.id).fields)
    production = promoted[b"run_id"]
    assert production.decode() == story.production_run()
    for attempt in range(200):
        record_id = f"after-{attempt}"
        story.admin.call("XADD", story.partition.records, "*", "a", "1", "b", "2", "_id", record_id)
        if story.answered(record_id.encode())[b"model"] == production:
            return
    raise AssertionError("no scorer uses the new model")


def shadow(story: Story) -> None:
    """The model before scores beside production: what it holds is taken over, it is compared, and it ends."""
    begun = story.command("operator", "shadow", "previous", "--begin")
    assert begun.exit_code == 0, begun.output
    (run,) = ShadowRegistry(story.admin, story.keys).run_ids()
    keys, group = story.partition.shadow(run), shadow_group(run)
    process = ServiceProcess(
        "scorer", {**story.options("shadow"), "shadow": run}, story.folder / "shadow.log", shielded=True
    )
    process.start()
    try:
        process.wait_for("ready")
        assert story.admin.call("EVAL", _ADD_AND_TAKE, 1, keys.records, group) == 1
        story.admin.call("XADD", keys.records, "*", "a", "many", "b", "2")
        assert field_map(story.next_entry(keys.rejected, b"0-0").fields)[b"reason"] == b"not_a_number"
        until(lambda: {b"held"} <= {field_map(each.fields)[b"id"] for each in story.entries(keys.predictions)})
        for option in ("--compare", "--promote"):
            done = story.command("operator", "shadow", run, option)
            assert done.exit_code == 0, done.output
        assert run != story.production_run()
    finally:
        process.terminate()
        assert process.wait() == 0, story.logs()
    assert group.encode() in group_names(story.admin, keys.records)  # the dead one is still a consumer
    done = story.command("operator", "shadow", run, "--end")
    assert done.exit_code == 0, done.output
    assert group.encode() not in group_names(story.admin, keys.records)


def lose_group(story: Story, producer: Producer) -> None:
    """Both groups are destroyed; nothing is answered twice, what comes is answered."""
    for group in (SCORERS, MONITORS):
        story.admin.call("XGROUP", "DESTROY", story.partition.records, group)
    producer.send_rows(draw(10, 4)[0])
    producer.flush()
    story.admin.call("XADD", story.partition.records, "*", "a", "1", "b", "2", "_id", "regrouped")
    story.answered(b"regrouped")


def lose_stream(story: Story, producer: Producer) -> None:
    """The records stream is deleted and made anew by the next push."""
    producer.flush()
    story.admin.call("DEL", story.partition.records)
    story.admin.call("XADD", story.partition.records, "1-1", "a", "1", "b", "2", "_id", "anew")
    story.answered(b"anew")


def operate(story: Story) -> None:
    """What an operator and a viewer do."""
    records = story.partition.records
    story.admin.call("XGROUP", "CREATE", records, "others", "0")
    story.admin.call("XREADGROUP", "GROUP", "others", "slow", "COUNT", 1, "STREAMS", records, ">")
    run = story.production_run()
    until(lambda: {SCORERS.encode(), MONITORS.encode()} <= group_names(story.admin, records))  # now redrive trims
    for arguments in (
        ("rollback",),
        ("fit", str(story.folder / "train.csv"), "--label", "good"),  # what is in production again: refused
        ("promote", run),
        ("runs",),
        ("retrain",),
        ("groups", "require", "audit"),
        ("groups", "retire", "audit"),
        ("redrive", "--set", "a=1"),
    ):
        assert story.command("operator", *arguments).exit_code == 0, arguments
    told = {field_map(entry.fields)[b"reason"] for entry in story.entries(story.keys.decisions)}
    assert {b"drift", b"fit"} <= told
    for arguments in (("status",), ("groups",), ("partitions",), ("redrive", "--list"), ("doctor",)):
        done = story.command("viewer", *arguments)
        assert done.exit_code == (1 if arguments == ("doctor",) else 0), done.output


def alert(monitor_url: str) -> None:
    """An alert asks to retrain, and says so again."""
    body = notification([an_alert("a1", started_s=time.time() + 1)])
    for outcomes in ({"written", "coalesced"}, {"duplicate"}):
        status, answer = post_alerts(monitor_url, body, TOKEN)
        assert status == 200, answer
        assert set(answer["alerts"]) <= outcomes


def look_at_the_page(monitor_url: str) -> None:
    """The monitor's live page asks for the state of everything."""
    status, body = get(monitor_url + "/api/state")
    state = json.loads(body)
    assert (status, state["problem"]) == (200, None), body
    assert state["model"] is not None
    assert state["predictions"]["newest"]


def watch(story: Story) -> None:
    """A viewer's terminal shows the same."""
    story.admin.call("SCRIPT", "FLUSH")
    settings = Settings(redis_url=story.url("viewer"), pipeline=PIPELINE)
    with story.record.short_lived("viewer"), Connection(story.url("viewer")) as connection:
        assert LiveReader(connection, settings).read().problem is None


def look_from_outside(story: Story) -> None:
    """What KEDA's scaler asks for (a ping first, then figures), and a health check."""
    records = story.partition.records
    asked = (("PING",), ("INFO",), ("XINFO", "GROUPS", records), ("XLEN", records), ("XPENDING", records, SCORERS))
    for user, commands in (("keda", asked), ("healthcheck", asked[:1])):
        with story.record.short_lived(user), Connection(story.url(user)) as connection:
            for command in commands:
                assert connection.call(*command)


def group_names(connection: Connection, stream: str) -> set[bytes]:
    """The groups of a stream."""
    return {field_map(group)[b"name"] for group in connection.call("XINFO", "GROUPS", stream)}


def read_results(story: Story) -> None:
    """Readers with a position, and with a group."""
    with (
        story.record.short_lived("reader"),
        Predictions(story.url("reader"), PIPELINE, start="start", timeout_s=0.1) as results,
    ):
        found = list(results)
        assert len(found) > 300
        registry = RedisRegistry(Connection(story.url("reader")), story.keys)
        assert registry.model(found[0].model).model.schema.features == ("a", "b")
        registry.connection.close()
    with (
        story.record.short_lived("reader"),
        Predictions(story.url("reader"), PIPELINE, start="now", timeout_s=0.01) as results,
    ):
        assert list(results) == []
    predictions = story.partition.predictions
    story.admin.call("SCRIPT", "FLUSH")
    story.admin.call("XGROUP", "CREATE", predictions, "export", "0")
    story.admin.call("XREADGROUP", "GROUP", "export", "dead", "COUNT", 1, "STREAMS", predictions, ">")
    with (
        story.record.short_lived("group-reader"),
        Predictions(
            story.url("group-reader"),
            PIPELINE,
            start="start",
            group="export",
            timeout_s=0.1,
            takeover_idle_s=0.001,
        ) as results,
    ):
        assert len(list(results)) > 300


def exhaust(story: Story) -> None:
    """A stream whose ids are used up between two records of a call: the first one is taken back."""
    records = story.partition.records
    story.admin.call("DEL", records)
    last = f"{2**64 - 1}-{2**64 - 2}"
    story.admin.call("XADD", records, last, "a", "1")
    with story.record.short_lived("producer"):
        producer = Producer(story.url("producer"), PIPELINE, linger_ms=10_000)
        for _ in range(2):
            producer.send({"a": 1, "b": 2})
        with pytest.raises(StreamError):
            producer.flush()
        with suppress(StreamError):
            producer.close(timeout_s=0)
    assert [entry.id.decode() for entry in story.entries(records)] == [last]
