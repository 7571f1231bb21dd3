"""Certificates for a test's servers and clients, made by openssl."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Certificates:
    """PEM files: an authority, a server for 127.0.0.1 and a client that it signed, and a stranger's authority."""

    authority: Path
    server: Path
    server_key: Path
    client: Path
    client_key: Path
    strange_authority: Path

    def server_options(self, *, clients: bool) -> tuple[str, ...]:
        """Options of a redis-server with TLS; ``clients``: they must show a certificate."""
        files = (
            "--tls-cert-file",
            self.server,
            "--tls-key-file",
            self.server_key,
            "--tls-ca-cert-file",
            self.authority,
        )
        return (*map(str, files), "--tls-auth-clients", "yes" if clients else "no")


def make_certificates(folder: Path) -> Certificates:
    """Make them all in ``folder``; elliptic curves, since RSA keys take seconds."""
    program = shutil.which("openssl")
    assert program is not None, "openssl is not installed"

    def run(*arguments: str | Path) -> None:
        subprocess.run([program, *map(str, arguments)], check=True, capture_output=True, cwd=folder)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    for name in ("authority", "stranger"):
        run("req", "-x509", *key, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem")
    for name in ("server", "client"):
        extension = folder / f"{name}.ext"
        extension.write_text("subjectAltName=IP:127.0.0.1\n")
        run("req", *key[:-2], "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        signed = ("-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial", "-days", "2")
        run("x509", "-req", "-in", f"{name}.csr", *signed, "-extfile", extension, "-out", f"{name}.pem")
    return Certificates(
        folder / "authority.pem",
        folder / "server.pem",
        folder / "server.key",
        folder / "client.pem",
        folder / "client.key",
        folder / "stranger.pem",
    )
