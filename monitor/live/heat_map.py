"""Shift by feature over time, of the windows that a history shows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from core.connection import Connection
from core.model import Floats
from core.scripts.entry_fields import EntryQuery, each_entry_fields
from monitor.live.drift_view import Heat
from monitor.live.text import shown
from monitor.live.window_history import POINTS, WindowPoint

#: Features that are shown.
MOST_FEATURES = 20
#: Bytes of the shifts of one window: 500 features have 20 KB.
SHIFT_BYTES = 256 * 1024
#: Windows whose shifts are read in one look, once there are some.
READ_WINDOWS = 24
#: Decimals of a shift, in training standard deviations.
DECIMALS = 2

_json = msgspec.json.Decoder(dict[str, float])


class _Shifts(NamedTuple):
    """The shifts of one window."""

    features: tuple[str, ...]
    z: Floats  #: (d,)


class HeatMap:
    """Reads the shifts of each window that is shown, once."""

    def __init__(self, connection: Connection, stream: str) -> None:
        self._connection = connection
        self._stream = stream
        self._known: dict[bytes, _Shifts | None] = {}
        self._features: tuple[str, ...] = ()  # of the newest window: kept, as nearly all have the same

    def look(self, points: Sequence[WindowPoint]) -> Heat:
        """The heat map of these windows, a column each. One without a verdict has no shifts."""
        judged = [point.entry_id for point in points if point.state != "insufficient"]
        self._read(judged)
        self._known = {entry_id: self._known[entry_id] for entry_id in judged if entry_id in self._known}
        columns = [self._known.get(point.entry_id) for point in points]
        newest = next((column for column in reversed(columns) if column is not None), None)
        if newest is None:
            return Heat()
        z = _aligned(columns, newest.features)
        with np.errstate(over="ignore"):  # shifts that no monitor wrote
            size = np.nan_to_num(np.abs(z)).sum(axis=0)
            order = np.argsort(-size, kind="stable")[:MOST_FEATURES]
            rows = np.round(z[:, order].T, DECIMALS)
        return Heat(
            features=[shown(newest.features[number]) for number in order],
            features_total=len(newest.features),
            z=[[value if math.isfinite(value) else None for value in row] for row in rows.tolist()],
        )

    def _read(self, judged: Sequence[bytes]) -> None:
        """Read the newest ones that are not known; the others come with later looks."""
        missing = [entry_id for entry_id in reversed(judged) if entry_id not in self._known]
        missing = missing[: READ_WINDOWS if self._known else POINTS + 1]
        if not missing:
            return
        queries = [
            EntryQuery(self._stream, ("z",), 1, entry_id, entry_id, cut_bytes=SHIFT_BYTES) for entry_id in missing
        ]
        for entry_id, found in zip(missing, each_entry_fields(self._connection, queries), strict=True):
            self._known[entry_id] = self._shifts(found.entries[0].values[0]) if found.entries else None

    def _shifts(self, text: bytes | None) -> _Shifts | None:
        """The shifts in a window's entry; None where it has none that can be read."""
        try:
            z = _json.decode(text or b"")
        except msgspec.MsgspecError:
            return None
        features = tuple(z)
        if features == self._features:
            features = self._features
        else:
            self._features = features
        return _Shifts(features, np.array(list(z.values()), dtype=np.float64)) if z else None


def _aligned(columns: Sequence[_Shifts | None], features: tuple[str, ...]) -> Floats:
    """(points, d) shifts of these features; nan where a window has none."""
    places = {feature: place for place, feature in enumerate(features)}
    z = np.full((len(columns), len(features)), np.nan)
    for number, column in enumerate(columns):
        if column is None:
            continue
        if column.features is features:
            z[number] = column.z
            continue
        for feature, value in zip(column.features, column.z.tolist(), strict=True):
            place = places.get(feature)
            if place is not None:
                z[number, place] = value
    return z
