"""``python -m producer FILE``: push records, as a container starts it."""

from __future__ import annotations

import sys
from typing import Annotated, NoReturn

import msgspec
import typer
from rich.console import Console

from core.connection import RedisError
from core.errors import StreamgaugeError
from core.settings import load_settings
from producer.commands import produce, summary
from producer.sources import Format


def command(
    file: Annotated[str, typer.Argument(help="A CSV or JSON-lines file, or - for standard input.")],
    redis_url: Annotated[str | None, typer.Option(help="Where Redis is.")] = None,
    pipeline: Annotated[str | None, typer.Option(help="Name of the pipeline.")] = None,
    partitions: Annotated[int | None, typer.Option(help="Unset: what the pipeline has.")] = None,
    rate: Annotated[float | None, typer.Option(help="Records a second; unset: as fast as they are read.")] = None,
    block: Annotated[int | None, typer.Option(help="Pack this many rows into an entry.")] = None,
    durability: Annotated[
        str | None, typer.Option(help="When a record counts as sent: server, fsync or replica.")
    ] = None,
    label: Annotated[str | None, typer.Option(help="Column whose value travels as the label.")] = None,
    id_column: Annotated[str | None, typer.Option("--id", help="Column whose value is the record id.")] = None,
    format: Annotated[  # noqa: A002  (the name of the option)
        Format | None, typer.Option(help="Unset: by the file's ending, or its first byte.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Push the records of a file into a pipeline."""
    console = Console(stderr=True)
    try:
        options = {
            "redis_url": redis_url,
            "pipeline": pipeline,
            "partitions": partitions,
            "durability": durability,
        }
        counts = produce(
            load_settings(options),
            file,
            console,
            rate=rate,
            block=block,
            label=label,
            id_column=id_column,
            format=format,
        )
    except StreamgaugeError as error:
        _fail(str(error))
    except RedisError as error:
        _fail(f"Redis: {error}; check the server and run the command again")
    sys.stdout.write((msgspec.json.encode(counts).decode() if json else summary(counts)) + "\n")
    raise typer.Exit(1 if counts.unsent else 0)


def _fail(sentence: str) -> NoReturn:
    sys.stderr.write(f"streamgauge: {sentence}\n")
    raise typer.Exit(2) from None


def main() -> None:
    """Run the command."""
    typer.run(command)


if __name__ == "__main__":
    main()
