"""A tool that is missing fails in a sentence; the watch over the pages sees what it is there for."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.page import tools
from tests.page.browser import Watch

_BAD = b"""<!doctype html><title>bad</title><script>
console.error("an error"); console.warn("a warning"); alert("a dialog");
fetch("http://hostile.invalid/x").catch(() => {});
setTimeout(() => { globalThis.over = true; throw new Error("a page error"); });
</script>"""
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; connect-src http://hostile.invalid"


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Security-Policy", _POLICY)
        self.end_headers()
        self.wfile.write(_BAD + b"<img src=data:,>")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def bad_page() -> Iterator[str]:
    """A page that does all that ours may not."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_watch_sees_what_a_page_may_not_do(bad_page: str, watch: Watch) -> None:
    page = watch.open(bad_page)
    page.wait_for_function("() => globalThis.over")
    page.evaluate("() => 0")  # what the page did before this answer has been told by now
    seen, watch.troubles[:] = "\n".join(watch.troubles), []
    for trouble in (
        "console error: an error",
        "console warning: a warning",
        "page error: a page error",
        "dialog: a dialog",
        "request to another host: http://hostile.invalid/x",
        "violates the policy: img-src data",
    ):
        assert trouble in seen


def test_a_missing_tool_is_said_with_what_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(tools, "VENV", tmp_path)
    monkeypatch.setattr(tools, "_AXE", tmp_path / "axe.min.js")
    for needed in (tools.chromium, tools.use_packages, tools.axe_source):
        with pytest.raises(tools.ToolMissing, match="run make check-page, which installs it"):
            needed()
