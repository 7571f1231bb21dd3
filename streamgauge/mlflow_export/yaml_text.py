"""The little YAML that MLflow's file store consists of: flat documents of text, whole numbers and nothing.

Written here, because the base install has no YAML library; read only as far as an export has to look.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

Value = str | int | None | Mapping[str, str]

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_LINE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*):(?: +(.*?))? *")
_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)")
_SHORT_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "e": "\x1b"}


def document(values: Mapping[str, Value]) -> str:
    r"""One line a name, and one a name of an inner mapping.

    >>> document({"name": "a: b", "status": 3, "end_time": None, "tags": {"x.y": "\u00e9"}})
    'name: "a: b"\nstatus: 3\nend_time: null\ntags:\n  "x.y": "\\u00E9"\n'
    """
    lines = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            lines.append(f"{name}:" if value else f"{name}: {{}}")
            lines += [f"  {quoted(key)}: {quoted(text)}" for key, text in value.items()]
        else:
            lines.append(f"{name}: {_scalar(value)}")
    return "".join(f"{line}\n" for line in lines)


def quoted(text: str) -> str:
    r"""A text in double quotes, in ASCII without control characters, whatever it holds.

    >>> quoted('say "a\\b"\n')
    '"say \\"a\\\\b\\"\\n"'
    """
    return '"' + "".join(map(_sign, text)) + '"'


def top_level_lines(text: str) -> dict[str, str]:
    r"""Of a document's outermost mapping, what stands behind each name on its line, as it stands there.

    >>> top_level_lines("name: 'a b'\ntags:\n  x: 1\n")
    {'name': "'a b'", 'tags': ''}
    """
    found = (_LINE.fullmatch(line) for line in text.splitlines())
    return {match[1]: match[2] or "" for match in found if match is not None}


def scalar_text(written: str) -> str:
    r"""The text that a scalar on one line stands for.

    >>> scalar_text("'it''s'"), scalar_text('"a\\u00e9"'), scalar_text("plain")
    ("it's", 'aé', 'plain')
    """
    if len(written) > 1 and written[0] == written[-1] == "'":
        return written[1:-1].replace("''", "'")
    if len(written) > 1 and written[0] == written[-1] == '"':
        return _ESCAPE.sub(_unescaped, written[1:-1])
    return written


def _scalar(value: str | int | None) -> str:
    if value is None:
        return "null"
    return str(value) if isinstance(value, int) else quoted(value)


def _sign(sign: str) -> str:
    if sign in {'"', "\\"}:
        return f"\\{sign}"
    if sign == "\n":
        return "\\n"
    code = ord(sign)
    if 0x20 <= code < 0x7F:
        return sign
    return f"\\x{code:02X}" if code < 0x80 else f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"


def _unescaped(match: re.Match[str]) -> str:
    found = match[1]
    if found[0] in "xuU" and len(found) > 1:
        return chr(int(found[1:], 16))
    return _SHORT_ESCAPES.get(found, found)
