"""Windows of a calibrated model: they show what predictions say, and watch what a calibration does not change."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from core.calibration import Calibration
from core.drift.statistics import TICK
from core.drift_window import DriftWindow
from core.entry import field_map
from core.log import logger
from core.merged_reader import PlacedEntry
from core.model import Floats
from core.model_file import ModelFile
from core.record_decoder import RecordDecoder
from core.settings import Settings
from core.telemetry import Telemetry
from monitor.display import Display
from monitor.model_timeline import JudgingModel
from monitor.state import decode_state, encode_state
from monitor.window_engine import ClosedWindow
from tests.monitor.feeding import DRIFT, FILE, FixedTimeline, block, samples_of, windows, written

#: What the balanced weights of a class that is 5 % of the rows ask for: the log-odds fall by log 19.
CALIBRATION = Calibration("platt", np.array([0.7, -2.94]))
CALIBRATED = replace(FILE, model=replace(FILE.model, calibration=CALIBRATION, threshold=0.05))
SETTINGS = Settings(
    window_records=20, slide_records=5, window_limit_s=1.0, window_min_records=5, retrain_cooldown_s=0.0
)
STREAM = [block(50 * number, 7, mean=DRIFT if number > 9 else 0.0) for number in range(14)]


def timeline(file: ModelFile) -> FixedTimeline:
    return FixedTimeline([(0, JudgingModel("run0", file))])


def rows_of(placed: list[PlacedEntry]) -> Floats:
    batch = RecordDecoder(FILE.model.schema, 2**20).decode([item.entry for item in placed])
    return batch.x


def without_means(drift: DriftWindow) -> DriftWindow:
    return msgspec.structs.replace(drift, p_mean=0.0, p_raw_mean=None, alarm=None)


RAW = windows(STREAM, SETTINGS, timeline(FILE))
SHOWN = windows(STREAM, SETTINGS, timeline(CALIBRATED))


def test_a_calibration_changes_no_reading_and_no_alarm() -> None:
    assert [without_means(one.drift) for one in SHOWN] == [without_means(one.drift) for one in RAW]
    alarms = [(one.drift.alarm, other.drift.alarm) for one, other in zip(SHOWN, RAW, strict=True)]
    assert any(alarm is not None for alarm, _ in alarms)
    for alarm, other in alarms:
        assert (alarm is None) == (other is None)
        if alarm is not None and other is not None:
            assert msgspec.structs.replace(alarm, sentence="") == msgspec.structs.replace(other, sentence="")


def test_the_mean_that_is_shown_is_that_of_the_predictions_and_the_watched_one_stands_beside_it() -> None:
    scores = CALIBRATED.model.score(rows_of(STREAM))
    assert [one.drift.p_raw_mean for one in SHOWN] == [one.drift.p_mean for one in RAW]
    assert {one.drift.p_raw_mean for one in RAW} == {None}
    stop = 0
    for closed in SHOWN[:4]:  # each is one more pane of five records, before anything drifts
        stop += 5
        assert closed.drift.n == stop
        assert closed.drift.p_mean == pytest.approx(scores.probability[:stop].mean(), abs=TICK)
    assert SHOWN[3].drift.p_mean < RAW[3].drift.p_mean - 0.2


@pytest.mark.parametrize("cuts", [[1] * len(STREAM), [3, 1, 4, 2]])
def test_the_mean_does_not_depend_on_how_the_records_were_read(cuts: list[int]) -> None:
    assert written(windows(STREAM, SETTINGS, timeline(CALIBRATED), cuts)) == written(SHOWN)


def test_a_monitor_that_goes_on_from_a_stored_state_shows_the_same_means() -> None:
    at = 4
    state = decode_state(encode_state(SHOWN[at].state))
    behind = [item for item in STREAM if item.id > state.positions[0].done]
    samples = samples_of(SHOWN[: at + 1])
    resumed = windows(behind, SETTINGS, timeline(CALIBRATED), state=state, samples=samples)
    assert written(resumed) == written(SHOWN[at + 1 :])


def gauge(telemetry: Telemetry, name: str) -> float | None:
    return telemetry.registry.get_sample_value(f"streamgauge_{name}", {"pipeline": "p"})


def test_the_gauge_is_the_mean_of_p_class1(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry = Telemetry("p")
    closed: ClosedWindow = SHOWN[3]
    Display(telemetry, logger("monitor", "p")).show_closed(closed)
    assert gauge(telemetry, "prediction_probability_mean") == closed.drift.p_mean
    told = telemetry.exposition().decode()
    assert "# HELP streamgauge_prediction_probability_mean Mean p_class1 in the newest window." in told
    assert "labelled_log_loss Log-loss of the last few hundred labels, before calibration." in told
    capsys.readouterr()


def test_the_drift_stream_says_both_means_of_a_calibrated_model_alone() -> None:
    (fields, _, _), (plain, _, _) = written(SHOWN[3:4])[0], written(RAW[3:4])[0]
    assert float(field_map(fields)[b"p_raw_mean"]) == RAW[3].drift.p_mean
    assert b"p_raw_mean" not in field_map(plain)


def test_the_sentence_of_a_moved_probability_says_that_it_is_the_one_before_calibration() -> None:
    moved = replace(FILE.model, intercept=FILE.model.intercept - 6.0)  # no feature moves, and every probability
    sentences = []
    for model in (moved, replace(moved, calibration=CALIBRATION)):
        closed = windows(STREAM[:10], SETTINGS, timeline(replace(FILE, model=model)))
        alarm = next(one.drift.alarm for one in closed if one.drift.alarm is not None)
        sentences.append(alarm.sentence)
    assert "predicted probability before calibration is " in sentences[1]
    assert sentences[1].replace(" before calibration", "") == sentences[0]
