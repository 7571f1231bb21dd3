from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from core.data_fingerprint import DataFingerprint
from core.errors import ModelFileError, RegistryError, SettingsError, UnknownRun, UsageError
from core.miniflow import MODEL_ARTIFACT, MiniFlow, Run, RunMeta
from core.model import LogisticModel
from core.model_file import ModelFile
from core.profile import profile_rows
from core.schema import Schema
from tests.drift_references import quick_model_file


def ticking() -> Callable[[], int]:
    """A clock that a test can foresee: 1, 2, 3 ms."""
    ticks = iter(range(1, 10_000))
    return lambda: next(ticks)


@pytest.fixture
def miniflow(tmp_path: Path) -> MiniFlow:
    return MiniFlow(tmp_path / "miniflow", "raisin", ticking())


@pytest.fixture(scope="module")
def model_file() -> ModelFile:
    x = np.random.default_rng(0).normal(size=(30, 2))
    profile = profile_rows(x, ("a", "b"), seed=0)
    model = LogisticModel(Schema(("a", "b")), np.array([1.0, -1.0]), 0.5, profile.mean, profile.standard_deviation)
    return quick_model_file(model, x)


def test_a_run_lies_where_the_design_says(miniflow: MiniFlow, model_file: ModelFile) -> None:
    run = miniflow.start_run("manual")
    run.log_params({"seed": 3})
    run.log_metrics(1, {"train_loss": 0.5})
    run.write_artifact(MODEL_ARTIFACT, model_file.encoded)
    run.finish("promoted", "First model.")
    directory = miniflow.root / "experiments" / "raisin" / "runs" / run.run_id
    files = {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}
    assert files == {".lock", "meta.json", "params.json", "metrics.jsonl", "artifacts/model/model.npz"}
    assert len(run.run_id) == 12
    assert int(run.run_id, 16) >= 0


def test_a_run_reads_back_what_was_written(miniflow: MiniFlow) -> None:
    run = miniflow.start_run("drift")
    run.log_params({"seed": 3, "c": "inf"})
    run.log_params({"seed": 4})
    run.write_artifact("train_profile.json", b"{}")
    run.finish("refused", "Not better.")
    again = miniflow.run(run.run_id)
    assert again.params == {"seed": 4, "c": "inf"}
    assert again.read_artifact("train_profile.json") == b"{}"
    assert (again.meta.reason, again.meta.outcome, again.meta.detail) == ("drift", "refused", "Not better.")
    assert again.meta.finished_ts_ms is not None
    assert again.meta.finished_ts_ms > again.meta.started_ts_ms


def test_the_later_outcome_stands_and_keeps_the_artifacts(miniflow: MiniFlow) -> None:
    run = miniflow.start_run("drift")
    run.write_artifact("note.txt", b"x")
    run.finish("logged")
    run.finish("promoted", "Better.")
    assert run.meta.outcome == "promoted"
    assert list(run.meta.artifacts) == ["note.txt"]


def test_metrics_are_appended_and_time_stamped(miniflow: MiniFlow) -> None:
    run = miniflow.start_run("manual")
    run.log_metrics(1, {"train_loss": 0.7})
    before = (run.directory / "metrics.jsonl").read_bytes()
    run.log_metrics(2, {"train_loss": 0.6, "validation_loss": 0.65})
    assert (run.directory / "metrics.jsonl").read_bytes().startswith(before)
    lines = list(run.metrics())
    assert [line.step for line in lines] == [1, 2]
    assert lines[0].ts_ms < lines[1].ts_ms
    assert run.summary().metrics == {"train_loss": 0.6, "validation_loss": 0.65}


def test_half_a_metrics_line_costs_only_itself(miniflow: MiniFlow) -> None:
    run = miniflow.start_run("manual")
    run.log_metrics(1, {"loss": 0.7})
    with (run.directory / "metrics.jsonl").open("ab") as file:
        file.write(b'{"ts_ms": 5, "step"')
    run.log_metrics(3, {"loss": float("nan")})
    assert [(line.step, line.metrics) for line in run.metrics()] == [(1, {"loss": 0.7}), (3, {"loss": None})]


