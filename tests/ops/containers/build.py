"""Builds the image from the Dockerfile: its commands run as they stand, in an overlay above this machine's files.

What differs from an engine: the base image is this machine with the Python of the tests in its place.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from tests.ops.containers.container import Image
from tests.ops.containers.dockerfile import Stage, copy_context, read_dockerfile
from tests.ops.containers.engine import Engine

#: How the registry is reached is this machine's affair: what pip and TLS read of the environment goes along.
_ALONG = ("PIP_", "SSL_", "REQUESTS_", "CURL_", "HTTP", "http", "NO_PROXY", "no_proxy")
_PATH = "/usr/local/python/bin:/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"


def build_image(engine: Engine, checkout: Path, scratch: Path) -> Image:
    """Both stages; the image of the last one."""
    context = scratch / "context"
    copy_context(checkout, context)
    first, last = read_dockerfile(checkout / "Dockerfile")
    base = _base_image(engine)
    built = _Stage(engine, first, base, context, {})
    built.build()
    final = _Stage(engine, last, base, context, {first.name: built.root})
    final.build()
    return Image(
        layer=f"{final.layer}:{base}",
        environment=final.environment,
        user=last.text("USER"),
        folder=last.text("WORKDIR"),
        command=last.listed("CMD"),
        healthcheck=last.listed("HEALTHCHECK"),
        stop_signal=last.text("STOPSIGNAL"),
    )


def _base_image(engine: Engine) -> str:
    """python:3.x-slim has ``python`` and ``pip`` on its path, where everybody may run them; so has this."""
    layer, work, root = (engine.path("base", name) for name in ("layer", "work", "root"))
    python = Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
    above = " ".join(shlex.quote(f"{root}{folder}") for folder in reversed(python.resolve().parents[:-1]))
    engine.must(
        f"mkdir -p {layer} {work} {root}\n"
        f"mount -t overlay overlay -o lowerdir=/,upperdir={layer},workdir={work} {root}\n"
        f"chmod a+rx {above}\n"
        # the tools of an environment made here, since the distribution's Python may have no pip of its own
        f"chroot {root} {python} -m venv /usr/local/python\n"
        f"umount {root}"
    )
    return layer


class _Stage:
    """A stage as it is built."""

    def __init__(self, engine: Engine, stage: Stage, base: str, context: Path, roots: dict[str, str]) -> None:
        self._engine, self._stage, self._context, self._roots = engine, stage, context, roots
        place = stage.name or "last"
        self.layer, work, self.root = (engine.path("stages", place, name) for name in ("layer", "work", "root"))
        self.environment = {"PATH": _PATH}
        self._folder = "/"
        engine.must(
            f"mkdir -p {self.layer} {work} {self.root}\n"
            f"mount -t overlay overlay -o lowerdir={base}:/,upperdir={self.layer},workdir={work} {self.root}\n"
            f"mount -t proc proc {self.root}/proc\nmount --rbind /dev {self.root}/dev"
        )

    def build(self) -> None:
        """Every step in order; those that only describe the image change nothing here."""
        for instruction, text in self._stage.steps:
            match instruction:
                case "WORKDIR":
                    self._folder = text
                    self._engine.must(f"mkdir -p {self.root}{text}")
                case "ENV":
                    for word in shlex.split(text):
                        name, value = word.split("=", 1)
                        self.environment[name] = value.replace("$PATH", self.environment["PATH"])
                case "RUN":
                    self._run(text)
                case "COPY":
                    self._copy(text)
                case "LABEL" | "USER" | "EXPOSE" | "STOPSIGNAL" | "HEALTHCHECK" | "CMD":
                    pass
                case _:
                    raise AssertionError(f"{instruction} is more than this builder knows")

    def _run(self, command: str) -> None:
        along = {name: value for name, value in os.environ.items() if name.startswith(_ALONG)}
        environment = {"HOME": "/root", **along, **self.environment}
        inner = [
            *("env", "-i", f"--chdir={self._folder}"),
            *(f"{name}={value}" for name, value in environment.items()),
            *("/bin/sh", "-c", command),
        ]
        self._engine.must(f"chroot {self.root} {shlex.join(inner)}", own_network=False)

    def _copy(self, text: str) -> None:
        words = shlex.split(text)
        root = str(self._context)
        if words[0].startswith("--from="):
            root = self._roots[words.pop(0).removeprefix("--from=")]
        *sources, target = words
        goal = self.root + (target if target.startswith("/") else f"{self._folder}/{target}")
        for source in sources:
            start = f"{root}/{source}".replace("//", "/")
            # a folder's contents go into the target, a file into it where it ends as a folder does
            self._engine.must(
                f"if [ -d {start} ]; then mkdir -p {goal}; cp -a {start}/. {goal}; else cp -a {start} {goal}; fi"
            )
