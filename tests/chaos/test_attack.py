"""The attack suite in short: each kind of fault once, a failover, and a run that keeps little; all proofs hold."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from bench.chaos.attack import attack
from bench.chaos.failover import failover
from bench.chaos.retention import retention
from bench.chaos.schedule import KINDS
from bench.chaos.verdict import Verdict

SEED = 20_260

pytestmark = pytest.mark.timeout(300)  # a run that hangs says itself what it waited for, after two minutes


def _quiet(_share: float, _what: str) -> None:
    """Nobody watches."""


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Future[Verdict]]:
    """The three cases side by side: each waits for its processes most of the time."""
    with ThreadPoolExecutor() as threads:
        return {
            "attack": threads.submit(
                attack, SEED, 20_000, len(KINDS), 0.15, tmp_path_factory.mktemp("attack"), _quiet
            ),
            "failover": threads.submit(failover, SEED, 1, tmp_path_factory.mktemp("failover"), _quiet),
            "retention": threads.submit(
                retention, SEED, 40_000, 5, 3.0, tmp_path_factory.mktemp("retention"), _quiet
            ),
        }


def assert_kept(verdict: Verdict) -> None:
    assert not verdict.violations, verdict.explain()
    assert sum(finding.met is True for finding in verdict.findings) >= 10


def test_every_kind_of_fault_loses_nothing_doubles_nothing_and_leaves_nobody_dead(
    verdicts: dict[str, Future[Verdict]],
) -> None:
    assert_kept(verdicts["attack"].result())


def test_a_lagging_replica_that_takes_over_keeps_what_is_promised(verdicts: dict[str, Future[Verdict]]) -> None:
    assert_kept(verdicts["failover"].result())


def test_little_is_kept_and_nothing_unread_is_lost(verdicts: dict[str, Future[Verdict]]) -> None:
    assert_kept(verdicts["retention"].result())
