"""A folder with the secrets of one deployment: passwords, tokens, URLs with them, and the server's ACL file."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
import tempfile
from pathlib import Path

from core.errors import UsageError
from core.keys import PipelineKeys
from streamgauge.secrets.users import USERS, WITHOUT_URL, acl_lines

#: Bytes of randomness in a password or token: as many as in the SHA-256 that the ACL file keeps of it.
SECRET_BYTES = 32
DEFAULT_PORT = 6379
#: Only its owner enters the folder, so nobody else of this machine reaches the files ...
FOLDER_MODE = 0o700
#: ... and the user inside a container reads them: compose mounts each file as it is, owner and mode included, and
#: the containers' users (10001, 999, 65534, 472) are not the folder's owner.
FILE_MODE = 0o644
_HOST = re.compile(r"(?P<name>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>\d{1,5}))?")


def write_secrets(folder: Path, pipeline: str, host: str) -> list[str]:
    """Make the folder with all of them, or nothing at all; the names of its files.

    Parameters
    ----------
    host
        Where clients find the server: ``name`` or ``name:port``.

    Raises
    ------
    UsageError
        A folder that is there already and not empty, or that cannot be written; a host that is none.
    """
    address = _address(host)
    PipelineKeys(pipeline)  # checks the name
    files = _files(pipeline, address)
    scratch: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".secrets-", dir=folder.parent))
        scratch.chmod(FOLDER_MODE)
        for name, text in files.items():
            _write(scratch / name, text)
        scratch.rename(folder)  # takes the place of an empty folder, and of nothing else
    except OSError as error:
        if error.errno in {errno.ENOTEMPTY, errno.EEXIST}:
            raise UsageError(
                f"{folder} is there and not empty, and passwords in use must not be lost; name a new folder, or "
                "move this one away first"
            ) from error
        raise UsageError(f"{folder} cannot be written ({error.strerror}); name another folder") from error
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
    return sorted(files)


def _files(pipeline: str, address: str) -> dict[str, str]:
    passwords = {user.name: _secret() for user in USERS}
    hashes = {name: "#" + hashlib.sha256(password.encode()).hexdigest() for name, password in passwords.items()}
    files = {
        f"{name}-url": f"redis://{name}:{password}@{address}/0"
        for name, password in passwords.items()
        if name not in WITHOUT_URL
    }
    return {
        **files,
        "users.acl": "\n".join(acl_lines(pipeline, hashes)),
        "keda-username": "keda",
        "keda-password": passwords["keda"],
        "healthcheck-password": passwords["healthcheck"],
        "alerts-token": _secret(),
        "grafana-password": _secret(),
    }


def _secret() -> str:
    """Hexadecimal digits: nothing in them has a meaning in a URL, a shell or YAML."""
    return secrets.token_hex(SECRET_BYTES)


def _address(host: str) -> str:
    found = _HOST.fullmatch(host)
    port = int(found["port"] or DEFAULT_PORT) if found else 0
    if found is None or not 0 < port < 65_536:
        raise UsageError(f"--host is {host!r}; give a name, or name:port, such as valkey or redis.example:6380")
    return f"{found['name']}:{port}"


def _write(path: Path, text: str) -> None:
    """One line more than ``text`` would be a part of a password for programs that take files as they are."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE), "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), FILE_MODE)  # whatever the umask is
        file.write(text + "\n" * (path.suffix == ".acl"))
