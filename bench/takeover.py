"""Time from ``kill -9`` of a worker that holds entries until another has answered them."""

from __future__ import annotations

import time

from bench.fill import Fill
from bench.run import PARTITION, Run, kill
from bench.table import make_model
from core.connection import Connection
from core.entry import field_map
from core.errors import UsageError
from core.keys import SCORERS
from core.settings import Settings

#: Settings measured: a small one and the default.
_IDLE_MS = (500, Settings().takeover_idle_ms)
#: Blocks of 256 rows, enough that both workers are in the midst of them when one dies.
_ENTRIES = 20_000
#: A worker dies between two batches now and then; then another is tried.
_ATTEMPTS = 10
#: Entries that are not answered so long after the idle time are lost.
_PATIENCE_S = 30.0


def measure(run: Run) -> None:
    """Fill the report."""
    with run.connect() as connection:
        for idle_ms in _IDLE_MS:
            run.say(f"takeover_idle_ms {idle_ms}")
            for _ in range(_ATTEMPTS):
                taken_s = _takeover_s(run, connection, idle_ms)
                if taken_s is not None:
                    break
            else:
                raise UsageError(
                    f"no worker held entries when it was killed, in {_ATTEMPTS} attempts; run it again"
                )
            name = f"takeover of a killed worker's entries, takeover_idle_ms {idle_ms}"
            run.report.add(name, taken_s, "s", ("the setting", idle_ms / 1000))


def _takeover_s(run: Run, connection: Connection, idle_ms: int) -> float | None:
    """Seconds, or None where the killed worker held nothing."""
    model = make_model(run.seed)
    run.reset(connection, model)
    with run.scorer(takeover_idle_ms=idle_ms) as other, run.scorer(takeover_idle_ms=idle_ms) as killed:
        other.wait_for("ready")
        killed.wait_for("ready")
        Fill(connection, PARTITION.records, model, 256, run.seed).add(_ENTRIES)
        holding = _holders(connection, killed.pid)
        deadline_s = time.monotonic() + _PATIENCE_S
        while not holding and time.monotonic() < deadline_s:
            holding = _holders(connection, killed.pid)
        kill(killed)
        died_s = time.perf_counter()
        held = _held(connection, _holders(connection, killed.pid))
        if not held:
            return None
        deadline_s = time.monotonic() + idle_ms / 1000 + _PATIENCE_S
        while any(_pending(connection, entry_id) for entry_id in held):
            if time.monotonic() > deadline_s:
                raise UsageError(f"{len(held)} entries of a killed worker were not taken over; run it by hand")
            time.sleep(0.002)
        return time.perf_counter() - died_s


def _holders(connection: Connection, pid: int | None) -> list[bytes]:
    """Consumers of a process that hold entries; a consumer's name has the process id in it."""
    consumers = [field_map(item) for item in connection.call("XINFO", "CONSUMERS", PARTITION.records, SCORERS)]
    names = [consumer[b"name"] for consumer in consumers if int(consumer[b"pending"])]
    return [name for name in names if b"-%d-" % (pid or 0) in name]


def _held(connection: Connection, consumers: list[bytes]) -> list[bytes]:
    """First and last entry that they hold; what is between is answered between."""
    held = []
    for consumer in consumers:
        pending = connection.call("XPENDING", PARTITION.records, SCORERS, "-", "+", 10_000, consumer)
        held += [pending[0][0], pending[-1][0]] if pending else []
    return held


def _pending(connection: Connection, entry_id: bytes) -> bool:
    return bool(connection.call("XPENDING", PARTITION.records, SCORERS, entry_id, entry_id, 1))
