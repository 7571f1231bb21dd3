"""The page of the wire format names the keys and fields that the code writes and reads, and no others."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import chain

import numpy as np
import pytest

from bench.chaos.workload import SCHEMA, first_model
from core.calibration import Calibration
from core.connection import Connection
from core.decision_entry import decision_fields
from core.entry import Entry, field_map
from core.errors import RecordError
from core.label_entry import decode_label_entry, set_aside, unmatched_fields
from core.pipeline_config import agree
from core.prediction_encoder import PredictionEncoder
from core.record_decoder import RecordDecoder
from core.record_encoder import encode_block, encode_plain
from core.rejection import REASONS
from core.sample_block import SampleBlock
from core.scoring import score_batch
from core.scripts.script import Script
from core.settings import Settings
from docs.source import entries
from docs.source.comments import word_comments
from docs.source.entries import Form
from docs.source.key_catalogue import Key, listed_keys, listed_names, names_in_code
from docs.source.structs import field_table, structs_of
from docs.source.wire import wire_page
from monitor.live.state import LiveState
from streamgauge.secrets.users import USERS

from core import rejection  # isort: skip  (the module, whose comments are read)

MODEL = replace(first_model(0).model, calibration=Calibration("platt", np.array([1.0, 0.0])))
TRACE = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
MAX_ENTRY_BYTES = 128 * 1024
FORMS = entries.forms()
#: Users of the server's ACL file by the names that the page has for who writes and reads.
_USERS = {"commands": ("operator", "viewer"), "readers": ("reader", "group-reader")}


def names(form: Form) -> set[str]:
    """The fields of a kind of entry on the page."""
    return {name for field in form.fields for name in field.name.split(", ")}


def written(fields: Iterable[bytes]) -> set[str]:
    """The names of an entry's fields."""
    return {name.decode() for name in field_map(list(fields))}


def scored(entry: list[bytes]) -> tuple[set[str], set[str]]:
    """Names of the fields of an entry's prediction and rejection; empty where there is none."""
    batch = score_batch(MODEL, RecordDecoder(SCHEMA, MAX_ENTRY_BYTES).decode([Entry(b"1-0", entry)]))
    encoder = PredictionEncoder(SCHEMA.features, MODEL.intercept, "run", 0)
    predicted = [fields for _, fields in encoder.encode(batch)]
    refused = [rejected.encode() for rejected in batch.batch.rejections]
    return written(chain(*predicted)), written(chain(*refused))


def plain() -> list[bytes]:
    values = dict(zip(SCHEMA.features, MODEL.center.tolist(), strict=True))
    return [b"_v", b"1", *encode_plain(values, b"id", 1, 1.0), b"_traceparent", TRACE]


def block(*, bad: bool) -> list[bytes]:
    x = np.tile(MODEL.center, (2, 1))
    x[0, 0] = np.nan if bad else x[0, 0]
    return encode_block(x, SCHEMA, ["a", "b"], 1, np.array([0.0, np.nan]), TRACE)


def test_fields_of_a_record_are_read_and_no_others_are() -> None:
    assert written(plain()) - set(SCHEMA.features) == names(entries.PLAIN_RECORD)
    assert written(block(bad=False)) == names(entries.BLOCK)
    for form, entry in ((entries.PLAIN_RECORD, plain()), (entries.BLOCK, block(bad=False))):
        assert not scored(entry)[1]
        for name in names(form) - {"_traceparent", "_ts"}:
            at = entry.index(name.encode())
            assert scored([*entry[: at + 1], b"\x00", *entry[at + 2 :]])[1], name


def test_fields_of_predictions_are_those_that_scorers_write() -> None:
    assert scored(plain())[0] | {"ts"} == names(entries.PLAIN_PREDICTION)
    assert scored(block(bad=True))[0] | {"ts"} == names(entries.BLOCK_PREDICTION)
    assert "_rows" not in scored(block(bad=False))[0]


def test_fields_of_rejections_are_those_that_scorers_write() -> None:
    of_rows, whole = scored(block(bad=True))[1], scored([*plain(), b"_v", b"1"])[1]
    assert of_rows | whole | {"ts", "_traceparent", "id"} == names(entries.REJECTION)
    assert "_rows" in of_rows
    assert "entry" in whole


def test_fields_of_labels_are_read() -> None:
    for fields, form in (
        ([b"_v", b"1", b"id", b"a", b"y", b"1"], entries.LABEL),
        ([b"_v", b"1", b"_ids", b"a", b"_y", np.ones(1).tobytes()], entries.LABEL_BLOCK),
    ):
        assert written(fields) == names(form)
        assert decode_label_entry(Entry(b"1-0", fields), ("no", "yes")).labels == [(b"a", 1.0)]


