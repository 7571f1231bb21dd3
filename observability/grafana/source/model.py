"""The dashboard for those who answer for a model: does what it sees look like its training, and is it right?"""

from __future__ import annotations

from typing import get_args

from core.drift_window import WindowState
from monitor.alert_webhook import Outcome as WebhookOutcome
from observability.grafana.source.board import Board, Row
from observability.grafana.source.colours import (
    BAD,
    BLUE,
    GOOD,
    GREY,
    ORANGE,
    SKY,
    VERMILLION,
    WARN,
    by_name,
    painted,
    steps,
)
from observability.grafana.source.panel import Query, bars_now, heat_map, history, lines, mapping, stat, timeline
from trainer.retraining import Outcome

_HERE = '{pipeline="$pipeline"}'
#: No probability is above 1, so the last bucket is always empty.
_TENTHS = '{pipeline="$pipeline",le!="+Inf"}'
_WORDS = (("no drift", GOOD), ("drift", BAD))
#: Below zero blue, above it orange, the stronger the further; half a standard deviation is worth a look.
_SHIFT = steps(BLUE, (-1, SKY), (-0.5, GREY), (0.5, ORANGE), (1, VERMILLION))
#: What the title of the panel is that the alert of Grafana belongs to.
SCORE_TITLE = "Drift score and threshold"


def _newest(metric: str) -> str:
    """Two monitors that run for a moment count once."""
    return f"max(streamgauge_{metric}{_HERE})"


_NOW = Row(
    "Now",
    (
        stat(
            "Drift",
            "Whether a drift episode is open: some detector alarmed, and neither a promotion nor calm windows "
            "have ended it. This is what alerts look at.",
            Query(f"max(pipeline:streamgauge_drift_alert:max{_HERE})"),
            "none",
            steps(GOOD, (1, BAD)),
            runbook="drift",
            mappings=[mapping(*_WORDS)],
        ),
        stat(
            "Model in production",
            "The run whose model scores, as the monitor sees it.",
            Query(
                'max by (run_id) (streamgauge_production_info{pipeline="$pipeline",job="monitor"})',
                "{{run_id}}",
                now=True,
            ),
            "none",
            width=6,
            name=True,
            runbook="no-model",
        ),
        stat(
            "In production since",
            "When production last changed.",
            Query(f"1000 * {_newest('production_updated_timestamp_seconds')}", now=True),
            "dateTimeFromNow",
            runbook="stale-model",
        ),
        stat(
            "Drift score",
            "Mean |z shift| over the features in the newest window, in training standard deviations.",
            Query(_newest("drift_score")),
            "none",
            decimals=3,
            min=0,
        ),
        stat(
            "Predicted class 1",
            "Mean probability of class 1 in the newest window.",
            Query(_newest("prediction_probability_mean")),
            "percentunit",
            decimals=1,
        ),
        stat(
            "Labelled",
            "Share of the newest sampled records whose label has come. With few, nobody knows whether the model "
            "is right, and no training can tell.",
            Query(_newest("label_coverage")),
            "percentunit",
            steps(WARN, (0.05, GOOD)),
            decimals=1,
        ),
        stat(
            "Log-loss",
            "Of the newest labelled records, before calibration; the lower the better. A fair coin has 0.693.",
            Query(_newest("labelled_log_loss")),
            "none",
            steps(GOOD, (0.693, BAD)),
            decimals=3,
        ),
    ),
)

_DRIFT = Row(
    "Drift of records",
    (
        lines(
            SCORE_TITLE,
            "Mean |z shift| of each window over the features, with the threshold of that one detector. Others may "
            "alarm below it; the detectors to the right decide, with one budget of false alarms for all.",
            (
                Query(_newest("drift_score"), "score"),
                Query(_newest("drift_threshold"), "threshold"),
            ),
            "none",
            12,
            [painted("score", BLUE), painted("threshold", VERMILLION, dashed=True)],
            runbook="drift",
            min=0,
        ),
        timeline(
            "Detectors in alarm",
            "Which detectors alarmed in the open episode; they keep it until it ends. docs/statistics.md says "
            "what each looks at. `unusable` means records that cannot be used: no training mends that.",
            Query(f"max by (detector) (streamgauge_drift_alert{_HERE})", "{{detector}}"),
            12,
            (("quiet", GREY), ("alarm", BAD)),
            "drift",
        ),
        history(
            "Shift by feature (heat map)",
            "How far each feature's mean in a window is from training, in training standard deviations: orange "
            "above, blue below, grey within a half. One row that changes colour is a sensor or a unit; many are a "
            "new world.",
            Query(f"max by (feature) (streamgauge_feature_z_shift{_HERE})", "{{feature}}"),
            "none",
            16,
            _SHIFT,
            decimals=2,
        ),
        bars_now(
            "Shift by feature, newest window",
            "The size of the shift, whatever its direction, the twenty largest first.",
            Query(
                f"sort_desc(topk(20, abs(max by (feature) (streamgauge_feature_z_shift{_HERE}))))",
                "{{feature}}",
                now=True,
            ),
            "none",
            8,
            steps(GREY, (0.5, ORANGE), (1, VERMILLION)),
            decimals=2,
        ),
    ),
)

