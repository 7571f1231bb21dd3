"""Rows of a file become the records that a push of the file would make."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.entry import Entry
from core.errors import DataError
from core.model import LogisticModel
from core.record_decoder import RecordDecoder
from core.schema import Schema
from core.scoring import score_batch
from producer.record import plain_fields
from producer.sources import open_source
from streamgauge.drift.source import line_of, open_rows

MODEL = LogisticModel(Schema(("a", "b")), np.array([1.0, -1.0]), 0.0, np.zeros(2), np.ones(2))
MAX_ENTRY_BYTES = 4_000

Rows = list[tuple[int, list[float] | str]]

numbers = st.floats(width=32).map(repr) | st.sampled_from(
    ["1", "-0", "+2", "007", ".5", "1e300", "-1.5E3", " 1", ""]
)
cells = numbers | st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=5)
rows = st.lists(cells, min_size=1, max_size=4)
clean_rows = st.lists(st.integers(-9, 9).map(str), min_size=4, max_size=4)


def decoded(path: Path) -> Rows:
    """Line and values of each usable row, line and reason of each other one, as this project's source says."""
    decoder = RecordDecoder(MODEL.schema, MAX_ENTRY_BYTES)
    found: Rows = []
    with open_rows(path) as source:
        for placed in source.entries(MODEL, MAX_ENTRY_BYTES):
            batch = score_batch(MODEL, decoder.decode([item.entry for item in placed])).batch
            for held in batch.entries:
                first = int(held.entry.id.split(b"-")[1])
                found += [(first + row, batch.x[held.start + row].tolist()) for row in held.row_numbers()]
            found += [(int(refused.record.split(b"-")[1]), refused.reason) for refused in batch.rejections]
        assert source.rows_read == len(found)
        assert source.bytes_read == path.stat().st_size
    return sorted(found, key=lambda each: each[0])


def pushed(path: Path) -> Rows:
    """The same, row by row as ``streamgauge produce`` sends them."""
    found: Rows = []
    with open_source(str(path), format="csv") as source:
        for row in source:
            decoder = RecordDecoder(MODEL.schema, MAX_ENTRY_BYTES)
            fields = plain_fields(row.values, row.id, row.event_time, row.label)
            entry_id = b"1-%d" % row.line
            batch = score_batch(MODEL, decoder.decode([Entry(entry_id, fields)])).batch
            found += [(row.line, x) for x in batch.x.tolist()]
            found += [(row.line, refused.reason) for refused in batch.rejections]
    return found


def outcome(read: Callable[[Path], Rows], path: Path) -> Rows | str:
    """The rows, or why there are none; the advice behind it may be another."""
    try:
        return read(path)
    except DataError as error:
        return str(error).partition(";")[0]


def expect_alike(path: Path) -> None:
    """Both read the same rows, or refuse the file for the same reason."""
    assert outcome(decoded, path) == outcome(pushed, path)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    table=st.lists(clean_rows | clean_rows | rows, min_size=1, max_size=30),
    line_end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    header=st.sampled_from(
        [["a", "b", "c", "d"], ["c", "b", "", "a"], ["_x", "a", "_y", "b"], ["a", "b", "_id", "_ts"]]
    ),
    ends=st.booleans(),
    chunk_bytes=st.sampled_from([20, 60, 4_096]),
)
def test_every_row_is_read_as_it_would_be_pushed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    table: list[list[str]],
    line_end: str,
    quoting: int,
    header: list[str],
    ends: bool,
    chunk_bytes: int,
) -> None:
    monkeypatch.setattr("streamgauge.drift.source.CHUNK_BYTES", chunk_bytes)
    text = io.StringIO()
    csv.writer(text, lineterminator=line_end, quoting=quoting).writerows([header, *table])  # type: ignore[arg-type]
    path = tmp_path / "rows.csv"
    path.write_bytes(text.getvalue().encode()[: None if ends else -len(line_end)])
    expect_alike(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"a,b\n",
        b"\n\n",
        b"a,b,a\n1,2,3\n",
        b"a,b\n1,2\n1,2,3\n",
        b'a,b\n1,2\n1,"2\n',
        b"a,b\n1,2\n1,\xff\n",
        b"a,b\n1,2\r3,4\n",
        b"a,b\n1,2\n",
        b"\xef\xbb\xbfa,b\r\n1,2\r\n\r\n3,4",
        b"a,b\n1,2\n" + b"3,4\n" * 5_000 + b"5," + b"6" * 3_999 + b"\n7,8\n",
    ],
    ids=["empty", "header", "blank", "twice", "long", "quote", "bytes", "return", "one", "mark", "large"],
)
def test_a_file_that_is_not_what_it_says_is_refused_as_a_push_refuses_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    expect_alike(path)


def test_rows_are_read_many_at_once(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("c,b,a\n" + "x,2,1\n" * 50_000)
    with open_rows(path) as source:
        entries = [item for placed in source.entries(MODEL, 2**20) for item in placed]
        assert source.rows_read == 50_000
    assert len(entries) < 20


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,c\n1,2\n")
    with open_rows(path) as source, pytest.raises(DataError, match="no column 'b'"):
        source.check_features(("a", "b"))


@pytest.mark.parametrize(("name", "word"), [("missing.csv", "no file"), (".", "directory")])
def test_a_file_that_cannot_be_opened_is_one_sentence(tmp_path: Path, name: str, word: str) -> None:
    with pytest.raises(DataError, match=word), open_rows(tmp_path / name):
        pass


def test_a_header_over_two_lines_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('a,"b\nc"\n1,2\n')
    with pytest.raises(DataError, match="several lines"), open_rows(path):
        pass


def test_the_line_of_a_record_is_told_from_its_id() -> None:
    assert [line_of("0-1-17-0"), line_of("0-1-17-5")] == [17, 22]
