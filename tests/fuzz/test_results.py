"""Stray entries among results: a reader is told with a documented error, never surprised later."""

from __future__ import annotations

from functools import partial

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bench.chaos import garbage
from core.connection import Connection
from core.drift_window import DriftWindow, RetrainEvent
from core.entry import Entry
from core.errors import RecordError
from core.fields import decode_fields
from core.keys import PipelineKeys
from core.label_entry import decode_label_entry
from core.pipeline_config import agree
from core.prediction import PredictionBlock, decode_prediction
from core.rejection import decode_rejection
from core.settings import Settings
from streamgauge.status import read_status
from tests.fuzz.attempt import attempt
from tests.fuzz.profile import fuzz, fuzz_server
from trainer.open_request import read_event, since_of

#: What the readers of results skip as no result of ours.
STRAY = (KeyError, ValueError, msgspec.MsgspecError)

LABEL_REASONS = {"unknown_version", "duplicate_field", "bad_field", "bad_block"}


def _array(kind: str, most: int) -> st.SearchStrategy[bytes]:
    return st.lists(st.integers(0, 1), max_size=most).map(lambda values: np.array(values, kind).tobytes())


@st.composite
def nearly_predictions(draw: st.DrawFn) -> list[bytes]:
    """A block prediction whose arrays may have any lengths."""
    fields = [
        b"_v",
        b"1",
        b"_n",
        b"%d" % draw(st.integers(-1, 3)),
        b"record",
        draw(st.sampled_from((b"1-0", b"\xff"))),
    ]
    if draw(st.booleans()):
        fields += [b"_rows", draw(_array("<i4", 3))]
    if draw(st.booleans()):
        fields += [b"_ids", b"\n".join(draw(st.lists(st.just(b"id"), max_size=3)))]
    fields += [b"_pred", draw(_array("u1", 3)), b"_p", draw(_array("<f8", 3)), b"_logit", draw(_array("<f8", 3))]
    return [*fields, b"_contrib", draw(_array("<f8", 6)), b"bias", b"0", b"model", b"run", b"ts", b"1"]


@fuzz
@given(st.one_of(garbage.any_fields(b"record", b"contrib", b"_pred", b"_p"), nearly_predictions()))
def test_a_stray_prediction_is_an_error_of_its_own_or_can_be_read_to_its_end(fields: list[bytes]) -> None:
    found, _ = attempt(lambda: decode_prediction(Entry(b"1-0", fields)), *STRAY)
    if isinstance(found, PredictionBlock):
        assert len(list(found.predictions())) == len(found)


@fuzz
@given(garbage.any_fields(b"record", b"reason", b"detail", b"entry"))
def test_a_stray_rejection_is_an_error_of_its_own(fields: list[bytes]) -> None:
    found, _ = attempt(lambda: decode_rejection(Entry(b"1-0", fields)), *STRAY)
    assert found is None or found.count >= 0


@fuzz
@given(garbage.labels())
def test_a_label_is_read_or_set_aside_with_a_documented_reason(fields: list[bytes]) -> None:
    found = decode_label_entry(Entry(b"1-0", fields), ("good", "faulty"))
    assert found.labels or found.fault is not None
    assert all(label in {0.0, 1.0} for _, label in found.labels)
    if found.fault is not None:
        assert found.fault.reason in LABEL_REASONS
        assert found.fault.encode()


@fuzz
@given(garbage.events())
def test_a_retrain_event_is_read_or_refused_with_a_reason(fields: list[bytes]) -> None:
    _, error = attempt(lambda: since_of(read_event(Entry(b"1-0", fields))), RecordError)
    assert getattr(error, "reason", "bad_field") in {"bad_field", "unknown_version"}


@fuzz
@given(garbage.any_fields(*(name.encode() for name in DriftWindow.__struct_fields__)))
def test_a_window_is_read_or_refused_with_a_reason(fields: list[bytes]) -> None:
    for kind in (DriftWindow, RetrainEvent):
        _, error = attempt(partial(decode_fields, Entry(b"1-0", fields), kind), RecordError)
        assert getattr(error, "reason", "bad_field") in {"bad_field", "unknown_version"}


@fuzz_server
@given(
    st.lists(garbage.any_fields(b"record", b"detail"), min_size=1, max_size=4),
    st.sampled_from((b"\xff", b"1-0", b"")),
    st.binary(max_size=6),
)
def test_status_shows_a_pipeline_that_others_wrote_into(
    connection: Connection, keys: PipelineKeys, found: list[list[bytes]], record: bytes, reason: bytes
) -> None:
    settings = Settings(pipeline=keys.pipeline)
    agree(connection, settings)
    forged = [b"record", record, b"reason", reason, b"detail", b"?"]
    for fields in (*found, forged):
        for stream in (keys.partition(0).rejected, keys.drift):
            connection.call("XADD", stream, "MAXLEN", 8, "*", *fields)
    status = read_status(connection, settings)
    assert status.lengths[0].rejected <= 8
