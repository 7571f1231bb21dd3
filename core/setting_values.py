"""Values of settings as they are read: from text, and from the settings file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, get_args

import msgspec

from core.errors import RecordError, SettingsError
from core.number import parse_number

#: Whole numbers below this are float64 numbers, each its own.
_EXACT = 2**53


def read_value(text: str, kind: Any) -> Any:
    """A value of text as its setting's type; numbers as the wire has them, so that ``.5`` is one.

    Raises
    ------
    msgspec.ValidationError
        Text that is no such value.
    """
    kinds = get_args(kind) or (kind,)
    if str not in kinds and bool not in kinds:
        try:
            number = parse_number(text.encode(), "")
        except RecordError:  # inf, which is a setting's value and no record's, or nothing at all
            pass
        else:
            if float in kinds:
                return number
            if number.is_integer() and abs(number) < _EXACT:
                return int(number)
    return msgspec.convert(text, kind, strict=False)


def file_values(path: Path) -> dict[str, Any]:
    """What a settings file says, nothing where there is none. Raises SettingsError."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}; correct or remove it") from error
