from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from core.drift_window import Alarm
from monitor.episode import EpisodeRule, EpisodeState, EpisodeStep, JudgedWindow

#: Windows are given as letters: D an alarm that training mends, U one that it does not, o calm, - neither calm nor
#: an alarm, x too few records.
DETECTORS = {"D": "mean_shift", "U": "unusable"}


def _alarm(number: int, detector: str) -> Alarm:
    return Alarm(
        detector=detector,
        statistic=9.0,
        threshold=8.0,
        effect=0.5,
        shift={},
        blame=[],
        record=f"record{number}",
        entry=f"{number}-7",
        first=f"first{number}",
        since=f"{number}-0",
        records=7,
        window=number,
        model="run0",
        sentence="",
    )


def _judged(number: int, verdict: str) -> JudgedWindow:
    detector = DETECTORS.get(verdict)
    return JudgedWindow(
        number,
        None if detector is None else _alarm(number, detector),
        [] if detector is None else [detector],
        asks_retraining=verdict == "D",
        enough=verdict != "x",
        calm=verdict == "o",
    )


def _steps(rule_: EpisodeRule, verdicts: str, every_ms: int = 10) -> list[EpisodeStep]:
    """One window every ``every_ms``."""
    state, steps = EpisodeState(), []
    for number, verdict in enumerate(verdicts, start=1):
        steps.append(rule_.step(state, _judged(number, verdict), number * every_ms))
        state = steps[-1].state
    return steps


def _asked(steps: list[EpisodeStep]) -> list[tuple[int, str]]:
    """Windows that asked for a retraining, with the first suspected record of their episode."""
    return [(number, step.asks.first) for number, step in enumerate(steps, start=1) if step.asks is not None]


def _states(steps: list[EpisodeStep]) -> str:
    return " ".join(step.window_state for step in steps)


def test_one_alarm_opens_an_episode_which_asks_once_and_ends_after_calm_windows_in_a_row() -> None:
    steps = _steps(EpisodeRule(3, 0), "oDoDoo-oooD")
    assert _asked(steps) == [(2, "first2"), (11, "first11")]
    assert _states(steps) == (
        "ok drift recovering drift recovering recovering recovering recovering recovering ok drift"
    )


def test_a_lasting_shift_near_the_threshold_is_one_episode() -> None:
    steps = _steps(EpisodeRule(2, 0), "D-o-o-oDo-ooD")
    assert _asked(steps) == [(1, "first1"), (13, "first13")]


def test_windows_of_too_few_records_neither_end_an_episode_nor_keep_it_open() -> None:
    steps = _steps(EpisodeRule(2, 0), "Dxxoxo")
    assert _states(steps) == "drift insufficient insufficient recovering insufficient ok"


def test_an_alarm_within_the_cooldown_opens_nothing_and_the_first_one_behind_it_does() -> None:
    steps = _steps(EpisodeRule(1, 50), "DoDDoDo")
    assert _asked(steps) == [(1, "first1"), (6, "first6")]
    assert _states(steps) == "drift ok drift drift ok drift ok"
    assert [step.state.episode is not None for step in steps] == [True, False, False, False, False, True, False]


def test_garbage_opens_an_episode_and_asks_for_nothing_whatever_the_cooldown() -> None:
    steps = _steps(EpisodeRule(1, 1_000), "DoUUo")
    assert _asked(steps) == [(1, "first1")]
    assert [step.state.episode is not None for step in steps] == [True, False, True, True, False]
    assert steps[2].state.last_asked_ms == 10


def test_a_drift_in_an_episode_of_garbage_asks_once_the_cooldown_is_over() -> None:
    steps = _steps(EpisodeRule(1, 60), "DoUDDDDoD")
    assert _asked(steps) == [(1, "first1"), (7, "first3")]
    open_one = steps[6].state.episode
    assert open_one is not None
    assert (open_one.number, open_one.alarmed) == (3, ["unusable", "mean_shift"])


def test_a_promotion_ends_the_episode_and_keeps_the_cooldown() -> None:
    rule_ = EpisodeRule(2, 50)
    state = rule_.rearm(_steps(rule_, "Do")[-1].state)
    assert state == EpisodeState(last_asked_ms=10)
    assert rule_.step(state, _judged(3, "D"), 59).asks is None
    asked = rule_.step(state, _judged(3, "D"), 60).asks
    assert asked is not None
    assert asked.first == "first3"


def test_an_alarm_ends_a_pane_only_where_it_can_open_an_episode() -> None:
    rule_ = EpisodeRule(1, 50)
    assert rule_.cuts(EpisodeState(), 0)
    within, closed = (step.state for step in _steps(rule_, "Do"))
    assert not rule_.cuts(within, 1_000)
    assert not rule_.cuts(closed, 59)
    assert rule_.cuts(closed, 60)


class EpisodesFollowTheSimpleModel(RuleBasedStateMachine):
    """The rule, told again over the whole history."""

    @initialize(recovery=st.integers(1, 4), cooldown_ms=st.integers(0, 60))
    def begin(self, recovery: int, cooldown_ms: int) -> None:
        self.recovery, self.cooldown_ms = recovery, cooldown_ms
        self.rule = EpisodeRule(recovery, cooldown_ms)
        self.state = EpisodeState()
        self.verdicts = ""  # of the open episode, too small windows left out
        self.number = self.ms = 0
        self.open = self.asked = False
        self.asked_ms: int | None = None

    @rule(verdict=st.sampled_from("DUooo-x"), gap_ms=st.integers(0, 30))
    def window(self, verdict: str, gap_ms: int) -> None:
        self.number += 1
        self.ms += gap_ms
        cool = self.asked_ms is None or self.ms - self.asked_ms >= self.cooldown_ms
        asks = verdict == "D" and cool and not (self.open and self.asked)
        if asks:
            self.asked_ms = self.ms
        if not self.open:
            self.open, self.asked, self.verdicts = asks or verdict == "U", False, ""
        self.asked = self.asked or asks
        self.verdicts += verdict.replace("x", "")
        if verdict == "o" and self.verdicts.endswith("o" * self.recovery):
            self.open = False
        step = self.rule.step(self.state, _judged(self.number, verdict), self.ms)
        self.state = step.state
        assert (step.asks is not None) == asks
        assert (step.state.episode is not None) == self.open
        words = {"D": "drift", "U": "drift", "x": "insufficient"}
        assert step.window_state == words.get(verdict, "recovering" if self.open else "ok")
        if step.state.episode is not None:
            found = {DETECTORS[letter] for letter in self.verdicts if letter in DETECTORS}
            assert set(step.state.episode.alarmed) == found
            assert step.state.episode.asked == self.asked

    @rule()
    def promotion(self) -> None:
        self.state = self.rule.rearm(self.state)
        self.open = False


EpisodesFollowTheSimpleModel.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestEpisodes = EpisodesFollowTheSimpleModel.TestCase
