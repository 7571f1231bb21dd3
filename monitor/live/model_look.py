"""Follows the model in production, its figures, and how it came there."""

from __future__ import annotations

from typing import Any

import msgspec

from core.connection import Connection
from core.keys import PipelineKeys
from core.own_figures import OwnFigure, OwnFigures, read_own_figures
from core.registry import Production
from core.scripts.entry_fields import EntryQuery, entry_fields
from monitor.live.events import REFUSED, Change, Events, Stay
from monitor.live.model_facts import ModelFacts
from monitor.live.model_view import Decision, Figure, ModelView
from monitor.live.numbers import LARGEST_WHOLE, LATEST_MS
from monitor.live.text import SENTENCE_CHARACTERS, shown

#: Decisions that are told.
MOST_DECISIONS = 12
#: Figures that are told.
MOST_FIGURES = 16
#: Bytes of the record of a decision; one has 10 KB.
DECISION_BYTES = 256 * 1024
#: Promotions of a run whose records are searched for figures: a roll-back may have none.
SEARCHED = 3
#: What figures are called and what they tell, in the order in which they are told.
FIGURES = {
    "log_loss": ("log-loss", "surprise at the outcomes; lower is better"),
    "auc": ("area under ROC", "1 is perfect, .5 is chance"),
    "accuracy": ("accuracy", "share of rows predicted right"),
    "recall": ("recall", "share of class 1 that is found"),
    "precision": ("precision", "share of predictions of class 1 that are right"),
    "balanced_accuracy": ("balanced accuracy", "mean of recall and specificity"),
    "brier": ("Brier score", "squared error of probabilities; lower is better"),
    "expected_calibration_error": ("calibration error", "probabilities against shares; lower is better"),
    "average_precision": ("average precision", "area under the precision-recall curve"),
    "specificity": ("specificity", "share of class 0 that is found"),
    "f1": ("F1", "harmonic mean of precision and recall"),
    "mcc": ("Matthews correlation", "1 is perfect, 0 is chance"),
}


class _Judged(msgspec.Struct, frozen=True):
    """What of a duel on the judged rows is read: the figures of the candidate that won."""

    candidate: dict[str, Any]
    candidate_intervals: dict[str, Any] | None = None


class _Record(msgspec.Struct, frozen=True):
    """What of a decision is read where it tells no figures of the model alone."""

    judged: _Judged | None = None


class ModelLook:
    """Looks at production."""

    def __init__(self, connection: Connection, keys: PipelineKeys) -> None:
        self._connection = connection
        self._keys = keys
        self._figures_of: tuple[str, int, bytes] | None = None  # run, epoch and newest change when they were read
        self._figures: OwnFigures | None = None

    def look(
        self, production: Production, facts: ModelFacts | None, trouble: str | None, events: Events
    ) -> ModelView:
        """The model in production; ``trouble``: why its bytes cannot be read."""
        newest = events.changes[0].entry_id if events.changes else b""  # may come later than the pointer
        if self._figures_of != (production.run_id, production.epoch, newest):
            self._figures = self._read_figures(production.run_id, events.changes)
            self._figures_of = (production.run_id, production.epoch, newest)
        figures = self._figures
        return ModelView(
            run_id=shown(production.run_id),
            previous=None if production.previous is None else shown(production.previous),
            epoch=min(production.epoch, LARGEST_WHOLE),
            since_ms=min(production.updated_ts_ms, LATEST_MS),
            threshold=None if facts is None else facts.threshold,
            calibration=None if facts is None else facts.calibration,
            features=0 if facts is None else len(facts.features),
            train_rows=0 if facts is None else facts.train_rows,
            figures=[] if figures is None else _figure_views(figures),
            figures_of=_figures_of(figures, trouble),
            history=_history(events.changes, events.stays),
            rollback=(
                None if production.previous is None else f"streamgauge rollback --pipeline {self._keys.pipeline}"
            ),
        )

    def _read_figures(self, run_id: str, changes: list[Change]) -> OwnFigures | None:
        """The figures that a promotion of this run brought, the newest one's first."""
        own = [change for change in changes if change.run_id == shown(run_id) and change.has_decision]
        for change in own[:SEARCHED]:
            query = EntryQuery(
                self._keys.promotions,
                ("decision",),
                1,
                change.entry_id,
                change.entry_id,
                cut_bytes=DECISION_BYTES,
            )
            for entry in entry_fields(self._connection, query).entries:
                figures = read_own_figures(entry.values[0] or b"") or _of_duel(entry.values[0] or b"")
                if figures is not None:
                    return figures
        return None


