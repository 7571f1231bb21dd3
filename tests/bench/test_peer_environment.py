"""A peer that cannot be installed is said, and measured by nobody."""

from __future__ import annotations

from pathlib import Path

from bench.peers.environment import REQUIREMENTS, PeerEnvironment


def test_an_environment_that_cannot_be_made_says_why_and_is_tried_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    said: list[str] = []
    peers = PeerEnvironment(said.append, tmp_path / "file" / ".venv")
    assert peers.python is None
    assert peers.python is None
    assert peers.missing.startswith("not installed: ")
    assert peers.versions("faststream") == {}
    assert len(said) == 1


def test_every_peer_package_is_pinned_and_no_index_is_named() -> None:
    lines = [line for line in REQUIREMENTS.read_text().splitlines() if line and not line.startswith("#")]
    assert lines
    assert all(line.count("==") == 1 and "/" not in line and not line.startswith("-") for line in lines)
