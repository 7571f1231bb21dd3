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

    def look(
        self, connection: Connection, keys: Sequence[str], arguments: Sequence[str | bytes | int | float]
    ) -> Any:
        """Run a script that only reads, for which a permission to read its keys is enough."""
        try:
            return connection.call("EVALSHA_RO", self.digest, len(keys), *keys, *arguments)
        except NoScriptError:
            return connection.call("EVAL_RO", self.text, len(keys), *keys, *arguments)

    def look_each(
        self,
        connection: Connection,
        calls: Sequence[tuple[Sequence[str], Sequence[str | bytes | int | float]]],
    ) -> list[Any]:
        """As :meth:`look` for each of several keys and arguments, sent together; the first error is raised."""
        commands = [("EVALSHA_RO", self.digest, len(keys), *keys, *arguments) for keys, arguments in calls]
        replies = connection.pipeline(commands)
        for place, (keys, arguments) in enumerate(calls):
            if isinstance(replies[place], NoScriptError):
                replies[place] = self.look(connection, keys, arguments)
            if isinstance(replies[place], Exception):
                raise replies[place]
        return replies
