"""Dashboards: rows of panels, put side by side on Grafana's grid of 24 columns."""

from __future__ import annotations

from dataclasses import dataclass

from observability.grafana.source.colours import BLUE, GREEN, ORANGE
from observability.grafana.source.panel import DATASOURCE, RUNBOOKS, Json, Panel

#: Columns of the grid.
COLUMNS = 24
#: The newest schema of classic dashboards.
SCHEMA = 42


@dataclass(frozen=True)
class Row:
    """Panels under one heading; those of a line are equally high."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Board:
    """One dashboard."""

    uid: str
    title: str
    description: str
    other: tuple[str, str]  #: uid and title of the dashboard beside it
    page: tuple[str, str]  #: page and title in the documentation
    rows: tuple[Row, ...]

    def to_json(self) -> Json:
        """As Grafana reads it."""
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": ["streamgauge"],
            "schemaVersion": SCHEMA,
            "version": 1,
            "editable": False,
            "graphTooltip": 1,
            "timezone": "browser",
            "time": {"from": "now-1h", "to": "now"},
            "refresh": "10s",
            "timepicker": {"refresh_intervals": ["5s", "10s", "30s", "1m", "5m", "15m"]},
            "links": self._links(),
            "templating": {"list": [_PIPELINE]},
            "annotations": {"list": [_BUILT_IN, *_EVENTS]},
            "panels": self._panels(),
        }

    def _links(self) -> list[Json]:
        uid, title = self.other
        to_other = _link(title, f"/d/{uid}", "dashboard") | {"includeVars": True, "keepTime": True}
        pages = (self.page, ("README", "Runbooks"))
        return [
            to_other,
            *(
                _link(title, f"{RUNBOOKS.removesuffix('/runbooks')}/{folder}/{page}.md", "doc")
                | {"targetBlank": True}
                for folder, (page, title) in zip(("operations", "runbooks"), pages, strict=True)
            ),
        ]

    def _panels(self) -> list[Json]:
        made: list[Json] = []
        y = 0
        for row in self.rows:
            place = {"h": 1, "w": COLUMNS, "x": 0, "y": y}
            head = {"type": "row", "title": row.title, "collapsed": False, "gridPos": place, "panels": []}
            made.append({"id": len(made) + 1, **head})
            x, y = 0, y + 1
            for panel in row.panels:
                made.append(panel.to_json(len(made) + 1, x, y))
                x += panel.width
                if x == COLUMNS:
                    x, y = 0, y + panel.height
            if x:
                raise ValueError(f"the last line of {row.title!r} has {x} of {COLUMNS} columns")
        return made


def _link(title: str, url: str, icon: str) -> Json:
    return {
        "type": "link",
        "title": title,
        "url": url,
        "icon": icon,
        "tooltip": "",
        "tags": [],
        "asDropdown": False,
        "targetBlank": False,
        "includeVars": False,
        "keepTime": False,
    }


_PIPELINES = "label_values(streamgauge_build_info, pipeline)"
_PIPELINE: Json = {
    "type": "query",
    "name": "pipeline",
    "label": "Pipeline",
    "description": "The pipeline that is shown; services of all pipelines say theirs.",
    "datasource": DATASOURCE,
    "query": {"qryType": 1, "query": _PIPELINES, "refId": "PrometheusVariableQueryEditor-VariableQuery"},
    "definition": _PIPELINES,
    "refresh": 2,
    "sort": 1,
    "multi": False,
    "includeAll": False,
    "hide": 0,
    "regex": "",
    "skipUrlSync": False,
    "options": [],
    "current": {},
}
_BUILT_IN: Json = {
    "name": "Annotations & Alerts",
    "datasource": {"type": "grafana", "uid": "-- Grafana --"},
    "type": "dashboard",
    "builtIn": 1,
    "enable": True,
    "hide": True,
    "iconColor": BLUE,
}


def _event(name: str, colour: str, expr: str, text: str) -> Json:
    return {
        "name": name,
        "datasource": DATASOURCE,
        "enable": True,
        "hide": False,
        "iconColor": colour,
        "titleFormat": name,
        "textFormat": text,
        "target": {
            "refId": "Anno",
            "datasource": DATASOURCE,
            "expr": expr,
            "interval": "10s",
            "legendFormat": "",
            "range": True,
            "instant": False,
        },
    }


_EVENTS = (
    _event(
        "Retrain event",
        ORANGE,
        'sum by (reason) (increase(streamgauge_retrain_events_total{pipeline="$pipeline"}[$__rate_interval])) > 0',
        "{{reason}}",
    ),
    _event(
        "Promotion",
        GREEN,
        "max by (pipeline) (changes(streamgauge_production_updated_timestamp_seconds"
        '{pipeline="$pipeline",job="monitor"}[$__rate_interval])) > 0',
        "production changed",
    ),
)
