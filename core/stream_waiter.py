"""Wait for the first of several streams that has something new, whichever servers hold them."""

from __future__ import annotations

from collections.abc import Mapping

from core.channel import Channel, wait_for_reply
from core.connection import MAX_BLOCK_MS, Connection


class StreamWaiter:
    """One blocking read a stream, each on a socket of its own: a cluster refuses one read over several slots.

    What the reads bring only says that there is something; the caller reads it in its own way. A read that another
    stream was faster than goes on, so a wait may also end for something that the caller has read since.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._channels: dict[str, Channel] = {}

    def wait(self, after: Mapping[str, str], block_ms: int) -> None:
        """Wait at most ``block_ms`` for an entry behind the id that stands beside its stream.

        Raises what a lost connection raises; the next wait makes new sockets.
        """
        block_ms = max(1, min(block_ms, MAX_BLOCK_MS))
        try:
            for stream, entry_id in after.items():
                if stream not in self._channels:
                    self._channels[stream] = self._connection.channel(stream)
                channel = self._channels[stream]
                if not channel.outstanding:
                    channel.submit("XREAD", "COUNT", 1, "BLOCK", block_ms, "STREAMS", stream, entry_id)
            for channel in wait_for_reply([self._channels[stream] for stream in after], block_ms / 1000):
                channel.collect()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the sockets."""
        for channel in self._channels.values():
            channel.close()
        self._channels.clear()
