"""The drift tables of the page are those of a run, and the rest of the page stays."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bench import report as report_module
from bench.drift import page as page_module
from bench.drift.page import main, unplaced, with_tables
from bench.drift.short_table import ShortTable
from bench.drift.tables import DriftDocument, DriftReport
from bench.page import PAGE

TABLE = ShortTable("rates", ("watcher", "alarms"), (("mean |z|", "400"),), "A note.")
MARKDOWN = "| watcher | alarms |\n| --- | --- |\n| mean \\|z\\| | 400 |\n\nA note."
RUN = DriftDocument("python -m bench.drift", 0, {"numpy": "2"}, {"cores": "2"}, [], tables=(TABLE,))
PLACE = "<!-- drift: rates -->\n<!-- end of drift -->"


def test_a_place_is_filled_with_the_table_of_its_name_and_the_rest_stays() -> None:
    filled = f"Before.\n<!-- drift: rates -->\n{MARKDOWN}\n\n<!-- end of drift -->\nAfter.\n"
    assert with_tables(f"Before.\n{PLACE}\nAfter.\n", [RUN]) == filled
    assert with_tables(filled, [RUN]) == filled


def test_parts_that_ran_apart_fill_one_page_and_the_later_one_decides() -> None:
    later = msgspec.structs.replace(RUN, tables=(ShortTable("rates", ("new",), (("cell",),)),))
    assert "| cell |" in with_tables(PLACE, [RUN, later])
    both = with_tables("<!-- drift: run -->\n<!-- end of drift -->", [RUN, later])
    assert both.count("`python -m bench.drift`: numpy 2; cores 2. Seed 0.") == 2


def test_a_place_without_a_table_is_an_error_and_a_table_without_a_place_is_said() -> None:
    with pytest.raises(ValueError, match="no run has the table 'speed'"):
        with_tables("<!-- drift: speed -->\n<!-- end of drift -->", [RUN])
    assert unplaced("", [RUN]) == ["rates"]
    assert unplaced(PLACE, [RUN]) == []


def test_a_report_is_written_with_its_tables_and_fills_a_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(report_module, "OUT", tmp_path)
    monkeypatch.setattr(page_module, "PAGE", tmp_path / "page.md")
    (tmp_path / "page.md").write_text(PLACE)
    report = DriftReport("drift", "command", 0)
    report.add_table(TABLE)
    report.show()
    assert "mean |z|" in capsys.readouterr().out
    assert main([str(report.write())]) == 0
    assert MARKDOWN in (tmp_path / "page.md").read_text()
    assert main([str(tmp_path / "none.json")]) == 2
    assert "run make bench-drift" in capsys.readouterr().err


def test_every_place_of_the_page_is_closed() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text.count("<!-- drift: ") == text.count("<!-- end of drift -->")
