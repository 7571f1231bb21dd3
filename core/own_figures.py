"""A model's figures on its own held-out rows, as the decision that promoted it tells them on the wire."""

from __future__ import annotations

import msgspec


class OwnFigure(msgspec.Struct, frozen=True, kw_only=True):
    """One figure and its interval."""

    name: str  #: as in docs/metrics.md, with underscores: ``log_loss``, ``auc``, ...
    value: float  #: of the model
    low: float | None = None  #: of its interval; None: the rows give none
    high: float | None = None  #: likewise


class OwnFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Figures on the rows that the model's run held out, each row counting once."""

    rows: int  #: how many
    figures: tuple[OwnFigure, ...]  #: without those that these rows leave undefined
    confidence: float = 0.95  #: of the intervals, two-sided
    #: The model was imported and may have been trained on these rows: then the figures flatter it.
    may_have_seen: bool = False


class _Record(msgspec.Struct, frozen=True):
    """What of a promotion's ``decision`` is read here."""

    own: OwnFigures | None = None


def read_own_figures(decision: bytes) -> OwnFigures | None:
    """The figures in the ``decision`` of a promotion; None where it tells none, or is no such record.

    >>> read_own_figures(b'{"promote": true, "own": {"rows": 9, "figures": [{"name": "auc", "value": 0.5}]}}').rows
    9
    """
    try:
        return msgspec.json.decode(decision, type=_Record).own
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def encode_alone(own: OwnFigures | None) -> bytes:
    """The ``decision`` of a promotion that no rule decided: the figures and nothing else; empty without them."""
    return b"" if own is None else msgspec.json.encode(_Record(own))
