"""The programs of `make check-ops` are there, and one that is not fails in a sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.ops.tools import PACKAGES


@pytest.mark.parametrize("name", sorted(PACKAGES))
def test_each_program_is_installed(name: str, tool: Callable[[str], Path]) -> None:
    assert tool(name).exists()


def test_a_missing_program_fails_and_says_what_to_do(tool: Callable[[str], Path]) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"no-such-program is missing: .* run make check-ops"):
        tool("no-such-program")
