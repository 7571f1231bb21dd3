"""Live states made by hand: a pipeline that drifts, one that has nothing yet, and one full of hostile text."""

from __future__ import annotations

from msgspec.structs import replace

from monitor.live.drift_view import DriftView, Heat, History, Mark, ReadingView, WindowView
from monitor.live.flow import Flow, GroupBacklog, Refused, WorkerView
from monitor.live.model_view import Decision, Figure, ModelView
from monitor.live.prediction_view import Contribution, PredictionsView, PredictionView
from monitor.live.state import LiveState

#: 2026-11-22 16:03:44 UTC.
NOW_MS = 1_795_363_424_000
SPAN_MS = 900_000
WINDOWS = 50
#: Window from which the score grows.
DRIFTS_FROM = 36
THRESHOLD = 0.6
FEATURES = ("Area", "MajorAxisLength", "Perimeter", "Eccentricity", "Extent")
SHIFTS = (1.21, 1.1, 1.05, -0.4, 0.05)
RUN = "3f2a9c01bd7e"
#: What a stream may hold to draw on a terminal: clear it, colour it, retitle it, write from the right, markup.
HOSTILE = "\x1b[2J\x1b[31m\x9b1m\x1b]0;title\x07\u202e\r\n\t[red]bold[/red]"


def drifting_state() -> LiveState:
    """An alarm in the newest window, two scorers, a trainer that fell silent, three rejections."""
    return LiveState(
        pipeline="prod",
        version="0.1.0",
        now_ms=NOW_MS,
        flow=_flow(),
        drift=_drift(),
        predictions=_predictions(FEATURES),
        model=_model(),
    )


def empty_state() -> LiveState:
    """A pipeline in which nothing happened yet."""
    return LiveState(
        pipeline="prod",
        version="0.1.0",
        now_ms=NOW_MS,
        waiting="no model is in production; run streamgauge fit CSV --label COLUMN",
        flow=Flow(),
        drift=DriftView(false_alarm_records=50_000),
        predictions=PredictionsView(),
    )


def hostile_state() -> LiveState:
    """Every text that comes from a stream or a run is hostile."""
    state = drifting_state()
    names = [f"{number}{HOSTILE}" for number in range(len(FEATURES))]
    assert state.drift.window is not None
    assert state.model is not None
    window = replace(
        state.drift.window, z=dict(zip(names, SHIFTS, strict=True)), blame=names, first=HOSTILE, last=HOSTILE
    )
    refused = [replace(one, id=HOSTILE, reason=HOSTILE, detail=HOSTILE) for one in state.flow.rejected_newest]
    workers = [replace(one, name=HOSTILE) for one in state.flow.workers]
    return replace(
        state,
        problem=HOSTILE,
        waiting=HOSTILE,
        flow=replace(state.flow, rejected_newest=refused, rejected_reasons={HOSTILE: 2}, workers=workers),
        drift=replace(
            state.drift,
            window=window,
            words=HOSTILE,
            heat=replace(state.drift.heat, features=names),
            marks=[replace(mark, text=HOSTILE) for mark in state.drift.marks],
            readings=[replace(one, detector=HOSTILE, words=HOSTILE) for one in state.drift.readings],
        ),
        predictions=replace(
            _predictions(names),
            classes=(HOSTILE, HOSTILE),
            newest=[replace(one, id=HOSTILE) for one in _predictions(names).newest],
        ),
        model=replace(
            state.model,
            run_id=HOSTILE,
            calibration=HOSTILE,
            figures_of=HOSTILE,
            figures=[replace(one, name=HOSTILE, words=HOSTILE) for one in state.model.figures],
            history=[replace(one, sentence=HOSTILE) for one in state.model.history],
            rollback=HOSTILE,
        ),
    )


def _flow() -> Flow:
    scorers = GroupBacklog(
        group="scorers", not_read_entries=10, pending_entries=2, oldest_s=0.3, required=True, open_window=False
    )
    monitors = GroupBacklog(
        group="monitors", not_read_entries=120, pending_entries=0, oldest_s=3.0, required=True, open_window=True
    )
    working = [
        WorkerView(
            name=f"host-{number}-abc", service="scorer", state="working", seen_s=0.2, pending_entries=number
        )
        for number in (1, 2)
    ]
    silent = WorkerView(name="host-3-abc", service="trainer", state="silent", seen_s=42.0, pending_entries=0)
    return Flow(
        records_per_s=1_203.4,
        predictions_per_s=1_198.2,
        rejections_per_s=0.2,
        backlog_records=12.0,
        backlog_age_s=0.3,
        partitions=1,
        groups=[scorers, monitors],
        workers=[*working, silent],
        monitor_behind_s=3.0,
        rejected_total=3,
        rejected_reasons={"missing_feature": 2, "not_a_number": 1},
        rejected_newest=[
            Refused(
                ts_ms=NOW_MS - 4_000,
                reason="missing_feature",
                detail="Area is missing",
                record="1-1",
                id="order-7",
            )
        ],
    )


