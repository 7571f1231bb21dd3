"""What the decisions stream says, and what of it is passed over."""

from __future__ import annotations

import pytest

from core.connection import Connection
from core.decision_entry import (
    MAX_SENTENCE_CHARACTERS,
    DecisionEntry,
    add_decision,
    decision_fields,
    read_decisions,
)
from core.entry import entries_of, field_map
from core.keys import PipelineKeys


def refusal(number: int, sentence: str = "It is no better.") -> list[bytes]:
    return decision_fields(f"{number:012x}", "refused", "fit", sentence)


def numbers(found: list[DecisionEntry]) -> list[int]:
    return [int(decision.run_id, 16) for decision in found]


def test_what_is_told_is_read_with_the_servers_time(any_server_url: str, keys: PipelineKeys) -> None:
    with Connection(any_server_url) as connection:
        before_ms = connection.now_ms(keys.decisions)
        add_decision(connection, keys, decision_fields("run-1", "failed", "drift", "It failed: näh.", b"5-1"))
        (found,) = read_decisions(connection, keys, 10)
        assert before_ms <= found.ts_ms <= connection.now_ms(keys.decisions)
        (entry,) = entries_of(connection.call("XRANGE", keys.decisions, "-", "+"))
    fields = field_map(entry.fields)
    assert list(fields) == [b"_v", b"run_id", b"outcome", b"reason", b"sentence", b"event", b"ts"]
    assert (found.run_id, found.outcome, found.reason) == ("run-1", "failed", "drift")
    assert (found.sentence, found.event, found.entry_id) == ("It failed: näh.", "5-1", entry.id.decode())


def test_there_are_none_where_nothing_was_told(connection: Connection, keys: PipelineKeys) -> None:
    assert read_decisions(connection, keys, 5) == []


def test_the_newest_come_first_and_no_more_are_read(connection: Connection, keys: PipelineKeys) -> None:
    for number in range(4):
        add_decision(connection, keys, refusal(number))
    assert numbers(read_decisions(connection, keys, 3)) == [3, 2, 1]


def test_a_decision_that_was_told_twice_is_one(connection: Connection, keys: PipelineKeys) -> None:
    for number in (1, 2, 2, 1):
        add_decision(connection, keys, refusal(number))
    entries = entries_of(connection.call("XRANGE", keys.decisions, "-", "+"))
    found = read_decisions(connection, keys, 10)
    assert [decision.entry_id for decision in found] == [entries[1].id.decode(), entries[0].id.decode()]


def test_two_decisions_on_one_run_are_two(connection: Connection, keys: PipelineKeys) -> None:
    add_decision(connection, keys, refusal(1, "By a fit."))
    add_decision(connection, keys, refusal(1, "As a shadow."))
    assert [decision.sentence for decision in read_decisions(connection, keys, 10)] == [
        "As a shadow.",
        "By a fit.",
    ]


@pytest.mark.parametrize(
    ("field", "text"), [("_v", "2"), ("ts", "now"), ("sentence", b"\xff"), ("reason", None), ("run_id", None)]
)
def test_what_is_no_decision_is_passed_over(
    connection: Connection, keys: PipelineKeys, field: str, text: str | bytes | None
) -> None:
    add_decision(connection, keys, refusal(1))
    fields = {name.decode(): value for name, value in field_map([*refusal(2), b"ts", b"5"]).items()}
    changed: dict[str, str | bytes] = {**fields, field: text or b""}
    if text is None:
        del changed[field]
    connection.call("XADD", keys.decisions, "*", *(part for pair in changed.items() for part in pair))
    assert numbers(read_decisions(connection, keys, 10)) == [1]


def test_fields_of_a_later_version_are_passed_over(connection: Connection, keys: PipelineKeys) -> None:
    add_decision(connection, keys, [*refusal(1), b"mood", b"gloomy"])
    assert numbers(read_decisions(connection, keys, 10)) == [1]


def test_a_sentence_is_cut_to_what_an_entry_has_room_for(connection: Connection, keys: PipelineKeys) -> None:
    whole = "x" * MAX_SENTENCE_CHARACTERS
    add_decision(connection, keys, refusal(1, whole))
    add_decision(connection, keys, refusal(2, whole + "y"))
    cut, kept = (decision.sentence for decision in read_decisions(connection, keys, 2))
    assert kept == whole
    assert cut == whole[:-1] + "…"


def test_words_that_are_no_unicode_are_told_all_the_same(connection: Connection, keys: PipelineKeys) -> None:
    add_decision(connection, keys, refusal(1, "file \udcff is gone"))
    (found,) = read_decisions(connection, keys, 1)
    assert found.sentence == "file ? is gone"
