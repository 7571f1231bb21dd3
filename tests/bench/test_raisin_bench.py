"""The ten-fold figures of "what is published": a short form of ``python -m bench.raisin``."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.raisin.__main__ import LEAST_ACCURACY, MOST_CALIBRATION_ERROR
from bench.raisin.ten_fold import ours, scikit_learn
from trainer.table import read_table


def test_five_seeds_reach_the_targets_and_one_equals_scikit_learn(raisin_csv: Path) -> None:
    table = read_table(raisin_csv, "Class", positive="Besni")
    found = [ours(table, seed) for seed in range(5)]
    assert 100 * sum(each.accuracy for each in found) / 5 >= LEAST_ACCURACY
    assert max(each.calibration_error for each in found) <= MOST_CALIBRATION_ERROR
    assert all(0.02 < each.floor < 0.04 for each in found)
    peer = scikit_learn(table, 0)
    assert found[0].accuracy == peer.accuracy
    assert found[0].log_loss == pytest.approx(peer.log_loss, abs=1e-6)
    assert found[0].calibration_error == pytest.approx(peer.calibration_error, abs=1e-6)
