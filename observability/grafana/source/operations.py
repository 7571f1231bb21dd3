"""The dashboard for those who run a pipeline: does it answer, how fast, and is anything in its way?"""

from __future__ import annotations

from typing import get_args

from core.rejection import REASONS
from observability.grafana.source.board import Board, Row
from observability.grafana.source.colours import (
    BAD,
    BLUE,
    GOOD,
    GREY,
    ORANGE,
    PURPLE,
    WARN,
    by_name,
    painted,
    shaded,
    steps,
)
from observability.grafana.source.panel import Query, heat_map, lines, stat, timeline
from trainer.retraining import Outcome

_HERE = '{pipeline="$pipeline"}'
_SCORERS = '{pipeline="$pipeline",group="scorers"}'
#: The groups that read records have a colour each, their partitions shades of it; dashed where nobody waits.
_GROUPS = [shaded("^scorers", BLUE), shaded("^monitors", ORANGE), shaded("^shadow", PURPLE, dashed=True)]
_SERVICES = [painted("scorer", BLUE), painted("monitor", ORANGE), painted("trainer", PURPLE)]
_QUANTILES = [painted("half within", BLUE), painted("99 of 100 within", ORANGE)]


def _by_partition(metric: str) -> tuple[Query, ...]:
    return (Query(f"max by (group, partition) ({metric}{_HERE})", "{{group}} {{partition}}"),)


def _quantiles(metric: str) -> tuple[Query, ...]:
    rate = f"sum by (le) (rate({metric}_bucket{_HERE}[$__rate_interval]))"
    return (
        Query(f"histogram_quantile(0.5, {rate})", "half within"),
        Query(f"histogram_quantile(0.99, {rate})", "99 of 100 within"),
    )


_NOW = Row(
    "Now",
    (
        stat(
            "Alerts",
            "Alerts of this pipeline that fire now. Zero is the goal; Alertmanager and the runbooks say more.",
            Query(
                'count(ALERTS{alertstate="firing",alertname=~"Streamgauge.+",pipeline=~"$pipeline|"})'
                " or vector(0)",
                now=True,
            ),
            "none",
            steps(GOOD, (1, BAD)),
        ),
        stat(
            "Scorers",
            "Scorers that answer a scrape. With none, records wait.",
            Query('sum(pipeline_job:streamgauge_services:count{pipeline="$pipeline",job="scorer"}) or vector(0)'),
            "none",
            steps(BAD, (1, GOOD)),
            runbook="no-scorer",
            min=0,
        ),
        stat(
            "Scored",
            "Records scored each second, mean of the last minute, all scorers together. A block counts by its "
            "rows.",
            Query(f"pipeline:streamgauge_records_scored:rate1m{_HERE}"),
            "cps",
        ),
        stat(
            "99 of 100 within",
            "From a record's arrival on the server to its answer, last five minutes. Nothing is shown while "
            "nothing is answered. Over 1 s for ten minutes is an alert.",
            Query(f"pipeline:streamgauge_end_to_end_seconds:p99_5m{_HERE}"),
            "s",
            steps(GOOD, (0.5, WARN), (1, BAD)),
            runbook="latency-high",
        ),
        stat(
            "Backlog",
            "Entries that wait for the scorers, handed out or not. It should come back to zero again and again.",
            Query(f"sum(pipeline_group:streamgauge_backlog_entries:sum{_SCORERS})"),
            "short",
            steps(GOOD, (1000, WARN)),
            runbook="backlog-growing",
        ),
        stat(
            "Oldest open entry",
            "Age of the oldest record that the scorers have not answered. Over a minute is an alert.",
            Query(f"max(pipeline_group:streamgauge_oldest_unread_seconds:max{_SCORERS})"),
            "s",
            steps(GOOD, (10, WARN), (60, BAD)),
            runbook="backlog-old",
        ),
        stat(
            "Rejected",
            "Share of the records that could not be scored, last five minutes. Over 1 % is an alert.",
            Query(f"pipeline:streamgauge_records_rejected:share5m{_HERE}"),
            "percentunit",
            steps(GOOD, (0.001, WARN), (0.01, BAD)),
            runbook="rejected-share",
        ),
        stat(
            "Model age",
            "Since production last changed. Over 30 days is an alert, for information.",
            Query(f"pipeline:streamgauge_production_age_seconds:min{_HERE}"),
            "s",
            steps(GOOD, (30 * 24 * 3600, WARN)),
            runbook="stale-model",
        ),
    ),
)

_ANSWERS = Row(
    "Answers",
    (
        lines(
            "Scored by model",
            "Records scored each second, by the model that scored them. At a promotion the new model takes over "
            "from the one before within a second; longer than that, a scorer is behind.",
            (
                Query(
                    f"sum by (model) (rate(streamgauge_records_scored_total{_HERE}[$__rate_interval]))",
                    "{{model}}",
                ),
            ),
            "cps",
            12,
            [],
            stacked=True,
            runbook="scorer-behind",
            min=0,
        ),
        lines(
            "Latency",
            "From a record's arrival on the server (its entry id) to its answer, by the server's clock; a block "
            "counts once. The figures are interpolated between the bounds of the histogram's buckets. Dashed: the "
            "alert.",
            _quantiles("streamgauge_end_to_end_seconds"),
            "s",
            12,
            _QUANTILES,
            limit=steps(GREY, (1, BAD)),
            runbook="latency-high",
            min=0,
        ),
        heat_map(
            "Latency in full",
            "How many entries were answered within which time; light is many (in Grafana's light theme, dark "
            "is). Two bands mean two kinds of records, or a scorer that is slower than the others.",
            Query(
                f"sum by (le) (increase(streamgauge_end_to_end_seconds_bucket{_HERE}[$__rate_interval]))",
                "{{le}}",
                buckets=True,
            ),
            "s",
            12,
            "latency-high",
        ),
        lines(
            "One batch",
            "What decoding, scoring and encoding one batch takes, without Redis. If it is short and the latency "
            "is not, records wait: look at the backlog and at the server.",
            _quantiles("streamgauge_score_batch_seconds"),
            "s",
            12,
            _QUANTILES,
            min=0,
        ),
    ),
)

