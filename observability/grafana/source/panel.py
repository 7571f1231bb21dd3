"""Panels of a dashboard: what each shows, in Grafana's words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from observability.grafana.source.colours import BLUE, GREY, steps

Json = dict[str, Any]

#: Uid of the datasource, as it is provisioned.
DATASOURCE: Json = {"type": "prometheus", "uid": "streamgauge-prometheus"}
#: Where the pages of the alerts are.
RUNBOOKS = "https://github.com/streamgauge/streamgauge/blob/main/docs/runbooks"
#: Most columns of a status history: with more than one for two pixels of its width Grafana shows an error instead.
#: A telephone has room for 180; 120 are two a minute in the picture of an hour.
_COLUMNS = 120


@dataclass(frozen=True)
class Query:
    """A question to Prometheus."""

    expr: str
    legend: str = ""  #: name of its series; {{label}} stands for a label
    now: bool = False  #: the newest value alone
    buckets: bool = False  #: of a histogram; Grafana puts them in order by their names, so the legend is {{le}}


@dataclass(frozen=True)
class Panel:
    """One panel, without its place."""

    kind: str
    title: str
    description: str
    queries: tuple[Query, ...]
    unit: str
    width: int
    height: int = 8
    runbook: str = ""  #: page of the alert that belongs to it
    options: Json = field(default_factory=dict)
    defaults: Json = field(default_factory=dict)  #: of ``fieldConfig``
    overrides: list[Json] = field(default_factory=list)
    most_points: int | None = None

    def to_json(self, number: int, x: int, y: int) -> Json:
        """The panel at its place."""
        links = [{"title": "Runbook", "url": f"{RUNBOOKS}/{self.runbook}.md", "targetBlank": True}]
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "gridPos": {"h": self.height, "w": self.width, "x": x, "y": y},
            "datasource": DATASOURCE,
            "targets": [_target(place, query) for place, query in enumerate(self.queries)],
            **({"maxDataPoints": self.most_points} if self.most_points else {}),
            **({"links": links} if self.runbook else {}),
            "fieldConfig": {"defaults": {"unit": self.unit, **self.defaults}, "overrides": self.overrides},
            "options": self.options,
        }


def _target(place: int, query: Query) -> Json:
    return {
        "refId": chr(ord("A") + place),
        "datasource": DATASOURCE,
        "editorMode": "code",
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "format": "heatmap" if query.buckets else "time_series",
        "instant": query.now,
        "range": not query.now,
    }


def stat(
    title: str,
    description: str,
    query: Query,
    unit: str,
    thresholds: Json | None = None,
    *,
    width: int = 3,
    runbook: str = "",
    name: bool = False,
    **defaults: Any,
) -> Panel:
    """The newest figure, large; with ``name`` the name of its series instead."""
    options = {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "value" if thresholds else "none",
        "graphMode": "none" if name or query.now else "area",
        "textMode": "name" if name else "value",
        "justifyMode": "auto",
        "orientation": "auto",
        "wideLayout": True,
    }
    shown = {"color": {"mode": "thresholds"}, "thresholds": thresholds or steps(GREY), **defaults}
    return Panel("stat", title, description, (query,), unit, width, 4, runbook, options, shown)


def lines(
    title: str,
    description: str,
    queries: tuple[Query, ...],
    unit: str,
    width: int,
    overrides: list[Json],
    *,
    limit: Json | None = None,
    stacked: bool = False,
    stepped: bool = False,
    bars: bool = False,
    runbook: str = "",
    **defaults: Any,
) -> Panel:
    """Figures over time; ``limit``: thresholds that are drawn as dashed lines."""
    custom = {
        "drawStyle": "bars" if bars else "line",
        "lineInterpolation": "stepAfter" if stepped else "linear",
        "lineWidth": 1 if bars else 2,
        "fillOpacity": 60 if bars else 15 if stacked else 0,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "dashed" if limit else "off"},
    }
    options = {
        "legend": {
            "displayMode": "table",
            "placement": "bottom",
            "showLegend": True,
            "calcs": ["lastNotNull", "max"],
        },
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    shown = {
        # shades of one colour, for series whose names are not known before
        "color": {"mode": "shades", "fixedColor": BLUE},
        "thresholds": limit or steps(GREY),
        "custom": custom,
        **defaults,
    }
    return Panel("timeseries", title, description, queries, unit, width, 8, runbook, options, shown, overrides)


def heat_map(title: str, description: str, query: Query, y_unit: str, width: int, runbook: str = "") -> Panel:
    """A histogram's buckets over time: light for many, dark for few (the light theme turns that round)."""
    options = {
        "calculate": False,
        "cellGap": 1,
        "cellValues": {"unit": "short"},
        "color": {
            "mode": "scheme",
            "scheme": "Cividis",
            "scale": "exponential",
            "exponent": 0.5,
            "steps": 64,
            "reverse": False,
            "fill": BLUE,
        },
        "exemplars": {"color": GREY},
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "showValue": "never",
        "tooltip": {"mode": "single", "yHistogram": True, "showColorScale": True},
        "yAxis": {"unit": y_unit, "axisPlacement": "left", "reverse": False},
    }
    return Panel("heatmap", title, description, (query,), "short", width, 8, runbook, options)


def history(
    title: str, description: str, query: Query, unit: str, width: int, thresholds: Json, **more: Any
) -> Panel:
    """A row a series, a cell a moment, its colour by thresholds: a heat map whose rows have names."""
    options = {
        "showValue": "never",
        "rowHeight": 0.9,
        "colWidth": 0.9,
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "single", "sort": "none"},
    }
    shown = {
        "color": {"mode": "thresholds"},
        "thresholds": thresholds,
        "custom": {"fillOpacity": 90, "lineWidth": 0},
        **more,
    }
    return Panel("status-history", title, description, (query,), unit, width, 8, "", options, shown, [], _COLUMNS)


def timeline(
    title: str, description: str, query: Query, width: int, words: tuple[tuple[str, str], ...], runbook: str = ""
) -> Panel:
    """A row a series, coloured by its state: ``words`` are (text, colour) of the values 0, 1, ..."""
    options = {
        "showValue": "never",
        "rowHeight": 0.8,
        "mergeValues": True,
        "alignValue": "left",
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "single", "sort": "none"},
    }
    shown = {
        "color": {"mode": "thresholds"},
        "thresholds": steps(*_as_steps(words)),
        "mappings": [mapping(*words)],
        "custom": {"fillOpacity": 80, "lineWidth": 0},
    }
    return Panel("state-timeline", title, description, (query,), "none", width, 8, runbook, options, shown)


def bars_now(
    title: str, description: str, query: Query, unit: str, width: int, thresholds: Json, **more: Any
) -> Panel:
    """A bar a series, as of now."""
    options = {
        "displayMode": "basic",
        "orientation": "horizontal",
        "namePlacement": "left",
        "valueMode": "color",
        "showUnfilled": True,
        "sizing": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    }
    shown = {"color": {"mode": "thresholds"}, "thresholds": thresholds, "min": 0, **more}
    return Panel("bargauge", title, description, (query,), unit, width, 8, "", options, shown)


def mapping(*words: tuple[str, str]) -> Json:
    """Texts and colours of the values 0, 1, ..."""
    return {
        "type": "value",
        "options": {
            str(value): {"text": text, "color": colour, "index": value}
            for value, (text, colour) in enumerate(words)
        },
    }


def _as_steps(words: tuple[tuple[str, str], ...]) -> tuple[Any, ...]:
    return (words[0][1], *((float(value), colour) for value, (_, colour) in enumerate(words) if value))
