"""``python -m bench`` (= ``make bench``): speed beside the limit and beside peers, all in one run."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import hiredis

from core.blas import use_one_thread
from core.connection import RedisError
from core.errors import StreamgaugeError

#: What a part may meet: a service that stops answering, a server that refuses, a program that fails.
_TROUBLE = (StreamgaugeError, RedisError, hiredis.HiredisError, OSError, subprocess.SubprocessError)


def main() -> int:
    """Run the parts asked for; exit status 0 whatever was met, 1 where a part could not be measured."""
    use_one_thread()
    from bench.parts import PARTS  # noqa: PLC0415  (NumPy reads the environment at import)
    from core.errors import UsageError  # noqa: PLC0415  (as above)

    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__, allow_abbrev=False)
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="NAME", help=f"of {', '.join(PARTS)}")
    parser.add_argument(
        "--seconds", type=float, default=1.5, help="about how long each measurement is (default 1.5)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the records (default 0)")
    options = parser.parse_args()
    if not 0 < options.seconds <= 60:
        sys.stderr.write(f"streamgauge: --seconds is {options.seconds:g}; choose more than 0, at most 60\n")
        return 2
    chosen = [name for name in PARTS if not options.only or name in options.only]
    try:
        measured = _run(chosen, options.seconds, options.seed, whole=len(chosen) == len(PARTS))
    except UsageError as error:
        sys.stderr.write(f"streamgauge: {error}\n")
        return 2
    return 0 if measured else 1


def _run(chosen: list[str], seconds: float, seed: int, *, whole: bool) -> bool:
    """Measure, print and write; whether every part could be measured. One that cannot says why in its place."""
    from bench.machine import choose_cores  # noqa: PLC0415  (after use_one_thread)
    from bench.parts import PARTS  # noqa: PLC0415  (as above)
    from bench.peers.environment import PeerEnvironment  # noqa: PLC0415  (as above)
    from bench.report import Report  # noqa: PLC0415  (as above)
    from bench.run import Run  # noqa: PLC0415  (as above)
    from bench.server import running_server  # noqa: PLC0415  (as above)

    only = "" if whole else f" --only {' '.join(chosen)}"
    suite = "full_path" if whole else f"full_path-{'-'.join(chosen)}"
    report = Report(
        suite, f"python -m bench{only} --seconds {seconds:g}", seed, "speed, one server and one client"
    )
    server_core, client_core = choose_cores()
    started_s = time.monotonic()
    with (
        tempfile.TemporaryDirectory() as folder,
        running_server(Path(folder), server_core) as server,
        report.console.status("") as status,
    ):
        report.versions["server"] = server.version

        def say(what: str) -> None:
            elapsed_s = time.monotonic() - started_s
            status.update(f"{elapsed_s:4.0f} s  {name}: {what}")
            if not report.console.is_terminal:
                sys.stderr.write(f"{elapsed_s:4.0f} s  {name}: {what}\n")

        run = Run(report, server, server_core, client_core, seconds, seed, Path(folder), say, PeerEnvironment(say))
        failed = []
        for name in chosen:
            try:
                PARTS[name](run)
            except _TROUBLE as error:
                failed.append(name)
                report.add(f"{name}: not measured", None, "", (str(error), None))
    report.show()
    report.write()
    return not failed


if __name__ == "__main__":
    sys.exit(main())
