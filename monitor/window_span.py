"""A window as a span, from its first usable record to its verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.drift_window import DriftWindow
from core.entry import parse_entry_id

if TYPE_CHECKING:
    from core.open_telemetry import Tracer


def trace_window(tracer: Tracer, drift: DriftWindow) -> None:
    """Write the span of a window that was closed just now; of one without usable records it has no length."""
    tracer.record(
        "close window",
        {
            "streamgauge.window": drift.window,
            "streamgauge.state": drift.state,
            "streamgauge.score": drift.score,
            "streamgauge.threshold": drift.threshold,
            "streamgauge.records": drift.n,
            "streamgauge.skipped": drift.skipped,
            "streamgauge.alarmed": ",".join(drift.alarmed),
            "streamgauge.model": drift.model,
        },
        parse_entry_id(drift.first_entry).ms if drift.first_entry else None,
    )