def _drift() -> DriftView:
    times = [NOW_MS - SPAN_MS + (number + 1) * SPAN_MS // WINDOWS for number in range(WINDOWS)]
    scores: list[float | None] = [0.2 + max(0, number - DRIFTS_FROM) * 0.1 for number in range(WINDOWS)]
    history = History(
        from_ms=NOW_MS - SPAN_MS,
        to_ms=NOW_MS,
        span_s=SPAN_MS / 1000,
        ts_ms=times,
        score=scores,
        threshold=[THRESHOLD] * WINDOWS,
        state=["ok"] * WINDOWS,
        window=list(range(1, WINDOWS + 1)),
        windows=[1] * WINDOWS,
    )
    window = WindowView(
        window=WINDOWS,
        state="drift",
        score=1.42,
        threshold=THRESHOLD,
        n=500,
        skipped=1,
        first="a",
        last="b",
        ts_ms=NOW_MS,
        episode=43,
        alarmed=["mean_abs_z"],
        p_mean=0.6,
        z=dict(zip(FEATURES, SHIFTS, strict=True)),
        features=len(FEATURES),
        blame=["Area", "MajorAxisLength"],
        model=RUN,
    )
    heat = [[max(0.0, number - DRIFTS_FROM) * shift / 13 for number in range(WINDOWS)] for shift in SHIFTS]
    return DriftView(
        false_alarm_records=50_000,
        window=window,
        words="Area is 1.21 training SDs higher than in training, MajorAxisLength 1.10 SDs.",
        readings=[
            ReadingView(
                detector="mean_abs_z", words="the means", statistic=1.42, threshold=0.6, alarm=True, calm=False
            ),
            ReadingView(
                detector="constant", words="one value", statistic=None, threshold=None, alarm=False, calm=True
            ),
        ],
        history=history,
        heat=Heat(features=list(FEATURES), features_total=len(FEATURES), z=[list(row) for row in heat]),
        marks=[
            Mark(ts_ms=NOW_MS - 600_000, kind="promotion", text="run 3f2a9c01bd7e", window=None),
            Mark(ts_ms=NOW_MS - 120_000, kind="alarm", text="Area is higher", window=43),
            Mark(ts_ms=NOW_MS - 118_000, kind="retrain", text="feature_drift", window=43),
        ],
    )


def _predictions(features: tuple[str, ...] | list[str]) -> PredictionsView:
    newest = [
        PredictionView(
            id=f"order-{number}",
            record="1-1",
            row=0,
            ts_ms=NOW_MS,
            pred=number % 2,
            p_class1=0.05 + 0.1 * number,
            p_raw=None,
            logit=0.3,
            bias=-0.2,
            contributions=[Contribution(feature, 0.1) for feature in features],
            rest=0.0,
            rest_features=0,
            model=RUN,
        )
        for number in range(10)
    ]
    return PredictionsView(
        classes=("Kecimen", "Besni"),
        threshold=0.5,
        sampled=500,
        since_ms=NOW_MS - 5_000,
        edges=[number / 10 for number in range(11)],
        now=[0.1, 0.05, 0.05, 0.05, 0.05, 0.05, 0.1, 0.15, 0.2, 0.2],
        training=[0.25, 0.1, 0.05, 0.05, 0.05, 0.05, 0.05, 0.1, 0.1, 0.2],
        newest=newest,
    )


def _model() -> ModelView:
    return ModelView(
        run_id=RUN,
        previous="0123456789ab",
        epoch=2,
        since_ms=NOW_MS - 700_000,
        threshold=0.5,
        calibration="platt",
        features=len(FEATURES),
        train_rows=720,
        figures=[
            Figure(name="log-loss", words="smaller is better", value=0.341, low=0.29, high=0.4),
            Figure(name="accuracy", words="share that is right", value=0.866, low=None, high=None),
        ],
        figures_of="180 held-out rows",
        history=[
            Decision(
                ts_ms=NOW_MS - 700_000,
                kind="promotion",
                run_id=RUN,
                reason="feature_drift",
                sentence="The candidate's log-loss is better by 0.12 (0.05 to 0.19) on 300 labelled rows.",
            ),
            Decision(
                ts_ms=NOW_MS - 800_000, kind="refusal", run_id=None, reason="manual", sentence="It is no better."
            ),
        ],
        rollback="streamgauge rollback --pipeline prod",
    )
