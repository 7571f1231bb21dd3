"""The stream is filled by the server, with as many entries as asked for."""

from __future__ import annotations

from bench.answers import answer_rate, look
from bench.fill import Fill
from bench.table import make_model
from core.connection import Connection


def test_as_many_entries_are_added_as_asked_for(connection: Connection, pipeline: str) -> None:
    fill = Fill(connection, pipeline, make_model(0), 0, 0)
    fill.add(2_345)
    assert connection.call("XLEN", pipeline) == 2_345


def test_warming_up_leaves_nothing_behind(connection: Connection, pipeline: str) -> None:
    fill = Fill(connection, pipeline, make_model(0), 0, 0)
    fill.warm(10)
    assert connection.call("EXISTS", pipeline, "bench:warm") == 0


def test_topping_up_adds_what_a_group_has_read(connection: Connection, pipeline: str) -> None:
    fill = Fill(connection, pipeline, make_model(0), 0, 0)
    connection.call("XGROUP", "CREATE", pipeline, "readers", "0", "MKSTREAM")
    assert fill.top_up("readers", 100) == 100
    assert fill.top_up("readers", 100) == 0
    connection.call("XREADGROUP", "GROUP", "readers", "me", "COUNT", 30, "STREAMS", pipeline, ">")
    assert fill.top_up("readers", 100) == 30


def test_a_look_counts_what_was_trimmed_too(connection: Connection, pipeline: str) -> None:
    assert look(connection, pipeline).entries == 0
    connection.pipeline([("XADD", pipeline, "*", "a", number) for number in range(10)])
    connection.call("XTRIM", pipeline, "MAXLEN", 3)
    assert look(connection, pipeline).entries == 10


def test_a_rate_is_positive_where_all_answers_are_there(connection: Connection, pipeline: str) -> None:
    connection.call("XADD", pipeline, "*", "a", 1)
    assert answer_rate(connection, pipeline, 1) >= 0
