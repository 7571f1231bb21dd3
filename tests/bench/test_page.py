"""The page's tables hold the rows of a run, and the rest of the page stays."""

from __future__ import annotations

import pytest

from bench.page import PAGE, with_figures
from bench.report import Document, Result

RUN = Document(
    "python -m bench",
    0,
    {"python": "3.11"},
    {"cores": "2"},
    [
        Result("plain records", 30_000.0, "records/s", "peer", 10_000.0, 3.0, 4.0, False),
        Result("memory", 50.0, "MiB", target=64.0, met=True),
    ],
)


def test_a_place_is_filled_with_the_rows_whose_name_begins_so_and_the_rest_stays() -> None:
    page = "Before.\n<!-- figures: plain -->\nold\n<!-- end of figures -->\nAfter.\n"
    assert with_figures(page, RUN) == (
        "Before.\n<!-- figures: plain -->\n"
        "| what | figure | beside | its figure | ratio | target | met |\n"
        "| --- | --- | --- | --- | --- | --- | --- |\n"
        "| plain records | 30,000 records/s | peer | 10,000 | 3.00x | at least 4 | **no** |\n"
        "<!-- end of figures -->\nAfter.\n"
    )


def test_columns_that_nobody_fills_are_left_out() -> None:
    page = with_figures("<!-- figures: memory -->\n<!-- end of figures -->", RUN)
    assert "| memory | 50 MiB | at most 64 | yes |" in page


def test_the_run_itself_has_a_place() -> None:
    page = with_figures("<!-- figures: run -->\n<!-- end of figures -->", RUN)
    assert "`python -m bench`: python 3.11; cores 2." in page


def test_filling_twice_is_filling_once() -> None:
    once = with_figures("<!-- figures: plain | memory -->\n<!-- end of figures -->", RUN)
    assert with_figures(once, RUN) == once


def test_a_place_without_rows_is_an_error() -> None:
    with pytest.raises(ValueError, match="no row that begins with 'latency'"):
        with_figures("<!-- figures: latency -->\n<!-- end of figures -->", RUN)


def test_every_figure_of_the_page_has_a_place() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text.count("<!-- figures: ") == text.count("<!-- end of figures -->") > 0
