from __future__ import annotations

import pytest

from core.command_key import Argument, command_key


@pytest.mark.parametrize(
    ("command", "key"),
    [
        (("XADD", "s", "*", "a", "1"), b"s"),
        (("GET", b"\xff"), b"\xff"),
        (("XINFO", "GROUPS", "s"), b"s"),
        (("XGROUP", "CREATE", b"s", "g", "0"), b"s"),
        (("MEMORY", "USAGE", "s"), b"s"),
        (("XREAD", "COUNT", 1, "BLOCK", 5, "STREAMS", "s", "t", "0", "0"), b"s"),
        (("XREADGROUP", "GROUP", "STREAMS", "STREAMS", "COUNT", 1, "STREAMS", "s", ">"), b"s"),
        (("xread", b"streams", "s", "0"), b"s"),
        (("EVALSHA", "0123", 2, "s", "t", "argument"), b"s"),
        (("EVAL", "return 1", 0, "argument"), None),
        (("PING",), None),
        (("INFO", "server"), None),
        (("SCRIPT", "LOAD", "return 1"), None),
        (("CONFIG", "GET", "port"), None),
    ],
)
def test_the_key_of_each_kind_of_command(command: tuple[Argument, ...], key: bytes | None) -> None:
    assert command_key(command) == key
