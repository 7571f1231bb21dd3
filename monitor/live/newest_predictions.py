"""The newest predictions with their contributions; of a block only some last rows are read."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from core.connection import Connection
from core.entry import default_record_id
from core.keys import PartitionKeys
from core.model import Floats
from core.scripts.entry_fields import EntryQuery, each_entry_fields
from monitor.live.numbers import finite, time_ms, whole
from monitor.live.prediction_sample import NewestEntry
from monitor.live.prediction_view import Contribution, PredictionView
from monitor.live.text import shown

#: Predictions that are told, and contributions of each.
MOST_PREDICTIONS, MOST_CONTRIBUTIONS = 10, 12
#: Bytes of a plain prediction's contributions: 500 features have 20 KB.
PLAIN_BYTES = 256 * 1024
#: Bytes of a block's columns at least: ten ids of 128 bytes are among them.
LEAST_BYTES = 2_048
#: Features beyond which nothing is told: no model has so many.
MOST_FEATURES = 10_000
_FLOAT_BYTES = 8
_PLAIN = ("id", "record", "row", "pred", "p_class1", "p_raw", "logit", "bias", "contrib", "ts", "model")
_BLOCK = (
    "_n",
    "record",
    "$_rows",
    "$_ids",
    "$_pred",
    "$_p",
    "$_p_raw",
    "$_logit",
    "$_contrib",
    "bias",
    "ts",
    "model",
    "#_rows",
    "#_ids",
)
_json = msgspec.json.Decoder(dict[str, float])

#: Names of a model's features by its run, () where they are not known.
FeatureNames = Callable[[str], tuple[str, ...]]


def read_newest(
    connection: Connection,
    partitions: Mapping[int, PartitionKeys],
    entries: Sequence[NewestEntry],
    names: FeatureNames,
) -> list[PredictionView]:
    """The newest predictions of some entries (newest first), newest first."""
    chosen: list[tuple[NewestEntry, int]] = []
    rows = 0
    for entry in entries:
        if rows >= MOST_PREDICTIONS or len(chosen) >= MOST_PREDICTIONS:
            break
        if entry.width <= MOST_FEATURES:
            chosen.append((entry, min(entry.rows, MOST_PREDICTIONS - rows)))
            rows += chosen[-1][1]
    if not chosen:
        return []
    queries = [_query(partitions[entry.partition], entry, rows) for entry, rows in chosen]
    views: list[PredictionView] = []
    for (entry, rows), found in zip(chosen, each_entry_fields(connection, queries), strict=True):
        for read in found.entries:
            if entry.width:
                views += _of_block(read.values, entry, rows, names)
            else:
                views += _plain(read.values)
    return views[:MOST_PREDICTIONS]


def _query(partition: PartitionKeys, entry: NewestEntry, rows: int) -> EntryQuery:
    # the end of each column that holds so many rows of the widest one
    cut_bytes = rows * entry.width * _FLOAT_BYTES if entry.width else PLAIN_BYTES
    fields = _BLOCK if entry.width else _PLAIN
    return EntryQuery(partition.predictions, fields, 1, entry.id, entry.id, cut_bytes=max(LEAST_BYTES, cut_bytes))


def _plain(values: list[Any]) -> list[PredictionView]:
    record_id, record, row, pred, p, p_raw, logit, bias, contributions, ts, model = values
    try:
        by_feature = _json.decode(contributions or b"")
    except msgspec.MsgspecError:
        return []
    figures = finite(p), finite(logit), finite(bias)
    view = _view(
        shown(record_id or b""),
        record,
        whole(row) or 0,
        time_ms(ts),
        1 if pred == b"1" else 0,
        (figures[0], None if p_raw is None else finite(p_raw), figures[1], figures[2]),
        list(by_feature),
        np.array(list(by_feature.values()), dtype=np.float64),
        model,
    )
    return [] if view is None else [view]


def _of_block(values: list[Any], entry: NewestEntry, rows: int, names: FeatureNames) -> list[PredictionView]:
    count, record, _, _, pred, p, p_raw, logit, contributions, bias, ts, model, _, _ = values
    width = entry.width
    if whole(count) != entry.rows or contributions is None or model is None:
        return []
    columns = [_last(column, rows) for column in (p, logit)]
    raw = _last(p_raw, rows)
    if any(column is None for column in columns) or len(contributions) < rows * width * _FLOAT_BYTES:
        return []
    table = np.frombuffer(contributions[-rows * width * _FLOAT_BYTES :], "<f8").reshape(rows, width)
    predicted = np.frombuffer((pred or b"")[-rows:].rjust(rows, b"\0"), np.uint8)
    numbers = _row_numbers(values, entry.rows, rows)
    ids = _ids(values, numbers, entry.partition)
    features = list(names(model.decode(errors="replace")))
    if len(features) != width:
        features = [f"feature {number + 1}" for number in range(width)]
    views = []
    for place in reversed(range(rows)):
        view = _view(
            ids[place],
            record,
            numbers[place],
            time_ms(ts),
            1 if predicted[place] == 1 else 0,
            (columns[0][place], None if raw is None else raw[place], columns[1][place], finite(bias)),  # type: ignore[index]
            features,
            table[place],
            model,
        )
        if view is not None:
            views.append(view)
    return views


def _last(column: bytes | None, rows: int) -> list[float] | None:
    """The last ``rows`` values of a column of float64; None where it has not so many."""
    if column is None or len(column) < rows * _FLOAT_BYTES:
        return None
    values: list[float] = np.frombuffer(column[-rows * _FLOAT_BYTES :], "<f8").tolist()
    return values


def _row_numbers(values: list[Any], count: int, rows: int) -> list[int]:
    """Numbers of the last rows in their block: all are there unless ``_rows`` says which."""
    given, given_bytes = values[2], values[12]
    if given_bytes == 4 * count and given is not None and len(given) >= 4 * rows:
        numbers: list[int] = np.frombuffer(given[-4 * rows :], "<i4").tolist()
        return numbers
    return list(range(count - rows, count))


def _ids(values: list[Any], numbers: list[int], partition: int) -> list[str]:
    """Ids of the last rows, those that a block without ids has by default."""
    record, ids, ids_bytes = values[1] or b"", values[3], values[13]
    if ids is not None:
        last = ids.split(b"\n")
        if len(ids) < ids_bytes:
            last = last[1:]  # the first was cut
        given = [shown(one) for one in last[-len(numbers) :]]
        if len(given) < len(numbers):
            given = [""] * (len(numbers) - len(given)) + given
        return given
    return [shown(default_record_id(partition, record, number)) for number in numbers]


def _view(
    record_id: str,
    record: bytes | None,
    row: int,
    ts_ms: int | None,
    pred: int,
    figures: tuple[float | None, float | None, float | None, float | None],
    features: Sequence[str],
    contributions: Floats,
    model: bytes | None,
) -> PredictionView | None:
    """One prediction; None where a figure is not finite, as no scorer writes it."""
    p, p_raw, logit, bias = figures
    if p is None or logit is None or bias is None or not len(contributions):
        return None
    finite_figures = all(map(math.isfinite, (p, logit, bias, 0.0 if p_raw is None else p_raw)))
    order = np.argsort(-np.abs(contributions), kind="stable")
    named, others = order[:MOST_CONTRIBUTIONS], order[MOST_CONTRIBUTIONS:]
    with np.errstate(over="ignore", invalid="ignore"):
        rest = float(contributions[others].sum())
    if not finite_figures or not math.isfinite(rest) or not np.isfinite(contributions).all():
        return None
    return PredictionView(
        id=record_id,
        record=shown(record or b""),
        row=row,
        ts_ms=ts_ms,
        pred=pred,
        p_class1=p,
        p_raw=p_raw,
        logit=logit,
        bias=bias,
        contributions=[
            Contribution(feature=shown(features[place]), value=float(contributions[place]))
            for place in named.tolist()
        ],
        rest=rest,
        rest_features=len(others),
        model=shown(model or b""),
    )
