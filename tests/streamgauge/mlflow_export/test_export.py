"""What an export writes and where it refuses to; what MLflow reads of it is in test_read_by_mlflow.py."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import UsageError
from core.miniflow import MetricLine, MiniFlow
from streamgauge.mlflow_export import store as store_module
from streamgauge.mlflow_export.export import export_runs
from streamgauge.mlflow_export.run_writer import entity_name, metric_files
from streamgauge.mlflow_export.store import MlflowStore, experiment_id
from tests.streamgauge.mlflow_export.logged_runs import LoggedRuns, logged_runs


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> LoggedRuns:
    return logged_runs(tmp_path_factory.mktemp("once") / "miniflow")


@pytest.fixture
def logged(once: LoggedRuns, tmp_path: Path) -> LoggedRuns:
    shutil.copytree(once.miniflow.root, tmp_path / "miniflow")
    return once.at(tmp_path / "miniflow")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "mlruns"


def stamps(root: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of every file: a file that was written again has others."""
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}


def test_an_export_again_touches_no_file(logged: LoggedRuns, store: Path) -> None:
    first = export_runs(logged.miniflow, logged.registry.production(), store)
    before = stamps(store)
    second = export_runs(logged.miniflow, logged.registry.production(), store)
    assert stamps(store) == before
    assert (first.made, first.experiment_id) == (3, second.experiment_id)
    assert (second.made, second.updated, second.unchanged) == (0, 0, 3)


