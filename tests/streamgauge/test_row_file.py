"""``python -m streamgauge.demo.row_file``: rows like Raisin's for who has no such file."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamgauge.demo.raisin_like import FEATURES
from streamgauge.demo.row_file import LABEL, main


def test_it_writes_the_columns_of_raisin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["row_file", str(tmp_path / "rows.csv")])
    assert main() == 0
    header, *rows = (tmp_path / "rows.csv").read_text(encoding="utf-8").splitlines()
    assert header == ",".join([*FEATURES, LABEL])
    assert len(rows) == 900


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "name one"),
        (["missing/rows.csv"], "missing/rows.csv cannot be written"),
        (["raisin.csv"], "raisin.csv is there already"),
    ],
)
def test_a_slip_is_one_sentence(
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "raisin.csv").write_text("the real one\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["row_file", *arguments])
    assert main() == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1
    assert (tmp_path / "raisin.csv").read_text() == "the real one\n"
