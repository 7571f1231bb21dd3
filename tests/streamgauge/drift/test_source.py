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
from core.model import Floats, LogisticModel
from core.record_decoder import RecordDecoder
from core.schema import Schema
from core.scoring import score_batch
from producer.record import plain_fields
from producer.sources import open_source
from streamgauge.drift.source import line_of, open_rows

MODEL = LogisticModel(Schema(("a", "b")), np.array([1.0, -1.0]), 0.0, np.zeros(2), np.ones(2))
MAX_ENTRY_BYTES = 4_000

#: Line with values and label (None: not known), or with the reason of a row that cannot be used.
Rows = list[tuple[int, tuple[list[float], float | None] | str]]

numbers = st.floats(width=32).map(repr) | st.sampled_from(
    ["1", "-0", "+2", "007", ".5", "1e300", "-1.5E3", " 1", ""]
)
cells = numbers | st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=5)
rows = st.lists(cells, min_size=1, max_size=4)
clean_numbers = st.integers(-9, 9).map(str)
#: With a label where some of the headers below have one.
clean_rows = st.tuples(
    clean_numbers, clean_numbers, st.sampled_from(["0", "1", "1.0", "", "1"]), clean_numbers
).map(list)


def label_of(labels: Floats | None, row: int) -> float | None:
    """None where nothing is known."""
    return None if labels is None or np.isnan(labels[row]) else float(labels[row])


def decoded(path: Path, label: str | None) -> Rows:
    """Line, values and label of each usable row, line and reason of each other one, as this project reads them."""
    decoder = RecordDecoder(MODEL.schema, MAX_ENTRY_BYTES)
    found: Rows = []
    with open_rows(path, label) as source:
        for placed in source.entries(MODEL, MAX_ENTRY_BYTES):
            batch = score_batch(MODEL, decoder.decode([item.entry for item in placed])).batch
            for held in batch.entries:
                first = int(held.entry.id.split(b"-")[1])
                for place, row in enumerate(held.row_numbers()):
                    values = batch.x[held.start + place].tolist()
                    found.append((first + row, (values, label_of(held.labels, place))))
            found += [(int(refused.record.split(b"-")[1]), refused.reason) for refused in batch.rejections]
        assert source.rows_read == len(found)
        assert source.bytes_read == path.stat().st_size
    return sorted(found, key=lambda each: each[0])


def pushed(path: Path, label: str | None) -> Rows:
    """The same, row by row as ``streamgauge produce`` sends them."""
    found: Rows = []
    with path.open(encoding="utf-8-sig", newline="", errors="replace") as text:
        header = next(csv.reader(text), [])
    named = label if label in header and "_y" not in header else None
    with open_source(str(path), format="csv", label_column=named) as source:
        for row in source:
            decoder = RecordDecoder(MODEL.schema, MAX_ENTRY_BYTES)
            fields = plain_fields(row.values, row.id, row.event_time, row.label)
            entry_id = b"1-%d" % row.line
            batch = score_batch(MODEL, decoder.decode([Entry(entry_id, fields)])).batch
            found += [(row.line, (batch.x[0].tolist(), label_of(held.labels, 0))) for held in batch.entries]
            found += [(row.line, refused.reason) for refused in batch.rejections]
    return found


def outcome(read: Callable[[Path, str | None], Rows], path: Path, label: str | None) -> Rows | str:
    """The rows, or why there are none; the advice behind it may be another."""
    try:
        return read(path, label)
    except DataError as error:
        return str(error).partition(";")[0]


def expect_alike(path: Path, label: str | None = None) -> None:
    """Both read the same rows, or refuse the file for the same reason."""
    assert outcome(decoded, path, label) == outcome(pushed, path, label)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    table=st.lists(clean_rows | clean_rows | rows, min_size=1, max_size=30),
    line_end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    header=st.sampled_from(
        [["a", "b", "c", "d"], ["c", "b", "", "a"], ["_x", "a", "_y", "b"], ["a", "b", "_id", "_ts"]]
    ),
    label=st.sampled_from([None, "c", "_id"]),
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
    label: str | None,
    ends: bool,
    chunk_bytes: int,
) -> None:
    monkeypatch.setattr("streamgauge.drift.source.CHUNK_BYTES", chunk_bytes)
    text = io.StringIO()
    csv.writer(text, lineterminator=line_end, quoting=quoting).writerows([header, *table])  # type: ignore[arg-type]
    path = tmp_path / "rows.csv"
    path.write_bytes(text.getvalue().encode()[: None if ends else -len(line_end)])
    expect_alike(path, label)


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
        b"a,b\r1,2\r3,4\r",
        b'"a","b"\r1,2',
        b"a;b\n1;2\n",
        b"a\tb\n1\t2\n",
        b"7.5,2\n1,2\n",
        b"a,b\n1,2\n",
        b"\xef\xbb\xbfa,b\r\n1,2\r\n\r\n3,4",
        b"a,b\n1,2\n" + b"3,4\n" * 5_000 + b"5," + b"6" * 3_999 + b"\n7,8\n",
        b"a,b\n" + b"1,2\n" * 900,
    ],
    ids=[
        "empty",
        "header",
        "blank",
        "twice",
        "long",
        "quote",
        "bytes",
        "return",
        "cr",
        "quoted cr",
        "semicolon",
        "tab",
        "numbers",
        "one",
        "mark",
        "large",
        "short",
    ],
)
def test_a_file_that_is_not_what_it_says_is_refused_as_a_push_refuses_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    expect_alike(path)


@pytest.mark.parametrize(
    ("header", "row"),
    [("c,b,a", "x,2,1"), ("_y,b,a", "1,2,1"), ("b,a,good", "2,1,0"), ("b,_y,good,a", "2,,x,1")],
)
def test_rows_are_read_many_at_once_with_labels_and_without(tmp_path: Path, header: str, row: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(f"{header}\n" + f"{row}\n" * 50_000)
    with open_rows(path, "good") as source:
        entries = [item for placed in source.entries(MODEL, 2**20) for item in placed]
        assert source.rows_read == 50_000
    assert len(entries) < 20


def test_labels_that_nobody_asks_for_are_passed_over_many_at_once(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("_y,b,a\n" + "whatever,2,1\n" * 50_000)
    with open_rows(path) as source:
        entries = [item for placed in source.entries(MODEL, 2**20, labels=False) for item in placed]
        assert (source.rows_read, source.unknown_labels) == (50_000, 0)
    assert len(entries) < 20
    assert not any(b"_y" in item.entry.fields[::2] for item in entries)


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


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a,b\r1,2\r", r"rows\.csv ends its lines with CR alone; save it"),
        (b"a;b\n1;2\n", r"separates its columns by semicolons; separate them by commas"),
        (b"a\tb\n1\t2\n", r"separates its columns by tabs; separate them by commas"),
        (b"\n1.5,-2\n3,4\n", r"has numbers in its first line; put a header line"),
        (b"a" * 140_000 + b",b\n1,2\n", r"the header is not CSV .*; mend"),
    ],
    ids=["return", "semicolons", "tabs", "numbers", "long"],
)
def test_a_header_that_is_none_is_one_sentence_before_a_row_is_read(
    tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=words) as raised, open_rows(path):
        pass
    assert "\n" not in str(raised.value)


def test_the_line_of_a_record_is_told_from_its_id() -> None:
    assert [line_of("0-1-17-0"), line_of("0-1-17-5")] == [17, 22]
