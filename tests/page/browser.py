"""A browser whose pages are watched: what none of them may ever do is a trouble, whatever the test is about."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.page.tools import chromium, use_packages

use_packages()

from playwright.sync_api import expect, sync_playwright  # noqa: E402  (only now can it be found)

__all__ = ["DESKTOP", "LOST", "PHONE", "Watch", "expect", "running_browser"]

#: How long anything may take to appear, on a busy machine.
PATIENCE_MS = 30_000
DESKTOP, PHONE = (1280, 900), (360, 740)
expect.set_options(timeout=PATIENCE_MS)
#: What the monitor that has ended leaves in the console, which no page can keep out of it.
LOST = re.compile(r"Failed to load resource: net::ERR_(CONNECTION_REFUSED|CONNECTION_RESET|EMPTY_RESPONSE)")

#: Says on the console what the policy kept from happening, also where Chromium would not.
_TELL_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) =>
  console.error(`violates the policy: ${event.violatedDirective} ${event.blockedURI}`));
"""


@contextmanager
def running_browser() -> Iterator[Any]:
    """The distribution's Chromium, without a window; it ends with the block."""
    with sync_playwright() as playwright:
        # no sandbox: it needs rights that containers do not give, and these pages are our own
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Watch:
    """Pages of a test, and what happened on them that must not."""

    browser: Any
    pages: list[Any] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    forgiven: list[re.Pattern[str]] = field(default_factory=list)

    def open(self, url: str, *, dark: bool = False, size: tuple[int, int] = DESKTOP, wait: str = "load") -> Any:
        """A page of its own, as a person opens it for the first time."""
        context = self.browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            locale="en-GB",
            timezone_id="UTC",
        )
        context.set_default_timeout(PATIENCE_MS)
        context.add_init_script(_TELL_VIOLATIONS)
        page = context.new_page()
        self._watch(context, page, urlsplit(url).netloc)
        page.goto(url, wait_until=wait)
        self.pages.append(page)
        return page

    def forgive(self, pattern: re.Pattern[str]) -> None:
        """Let one kind of message be: the test provokes it."""
        self.forgiven.append(pattern)

    def unforgiven(self) -> list[str]:
        """What no test forgave."""
        return [trouble for trouble in self.troubles if not any(one.search(trouble) for one in self.forgiven)]

    def close(self) -> None:
        """Every page."""
        for page in self.pages:
            page.context.close()

    def _watch(self, context: Any, page: Any, host: str) -> None:
        def said(message: Any) -> None:
            if message.type in {"error", "warning"}:
                self.troubles.append(f"console {message.type}: {message.text}")

        def asked(request: Any) -> None:
            address = urlsplit(request.url)
            if address.netloc != host or address.scheme != "http":
                self.troubles.append(f"request to another host: {request.url[:200]}")

        def spoke(dialog: Any) -> None:
            self.troubles.append(f"dialog: {dialog.message}")
            dialog.dismiss()

        def opened(another: Any) -> None:
            if another is not page:
                self.troubles.append(f"another page was opened: {another.url}")

        page.on("console", said)
        page.on("pageerror", lambda error: self.troubles.append(f"page error: {error}"))
        page.on("dialog", spoke)
        page.on("download", lambda download: self.troubles.append(f"download: {download.url}"))
        context.on("request", asked)
        context.on("page", opened)
