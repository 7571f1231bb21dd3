"""What ``streamgauge predictions`` prints of a row."""

from __future__ import annotations

import json

from core.prediction import Prediction
from streamgauge.commands.data import _json_line, _line

PLAIN = Prediction(b"grain-1", b"5-0", 0, 1, 0.75, 1.25, 0.25, {"a": 1.0}, "0123456789ab", 7)
CALIBRATED = Prediction(b"grain-1", b"5-0", 0, 1, 0.75, 1.25, 0.25, {"a": 1.0}, "0123456789ab", 7, 0.5)


def test_the_raw_probability_is_printed_only_of_a_calibrated_model() -> None:
    names = ["id", "record", "row", "pred", "p_class1", "logit", "bias", "contrib", "model", "ts"]
    assert list(json.loads(_json_line(PLAIN, {"a": 1.0}))) == names
    shown = json.loads(_json_line(CALIBRATED, {"a": 1.0}))
    assert list(shown) == [*names[:5], "p_raw", *names[5:]]
    assert (shown["p_class1"], shown["p_raw"]) == (0.75, 0.5)


def test_a_line_for_a_person_shows_the_probability_that_counts() -> None:
    assert _line(PLAIN, {"a": 1.0}) == _line(CALIBRATED, {"a": 1.0})
    assert " p 0.750 " in _line(CALIBRATED, {"a": 1.0})
