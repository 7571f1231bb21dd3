"""MiniFlow: experiment tracking as plain files.

::

    <root>/experiments/<experiment>/runs/<run_id>/meta.json       what started the run and how it ended
                                                 /params.json     what it was given
                                                 /metrics.jsonl   one time-stamped line a step, append-only
                                                 /artifacts/...   the model and what belongs to it

Any number of processes may write below one root, also to one run: each file is replaced whole or appended to in
one write, and what reads a file to write it again does so under the run's lock.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from core.atomic_file import append_line, explained_failure, write_atomically
from core.data_fingerprint import DataFingerprint
from core.errors import RegistryError, SettingsError, UnknownRun, UsageError
from core.file_lock import locked
from core.listing import listed
from core.model_file import ModelFile, read_model_file
from core.run_environment import RunEnvironment, current_environment

#: Where a run keeps its model.
MODEL_ARTIFACT = "model/model.npz"
#: A run id: random, so that two machines do not choose the same.
RUN_ID = re.compile(r"[0-9a-f]{12}")
_RUN_ID_PREFIX = re.compile(r"[0-9a-f]{1,11}")
#: The same alphabet as a pipeline's name: an experiment usually is a pipeline.
_EXPERIMENT = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_ARTIFACT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*")

Parameter = str | int | float | bool | None


class RunMeta(msgspec.Struct, frozen=True):
    """``meta.json``; ``outcome`` is None while the run is under way, or for ever if it was killed."""

    run_id: str
    experiment: str
    reason: str
    started_ts_ms: int
    finished_ts_ms: int | None = None
    outcome: str | None = None
    detail: str = ""
    artifacts: dict[str, str] = {}  #: name -> SHA-256 of its bytes
    environment: RunEnvironment | None = None  #: runs of earlier versions have none
    data: DataFingerprint | None = None  #: None: nothing was trained, or by an earlier version


class MetricLine(msgspec.Struct, frozen=True):
    """One line of ``metrics.jsonl``; a value that was not finite reads back as None."""

    ts_ms: int
    step: int
    metrics: dict[str, float | None]


class RunSummary(msgspec.Struct, frozen=True):
    """A run as a listing shows it."""

    meta: RunMeta
    metrics: dict[str, float | None]  #: the last value of each metric
    has_model: bool
    params: dict[str, Parameter]  #: empty where the file is damaged

    @property
    def run_id(self) -> str:
        """12 hex digits."""
        return self.meta.run_id


def wall_clock_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def checked_run_id(run_id: str) -> str:
    """A run id from outside, fit to be part of a path.

    Raises
    ------
    UnknownRun
        Anything but 12 lower-case hex digits.
    """
    if not RUN_ID.fullmatch(run_id):
        raise UnknownRun(f"run id {run_id[:40]!r} is not 12 hex digits; see `streamgauge runs`")
    return run_id


@dataclass(frozen=True)
class Run:
    """One run's directory; every method leaves whole files behind."""

    directory: Path
    clock: Callable[[], int] = field(default=wall_clock_ms, repr=False)

    @property
    def run_id(self) -> str:
        """12 hex digits."""
        return self.directory.name

    @property
    def meta(self) -> RunMeta:
        """The run's meta data. Raises UnknownRun where the file is missing, damaged or another run's."""
        try:
            meta = msgspec.json.decode((self.directory / "meta.json").read_bytes(), type=RunMeta)
        except (OSError, msgspec.MsgspecError) as error:
            raise UnknownRun(f"there is no whole run {self.run_id}; see `streamgauge runs`") from error
        if meta.run_id != self.run_id:
            raise UnknownRun(
                f"the files of run {self.run_id} are of run {meta.run_id[:40]}; see `streamgauge runs`"
            )
        return meta

    @property
    def params(self) -> dict[str, Parameter]:
        """What :meth:`log_params` collected. Raises UnknownRun where the file is damaged."""
        path = self.directory / "params.json"
        try:
            return msgspec.json.decode(path.read_bytes(), type=dict[str, Parameter])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise UnknownRun(f"run {self.run_id} has a damaged params.json; see `streamgauge runs`") from error

    def log_params(self, params: Mapping[str, Parameter]) -> None:
        """Add to ``params.json``; a name given again takes its new value."""
        with self._locked():
            _write_json(self.directory / "params.json", self.params | dict(params))

    def log_metrics(self, step: int, metrics: Mapping[str, float | None]) -> None:
        """Append one time-stamped line to ``metrics.jsonl``."""
        self.log_metric_lines([(step, metrics)])

    def log_metric_lines(self, lines: list[tuple[int, Mapping[str, float | None]]]) -> None:
        """Append a line for each (step, metrics) in one write."""
        now = self.clock()
        encoded = b"".join(
            msgspec.json.encode(MetricLine(now, step, dict(metrics))) + b"\n" for step, metrics in lines
        )
        append_line(self.directory / "metrics.jsonl", encoded)

    def record_data(self, data: DataFingerprint) -> None:
        """Note which rows the run trained on."""
        with self._locked():
            self._write_meta(msgspec.structs.replace(self.meta, data=data))

    def metrics(self) -> Iterator[MetricLine]:
        """Every whole line of ``metrics.jsonl``; half a line, left by a kill, is passed over.

        Raises
        ------
        UnknownRun
            The file is there and cannot be read.
        """
        decoder = msgspec.json.Decoder(MetricLine)
        try:
            data = (self.directory / "metrics.jsonl").read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            raise UnknownRun(f"the metrics of run {self.run_id} cannot be read ({error.strerror})") from error
        for line in data.split(b"\n"):
            try:
                yield decoder.decode(line)
            except msgspec.MsgspecError:
                continue

    def write_artifact(self, name: str, data: bytes) -> Path:
        """Write ``artifacts/<name>``, then its digest into the meta data."""
        path = self._artifact(name)
        digest = hashlib.sha256(data).hexdigest()
        with self._locked():
            write_atomically(path, data)
            meta = self.meta
            self._write_meta(msgspec.structs.replace(meta, artifacts=meta.artifacts | {name: digest}))
        return path

    def read_artifact(self, name: str) -> bytes:
        """The bytes of ``artifacts/<name>``. Raises UnknownRun where there is none."""
        try:
            return self._artifact(name).read_bytes()
        except OSError as error:
            raise UnknownRun(f"run {self.run_id} has no artifact {name}; see `streamgauge runs`") from error

    def finish(self, outcome: str, detail: str = "") -> None:
        """Record how the run ended; called again, the later outcome stands."""
        with self._locked():
            self._write_meta(
                msgspec.structs.replace(self.meta, finished_ts_ms=self.clock(), outcome=outcome, detail=detail)
            )

    def summary(self) -> RunSummary:
        """The run as a listing shows it, as far as its files can be read.

        Raises
        ------
        UnknownRun
            It has no meta data yet, or damaged ones.
        """
        meta = self.meta
        last: dict[str, float | None] = {}
        params: dict[str, Parameter] = {}
        with suppress(UnknownRun):
            for line in self.metrics():
                last |= line.metrics
        with suppress(UnknownRun):
            params = self.params
        return RunSummary(meta, last, self._artifact(MODEL_ARTIFACT).is_file(), params)

    def _artifact(self, name: str) -> Path:
        if not _ARTIFACT.fullmatch(name):
            raise UnknownRun(f"artifact name {name[:80]!r} is not a plain relative path")
        return self.directory / "artifacts" / name

    def _locked(self) -> AbstractContextManager[None]:
        """Whoever writes again what it read holds this, or the other's artifact or outcome is lost."""
        return locked(self.directory / ".lock")

    def _write_meta(self, meta: RunMeta) -> None:
        _write_json(self.directory / "meta.json", meta)


