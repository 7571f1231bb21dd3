"""Keys whose partition a test knows."""

from __future__ import annotations

import zlib


def key_of(partitions: int, number: int) -> str:
    """A key that hashes to a partition; the hash is CRC-32, in every version of a producer."""
    return next(f"k-{i}" for i in range(1_000) if zlib.crc32(f"k-{i}".encode()) % partitions == number)
