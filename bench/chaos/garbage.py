"""Garbage made by hypothesis: what anybody could write into our streams and hashes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import hypothesis
import numpy as np
from hypothesis import strategies as st

from core.schema import Schema

Fields = list[bytes]
Made = TypeVar("Made")

#: Every garbage entry outside the records streams carries this field, so that no proof takes it for ours.
MARK = b"chaos"
#: A large garbage entry has up to so many bytes.
LARGE_BYTES = 300_000

_RESERVED = (b"_n", b"_x", b"_v", b"_id", b"_ids", b"_ts", b"_y", b"_schema", b"_rows", b"_positions")
_OURS = (b"window", b"state", b"model", b"reason", b"run_id", b"epoch", b"id", b"y", b"ts", b"n", b"z", b"since")
#: Texts that look like numbers, or like nothing.
ODD_TEXTS = (
    b"",
    b"nan",
    b"NaN",
    b"inf",
    b"-inf",
    b"1e308",
    b"-1e308",
    b"1e309",
    b"1e-400",
    b"1_000",
    b" 12 ",
    b"\xd9\xa1\xd9\xa2",
    b"\xff\xfe",
    b"0x10",
    b"1" * 400,
    b"-0",
    b"--1",
    b"1\n",
    b"\x00",
    b"0",
    b"-1",
    b"999999999999999999999",
)


def texts() -> st.SearchStrategy[bytes]:
    """A value: odd, a number, or any bytes."""
    numbers = st.floats().map(lambda x: repr(x).encode())
    return st.one_of(st.sampled_from(ODD_TEXTS), numbers, st.binary(max_size=40))


def any_fields(*names: bytes) -> st.SearchStrategy[Fields]:
    """Any names, known ones among them, with any values; names may repeat."""
    known = st.sampled_from((*_RESERVED, *_OURS, *names))
    pair = st.tuples(st.one_of(known, st.binary(max_size=12)), texts())
    return st.lists(pair, min_size=1, max_size=8).map(lambda pairs: [part for item in pairs for part in item])


@st.composite
def plain_records(draw: st.DrawFn, schema: Schema) -> Fields:
    """A plain record with one to three things wrong, or by chance nothing."""
    values = draw(st.lists(st.floats(-1e6, 1e6), min_size=schema.width, max_size=schema.width))
    pairs = [(name, repr(value).encode()) for name, value in zip(schema.features_encoded, values, strict=True)]
    for _ in range(draw(st.integers(1, 3))):
        where = draw(st.integers(0, len(pairs) - 1))
        match draw(st.sampled_from(("value", "drop", "repeat", "reserved", "rename"))):
            case "value":
                pairs[where] = (pairs[where][0], draw(texts()))
            case "drop" if len(pairs) > 1:
                del pairs[where]
            case "repeat":
                pairs.append(pairs[where])
            case "reserved":
                name = draw(st.sampled_from((b"_v", b"_id", b"_ts", b"_y")))
                value = draw(st.one_of(texts(), st.just(b"x" * 129), st.just(b"a\nb")))
                pairs.insert(where, (name, value))
            case _:
                pairs[where] = (draw(st.binary(max_size=10)), pairs[where][1])
    return [part for pair in pairs for part in pair]


@st.composite
def blocks(draw: st.DrawFn, schema: Schema) -> Fields:
    """A block whose counts, bytes or values are wrong, or by chance right; some rows may be good."""
    count = draw(st.integers(1, 6))
    special = st.sampled_from((np.nan, np.inf, -np.inf, 1e308, -1e308, 5e-324))
    value = st.one_of(st.floats(-1e3, 1e3), special)
    x = np.array(draw(st.lists(value, min_size=count * schema.width, max_size=count * schema.width)), "<f8")
    fields = {b"_n": b"%d" % count, b"_x": x.tobytes(), b"_schema": schema.fingerprint.encode()}
    if draw(st.booleans()):
        odd_ids = st.one_of(st.just(b"good"), st.binary(max_size=8), st.just(b"x" * 200))
        fields[b"_ids"] = b"\n".join(draw(st.lists(odd_ids, min_size=count, max_size=count)))
    if draw(st.booleans()):
        labels = st.lists(st.sampled_from((0.0, 1.0, np.nan, 2.0, -0.0, np.inf)), min_size=count, max_size=count)
        fields[b"_y"] = np.array(draw(labels), "<f8").tobytes()
    damage = draw(st.sampled_from(("none", "cut", "value", "drop", "repeat")))
    name = draw(st.sampled_from(sorted(fields)))
    if damage == "cut":
        fields[name] = fields[name][: draw(st.integers(0, len(fields[name])))]
    elif damage == "value":
        fields[name] = draw(st.one_of(texts(), st.sampled_from((b"0", b"-3", b"1e3", b"7", b"4294967296"))))
    elif damage == "drop":
        del fields[name]
    pairs = list(fields.items())
    if damage == "repeat":
        pairs.append((name, fields.get(name, b"")))
    return [part for pair in pairs for part in pair]


@st.composite
def large_entries(draw: st.DrawFn) -> Fields:
    """One entry of many bytes, or of many fields."""
    size = draw(st.integers(LARGE_BYTES // 3, LARGE_BYTES))
    if draw(st.booleans()):
        return [draw(st.sampled_from((b"_x", b"_id", b"_ids", b"noise"))), b"\xab" * size]
    return [part for index in range(size // 300) for part in (b"f%d" % index, b"0")]


def records(schema: Schema) -> st.SearchStrategy[Fields]:
    """Garbage for a records stream."""
    return st.one_of(any_fields(*schema.features_encoded), plain_records(schema), blocks(schema), large_entries())


@st.composite
def samples(draw: st.DrawFn, schema: Schema) -> Fields:
    """What looks like rows kept for training, with values that no monitor writes."""
    count = draw(st.integers(1, 4))
    odd = st.sampled_from((np.nan, np.inf, 1e308, -1e308, 0.0, 7.0))
    x = np.array(draw(st.lists(odd, min_size=count * schema.width, max_size=count * schema.width)), "<f8")
    y = np.array(draw(st.lists(st.sampled_from((0.0, 1.0, 7.0, -1.0, np.inf)), min_size=count, max_size=count)))
    position = st.sampled_from((-1, 0, 1, 2**62))
    positions = np.array(draw(st.lists(position, min_size=4 * count, max_size=4 * count)), "<i8")
    fields = [b"_v", b"1", b"window", b"1", b"_n", b"%d" % count, b"_schema", schema.fingerprint.encode()]
    fields += [b"_x", x.tobytes(), b"_y", y.astype("<f8").tobytes()]
    fields += [b"_ids", b"\n".join(draw(st.lists(st.binary(max_size=5), min_size=count, max_size=count)))]
    records = np.array(draw(st.lists(st.sampled_from((-(2**63), -1, 0, 1, 2)), min_size=count, max_size=count)))
    return [*fields, b"_positions", positions.tobytes(), b"_records", records.astype("<i8").tobytes()]


def labels() -> st.SearchStrategy[Fields]:
    """Garbage for the labels stream: pairs and blocks, hardly one of them right."""
    pair = st.tuples(st.binary(max_size=20), texts()).map(lambda both: [b"id", both[0], b"y", both[1]])
    block = st.tuples(st.binary(max_size=40), st.binary(max_size=40)).map(
        lambda both: [b"_ids", both[0], b"_y", both[1]]
    )
    return st.one_of(any_fields(), pair, block)


def events() -> st.SearchStrategy[Fields]:
    """Garbage for retrain: reasons that exist, with facts that cannot be."""
    reason = st.sampled_from((b"drift", b"manual", b"scheduled", b"label_drift", b"", b"\xff"))
    facts = st.lists(
        st.tuples(
            st.sampled_from((b"window", b"episode", b"since", b"score", b"threshold", b"blame", b"z", b"first")),
            st.one_of(texts(), st.sampled_from((b"{}", b"[]", b"1-1", b"99999999999999999999-0", b"{"))),
        ),
        max_size=4,
    ).map(lambda pairs: [part for pair in pairs for part in pair])
    shaped = st.tuples(reason, facts).map(lambda both: [b"reason", both[0], *both[1]])
    return st.one_of(any_fields(), shaped)


def entries(schema: Schema) -> dict[str, st.SearchStrategy[Fields]]:
    """Garbage for each stream outside the records, by its name in ``PipelineKeys``."""
    return {
        "drift": any_fields(),
        "retrain": events(),
        "labels": labels(),
        "samples": st.one_of(any_fields(), samples(schema)),
        # no run id: a promotion that names one is no garbage, it is a promotion
        "promotions": any_fields().filter(lambda fields: b"run_id" not in fields[::2]),
        "unmatched": any_fields(),
        "decisions": any_fields(),
        "predictions": any_fields(),
        "rejected": any_fields(),
    }


def marked(fields: Fields) -> Fields:
    """The same garbage with the field that tells it from what the services write."""
    return [*fields, MARK, b"1"]


def drawn(strategy: st.SearchStrategy[Made], seed: int, count: int) -> list[Made]:
    """``count`` examples, the same ones for the same seed."""
    found: list[Made] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=2 * count,
        database=None,
        phases=[hypothesis.Phase.generate],
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(strategy)
    def draw(example: Made) -> None:
        found.append(example)

    run: Callable[[], None] = draw
    run()
    while len(found) < count:  # a small space is exhausted early
        found += found
    return found[:count]
