from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import DataError
from trainer.table import Table, read_table

GOOD = "a,b,kind\n" + "".join(f"{row},{row * 0.5},{'yes' if row % 2 else 'no'}\n" for row in range(10))

Writer = Callable[[str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Writer:
    def written(content: str | bytes) -> Path:
        path = tmp_path / "rows.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return written


def test_raisin_is_read_as_the_reference_has_it(raisin: Table) -> None:
    assert raisin.x.shape == (900, 7)
    assert raisin.features[0] == "Area"
    assert raisin.classes == ("Kecimen", "Besni")
    assert int(raisin.y.sum()) == 450
    assert raisin.x[0].tolist() == [
        87524.0, 442.2460114, 253.291155, 0.819738392, 90546.0, 0.758650579, 1184.04,
    ]  # fmt: skip


def test_byte_order_mark_line_ends_quotes_and_blank_lines_do_not_matter(write: Writer) -> None:
    plain = read_table(write(GOOD), "kind")
    windows = "\ufeff" + GOOD.replace("\n", "\r\n").replace("yes", '"yes"') + "\r\n"
    dressed = read_table(write(windows), "kind")
    assert dressed.features == plain.features == ("a", "b")
    assert np.array_equal(dressed.x, plain.x)
    assert np.array_equal(dressed.y, plain.y)


def test_the_label_may_stand_in_any_column(write: Writer) -> None:
    rows = "".join(f"{'u' if row < 5 else 'v'},{row}\n" for row in range(10))
    table = read_table(write("_kind,a\n" + rows), "_kind")
    assert table.features == ("a",)
    assert table.y.tolist() == [0] * 5 + [1] * 5


@pytest.mark.parametrize(
    ("values", "positive", "classes", "chosen_by", "first_row"),
    [
        (("no", "yes"), None, ("no", "yes"), "alphabet", 0),
        (("no", "yes"), "no", ("yes", "no"), "caller", 1),
        (("1", "0"), None, ("0", "1"), "value", 1),
        (("1.0", "0.0"), None, ("0", "1"), "value", 1),
        (("1", "0"), "0", ("1", "0"), "caller", 0),
        (("1", "0"), "1.0", ("0", "1"), "caller", 1),
        (("-1", "1"), None, ("-1", "1"), "alphabet", 0),
    ],
)
def test_which_value_is_class_1_and_who_said_so(
    write: Writer,
    values: tuple[str, str],
    positive: str | None,
    classes: tuple[str, str],
    chosen_by: str,
    first_row: int,
) -> None:
    rows = "".join(f"{row},{values[row % 2]}\n" for row in range(10))
    table = read_table(write("a,kind\n" + rows), "kind", positive)
    assert table.classes == classes
    assert table.positive_chosen_by == chosen_by
    assert table.y.tolist() == [first_row, 1 - first_row] * 5
    assert table.class_note.startswith(f"{classes[1]!r} is class 1")


def replaced(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xff\xfea\x00", "is not UTF-8 text; save it"),
        ("", "is empty; give a CSV file"),
        ("\n\n", "is empty; give a CSV file"),
        ("a,b,kind\n", "has a header but no rows"),
        ("a,b\n1,2\n", "has no column 'kind'; give --label one of 'a', 'b'"),
        ("kind\nyes\n", "has no column beside 'kind'"),
        ("a;b;kind\n1;2;yes\n", "has no column 'kind'; give --label one of 'a;b;kind'"),
        ("a,a,kind\n1,2,yes\n", "column 'a' occurs twice"),
        ("a,kind,kind\n1,2,yes\n", "column 'kind' occurs twice"),
        (replaced("yes", "no"), "must hold two classes, not 1 ('no'); add rows of the other class"),
        (replaced("1,0.5,yes", "1,0.5,maybe"), "not 3 ('maybe', 'no', 'yes'); name the column"),
        (replaced("1,0.5,yes", "1,0.5,"), "line 3 has no label in column 'kind'"),
        (replaced("1,0.5,yes", "1,abc,yes"), "line 3, column 'b' holds 'abc'; write a plain decimal number"),
        (replaced("1,0.5,yes", "1,,yes"), "line 3, column 'b' is empty; write"),
        (replaced("1,0.5,yes", "1,nan,yes"), "line 3, column 'b' holds 'nan'; write a finite number"),
        (replaced("1,0.5,yes", "1,-inf,yes"), "line 3, column 'b' holds '-inf'; write a finite number"),
        (replaced("1,0.5,yes", "1,1e999,yes"), "line 3, column 'b' holds '1e999'; write a finite number"),
        (replaced("1,0.5,yes", "1, 0.5,yes"), "line 3, column 'b' holds ' 0.5'; write a plain"),
        (replaced("1,0.5,yes", "1,1_0,yes"), "line 3, column 'b' holds '1_0'; write a plain"),
        (replaced("1,0.5,yes", "1,٣,yes"), "line 3, column 'b' holds"),
        (replaced("1,0.5,yes", '1,"1\n2",yes'), "line 4, column 'b' holds"),
        (replaced("1,0.5,yes", "1,0.5"), "line 3 has 2 values for 3 columns"),
        (replaced("1,0.5,yes", "1,0.5,yes,"), "line 3 has 4 values for 3 columns"),
        (replaced("1,0.5,yes", '1,0.5,"yes'), "is not CSV"),
        (replaced("a,b", "a,_b"), "feature name '_b' must be non-empty, without a leading underscore"),
        (replaced("a,b", "a,"), "feature name '' must be non-empty"),
        (GOOD[: GOOD.index("8,")], "too few rows of class 'no' (4); add rows until it has 5"),
    ],
)
def test_each_fault_of_a_file_is_one_sentence(write: Writer, content: str | bytes, says: str) -> None:
    with pytest.raises(DataError) as caught:
        read_table(write(content), "kind")
    message = str(caught.value)
    assert says in message
    assert "rows.csv" in message
    assert "\n" not in message


def test_a_missing_file_and_a_directory_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no file"):
        read_table(tmp_path / "none.csv", "kind")
    with pytest.raises(DataError, match="is a directory"):
        read_table(tmp_path, "kind")


def test_a_positive_value_that_never_occurs_is_named(write: Writer) -> None:
    with pytest.raises(DataError, match="--positive 'oui' is no value of column 'kind'; give 'no', 'yes'"):
        read_table(write(GOOD), "kind", "oui")


def test_a_table_checks_its_shapes() -> None:
    with pytest.raises(DataError, match="do not fit"):
        Table(("a", "b"), np.zeros((3, 1)), np.zeros(3, dtype=np.uint8))
    with pytest.raises(DataError, match="_a"):
        Table(("_a",), np.zeros((3, 1)), np.zeros(3, dtype=np.uint8))


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=10, max_size=30))
def test_every_finite_number_reads_back_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory, values: list[float]
) -> None:
    path = tmp_path_factory.mktemp("table") / "rows.csv"
    path.write_text("a,kind\n" + "".join(f"{value!r},{row % 2}\n" for row, value in enumerate(values)))
    assert read_table(path, "kind").x[:, 0].tobytes() == np.array(values).tobytes()
