"""What a run of records is judged by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.calibration import Calibration
from core.entry import Entry, parse_entry_id
from core.merged_reader import PlacedEntry
from core.record_decoder import RecordDecoder
from core.record_encoder import encode_block
from monitor.record_run import RecordRun
from tests.monitor.scenario import make_model


def test_calibration_and_threshold_change_nothing_that_is_watched() -> None:
    file = make_model(("a", "b", "c"), 1)
    calibration = Calibration("isotonic", np.array([[-1.0, 1.0], [0.3, 0.3]]))
    calibrated = replace(file, model=replace(file.model, calibration=calibration, threshold=0.9))
    x = np.random.default_rng(2).normal(size=(40, 3))
    entry = Entry(b"5-0", encode_block(x, file.model.schema))
    placed = [PlacedEntry(0, parse_entry_id(b"5-0"), entry)]
    decoder = RecordDecoder(file.model.schema, 1 << 20)
    one, same = (RecordRun(placed, each, decoder, {}) for each in (file, calibrated))
    assert one.probability.tobytes() == same.probability.tobytes()
    assert one.sample(0, 40, 1.0).logit.tobytes() == same.sample(0, 40, 1.0).logit.tobytes()
    assert np.ptp(same.probability) > 0.1


def test_what_predictions_say_is_kept_beside_what_is_watched() -> None:
    file = make_model(("a", "b", "c"), 1)
    calibrated = replace(file, model=replace(file.model, calibration=Calibration("platt", np.array([0.5, -1.0]))))
    x = np.random.default_rng(2).normal(size=(40, 3))
    x[7] = (-1.5e308, 0.0, 1.5e308)  # the logit overflows: no row of the run
    entry = Entry(b"5-0", encode_block(x, file.model.schema))
    placed = [PlacedEntry(0, parse_entry_id(b"5-0"), entry)]
    decoder = RecordDecoder(file.model.schema, 1 << 20)
    plain, run = (RecordRun(placed, each, decoder, {}) for each in (file, calibrated))
    assert plain.calibrated is None
    assert run.calibrated is not None
    assert run.calibrated.tobytes() == calibrated.model.score(np.delete(x, 7, axis=0)).probability.tobytes()


def plain_run(reserved: tuple[bytes, ...], garbage: bool) -> RecordRun:
    """Records of two partitions one after the other, quick, or one by one for what comes last."""
    file = make_model(("a", "b", "c"), 1)
    placed = []
    for number in range(30):
        entry_id = b"%d-%d" % (2**64 - 40 + number, number % 3)  # the largest ids do not fit int64
        fields = [b"a", b"%d" % number, b"b", b"0.5", b"c", b"-1"]
        for name in reserved:
            fields += [name, {b"_id": b"id-%d" % number, b"_y": b"01"[number % 2 : number % 2 + 1]}[name]]
        placed.append(PlacedEntry(number % 2, parse_entry_id(entry_id), Entry(entry_id, fields)))
    if garbage:
        last = b"%d-0" % (2**64 - 1)
        placed.append(PlacedEntry(0, parse_entry_id(last), Entry(last, [b"noise", b"1"])))
    decoder = RecordDecoder(file.model.schema, 1 << 20)
    decoder.decode([item.entry for item in placed[:1]])  # the layout is known from the second batch on
    return RecordRun(placed, file, decoder, {})


@pytest.mark.parametrize("reserved", [(), (b"_id",), (b"_y",), (b"_id", b"_y")])
def test_a_quick_batch_is_the_same_run_as_one_that_is_looked_at_one_by_one(reserved: tuple[bytes, ...]) -> None:
    quick, slow = plain_run(reserved, garbage=False), plain_run(reserved, garbage=True)
    assert (quick.all_usable, slow.all_usable) == (True, False)
    assert list(quick.stops) == list(slow.stops[:30])
    for start, stop in ((0, 30), (3, 17), (29, 30)):
        assert quick.runs(start, stop) == slow.runs(start, stop)
        for share in (1.0, 0.4):
            one, other = quick.sample(start, stop, share), slow.sample(start, stop, share)
            assert (one.ids, one.rows) == (other.ids, other.rows)
            for name in ("x", "y", "positions", "logit"):
                assert getattr(one, name).tobytes() == getattr(other, name).tobytes()
    assert [quick.record_id(row) for row in range(30)] == [slow.record_id(row) for row in range(30)]
    assert all(quick.unusable(index, 0) == (0, 0) for index in range(30))
    assert slow.unusable(30, 0) == (1, 1)
