"""Latency of one record through an idle system, beside the same way with nothing done to it.

The bare form is two processes: the client pushes with XADD and waits in XREAD, a worker that waits in XREADGROUP
answers with XADD. The four commands by one client, one after the other, stand beside it.
"""

from __future__ import annotations

import time

from bench.bare_loop import ANSWER, GROUP
from bench.fill import make_entries
from bench.machine import pinned
from bench.percentile import percentile
from bench.raw_client import raw_client
from bench.round_trip import RoundTrip, serial_seconds
from bench.run import KEYS, PARTITION, Run
from bench.table import make_model
from core.connection import Connection
from producer.client import Producer
from streamgauge.demo.raisin_like import FEATURES

#: Streams of the bare worker.
BARE_RECORDS, BARE_PREDICTIONS = "bench:bare:records", "bench:bare:predictions"
#: Samples of each kind a round; the kinds take turns.
_ROUND_SAMPLES = 250
_ROUNDS = 20
#: Round trips before the first sample.
_WARM_UP = 200


def measure(run: Run) -> None:
    """Fill the report."""
    with run.connect() as connection:
        samples = _samples(run, connection)
    add = run.report.add
    bare, serial = samples["bare"], samples["serial"]
    for percent, most in ((50, 3.0), (99, 4.0)):
        ours = percentile(samples["scorer"], percent) * 1e6
        beside = ("bare worker and client", percentile(bare, percent) * 1e6)
        add(f"latency, idle: p{percent}", ours, "us", beside, at_most=most)
        add(
            f"latency, idle: p{percent}",
            ours,
            "us",
            ("four commands, one client", percentile(serial, percent) * 1e6),
        )
        add(
            f"latency, idle, Producer.send: p{percent}",
            percentile(samples["producer"], percent) * 1e6,
            "us",
            beside,
        )


def prepare(run: Run, connection: Connection) -> None:
    """A model, and one real prediction where the bare worker finds it; the streams are empty."""
    model = make_model(run.seed)
    run.reset(connection, model)
    with run.scorer() as scorer:
        scorer.wait_for("ready")
        with raw_client(run.server.port) as client:
            (fields, *_) = make_entries(model, 0, run.seed)
            RoundTrip(client, PARTITION.records, PARTITION.predictions, fields).seconds()
        ((_, answer),) = connection.call("XREVRANGE", PARTITION.predictions, "+", "-", "COUNT", 1)
    run.reset(connection, model)
    connection.call("RPUSH", ANSWER, *answer)
    connection.call("XGROUP", "CREATE", "bench:serial:records", GROUP, "$", "MKSTREAM")


def _samples(run: Run, connection: Connection) -> dict[str, list[float]]:
    """Seconds a round trip of each kind."""
    run.say("getting ready")
    prepare(run, connection)
    (fields, *_) = make_entries(make_model(run.seed), 0, run.seed)
    answer = connection.call("LRANGE", ANSWER, 0, -1)
    features = dict(zip(FEATURES, (float(value) for value in fields[1::2]), strict=True))
    worker = ("bench.bare_worker", str(run.server.port), BARE_RECORDS, BARE_PREDICTIONS)
    samples: dict[str, list[float]] = {"scorer": [], "bare": [], "serial": [], "producer": []}
    with (
        run.scorer() as scorer,
        run.program(*worker),
        raw_client(run.server.port) as client,
        pinned(run.client_core),
        Producer(run.server.url, KEYS.pipeline, linger_ms=0) as producer,
    ):
        scorer.wait_for("ready")
        while not connection.call("EXISTS", BARE_RECORDS):  # the worker has made its group
            time.sleep(0.01)
        ours = RoundTrip(client, PARTITION.records, PARTITION.predictions, fields)
        bare = RoundTrip(client, BARE_RECORDS, BARE_PREDICTIONS, fields)

        def pushed() -> float:
            begin_s = time.perf_counter()
            producer.send(features)
            ours.wait()
            return time.perf_counter() - begin_s

        kinds = {
            "scorer": ours.seconds,
            "bare": bare.seconds,
            "serial": lambda: serial_seconds(client, fields, answer),
            "producer": pushed,
        }
        for kind in kinds.values():
            for _ in range(_WARM_UP):
                kind()
        for number in range(_ROUNDS):
            run.say(f"round {number + 1} of {_ROUNDS}")
            for name, kind in kinds.items():
                samples[name] += [kind() for _ in range(_ROUND_SAMPLES)]
    return samples
