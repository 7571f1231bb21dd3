"""Commands that run things: demo, up, status."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from core.connection import Connection
from core.errors import UsageError
from core.settings import load_settings
from streamgauge.demo.story import Demo, DemoOptions
from streamgauge.embedded_server import EmbeddedServer
from streamgauge.local_pipeline import FIRST_HTTP_PORT, LocalPipeline
from streamgauge.options import AsJson, MiniFlowDirectory, Pipeline, RedisUrl, server_settings
from streamgauge.status import read_status, show_status
from streamgauge.workspace import FOLDER, Running, announce_running, find_running, withdraw_running

#: How often ``up`` looks whether a service died.
LOOK_EVERY_S = 1.0


def demo(
    data: Annotated[
        Path | None, typer.Option(help="The real raisin.csv; without it rows like Raisin's are drawn.")
    ] = None,
    records: Annotated[int, typer.Option(help="Records pushed before the drift, in whole passes.")] = 1_800,
    seed: Annotated[int, typer.Option(help="Seed of split, order and drawn rows.")] = 1,
    drift: Annotated[float, typer.Option(help="Factor by which lengths grow; 1.05 is subtle.")] = 1.25,
    no_page: Annotated[bool, typer.Option("--no-page", help="Do not show the services' addresses.")] = False,
) -> None:
    """The whole story on this machine: score, drift, alert, retrain, promote.

    Example: streamgauge demo --data raisin.csv
    """
    Demo(DemoOptions(data, records, seed, drift, not no_page), Console()).run()


def up(
    scorers: Annotated[int, typer.Option(help="How many scorers share the stream.")] = 1,
    http_port: Annotated[
        int | None,
        typer.Option(help="Port of the first scorer, monitor and trainer next to it; 0: any free ones."),
    ] = None,
    redis_url: RedisUrl = None,
    pipeline: Pipeline = None,
    miniflow: MiniFlowDirectory = None,
) -> None:
    """Run every service on this machine until Ctrl-C, on the embedded server unless --redis-url is given.

    Example: streamgauge up --scorers 2
    """
    console = Console()
    settings = load_settings(
        {"redis_url": redis_url, "pipeline": pipeline, "miniflow": miniflow, "http_port": http_port}
    )
    running = find_running()
    if running is not None:
        raise UsageError(f"streamgauge up runs here already (process {running.pid}); stop that one first")
    FOLDER.mkdir(exist_ok=True)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    server = None if settings.redis_url else EmbeddedServer(FOLDER / "valkey").start()
    try:
        url = settings.redis_url or (server.url if server is not None else "")
        Connection(url).require().close()
        options: dict[str, object] = {"pipeline": settings.pipeline, "miniflow": settings.miniflow}
        port = FIRST_HTTP_PORT if settings.http_port is None else settings.http_port
        with LocalPipeline(url, FOLDER, scorers=scorers, options=options, first_http_port=port) as local:
            local.start("listening")
            announce_running(Running(url, settings.pipeline, os.getpid()))
            console.print(f"[bold]streamgauge is up[/] on {url}, pipeline {settings.pipeline}; Ctrl-C stops it")
            for service in local.services:
                console.print(
                    f"  {service.module:8} {service.http}  [dim]log {service.log_path}[/]", highlight=False
                )
            while not stop.wait(LOOK_EVERY_S):
                local.revive(lambda sentence: console.print(sentence, style="yellow"))
            console.print("stopping: services finish what they hold")
    finally:
        withdraw_running()
        if server is not None:
            server.stop()


def status(redis_url: RedisUrl = None, pipeline: Pipeline = None, as_json: AsJson = False) -> None:
    """Backlog, rejections, production model and drift on one screen.

    Example: streamgauge status --json
    """
    settings = server_settings(redis_url, pipeline)
    with Connection(settings.redis_url or "") as connection:
        found = read_status(connection.require(), settings)
    if as_json:
        typer.echo(msgspec.json.encode(found).decode())
    else:
        show_status(Console(), found)
