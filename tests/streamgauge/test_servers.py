"""The servers of the tests themselves: one that has just died is never handed out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.servers import running


def test_a_server_that_closes_its_log_and_takes_its_time_to_die_is_not_ready(tmp_path: Path) -> None:
    with (
        pytest.raises(AssertionError, match=r"did not get ready: \['no such option"),
        running(tmp_path, "-c", "echo no such option; exec >&- 2>&-; exec sleep 60", program="/bin/sh"),
    ):
        pass


def test_a_server_that_says_so_is(tmp_path: Path) -> None:
    script = "echo Ready to accept connections; exec sleep 60"
    reached = False
    with running(tmp_path, "-c", script, program="/bin/sh"):
        reached = True
    assert reached
