from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.errors import SettingsError
from core.settings import Settings, load_settings
from core.threshold_rule import EVEN, ThresholdRule, threshold_rule


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({}, None),
        ({"at": 0.35}, ThresholdRule("fixed", 0.35)),
        ({"by": "fixed", "at": 0.35}, ThresholdRule("fixed", 0.35)),
        ({"by": "f1"}, ThresholdRule("f1")),
        ({"by": "youden"}, ThresholdRule("youden")),
        ({"cost_fn": 120.0, "cost_fp": 18.0}, ThresholdRule("cost", cost_fn=120.0, cost_fp=18.0)),
        ({"by": "cost", "cost_fn": 1.0, "cost_fp": 2.0}, ThresholdRule("cost", cost_fn=1.0, cost_fp=2.0)),
        ({"min_recall": 0.9}, ThresholdRule("recall", least=0.9)),
        ({"by": "precision", "min_precision": 1.0}, ThresholdRule("precision", least=1.0)),
    ],
)
def test_a_figure_given_alone_names_its_rule(options: dict[str, Any], rule: ThresholdRule | None) -> None:
    assert threshold_rule(**options) == rule
    named = {"by": "threshold_by", "at": "threshold"}
    settings = Settings(**{named.get(name, name): value for name, value in options.items()})
    assert settings.threshold_rule == rule


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"threshold": 1.5}, "threshold is 1.5; choose 0 to 1"),
        ({"threshold": float("nan")}, "threshold is nan"),
        ({"threshold_by": "luck"}, "threshold_by is 'luck'; choose"),
        ({"calibrate": "beta"}, "calibrate is 'beta'; choose auto"),
        ({"threshold_by": "fixed"}, "threshold is not set"),
        ({"threshold_by": "cost"}, "cost_fn is not set"),
        ({"cost_fn": 3.0}, "cost_fp is not set"),
        ({"cost_fn": 3.0, "cost_fp": 0.0}, "cost_fp is 0.0; choose a cost from 1e-15 to"),
        ({"cost_fn": float("inf"), "cost_fp": 1.0}, "cost_fn is inf"),
        ({"cost_fn": 1e308, "cost_fp": 1e308}, "cost_fn is 1e"),  # their sum over two rows is no number
        ({"threshold_by": "recall"}, "min_recall is not set"),
        ({"min_precision": 0.0}, "min_precision is 0.0"),
        ({"min_recall": 1.01}, "min_recall is 1.01"),
        ({"threshold_by": "f1", "min_recall": 0.9}, "threshold_by f1 and min_recall ask for different"),
        ({"threshold": 0.4, "cost_fn": 1.0}, "threshold and cost_fn and cost_fp ask for different"),
    ],
)
def test_options_that_contradict_or_say_too_little_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words.replace(".", r"\.")):
        Settings(**options)


def test_the_place_of_contradicting_settings_is_named() -> None:
    variables = {"STREAMGAUGE_MIN_RECALL": "0.9", "STREAMGAUGE_THRESHOLD_BY": "f1"}
    with pytest.raises(SettingsError, match=r"min_recall is set in the environment.*threshold_by is set in the"):
        load_settings({}, variables)


def test_the_operating_point_of_a_later_place_counts_whole(tmp_path: Path) -> None:
    """Option before environment before file: what the others say of it is set aside, and is no contradiction."""
    (tmp_path / "streamgauge.toml").write_text("threshold = 0.3\nseed = 4\n")
    by_file = load_settings({}, {}, tmp_path)
    assert by_file.threshold_rule == ThresholdRule("fixed", 0.3)
    by_option = load_settings({"threshold_by": "f1", "cost_fn": None}, {}, tmp_path)
    assert (by_option.threshold_rule, by_option.seed) == (ThresholdRule("f1"), 4)
    variables = {"STREAMGAUGE_COST_FN": "2", "STREAMGAUGE_COST_FP": "1"}
    assert load_settings({}, variables, tmp_path).threshold_rule == ThresholdRule("cost", cost_fn=2.0, cost_fp=1.0)
    assert load_settings({"threshold": 0.5}, variables, tmp_path).threshold_rule == EVEN
    with pytest.raises(SettingsError, match=r"cost_fp is not set.*cost_fn is set as an option"):
        load_settings({"cost_fn": 3.0}, variables, tmp_path)  # half a choice is none


def test_a_rule_survives_json() -> None:
    for rule in (EVEN, ThresholdRule("cost", cost_fn=120.0, cost_fp=18.0), ThresholdRule("recall", least=0.9)):
        assert msgspec.json.decode(msgspec.json.encode(rule), type=ThresholdRule) == rule
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"by": "cost"}', type=ThresholdRule)


def test_each_rule_has_its_words() -> None:
    assert (
        ThresholdRule("cost", cost_fn=120.0, cost_fp=18.0).words == "least cost at 120 a miss and 18 a false alarm"
    )
    rules = [EVEN, ThresholdRule("fixed", 0.3), ThresholdRule("f1"), ThresholdRule("youden")]
    rules += [ThresholdRule("recall", least=0.9), ThresholdRule("precision", least=0.9)]
    assert len({rule.words for rule in rules}) == len(rules)
