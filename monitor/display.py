"""What operators see of a window and of the backlog: gauges and log lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import get_args

from prometheus_client import Gauge
from structlog.typing import FilteringBoundLogger

from core.drift_window import Alarm, DriftWindow, WindowState
from core.label_figures import LabelFigures
from core.stream_lag import StreamLag
from core.telemetry import Telemetry
from monitor.detectors import concept
from monitor.detectors.panel import DETECTORS
from monitor.window_engine import ClosedWindow

#: Features named in a log line.
BLAMED = 3
#: For which windows ask to retrain.
OWN_REASONS = ("drift", "label_drift")


class _Series:
    """The series of one gauge; those that are not set any more vanish, and no scrape falls into a gap."""

    def __init__(self, gauge: Gauge) -> None:
        self._gauge = gauge
        self._shown: set[tuple[str, ...]] = set()

    def show(self, values: Mapping[tuple[str, ...], float]) -> None:
        """Set these values by label, and no others."""
        for labels, value in values.items():
            self._gauge.labels(*labels).set(value)
        for labels in self._shown.difference(values):
            self._gauge.remove(*labels)
        self._shown = set(values)


class Display:
    """The one place from which gauges and log lines get their figures."""

    def __init__(self, telemetry: Telemetry, log: FilteringBoundLogger) -> None:
        self._telemetry = telemetry
        self._log = log
        self._z_shift = _Series(telemetry.feature_z_shift)
        self._alert = _Series(telemetry.drift_alert)
        self._label_delay = _Series(telemetry.label_delay_seconds)
        self._log_loss = _Series(telemetry.labelled_log_loss)
        self._lag = _Series(telemetry.stream_lag_entries)
        self._pending = _Series(telemetry.stream_pending_entries)
        self._oldest = _Series(telemetry.oldest_unread_seconds)
        for state in get_args(WindowState):  # from 0 on, so that an increase shows
            telemetry.drift_windows.labels(telemetry.pipeline, state)
        for reason in OWN_REASONS:
            telemetry.retrain_events.labels(telemetry.pipeline, reason)

    def show_closed(self, closed: ClosedWindow, *, asked_before: bool = False) -> None:
        """A window that this monitor closed: it counts, and it is said.

        ``asked_before``: an alert's event stands for the one that the window would have written.
        """
        drift, pipeline = closed.drift, self._telemetry.pipeline
        self._telemetry.drift_windows.labels(pipeline, drift.state).inc()
        self._log.info(
            "window", window=drift.window, state=drift.state, score=drift.score, n=drift.n, model=drift.model
        )
        self.show_window(drift)
        asks = closed.retrain is not None
        if closed.retrain is not None and not asked_before:
            self._telemetry.retrain_events.labels(pipeline, closed.retrain.reason).inc()
        if asks and asked_before:
            self._log.info("an alert has asked to retrain already", window=drift.window, episode=drift.episode)
        if drift.alarm is not None:
            self._log_alarm(drift.alarm, drift.episode, retrain=asks)

    def _log_alarm(self, alarm: Alarm, episode: int | None, *, retrain: bool) -> None:
        # of a lasting drift there is an alarm a window: only what opens the episode or asks wakes anybody
        say = self._log.warning if retrain or episode == alarm.window else self._log.info
        say(
            "alarm",
            says=alarm.sentence,
            detector=alarm.detector,
            statistic=alarm.statistic,
            threshold=alarm.threshold,
            effect=alarm.effect,
            blame=alarm.blame[:BLAMED],
            record=alarm.entry,
            id=alarm.record,
            first=alarm.first,
            since=alarm.since,
            window=alarm.window,
            model=alarm.model,
            episode=episode,
            retrain=retrain,
        )

    def show_window(self, drift: DriftWindow) -> None:
        """Gauges of the newest window, whoever closed it; without a verdict only which detectors alarmed."""
        telemetry, pipeline = self._telemetry, self._telemetry.pipeline
        names = dict.fromkeys([*DETECTORS, concept.NAME, *drift.alarmed])  # those of a later version too
        self._alert.show({(pipeline, name): float(name in drift.alarmed) for name in names})
        if drift.labels is not None:
            self._show_labels(drift.labels)
        if drift.state == "insufficient":
            return
        telemetry.drift_score.labels(pipeline).set(drift.score)
        telemetry.drift_threshold.labels(pipeline).set(drift.threshold)
        telemetry.prediction_probability_mean.labels(pipeline).set(drift.p_mean)
        self._z_shift.show({(pipeline, feature): z for feature, z in drift.z.items()})

    def _show_labels(self, labels: LabelFigures) -> None:
        """Where nothing is known of delay or log-loss, as of no label, the series vanishes."""
        pipeline = (self._telemetry.pipeline,)
        self._telemetry.label_coverage.labels(*pipeline).set(labels.coverage)
        self._label_delay.show({} if labels.delay_s is None else {pipeline: labels.delay_s})
        self._log_loss.show({} if labels.log_loss is None else {pipeline: labels.log_loss})

    def show_lags(self, lags: Sequence[StreamLag]) -> None:
        """Gauges of the backlog; a group that is gone vanishes."""
        by_label = {(self._telemetry.pipeline, str(lag.partition), lag.group): lag for lag in lags}
        self._lag.show({labels: lag.lag_entries for labels, lag in by_label.items()})
        self._pending.show({labels: lag.pending_entries for labels, lag in by_label.items()})
        self._oldest.show({labels: lag.oldest_s for labels, lag in by_label.items()})
