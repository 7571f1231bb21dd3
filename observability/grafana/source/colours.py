"""Colours that colour-blind people tell apart as well: Okabe and Ito, "Color Universal Design", 2008."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
SKY, VERMILLION, YELLOW = "#56B4E9", "#D55E00", "#F0E442"
#: For what is as it should be and needs no attention.
GREY = "#8E8E8E"
#: What is bad, what may become so, what is well.
BAD, WARN, GOOD = VERMILLION, ORANGE, BLUE

_SERIES = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION, YELLOW)
PALETTE = frozenset({*_SERIES, GREY})

Json = dict[str, Any]


def by_name(names: Iterable[str]) -> list[Json]:
    """Overrides that give series of known names a colour each; where colours come again, lines are dashed."""
    overrides = []
    for number, name in enumerate(names):
        overrides.append(painted(name, _SERIES[number % len(_SERIES)], dashed=number >= len(_SERIES)))
    return overrides


def painted(name: str, colour: str, *, dashed: bool = False) -> Json:
    """An override that gives the series of this name a colour."""
    return _override({"id": "byName", "options": name}, {"mode": "fixed", "fixedColor": colour}, dashed=dashed)


def shaded(pattern: str, colour: str, *, dashed: bool = False) -> Json:
    """An override that gives the series whose names match shades of one colour, from dark to light."""
    matcher = {"id": "byRegexp", "options": f"/{pattern}/"}
    return _override(matcher, {"mode": "shades", "fixedColor": colour}, dashed=dashed)


def _override(matcher: Json, colour: Json, *, dashed: bool) -> Json:
    properties: list[Json] = [{"id": "color", "value": colour}]
    if dashed:
        properties.append({"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [8, 6]}})
    return {"matcher": matcher, "properties": properties}


def steps(base: str, *others: tuple[float, str]) -> Json:
    """Thresholds: a colour for the lowest values, then (from where on, colour)."""
    return {
        "mode": "absolute",
        "steps": [
            {"color": base, "value": None},
            *({"color": colour, "value": start} for start, colour in others),
        ],
    }
