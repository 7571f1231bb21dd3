"""The command that writes a run's report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core.errors import UsageError
from streamgauge.commands.answer import answer
from streamgauge.completion import run_ids
from streamgauge.options import AsJson, MiniFlowDirectory, Pipeline, RedisUrl, registry_settings
from streamgauge.terminal_text import plain_console
from trainer import commands


def report(
    run: Annotated[
        str | None, typer.Argument(help="Run id (default: the run in production).", autocompletion=run_ids)
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write (default: report-RUN.html in this directory).")
    ] = None,
    redis_url: RedisUrl = None,
    pipeline: Pipeline = None,
    miniflow: MiniFlowDirectory = None,
    as_json: AsJson = False,
) -> None:
    """Write one HTML page about a run: figures, pictures and model card. Needs the extra report.

    Example: streamgauge report --out report.html
    """
    try:
        import matplotlib  # noqa: F401, PLC0415  (only to see whether it is there; half a second otherwise)
    except ImportError as error:
        raise UsageError(
            "report needs matplotlib; install the extra that brings it: pip install '.[report]' in the checkout"
        ) from error
    from streamgauge.run_report.facts import read_facts  # noqa: PLC0415  (after the sentence above)
    from streamgauge.run_report.page import report_page  # noqa: PLC0415  (as above)

    found = commands.run_with_model(registry_settings(redis_url, pipeline, miniflow), run)
    with plain_console(aside=True).status("judging the held-out rows") as status:
        facts = read_facts(*found)
        status.update("drawing")
        page = report_page(facts)
    path = Path(f"report-{facts.meta.run_id}.html") if out is None else out
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}); choose another --out") from error
    answer({"run_id": facts.meta.run_id, "file": str(path)}, f"{path} is written", as_json=as_json)
