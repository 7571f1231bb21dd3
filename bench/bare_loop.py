"""The limit: a loop that reads, writes and acknowledges on one socket; it reads ahead and guarantees nothing.

It scores nothing either. Each entry is answered with the fields of a real prediction: the entry's id where that
names its record, and the bytes that were read where it has contributions, which are as many. Given a model, it
scores blocks too: what is left between that and the scorer is what the guarantees cost.
``python -m bench.bare_loop PORT RECORDS PREDICTIONS COUNT [MODEL]`` answers until it is killed; the fields of the
answer are in the list ``bench:answer``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

from bench.raw_client import RawClient, pack, raw_client

#: Where the fields of an answer lie.
ANSWER = "bench:answer"
#: The consumer group of the loop.
GROUP = "bare"
#: How long a read waits where there is nothing.
_BLOCK_MS = 1_000


#: Fields of an answer that are made from the block that was read.
MakeFields = Callable[[bytes], dict[bytes, bytes]]


def main(port: int, records: str, predictions: str, count: int, model_path: str = "") -> None:
    """Answer for ever."""
    make = _scored(model_path) if model_path else _echoed
    with raw_client(port) as client:
        client.call("XGROUP", "CREATE", records, GROUP, "0", "MKSTREAM")
        _answer_all(client, records, predictions, count, client.call("LRANGE", ANSWER, 0, -1), make)


def _echoed(block: bytes) -> dict[bytes, bytes]:
    """As many bytes as contributions have."""
    return {b"_contrib": block}


def _scored(model_path: str) -> MakeFields:
    """Score with NumPy and nothing around it: no check, no rejection."""
    import numpy as np  # noqa: PLC0415  (the loop that scores nothing does without)

    model = json.loads(Path(model_path).read_text(encoding="utf-8"))
    weights, center, scale = (np.array(model[name]) for name in ("weights", "center", "scale"))
    bias: float = model["intercept"]

    def make(block: bytes) -> dict[bytes, bytes]:
        contributions = (np.frombuffer(block).reshape(-1, len(weights)) - center) / scale * weights
        logit = contributions.sum(axis=1) + bias
        probability = 1 / (1 + np.exp(-logit))
        return {
            b"_pred": (probability >= 0.5).astype(np.uint8).tobytes(),
            b"_p": probability.tobytes(),
            b"_logit": logit.tobytes(),
            b"_contrib": contributions.tobytes(),
        }

    return make


def _answer_all(
    client: RawClient, records: str, predictions: str, count: int, fields: list[bytes], make: MakeFields
) -> None:
    """Answer for ever, each entry with ``fields``."""
    places = {name: place + 1 for place, name in enumerate(fields) if not place % 2}
    record, block = places[b"record"], b"_contrib" in places
    command = ("XREADGROUP", "GROUP", GROUP, "me", "COUNT", count)
    read_now = pack(*command, "STREAMS", records, ">")
    read_waiting = pack(*command, "BLOCK", _BLOCK_MS, "STREAMS", records, ">")
    client.send(read_waiting)
    due = 0  # replies to what was written for the entries before these
    while True:
        reply = client.reply()
        # the server reads the next entries while these are answered; a wait would hold up their answers behind it
        client.send(read_now if reply else read_waiting)
        entries = reply[0][1] if reply else []
        if entries:
            commands = []
            for entry_id, values in entries:
                fields[record] = entry_id
                if block:
                    for name, value in make(values[values.index(b"_x") + 1]).items():
                        fields[places[name]] = value
                commands.append(pack("XADD", predictions, "*", *fields))
            commands.append(pack("XACK", records, GROUP, *(entry_id for entry_id, _ in entries)))
            client.send(b"".join(commands))
        for _ in range(due):
            client.reply()
        due = len(entries) + 1 if entries else 0


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), *sys.argv[5:])
