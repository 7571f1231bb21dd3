"""Predictions as they are written: one field a value for a plain record, arrays for a block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from core.byte_columns import bytes_of, side_by_side
from core.entry import WIRE_VERSION
from core.model import Scores
from core.number import json_texts, shortest, shortest_texts
from core.record_rows import AlikeRows, RecordRows
from core.scoring import ScoredBatch
from core.scripts.commit import MAX_CALL_BYTES, MAX_CALL_ENTRIES, AlikeResults
from core.traceparent import FIELD as TRACEPARENT

#: Results of a block up to this size go to the script as one string for all; larger ones one by one, for then the
#: script's copies take longer than the server takes to read the protocol.
_SMALL_RESULT_BYTES = 2048
#: A batch in which traced and other entries take turns goes to the script in pieces; where those would have fewer
#: entries than this on average, each entry is encoded by itself, as that takes no longer.
LEAST_RUN = 8
#: Stand for what is not the same in all results of a batch.
_DIFFERS, _OWN_ID = b"(differs)", b"(id)"
_json = msgspec.json.Encoder()
_msgpack = msgspec.msgpack.Encoder()


class PredictionEncoder:
    """Encode scored batches for one model; what does not change between records is encoded once.

    Parameters
    ----------
    features
        Names in schema order.
    bias
        The model's intercept.
    run_id
        The model's run.
    partition
        Partition of the records, part of the default record id.
    """

    def __init__(self, features: tuple[str, ...], bias: float, run_id: str, partition: int) -> None:
        self._features = features
        self._bias = shortest(bias).encode()
        self._model = run_id.encode()
        self._partition = partition
        names = ",".join(_json.encode(name).decode().replace("%", "%%") + ":%s" for name in features)
        self._contributions = "{" + names + "}"
        both = (False, True)
        self._plain_shapes = {
            (calibrated, traced): self._plain_shape(calibrated, traced) for calibrated in both for traced in both
        }

    def _plain_shape(self, calibrated: bool, traced: bool) -> tuple[list[bytes], list[int], int]:
        return _shape(
            {
                b"_v": WIRE_VERSION,
                b"id": _DIFFERS,
                b"record": _OWN_ID,
                b"row": b"0",
                b"pred": _DIFFERS,
                b"p_class1": _DIFFERS,
                **({b"p_raw": _DIFFERS} if calibrated else {}),
                b"logit": _DIFFERS,
                b"bias": self._bias,
                b"contrib": _DIFFERS,
                b"model": self._model,
                **({TRACEPARENT: _DIFFERS} if traced else {}),
            }
        )

    def encode(self, scored: ScoredBatch) -> Iterator[tuple[bytes, list[bytes]]]:
        """Entry id and result fields for each entry, without ``ts`` (the script adds the server's time)."""
        for rows in scored.batch.entries:
            encode = self._plain if rows.plain else self._block
            yield rows.entry.id, encode(rows, scored.scores)

    def encode_alike(self, scored: ScoredBatch) -> list[AlikeResults] | None:
        """The same for all entries together, in pieces for one call each; None where their forms differ."""
        rows = scored.batch.entries
        if scored.batch.rejections or not isinstance(rows, AlikeRows):
            return None
        result_bytes = rows.rows_each * 8 * (4 + len(self._features))
        entries = max(1, min(MAX_CALL_ENTRIES, MAX_CALL_BYTES // result_bytes))
        runs = list(rows.runs())
        if len(runs) * LEAST_RUN > len(rows) and len(runs) > 1:
            return None
        pieces = [
            (start, min(entries, first + count - start))
            for first, count in runs
            for start in range(first, first + count, entries)
        ]
        encode = self._alike_plain if rows.plain else self._alike_blocks
        try:
            return [encode(rows, scored.scores, first, count) for first, count in pieces]
        except UnicodeDecodeError:  # an id that is no text, which the script's MessagePack does not know
            return None

    def _plain(self, rows: RecordRows, scores: Scores) -> list[bytes]:
        """One record."""
        row, entry_id = rows.start, rows.entry.id
        probability = float(scores.probability[row])
        contributions = dict(zip(self._features, scores.contributions[row].tolist(), strict=True))
        raw = scores.raw_probability
        # fmt: off  (field and value side by side)
        return [
            b"_v",
            WIRE_VERSION,
            b"id",
            rows.ids[0] if rows.ids else b"%d-%b-0" % (self._partition, entry_id),
            b"record",
            entry_id,
            b"row",
            b"0",
            b"pred",
            b"1" if probability >= scores.threshold else b"0",
            b"p_class1",
            shortest(probability).encode(),
            *(() if raw is None else (b"p_raw", shortest(raw[row]).encode())),
            b"logit",
            shortest(scores.logit[row]).encode(),
            b"bias",
            self._bias,
            b"contrib",
            _json.encode(contributions),
            b"model",
            self._model,
            *(() if rows.traceparent is None else (TRACEPARENT, rows.traceparent)),
        ]
        # fmt: on

    def _alike_plain(self, rows: AlikeRows, scores: Scores, first: int, entries: int) -> AlikeResults:
        """Records ``first`` to ``first + entries``; arrays become text at once, not one by one."""
        part = slice(first, first + entries)
        ids = [entry[0] for entry in rows.entries[part]]
        shares = iter(json_texts(scores.contributions[part].reshape(-1)))
        own_ids = None if rows.ids is None else [own_id.decode() for own_id in rows.ids[part]]
        differing: list[Sequence[str]] = [
            own_ids or [f"{self._partition}-{entry_id.decode()}-0" for entry_id in ids],
            ["1" if predicted else "0" for predicted in scores.predicted[part].tolist()],
            shortest_texts(scores.probability[part]),
            *(() if scores.raw_probability is None else (shortest_texts(scores.raw_probability[part]),)),
            shortest_texts(scores.logit[part]),
            [self._contributions % row for row in zip(*[shares] * len(self._features), strict=True)],
        ]
        traces = rows.traces(first, entries)
        if traces is not None:
            differing.append([each.decode() for each in traces])
        texts = [""] * (len(differing) * len(ids))
        for place, values in enumerate(differing):
            texts[place :: len(differing)] = values
        shape = self._plain_shapes[scores.raw_probability is not None, traces is not None]
        return AlikeResults(ids, 1, *shape, b"texts", _msgpack.encode(texts))

    def _alike_blocks(self, rows: AlikeRows, scores: Scores, first: int, entries: int) -> AlikeResults:
        """Blocks ``first`` to ``first + entries``; the bytes of all are copied at once."""
        ids = [entry[0] for entry in rows.entries[first : first + entries]]
        part = slice(first * rows.rows_each, (first + len(ids)) * rows.rows_each)
        columns = [
            bytes_of(values[part].astype(kind, copy=False), len(ids))
            for values, kind in (
                (scores.predicted, "u1"),
                (scores.probability, "<f8"),
                (scores.raw_probability, "<f8"),
                (scores.logit, "<f8"),
                (scores.contributions, "<f8"),
            )
            if values is not None
        ]
        traces = rows.traces(first, entries)
        if traces is not None:
            columns.append(bytes_of(np.frombuffer(b"".join(traces), np.uint8), len(ids)))
        shape = _shape(
            {
                b"_v": WIRE_VERSION,
                b"_n": b"%d" % rows.rows_each,
                b"record": _OWN_ID,
                b"_pred": _DIFFERS,
                b"_p": _DIFFERS,
                **({} if scores.raw_probability is None else {b"_p_raw": _DIFFERS}),
                b"_logit": _DIFFERS,
                b"_contrib": _DIFFERS,
                b"bias": self._bias,
                b"model": self._model,
                **({} if traces is None else {TRACEPARENT: _DIFFERS}),
            }
        )
        sizes = [column.shape[1] for column in columns]
        if sum(sizes) > _SMALL_RESULT_BYTES:
            return AlikeResults(ids, 1, *shape, b"values", columns)
        form = b"".join(b"c%d" % size for size in sizes)
        return AlikeResults(ids, 1, *shape, form, side_by_side(columns, len(ids)).tobytes())

    def _block(self, rows: RecordRows, scores: Scores) -> list[bytes]:
        """All rows of one block."""
        part = slice(rows.start, rows.stop)
        fields = [b"_v", WIRE_VERSION, b"_n", b"%d" % rows.count, b"record", rows.entry.id]
        if rows.rows is not None:
            fields += [b"_rows", rows.rows.astype("<i4").tobytes()]
        if rows.ids is not None:
            fields += [b"_ids", b"\n".join(rows.ids)]
        raw = scores.raw_probability
        # fmt: off  (field and value side by side)
        return [
            *fields,
            b"_pred",
            scores.predicted[part].tobytes(),
            b"_p",
            scores.probability[part].astype("<f8", copy=False).tobytes(),
            *(() if raw is None else (b"_p_raw", raw[part].astype("<f8", copy=False).tobytes())),
            b"_logit",
            scores.logit[part].astype("<f8", copy=False).tobytes(),
            b"_contrib",
            scores.contributions[part].astype("<f8", copy=False).tobytes(),
            b"bias",
            self._bias,
            b"model",
            self._model,
            *(() if rows.traceparent is None else (TRACEPARENT, rows.traceparent)),
        ]
        # fmt: on


def _shape(fields: dict[bytes, bytes]) -> tuple[list[bytes], list[int], int]:
    """Names and values in turn, the places of the values that differ, and the place of the entry's id."""
    flat = [text for pair in fields.items() for text in pair]
    places = [2 * place for place, value in enumerate(fields.values(), start=1) if value is _DIFFERS]
    return flat, places, 2 * (list(fields).index(b"record") + 1)
