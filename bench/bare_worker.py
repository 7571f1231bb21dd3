"""The least that answers one record soon: blocked in XREADGROUP, it answers each entry with an XADD.

``python -m bench.bare_worker PORT RECORDS PREDICTIONS`` answers until it is killed; it acknowledges nothing. The
fields of the answer are in the list ``bench:answer``.
"""

from __future__ import annotations

import sys

from bench.bare_loop import ANSWER, GROUP
from bench.raw_client import pack, raw_client

#: Entries a read; one at a time would replicate as four commands each.
_COUNT = 100


def main(port: int, records: str, predictions: str) -> None:
    """Answer for ever."""
    with raw_client(port) as client:
        client.call("XGROUP", "CREATE", records, GROUP, "$", "MKSTREAM")
        answer = pack("XADD", predictions, "*", *client.call("LRANGE", ANSWER, 0, -1))
        read = pack(
            "XREADGROUP", "GROUP", GROUP, "me", "COUNT", _COUNT, "BLOCK", 0, "STREAMS", records, ">"
        )  # fmt: skip  (as the command reads)
        client.send(read)
        while True:
            ((_, entries),) = client.reply()
            client.send(answer * len(entries) + read)
            for _ in entries:
                client.reply()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
