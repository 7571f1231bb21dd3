"""Commands that run things: demo, up, status."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from core.connection import Connection, without_password
from core.errors import ServerUnavailable, SettingsError
from core.settings import Settings, load_settings
from streamgauge.demo.story import Demo, DemoOptions
from streamgauge.embedded_server import EmbeddedServer
from streamgauge.local_pipeline import FIRST_HTTP_PORT, LocalPipeline
from streamgauge.options import AsJson, MiniFlowDirectory, Pipeline, RedisUrl, server_settings
from streamgauge.status import read_status, show_status
from streamgauge.terminal_text import json_line
from streamgauge.workspace import FOLDER, Running, announce_running, locked, withdraw_running

#: How often ``up`` looks whether something died.
LOOK_EVERY_S = 1.0


def demo(
    data: Annotated[
        Path | None, typer.Option(help="The real raisin.csv; without it rows like Raisin's are drawn.")
    ] = None,
    records: Annotated[int, typer.Option(help="Records pushed before the drift, in whole passes.")] = 1_800,
    seed: Annotated[int, typer.Option(help="Seed of split, order and drawn rows; accuracy differs by seed.")] = 1,
    drift: Annotated[float, typer.Option(help="Factor by which lengths grow; 1.05 is subtle.")] = 1.25,
    no_page: Annotated[bool, typer.Option("--no-page", help="Do not show the services' addresses.")] = False,
) -> None:
    """The whole story on this machine: score, drift, alert, retrain, promote.

    Example: streamgauge demo --data raisin.csv
    """
    Demo(DemoOptions(data, records, seed, drift, not no_page), Console()).run()


class _Service(msgspec.Struct, frozen=True):
    """A service that ``up`` started."""

    service: str
    http: str
    log: str


class _Up(msgspec.Struct, frozen=True):
    """What ``up --json`` prints once everything listens."""

    redis_url: str  #: without a password
    pipeline: str
    services: list[_Service]


def up(
    scorers: Annotated[int, typer.Option(help="How many scorers share the stream.")] = 1,
    http_port: Annotated[
        int | None,
        typer.Option(help="Port of the first scorer, monitor and trainer next to it; 0: any free ones."),
    ] = None,
    redis_url: RedisUrl = None,
    pipeline: Pipeline = None,
    miniflow: MiniFlowDirectory = None,
    as_json: AsJson = False,
) -> None:
    """Run every service on this machine until Ctrl-C, on the embedded server unless --redis-url is given.

    Example: streamgauge up --scorers 2
    """
    console = Console(stderr=as_json)  # where the one line of JSON is all that a script should read
    settings = load_settings(
        {"redis_url": redis_url, "pipeline": pipeline, "miniflow": miniflow, "http_port": http_port}
    )
    if settings.shadow is not None:
        raise SettingsError(
            "shadow is set for all scorers, so none would be production's; unset it and use streamgauge shadow"
        )
    with locked("up"), ExitStack() as stack:
        server = None
        if settings.redis_url is None:
            server = stack.enter_context(EmbeddedServer(FOLDER / "valkey", stable_port=True))
        url = settings.redis_url or (server.url if server is not None else "")
        _require(url, settings)
        options: dict[str, object] = {"pipeline": settings.pipeline, "miniflow": settings.miniflow}
        port = FIRST_HTTP_PORT if settings.http_port is None else settings.http_port
        local = LocalPipeline(url, FOLDER, scorers=scorers, options=options, first_http_port=port)
        try:
            stack.enter_context(local.start("listening"))
            announce_running(Running(url, settings.pipeline, os.getpid()))
            stack.callback(withdraw_running)
            _show_running(console, local, url, settings.pipeline, as_json=as_json)
            _watch(console, local, server)
        except KeyboardInterrupt:
            console.print("stopping: services finish what they hold")


def _require(url: str, settings: Settings) -> None:
    try:
        Connection(url).require().close()
    except ServerUnavailable as error:
        if settings.redis_url is None:
            raise
        raise ServerUnavailable(
            f"{error}, or take redis_url away (the option, STREAMGAUGE_REDIS_URL, streamgauge.toml): "
            "streamgauge up then starts a server of its own"
        ) from error


def _show_running(console: Console, local: LocalPipeline, url: str, pipeline: str, *, as_json: bool) -> None:
    shown = without_password(url)
    if as_json:
        services = [_Service(one.module, one.http, str(one.log_path)) for one in local.services]
        typer.echo(json_line(_Up(shown, pipeline, services)))
        return
    console.print(
        f"[bold]streamgauge is up[/] on {shown}, pipeline {pipeline}; Ctrl-C stops it",
        highlight=False,
        soft_wrap=True,
    )
    for service in local.services:
        console.print(f"  {service.module:8} {service.http}  [dim]log {service.log_path}[/]", highlight=False)


def _watch(console: Console, local: LocalPipeline, server: EmbeddedServer | None) -> None:
    """Start again what has died, until interrupted."""
    while True:
        time.sleep(LOOK_EVERY_S)
        if server is not None and server.revive():
            console.print("the embedded server had died; it runs again, on the same port and data", style="yellow")
        local.revive(lambda sentence: console.print(sentence, style="yellow"))


def status(
    follow: Annotated[
        bool, typer.Option("--watch", help="A live screen, until q or Ctrl-C; a line a second where none can be.")
    ] = False,
    count: Annotated[int | None, typer.Option(min=1, help="With --watch: end after so many looks.")] = None,
    redis_url: RedisUrl = None,
    pipeline: Pipeline = None,
    as_json: AsJson = False,
) -> None:
    """Backlog, rejections, production model and drift on one screen.

    Example: streamgauge status --watch
    """
    if count is not None and not follow:
        raise SettingsError("--count is for --watch; add that, or leave --count out")
    settings = server_settings(redis_url, pipeline)
    with Connection(settings.redis_url or "") as connection:
        connection.require()
        if follow:
            from streamgauge.watch.watch import watch  # noqa: PLC0415  (other commands need not wait for it)

            watch(connection, settings, Console(highlight=False), as_json=as_json, count=count)
            return
        found = read_status(connection, settings)
    if as_json:
        typer.echo(json_line(found))
    else:
        show_status(Console(), found)
