"""A ``send_rows`` that raises because of the server has taken every row, also those behind the one that failed."""

from __future__ import annotations

import numpy as np
import pytest

from core.connection import Connection
from core.entry import field_map
from core.errors import StreamError
from core.keys import PipelineKeys
from core.schema import Schema
from producer.client import Producer
from tests.producer.conftest import Stream

ROWS = 40


@pytest.mark.parametrize("hurt", [0, 1])
def test_rows_of_the_other_partitions_are_taken_when_one_cannot_be_written(
    connection: Connection, server_url: str, keys: PipelineKeys, schema: Schema, stream: Stream, hurt: int
) -> None:
    wrong = keys.partition(hurt).records
    with Producer(server_url, keys.pipeline, partitions=2, schema=schema, batch_rows=4) as producer:
        connection.call("SET", wrong, "not ours")
        with pytest.raises(StreamError, match="mend it and flush again"):
            producer.send_rows(np.zeros((ROWS, 2)), [b"id-%d" % row for row in range(ROWS)])
        connection.call("DEL", wrong)
        assert producer.flush() == 0
    entries = [entry for number in (0, 1) for entry in stream(keys.partition(number).records)]
    assert sum(int(field_map(entry.fields)[b"_n"]) for entry in entries) == ROWS
