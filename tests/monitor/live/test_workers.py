"""Who counts as working, silent or gone, on servers that tell it in two ways."""

from __future__ import annotations

import pytest

from monitor.live.partition_look import ConsumerLook
from monitor.live.workers import LEFT_FOR_MS, SILENT_MS, TRAINING_MS, Workers

LATER_MS = SILENT_MS + 1


def consumer(name: str, idle_ms: int, pending: int = 0, *, old_server: bool = False) -> ConsumerLook:
    return ConsumerLook(name.encode(), idle_ms, None if old_server else idle_ms, pending)


def states(
    workers: Workers,
    now_ms: int,
    *scorers: ConsumerLook,
    trainers: tuple[ConsumerLook, ...] = (),
    waiting_ms: int = 0,
    entries_per_s: float | None = None,
) -> dict[str, str]:
    views = workers.look(now_ms, scorers, trainers, waiting_ms=waiting_ms, entries_per_s=entries_per_s)
    return {view.name: view.state for view in views}


def test_one_that_has_not_asked_for_seconds_is_silent() -> None:
    assert states(Workers(), 0, consumer("a", 100), consumer("b", LATER_MS)) == {"a": "working", "b": "silent"}


def test_one_that_reads_several_partitions_is_one_worker() -> None:
    (view,) = Workers().look(
        0, [consumer("a", 9_000, 2), consumer("a", 10, 3)], [], waiting_ms=0, entries_per_s=None
    )
    assert (view.state, view.pending_entries, view.seen_s) == ("working", 5, 0.01)


def test_one_that_has_gone_is_told_for_ten_minutes() -> None:
    workers = Workers()
    states(workers, 0, consumer("a", 100), consumer("b", 100))
    assert states(workers, 1_000, consumer("a", 100)) == {"a": "working", "b": "left"}
    assert states(workers, LEFT_FOR_MS - 101, consumer("a", 100)) == {"a": "working", "b": "left"}
    assert states(workers, LEFT_FOR_MS, consumer("a", 100)) == {"a": "working"}


def test_one_that_comes_back_works_again() -> None:
    workers = Workers()
    states(workers, 0, consumer("a", 100))
    assert states(workers, 1_000) == {"a": "left"}
    assert states(workers, 2_000, consumer("a", 100)) == {"a": "working"}


def test_a_trainer_asks_for_nothing_while_it_trains() -> None:
    training, lost = consumer("a", TRAINING_MS - 1, 1), consumer("b", TRAINING_MS + 1, 1)
    found = states(Workers(), 0, trainers=(training, lost, consumer("c", LATER_MS)))
    assert found == {"a": "working", "b": "silent", "c": "silent"}


def test_an_old_server_takes_a_scorer_without_work_for_no_dead_one() -> None:
    workers = Workers()
    idle = consumer("a", 60_000, old_server=True)
    assert states(workers, 0, idle) == {"a": "working"}
    assert states(workers, 1_000) == {}, "others may have cleared it away, and it is made again"


@pytest.mark.parametrize(
    ("pending", "waiting_ms", "entries_per_s"), [(1, 0, None), (0, LATER_MS, None), (0, 0, 100.0)]
)
def test_an_old_server_shows_a_dead_scorer_by_what_it_does_not_do(
    pending: int, waiting_ms: int, entries_per_s: float | None
) -> None:
    workers = Workers()
    dead, alive = consumer("a", 2 * LATER_MS, pending, old_server=True), consumer("b", 10, old_server=True)
    found = states(workers, 0, dead, alive, waiting_ms=waiting_ms, entries_per_s=entries_per_s)
    assert found == {"a": "silent", "b": "working"}
    assert states(workers, 1_000, alive) == {"a": "left", "b": "working"}


def test_an_old_server_waits_for_the_turn_of_each_scorer_of_a_slow_stream() -> None:
    scorers = [consumer(str(number), LATER_MS + 1_000 * number, old_server=True) for number in range(4)]
    assert set(states(Workers(), 0, *scorers, entries_per_s=0.5).values()) == {"working"}
