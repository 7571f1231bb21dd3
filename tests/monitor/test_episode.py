from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from monitor.episode import EpisodeRule, EpisodeState, EpisodeStep, JudgedWindow


def _judged(number: int, verdict: str) -> JudgedWindow:
    return JudgedWindow(number, verdict == "D", verdict == "o", f"record{number}", f"{number}-0")


def _steps(rule_: EpisodeRule, verdicts: str, every_ms: int = 10) -> list[EpisodeStep]:
    """Windows given as D (drift), o (calm) and - (neither), one every ``every_ms``."""
    state, steps = EpisodeState(), []
    for number, verdict in enumerate(verdicts, start=1):
        steps.append(rule_.step(state, _judged(number, verdict), "run0", number * every_ms))
        state = steps[-1].state
    return steps


def _opened(steps: list[EpisodeStep]) -> list[tuple[int, str]]:
    return [(step.opened.number, step.opened.first) for step in steps if step.opened is not None]


def test_m_of_k_windows_confirm_and_the_first_of_them_is_suspected() -> None:
    two_of_three = EpisodeRule(2, 3, 0)
    assert _opened(_steps(two_of_three, "oDoD")) == [(4, "record2")]
    assert _opened(_steps(two_of_three, "DooDooD")) == []
    assert _opened(_steps(EpisodeRule(3, 3, 0), "DDoDDD")) == [(6, "record4")]


def test_one_episode_asks_once_and_ends_when_all_windows_of_k_are_calm() -> None:
    steps = _steps(EpisodeRule(2, 3, 0), "DDDDoDoooDD")
    assert _opened(steps) == [(2, "record1"), (11, "record10")]
    assert [step.window_state for step in steps[4:10]] == [
        "recovering",
        "drift",
        "recovering",
        "recovering",
        "ok",
        "drift",
    ]  # fmt: skip  (as the verdicts stand)


def test_a_lasting_shift_near_the_threshold_is_one_episode() -> None:
    steps = _steps(EpisodeRule(2, 3, 0), "DD--o-oo-DD-oooDD")
    assert _opened(steps) == [(2, "record1"), (17, "record16")]
    assert [step.window_state for step in steps[2:5]] == ["recovering"] * 3


def test_cooldown_delays_the_next_episode_until_a_window_drifts_after_it() -> None:
    assert _opened(_steps(EpisodeRule(1, 1, 50), "DoDoDoD")) == [(1, "record1"), (7, "record7")]
    assert _opened(_steps(EpisodeRule(2, 3, 60), "DDoooDDoo")) == [(2, "record1")]


def test_a_promotion_ends_the_episode_and_forgets_its_windows() -> None:
    two_of_three = EpisodeRule(2, 3, 0)
    state = two_of_three.rearm(_steps(two_of_three, "DD")[-1].state)
    step = two_of_three.step(state, _judged(3, "D"), "run1", 30)
    assert step.opened is None
    step = two_of_three.step(step.state, _judged(4, "D"), "run1", 40)
    assert step.opened is not None
    assert (step.opened.first, step.opened.model) == ("record3", "run1")


class EpisodesFollowTheSimpleModel(RuleBasedStateMachine):
    """The rule, told again over the whole history."""

    @initialize(k=st.integers(1, 5), m=st.integers(1, 5), cooldown_ms=st.integers(0, 60))
    def begin(self, k: int, m: int, cooldown_ms: int) -> None:
        self.m, self.k, self.cooldown_ms = min(m, k), k, cooldown_ms
        self.rule = EpisodeRule(self.m, self.k, cooldown_ms)
        self.state = EpisodeState()
        self.history: list[str] = []  # since the last promotion
        self.number = self.ms = 0
        self.open = False
        self.opened_ms: int | None = None

    @rule(verdict=st.sampled_from("Doo-"), gap_ms=st.integers(0, 30))
    def window(self, verdict: str, gap_ms: int) -> None:
        drifted = verdict == "D"
        self.number += 1
        self.ms += gap_ms
        self.history.append(verdict)
        step = self.rule.step(self.state, _judged(self.number, verdict), "run", self.ms)
        self.state = step.state
        newest = self.history[-self.k :]
        if self.open:
            assert step.opened is None
            self.open = newest != ["o"] * self.k
        else:
            cool = self.opened_ms is None or self.ms - self.opened_ms >= self.cooldown_ms
            self.open = drifted and newest.count("D") >= self.m and cool
            assert (step.opened is not None) == self.open
            if step.opened is not None:
                first = self.number - len(newest) + 1 + newest.index("D")
                assert (step.opened.number, step.opened.first) == (self.number, f"record{first}")
                assert step.opened.since == f"{first}-0"
                self.opened_ms = self.ms
        assert (step.state.episode is not None) == self.open
        assert step.window_state == ("drift" if drifted else "recovering" if self.open else "ok")

    @rule()
    def promotion(self) -> None:
        self.state = self.rule.rearm(self.state)
        self.history, self.open = [], False


EpisodesFollowTheSimpleModel.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestEpisodes = EpisodesFollowTheSimpleModel.TestCase
