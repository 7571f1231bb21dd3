"""What each dashboard must have: a place for every panel, words and units, colours, links that lead somewhere."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

from observability.grafana.source.board import COLUMNS, SCHEMA
from observability.grafana.source.colours import PALETTE
from observability.grafana.source.panel import DATASOURCE, RUNBOOKS
from tests.ops.grafana.shipped import Json, boards, panels
from tests.ops.tools import CHECKOUT

#: Where the pages stand that links name.
_PAGES = RUNBOOKS.removesuffix("docs/runbooks")
#: Modes of colour that come from our own colours; Grafana's palettes mix green and red.
_OWN_COLOURS = {"fixed", "shades", "thresholds"}
_SETTINGS = {"schemaVersion": SCHEMA, "refresh": "10s", "timezone": "browser", "editable": False}


def board_complaints(folder: Path) -> list[str]:
    """What is wrong with the dashboards."""
    found = boards(folder)
    uids = {board.get("uid") for board in found.values()}
    return [
        f"{name}: {complaint}"
        for name, board in found.items()
        for check in (_settings, _variables, _places, _words, _colours, _datasources)
        for complaint in check(board)
    ] + [f"{name}: {complaint}" for name, board in found.items() for complaint in _links(board, uids)]


def _settings(board: Json) -> Iterator[str]:
    for key, wanted in _SETTINGS.items():
        if board.get(key) != wanted:
            yield f"{key} is not {wanted!r}"
    if "streamgauge" not in board["tags"]:
        yield "it has no tag streamgauge"


def _variables(board: Json) -> Iterator[str]:
    names = [variable["name"] for variable in board["templating"]["list"]]
    if names != ["pipeline"]:
        yield f"its variables are {names}"
    if not any(variable["definition"].startswith("label_values(") for variable in board["templating"]["list"]):
        yield "the pipelines are not those that services name"
    for panel in panels(board):
        for target in panel["targets"]:
            if "$pipeline" not in target["expr"] and "up{" not in target["expr"]:
                yield f"{panel['title']} shows all pipelines at once"


def _places(board: Json) -> Iterator[str]:
    ids = [panel["id"] for panel in board["panels"]]
    if len(ids) != len(set(ids)):
        yield "two panels have the same id"
    for panel in board["panels"]:
        place = panel["gridPos"]
        if place["x"] < 0 or place["x"] + place["w"] > COLUMNS or min(place["w"], place["h"]) < 1:
            yield f"{panel['title']} is beside the grid"
    for one, other in combinations(board["panels"], 2):
        if _overlap(one["gridPos"], other["gridPos"]):
            yield f"{one['title']} and {other['title']} overlap"


def _overlap(one: Json, other: Json) -> bool:
    beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
    above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
    return not (beside or above)


def _words(board: Json) -> Iterator[str]:
    if not board.get("description"):
        yield "it has no description"
    for panel in panels(board):
        if len(panel.get("description", "").split()) < 4:
            yield f"{panel['title']} has no description"
        if not panel["fieldConfig"]["defaults"].get("unit"):
            yield f"{panel['title']} has no unit"
        for target in panel.get("targets", ()):
            if target["format"] == "heatmap" and target["legendFormat"] != "{{le}}":
                yield f"the buckets of {panel['title']} are out of order: Grafana sorts them by their names"
        if not panel.get("targets"):
            yield f"{panel['title']} asks nothing"
        letters = [target["refId"] for target in panel.get("targets", ())]
        if len(letters) != len(set(letters)):
            yield f"{panel['title']} has two queries of one name"


def _colours(board: Json) -> Iterator[str]:
    for key, value in _pairs(board):
        if key in {"color", "fixedColor", "iconColor"} and isinstance(value, str) and value not in PALETTE:
            yield f"the colour {value} is none of ours"
        if (
            key == "color"
            and isinstance(value, dict)
            and value.get("mode", "fixed") not in {*_OWN_COLOURS, "scheme"}
        ):
            yield f"the colours of {value['mode']} are none of ours"
        if key == "scheme" and value != "Cividis":
            yield f"the colours of {value} are none of ours"


def _datasources(board: Json) -> Iterator[str]:
    for key, value in _pairs(board):
        if key == "datasource" and value != DATASOURCE and value.get("uid") != "-- Grafana --":
            yield f"the datasource {value} is not provisioned"
    for panel in panels(board):
        if "datasource" not in panel or any("datasource" not in target for target in panel["targets"]):
            yield f"{panel['title']} has no datasource"


def _links(board: Json, uids: set[Any]) -> Iterator[str]:
    leads = {"other": False, "page": False}
    for link in [*board["links"], *(link for panel in panels(board) for link in panel.get("links", ()))]:
        url = link["url"]
        if url.startswith("/d/"):
            leads["other"] |= url.removeprefix("/d/") != board["uid"]
            if url.removeprefix("/d/") not in uids:
                yield f"there is no dashboard {url}"
            if not (link["includeVars"] and link["keepTime"]):
                yield f"{url} forgets the pipeline or the time"
        elif url.startswith(_PAGES):
            leads["page"] = True
            if not (CHECKOUT / url.removeprefix(_PAGES)).is_file():
                yield f"there is no page {url}"
        else:
            yield f"a link to {url}"
    yield from (f"no link to the {what}" for what, there in leads.items() if not there)


def _pairs(value: Any) -> Iterator[tuple[str, Any]]:
    """Keys and values at any depth."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key, inner
            yield from _pairs(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _pairs(inner)
