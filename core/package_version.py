"""The version of what runs."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def package_version() -> str:
    """As the installed package says it; ``unknown`` where there are only its sources."""
    try:
        return version("streamgauge")
    except PackageNotFoundError:
        return "unknown"
