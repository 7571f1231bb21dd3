"""``POST /predict`` beside FastAPI and MLServer, which serve the same model with scikit-learn.

Each service has one process on the server's core; a client with one kept-alive socket on the other core asks for
one record after another. FastAPI's handler answers the same fields; MLServer the two probabilities alone, which is
less.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.http_client import HttpClient, pack_post
from bench.machine import pinned
from bench.peers.model_json import write_model
from bench.percentile import percentile
from bench.run import CHECKOUT, Run
from bench.table import make_model, make_rows
from core.errors import UsageError
from streamgauge.demo.raisin_like import FEATURES

#: Rounds in which the services take turns; the best rate of each counts, and all samples of all rounds.
_ROUNDS = 5
#: Requests before the first sample of each service.
_WARM_UP = 100
#: A peer may import for so long.
_START_S = 90.0


@dataclass
class _Service:
    """One service that was asked."""

    request: bytes
    port: int = 0
    seconds: list[float] = field(default_factory=list)
    best_rate: float = 0.0
    missing: str = ""


def measure(run: Run) -> None:
    """Fill the report."""
    row = make_rows(1, run.seed)[0].tolist()
    record = dict(zip(FEATURES, row, strict=True))
    tensor = {"name": "x", "shape": [1, len(row)], "datatype": "FP64", "data": row}
    inference = {"inputs": [tensor], "outputs": [{"name": "predict_proba"}]}
    services = {
        "ours": _Service(pack_post("/predict", record)),
        "FastAPI": _Service(pack_post("/predict", record)),
        "MLServer": _Service(pack_post("/v2/models/raisin/infer", inference)),
    }
    model_path = write_model(run.folder, make_model(run.seed))
    with ExitStack() as stack:
        run.say("starting the services")
        stack.enter_context(run.connect()).call("FLUSHALL")
        _start(run, stack, services, model_path)
        asked = [service for service in services.values() if not service.missing]
        with pinned(run.client_core):
            for number in range(_ROUNDS):
                run.say(f"round {number + 1} of {_ROUNDS}")
                for service in asked:
                    _ask(service, run.seconds)
    _add(run, services)


def _start(run: Run, stack: ExitStack, services: dict[str, _Service], model_path: Path) -> None:
    """Start all services; a peer that does not start says so in the table."""
    with run.connect() as connection:
        run.reset(connection)
    scorer = stack.enter_context(run.scorer(core=run.server_core))
    services["ours"].port = int(scorer.wait_for("ready").rpartition(":")[2])
    python = run.peers.python
    starters: dict[str, Callable[[Run, Path, int, Path], list[str]]] = {"FastAPI": _fastapi, "MLServer": _mlserver}
    for name, command in starters.items():
        if python is None:
            services[name].missing = run.peers.missing
            continue
        services[name].port = _free_port()
        try:
            arguments = command(run, python, services[name].port, model_path)
            stack.enter_context(_running(run, name, arguments, services[name].port))
        except UsageError as error:
            services[name].missing = f"not started: {error}"
    run.report.versions |= run.peers.versions("fastapi", "uvicorn", "mlserver")


def _ask(service: _Service, seconds: float) -> None:
    """One round of requests, one after another."""
    client = HttpClient(service.port)
    try:
        for _ in range(_WARM_UP):
            client.post(service.request)
        taken: list[float] = []
        begin_s = now_s = time.perf_counter()
        while now_s - begin_s < seconds:
            client.post(service.request)
            before_s, now_s = now_s, time.perf_counter()
            taken.append(now_s - before_s)
    finally:
        client.close()
    service.seconds += taken
    service.best_rate = max(service.best_rate, len(taken) / (now_s - begin_s))


def _add(run: Run, services: dict[str, _Service]) -> None:
    ours = services.pop("ours")
    versions = run.report.versions
    for name, peer in services.items():
        if peer.missing:
            beside_rate: tuple[str, float | None] = (f"{name} {peer.missing}", None)
            beside_p99 = beside_p50 = beside_rate
        else:
            label = f"{name} {versions[name.lower()]} + scikit-learn"
            beside_rate = (label, peer.best_rate)
            beside_p99 = (label, percentile(peer.seconds, 99) * 1e6)
            beside_p50 = (label, percentile(peer.seconds, 50) * 1e6)
        run.report.add("POST /predict, serial", ours.best_rate, "requests/s", beside_rate, at_least=5)
        run.report.add("POST /predict: p99", percentile(ours.seconds, 99) * 1e6, "us", beside_p99, at_most=0.5)
        run.report.add("POST /predict: p50", percentile(ours.seconds, 50) * 1e6, "us", beside_p50)


def _fastapi(run: Run, python: Path, port: int, model_path: Path) -> list[str]:  # noqa: ARG001  (as _mlserver)
    return [str(python), "-m", "bench.peers.fastapi_service", str(port), str(model_path)]


def _mlserver(run: Run, python: Path, port: int, model_path: Path) -> list[str]:
    folder = run.folder / "mlserver"
    folder.mkdir()
    ports = [str(port), str(_free_port()), str(_free_port())]
    command = [str(python), "-m", "bench.peers.mlserver_folder", str(folder), *ports, str(model_path)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UsageError(done.stderr.strip().splitlines()[-1][:120])
    return [str(python.parent / "mlserver"), "start", str(folder)]


@contextmanager
def _running(run: Run, name: str, command: list[str], port: int) -> Iterator[None]:
    """A peer's process on the server's core, from when it takes connections; killed in the end."""
    log_path = run.folder / f"{name}.log"
    one_thread = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1")
    with (
        log_path.open("w", encoding="utf-8") as log,
        pinned(run.server_core),
        subprocess.Popen(
            command, stdout=log, stderr=log, cwd=CHECKOUT, env={**os.environ, **one_thread}
        ) as process,
    ):
        try:
            _wait_for_port(port, process, log_path)
            yield
        finally:
            process.kill()


def _wait_for_port(port: int, process: subprocess.Popen[bytes], log_path: Path) -> None:
    deadline_s = time.monotonic() + _START_S
    while time.monotonic() < deadline_s and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    lines = log_path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    raise UsageError(lines[-1][:120] if lines else f"nothing listens after {_START_S:.0f} s")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
