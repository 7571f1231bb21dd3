"""Probabilities now and in training, and the newest predictions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.calibration import Calibration
from core.model_file import ModelFile
from monitor.live.newest_predictions import MOST_CONTRIBUTIONS, MOST_PREDICTIONS
from monitor.live.prediction_sample import LOOK_ROWS, SAMPLE_ROWS
from tests.both_servers import both_servers
from tests.monitor.live.written import ANOTHER, RUN, Written
from tests.monitor.scenario import make_model

pytestmark = both_servers


def test_the_newest_come_first_and_add_up_to_their_logit(written: Written, model_file: ModelFile) -> None:
    written.promote(model_file)
    for p in (0.1, 0.2, 0.9):
        written.add_plain(p)
    predictions = written.look().predictions
    assert [each.id for each in predictions.newest] == ["id-0.9", "id-0.2", "id-0.1"]
    assert [each.pred for each in predictions.newest] == [1, 0, 0]
    for each in predictions.newest:
        total = each.bias + sum(one.value for one in each.contributions) + each.rest
        assert total == pytest.approx(each.logit)
    assert (predictions.classes, predictions.threshold, predictions.sampled) == (("no", "yes"), 0.5, 3)
    assert predictions.now == pytest.approx([0, 1 / 3, 1 / 3, 0, 0, 0, 0, 0, 0, 1 / 3])
    assert sum(predictions.training or []) == pytest.approx(1.0)
    assert len(predictions.edges) == 11


def test_of_a_block_the_last_rows_are_told_with_their_features(written: Written, model_file: ModelFile) -> None:
    written.promote(model_file)
    p = np.linspace(0.01, 0.99, 300).tolist()
    written.add_block(p, 2)
    predictions = written.look().predictions
    assert [each.row for each in predictions.newest] == list(range(299, 289, -1))
    assert [each.id for each in predictions.newest[:2]] == ["0-6-2-299", "0-6-2-298"]
    assert [each.p_class1 for each in predictions.newest] == p[:-11:-1]
    newest = predictions.newest[0]
    assert {one.feature: one.value for one in newest.contributions} == {"a": 598.0, "b": 599.0}
    assert newest.logit == pytest.approx(newest.bias + 598.0 + 599.0)
    assert predictions.sampled == 256


def test_rows_and_ids_of_a_block_are_its_own(written: Written, model_file: ModelFile) -> None:
    written.promote(model_file)
    rows = np.array([1, 4, 9], "<i4").tobytes()
    written.add_block([0.1, 0.2, 0.3], 2, _rows=rows, _ids=b"x\n<i>y</i>\n" + b"z" * 500)
    newest = written.look().predictions.newest
    assert [each.row for each in newest] == [9, 4, 1]
    assert [each.id for each in newest] == ["z" * 128 + "...", "<i>y</i>", "x"]


def test_of_many_features_the_largest_are_told_and_the_others_summed(written: Written) -> None:
    written.promote(make_model(tuple(f"f{number}" for number in range(20)), 1))
    written.add_block([0.5], 20)
    (newest,) = written.look().predictions.newest
    assert len(newest.contributions) == MOST_CONTRIBUTIONS
    assert newest.contributions[0].feature == "f19"
    assert (newest.rest_features, newest.rest) == (8, sum(range(8)))


def test_of_a_calibrated_model_the_probabilities_before_calibration_are_compared(
    written: Written, model_file: ModelFile
) -> None:
    calibrated = replace(model_file.model, calibration=Calibration("platt", np.array([2.0, 1.0])))
    written.promote(ModelFile(calibrated, model_file.profile, model_file.drift, model_file.concept))
    written.add_plain(0.95, p_raw="0.05")
    written.add_block([0.95, 0.95], 2, _p_raw=np.array([0.15, 0.15]).tobytes())
    state = written.look()
    assert state.predictions.raw
    assert state.predictions.threshold == 0.5  # of the probability after calibration, here sigmoid(2 logit + 1)
    assert state.predictions.raw_threshold == pytest.approx(1 / (1 + np.exp(0.5)), abs=0.001)
    assert state.predictions.now == pytest.approx([1 / 3, 2 / 3, *[0] * 8])
    assert [each.p_raw for each in state.predictions.newest] == [0.15, 0.15, 0.05]
    assert state.model is not None
    assert state.model.calibration == "platt"


def test_another_models_predictions_are_shown_and_not_mixed_in(written: Written, model_file: ModelFile) -> None:
    written.promote(model_file)
    written.add_plain(0.1)
    assert written.look().predictions.sampled == 1
    written.add_plain(0.9, model=ANOTHER)
    written.add_block([0.9] * 3, 3, model=ANOTHER.encode())
    predictions = written.look().predictions
    assert (predictions.sampled, predictions.now[1]) == (1, 1.0)
    assert [each.model for each in predictions.newest] == [ANOTHER] * 4 + [RUN]
    assert [one.feature for one in predictions.newest[0].contributions] == ["feature 3", "feature 2", "feature 1"]
    written.promote(model_file, ANOTHER)
    assert written.look().predictions.sampled == 0


def test_the_sample_is_bounded_and_slides(written: Written, model_file: ModelFile) -> None:
    written.promote(model_file)
    for _ in range(3):
        written.connection.pipeline([plain(written, 0.15)] * 1_000)
    assert written.look().predictions.sampled == SAMPLE_ROWS
    for _ in range(-(-SAMPLE_ROWS // LOOK_ROWS)):
        written.connection.pipeline([plain(written, 0.85)] * 1_000)
        predictions = written.look().predictions
        assert predictions.sampled == SAMPLE_ROWS
    assert predictions.now[8] == 1.0
    assert len(predictions.newest) == MOST_PREDICTIONS


def test_predictions_made_anew_are_read_again(written: Written, model_file: ModelFile) -> None:
    written.promote(model_file)
    written.add_plain(0.1)
    written.look()
    written.connection.call("DEL", written.keys.partition(0).predictions)
    written.add_plain(0.2, entry_id="5-1")
    assert written.look().predictions.newest[0].id == "id-0.2"


@pytest.mark.parametrize(
    "changes",
    [
        {"_n": b"3"},
        {"_n": b"-1"},
        {"_n": b"99999999999999999999"},
        {"_contrib": b"x"},
        {"_p": b""},
        {"_logit": np.array([np.nan, np.nan]).tobytes()},
        {"_contrib": np.full((2, 2), np.inf).tobytes()},
        {"bias": b"nan"},
        {"model": b"\xff"},
    ],
)
def test_a_block_that_contradicts_itself_is_passed_over(
    written: Written, model_file: ModelFile, changes: dict[str, bytes]
) -> None:
    written.promote(model_file)
    written.add_plain(0.1)
    written.add_block([0.5, 0.5], 2, **changes)
    newest = written.look().predictions.newest
    assert [each.id for each in newest][-1] == "id-0.1"
    assert len(newest) == (3 if changes == {"model": b"\xff"} else 1)


def plain(written: Written, p: float) -> tuple[str, ...]:
    """A command that adds a plain prediction."""
    return (
        *("XADD", written.keys.partition(0).predictions, "*", "id", "x", "record", "1-1", "row", "0", "pred", "0"),
        *("p_class1", repr(p), "logit", "0", "bias", "0", "contrib", '{"a":0}', "model", RUN, "ts", "1"),
    )
