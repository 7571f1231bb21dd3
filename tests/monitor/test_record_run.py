"""What a run of records is judged by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from core.calibration import Calibration
from core.entry import Entry, parse_entry_id
from core.merged_reader import PlacedEntry
from core.record_decoder import RecordDecoder
from core.record_encoder import encode_block
from monitor.record_run import RecordRun
from tests.monitor.scenario import make_model


def test_calibration_and_threshold_change_nothing_that_is_watched() -> None:
    file = make_model(("a", "b", "c"), 1)
    calibration = Calibration("isotonic", np.array([[-1.0, 1.0], [0.3, 0.3]]))
    calibrated = replace(file, model=replace(file.model, calibration=calibration, threshold=0.9))
    x = np.random.default_rng(2).normal(size=(40, 3))
    entry = Entry(b"5-0", encode_block(x, file.model.schema))
    placed = [PlacedEntry(0, parse_entry_id(b"5-0"), entry)]
    decoder = RecordDecoder(file.model.schema, 1 << 20)
    one, same = (RecordRun(placed, each, decoder, {}) for each in (file, calibrated))
    assert one.probability.tobytes() == same.probability.tobytes()
    assert one.sample(0, 40, 1.0).logit.tobytes() == same.sample(0, 40, 1.0).logit.tobytes()
    assert np.ptp(same.probability) > 0.1


def test_what_predictions_say_is_kept_beside_what_is_watched() -> None:
    file = make_model(("a", "b", "c"), 1)
    calibrated = replace(file, model=replace(file.model, calibration=Calibration("platt", np.array([0.5, -1.0]))))
    x = np.random.default_rng(2).normal(size=(40, 3))
    x[7] = (-1.5e308, 0.0, 1.5e308)  # the logit overflows: no row of the run
    entry = Entry(b"5-0", encode_block(x, file.model.schema))
    placed = [PlacedEntry(0, parse_entry_id(b"5-0"), entry)]
    decoder = RecordDecoder(file.model.schema, 1 << 20)
    plain, run = (RecordRun(placed, each, decoder, {}) for each in (file, calibrated))
    assert plain.calibrated is None
    assert run.calibrated is not None
    assert run.calibrated.tobytes() == calibrated.model.score(np.delete(x, 7, axis=0)).probability.tobytes()
