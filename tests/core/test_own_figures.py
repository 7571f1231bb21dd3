from __future__ import annotations

import msgspec
import pytest

from core.own_figures import OwnFigure, OwnFigures, encode_alone, read_own_figures

OWN = OwnFigures(
    rows=180,
    figures=(
        OwnFigure(name="log_loss", value=0.3, low=0.25, high=0.36),
        OwnFigure(name="recall", value=1.0),
    ),
)


def test_figures_that_stand_alone_are_read() -> None:
    assert read_own_figures(encode_alone(OWN)) == OWN
    assert encode_alone(None) == b""


def test_figures_are_found_among_all_else_that_a_decision_says() -> None:
    later = msgspec.json.encode(
        {"promote": True, "format": 9, "own": {**msgspec.to_builtins(OWN), "mood": "good"}, "judged": None}
    )
    assert read_own_figures(later) == OWN


@pytest.mark.parametrize(
    "decision", [b"", b"{}", b'{"own": null}', b'{"own": 3}', b'{"own": {"rows": 1}}', b"[]", b"no json", b"\xff"]
)
def test_a_decision_without_figures_tells_none(decision: bytes) -> None:
    assert read_own_figures(decision) is None
