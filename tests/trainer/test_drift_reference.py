from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from core.drift.reference import DriftReference
from core.errors import ReferenceDrifts
from core.model import Floats
from core.sample_block import is_sampled
from core.schema import Schema
from tests.drift_references import QUICK_BLOCKS
from trainer.dataset import Dataset, LabelledRows
from trainer.drift_reference import rows_before
from trainer.fit import FittedModel, fit
from trainer.split import Split, newest_split
from trainer.table import Table

if TYPE_CHECKING:
    from tests.trainer.conftest import Stage

#: Records in a window of samples below.
WINDOW = 500


def a_table(x: Floats, seed: int = 0) -> Table:
    """Rows with classes that depend on the first feature, in no particular order of class."""
    chance = np.random.default_rng(seed).random(len(x))
    y = (chance < 1.0 / (1.0 + np.exp(-(x[:, 0] - x[:, 0].mean())))).astype(np.uint8)
    return Table(tuple(f"f{column}" for column in range(x.shape[1])), x, y)


def autoregressive(r: float, records: int, seed: int) -> Floats:
    """(records, 2) standard normal, each with autocorrelation ``r``."""
    x = np.random.default_rng(seed).normal(size=(records, 2))
    x[1:] *= np.sqrt(1 - r * r)
    for row in range(1, records):
        x[row] += r * x[row - 1]
    return x


def fit_on(x: Floats, *, ordered: bool = True) -> FittedModel:
    return fit(a_table(x), seed=0, ordered=ordered)


def test_rows_that_drift_themselves_are_refused_with_where_and_what() -> None:
    x = np.random.default_rng(0).normal(size=(600, 3))
    x[360:, 1] += 0.9
    with pytest.raises(ReferenceDrifts, match=r"from row 3\d\d on f1 is .* standard deviations higher") as raised:
        fit_on(x)
    assert "--unordered" in str(raised.value)
    assert min(raised.value.after) == pytest.approx(360, abs=20)
    assert max(raised.value.before) < min(raised.value.after)


def test_the_order_of_unordered_rows_is_not_looked_at() -> None:
    x = np.random.default_rng(0).normal(size=(600, 3))
    x[360:, 1] += 0.9
    assert not fit_on(x, ordered=False).file.drift.transform.autocorrelation.any()


def test_a_table_sorted_by_class_does_not_count_as_drifting() -> None:
    table = a_table(np.random.default_rng(1).normal(size=(600, 3)))
    order = np.argsort(table.y, kind="stable")
    by_class = fit(Table(table.features, table.x[order], table.y[order]), seed=0)
    assert by_class.file.drift.dependence == 1.0


def test_rows_stored_by_class_are_not_taken_for_an_order_of_time(raisin: Table) -> None:
    """Raisin's neighbours within a class are a little alike; a stream of mixed classes has nothing of that."""
    assert fit(raisin, seed=1).file.drift.dependence == 1.0


def test_autocorrelated_rows_are_judged_by_their_innovations() -> None:
    x = autoregressive(0.7, 2_000, 2)
    # every fifth row is held out: only neighbours in time tell of the dependence
    rows = np.arange(2_000)
    split = Split(rows[rows % 5 != 4], rows[rows % 5 == 4])
    reference = fit(a_table(x), seed=0, split=split).file.drift
    assert reference.transform.autocorrelation[:2] == pytest.approx([0.7, 0.7], abs=0.05)
    assert reference.dependence == pytest.approx(1.7 / 0.3, rel=0.2)
    assert fit(a_table(x), seed=0, split=split, ordered=False).file.drift.dependence == 1.0


def test_independent_rows_have_no_autocorrelation() -> None:
    assert fit_on(np.random.default_rng(3).normal(size=(800, 4))).file.drift.dependence == 1.0


def reference_of(rows: LabelledRows) -> DriftReference:
    """As a retraining makes it, but for little simulation."""
    table = Table(("f0", "f1"), rows.x, rows.y)
    split = newest_split(np.arange(len(rows.y)))
    return fit(table, seed=0, split=split, before=rows.before, blocks=QUICK_BLOCKS).file.drift


def labelled_rows(
    stage: Stage, stream: Table, labelled: NDArray[np.bool_], *, share: float = 1.0, numbered: bool = True
) -> LabelledRows:
    """What the trainer joins of a stream's records; the monitor samples ``share`` of them, in windows."""
    ids = [b"%d" % number for number in range(len(stream.x))]
    sampled = np.array([is_sampled(record_id, share) for record_id in ids])
    schema = Schema(stream.features)
    settings = msgspec.structs.replace(stage.settings, sample_share=share)
    for start in range(0, len(ids), WINDOW):
        kept = start + np.flatnonzero(sampled[start : start + WINDOW])
        records = kept.tolist() if numbered else [-1] * len(kept)
        stage.sample(stream.x[kept], [ids[row] for row in kept], 1 + start, schema=schema, records=records)
    given = np.flatnonzero(labelled)
    stage.label([ids[row] for row in given], stream.y[given])
    dataset = Dataset(stage.connection, stage.keys, schema, settings)
    dataset.refresh()
    found = dataset.labelled()
    assert len(found.y) == np.count_nonzero(labelled & sampled)
    return found