_PREDICTIONS = Row(
    "Predictions",
    (
        heat_map(
            "Distribution of predictions",
            "How many records were given which probability of class 1; light is many (in Grafana's light theme, "
            "dark is). A model that is sure has most at the edges. After a promotion it may look different, as "
            "the model does.",
            Query(
                f"sum by (le) (increase(streamgauge_prediction_probability_bucket{_TENTHS}[$__rate_interval]))",
                "{{le}}",
                buckets=True,
            ),
            "percentunit",
            12,
        ),
        lines(
            "Mean probability of class 1",
            "Of the newest window that the monitor judged, and of what the scorers published meanwhile. They "
            "follow each other, a window apart.",
            (
                Query(_newest("prediction_probability_mean"), "window"),
                Query(
                    f"sum(rate(streamgauge_prediction_probability_sum{_HERE}[$__rate_interval]))"
                    f" / sum(rate(streamgauge_prediction_probability_count{_HERE}[$__rate_interval]))",
                    "scorers",
                ),
            ),
            "percentunit",
            12,
            [painted("window", BLUE), painted("scorers", ORANGE, dashed=True)],
            min=0,
            max=1,
        ),
        bars_now(
            "Predictions by probability, last five minutes",
            "Share of the records in each tenth of probability, each bar by its upper bound.",
            Query(
                f"sum by (le) (increase(streamgauge_prediction_probability_bucket{_TENTHS}[5m]))"
                f" / on () group_left () (sum(increase(streamgauge_prediction_probability_count{_HERE}[5m])) > 0)",
                "{{le}}",
                now=True,
                buckets=True,
            ),
            "percentunit",
            12,
            steps(BLUE),
            max=1,
        ),
        lines(
            "Windows by state",
            "Windows that the monitor closed, a minute. `insufficient`: too few records for a verdict; `drift`: "
            "an alarm in it; `recovering`: none, in an open episode.",
            (
                Query(
                    f"60 * sum by (state) (rate(streamgauge_drift_windows_total{_HERE}[5m]))",
                    "{{state}}",
                ),
            ),
            "cpm",
            12,
            by_name(get_args(WindowState)),
            stacked=True,
            bars=True,
            runbook="windows-unusable",
            min=0,
        ),
    ),
)

_LABELS = Row(
    "Labels: is it right?",
    (
        lines(
            "Log-loss of labelled records",
            "Over the last few hundred labels, before calibration. Records may look as always while this rises: "
            "then the world has changed what they mean, and the detector `concept` looks at that. Dashed: a fair "
            "coin.",
            (Query(_newest("labelled_log_loss"), "log-loss"),),
            "none",
            8,
            [painted("log-loss", BLUE)],
            limit=steps(GREY, (0.693, BAD)),
            min=0,
        ),
        lines(
            "Label coverage",
            "Share of the newest sampled records whose label has come.",
            (Query(_newest("label_coverage"), "labelled"),),
            "percentunit",
            8,
            [painted("labelled", BLUE)],
            min=0,
            max=1,
        ),
        lines(
            "Label delay",
            "Mean time from a record to its label. What happened since then cannot be seen in the figures to the "
            "left.",
            (Query(_newest("label_delay_seconds"), "delay"),),
            "s",
            8,
            [painted("delay", BLUE)],
            min=0,
        ),
    ),
)

_RETRAINING = Row(
    "Retraining",
    (
        lines(
            "Retrain events by reason",
            "Events written since the services started; a step is an event. The lines across all panels are the "
            "same events, and the promotions.",
            (Query(f"sum by (reason) (streamgauge_retrain_events_total{_HERE})", "{{reason}}"),),
            "none",
            8,
            by_name(("drift", "label_drift", "alert", "scheduled")),
            stepped=True,
            runbook="drift",
            min=0,
            decimals=0,
        ),
        lines(
            "Trainings by outcome",
            "What became of retrain events since the trainer started. `streamgauge runs` has the reason of each "
            "refusal.",
            (Query(f"sum by (outcome) (streamgauge_training_runs_total{_HERE})", "{{outcome}}"),),
            "none",
            8,
            by_name(get_args(Outcome)),
            stepped=True,
            runbook="training-failing",
            min=0,
            decimals=0,
        ),
        lines(
            "Alerts posted to the monitor",
            "What became of the alerts that Alertmanager and Grafana posted. `written` asked for a retraining; "
            "`coalesced`, `cooldown` and `duplicate` asked for one that was asked for before.",
            (Query(f"sum by (outcome) (streamgauge_webhook_alerts_total{_HERE})", "{{outcome}}"),),
            "none",
            8,
            by_name(get_args(WebhookOutcome)),
            stepped=True,
            runbook="drift",
            min=0,
            decimals=0,
        ),
    ),
)

MODEL = Board(
    uid="streamgauge-model",
    title="streamgauge: model",
    description="Does what the model sees look like its training, and is it right?",
    other=("streamgauge-operations", "Operations"),
    page=("dashboards", "How to read this"),
    rows=(_NOW, _DRIFT, _PREDICTIONS, _LABELS, _RETRAINING),
)
