"""Each family stands with its best variant at the rate, and we are compared with the best of all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bench.drift.peer_table import FAMILIES, best_of, delay_table, rate_table
from bench.drift.peers.job import Outcome
from bench.drift.run_length import Delays, RunLengths

RATE = RunLengths(np.full(400, 10_000), 4_000_000)


def outcome(name: str, **records: float) -> Outcome:
    """Ten runs of each change, all of so many records."""
    delays = {
        change: Delays(np.full(10, mean), np.ones(10, dtype=np.bool_), 0) for change, mean in records.items()
    }
    return Outcome(name, 1.0, tuned=True, in_control=RATE, delays=delays)


OURS = outcome("streamgauge, same rate", shift=20, camera=400)
DEFAULT = outcome("streamgauge", shift=25, camera=500)
PEERS = [
    outcome("ADWIN, clock 32", shift=60, camera=256),
    outcome("ADWIN, clock 1", shift=47, camera=300),
    outcome("Page-Hinkley, delta 0.1", shift=70, camera=419),
    outcome("Page-Hinkley, delta 0.25", shift=78, camera=3_347),
    outcome("always fire", shift=10_000, camera=10_000),
]


def test_the_best_variant_of_a_family_may_be_another_in_each_row() -> None:
    assert {family: best.name for family, best in best_of(PEERS, "shift").items()} == {
        "ADWIN": "ADWIN, clock 1",
        "Page-Hinkley": "Page-Hinkley, delta 0.1",
        "always fire": "always fire",
    }
    assert best_of(PEERS, "camera")["ADWIN"].name == "ADWIN, clock 32"


def test_a_variant_that_is_not_at_the_rate_is_not_compared() -> None:
    eager = replace(outcome("ADWIN, clock 1", shift=1, camera=1), tuned=False)
    assert best_of([PEERS[0], eager], "shift")["ADWIN"].name == "ADWIN, clock 32"
    assert best_of([eager], "shift") == {}


def test_a_variant_whose_runs_all_alarmed_before_the_change_is_not_compared() -> None:
    none = Delays(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.bool_), 10)
    assert best_of([replace(PEERS[0], delays={"shift": none})], "shift") == {}


def test_who_is_ahead_of_the_best_of_all_is_said_and_by_how_much() -> None:
    table = delay_table("peers", DEFAULT, OURS, PEERS, "note")
    assert table.columns == (
        "change",
        "streamgauge, same rate",
        *FAMILIES,
        "ratio to the best",
        "ahead",
        "streamgauge",
    )
    shift, camera = (dict(zip(table.columns, row, strict=True)) for row in table.rows)
    assert (shift["ADWIN"], shift["always fire"], shift["KS"]) == ("47, clock 1", "10,000", "")
    assert (shift["ratio to the best"], shift["ahead"], shift["streamgauge"]) == ("0.43x", "yes", "25")
    assert camera["Page-Hinkley"] == "419, delta 0.1"
    assert (camera["ratio to the best"], camera["ahead"]) == ("1.56x", "NO")


def test_without_a_peer_nobody_is_ahead() -> None:
    for row in delay_table("peers", DEFAULT, OURS, [], "note").rows:
        assert row[-3:-1] == ("", "")


def test_each_variant_stands_with_its_measured_run_length() -> None:
    (first, *_) = rate_table("rates", [OURS, *PEERS], "note").rows
    assert first == ("streamgauge, same rate", "budget 1", "10,000", "400", "yes")
    assert len(rate_table("rates", PEERS, "note").rows) == len(PEERS)
