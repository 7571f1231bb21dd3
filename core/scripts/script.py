"""Server-side scripts: the text beside its caller, sent once, then called by its digest."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from redis.exceptions import NoScriptError

from core.connection import Connection


class Script:
    """One ``.lua`` file of this folder, or of the folder of a service's module that calls it.

    ``shared`` names files of this folder whose functions it uses; their text goes between its first line, where
    the server looks for flags, and the rest.
    """

    def __init__(self, name: str, folder: Path = Path(__file__).parent, shared: Sequence[str] = ()) -> None:
        flags, rest = (folder / f"{name}.lua").read_bytes().split(b"\n", 1)
        texts = [(Path(__file__).parent / f"{each}.lua").read_bytes() for each in shared]
        self.text = b"".join([flags, b"\n", *texts, rest])
        self.digest = hashlib.sha1(self.text, usedforsecurity=False).hexdigest()

    def run(
        self, connection: Connection, keys: Sequence[str], arguments: Sequence[str | bytes | int | float]
    ) -> Any:
        """Run the script; the server forgets it at a restart, so the text follows where it is unknown."""
        try:
            return connection.call("EVALSHA", self.digest, len(keys), *keys, *arguments)
        except NoScriptError:
            return connection.call("EVAL", self.text, len(keys), *keys, *arguments)
