"""What is remembered of labels without a row, against plain dicts and sets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.entry import EntryId
from trainer import label_memory
from trainer.label_memory import SpentIds, WaitingLabels

steps = st.lists(st.tuples(st.sampled_from("aft"), st.integers(0, 9)), max_size=60)


@given(steps)
def test_waiting_labels_are_those_that_were_added_and_not_taken_or_forgotten(
    steps: list[tuple[str, int]],
) -> None:
    waiting = WaitingLabels()
    expected: dict[bytes, list[tuple[EntryId, float]]] = {}
    kept_from = EntryId(0, 0)
    for now, (step, number) in enumerate(steps, start=1):
        record_id = b"%d" % number
        label = (EntryId(now, 0), float(number % 2))
        if step == "a":
            waiting.add(record_id, (label,))
            expected.setdefault(record_id, []).append(label)
        elif step == "f":
            kept_from = max(kept_from, EntryId(now - number, 0))
            waiting.forget(EntryId(now - number, 0))
        else:
            assert waiting.take(record_id) == [
                each for each in expected.pop(record_id, []) if each[0] >= kept_from
            ]
    left = {record_id: [each for each in labels if each[0] >= kept_from] for record_id, labels in expected.items()}
    assert {record_id: waiting.take(record_id) for record_id in expected} == left
    assert len(waiting) == 0


def test_too_many_waiting_labels_drop_the_oldest() -> None:
    waiting = WaitingLabels(max_labels=16)
    for number in range(100):
        waiting.add(b"%d" % number, ((EntryId(number, 0), 1.0),))
        assert len(waiting) <= 18
    assert waiting.dropped + len(waiting) == 100
    assert waiting.take(b"0") == []
    assert waiting.take(b"99") == [(EntryId(99, 0), 1.0)]


def test_spent_ids_are_known_until_their_label_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_memory, "_BUFFER_IDS", 7)
    spent = SpentIds()
    for number in range(100):
        spent.add(b"%d" % number, number)
    spent.add(b"3", 200)  # its newest label came late
    assert all(b"%d" % number in spent for number in range(100))
    assert b"100" not in spent
    spent.forget(150)
    for number in range(100, 107):
        spent.add(b"%d" % number, 300)
    assert b"3" in spent
    assert b"106" in spent
    assert b"98" not in spent
    assert len(spent) == 8
