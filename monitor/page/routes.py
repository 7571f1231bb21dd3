"""The live page: its files, and the state that it polls."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from core.http import Handler, Request, Response, Routes

#: Where the files are.
STATIC = Path(__file__).parent / "static"
#: The file of ``/``.
INDEX = "index.html"
#: Type of a file by its ending; a file of another ending is not served.
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
#: Nothing but the page's own files, and nobody may frame it: whatever a stream holds, it cannot become a script.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
#: Headers of each answer, beside those that every answer of a service has.
HEADERS = (("Content-Security-Policy", CONTENT_SECURITY_POLICY), ("Referrer-Policy", "no-referrer"))


def page_routes(newest_state: Callable[[], bytes], opened: Callable[[], None]) -> Routes:
    """Routes of the page.

    Its files are read now. ``newest_state`` gives the state as JSON for each request, ``opened`` is told that a
    page is being opened, which asks for the state next.
    """
    routes: dict[tuple[str, str], Handler] = {
        ("GET", "/api/state"): lambda _: Response(200, newest_state(), headers=HEADERS)
    }
    for path in sorted(STATIC.iterdir()):
        kind = TYPES.get(path.suffix)
        if path.name == INDEX:
            routes["GET", "/"] = _sender(path.read_bytes(), TYPES[path.suffix], opened)
        elif kind is not None:
            routes["GET", f"/{path.name}"] = _sender(path.read_bytes(), kind)
    return routes


def _sender(body: bytes, kind: str, first: Callable[[], None] | None = None) -> Handler:
    """A handler that calls ``first`` and sends a file."""

    def send(_: Request) -> Response:
        if first is not None:
            first()
        return Response(200, body, kind, HEADERS)

    return send
