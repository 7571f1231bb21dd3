"""``python -m core.healthcheck``: whether the service in this container is alive, for the image's HEALTHCHECK.

Status 0 where ``GET /healthz`` answers 200. It knows the port from ``STREAMGAUGE_HTTP_PORT``, else it tries those
that the services have by default: in a container one of them runs. With sockets alone, since it starts often.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping

#: Ports of scorer, monitor and trainer where none is set.
DEFAULT_PORTS = (8000, 8001, 8002)
#: A service answers in milliseconds; on a tenth of a core, and behind a batch, in a second.
TIMEOUT_S = 5.0
_EVERYWHERE = {"", "0.0.0.0", "::"}  # noqa: S104  (told apart here, not bound)


def check(environment: Mapping[str, str]) -> str | None:
    """What is wrong, in a sentence; None if the service is alive."""
    host = environment.get("STREAMGAUGE_HTTP_HOST", "")
    port = environment.get("STREAMGAUGE_HTTP_PORT")
    if port is not None and not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
        return f"STREAMGAUGE_HTTP_PORT is {port!r}; set it to the service's port, 1 to 65535"
    tried = DEFAULT_PORTS if port is None else (int(port),)
    for number in tried:
        try:
            with socket.create_connection(
                ("127.0.0.1" if host in _EVERYWHERE else host, number), TIMEOUT_S
            ) as asked:
                return _answer(asked)
        except ConnectionRefusedError:
            continue
        except OSError as error:
            return f"port {number} does not answer: {error}"
    return f"nothing listens on {' or '.join(map(str, tried))}; set STREAMGAUGE_HTTP_PORT to the service's port"


def _answer(asked: socket.socket) -> str | None:
    """What is wrong with the answer on an open connection."""
    asked.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
    received = b""
    while part := asked.recv(4096):
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    if head.split(b" ", 2)[1:2] == [b"200"]:
        return None
    return f"the service says {body.decode(errors='replace').strip()[:500]!r}"


def main() -> int:
    """Ask; the exit status."""
    wrong = check(os.environ)
    if wrong is not None:
        sys.stderr.write(wrong + "\n")
    return 0 if wrong is None else 1


if __name__ == "__main__":
    sys.exit(main())