@dataclass(frozen=True)
class MiniFlow:
    """All runs of one experiment.

    Raises
    ------
    SettingsError
        An experiment name outside ``[A-Za-z0-9_.-]{1,64}``, or one that is no directory name.
    """

    root: Path
    experiment: str
    clock: Callable[[], int] = field(default=wall_clock_ms, repr=False)

    def __post_init__(self) -> None:
        if not _EXPERIMENT.fullmatch(self.experiment) or self.experiment in {".", ".."}:
            raise SettingsError(
                f"experiment {self.experiment[:80]!r} must be 1 to 64 letters, digits, underscores, dots, hyphens"
            )

    @property
    def _runs(self) -> Path:
        return self.root / "experiments" / self.experiment / "runs"

    def start_run(self, reason: str) -> Run:
        """Open a run under a new random id. Raises UsageError where the directory cannot be written."""
        run = Run(self._runs / secrets.token_hex(6), self.clock)
        meta = RunMeta(run.run_id, self.experiment, reason, self.clock(), environment=current_environment())
        with explained_failure(run.directory):
            run.directory.mkdir(parents=True)
        try:
            _write_json(run.directory / "meta.json", meta)
        except UsageError:
            with suppress(OSError):
                run.directory.rmdir()
            raise
        return run

    def run(self, run_id: str) -> Run:
        """An existing run. Raises UnknownRun for a malformed or unknown id."""
        run = Run(self._runs / checked_run_id(run_id), self.clock)
        _ = run.meta
        return run

    def find(self, text: str) -> str:
        """The id that ``text`` names: a whole id, whether the run is here or not, or the beginning of just one.

        Raises
        ------
        UnknownRun
            No run or several begin so, or it is no beginning of an id.
        """
        if not _RUN_ID_PREFIX.fullmatch(text):
            return checked_run_id(text)
        begun = sorted(run_id for run_id in self._run_ids() if run_id.startswith(text))
        if not begun:
            raise UnknownRun(f"no run id here begins with {text}; see `streamgauge runs`")
        if len(begun) > 1:
            raise UnknownRun(f"{text} is the beginning of {listed(begun)}; give more digits")
        return begun[0]

    def runs(self) -> list[RunSummary]:
        """Every run that has meta data, newest first; a directory that a kill left without is passed over."""
        summaries = []
        for run_id in self._run_ids():
            try:
                summaries.append(Run(self._runs / run_id, self.clock).summary())
            except UnknownRun:
                continue
        return sorted(summaries, key=lambda each: (each.meta.started_ts_ms, each.run_id), reverse=True)

    def model(self, run_id: str) -> ModelFile:
        """A run's model, its digest checked.

        Raises
        ------
        UnknownRun
            No such run, or a run that has no model.
        ModelFileError
            A model file that is cut short or altered.
        """
        run = self.run(run_id)
        try:
            data = run.read_artifact(MODEL_ARTIFACT)
        except UnknownRun as error:
            raise UnknownRun(f"run {run_id} has no model; choose another from `streamgauge runs`") from error
        return read_model_file(data, run.meta.artifacts.get(MODEL_ARTIFACT))

    def _run_ids(self) -> list[str]:
        """Ids that have a directory."""
        try:
            return [path.name for path in self._runs.iterdir() if RUN_ID.fullmatch(path.name)]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise RegistryError(
                f"{self._runs} cannot be read ({error.strerror}); mend its rights or choose another --miniflow"
            ) from error


def _write_json(path: Path, value: object) -> None:
    write_atomically(path, msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
