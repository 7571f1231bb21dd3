"""Checks of a pipeline's set-up: its config, the types of its keys, how its partitions lie on a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from core.connection import Connection, ServerError
from core.errors import SettingsError
from core.keys import PartitionKeys, PipelineKeys
from core.last_id import last_id
from core.pipeline_config import PipelineConfig, look_up
from core.settings import Settings
from streamgauge.doctor.finding import Finding
from streamgauge.partitions.slots import live_masters, slot_of

#: Ids this far ahead of the server's clock were made by a client.
AHEAD_MS = 60_000
#: Every part of an id ends here.
_LAST = 2**64 - 1


def find_config(connection: Connection, settings: Settings) -> tuple[PipelineConfig | None, Finding]:
    """The pipeline's config if there is a sound one, and what there is to say of it."""
    try:
        config = look_up(connection, settings)
    except SettingsError as error:
        what, _, do = str(error).rpartition("; ")
        return None, Finding("wrong", "config", what, do)
    except ServerError as error:
        return None, Finding(
            "wrong",
            "config",
            f"{settings.keys.config} cannot be read ({error})",
            "move the key aside with RENAME, then restart the services, which write it again",
        )
    if config is None and connection.call("EXISTS", settings.keys.partitions(1)[0].records):
        return None, Finding(
            "wrong",
            "config",
            f"{settings.keys.config} is gone, though the pipeline has records: nobody knows its partitions",
            "restart its services with the partitions that they had; the first writes it again",
        )
    if config is None:
        return None, Finding(
            "wrong",
            "config",
            f"nothing has started in pipeline {settings.pipeline!r}",
            "start its services with streamgauge up or python -m scorer, or correct --pipeline",
        )
    count = len(config.partitions)
    what = f"{count} partition{'s' if count > 1 else ''}, required groups {', '.join(config.required_groups)}"
    return config, Finding("ok", "config", what)


def check_types(
    connection: Connection, keys: PipelineKeys, partitions: Sequence[PartitionKeys]
) -> Iterator[Finding]:
    """Each of our keys holds what it should."""
    expected = {
        keys.config: "hash",
        keys.monitor: "hash",
        keys.models: "hash",
        keys.production: "hash",
        **dict.fromkeys(_streams(keys, partitions), "stream"),
        **{partition.floor: "string" for partition in partitions},
    }
    sound = True
    for key, kind in expected.items():
        found = bytes(connection.call("TYPE", key)).decode()
        if found not in {kind, "none"}:
            sound = False
            yield Finding(
                "wrong",
                "types",
                f"{key} is a {found}, not a {kind}; whoever uses it waits for that to change",
                f"RENAME {key} {key}:aside",
            )
    if sound:
        yield Finding("ok", "types", "every key holds what it should")


def check_ids(
    connection: Connection, keys: PipelineKeys, partitions: Sequence[PartitionKeys]
) -> Iterator[Finding]:
    """No stream's ids are used up, or far ahead of the clock."""
    sound = True
    for stream in _streams(keys, partitions):
        if bytes(connection.call("TYPE", stream)) != b"stream":
            continue
        last = last_id(connection, stream)
        if last == (_LAST, _LAST):
            sound = False
            yield Finding(
                "wrong",
                "ids",
                f"the last id of {stream} is the largest there is, so the server refuses every XADD with *",
                _move_aside(stream, partitions),
            )
        elif last.ms > connection.now_ms(stream) + AHEAD_MS:
            sound = False
            ahead_s = (last.ms - connection.now_ms(stream)) / 1000
            yield Finding(
                "warn",
                "ids",
                f"the last id of {stream} is {ahead_s:,.0f} s ahead of the server's clock, as a client chose it: "
                "ages count as 0, windows do not close by time, and trimming by age waits until then",
                "let clients write XADD with *; " + _move_aside(stream, partitions),
            )
    if sound:
        yield Finding("ok", "ids", "the ids of every stream are in time")


def check_cluster(connection: Connection, partitions: Sequence[PartitionKeys]) -> Iterator[Finding]:
    """On a cluster every master has its share."""
    masters = live_masters(connection)
    if len(masters) < 2:
        return
    loads = {master.address: 0 for master in masters}
    for partition in partitions:
        for master in masters:
            loads[master.address] += master.holds(slot_of(partition.tag))
    shared = [address for address, count in loads.items() if count > 1]
    idle = [address for address, count in loads.items() if not count]
    if shared and idle:
        yield Finding(
            "warn",
            "cluster",
            f"{', '.join(shared)} hold several partitions and {', '.join(idle)} none",
            "streamgauge partitions proposes tags for a new pipeline that covers all masters",
        )
    else:
        yield Finding("ok", "cluster", f"{len(partitions)} partitions on {len(masters)} masters")


def _move_aside(stream: str, partitions: Sequence[PartitionKeys]) -> str:
    rename = f"RENAME {stream} {stream}:aside"
    if any(stream == partition.records for partition in partitions):
        return (
            f"{rename}; scorers and monitor see it within seconds and begin with the new stream, so push again "
            f"what was not answered yet (XRANGE {stream}:aside)"
        )
    return f"{rename}; the next entry makes it anew, and what was there stays readable under the other name"


def _streams(keys: PipelineKeys, partitions: Sequence[PartitionKeys]) -> list[str]:
    own = [keys.labels, keys.samples, keys.unmatched, keys.drift, keys.retrain, keys.promotions, keys.decisions]
    return own + [
        stream
        for partition in partitions
        for stream in (partition.records, partition.predictions, partition.rejected)
    ]
