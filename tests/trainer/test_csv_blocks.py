"""A CSV file in blocks, against the same file read whole."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from core.errors import DataError
from core.profile import profile_rows
from trainer.csv_blocks import csv_blocks
from trainer.solvers.base import Problem
from trainer.solvers.blocks import solve_blocks
from trainer.solvers.newton import Newton
from trainer.table import Table, read_table


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text(text)
    return path


@pytest.mark.parametrize("block_rows", [1, 7, 899, 900, 5000])
def test_blocks_hold_the_rows_of_the_table_in_their_order(
    raisin: Table, raisin_csv: Path, block_rows: int
) -> None:
    blocks = csv_blocks(raisin_csv, "Class", "Besni", block_rows)
    for _ in range(2):  # each pass starts anew
        parts = list(blocks)
        assert max(len(part.y) for part in parts) <= block_rows
        np.testing.assert_array_equal(np.concatenate([part.x for part in parts]), raisin.x)
        np.testing.assert_array_equal(np.concatenate([part.y for part in parts]), raisin.y)
    assert (blocks.features, blocks.classes, blocks.rows) == (raisin.features, raisin.classes, 900)


def test_the_optimum_of_a_file_in_blocks_is_that_of_the_table(raisin: Table, raisin_csv: Path) -> None:
    found = solve_blocks(csv_blocks(raisin_csv, "Class", "Besni", 100), c=1.0, tolerance=1e-11)
    profile = profile_rows(raisin.x, raisin.features, 0)
    whole = Newton(tolerance=1e-11).solve(Problem(profile.standardise(raisin.x), raisin.y), 0)
    assert found.converged
    np.testing.assert_allclose(np.append(found.coefficients, found.intercept), whole.theta, rtol=0, atol=1e-8)


def test_memory_is_that_of_a_block(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    lines = [f"{a:.6f},{b:.6f},{int(a + b > 0)}" for a, b in generator.normal(size=(20_000, 2))]
    path = write(tmp_path, "\n".join(["a,b,y", *lines]) + "\n")

    def peak(block_rows: int) -> int:
        tracemalloc.start()
        try:
            assert solve_blocks(csv_blocks(path, "y", block_rows=block_rows), max_steps=1).steps == 1
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(500) < peak(20_000) / 8


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a,y\n",
        "a,b\n1,2\n",
        "a,a,y\n1,2,0\n",
        "y\n1\n",
        "a,y\n1,0\n2\n",
        "a,y\n" + "1,0\n2,1\n3,2\n" * 5,
        "a,y\n" + "1,0\n" * 9,
        "a,y\n" + "1,0\n" * 9 + "1,1\n" * 4,
        "a,y\n" + "1,no\n" * 9 + "1,\n" * 5,
        'a,y\n1,"0\n',
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_the_same_words(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(DataError) as whole:
        read_table(path, "y")
    with pytest.raises(DataError) as blocked:
        list(csv_blocks(path, "y"))
    assert str(blocked.value) == str(whole.value)


def test_a_bad_number_is_refused_in_the_same_words_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, "a,y\n" + "1,0\n2,1\n" * 10 + "x,1\n")
    with pytest.raises(DataError, match="line 22") as whole:
        read_table(path, "y")
    blocks = csv_blocks(path, "y", block_rows=3)
    with pytest.raises(DataError) as blocked:
        list(blocks)
    assert str(blocked.value) == str(whole.value)


@pytest.mark.parametrize("labels", [("0", "1"), ("1", "0"), ("1.0", "0"), ("no", "yes"), ("a", "A")])
@pytest.mark.parametrize("positive", [None, "first"])
def test_classes_are_named_as_in_the_table(tmp_path: Path, labels: tuple[str, str], positive: str | None) -> None:
    path = write(tmp_path, "a,y\n" + "".join(f"{n},{labels[n % 2]}\n" for n in range(20)))
    chosen = labels[0] if positive == "first" else None
    table, blocks = read_table(path, "y", chosen), csv_blocks(path, "y", chosen, 6)
    assert blocks.classes == table.classes
    np.testing.assert_array_equal(np.concatenate([part.y for part in blocks]), table.y)


@pytest.mark.parametrize(
    "later",
    [
        "",
        "a,y\n",
        "b,y\n1,0\n",
        "a,y\n1,2\n",
        "a,y\n" + "1,0\n2,1\n" * 3,
        "a,y\n" + "1,0\n2,1\n" * 11,
        "a,y\n" + "1,0\n3,1\n" * 10,
    ],
)
@pytest.mark.parametrize("block_rows", [2, 20, 1000])
def test_a_file_that_changes_between_passes_is_noticed(tmp_path: Path, later: str, block_rows: int) -> None:
    path = write(tmp_path, "a,y\n" + "1,0\n2,1\n" * 10)
    blocks = csv_blocks(path, "y", block_rows=block_rows)
    path.write_text(later)
    with pytest.raises(DataError, match="changed while it was read"):
        list(blocks)


def test_a_column_of_numbers_as_label_is_refused_before_it_is_gathered(tmp_path: Path) -> None:
    path = write(tmp_path, "a,y\n" + "".join(f"1,{n}\n" for n in range(3000)))
    with pytest.raises(DataError, match="must hold two classes, not 1001"):
        csv_blocks(path, "y")


def test_a_pipe_is_refused_before_it_is_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(DataError, match="can be read once only; save its rows as a file"):
        csv_blocks(pipe, "class")


def test_a_feature_that_no_schema_takes_is_said_before_the_first_pass(tmp_path: Path) -> None:
    rows = "".join(f"{row},{row % 2}\n" for row in range(12))
    with pytest.raises(DataError, match=r"rows\.csv: "):
        csv_blocks(write(tmp_path, "_y,class\n" + rows), "class")