def test_what_died_in_the_middle_is_finished_by_the_next(
    logged: LoggedRuns, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, left = Path.replace, iter(range(40))

    def dies(source: Path, target: Path) -> Path:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return replace(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", dies)
        with pytest.raises(KeyboardInterrupt):
            export_runs(logged.miniflow, None, store)
    expect_no_run_without_its_files(store, logged)
    export_runs(logged.miniflow, None, store)
    again = export_runs(logged.miniflow, None, store.with_name("whole"))
    assert again.made == 3
    assert contents(store) == contents(store.with_name("whole"))


def expect_no_run_without_its_files(store: Path, logged: LoggedRuns) -> None:
    """A run with a ``meta.yaml`` has every artifact that it should have."""
    shown = list(store.glob("*/????????????/meta.yaml"))
    assert len(shown) < 3
    for meta in shown:
        run = logged.miniflow.run(meta.parent.name)
        assert all((meta.parent / "artifacts" / name).is_file() for name in run.meta.artifacts)


def contents(root: Path) -> dict[str, str]:
    """Every file but for the path of the store itself."""
    return {
        str(path.relative_to(root)): path.read_bytes().replace(root.as_uri().encode(), b"").decode("latin-1")
        for path in root.rglob("*")
        if path.is_file()
    }


def test_what_a_kill_left_behind_is_not_where_mlflow_looks(
    logged: LoggedRuns, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Path] = []

    def killed(source: Path, _target: Path) -> Path:
        written.append(source)
        raise SystemExit

    export_runs(logged.miniflow, None, store)
    logged.odd.log_metrics(9, {"loss": 0.1})
    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(SystemExit):
        export_runs(logged.miniflow, None, store)
    assert [path.parent.name for path in written] == [logged.odd.run_id]


def test_a_moved_store_finds_its_artifacts_after_the_next_export(logged: LoggedRuns, store: Path) -> None:
    export_runs(logged.miniflow, None, store)
    moved = store.with_name("moved")
    shutil.move(store, moved)
    assert export_runs(logged.miniflow, None, moved).updated == 3
    (meta,) = moved.glob(f"*/{logged.trained.run_id}/meta.yaml")
    assert f'artifact_uri: "{(meta.parent / "artifacts").as_uri()}"\n' in meta.read_text()


def test_a_lost_artifact_is_named_and_the_rest_exported(logged: LoggedRuns, store: Path) -> None:
    (logged.trained.directory / "artifacts" / "holdout.npz").unlink()
    report = export_runs(logged.miniflow, None, store)
    assert report.missing_artifacts == (f"{logged.trained.run_id}/holdout.npz",)
    assert report.made == 3


def test_a_damaged_run_does_not_stop_the_others(logged: LoggedRuns, store: Path) -> None:
    (logged.odd.directory / "params.json").write_bytes(b"{")
    report = export_runs(logged.miniflow, None, store)
    assert (report.damaged, report.made) == ((logged.odd.run_id,), 2)


def foreign(store: Path, directory: str, name: str) -> Path:
    """An experiment as MLflow writes it."""
    folder = store / directory
    folder.mkdir(parents=True)
    (folder / "meta.yaml").write_text(f"experiment_id: '{folder.name}'\nlifecycle_stage: active\nname: {name}\n")
    return folder


@pytest.mark.parametrize("written", ["grain", "'grain'", '"grain"'])
def test_an_experiment_of_the_same_name_is_used(logged: LoggedRuns, store: Path, written: str) -> None:
    folder = foreign(store, "123", written)
    other = foreign(store, "124", "other")
    before = (folder / "meta.yaml").read_bytes(), stamps(other)
    report = export_runs(logged.miniflow, None, store)
    assert (report.experiment, report.experiment_id) == ("grain", "123")
    assert (folder / logged.trained.run_id / "meta.yaml").is_file()
    assert ((folder / "meta.yaml").read_bytes(), stamps(other)) == before


def test_ours_is_still_ours_when_it_was_renamed_there(logged: LoggedRuns, store: Path) -> None:
    own = export_runs(logged.miniflow, None, store).experiment_id
    meta = store / own / "meta.yaml"
    meta.write_text(meta.read_text().replace('name: "grain"', "name: raisins, dried"))
    report = export_runs(logged.miniflow, None, store)
    assert (report.experiment, report.experiment_id, report.unchanged) == ("raisins, dried", own, 3)


def test_an_experiment_that_was_deleted_there_is_not_made_again(logged: LoggedRuns, store: Path) -> None:
    own = export_runs(logged.miniflow, None, store).experiment_id
    (store / ".trash").mkdir()
    shutil.move(store / own, store / ".trash" / own)
    with pytest.raises(UsageError, match=f"mlflow experiments restore --experiment-id {own}"):
        export_runs(logged.miniflow, None, store)
    assert export_runs(logged.miniflow, None, store, "another").made == 3


def test_the_name_of_the_experiment_can_be_chosen(logged: LoggedRuns, store: Path) -> None:
    assert export_runs(logged.miniflow, None, store, "team/grain v2").experiment == "team/grain v2"


@pytest.mark.parametrize("name", [" grain", "a\nb", "x" * 65, "", "-"])
def test_a_name_that_mlflow_would_not_keep_is_refused(store: Path, name: str) -> None:
    with pytest.raises(UsageError, match="1 to 64 letters"):
        MlflowStore(store).experiment(name, 0)
    assert not store.exists()


def a_file(store: Path) -> None:
    store.write_text("a file in the way")


def notes(store: Path) -> None:
    store.mkdir()
    (store / "notes.txt").write_text("mine")


@pytest.mark.parametrize(("prepare", "said"), [(a_file, "cannot write"), (notes, "no MLflow experiment")])
def test_a_directory_that_is_no_store_is_left_alone(
    logged: LoggedRuns, store: Path, prepare: Callable[[Path], None], said: str
) -> None:
    prepare(store)
    with pytest.raises(UsageError, match=said):
        export_runs(logged.miniflow, None, store)
    assert [path.name for path in store.rglob("*")] == (["notes.txt"] if store.is_dir() else [])


@pytest.mark.parametrize("inside", [".", "experiments/grain"])
def test_an_export_into_the_runs_themselves_is_refused(logged: LoggedRuns, inside: str) -> None:
    before = stamps(logged.miniflow.root)
    with pytest.raises(UsageError, match="name one outside of it"):
        export_runs(logged.miniflow, None, logged.miniflow.root / inside)
    assert stamps(logged.miniflow.root) == before


def test_no_runs_are_an_empty_experiment(tmp_path: Path, store: Path) -> None:
    report = export_runs(MiniFlow(tmp_path / "miniflow", "empty"), None, store)
    assert (report.runs, report.made, report.experiment) == (0, 0, "empty")


def test_a_later_line_of_a_step_is_the_later_one_to_mlflow() -> None:
    lines = [MetricLine(5, 1, {"loss": 0.9}), MetricLine(5, 1, {"loss": 0.1}), MetricLine(6, 1, {"loss": None})]
    assert metric_files(lines) == {"loss": "5 0.9 1\n6 0.1 1\n7 nan 1\n"}


@pytest.mark.parametrize("name", ["..", ".hidden", "a/b", "/etc/passwd", "", "x" * 300, "ü" * 150, "a:b", "\n"])
def test_every_name_becomes_one_file_of_its_own(name: str) -> None:
    changed = entity_name(name)
    assert "/" not in changed
    assert not changed.startswith(".")
    assert 0 < len(changed.encode()) <= 255
    assert changed != entity_name(name + "x")
    assert entity_name(changed) == changed


def test_ids_are_as_long_as_mlflows_own_and_hang_on_the_name_alone() -> None:
    ids = {experiment_id(f"pipeline-{number}") for number in range(200)}
    assert len(ids) == 200
    assert {len(each) for each in ids} == {18}
    assert experiment_id("default") == experiment_id("default")
    assert store_module.META == "meta.yaml"
