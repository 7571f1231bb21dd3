"""Command-line options of a service: one per setting, spelt like it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

import msgspec
from msgspec.structs import FieldInfo

from core.endpoint import without_password
from core.errors import SettingsError
from core.setting_checks import CHOICES
from core.settings import Settings, about, load_settings


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence; the help is long and stays with ``--help``."""

    def error(self, message: str) -> NoReturn:
        """End with status 2. A mistyped --redis-url is repeated without its password."""
        said = " ".join(without_password(word) if "://" in word else word for word in message.split(" "))
        sys.stderr.write(f"streamgauge: {said}; see {self.prog} --help\n")
        raise SystemExit(2)


def settings_from_arguments(program: str, description: str, arguments: Sequence[str] | None = None) -> Settings:
    """Read ``--option value`` for any setting; exits with 2 and one sentence where they do not fit."""
    parser = _Parser(
        prog=f"python -m {program}",
        description=description,
        epilog="Each option may also stand in the environment as STREAMGAUGE_<NAME> or in streamgauge.toml.",
        allow_abbrev=False,
    )
    for field in msgspec.structs.fields(Settings):
        parser.add_argument("--" + field.name.replace("_", "-"), metavar="VALUE", help=_help(field))
    try:
        return load_settings(vars(parser.parse_args(arguments)))
    except SettingsError as error:
        sys.stderr.write(f"streamgauge: {error}\n")
        raise SystemExit(2) from error


def _help(field: FieldInfo) -> str:
    """A setting in words, its choices and its default, as plain text."""
    words, unset, _ = about(field.name)
    choices = f": {', '.join(CHOICES[field.name])}" if field.name in CHOICES else ""
    default = unset if field.default is None else str(field.default)
    return f"{words}{choices} (default: {default})".replace("`", "").replace("%", "%%")
