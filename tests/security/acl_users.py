"""The users of docs/security.md, read from the page itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "security.md"
#: What the page writes where a reader puts his own.
PIPELINE_ON_PAGE, PASSWORD_ON_PAGE = "raisin", "CHANGE-ME"
#: The user who set up the test's server; the page has none, since he may do everything.
ADMIN = "admin"

_BLOCK = re.compile(r"```acl\n(.*?)```", re.DOTALL)


@dataclass(frozen=True)
class User:
    """One line of the page's ACL file."""

    name: str
    rules: tuple[str, ...]

    @property
    def commands(self) -> set[str]:
        """What the user may run; on the page each is allowed by name."""
        return {rule[1:] for rule in self.rules if rule.startswith("+")}


def users_on_page() -> dict[str, User]:
    """The users by name; ``default`` is not among them."""
    (block,) = _BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    users = {}
    for line in block.splitlines():
        _, name, *rules = line.split()
        if name != "default":
            users[name] = User(name, tuple(rules))
    return users


def write_acl_file(path: Path, pipeline: str, password: str) -> None:
    """The page's ACL file as a reader would complete it, and an administrator."""
    (block,) = _BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    text = block.replace(PIPELINE_ON_PAGE, pipeline).replace(PASSWORD_ON_PAGE, password)
    path.write_text(f"{text}user {ADMIN} on >{password} ~* &* +@all\n", encoding="utf-8")
