"""What ``streamgauge produce``, ``streamgauge labels`` and ``python -m producer`` do: settings in, counts out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, TaskProgressColumn, TextColumn

from core.errors import SettingsError
from core.settings import Settings
from core.tracing import start_tracing
from producer import push
from producer.client import Producer
from producer.durability import checked_durability
from producer.push import PushCounts, Report
from producer.sources import Format, Source, open_source
from producer.traced_sends import TracedSends

if TYPE_CHECKING:
    from core.open_telemetry import Tracer

#: Records in a batch of the command, and how long one waits for company: a person watches, so not for long.
BATCH_ROWS = 500
LINGER_MS = 50.0


def produce(
    settings: Settings,
    path: str,
    console: Console,
    *,
    rate: float | None = None,
    block: int | None = None,
    label: str | None = None,
    id_column: str | None = None,
    format: Format | None = None,  # noqa: A002  (the name of the option)
) -> PushCounts:
    """Push the records of a file, or of standard input for ``-``, with progress on ``console``.

    Raises
    ------
    UsageError
        A file that cannot be used, no Redis, or settings that do not fit.
    StreamgaugeError
        What :func:`producer.push.push_records` raises; its message is one sentence.
    """
    if rate is not None and not rate > 0:
        raise SettingsError(f"--rate is {rate:g}; give records a second, more than 0")
    if block is not None and block < 1:
        raise SettingsError(f"--block is {block}; give the rows of a block, 1 or more")
    with (
        open_source(path, format=format, id_column=id_column, label_column=label) as source,
        _tracer(settings, console) as tracer,
        _producer(settings, console, block, tracing=tracer is not None) as producer,
        _progress(console, source, "records") as report,
    ):
        traced = None if tracer is None else TracedSends(tracer, block or 1)
        return push.push_records(source, producer, rate=rate, report=report, traced=traced)


def push_labels(
    settings: Settings,
    path: str,
    console: Console,
    *,
    id_column: str,
    label_column: str,
    format: Format | None = None,  # noqa: A002  (the name of the option)
) -> PushCounts:
    """Push labels that became known later, with progress on ``console``. Raises as :func:`produce` does."""
    with (
        open_source(path, format=format, id_column=id_column, label_column=label_column) as source,
        _producer(settings, console, None) as producer,
        _progress(console, source, "labels") as report,
    ):
        return push.push_labels(source, producer, report=report)


def summary(counts: PushCounts, what: str = "records") -> str:
    """One line about a finished push."""
    pace = f", {counts.sent / counts.seconds:,.0f} a second" if counts.seconds > 0 else ""
    parts = [f"{counts.sent:,} {what} sent in {counts.seconds:.1f} s{pace}"]
    if counts.waited_s >= 0.1:
        parts.append(f"{counts.waited_s:.1f} s of it waiting for the server or its readers")
    if counts.skipped:
        parts.append(f"{counts.skipped:,} rows without a label skipped")
    if counts.unsent:
        parts.append(f"{counts.unsent:,} read but not sent, push them again")
    if counts.stopped:
        parts.append("stopped by a signal")
    return "; ".join(parts) + "."


@contextmanager
def _tracer(settings: Settings, console: Console) -> Iterator[Tracer | None]:
    """What makes spans, if the settings ask for them; what waits is sent at the end."""
    tracer = start_tracing(settings, "producer", partial(_notify, console))
    try:
        yield tracer
    finally:
        if tracer is not None:
            tracer.close()


def _notify(console: Console, sentence: str) -> None:
    console.print(sentence, style="yellow", highlight=False, markup=False)


@contextmanager
def _producer(
    settings: Settings, console: Console, block: int | None, *, tracing: bool = False
) -> Iterator[Producer]:
    """A producer that is closed without another wait: the push has flushed, or a signal told it not to."""
    if settings.redis_url is None:
        raise SettingsError(
            "no Redis to push to; start one with `streamgauge up`, or give --redis-url or STREAMGAUGE_REDIS_URL"
        )
    with Producer(
        settings.redis_url,
        batch_rows=block or BATCH_ROWS,
        linger_ms=LINGER_MS,
        block=block is not None,
        max_backlog_entries=settings.max_backlog_entries,
        max_backlog_bytes=settings.max_backlog_bytes,
        max_entry_bytes=settings.max_entry_bytes,
        durability=checked_durability(settings.durability),
        settings=settings,
        notify=partial(_notify, console),
        tracing=tracing,
    ) as producer:
        try:
            yield producer
        finally:
            producer.close(timeout_s=0)


@contextmanager
def _progress(console: Console, source: Source, what: str) -> Iterator[Report]:
    """A bar over the bytes of a file, a spinner where the end is not known; nothing where nobody watches."""
    bar: list[ProgressColumn] = [SpinnerColumn()]
    if source.size_bytes is not None:
        bar += [BarColumn(), TaskProgressColumn()]
    with Progress(
        *bar, TextColumn("{task.description}"), console=console, disable=not console.is_terminal, transient=True
    ) as progress:
        task = progress.add_task(f"0 {what}", total=source.size_bytes)

        def report(counts: PushCounts) -> None:
            pace = counts.sent / counts.seconds if counts.seconds > 0 else 0.0
            progress.update(
                task, completed=source.bytes_read, description=f"{counts.sent:,} {what}, {pace:,.0f} a second"
            )

        yield report
