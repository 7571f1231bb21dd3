"""What the demo shows: tables and bars in the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table as Grid
from rich.text import Text

from core.drift_window import Alarm
from core.errors import UsageError
from streamgauge.demo.collector import Collector
from streamgauge.demo.stage import Pass, Stage
from streamgauge.local_pipeline import LocalPipeline
from trainer.commands import FitReport

#: Width of the longest bar, in characters.
BAR = 20
#: Predictions shown with their contributions.
SHOWN_PREDICTIONS = 3


@dataclass(frozen=True)
class Counts:
    """The closing table."""

    pushed: int
    scored: int
    rejected: int
    duplicated: int
    lost: int


def show_data(console: Console, stage: Stage, *, drawn: bool) -> None:
    """Where the rows come from; the first line of the demo."""
    rows, columns = stage.table.x.shape
    if drawn:
        console.print(
            f"[bold]Drawn data:[/] {rows} rows from Gaussians with the per-class means, standard deviations and "
            "correlations of the Raisin data set (UCI 850); use --data raisin.csv for the real file"
        )
    else:
        console.print(f"[bold]Real data:[/] {rows} rows × {columns} features from {stage.csv_path}")


def show_training(console: Console, report: FitReport) -> None:
    """The first model."""
    validation = report.validation
    console.print(
        f"[bold]Trained[/] run {report.run_id}: validation accuracy {validation.accuracy:.3f}, "
        f"log-loss {validation.log_loss:.3f}, AUC {validation.auc:.3f} on {validation.rows} held-out rows"
    )


def show_services(console: Console, pipeline: LocalPipeline, show_addresses: bool) -> None:
    """What runs."""
    counts = Counter(service.module for service in pipeline.services)
    console.print(
        "[bold]Running:[/] embedded Valkey, "
        + ", ".join(f"{count} {name}{'s' * (count > 1)}" for name, count in counts.items())
    )
    if show_addresses:
        for service in pipeline.services:
            console.print(f"  [dim]{service.module:8} {service.http}/metrics[/]", highlight=False)


@contextmanager
def progress(console: Console, what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar that is advanced by the function given."""
    columns = (TextColumn("{task.description:16}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=not console.is_terminal) as bars:
        task = bars.add_task(what, total=total)
        yield lambda count: bars.advance(task, count)


def show_predictions(console: Console, collector: Collector, made: Pass, features: tuple[str, ...]) -> None:
    """The first predictions, each as a sum: what every feature contributed to the logit."""
    grid = Grid(
        title="\nPredictions: the logit is the bias and what each feature contributed", title_justify="left"
    )
    grid.add_column("record")
    shown = [collector.predictions[record_id.encode()] for record_id in made.ids[:SHOWN_PREDICTIONS]]
    for record_id in made.ids[:SHOWN_PREDICTIONS]:
        grid.add_column(record_id, justify="right")
    grid.add_row("  bias", *(f"{prediction.bias:+.2f}" for prediction in shown))
    for index, name in enumerate(features):
        given = (prediction.contributions for prediction in shown)
        grid.add_row("+ " + name, *(_signed(c[name] if isinstance(c, dict) else float(c[index])) for c in given))
    grid.add_row("= logit", *(f"{prediction.logit:+.2f}" for prediction in shown), style="bold")
    grid.add_row("p(Besni)", *(f"{prediction.probability:.3f}" for prediction in shown))
    console.print(grid)


def show_alert(console: Console, alarm: Alarm, delay_records: int) -> None:
    """The alert: how soon, why, which features."""
    plural = "" if delay_records == 1 else "s"
    console.print(f"[bold red]Drift alarm[/] {delay_records} record{plural} after the camera moved")
    console.print(escape(alarm.sentence))
    console.print(
        f"first suspected record: {alarm.first}; mean shift from there to the alarm, most blamed features first:"
    )
    largest = max((abs(z) for z in alarm.shift.values()), default=1.0) or 1.0
    for name in alarm.blame:
        z = alarm.shift[name]
        bar = "█" * round(BAR * abs(z) / largest)
        console.print(Text(f"  {name:16} {z:+.2f} SD  ").append(bar, style="red" if z > 0 else "blue"))


def show_promotion(console: Console, run_id: str, verdict: str) -> None:
    """The trainer's verdict in its own words."""
    console.print(f"[bold green]Promoted[/] run {run_id}: {verdict}")


def show_accuracies(console: Console, rows: list[tuple[str, str, float, int]]) -> None:
    """Accuracy of the stream's answers on rows that no model was trained on: when, run, share, answers.

    Raises
    ------
    UsageError
        A phase without a single answer.
    """
    grid = Grid(title="Accuracy on held-out rows, as answered by the stream", title_justify="left")
    for column in ("when", "model", "accuracy", "", "answers"):
        grid.add_column(column, justify="right" if column in {"accuracy", "answers"} else "left", no_wrap=True)
    for when, run_id, accuracy, count in rows:
        if not count:
            raise UsageError(f"model {run_id} answered no held-out row {when}; see the scorers' logs")
        grid.add_row(when, run_id, f"{accuracy:.3f}", "█" * round(BAR * accuracy), str(count))
    console.print(grid)


def show_counts(console: Console, counts: Counts, rejected: dict[bytes, str]) -> None:
    """The closing table: nothing lost, nothing doubled."""
    grid = Grid(title="The books", title_justify="left")
    for column in ("pushed", "scored", "rejected", "duplicated", "lost"):
        grid.add_column(column, justify="right")
    grid.add_row(*(str(getattr(counts, name)) for name in ("pushed", "scored", "rejected", "duplicated", "lost")))
    console.print(grid)
    reasons = ", ".join(f"{reason} {count}" for reason, count in Counter(rejected.values()).items())
    console.print(f"[dim]rejected on purpose, each whole in the rejected stream: {reasons}[/]")


def _signed(value: float) -> Text:
    return Text(f"{value:+.2f}", style="red" if value > 0 else "blue")
