"""How long each stream is kept; the table of docs/wire-format.md."""

from __future__ import annotations

_DAY_MS = 24 * 3_600_000
_MIB = 1024 * 1024

#: Keep (ms, bytes) by stream; records and predictions are settings.
REJECTED = (7 * _DAY_MS, 64 * _MIB)
LABELS = (7 * _DAY_MS, 64 * _MIB)
SAMPLES = (7 * _DAY_MS, 256 * _MIB)
UNMATCHED = (7 * _DAY_MS, 16 * _MIB)
DECISIONS = (30 * _DAY_MS, 16 * _MIB)
DRIFT = (30 * _DAY_MS, 1024 * _MIB)
#: Model files kept beside production and previous.
MODELS = 20
