"""README, followed from its first command to its last."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.docs.code_blocks import CHECKOUT
from tests.docs.page_runner import PageRunner


def test_the_commands_and_the_python_of_the_readme_run(raisin_csv: Path, tmp_path: Path) -> None:
    shutil.copy(raisin_csv, tmp_path / "raisin.csv")
    with PageRunner(tmp_path) as reader:
        ran = reader.run_page(CHECKOUT / "README.md")
        assert "grain-1" in reader.said
    assert {block.language for block in ran} >= {"console", "python"}
    assert (tmp_path / "report.html").stat().st_size > 100_000
