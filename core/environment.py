"""Settings of the environment: ``STREAMGAUGE_<NAME>`` as it is, or ``STREAMGAUGE_<NAME>_FILE`` for a file with it.

A file is how a container gets a secret: neither the list of processes nor ``inspect`` shows what is in it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from core.errors import SettingsError

#: Prefix of environment variables.
ENVIRONMENT_PREFIX = "STREAMGAUGE_"
#: What the name of a variable ends with that names a file.
FILE_SUFFIX = "_FILE"
#: No setting is nearly as long; a wrong path may lead to a file without an end.
MAX_FILE_BYTES = 64 * 1024


class FromEnvironment(NamedTuple):
    """Settings by name, and of those that came from a file the place to name instead of their value."""

    values: dict[str, str]
    files: dict[str, str]


def from_environment(variables: Mapping[str, str], names: Collection[str]) -> FromEnvironment:
    """The settings among ``variables``; ``names`` are all settings there are.

    A variable that is neither a setting nor a setting's file is given as it is, for the caller to refuse by name.

    Raises
    ------
    SettingsError
        A file that cannot be read or is empty, or a setting that is given both ways.
    """
    found = FromEnvironment({}, {})
    for variable, text in variables.items():
        if not variable.startswith(ENVIRONMENT_PREFIX):
            continue
        name = variable.removeprefix(ENVIRONMENT_PREFIX).lower()
        setting = name.removesuffix(FILE_SUFFIX.lower())
        if name in names or setting not in names:
            found.values[name] = text
            continue
        plain = variable.removesuffix(FILE_SUFFIX)
        if plain in variables:
            raise SettingsError(f"{plain} and {variable} are both set in the environment; unset one of them")
        found.values[setting] = _content(variable, text)
        found.files[setting] = f"in the file that {variable} names"
    return found


def _content(variable: str, path: str) -> str:
    """What a file holds, without its last newline."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        text = data.decode()
    except (OSError, ValueError) as error:  # a path with a null byte and bytes that are no UTF-8 are ValueErrors
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SettingsError(f"{variable} names {path!r}, which cannot be read: {why}; correct it") from None
    if len(data) > MAX_FILE_BYTES:
        raise SettingsError(f"{variable} names {path!r}, which is over {MAX_FILE_BYTES} bytes; correct it")
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise SettingsError(f"{variable} names {path!r}, which is empty; write the setting's value to it")
    return text
