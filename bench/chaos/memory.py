"""Memory of the server and of each service, looked at all the time."""

from __future__ import annotations

import threading
from collections import defaultdict

from redis.exceptions import RedisError

from bench.chaos.fleet import Fleet, resident_bytes
from bench.chaos.server import RawClient

#: Pause between two looks.
LOOK_EVERY_S = 0.5


class MemoryWatch:
    """Samples from a thread; the most of each kind of process, and the server's figures in their order."""

    def __init__(self, url: str, fleet: Fleet) -> None:
        self.most: dict[str, int] = defaultdict(int)  #: bytes by kind of service
        self.server: list[int] = []  #: used_memory
        self._client = RawClient(url)
        self._fleet = fleet
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stopping.set()
        self._thread.join()
        self._client.close()

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_EVERY_S):
            for member in list(self._fleet.members):
                if member.up:
                    self.most[member.kind] = max(self.most[member.kind], resident_bytes(member.pid))
            try:
                lines = self._client.call("INFO", "memory").splitlines()
            except RedisError:
                continue
            self.server += [int(line.partition(b":")[2]) for line in lines if line.startswith(b"used_memory:")]
