"""The simulation's lines in a table."""

from __future__ import annotations

from bench.promotion.scenarios import BETTER_AT_LEAST, EQUAL_AT_MOST, Scenario
from bench.promotion.simulation import Tally
from bench.report import Report

#: Stands beside each share: how often the rule before this one would have promoted.
_BEFORE = "by a lower log-loss alone"


def add(report: Report, scenario: Scenario, tally: Tally) -> None:
    """One line, with its target, and one beside it of the rule that asked for no test."""
    name = scenario.name
    if scenario.kind == "equal":
        report.add(name, tally.share, "promoted", at_most=EQUAL_AT_MOST)
    elif scenario.kind == "alike":
        report.add(f"{name}: promoted though worse", tally.worse_share, "promoted", at_most=EQUAL_AT_MOST)
        report.add(f"{name}: promoted at all", tally.share, "promoted")
    elif scenario.kind == "better":
        report.add(name, tally.share, "promoted", at_least=BETTER_AT_LEAST)
    elif scenario.kind == "guarded":
        report.add(name, tally.guarded_share, "refused by a guardrail", at_least=BETTER_AT_LEAST)
    else:
        report.add(name, tally.share, "promoted")
    if scenario.kind != "guarded":
        report.add(f"  {_BEFORE}", tally.lower_loss_share, "promoted")
