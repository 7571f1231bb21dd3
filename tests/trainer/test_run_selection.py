from __future__ import annotations

import itertools
from collections.abc import Callable

import msgspec
import pytest

from core.errors import SettingsError
from core.miniflow import Parameter, RunMeta
from trainer.run_selection import Condition, ListedRun, Selection, check_names, lower_is_better

COUNT = itertools.count(1)


def a_run(
    loss: float | None = None, outcome: str | None = "refused", reason: str = "fit", **params: Parameter
) -> ListedRun:
    number = next(COUNT)
    meta = RunMeta(f"{number:012x}", "grain", reason, number * 1000, outcome=outcome)
    metrics: dict[str, float | None] = {}
    if loss is not None:
        metrics = {"validation_loss": loss, "validation_auc": 1 - loss}
    return ListedRun(meta, "", metrics, params, has_model=True)


BEST = a_run(0.1, "promoted", solver="newton", seed=1, early=True)
WORST = a_run(0.5, reason="feature_drift", solver="sgd", seed=10, early=False)
MIDDLE = a_run(0.3, solver="newton", seed=9)
FAILED = a_run(None, None, reason="manual")
RUNS = [BEST, WORST, MIDDLE, FAILED]


def selected(*conditions: str, **others: object) -> list[ListedRun]:
    return Selection([Condition.of(text) for text in conditions], **others).of(RUNS)  # type: ignore[arg-type]


def test_the_newest_run_is_first_by_itself() -> None:
    assert selected() == RUNS[::-1]
    assert selected(reverse=True) == RUNS
    assert selected(count=2) == [FAILED, MIDDLE]


@pytest.mark.parametrize("metric", ["validation_loss", "validation_auc"])
def test_by_a_metric_the_best_is_first_and_what_has_none_last(metric: str) -> None:
    assert selected(sort=metric) == [BEST, MIDDLE, WORST, FAILED]
    assert selected(sort=metric, reverse=True) == [WORST, MIDDLE, BEST, FAILED]


def test_a_parameter_sorts_ascending_and_as_a_number_where_it_is_one() -> None:
    assert selected(sort="seed") == [BEST, MIDDLE, WORST, FAILED]
    assert selected(sort="solver") == [MIDDLE, BEST, WORST, FAILED]


@pytest.mark.parametrize(
    ("condition", "runs"),
    [
        ("validation_loss<.3", [BEST]),
        ("validation_loss <= 0.3", [MIDDLE, BEST]),
        ("validation_auc>=.7", [MIDDLE, BEST]),
        ("seed>9", [WORST]),
        ("seed=1.0", [BEST]),
        ("seed!=1", [MIDDLE, WORST]),
        ("seed!=one", [MIDDLE, WORST, BEST]),
        ("seed=one", []),
        ("solver=newton", [MIDDLE, BEST]),
        ("solver!=newton", [WORST]),
        ("solver<newton", []),
        ("early=true", [BEST]),
        ("early==false", [WORST]),
        ("outcome=unfinished", [FAILED]),
        ("outcome!=refused", [FAILED, BEST]),
        ("reason=feature_drift", [WORST]),
    ],
)
def test_a_condition_keeps_the_runs_that_are_so(condition: str, runs: list[ListedRun]) -> None:
    assert selected(condition) == runs


def test_conditions_are_all_to_hold() -> None:
    assert selected("solver=newton", "validation_loss>.2", since_ts_ms=BEST.meta.started_ts_ms) == [MIDDLE]
    assert selected(since_ts_ms=MIDDLE.meta.started_ts_ms) == [FAILED, MIDDLE]


@pytest.mark.parametrize("text", ["", "loss", "=3", "a b=3", "<>"])
def test_what_is_no_condition_is_one_sentence(text: str) -> None:
    with pytest.raises(SettingsError, match="is no condition; write a name"):
        Condition.of(text)


def test_a_name_that_no_run_has_is_said_with_those_that_there_are() -> None:
    asks: list[Callable[[], list[ListedRun]]] = [lambda: selected("los<3"), lambda: selected(sort="los")]
    for ask in asks:
        with pytest.raises(SettingsError, match=r"no run has a metric or parameter 'los'; there are .*'solver'"):
            ask()
    assert Selection(sort="anything").of([]) == []


def test_of_the_names_that_there_are_the_nearest_are_said_first() -> None:
    many = {f"a_{number}": 1.0 for number in range(40)} | {"validation_accuracy": 0.8}
    run = msgspec.structs.replace(selected()[0], metrics=many)
    with pytest.raises(SettingsError, match=r"'val_accuracy'; there are 'validation_accuracy', "):
        check_names([run], ["val_accuracy"])


def test_the_name_tells_which_figure_is_better() -> None:
    lower = (
        "train_loss",
        "validation_brier",
        "expected_calibration_error",
        "gradient_norm",
        "judged_candidate_log_loss",
    )
    assert all(lower_is_better(name) for name in lower)
    assert not any(lower_is_better(name) for name in ("validation_auc", "validation_accuracy", "recall", "f1"))
