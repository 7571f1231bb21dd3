"""Commands about consumer groups: list, retire, require."""

from __future__ import annotations

from typing import Annotated

import typer

from core.connection import Connection
from core.keys import REQUIRED_GROUPS
from streamgauge.commands.place import Place
from streamgauge.groups import change
from streamgauge.groups.overview import read_groups, show_groups
from streamgauge.options import AsJson, Pipeline, RedisUrl, server_settings
from streamgauge.started import started_config
from streamgauge.terminal_text import json_line, plain_console

app = typer.Typer()

GroupName = Annotated[str, typer.Argument(metavar="NAME", help="The group, as streamgauge groups lists it.")]


@app.callback(invoke_without_command=True)
def groups(
    context: typer.Context, redis_url: RedisUrl = None, pipeline: Pipeline = None, as_json: AsJson = False
) -> None:
    """List the groups that read the records, and which one keeps them from being trimmed.

    Example: streamgauge groups --json
    """
    place = Place(redis_url, pipeline, as_json)
    context.obj = place
    if context.invoked_subcommand is not None:
        return
    settings = server_settings(redis_url, pipeline)
    with Connection(settings.redis_url or "") as connection:
        config = started_config(connection.require(), settings)
        overview = read_groups(connection, settings.pipeline, config)
    if as_json:
        typer.echo(json_line(overview))
    else:
        show_groups(plain_console(), overview)


@app.command()
def retire(
    context: typer.Context,
    name: GroupName,
    yes: Annotated[bool, typer.Option("--yes", help="Give up what it holds, or retire the scorers.")] = False,
    redis_url: RedisUrl = None,
    pipeline: Pipeline = None,
    as_json: AsJson = False,
) -> None:
    """Stop keeping records for a group that will not come back, and destroy it.

    Running services follow within seconds; a service whose own group it is makes it anew, not required.

    Exit status 0: it is gone; 1: it took entries meanwhile and was left where it did; 2: an error.

    Example: streamgauge groups retire audit
    """
    place = Place(redis_url, pipeline, as_json).after(context)
    settings = server_settings(place.redis_url, place.pipeline)
    with Connection(settings.redis_url or "") as connection:
        config = started_config(connection.require(), settings)
        overview = read_groups(connection, settings.pipeline, config)
        done = change.retire(connection, settings.keys, config, overview, name, yes=yes)
    if place.as_json:
        typer.echo(json_line(done))
    else:
        typer.echo(f"required are {', '.join(done.required_groups)}; {_destroyed(done)}")
    if done.kept:
        raise typer.Exit(1)


@app.command()
def require(
    context: typer.Context,
    name: GroupName,
    start: Annotated[
        change.Start, typer.Option(help="Where a group that is made begins: with the first record kept, or now.")
    ] = "start",
    redis_url: RedisUrl = None,
    pipeline: Pipeline = None,
    as_json: AsJson = False,
) -> None:
    """Keep records until this group has read them too, as for a reader of your own; it is made where missing.

    Running services follow within seconds. A group that stops reading fills the backlog, and then producers wait.

    Example: streamgauge groups require audit
    """
    place = Place(redis_url, pipeline, as_json).after(context)
    settings = server_settings(place.redis_url, place.pipeline)
    with Connection(settings.redis_url or "") as connection:
        config = started_config(connection.require(), settings)
        done = change.require(connection, settings.keys, config, name, start)
    if place.as_json:
        typer.echo(json_line(done))
    else:
        typer.echo(f"required are {', '.join(done.required_groups)}; {_made(done)}")


def _made(done: change.Changed) -> str:
    if done.group in REQUIRED_GROUPS:
        return f"the service of {done.group} makes it where it is missing"
    return f"made on partition {_numbers(done.partitions)}" if done.partitions else "it was there already"


def _destroyed(done: change.Changed) -> str:
    parts = []
    if done.partitions:
        parts.append(f"{done.group} is gone from partition {_numbers(done.partitions)}")
    if done.abandoned_entries:
        parts.append(f"{done.abandoned_entries} entries that it held are given up")
    if done.kept:
        parts.append(f"it took entries meanwhile on partition {_numbers(done.kept)} and was left there, try again")
    return ", ".join(parts) or f"{done.group} was not there"


def _numbers(partitions: list[int]) -> str:
    return ", ".join(map(str, partitions))
