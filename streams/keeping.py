"""How long each topic keeps what is written to it, by the broker's own settings where it tells them.

What is deleted by age is gone once its segment is older than the retention; what is compacted is gone once a
newer word under its key has been there for a compaction. So a record may outlive its retention by one segment.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from kafka.admin import ConfigResource, ConfigResourceType

from streams.config import Config
from streams.topics import TIMEOUT_S, TopicNames, connected, describe

DAY_MS = 86_400_000
DEFAULTS = {
    "cleanup.policy": "delete",
    "retention.ms": str(7 * DAY_MS),
    "segment.ms": str(7 * DAY_MS),
    "delete.retention.ms": str(DAY_MS),
    "max.compaction.lag.ms": str(2**63 - 1),
}
"""Kafka's own, for a broker that does not tell its settings and a topic whose plan is silent."""
FOR_EVER_MS = 100 * 365 * DAY_MS


@dataclass(frozen=True, slots=True)
class Keeping:
    """How one topic forgets. Times are None where nothing is ever forgotten that way."""

    topic: str
    delete_ms: int | None
    compact_ms: int | None

    @property
    def gone_ms(self) -> int | None:
        """For how long at most a record is there that was written now and taken back; None: for ever."""
        return min((one for one in (self.delete_ms, self.compact_ms) if one is not None), default=None)

    def in_words(self) -> str:
        """How long it keeps, for a person."""
        if self.delete_ms is not None:
            return f"{days(self.delete_ms)} at most"
        if self.compact_ms is not None:
            return f"until erasure, and then {days(self.compact_ms)} at most"
        return "until somebody deletes it"


def days(ms: int) -> str:
    """A time in whole days, rounded up; in seconds where it is short."""
    if ms < DAY_MS:
        return f"{-(-ms // 1_000)} s"
    whole = -(-ms // DAY_MS)
    return "1 day" if whole == 1 else f"{whole} days"


def keeping_of(topic: str, settings: Mapping[str, str]) -> Keeping:
    """What a topic's settings come to; those that are not told are Kafka's own."""
    told = {**DEFAULTS, **settings}
    policies = {one.strip() for one in told["cleanup.policy"].split(",")}
    retention_ms, segment_ms = int(told["retention.ms"]), int(told["segment.ms"])
    by_age = "delete" in policies and 0 <= retention_ms < FOR_EVER_MS
    lag_ms = min(int(told["max.compaction.lag.ms"]), segment_ms)
    tombstone_ms = int(told["delete.retention.ms"])
    return Keeping(
        topic,
        retention_ms + segment_ms if by_age else None,
        lag_ms + segment_ms + tombstone_ms if "compact" in policies and lag_ms < FOR_EVER_MS else None,
    )


def keeping(config: Config, **client: Any) -> dict[str, Keeping]:
    """How each topic forgets, by its role in ``TopicNames``; raises ``TopicError`` in one sentence."""
    planned = {one.name: one.config for one in config.plan()}
    present = describe(config.broker, list(planned), **client)
    # A broker without topic ids is not asked: the embedded one would hang up.
    asked = [
        ConfigResource(ConfigResourceType.TOPIC, name, list(DEFAULTS))
        for name, info in present.items()
        if info.id_from_broker
    ]
    told: dict[str, dict[str, str]] = {}
    if asked:
        with connected(config.broker, TIMEOUT_S, client) as admin:
            answers = admin.describe_configs(asked, config_filter="all")["topic"]
        told = {name: {key: str(one["value"]) for key, one in answers[name].items()} for name in answers}
    names = {one.name: getattr(config.topics, one.name) for one in fields(TopicNames)}
    return {role: keeping_of(name, told.get(name) or planned[name]) for role, name in names.items()}
