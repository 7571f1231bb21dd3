"""What these tests could not do on this machine: the summary at their end says it, and what was done instead."""

from __future__ import annotations

SHORTCOMINGS: list[str] = []


def note(sentence: str) -> None:
    """Remember a sentence for the summary, once."""
    if sentence not in SHORTCOMINGS:
        SHORTCOMINGS.append(sentence)
