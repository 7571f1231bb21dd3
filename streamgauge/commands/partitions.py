"""Commands about partitions: list, create."""

from __future__ import annotations

from typing import Annotated

import typer

from core.connection import Connection
from core.errors import SettingsError
from core.settings import load_settings
from streamgauge.commands.place import Place
from streamgauge.options import AsJson, Pipeline, RedisUrl, server_settings
from streamgauge.partitions.create import choose_tags, create_pipeline
from streamgauge.partitions.overview import read_partitions, show_partitions
from streamgauge.partitions.slots import even_masters, live_masters, propose_tags
from streamgauge.started import started_config
from streamgauge.terminal_text import json_line, plain_console

app = typer.Typer()

Count = Annotated[int | None, typer.Option("--partitions", help="How many partitions.")]
Masters = Annotated[
    int | None, typer.Option(help="Masters of a new cluster, for whose even split tags are chosen.")
]


@app.callback(invoke_without_command=True)
def partitions(
    context: typer.Context,
    masters: Masters = None,
    count: Count = None,
    redis_url: RedisUrl = None,
    pipeline: Pipeline = None,
    as_json: AsJson = False,
) -> None:
    """List the partitions, where each lies and what it holds; with --masters propose tags, needing no server.

    Example: streamgauge partitions --masters 3 --partitions 6
    """
    context.obj = Place(redis_url, pipeline, as_json)
    if context.invoked_subcommand is not None:
        return
    if masters is not None:
        name = load_settings({"pipeline": pipeline}).pipeline
        proposed = propose_tags(name, masters if count is None else count, even_masters(masters))
        typer.echo(json_line(proposed) if as_json else ",".join(proposed))
        return
    if count is not None:
        raise SettingsError("--partitions goes with --masters, or with streamgauge partitions create")
    settings = server_settings(redis_url, pipeline)
    with Connection(settings.redis_url or "") as connection:
        config = started_config(connection.require(), settings)
        overview = read_partitions(connection, settings.pipeline, config)
    if as_json:
        typer.echo(json_line(overview))
    else:
        show_partitions(plain_console(), overview)


@app.command()
def create(
    context: typer.Context,
    count: Annotated[int, typer.Option("--partitions", help="How many partitions.")],
    tags: Annotated[
        str | None, typer.Option(metavar="TAG,TAG,...", help="Hash tags (default: such as cover all masters).")
    ] = None,
    masters: Masters = None,
    redis_url: RedisUrl = None,
    pipeline: Pipeline = None,
    as_json: AsJson = False,
) -> None:
    """Set up a pipeline that does not exist yet; its services then adopt the partitions.

    Example: streamgauge partitions create --pipeline prod --partitions 6
    """
    place = Place(redis_url, pipeline, as_json).after(context)
    settings = server_settings(place.redis_url, place.pipeline)
    with Connection(settings.redis_url or "") as connection:
        known = live_masters(connection.require()) if masters is None else even_masters(masters)
        chosen = choose_tags(settings.keys, count, None if tags is None else tags.split(","), known)
        config = create_pipeline(connection, settings, count, chosen)
        overview = read_partitions(connection, settings.pipeline, config)
    if place.as_json:
        typer.echo(json_line(overview))
    else:
        show_partitions(plain_console(), overview)