_BACKLOG = Row(
    "Backlog, by group and partition",
    (
        lines(
            "Not handed out",
            "Entries that no consumer of the group has read (lag). If it grows without end, more comes than is "
            "worked off: add scorers. The monitors' saw-tooth is the window that fills.",
            _by_partition("streamgauge_stream_lag_entries"),
            "short",
            8,
            _GROUPS,
            runbook="backlog-growing",
            min=0,
        ),
        lines(
            "Handed out and open",
            "Entries that a consumer has and has not finished (pending). What stays here without takeovers "
            "belongs to a scorer that hangs.",
            _by_partition("streamgauge_stream_pending_entries"),
            "short",
            8,
            _GROUPS,
            runbook="backlog-growing",
            min=0,
        ),
        lines(
            "Age of the oldest open entry",
            "Age of the oldest entry that the group has not finished. Dashed: the alert on scorers, a minute. "
            "Others may be five minutes behind.",
            _by_partition("streamgauge_oldest_unread_seconds"),
            "s",
            8,
            _GROUPS,
            limit=steps(GREY, (60, BAD)),
            runbook="backlog-old",
            min=0,
        ),
    ),
)

_TROUBLE = Row(
    "Trouble",
    (
        lines(
            "Rejected by reason",
            "Records each second that could not be scored. docs/wire-format.md says what each reason means, and "
            "the rejected stream has the records themselves.",
            (
                Query(
                    f"sum by (reason) (rate(streamgauge_records_rejected_total{_HERE}[$__rate_interval]))",
                    "{{reason}}",
                ),
            ),
            "cps",
            8,
            by_name(REASONS),
            runbook="rejected-share",
            min=0,
        ),
        lines(
            "Takeovers",
            "Entries each second that were taken over from a worker that went silent. A few after a crash or a "
            "forced stop are what it is for; a steady flow means workers that stall.",
            (
                Query(
                    f"sum by (job) (rate(streamgauge_entries_claimed_total{_HERE}[$__rate_interval]))", "{{job}}"
                ),
            ),
            "cps",
            8,
            _SERVICES,
            runbook="backlog-old",
            min=0,
        ),
        lines(
            "Reconnections",
            "How often a service had lost its server and came back, since it started; a step is a loss. Three in "
            "a quarter of an hour are an alert.",
            (Query(f"sum by (job) (streamgauge_reconnects_total{_HERE})", "{{job}}"),),
            "none",
            8,
            _SERVICES,
            stepped=True,
            runbook="reconnects",
            min=0,
            decimals=0,
        ),
    ),
)

_PROCESSES = Row(
    "Services",
    (
        lines(
            "Services that answer",
            "How many of each answer a scrape, of this pipeline. Monitor and trainer are one each; two for a "
            "moment do no harm.",
            (Query(f"pipeline_job:streamgauge_services:count{_HERE}", "{{job}}"),),
            "none",
            8,
            _SERVICES,
            stepped=True,
            runbook="no-scorer",
            min=0,
            decimals=0,
        ),
        lines(
            "Targets that do not answer",
            "Targets of Prometheus that it could not scrape, of all pipelines. One that is gone altogether, as a "
            "stopped container is, is no target any more and is missing on the left.",
            (Query('sum by (job) (1 - up{job=~"scorer|monitor|trainer"})', "{{job}}"),),
            "none",
            8,
            _SERVICES,
            stepped=True,
            runbook="no-scorer",
            min=0,
            decimals=0,
        ),
        timeline(
            "Waiting",
            "Which services an error keeps from their work, most often a server that is away. Their logs say what "
            "they wait for.",
            Query(f"max by (job, instance) (streamgauge_waiting{_HERE})", "{{job}} {{instance}}"),
            8,
            (("works", GREY), ("waits", BAD)),
            "waiting",
        ),
    ),
)

_MODEL = Row(
    "Model",
    (
        lines(
            "Retrain events by reason",
            "Events written since the services started; a step is an event. `drift` and `label_drift` are the "
            "monitor's, `alert` came by POST /alerts, `scheduled` is the trainer's.",
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
            "What the trainer made of retrain events since it started. `refused`: the candidate was not "
            "significantly better; `too_few_labels`: it tries again as labels come; `failed` is an alert.",
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
            "Model age over time",
            "Since production last changed; it falls to zero with a promotion or a rollback.",
            (Query(f"pipeline:streamgauge_production_age_seconds:min{_HERE}", "production"),),
            "s",
            8,
            [painted("production", BLUE)],
            runbook="stale-model",
            min=0,
        ),
    ),
)

OPERATIONS = Board(
    uid="streamgauge-operations",
    title="streamgauge: operations",
    description="Does the pipeline answer, how fast, and is anything in its way?",
    other=("streamgauge-model", "The model"),
    page=("dashboards", "How to read this"),
    rows=(_NOW, _ANSWERS, _BACKLOG, _TROUBLE, _PROCESSES, _MODEL),
)