def test_runs_are_listed_newest_first(miniflow: MiniFlow) -> None:
    started = [miniflow.start_run(f"reason {number}").run_id for number in range(5)]
    assert [summary.run_id for summary in miniflow.runs()] == started[::-1]


def test_experiments_do_not_see_each_other(miniflow: MiniFlow) -> None:
    other = MiniFlow(miniflow.root, "other")
    run = miniflow.start_run("manual")
    assert other.runs() == []
    with pytest.raises(UnknownRun):
        other.run(run.run_id)


def test_half_written_runs_are_passed_over(miniflow: MiniFlow) -> None:
    whole = miniflow.start_run("manual")
    runs = whole.directory.parent
    (runs / "0123456789ab").mkdir()
    (runs / "0123456789ac").mkdir()
    (runs / "0123456789ac" / "meta.json").write_bytes(b'{"run_id": ')
    (runs / ".stray").mkdir()
    (runs / "notes.txt").write_text("mine")
    assert [summary.run_id for summary in miniflow.runs()] == [whole.run_id]


def test_a_kill_between_write_and_rename_leaves_the_old_meta(
    miniflow: MiniFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = miniflow.start_run("manual")
    monkeypatch.setattr(Path, "replace", _killed)
    with pytest.raises(KeyboardInterrupt):
        run.finish("promoted")
    assert run.meta.outcome is None
    assert {path.name for path in run.directory.iterdir()} == {".lock", "meta.json"}


def _killed(_source: Path, _target: Path) -> Path:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    "run_id", ["", "abc", "../../../../etc", "0123456789AB", "0123456789ab\n", "0123456789ab/..", "..", "x" * 1000]
)
def test_a_malformed_run_id_never_becomes_a_path(miniflow: MiniFlow, run_id: str) -> None:
    with pytest.raises(UnknownRun, match="not 12 hex digits"):
        miniflow.run(run_id)
    with pytest.raises(UnknownRun, match="not 12 hex digits"):
        miniflow.model(run_id)


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../meta.json", "a/../../b", "a//b", ".hidden", "a\n"])
def test_an_artifact_stays_in_its_run(miniflow: MiniFlow, name: str) -> None:
    run = miniflow.start_run("manual")
    with pytest.raises(UnknownRun, match="artifact name"):
        run.write_artifact(name, b"")
    with pytest.raises(UnknownRun, match="artifact name"):
        run.read_artifact(name)


@pytest.mark.parametrize("experiment", ["", ".", "..", "a/b", "a{b}", "x" * 65, "a\n"])
def test_an_experiment_is_one_directory_name(tmp_path: Path, experiment: str) -> None:
    with pytest.raises(SettingsError, match="experiment"):
        MiniFlow(tmp_path, experiment)


def test_a_model_reads_back_whole(miniflow: MiniFlow, model_file: ModelFile) -> None:
    run = miniflow.start_run("manual")
    run.write_artifact(MODEL_ARTIFACT, model_file.encoded)
    assert miniflow.model(run.run_id).encoded == model_file.encoded
    assert miniflow.runs()[0].has_model


def test_a_run_without_a_model_says_so(miniflow: MiniFlow) -> None:
    run = miniflow.start_run("manual")
    assert not miniflow.runs()[0].has_model
    with pytest.raises(UnknownRun, match="has no model"):
        miniflow.model(run.run_id)
    with pytest.raises(UnknownRun, match="no whole run"):
        miniflow.model("0123456789ab")


