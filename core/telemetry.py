"""Every metric that any service exports, on a registry of its own."""

from __future__ import annotations

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from core.bulk_histogram import BulkHistogram

#: Buckets of a scoring step, in seconds.
SCORE_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
#: Buckets from entry id to publication, in seconds.
END_TO_END_BUCKETS = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    300.0,
)
#: Buckets of the probability of class 1: ten of equal width, as in a reliability diagram.
PROBABILITY_BUCKETS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


class Telemetry:
    """The metrics; each service touches its own and only those appear.

    Parameters
    ----------
    prefix
        Of every name: a shadow's differs, so that no sum over production's has anything of it.
    """

    def __init__(self, pipeline: str, prefix: str = "streamgauge") -> None:
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # the library types it not
        self.registry = CollectorRegistry()
        self.pipeline = pipeline
        self._prefix = prefix

        self.build_info = self._gauge("build_info", "1 for the version that runs.", "version")
        self.waiting = self._gauge("waiting", "1 while an error keeps the service from its work, as its log says.")
        self.records_scored = self._counter("records_scored", "Records scored, each row of a block.", "model")
        self.records_rejected = self._counter("records_rejected", "Records rejected, by reason.", "reason")
        self.entries_claimed = self._counter(
            "entries_claimed", "Entries taken over from a worker that went silent."
        )
        self.reconnects = self._counter("reconnects", "Times the service had lost its server and came back.")
        self.score_batch_seconds = self._histogram(
            "score_batch_seconds", "Decoding, scoring and encoding one batch.", SCORE_BUCKETS
        )
        self.end_to_end_seconds = BulkHistogram(
            f"{prefix}_end_to_end_seconds",
            "From a record's entry id to its answer; a block counts once.",
            pipeline,
            END_TO_END_BUCKETS,
            self.registry,
        )
        self.prediction_probability = BulkHistogram(
            f"{prefix}_prediction_probability",
            "Probability of class 1 of the records scored; of 2,000 and more in a commit a part stands for all.",
            pipeline,
            PROBABILITY_BUCKETS,
            self.registry,
        )

        lag_labels = ("partition", "group")
        self.stream_lag_entries = self._gauge("stream_lag_entries", "Entries not yet handed out.", *lag_labels)
        self.stream_pending_entries = self._gauge(
            "stream_pending_entries", "Entries handed out and open.", *lag_labels
        )
        self.oldest_unread_seconds = self._gauge(
            "oldest_unread_seconds", "Age of the oldest open entry.", *lag_labels
        )

        self.drift_score = self._gauge(
            "drift_score", "Mean absolute z shift over the features in the newest window."
        )
        self.drift_threshold = self._gauge("drift_threshold", "Threshold of the drift score, that one detector.")
        self.feature_z_shift = self._gauge(
            "feature_z_shift", "Shift of a feature in the newest window, in training SDs.", "feature"
        )
        self.drift_alert = self._gauge(
            "drift_alert", "1 for a detector that alarmed in the open episode: what alerts look at.", "detector"
        )
        self.label_coverage = self._gauge("label_coverage", "Share of the newest sampled records with a label.")
        self.label_delay_seconds = self._gauge("label_delay_seconds", "Mean time from a record to its label.")
        self.labelled_log_loss = self._gauge(
            "labelled_log_loss", "Log-loss of the last few hundred labels, before calibration."
        )
        self.drift_windows = self._counter(
            "drift_windows", "Windows closed, by state: insufficient, ok, drift or recovering.", "state"
        )
        self.prediction_probability_mean = self._gauge(
            "prediction_probability_mean", "Mean p_class1 in the newest window."
        )
        self.retrain_events = self._counter("retrain_events", "Retrain events written, by reason.", "reason")
        self.webhook_alerts = self._counter(
            "webhook_alerts", "Alerts that came by POST /alerts, by what became of them.", "outcome"
        )

        self.training_runs = self._counter("training_runs", "What became of retrain events.", "outcome")
        self.production_info = self._gauge(
            "production_info", "1 for the run in production, as this service sees it.", "run_id"
        )
        self.production_updated = self._gauge(
            "production_updated_timestamp_seconds", "When production last changed, by the server's clock."
        )

    def show_service(self, version: str) -> None:
        """What each service exports from its start on; counters from 0, so that their first increase shows."""
        self.build_info.labels(self.pipeline, version).set(1)
        self.waiting.labels(self.pipeline).set(0)
        self.reconnects.labels(self.pipeline)

    def set_production(self, run_id: str, updated_ts_ms: int) -> None:
        """Show one production run and no other."""
        self.production_info.clear()
        self.production_info.labels(self.pipeline, run_id).set(1)
        self.production_updated.labels(self.pipeline).set(updated_ts_ms / 1000)

    def exposition(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return prometheus_client.generate_latest(self.registry)

    def _counter(self, name: str, documentation: str, *labels: str) -> Counter:
        return Counter(f"{self._prefix}_{name}", documentation, ("pipeline", *labels), registry=self.registry)

    def _gauge(self, name: str, documentation: str, *labels: str) -> Gauge:
        return Gauge(f"{self._prefix}_{name}", documentation, ("pipeline", *labels), registry=self.registry)

    def _histogram(self, name: str, documentation: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(
            f"{self._prefix}_{name}", documentation, ("pipeline",), buckets=buckets, registry=self.registry
        )
