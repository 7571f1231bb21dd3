"""Throughput as the backlog, the features and the memory grow: blocks of 256, one scorer.

The backlog stands: what the scorer has read is added again at once, by a script on the server. Both sizes carry
that load, so that only the number of records that wait differs.
"""

from __future__ import annotations

import time

from bench.answers import answer_rate, look, wait_for_answers
from bench.fill import Fill
from bench.run import PARTITION, Run
from bench.table import make_model
from core.connection import Connection
from core.keys import SCORERS

#: Rows of a block.
ROWS = 256
#: Rows that wait.
_SMALL, _LARGE = 10_000, 10_000_000
#: Measurements of each, the best counts.
_ROUNDS = 5
#: More rows than are answered in a second, to have memory for them.
_MOST_A_SECOND = 5_000_000
#: The same for each number of features.
_WIDTH_ROUNDS = 3
#: Answers that come before the clock starts.
_WARM_UP_ENTRIES = 1_000
#: Pause between two looks at what is missing; in it a scorer answers a tenth of the small backlog.
_TOP_UP_EVERY_S = 0.0003
#: Features, and rows a second expected of so many.
_WIDTHS = {1: 4_000_000, 7: 2_500_000, 100: 400_000}


def measure(run: Run) -> None:
    """Fill the report."""
    best: dict[int, float] = {}
    with run.connect() as connection:
        for number in range(_ROUNDS):
            for waiting in (_SMALL, _LARGE):
                run.say(f"round {number + 1} of {_ROUNDS}: {waiting:,} rows wait")
                best[waiting] = max(_standing(run, connection, waiting), best.get(waiting, 0.0))
        widths = {}
        for width, expected in _WIDTHS.items():
            run.say(f"{width} features")
            widths[width] = max(_of_width(run, connection, width, expected) for _ in range(_WIDTH_ROUNDS))
    small = (f"{_SMALL:,} rows wait", best[_SMALL])
    run.report.add(f"growth: {_LARGE:,} rows wait", best[_LARGE], "records/s", small, at_least=0.9)
    for width, rate in widths.items():
        run.report.add(f"growth: {width} feature{'s' if width > 1 else ''}, blocks of 256", rate, "records/s")


def _standing(run: Run, connection: Connection, waiting: int) -> float:
    """Records a second while about so many wait."""
    model = make_model(run.seed)
    run.reset(connection, model)
    fill = Fill(connection, PARTITION.records, model, ROWS, run.seed)
    fill.warm(int(waiting + _MOST_A_SECOND * (run.seconds + 1)) // ROWS)
    fill.add(-(-waiting // ROWS))
    with run.scorer() as scorer:
        scorer.wait_for("ready")
        keep_full(connection, fill, waiting, _WARM_UP_ENTRIES, float("inf"))
        begin = look(connection, PARTITION.predictions)
        keep_full(connection, fill, waiting, 0, run.seconds)
        end = look(connection, PARTITION.predictions)
    return (end.entries - begin.entries) * ROWS / (end.time_s - begin.time_s)


def keep_full(connection: Connection, fill: Fill, waiting: int, answers: int, seconds: float) -> None:
    """Keep so many rows waiting for ``seconds``, or until there are ``answers`` more, where that is not 0."""
    done = look(connection, PARTITION.predictions).entries + answers
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        fill.top_up(SCORERS, -(-waiting // ROWS))
        if answers and look(connection, PARTITION.predictions).entries >= done:
            return
        time.sleep(_TOP_UP_EVERY_S)


def _of_width(run: Run, connection: Connection, width: int, expected: int) -> float:
    model, entries = make_model(run.seed, width), int(expected * run.seconds / ROWS)
    run.reset(connection, model)
    fill = Fill(connection, PARTITION.records, model, ROWS, run.seed)
    fill.warm(entries)
    fill.add(entries)
    with run.scorer():
        wait_for_answers(connection, PARTITION.predictions, 1)
        return answer_rate(connection, PARTITION.predictions, entries) * ROWS
