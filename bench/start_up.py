"""Time from the start of a scorer process to its first prediction, with records waiting."""

from __future__ import annotations

import time
from statistics import median

from bench.fill import Fill
from bench.raw_client import raw_client
from bench.run import PARTITION, Run
from bench.table import make_model

#: Starts measured.
_STARTS = 7
#: Records that wait.
_WAITING = 10_000
#: A scorer that takes longer has failed.
_PATIENCE_MS = 30_000


def measure(run: Run) -> None:
    """Fill the report."""
    model, taken_s = make_model(run.seed), []
    with run.connect() as connection, raw_client(run.server.port) as client:
        for number in range(_STARTS):
            run.say(f"start {number + 1} of {_STARTS}")
            run.reset(connection, model)
            Fill(connection, PARTITION.records, model, 0, run.seed).add(_WAITING)
            begin_s = time.perf_counter()
            with run.scorer():
                reply = client.call("XREAD", "BLOCK", _PATIENCE_MS, "STREAMS", PARTITION.predictions, "0")
                if reply is None:
                    raise TimeoutError(
                        f"no prediction within {_PATIENCE_MS} ms; run the scorer by hand to see why"
                    )
                taken_s.append(time.perf_counter() - begin_s)
    run.report.add(f"start to first prediction, median of {_STARTS}", median(taken_s), "s", at_most=1.0)
    run.report.add("start to first prediction, longest", max(taken_s), "s")
