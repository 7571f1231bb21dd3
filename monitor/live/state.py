"""The live state: what ``GET /api/state`` answers and ``streamgauge status --watch`` shows.

Times are milliseconds of the server's clock since 1970, None is what is not known, and every list and text is
bounded, whatever the streams hold.
"""

from __future__ import annotations

import msgspec

from monitor.live.drift_view import DriftView
from monitor.live.flow import Flow
from monitor.live.model_view import ModelView
from monitor.live.prediction_view import PredictionsView

#: Of this layout; a page of another one says that it must be loaded anew.
FORMAT = 1


class LiveState(msgspec.Struct, frozen=True, kw_only=True):
    """One look at a pipeline."""

    age_s: float = 0.0  #: since the look, when it was sent out; more than a few seconds: it is not fresh
    format: int = FORMAT  #: of this layout; a page of another one says that it must be loaded anew
    pipeline: str  #: its name
    version: str  #: of the program
    now_ms: int  #: of the look
    problem: str | None = None  #: what keeps some of it from being fresh, as a sentence
    waiting: str | None = None  #: what is missing until there is something to see, and which command is next
    flow: Flow  #: what flows, who works on it, and what is refused
    drift: DriftView  #: what the monitor says about drift
    predictions: PredictionsView  #: what the model says of the records
    model: ModelView | None = None  #: None: nothing is in production
