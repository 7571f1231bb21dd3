"""The mark of tests that run on the embedded Valkey and on redis-server, with all that rests on ``server_url``."""

from __future__ import annotations

import pytest

both_servers = pytest.mark.parametrize("server_url", ["valkey", "redis"], indirect=True)
