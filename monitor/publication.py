"""A closed window made durable, and shown: the one place from which gauges, streams and log get their figures."""

from __future__ import annotations

from structlog.typing import FilteringBoundLogger

from core.connection import Connection
from core.drift_window import DriftWindow
from core.fields import encode_fields
from core.keys import PipelineKeys
from core.scripts.close_window import close_window
from core.telemetry import Telemetry
from monitor.state import encode_state
from monitor.window_engine import ClosedWindow

#: Features named in a log line.
BLAMED = 3


def write_window(connection: Connection, keys: PipelineKeys, closed: ClosedWindow) -> bool:
    """Write a window with its state, samples and retrain event in one step.

    Returns False where another monitor closed it first; nothing was written then.
    """
    return close_window(
        connection,
        keys,
        closed.drift.window - 1,
        encode_state(closed.state),
        encode_fields(closed.drift),
        list(closed.samples.encode()) if closed.samples is not None else [],
        [encode_fields(closed.retrain)] if closed.retrain is not None else [],
    )


def show_window(telemetry: Telemetry, log: FilteringBoundLogger, closed: ClosedWindow) -> None:
    """Gauges and log line of a window that was written."""
    drift, pipeline = closed.drift, telemetry.pipeline
    telemetry.drift_windows.labels(pipeline, drift.state).inc()
    log.info("window", window=drift.window, state=drift.state, score=drift.score, n=drift.n, model=drift.model)
    if drift.state != "insufficient":
        show_verdict(telemetry, drift)
    if closed.retrain is not None:
        telemetry.retrain_events.labels(pipeline, closed.retrain.reason).inc()
        log.warning(
            "drift confirmed",
            window=drift.window,
            score=drift.score,
            threshold=drift.threshold,
            blame=drift.blame[:BLAMED],
            since=closed.retrain.since,
            first=closed.retrain.first,
            model=drift.model,
        )


def show_verdict(telemetry: Telemetry, drift: DriftWindow) -> None:
    """The gauges of one verdict; features of another schema vanish."""
    pipeline = telemetry.pipeline
    telemetry.drift_score.labels(pipeline).set(drift.score)
    telemetry.drift_threshold.labels(pipeline).set(drift.threshold)
    telemetry.prediction_probability_mean.labels(pipeline).set(drift.p_mean)
    telemetry.drift_alert.labels(pipeline, drift.detector).set(drift.episode is not None)
    telemetry.feature_z_shift.clear()
    for feature, z in drift.z.items():
        telemetry.feature_z_shift.labels(pipeline, feature).set(z)