def in_full(stream: Table, records: int) -> DriftReference:
    """The reference of a retraining with all labels of so many records."""
    x, y = stream.x[:records], stream.y[:records]
    table = Table(stream.features, x, y)
    return fit(table, seed=0, split=newest_split(np.arange(records)), blocks=QUICK_BLOCKS).file.drift


def assert_calibrated_as(found: DriftReference, full: DriftReference, x: Floats) -> None:
    """The same dependence, about the same thresholds, and innovations of stream ``x`` that are independent."""
    r = full.transform.autocorrelation
    assert (r[:2] > 0.85).all()
    assert found.transform.autocorrelation.tolist() == pytest.approx(r.tolist(), abs=0.05)
    ratio = found.thresholds.at(10_000.0) / full.thresholds.at(10_000.0)
    assert float(ratio.mean()) == pytest.approx(1.0, abs=0.25)
    for column in found.transform.columns(x, np.full(len(x), 0.5)).feature:
        assert abs(np.corrcoef(column[1:], column[:-1])[0, 1]) < 0.1


EVERY = {"second": 2, "third": 3, "fifth": 5}


@pytest.mark.parametrize("every", EVERY.values(), ids=EVERY)
def test_labels_of_some_records_calibrate_a_dependent_stream_as_labels_of_all(stage: Stage, every: int) -> None:
    stream = a_table(autoregressive(0.9, 3_000 * every, 4))
    rows = labelled_rows(stage, stream, np.arange(len(stream.x)) % every == 0)
    assert np.isnan(rows.before).any(axis=1).sum() == 1  # of the very first record
    assert_calibrated_as(reference_of(rows), in_full(stream, 3_000), stream.x)
    neighbours = rows_before(rows.x, np.arange(len(rows.y)))  # which they are not
    wrong = reference_of(dataclasses.replace(rows, before=neighbours))
    assert (wrong.transform.autocorrelation[:2] < 0.9**every + 0.1).all()


def test_labels_and_a_sampled_share_calibrate_a_dependent_stream_as_all_records(stage: Stage) -> None:
    stream = a_table(autoregressive(0.9, 20_000, 5))
    rows = labelled_rows(stage, stream, np.random.default_rng(0).random(20_000) < 0.3, share=0.5)
    unknown = np.isnan(rows.before[:, 0])
    assert 0.4 < unknown.mean() < 0.6
    reference = reference_of(rows)
    assert reference.bins.rows == np.count_nonzero(~unknown[: reference.rows])
    assert_calibrated_as(reference, in_full(stream, 3_000), stream.x)


def test_rows_without_numbers_are_taken_for_independent(stage: Stage) -> None:
    stream = a_table(autoregressive(0.3, 1_500, 6))
    assert (in_full(stream, 1_500).transform.autocorrelation[:2] > 0.2).all()
    rows = labelled_rows(stage, stream, np.ones(1_500, dtype=np.bool_), numbered=False)
    assert not reference_of(rows).transform.autocorrelation.any()


def test_held_out_rows_are_the_record_before_others() -> None:
    """A random fifth is held out; all but the first row have a row before them all the same."""
    reference = fit(a_table(autoregressive(0.9, 1_500, 7)), seed=0, blocks=QUICK_BLOCKS).file.drift
    assert reference.rows == 1_200
    assert reference.bins.rows in (1_199, 1_200)


def test_rows_of_independent_records_stay_independent_with_few_labels(stage: Stage) -> None:
    stream = a_table(np.random.default_rng(8).normal(size=(3_000, 2)))
    assert reference_of(labelled_rows(stage, stream, np.arange(3_000) % 3 == 0)).dependence == 1.0


def test_a_record_before_that_is_beyond_any_scale_says_nothing() -> None:
    table = a_table(autoregressive(0.9, 1_500, 9))
    before = rows_before(table.x, np.arange(1_500))
    clean = fit(table, seed=0, before=before, blocks=QUICK_BLOCKS).file.drift
    before[100::500] = 1e300
    found = fit(table, seed=0, before=before, blocks=QUICK_BLOCKS).file.drift
    assert found.bins.rows < clean.bins.rows
    assert found.transform.autocorrelation == pytest.approx(clean.transform.autocorrelation, abs=0.01)
