"""How long the fuzz tests look: the same few examples in every run, or as many new ones as are asked for."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

#: Set to a number for a long run that looks elsewhere each time: FUZZ_EXAMPLES=20000 pytest tests/fuzz.
_ASKED = os.environ.get("FUZZ_EXAMPLES")

fuzz = settings(
    max_examples=int(_ASKED or 150),
    derandomize=_ASKED is None,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
#: For tests in which each example costs round trips to a server.
fuzz_server = settings(fuzz, max_examples=max(1, fuzz.max_examples // 5))
