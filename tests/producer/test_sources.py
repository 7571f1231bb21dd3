from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import DataError
from core.number import all_decimal
from producer.lines import MAX_LINE_BYTES, Lines
from producer.sources import Format, SourceRow, _json_values, open_source


def rows_of(
    path: Path, named: Format | None = None, id_column: str | None = None, label_column: str | None = None
) -> list[SourceRow]:
    with open_source(str(path), format=named, id_column=id_column, label_column=label_column) as source:
        return list(source)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "rows.csv"


def test_csv_cells_are_passed_on_as_they_stand(file: Path) -> None:
    file.write_bytes("a,b\n 1 ,nan\n,\n1e5,ü\n".encode())
    assert [row.values for row in rows_of(file)] == [
        {"a": b" 1 ", "b": b"nan"},
        {"a": b"", "b": b""},
        {"a": b"1e5", "b": "ü".encode()},
    ]


def test_byte_order_mark_crlf_and_blank_lines_are_accepted(file: Path) -> None:
    file.write_bytes(b'\xef\xbb\xbf\r\na,b\r\n\r\n1,"2\r\n3"\r\n4,5\r\n')
    rows = rows_of(file)
    assert [row.values for row in rows] == [{"a": b"1", "b": b"2\r\n3"}, {"a": b"4", "b": b"5"}]
    assert rows[1].line == 6


def test_unnamed_and_reserved_columns_are_no_features(file: Path) -> None:
    file.write_text("_id,a,,_ts,_x,_y\nr-1,1,2,3,4,0\n,5,6,,7,\n")
    assert rows_of(file) == [
        SourceRow(2, {"a": b"1"}, b"r-1", b"3", b"0"),
        SourceRow(3, {"a": b"5"}, None, None, None),
    ]


def test_named_columns_are_no_features(file: Path) -> None:
    file.write_text("key,a,Class\nr-1,1,Besni\n")
    assert rows_of(file, id_column="key", label_column="Class") == [
        SourceRow(2, {"a": b"1"}, b"r-1", None, b"Besni")
    ]


def test_a_short_row_lacks_its_last_features(file: Path) -> None:
    file.write_text("a,b\n1\n")
    assert [row.values for row in rows_of(file)] == [{"a": b"1"}]


def test_json_numbers_keep_their_text_and_the_rest_becomes_text(file: Path) -> None:
    file.write_text(
        '{"a": 1.50, "_n": 3, "b": 1234567890123456.12, "c": null, "d": true, "e": [1, {"f": 2}], "g": "1,5"}\n'
        '\n{"a": NaN, "b": -Infinity, "c": 0.1, "_id": 17, "_y": "Besni", "_ts": 5}\n'
    )
    first, second = rows_of(file, "jsonl")
    assert first == SourceRow(
        1,
        {
            "a": b"1.50",
            "b": b"1234567890123456.12",
            "c": b"null",
            "d": b"true",
            "e": b'[1, {"f": 2}]',
            "g": b"1,5",
        },
    )
    assert second == SourceRow(3, {"a": b"NaN", "b": b"-Infinity", "c": b"0.1"}, b"17", b"5", b"Besni")


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers())
def test_every_json_number_is_a_number_on_the_wire(number: float) -> None:
    (value,) = _json_values(Lines(io.BytesIO(), "test"), json.dumps({"a": number})).values()
    assert all_decimal((value,))
    assert type(number)(value.decode()) == number


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"", "is empty; give"),
        ("a.csv", b"\xef\xbb\xbf", "is empty; give"),
        ("a.csv", b"\n \n", "is empty; give"),
        ("a.csv", b"a,b\n", "no rows"),
        ("a.csv", b"a,b\n1,2\n1,2,3\n", "line 3 has 3 values for 2 columns"),
        ("a.csv", b"a,a\n1,2\n", "column 'a' occurs twice"),
        ("a.csv", b"a,b\r1,2\r", "ends its lines with CR alone"),
        ("a.csv", b"a" * 140_000 + b",b\n1,2\n", "line 1 is not CSV"),
        ("a.csv", b"a;b\n1;2\n", "by semicolons; separate them by commas"),
        ("a.csv", b"a\tb\n1\t2\n", "by tabs; separate them by commas"),
        ("a.csv", b"1,2\n3,4\n", "numbers in its first line; put a header"),
        ("a.csv", b"7,7\n3,4\n", "numbers in its first line; put a header"),
        ("a.csv", b'a,b\n1,"2\n', "is not CSV"),
        ("a.csv", b"a,b\n1,2\n\xff,3\n", "line 3 is not UTF-8"),
        ("a.csv", b"a\n" + b"1" * (MAX_LINE_BYTES + 1), "line 2 is longer than"),
        ("a.jsonl", b'{"a": 1}\n[1]\n', "line 2 is no JSON object"),
        ("a.ndjson", b'{"a": 1}\n{"a": 1\n', "line 2 is no JSON object"),
        ("a.json", b'[\n{"a": 1}]\n', "line 1 is no JSON object"),
        ("a.json", b'{"a": "\\ud800"}\n', "line 1 is no JSON object"),
        ("a.json", b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n", "line 1 is no JSON object"),
    ],
)
def test_a_file_that_is_not_what_it_says_ends_with_one_sentence(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=words) as raised:
        rows_of(path)
    assert "\n" not in str(raised.value)


def test_columns_that_are_numbered_from_0_have_these_names(file: Path) -> None:
    file.write_text("0,1,2\n7,8,9\n")
    assert [row.values for row in rows_of(file)] == [{"0": b"7", "1": b"8", "2": b"9"}]


def test_rows_before_a_broken_line_are_given_first(file: Path) -> None:
    file.write_text("a\n1\n2\n3,4\n")
    seen = []
    with open_source(str(file)) as source, pytest.raises(DataError, match="line 4"):
        seen += [row.values["a"] for row in source]
    with open_source(str(file)) as source:
        rows = iter(source)
        assert [next(rows).values["a"], next(rows).values["a"]] == [b"1", b"2"]


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
@pytest.mark.parametrize("option", ["id_column", "label_column"])
def test_a_missing_column_is_a_sentence_that_lists_those_there_are(tmp_path: Path, name: str, option: str) -> None:
    path = tmp_path / name
    path.write_text("a,b\n1,2\n" if name == "rows.csv" else '{"a": 1, "b": 2}\n')
    with (
        pytest.raises(DataError, match=r"has no .*'c'; give --(id|label) one of 'a', 'b'"),
        open_source(str(path), **{option: "c"}) as source,  # type: ignore[arg-type]  # one option or the other
    ):
        next(iter(source))


def test_missing_files_and_directories_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no file"):
        rows_of(tmp_path / "none.csv")
    with pytest.raises(DataError, match="is a directory"):
        rows_of(tmp_path)


@pytest.mark.parametrize(
    ("content", "told"), [(b'\n  {"a": 1}\n', "jsonl"), (b"a\n1\n", "csv"), (b'\xef\xbb\xbf{"a": 1}', "jsonl")]
)
def test_standard_input_is_told_by_its_first_byte(
    monkeypatch: pytest.MonkeyPatch, content: bytes, told: str
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    with open_source("-") as source:
        assert source.format == told
        assert [row.values for row in source] == [{"a": b"1"}]


def test_reading_starts_before_the_file_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: object) -> int:
            memoryview(buffer)[:8] = b'{"a":1}\n'  # type: ignore[arg-type]  # any writable buffer
            return 8

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(Endless())))
    with open_source("-") as source:
        rows = iter(source)
        assert [next(rows).line for _ in range(3)] == [1, 2, 3]
