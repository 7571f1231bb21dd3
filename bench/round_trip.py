"""One record's way as its client sees it: push it, wait in XREAD until its prediction can be read."""

from __future__ import annotations

import time
from typing import Any

from bench.raw_client import RawClient, pack

#: Longest wait for a prediction; a loss shows as an error.
_BLOCK_MS = 10_000


class RoundTrip:
    """A client of one records stream and its predictions stream."""

    def __init__(self, client: RawClient, records: str, predictions: str, fields: list[bytes]) -> None:
        self._client = client
        self._predictions = predictions
        self._push = pack("XADD", records, "*", *fields)
        newest = client.call("XREVRANGE", predictions, "+", "-", "COUNT", 1)
        self._last: bytes = newest[0][0] if newest else b"0-0"

    def seconds(self) -> float:
        """Time from before the push to after the prediction was read; both commands are sent together."""
        begin_s = time.perf_counter()
        self._client.send(self._push + self.waiting_read())
        self._client.reply()
        self._take(self._client.reply())
        return time.perf_counter() - begin_s

    def waiting_read(self) -> bytes:
        """XREAD for what comes after the last prediction that was taken."""
        return pack("XREAD", "COUNT", 100, "BLOCK", _BLOCK_MS, "STREAMS", self._predictions, self._last)

    def wait(self) -> None:
        """Wait for the next prediction of a record that was pushed by other means."""
        self._client.send(self.waiting_read())
        self._take(self._client.reply())

    def _take(self, reply: Any) -> None:
        if reply is None:
            raise TimeoutError(f"no prediction within {_BLOCK_MS} ms; run the scorer by hand to see why")
        self._last = reply[0][1][-1][0]


def serial_seconds(client: RawClient, fields: list[bytes], answer: list[bytes]) -> float:
    """The four commands by one client, each after the reply to the one before: XADD, XREADGROUP, XADD, XREAD."""
    begin_s = time.perf_counter()
    client.call("XADD", "bench:serial:records", "*", *fields)
    client.call(
        "XREADGROUP", "GROUP", "bare", "me", "COUNT", 100, "STREAMS", "bench:serial:records", ">"
    )  # fmt: skip  (as the command reads)
    written = client.call("XADD", "bench:serial:predictions", "*", *answer)
    ms, _, sequence = written.partition(b"-")
    before = b"%d-%d" % ((int(ms), int(sequence) - 1) if int(sequence) else (int(ms) - 1, 2**64 - 1))
    client.call("XREAD", "COUNT", 100, "STREAMS", "bench:serial:predictions", before)
    return time.perf_counter() - begin_s
