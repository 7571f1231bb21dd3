"""``streamgauge fit --blocks`` as a user runs it, and the sentence that leads there."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import DataError
from streamgauge.commands import models

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_a_file_is_fitted_in_blocks_and_its_run_is_used_like_any_other(run: Run, raisin_csv: Path) -> None:
    asked = (raisin_csv, "--label", "Class", "--positive", "Besni")
    answer = run("fit", *asked, "--blocks")
    assert answer.returncode == 0, answer.stderr
    for words in ("'Besni' is class 1 (as asked)", "train ", "drift: about 19 of 20", "promoted: "):
        assert words in answer.stdout
    swept = run("threshold", "--json")
    assert swept.returncode == 0, swept.stderr
    again = run("fit", *asked, "--blocks", "--json")
    report = json.loads(again.stdout)
    assert (report["promoted"], report["rows"], report["against"]) == (
        False,
        900,
        json.loads(swept.stdout)["run_id"],
    )


def test_another_solver_is_one_sentence(run: Run, raisin_csv: Path) -> None:
    answer = run("fit", raisin_csv, "--label", "Class", "--blocks", "--solver", "sgd")
    assert answer.returncode == 2
    assert len(answer.stderr.strip().splitlines()) == 1
    assert "leave out --blocks" in answer.stderr


def test_too_little_memory_leads_to_blocks(
    raisin_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("trainer.commands.read_table", full)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"needs more memory than there is; say --blocks"):
        models.fit(raisin_csv, "Class")
