"""What the drift engine carries from pane to pane."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from core.errors import StreamError
from monitor.drift_engine import EngineState
from tests.monitor.trained import LIMITS, SEVEN, TWELVE_ORDERED, Trained, as_bytes, play, shifted


@pytest.mark.parametrize("some", [SEVEN, TWELVE_ORDERED], ids=["seven", "twelve_ordered"])
@pytest.mark.parametrize("encoding", ["msgpack", "json"])
@pytest.mark.parametrize("panes", [1, 3])
def test_a_state_goes_on_where_it_was_taken(some: Trained, encoding: str, panes: int) -> None:
    limits = replace(LIMITS, panes=panes)
    x = shifted(some, 800, 900, np.where(some.profile.varies, 0.3, 0.0))
    whole = play(some, x, engine=some.engine(limits))
    for place, _ in whole[:-1:2]:
        first = some.engine(limits)
        head = play(some, x[:place], engine=first)
        state = first.state()
        assert len(state.panes) <= panes - 1
        if encoding == "json":
            state = msgspec.json.decode(msgspec.json.encode(state), type=EngineState)
        else:
            state = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=EngineState)
        tail = play(some, x[place:], engine=some.engine(limits, state))
        joined = head + [(place + more, judgement) for more, judgement in tail]
        assert as_bytes(joined) == as_bytes(whole)


def _of_other_features(state: EngineState) -> EngineState:
    del state
    return TWELVE_ORDERED.engine().state()


def _negative(state: EngineState) -> EngineState:
    return msgspec.structs.replace(state, seen=-1)


def _torn(state: EngineState) -> EngineState:
    return msgspec.structs.replace(state, recent=state.recent[:-3])


def _without_a_detector(state: EngineState) -> EngineState:
    return msgspec.structs.replace(state, detectors=state.detectors[1:])


def _not_finite(state: EngineState) -> EngineState:
    return msgspec.structs.replace(state, previous=np.full(7, np.inf).tobytes())


def _far_away(state: EngineState) -> EngineState:
    return msgspec.structs.replace(state, recent=np.full((7, 2), 1e30, dtype=np.float32).tobytes())


@pytest.mark.parametrize(
    "damage", [_far_away, _of_other_features, _negative, _torn, _without_a_detector, _not_finite]
)
def test_a_state_of_another_model_is_refused_with_a_sentence(damage: Callable[[EngineState], EngineState]) -> None:
    engine = SEVEN.engine()
    play(SEVEN, SEVEN.rows(500, 1), engine=engine)
    with pytest.raises(StreamError, match="delete its key to begin anew"):
        SEVEN.engine(state=damage(engine.state()))


def test_the_state_between_two_panes_is_all_that_there_is() -> None:
    engine = SEVEN.engine()
    x = SEVEN.rows(10, 1)
    engine.take(x, SEVEN.probability(x), stop=True)
    with pytest.raises(ValueError, match="close it"):
        engine.state()


def test_the_state_does_not_grow_with_the_stream() -> None:
    engine = SEVEN.engine()
    sizes = set()
    for seed in range(4):
        play(SEVEN, SEVEN.rows(1_000, seed), engine=engine)
        sizes.add(len(msgspec.msgpack.encode(engine.state())))
    assert max(sizes) - min(sizes) <= 64  # a number may take more bytes
    assert max(sizes) < 40_000
