"""A reader of a tutorial: looks again where what is to be seen takes a moment, and at what a service says."""

from __future__ import annotations

import time
from dataclasses import replace

from tests.docs.code_blocks import SHELLS, Block
from tests.docs.page_runner import PATIENCE_S, PageRunner
from tests.docs.shown_output import complaint

#: Commands that change nothing: what they show may be true a moment later.
LOOKS = ("grep", "streamgauge groups", "streamgauge predictions", "streamgauge runs", "streamgauge status")


class PatientReader(PageRunner):
    """Runs a page; a command that only looks is run again until it prints what the page shows."""

    _look: Block | None = None

    def run_block(self, block: Block, *, figures: bool = False) -> bool:
        """Run a block as PageRunner does; what a service shows is what it said in its terminal."""
        if block.language == "text" and self._look is not None and not block.output_not_compared:
            self._look_until_shown(self._look, block)
        running = len(self.services)
        ran = super().run_block(block, figures=figures)
        if len(self.services) > running:
            self.said = "".join(self.services[-1].lines)
        if block.language in SHELLS:
            self._look = _looking(block)
        return ran

    def _look_until_shown(self, look: Block, shown: Block) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while complaint(shown.text, self.said) and time.monotonic() < deadline_s:
            super().run_block(look)


def _looking(block: Block) -> Block | None:
    """A block of its last command alone, where that only looks."""
    commands = block.commands_to_run()
    if not commands or not " ".join(commands[-1].words).startswith(LOOKS):
        return None
    return replace(block, text=commands[-1].text, line=commands[-1].line - 1)
