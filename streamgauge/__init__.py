"""Streaming inference that gauges its own drift; see README.md.

``Producer`` pushes records, ``Predictions`` reads results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from producer.client import Producer
    from streamgauge.predictions import Predictions

    __version__: str

__all__ = ["Predictions", "Producer", "__version__"]


def __getattr__(name: str) -> Any:
    """Load the public names when they are used: the command alone must not pay for NumPy and the Redis client."""
    if name == "Producer":
        from producer.client import Producer  # noqa: PLC0415

        return Producer
    if name == "Predictions":
        from streamgauge.predictions import Predictions  # noqa: PLC0415

        return Predictions
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415

        return version("streamgauge")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
