"""``python -m bench.live_page`` (= ``make bench-page``): what the live page costs while a fast stream runs."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from core.blas import use_one_thread


def main() -> int:
    """Measure; exit status 0 whatever was met, 2 where it could not be measured."""
    use_one_thread()
    from core.errors import StreamgaugeError  # noqa: PLC0415  (NumPy reads the environment at import)
    from tests.page.tools import ToolMissing  # noqa: PLC0415  (as above)

    parser = argparse.ArgumentParser(prog="python -m bench.live_page", description=__doc__, allow_abbrev=False)
    parser.add_argument("--rate", type=float, default=100_000, help="records a second (default 100000)")
    parser.add_argument("--seconds", type=float, default=12, help="that a page stays open (default 12)")
    parser.add_argument("--seed", type=int, default=0, help="of the rows (default 0)")
    options = parser.parse_args()
    if not 0 < options.rate <= 1e7 or not 1 <= options.seconds <= 600 or options.seed < 0:
        sys.stderr.write("streamgauge: --rate is above 0, --seconds is 1 to 600, --seed at least 0\n")
        return 2
    try:
        _run(options.rate, options.seconds, options.seed)
    except (StreamgaugeError, ToolMissing) as error:
        sys.stderr.write(f"streamgauge: {error}\n")
        return 2
    return 0


def _run(rate: float, seconds: float, seed: int) -> None:
    from bench.live_page.measure import measure_open, measure_paint, measure_requests  # noqa: PLC0415
    from bench.live_page.stream import running_stream  # noqa: PLC0415
    from bench.report import Report  # noqa: PLC0415
    from core.keys import MONITORS, SCORERS  # noqa: PLC0415
    from tests.page.browser import running_browser  # noqa: PLC0415

    command = f"python -m bench.live_page --rate {rate:.10g} --seconds {seconds:g}"
    report = Report("page", command, seed, f"the live page, {rate:,.10g} records/s behind it")
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, report.console.status("") as status:

        def say(what: str) -> None:
            line = f"{time.monotonic() - started_s:4.0f} s  {what}"
            status.update(line)
            if not report.console.is_terminal:
                sys.stderr.write(f"{line}\n")

        say("a model, a scorer, a monitor")
        with running_stream(Path(folder), rate, seed) as stream, running_browser() as browser:
            report.versions["server"] = stream.server.version
            report.versions["chromium"] = browser.version
            say("the stream gets up to speed")
            time.sleep(seconds)
            before, windows, begin_s = stream.pushed(), stream.windows(), time.monotonic()
            say("first paint")
            measure_paint(browser, stream.monitor.http, report)
            measure_open(browser, stream, seconds, report, say)
            say("requests")
            measure_requests(stream.monitor.http, report)
            elapsed_s = time.monotonic() - begin_s
            # a slower stream would be another page
            report.add("the stream", (stream.pushed() - before) / elapsed_s, "records/s", at_least=0.95 * rate)
            report.add("the stream: windows closed", (stream.windows() - windows) / elapsed_s, "windows/s")
            report.add("the stream: not answered in the end", stream.unread(SCORERS), "records")
            report.add("the stream: in no closed window in the end", stream.unread(MONITORS), "records")
    report.show()
    report.write()


if __name__ == "__main__":
    sys.exit(main())
