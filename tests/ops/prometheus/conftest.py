"""What real services expose, found once."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from tests.ops.prometheus.exposition import Exposition, exposed


@pytest.fixture(scope="session")
def exposition(valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Exposition:
    """The text of /metrics of scorer, monitor and trainer."""
    folder: Path = tmp_path_factory.mktemp("exposed")
    return exposed(valkey_url, f"test-{secrets.token_hex(6)}", folder)