def test_fields_of_samples_and_of_what_is_unmatched_are_those_that_are_written() -> None:
    row = SampleBlock(1, "s", np.ones((1, 2)), np.ones(1), [b"a"], np.ones((1, 4), np.int64), np.ones(1, np.int64))
    assert [written(fields) for fields in row.encode()] == [names(entries.SAMPLE)]
    lost = set_aside(Entry(b"1-0", [b"id", b"a", b"y", b"1"]), RecordError("no_record", "no row"))
    assert written(unmatched_fields(lost, "labels")) | {"ts"} == names(entries.UNMATCHED)


def test_fields_of_promotions_and_decisions_are_those_that_are_written() -> None:
    script = Script("promote").text.decode()
    (told,) = re.findall(r"local promotion = \{(.+)\}", script)
    assert {*re.findall(r"'(\w+)', ", f"{told}, ")} - {"1"} | {"decision"} == names(entries.PROMOTION)
    assert "promotion[#promotion + 1] = 'decision'" in script
    (decision,) = [form for form in FORMS if form.key == "decisions"]
    assert written(decision_fields("run", "refused", "fit", "No.")) | {"ts"} == names(decision)


def test_fields_of_hashes_are_those_that_are_written(any_server_url: str, pipeline: str) -> None:
    settings = Settings(redis_url=any_server_url, pipeline=pipeline)
    with Connection(any_server_url) as server:
        agree(server, settings)
        assert written(server.call("HGETALL", settings.keys.config)) == names(entries.CONFIG)
    (pointer,) = re.findall(r"'HSET', KEYS\[1\], (.+?)\)", Script("promote").text.decode(), re.DOTALL)
    assert {*re.findall(r"'(\w+)'", pointer)} | {"attempt"} == names(entries.PRODUCTION)


def test_the_page_lists_every_key_and_no_other() -> None:
    assert sorted(listed_names()) == sorted(names_in_code())


@pytest.mark.parametrize(("pattern", "key"), [(pattern, key) for pattern, _, key in listed_keys()])
def test_who_writes_and_reads_a_key_may_do_so(pattern: str, key: Key) -> None:
    for who in key.writers:
        assert "W" in rights(who, pattern), who
    for who in key.readers:
        assert "R" in rights(who, pattern), who


@pytest.mark.parametrize(("pattern", "key"), [(pattern, key) for pattern, _, key in listed_keys()])
def test_a_service_that_may_read_alone_is_a_reader(pattern: str, key: Key) -> None:
    services = ("producer", "scorer", "shadow", "monitor", "trainer")
    assert {who for who in services if rights(who, pattern) == {"R"}} - {*key.readers} == set()


def test_rights_are_those_of_the_acl_file() -> None:
    assert rights("scorer", "sg:{PIPELINE:P}:predictions") == {"R", "W"}
    assert rights("readers", "sg:{PIPELINE}:models") == {"R"}
    assert rights("trainer", "sg:{PIPELINE:P}:records") == set()


def rights(who: str, key: str) -> set[str]:
    """What the ACL file gives to somebody for a key."""
    found: set[str] = set()
    for user in USERS:
        if user.name in _USERS.get(who, (who,)):
            for pattern in user.keys.split():
                kind, _, glob = pattern.rpartition("~")
                if fnmatchcase(key, glob.replace("[", "[[]")):
                    found |= {"R"} if kind == "%R" else {"R", "W"}
    return found


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.title)
def test_every_field_has_a_word(form: Form) -> None:
    assert [field.name for field in form.fields if not (field.words and field.kind)] == []
    assert field_table(form.fields) in wire_page()


@pytest.mark.parametrize("struct", structs_of(LiveState), ids=lambda struct: struct.__name__)
def test_every_field_of_the_live_state_has_a_word(struct: type) -> None:
    rows = re.search(rf"^### {struct.__name__}\n(.+?)(?=^#|\Z)", wire_page(), re.MULTILINE | re.DOTALL)
    assert rows is not None
    assert re.findall(r"^\| `(\w+)` \| [^|]* \|(?:  \|)?$", rows[1], re.MULTILINE) == []


def test_every_reason_has_a_word() -> None:
    words = word_comments(rejection, "REASONS")
    assert tuple(words) == REASONS
    assert all(words.values())
