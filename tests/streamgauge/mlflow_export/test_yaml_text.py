from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.mlflow_export.yaml_text import document, quoted, scalar_text, top_level_lines


@given(st.text())
def test_a_quoted_text_is_one_printable_line_that_reads_back(text: str) -> None:
    written = quoted(text)
    assert written.isascii()
    assert written.isprintable()
    assert scalar_text(written) == text


@given(st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs", "Cc"])))
def test_json_reads_it_as_well(text: str) -> None:
    assert json.loads(quoted(text)) == text


@pytest.mark.parametrize(
    ("written", "text"),
    [("plain", "plain"), ("'it''s'", "it's"), ('"a\\tb\\x41"', "a\tbA"), ("''", ""), ("'", "'"), ("", "")],
)
def test_scalars_as_other_programs_write_them(written: str, text: str) -> None:
    assert scalar_text(written) == text


def test_a_document_reads_back_line_by_line() -> None:
    text = document({"name": "a: b", "status": 3, "end_time": None, "tags": {"x.y": "é"}, "none": {}})
    assert text == 'name: "a: b"\nstatus: 3\nend_time: null\ntags:\n  "x.y": "\\u00E9"\nnone: {}\n'
    assert top_level_lines(text) == {
        "name": '"a: b"',
        "status": "3",
        "end_time": "null",
        "tags": "",
        "none": "{}",
    }