def _of_duel(decision: bytes) -> OwnFigures | None:
    """The figures on the judged rows, of a decision that was made before they stood alone."""
    try:
        judged = msgspec.json.decode(decision, type=_Record).judged
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    rows = None if judged is None else judged.candidate.get("rows")
    if judged is None or not isinstance(rows, int):
        return None
    intervals = judged.candidate_intervals or {}
    figures = []
    for name in FIGURES:
        value = judged.candidate.get(name)
        if isinstance(value, int | float):
            low, high = _interval(intervals.get(name))
            figures.append(OwnFigure(name=name, value=float(value), low=low, high=high))
    return OwnFigures(rows=rows, figures=tuple(figures))


def _interval(ends: Any) -> tuple[float | None, float | None]:
    """Ends of an interval as the record has them: a list or an object of two."""
    if isinstance(ends, dict):
        ends = [ends.get("low"), ends.get("high")]
    if not isinstance(ends, list) or len(ends) != 2:
        return None, None
    low, high = (float(end) if isinstance(end, int | float) else None for end in ends)
    return low, high


def _figure_views(figures: OwnFigures) -> list[Figure]:
    order = {name: place for place, name in enumerate(FIGURES)}
    ranked = sorted(figures.figures[: 4 * MOST_FIGURES], key=lambda figure: order.get(figure.name, len(order)))
    return [
        Figure(
            name=FIGURES.get(figure.name, (shown(figure.name), ""))[0],
            words=FIGURES.get(figure.name, ("", ""))[1],
            value=figure.value,
            low=figure.low,
            high=figure.high,
        )
        for figure in ranked[:MOST_FIGURES]
    ]


def _figures_of(figures: OwnFigures | None, trouble: str | None) -> str:
    if figures is None:
        none = "no figures came with this promotion; streamgauge runs has them"
        return shown(trouble, SENTENCE_CHARACTERS) if trouble else none
    rows = "1 row" if figures.rows == 1 else f"{figures.rows:,} rows"
    if figures.may_have_seen:
        return f"on {rows} that the imported model may have been trained on, which would flatter it"
    intervals = any(figure.low is not None for figure in figures.figures)
    level = f", with {100 * figures.confidence:g} % intervals" if intervals else ""
    return f"on {rows} held out when it was trained{level}"


def _history(changes: list[Change], stays: list[Stay]) -> list[Decision]:
    """Changes and refusals, the newest first."""
    decisions = [_of_change(change) for change in changes[:MOST_DECISIONS]]
    decisions += [_of_stay(stay) for stay in stays[:MOST_DECISIONS]]
    return sorted(decisions, key=lambda decision: -decision.ts_ms)[:MOST_DECISIONS]


def _of_change(change: Change) -> Decision:
    return Decision(
        ts_ms=change.ms,
        kind="rollback" if change.reason == "rollback" else "promotion",
        run_id=change.run_id,
        reason="rule" if change.commanded is None else change.reason,
        sentence=change.commanded or change.reason,
    )


def _of_stay(stay: Stay) -> Decision:
    refused = stay.outcome == REFUSED
    return Decision(
        ts_ms=stay.ms,
        kind="refusal" if refused else "other",
        run_id=stay.run_id,
        reason=stay.reason,
        sentence=stay.sentence if refused else f"{stay.outcome.replace('_', ' ')}: {stay.sentence}",
    )
