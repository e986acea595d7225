"""Looks at a deployment for ``streams.doctor``: asks the broker, reads nothing of a customer, changes nothing."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kafka import TopicPartition, errors
from kafka.admin import ConfigResource, ConfigResourceType, OffsetSpec

from schemas.policy import PolicyError, parse
from streams.clock import now_ms, rest
from streams.config import Config
from streams.doctor import Bounds, Copy, Member, Place, Seen
from streams.rights import missing, rights
from streams.topics import TIMEOUT_S, compare, connected

BETWEEN_S = 2.5
"""Between two looks at the group's offsets: workers commit every second."""

ROOM_TRIES, ROOM_S = 20, 0.5


def denied(config: Config, process: str, **client: Any) -> list[str]:
    """The rights of a kind of process that the user who asks has not. Raises as ``examine``."""
    with connected(config.broker, TIMEOUT_S, client) as ask:
        return missing(ask, rights(config.topics, config.app_id)[process])


def examine(config: Config, between_s: float = BETWEEN_S, **client: Any) -> Seen:
    """Look at broker, topics, group and this machine. Raises ``BrokerUnreachable`` or ``TopicError``."""
    names, plans = config.topics, config.plan()
    with connected(config.broker, TIMEOUT_S, client) as ask:
        planned = tuple(compare(ask, plans))
        topics = {one["name"]: one for one in ask.describe_topics([plan.name for plan in plans])}
        there = {name: one for name, one in topics.items() if not one["error_code"]}
        places = [
            (name, part["partition_index"])
            for name in (names.support_calls, names.purchases, names.ledger)
            if name in there
            for part in there[name]["partitions"]
        ]
        begun = _committed(ask, config.app_id)
        brokers = ask.describe_cluster()["brokers"]
        settings = _settings(ask, brokers[0]["broker_id"])
        hanging = _hanging(ask)
        rest(between_s)
        committed = _committed(ask, config.app_id)
        begin, end = (_offsets(ask, there, places, spec) for spec in (OffsetSpec.EARLIEST, OffsetSpec.LATEST))
        return Seen(
            brokers=len(brokers),
            topics={name: _copies(one) for name, one in there.items()},
            planned=planned,
            settings=settings,
            members=_members(ask, config.app_id),
            bounds={
                place: Bounds(begin[place], end[place], begun.get(place), committed.get(place))
                for place in places
                if place in begin and place in end
            },
            now_ms=now_ms(),
            newest_ms=_newest_ms(ask, there, [place for place in places if place[0] == names.ledger]),
            topic_ids=all(one.get("topic_id") for one in there.values()),
            hanging=hanging,
            kernels_compiled=_kernels_compiled(),
            kernels_kept=_kernels_kept(),
            policy=_policy(config),
        )


def _copies(topic: Mapping[str, Any]) -> dict[int, Copy]:
    return {
        part["partition_index"]: Copy(part["leader_id"], len(part["replica_nodes"]), len(part["isr_nodes"]))
        for part in topic["partitions"]
    }


def _settings(ask: Any, broker: int) -> dict[str, str]:
    """One broker's settings; empty where we may not ask."""
    try:
        told = ask.describe_configs([ConfigResource(ConfigResourceType.BROKER, str(broker))], config_filter="all")
    except errors.ClusterAuthorizationFailedError:
        return {}
    return {key: str(one["value"]) for one in told["broker"].values() for key, one in one.items()}


def _members(ask: Any, group: str) -> tuple[Member, ...]:
    told = ask.describe_groups([group]).get(group, {})
    return tuple(
        Member(
            one["group_instance_id"] or one["member_id"],
            one["client_host"],
            frozenset(
                (taken["topic"], partition)
                for taken in (one["member_assignment"] or {}).get("assigned_partitions", ())
                for partition in taken["partitions"]
            ),
        )
        for one in told.get("members", ())
    )


def _committed(ask: Any, group: str) -> dict[Place, int]:
    told = _offsets_of(ask, group)
    return {(tp.topic, tp.partition): one.offset for tp, one in told.items() if one.offset >= 0}


def _offsets_of(ask: Any, group: str) -> dict[Any, Any]:
    """What a group has committed. Brokers that were never asked of any group make room for groups first."""
    for left in reversed(range(ROOM_TRIES)):
        try:
            return dict(ask.list_group_offsets(group).get(group, {}))
        except (errors.CoordinatorNotAvailableError, errors.CoordinatorLoadInProgressError):
            if not left:
                raise
            rest(ROOM_S)
    raise AssertionError("unreachable")


def _offsets(ask: Any, topics: Mapping[str, Any], places: list[Place], spec: OffsetSpec) -> dict[Place, int]:
    """Offsets of those partitions that have a leader to ask."""
    told = _asked(ask, topics, places, spec)
    return {place: one.offset for place, one in told.items()}


def _newest_ms(ask: Any, topics: Mapping[str, Any], places: list[Place]) -> int | None:
    """When the newest record was appended; None if there is none."""
    told = _asked(ask, topics, places, OffsetSpec.MAX_TIMESTAMP)
    return max((one.timestamp for one in told.values() if one.timestamp > 0), default=None)


def _asked(ask: Any, topics: Mapping[str, Any], places: list[Place], spec: OffsetSpec) -> dict[Place, Any]:
    led = {
        (name, part["partition_index"])
        for name, one in topics.items()
        for part in one["partitions"]
        if part["leader_id"] >= 0
    }
    wanted = {TopicPartition(*place): spec for place in places if place in led}
    told = ask.list_partition_offsets(wanted) if wanted else {}
    return {(tp.topic, tp.partition): one for tp, one in told.items()}


def _hanging(ask: Any) -> tuple[str, ...] | None:
    """Transactions that have outlived every time-out, each with its partitions; None where nobody would say."""
    try:
        found = ask.find_hanging_transactions()
    except (errors.KafkaError, NotImplementedError):  # no right to ask, or brokers that know no such question
        return None
    return tuple(
        sorted(f"{', '.join(map(_place, one['topic_partitions']))} ({one['transactional_id']})" for one in found)
    )


def _place(one: Any) -> str:
    return f"{one.topic}/{one.partition}"


def _kernels_compiled() -> bool:
    """Whether the cache holds machine code for the greatest of the kernels, as it is written now."""
    from kernels import judge

    cache = getattr(judge.sweep, "_cache", None)
    try:
        return cache is None or bool(cache._cache_file._load_index())
    except OSError:
        return False


def _kernels_kept() -> bool:
    """Whether what is compiled can be kept on this machine."""
    from kernels import judge

    cache = getattr(judge.sweep, "_cache", None)
    folder = getattr(cache, "cache_path", None)
    return folder is None or os.access(Path(folder), os.W_OK)


def _policy(config: Config) -> str | None:
    if not config.policy:
        return None
    try:
        parse(Path(config.policy).read_text(encoding="utf-8"), config.policy)
    except OSError as error:
        return f"{config.policy}: the policy cannot be read: {error.strerror}"
    except (PolicyError, UnicodeDecodeError) as error:
        return str(error)
    return None
