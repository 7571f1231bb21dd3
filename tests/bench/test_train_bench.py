"""The training bench: its cases are what they say, and its table says what was measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from bench import report as report_module
from bench.train import page as page_module
from bench.train.cases import CASES, Case, Kind
from bench.train.fitters import FITTERS, OURS, PEERS, TOLERANCE, largest_gradient
from bench.train.measure import CaseResult, Measured
from bench.train.page import main, with_table
from bench.train.report import TrainReport
from core.model import Floats
from trainer.loss import gradient
from trainer.table import Labels

CASE = Case(100_000, 20, at_most=0.35)


def needed(seconds: float, gradient: float = 1e-7, peak_mib: float = 2.0) -> Measured:
    """What a fitter needed."""
    return Measured(seconds, 1.1 * seconds, 4, gradient, peak_mib)


def result_of(ours: Measured, lbfgs: Measured, newton: Measured) -> CaseResult:
    """A case in which three fitters needed this."""
    return CaseResult(CASE, {OURS: ours, "scikit-learn lbfgs": lbfgs, "scikit-learn newton-cholesky": newton})


CHECKS: dict[Kind, Callable[[Floats, Labels], bool]] = {
    "rare": lambda x, _: np.unique(x[:, -1]).size == 2 and bool((x[:, -1] > 1).mean() < 1e-3),
    "collinear": lambda x, _: int(np.linalg.matrix_rank(x)) == 3,
    "correlated": lambda x, _: abs(float(np.atleast_2d(np.corrcoef(x.T))[0, 1]) - 0.95) < 0.01,
    "imbalanced": lambda _, y: abs(float(y.mean()) - 1 / 11) < 1e-3,
    "related": lambda x, _: bool(np.abs(np.corrcoef(x.T) - 0.3 - 0.7 * np.eye(5)).max() < 0.05),
    "independent": lambda x, _: bool(np.abs(np.corrcoef(x.T) - np.eye(5)).max() < 0.05),
}


@pytest.mark.parametrize("kind", CHECKS)
def test_cases_are_what_their_names_say(kind: Kind) -> None:
    x, y = Case(20_000, 5, kind).draw(0)
    assert CHECKS[kind](x, y)
    np.testing.assert_allclose(x.std(axis=0), 1.0)


def test_the_issues_sizes_have_its_targets_whatever_the_features() -> None:
    assert [case.at_most for case in CASES[:6]] == [0.35, 0.22, 0.5] * 2
    assert {case.kind for case in CASES} == set(CHECKS)


@pytest.mark.parametrize("fitter", FITTERS)
def test_every_fitter_arrives_and_the_gradient_is_the_losss(fitter: str) -> None:
    x, y = Case(2000, 3).draw(1)
    fit = FITTERS[fitter](x, y)
    found = largest_gradient(fit.theta, x, y)
    assert found <= TOLERANCE
    elsewhere = fit.theta + 0.1
    expected = np.abs(gradient(elsewhere, x, y, 1.0)).max()
    assert largest_gradient(elsewhere, x, y) == pytest.approx(expected, rel=1e-9)


def test_the_fastest_is_of_those_that_arrived() -> None:
    result = result_of(needed(0.1), needed(0.2, gradient=2e-6), needed(0.5))
    assert result.fastest == "scikit-learn newton-cholesky"
    assert result_of(needed(0.1), needed(0.2), needed(0.5)).fastest == "scikit-learn lbfgs"
    nobody = result_of(needed(0.1), needed(0.2, gradient=1.0), needed(0.5, gradient=1.0))
    assert nobody.fastest is None
    report = TrainReport("train", "command", 0, "")
    report.add_case(nobody)
    assert report.results[0].met is None


def test_the_table_and_the_results_have_ratio_and_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(report_module, "OUT", tmp_path)
    monkeypatch.setattr(page_module, "OUT", tmp_path)
    monkeypatch.setattr(page_module, "PAGE", tmp_path / "page.md")
    report = TrainReport("train", "command", 0, "A note.")
    report.add_case(result_of(needed(0.01), needed(0.04, peak_mib=1.0), needed(0.08)))
    by_name = {result.name: result for result in report.results}
    assert by_name["time, 100,000 x 20"].ratio == pytest.approx(0.25)
    assert by_name["time, 100,000 x 20"].met
    assert by_name["memory, 100,000 x 20"].met is False
    assert by_name[f"gradient, 100,000 x 20: {OURS}"].met
    assert len(by_name) == 2 + 1 + len(PEERS)
    assert report.table.rows[0][1:7] == ("10 (+10 %)", "40 (+10 %)", "80 (+10 %)", "0.25x", "at most 0.35", "yes")
    report.show()
    assert "100,000 x 20" in capsys.readouterr().out
    (tmp_path / "page.md").write_text("<!-- train: training -->\n<!-- end of train -->")
    assert main() == 2  # nothing is written yet
    report.write()
    assert main() == 0
    page = (tmp_path / "page.md").read_text()
    assert "| 100,000 x 20 | 10 (+10 %) |" in page
    assert with_table(page, msgspec.convert(report.document(), type(report.document()))) == page


def test_a_page_without_a_place_or_with_an_unknown_one_is_an_error() -> None:
    document = TrainReport("train", "command", 0, "").document()
    with pytest.raises(ValueError, match="no table 'speed'"):
        with_table("<!-- train: speed -->\n<!-- end of train -->", document)
    with pytest.raises(ValueError, match="no place"):
        with_table("nothing", document)
