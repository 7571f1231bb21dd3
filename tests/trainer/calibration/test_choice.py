"""Which calibration is chosen, and by which figures."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from core.calibration import CalibrationRequest
from core.errors import DataError
from core.model import Floats, sigmoid
from trainer.calibration.choice import choose_calibration
from trainer.calibration.folds import FOLDS, Fitter, calibrated, stratified_folds
from trainer.calibration.platt import fit_platt
from trainer.calibration.report import CalibrationOption, CalibrationReport
from trainer.calibration.temperature import fit_temperature
from trainer.metrics.probability import log_loss
from trainer.out_of_sample import OutOfSample
from trainer.table import Labels


def drawn(n: int, slope: float = 1.0, offset: float = 0.0, seed: int = 0) -> tuple[Floats, Labels]:
    generator = np.random.default_rng(seed)
    logit = generator.normal(scale=2, size=n)
    return logit, (generator.random(n) < sigmoid(slope * logit + offset)).astype(np.uint8)


def rows(
    drawn: tuple[Floats, Labels], seed: int = 0, weights: Floats | None = None, *, by_time: bool = False
) -> OutOfSample:
    return OutOfSample.of(*drawn, seed, weights, by_time=by_time)


def bent(n: int, seed: int = 0) -> tuple[Floats, Labels]:
    """A staircase, which no slope and offset can tell."""
    generator = np.random.default_rng(seed)
    logit = generator.normal(scale=2, size=n)
    true = np.where(logit < -1, 0.05, np.where(logit < 1, 0.5, 0.6))
    return logit, (generator.random(n) < true).astype(np.uint8)


@pytest.mark.parametrize(
    ("drawing", "chosen"),
    [
        (drawn(20_000), "none"),
        (drawn(5_000, slope=0.4), "temperature"),
        (drawn(5_000, slope=0.4, offset=1.0), "platt"),
        (bent(5_000), "isotonic"),
    ],
)
def test_the_kind_that_made_the_rows_is_chosen(drawing: tuple[Floats, Labels], chosen: str) -> None:
    choice = choose_calibration(rows(drawing))
    assert choice.report.chosen == chosen
    assert (choice.calibration is None) == (chosen == "none")
    assert [figures.kind for figures in choice.report.figures] == ["none", "temperature", "platt", "isotonic"]
    figures = {each.kind: each for each in choice.report.figures}
    for each in figures.values():
        assert each.difference >= 0
        if each.kind == chosen:
            break
        assert each.difference > each.standard_error  # nothing simpler was as good
    assert figures[choice.report.chosen].difference <= figures[choice.report.chosen].standard_error


def test_the_simplest_within_one_standard_error_is_taken() -> None:
    simpler = 0
    for seed in range(20):
        report = choose_calibration(rows(drawn(300, seed=seed))).report
        best = min(report.figures, key=lambda each: each.log_loss)
        kinds = [each.kind for each in report.figures]
        assert kinds.index(report.chosen) <= kinds.index(best.kind)
        simpler += report.chosen != best.kind
    assert simpler > 0


def test_figures_are_of_rows_by_a_fit_to_the_other_folds() -> None:
    found = rows(drawn(400, slope=0.3, offset=0.8))
    report = choose_calibration(found).report
    fitters: dict[CalibrationOption, Fitter] = {"platt": fit_platt, "temperature": fit_temperature}
    figures = {each.kind: each.log_loss for each in report.figures}
    for kind, fitter in fitters.items():
        p = np.empty(400)
        for fold in range(FOLDS):
            own = found.folds == fold
            p[own] = calibrated(
                fitter(found.logit[~own], found.y[~own], np.ones(int((~own).sum()))), found.logit[own]
            )
        assert figures[kind] == log_loss(found.y, p)


def test_isotonic_is_not_compared_on_few_rows_unless_it_is_asked_for() -> None:
    few = rows(bent(900))
    report = choose_calibration(few).report
    assert "900 rows are fewer than 1000" in report.left_out["isotonic"]
    assert choose_calibration(few, "isotonic").report.chosen == "isotonic"


@pytest.mark.parametrize("request_", ["auto", "platt", "isotonic"])
def test_too_few_rows_of_a_class_leave_the_model_as_it_is(request_: CalibrationRequest) -> None:
    y = (np.arange(100) > 90).astype(np.uint8)
    choice = choose_calibration(rows((np.linspace(-3, 3, 100), y)), request_)
    assert choice.calibration is None
    assert "one class has 9 rows" in choice.report.reason


def test_rows_that_contradict_the_model_leave_it_as_it_is() -> None:
    logit, y = drawn(400)
    for request in ("auto", "platt"):
        choice = choose_calibration(rows((-logit, y)), request)
        assert choice.calibration is None
        assert "a higher logit does not mean" in choice.report.reason


def test_nothing_is_compared_where_nothing_is_asked_for() -> None:
    choice = choose_calibration(rows(drawn(50)), "none")
    assert (choice.calibration, choice.report.figures, choice.report.folds) == (None, (), 0)


def test_the_seed_deals_the_folds_and_equal_calls_are_equal() -> None:
    one, same, other = (choose_calibration(rows(drawn(300, slope=0.3), seed)) for seed in (1, 1, 2))
    assert one.report == same.report != other.report
    assert one.calibration is not None
    assert same.calibration is not None
    assert one.calibration.values.tobytes() == same.calibration.values.tobytes()


def test_the_kind_is_compared_across_the_folds_of_the_rows() -> None:
    """Neighbours that share their luck are no news to each other: runs of them show it."""
    generator = np.random.default_rng(0)
    logit = generator.normal(scale=2, size=1_000)
    luck = np.repeat(generator.normal(scale=1.5, size=5), 200)
    y = (generator.random(1_000) < sigmoid(logit + luck)).astype(np.uint8)
    loss = {
        by_time: next(
            each.log_loss
            for each in choose_calibration(rows((logit, y), by_time=by_time), "platt").report.figures
            if each.kind == "platt"
        )
        for by_time in (False, True)
    }
    assert loss[True] > loss[False] + 0.01


def test_folds_hold_every_class_alike() -> None:
    y = np.repeat(np.array([0, 1], dtype=np.uint8), [23, 41])
    folds = stratified_folds(y, 5)
    for label in (0, 1):
        sizes = np.bincount(folds[y == label], minlength=FOLDS)
        assert np.ptp(sizes) <= 1
    assert np.ptp(np.bincount(folds)) <= 1


def test_weights_count_rows_as_often_as_they_say() -> None:
    drawing = drawn(400, slope=0.4)
    weights = np.ones(400)
    plain, weighted = choose_calibration(rows(drawing)), choose_calibration(rows(drawing, weights=weights))
    assert plain.report == weighted.report
    weights[:200] = 5.0
    assert choose_calibration(rows(drawing, weights=weights)).report != plain.report


def test_the_report_tells_the_parameters_and_reads_back() -> None:
    drawing = rows(drawn(2_000, slope=0.4, offset=1.0))
    platt, isotonic = (choose_calibration(drawing, kind).report for kind in ("platt", "isotonic"))
    assert platt.slope == pytest.approx(0.4, abs=0.05)
    assert platt.offset == pytest.approx(1.0, abs=0.15)
    assert isotonic.knots is not None
    assert isotonic.knots >= 2
    assert platt.calibration_error_floor is not None
    assert 0 < platt.calibration_error_floor < 0.03
    for report in (platt, isotonic):
        assert msgspec.json.decode(msgspec.json.encode(report), type=CalibrationReport) == report


def test_logits_that_are_not_finite_are_refused() -> None:
    with pytest.raises(DataError, match="not finite"):
        rows((np.array([0.0, np.inf]), np.array([0, 1], dtype=np.uint8)))
