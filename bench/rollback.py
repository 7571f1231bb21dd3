"""Time from a rollback until every one of three workers answers with the previous model."""

from __future__ import annotations

import json
import threading
import time
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from bench.fill import Fill
from bench.http_client import HttpClient, pack_post
from bench.run import KEYS, PARTITION, Run
from bench.table import make_model, make_rows
from core.connection import Connection
from core.entry import entries_of, field_map
from core.errors import UsageError
from core.redis_registry import RedisRegistry
from core.registry import Production
from core.settings import Settings
from streamgauge.demo.raisin_like import FEATURES
from trainer.commands import rollback

#: Workers, as the target counts them.
_SCORERS = 3
#: Rollbacks measured; the longest counts.
_ROUNDS = 20
#: A worker that does not follow in so long never will.
_PATIENCE_S = 30.0
#: The model that is rolled back.
_LATER_RUN = "1" * 12
#: Light work, so that workers are between batches and within them: rows of a block, pause between two.
_BLOCK_ROWS, _PAUSE_S = 16, 0.002
#: Predictions looked through for the newest one of the model that was rolled back.
_NEWEST = 5_000


def measure(run: Run) -> None:
    """Fill the report."""
    miniflow = str(run.folder / "rollback")
    settings = Settings(redis_url=run.server.url, pipeline=KEYS.pipeline, miniflow=miniflow)
    request = pack_post("/predict", dict(zip(FEATURES, make_rows(1, run.seed)[0].tolist(), strict=True)))
    with run.connect() as connection, ExitStack() as stack:
        run.reset(connection)
        registry = RedisRegistry(connection, KEYS)
        scorers = [stack.enter_context(run.scorer()) for _ in range(_SCORERS)]
        clients = [HttpClient(int(scorer.wait_for("ready").rpartition(":")[2])) for scorer in scorers]
        for client in clients:
            stack.callback(client.close)
        stack.enter_context(_Work(run))
        over_http: list[float] = []
        on_stream: list[float] = []
        for number in range(_ROUNDS):
            run.say(f"rollback {number + 1} of {_ROUNDS}")
            now = registry.production()
            registry.promote(_LATER_RUN, make_model(run.seed + 1), 0 if now is None else now.epoch, "bench")
            _await(clients, request, _LATER_RUN)
            began_s = time.perf_counter()
            back = rollback(settings)
            _await(clients, request, back.run_id)
            over_http.append(time.perf_counter() - began_s)
            on_stream.append(_last_of(connection, _LATER_RUN, back))
    name = "rollback across three workers"
    http = f"{name}: until every worker answers with the previous model, longest of {_ROUNDS}"
    stream = f"{name}: until the last prediction by the other model, longest of {_ROUNDS}"
    run.report.add(http, max(over_http), "s", at_most=1.0)
    run.report.add(stream, max(on_stream), "s", at_most=1.0)


def _await(clients: list[HttpClient], request: bytes, run_id: str) -> None:
    """Ask all of them, again and again, until each has answered with a model."""
    deadline_s = time.monotonic() + _PATIENCE_S
    waiting = list(clients)
    while waiting:
        waiting = [client for client in waiting if json.loads(client.post(request))["model"] != run_id]
        if time.monotonic() > deadline_s:
            raise UsageError(f"{len(waiting)} scorers do not use run {run_id} after {_PATIENCE_S:.0f} s")


def _last_of(connection: Connection, run_id: str, back: Production) -> float:
    """Seconds from the change of production to the newest prediction of a model, both by the server's clock."""
    newest = entries_of(connection.call("XREVRANGE", PARTITION.predictions, "+", "-", "COUNT", _NEWEST))
    found = [field_map(entry.fields) for entry in newest]
    times = [int(fields[b"ts"]) for fields in found if fields[b"model"].decode() == run_id]
    return max(0, max(times, default=0) - back.updated_ts_ms) / 1000


class _Work:
    """Records that come all the while."""

    def __init__(self, run: Run) -> None:
        self._connection = run.connect()
        self._fill = Fill(self._connection, PARTITION.records, make_model(run.seed), _BLOCK_ROWS, run.seed)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._add, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join()
        self._connection.close()

    def _add(self) -> None:
        while not self._ending.wait(_PAUSE_S):
            self._fill.add(1)