def test_a_model_cut_short_or_altered_is_refused(miniflow: MiniFlow, model_file: ModelFile) -> None:
    run = miniflow.start_run("manual")
    path = run.write_artifact(MODEL_ARTIFACT, model_file.encoded)
    path.write_bytes(model_file.encoded[:-20])
    with pytest.raises(ModelFileError):
        miniflow.model(run.run_id)
    path.write_bytes(model_file.encoded + b"\0")
    with pytest.raises(ModelFileError, match="SHA-256"):
        miniflow.model(run.run_id)


def test_a_directory_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "miniflow").write_text("a file in the way")
    with pytest.raises(UsageError, match="choose another directory with --miniflow"):
        MiniFlow(tmp_path / "miniflow", "raisin").start_run("manual")


def test_meta_survives_fields_of_a_later_version(miniflow: MiniFlow) -> None:
    run = miniflow.start_run("manual")
    document = msgspec.json.decode((run.directory / "meta.json").read_bytes())
    (run.directory / "meta.json").write_bytes(msgspec.json.encode(document | {"new": 1}))
    assert isinstance(Run(run.directory).meta, RunMeta)


def test_a_copy_of_a_run_under_another_id_is_no_run(miniflow: MiniFlow) -> None:
    run = miniflow.start_run("manual")
    copy = run.directory.with_name("0123456789ab")
    copy.mkdir()
    (copy / "meta.json").write_bytes((run.directory / "meta.json").read_bytes())
    assert [each.run_id for each in miniflow.runs()] == [run.run_id]
    with pytest.raises(UnknownRun, match=f"the files of run 0123456789ab are of run {run.run_id}"):
        miniflow.run("0123456789ab")


def test_a_run_is_listed_as_far_as_it_can_be_read(miniflow: MiniFlow) -> None:
    run = miniflow.start_run("manual")
    run.log_params({"seed": 1})
    (run.directory / "metrics.jsonl").mkdir()  # in place of a file that cannot be read
    with pytest.raises(UnknownRun, match=r"metrics of run .* cannot be read"):
        list(run.metrics())
    assert [(each.run_id, each.params, each.metrics) for each in miniflow.runs()] == [
        (run.run_id, {"seed": 1}, {})
    ]
    (run.directory / "params.json").write_bytes(b"{")
    assert miniflow.runs()[0].params == {}


def test_a_run_that_goes_while_it_is_listed_is_passed_over(
    miniflow: MiniFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, gone = miniflow.start_run("kept"), miniflow.start_run("gone")
    listed = MiniFlow._run_ids

    def removed_behind(self: MiniFlow) -> list[str]:
        run_ids = listed(self)
        shutil.rmtree(gone.directory)
        return run_ids

    monkeypatch.setattr(MiniFlow, "_run_ids", removed_behind)
    assert [each.run_id for each in miniflow.runs()] == [kept.run_id]


def test_a_directory_that_cannot_be_listed_is_one_sentence(
    miniflow: MiniFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    miniflow.start_run("manual")

    def refused(_path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refused)
    with pytest.raises(RegistryError, match=r"cannot be read \(Permission denied\); mend its rights"):
        miniflow.runs()


def test_what_a_run_trained_on_is_noted_beside_its_artifacts(miniflow: MiniFlow) -> None:
    run = miniflow.start_run("manual")
    run.write_artifact("note.txt", b"x")
    run.record_data(DataFingerprint(3, "a" * 64))
    again = miniflow.run(run.run_id).meta
    assert (again.data, list(again.artifacts)) == (DataFingerprint(3, "a" * 64), ["note.txt"])


def test_a_run_of_an_earlier_version_reads_as_one_without_environment(miniflow: MiniFlow) -> None:
    run = miniflow.start_run("manual")
    document = msgspec.json.decode((run.directory / "meta.json").read_bytes())
    (run.directory / "meta.json").write_bytes(
        msgspec.json.encode({name: document[name] for name in document if name not in {"environment", "data"}})
    )
    assert (run.meta.environment, run.meta.data, run.meta.reason) == (None, None, "manual")
