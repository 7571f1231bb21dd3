"""The demo tells the whole story on real processes, and its figures are those of the stream."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

Run = Callable[..., subprocess.CompletedProcess[str]]


def accuracy(output: str, when: str) -> float:
    found = re.search(rf"{when}\s*│\s*[0-9a-f]{{12}}\s*│\s*([0-9.]+)", output)
    assert found, output
    return float(found.group(1))


def books(output: str) -> list[int]:
    found = re.search(r"│\s+(\d+) │\s+(\d+) │\s+(\d+) │\s+(\d+) │\s+(\d+) │", output)
    assert found, output
    return [int(number) for number in found.groups()]


def test_the_story_on_the_real_file_with_the_default_seed(run: Run, raisin_csv: Path) -> None:
    answer = run("demo", "--data", raisin_csv, "--no-page")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert answer.stderr == ""
    assert accuracy(answer.stdout, "before the drift") >= 0.85
    assert accuracy(answer.stdout, "during the drift") <= 0.75
    assert accuracy(answer.stdout, "after the promotion") >= 0.84
    pushed, scored, rejected, duplicated, lost = books(answer.stdout)
    assert pushed == scored + rejected
    assert (rejected, duplicated, lost) == (3, 0, 0)


def test_without_a_file_the_first_line_says_that_rows_are_drawn(run: Run) -> None:
    answer = run("demo", "--records", "900", "--seed", "7")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert answer.stdout.splitlines()[0].startswith("Drawn data: 900 rows from Gaussians")
    assert "http://127.0.0.1:" in answer.stdout
    pushed, scored, rejected, duplicated, lost = books(answer.stdout)
    assert (pushed, duplicated, lost) == (scored + rejected, 0, 0)
